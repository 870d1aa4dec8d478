"""Asterisk's REST interface (ARI): requests, and the WebSocket on which it tells what happens."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

ANSWER_S = 5.0
HEARTBEAT_S = 20.0


class Failed(Exception):
    """A request came to nothing. ``status``: Asterisk's answer, 0 when there was none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        self.status = status
        super().__init__(reason)


class Ari:
    """One Asterisk. ``url``: up to and with ``/ari``."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._session: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """Connections that are kept; made inside the event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": self._authorization}, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def do(self, method: str, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One request; its JSON. Raises Failed."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self.http.request(
                method, f"{self.url}{path}", params=params, timeout=timeout, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Failed(f"Asterisk does not answer: {error or type(error).__name__}") from error
        try:
            told = json.loads(body) if body else {}
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        if not 200 <= answer.status < 300:
            why = told.get("message") or told.get("error") or ""
            raise Failed(f"Asterisk says HTTP {answer.status} {str(why)[:100]}".strip(), answer.status)
        return told

    async def events(self, app: str) -> AsyncIterator[dict[str, Any]]:
        """What happens in this application, after a first empty event when it is connected. Ends with the connection.

        Raises Failed when there is none.
        """
        params = {"app": app, "subscribeAll": "false"}
        try:
            async with self.http.ws_connect(f"{self.url}/events", params=params, heartbeat=HEARTBEAT_S) as socket:
                yield {}
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    try:
                        told = json.loads(message.data)
                    except ValueError:
                        continue
                    if isinstance(told, dict):
                        yield told
        except aiohttp.WSServerHandshakeError as error:
            raise Failed(f"Asterisk says HTTP {error.status} to its events", error.status) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Failed(f"Asterisk does not answer: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()
