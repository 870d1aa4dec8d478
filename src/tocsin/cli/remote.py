"""Talking to a server: which one, as whom, and what its refusals mean for the exit code."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import typer

from tocsin import __version__

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_NOT_ALLOWED = 4
EXIT_UNREACHABLE = 5
EXIT_OF = {401: EXIT_NOT_ALLOWED, 403: EXIT_NOT_ALLOWED, 404: EXIT_NOT_FOUND}
TIMEOUT_S = 60.0


def fail(message: str, code: int = EXIT_FAILED, problems: dict[str, str] | None = None) -> typer.Exit:
    """Say on stderr what went wrong, field by field; raise what this returns."""
    typer.echo(message, err=True)
    for name, text in (problems or {}).items():
        typer.echo(f"  {name}: {text}", err=True)
    return typer.Exit(code)


def config_file() -> Path:
    """Where profiles are kept."""
    if own := os.environ.get("TOCSIN_CONFIG_DIR"):
        return Path(own) / "config.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "tocsin" / "config.toml"


@dataclass(frozen=True)
class Server:
    """Which server, and the token that says as whom."""

    url: str
    token: str


def server(profile: str = "") -> Server:
    """The named profile; otherwise TOCSIN_URL and TOCSIN_TOKEN; otherwise the default profile.

    Ends the program with a usage error when there is none.
    """
    url, token = os.environ.get("TOCSIN_URL", ""), os.environ.get("TOCSIN_TOKEN", "")
    if url and not profile:
        return Server(url.rstrip("/"), token)
    path = config_file()
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise fail(f"{path} cannot be read: {error}", EXIT_USAGE) from error
    profiles = known.get("profiles", {})
    name = profile or os.environ.get("TOCSIN_PROFILE", "") or str(known.get("default", "local"))
    found = profiles.get(name) if isinstance(profiles, dict) else None
    if not isinstance(found, dict) or not found.get("url"):
        known_names = ", ".join(profiles) if profiles else "none"
        raise fail(
            f"There is no profile {name} in {path} (known: {known_names}). Set TOCSIN_URL and TOCSIN_TOKEN.",
            EXIT_USAGE,
        )
    return Server(str(found["url"]).rstrip("/"), token or str(found.get("token", "")))


class Api:
    """The HTTP API of one server. A refusal ends the program with its message and exit code."""

    def __init__(self, server: Server, timeout_s: float = TIMEOUT_S) -> None:
        self.server = server
        headers = {"User-Agent": f"tocsin/{__version__}", "Accept": "application/json"}
        if server.token:
            headers["Authorization"] = f"Bearer {server.token}"
        try:
            self._client = httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=timeout_s)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError) as error:
            raise fail(f"This is no address of a server, or no token: {error}", EXIT_USAGE) from error

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET with those of ``query`` that are given."""
        params = {name: value for name, value in query.items() if value not in (None, "", [], ())}
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> Any:
        """POST, safe to repeat: a lost answer is asked for again under the same key."""
        return self._ask("POST", path, json={} if body is None else body, headers={"Idempotency-Key": str(uuid4())})

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, json=body)

    def put_bytes(self, path: str, data: bytes) -> Any:
        """PUT of what is no JSON: a piece of a file."""
        return self._ask("PUT", path, content=data, headers={"Content-Type": "application/octet-stream"})

    def patch(self, path: str, body: Any) -> Any:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def items(self, path: str, limit: int, **query: Any) -> list[Any]:
        """Up to ``limit`` items of a list, however many answers that takes."""
        found: list[Any] = []
        cursor = ""
        while len(found) < limit:
            answer = self.get(path, **query, limit=min(500, limit - len(found)), cursor=cursor)
            found += answer["items"]
            cursor = answer.get("next") or ""
            if not cursor:
                break
        return found[:limit]

    def exists(self, path: str) -> bool:
        """Whether there is something at this address."""
        return self._send("GET", path).status_code == 200

    def _send(self, method: str, path: str, **told: Any) -> httpx.Response:
        tries = 2 if method in ("GET", "POST") else 1
        while True:
            tries -= 1
            try:
                return self._client.request(method, path, **told)
            except (httpx.ReadError, httpx.RemoteProtocolError) as error:
                if not tries:
                    raise self._unreachable(error) from error
            except httpx.HTTPError as error:
                raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> typer.Exit:
        return fail(f"{self.server.url} cannot be reached: {error or type(error).__name__}", EXIT_UNREACHABLE)

    def _ask(self, method: str, path: str, **told: Any) -> Any:
        response = self._send(method, path, **told)
        try:
            body = response.json()
        except ValueError as error:
            what = f"{self.server.url} answered {response.status_code}, not as Tocsin does; is this its address?"
            raise fail(what, EXIT_UNREACHABLE) from error
        if response.is_success:
            return body
        told_error = body.get("error", {}) if isinstance(body, dict) else {}
        message = told_error.get("message") or f"The server answered {response.status_code}."
        if response.status_code == 503:
            message += " (503)"
        raise fail(message, EXIT_OF.get(response.status_code, EXIT_FAILED), told_error.get("problems"))


@dataclass
class _Asked:
    """What the options that every command has were set to."""

    profile: str = ""
    json: bool = False


asked = _Asked()


@contextmanager
def api(timeout_s: float = TIMEOUT_S) -> Iterator[Api]:
    """The API of the server that this command is to talk to; an answer may take ``timeout_s`` seconds."""
    connection = Api(server(asked.profile), timeout_s)
    try:
        yield connection
    finally:
        connection.close()
