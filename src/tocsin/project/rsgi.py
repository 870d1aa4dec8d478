"""The web process: senders' requests go to the intake's door, everything else to Django.

``app`` is an RSGI application. Django speaks ASGI; ``_Bridge`` translates one request. Django's synchronous views run
in threads that live as long as the process, so that each keeps its database connection.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import django
from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import connections
from granian._granian import RSGIProtocolClosed as ProtocolClosed

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")
django.setup()

from tocsin.intake.door import Door  # noqa: E402
from tocsin.intake.door.remote import Networks, remote_of  # noqa: E402
from tocsin.platform import settings as platform_settings  # noqa: E402
from tocsin.project.asgi import application  # noqa: E402
from tocsin.web.live import HUB  # noqa: E402

THREADS = 12
MAX_BODY = 16 * 1024 * 1024
DRAIN_S = 10.0
PAGES_S = 5.0
FORWARDED = frozenset(
    ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-port", "forwarded")
)
LEAVING = b'{"error":{"code":"unavailable","message":"This process is starting or stopping; please retry."}}'
TOO_LARGE = b'{"error":{"code":"too_large","message":"The body is larger than 16 MiB."}}'


class Asgi(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None: ...


class _Threads:
    """Executors of one thread each, lent to one request at a time."""

    def __init__(self, count: int) -> None:
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        self._all = [ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"web-{n}") for n in range(count)]
        for executor in self._all:
            self._free.put_nowait(executor)

    async def borrow(self) -> ThreadPoolExecutor:
        """A free executor; waits for one."""
        return await self._free.get()

    def give_back(self, executor: ThreadPoolExecutor) -> None:
        """Make it free again."""
        self._free.put_nowait(executor)

    def close(self) -> None:
        """Let the threads end, each with its database connection."""
        for executor in self._all:
            executor.submit(connections.close_all)
            executor.shutdown(wait=False)


class _Loan:
    """An executor held for a request, given back once."""

    def __init__(self, threads: _Threads, executor: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = executor

    def end(self) -> None:
        """Give it back, if that was not done yet."""
        if self._executor is not None:
            self._threads.give_back(self._executor)
            self._executor = None


class _Bridge:
    """One request of Django's: RSGI on one side, ASGI on the other."""

    def __init__(self, scope: Any, proto: Any, loan: _Loan) -> None:
        self.endless = False
        self._scope = scope
        self._proto = proto
        self._loan = loan
        self._body: Any = None
        self._size = 0
        self._read = False
        self._status = 200
        self._headers: list[tuple[str, str]] = []
        self._stream: Any = None
        self._ended = asyncio.Event()
        self._started = False

    def end(self) -> None:
        """Tell Django that the client has gone."""
        self._ended.set()

    async def receive(self) -> dict[str, Any]:
        """The next part of the body, and after it the news that the client has gone."""
        if self._read:
            await self._gone()
            return {"type": "http.disconnect"}
        if self._body is None:
            if self._scope.method in ("GET", "HEAD", "OPTIONS") and not self._scope.headers.get("content-length"):
                self._read = True
                return {"type": "http.request", "body": b"", "more_body": False}
            self._body = self._proto.__aiter__()
        try:
            part = await anext(self._body)
        except StopAsyncIteration:
            self._read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        self._size += len(part)
        if self._size > MAX_BODY:
            self._read = True
            self._refuse()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": bytes(part), "more_body": True}

    async def _gone(self) -> None:
        """Until the client has hung up or the answer is complete."""
        gone = asyncio.ensure_future(self._proto.client_disconnect())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            ended.cancel()

    def _refuse(self) -> None:
        if not self._started:
            self._started = True
            self._proto.response_bytes(413, [("content-type", "application/json")], TOO_LARGE)
        self._ended.set()

    async def send(self, message: dict[str, Any]) -> None:
        """One message of Django's answer. Raises OSError when the client has gone."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            if any(name.lower() == "content-type" and "event-stream" in value for name, value in self._headers):
                self._loan.end()  # a stream may stay open for hours; its thread is wanted
                self.endless = True
            return
        if message["type"] != "http.response.body" or self._ended.is_set():
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._stream is None and not more:
            self._started = True
            self._proto.response_bytes(self._status, self._headers, bytes(body))
            self._ended.set()
            return
        try:
            if self._stream is None:
                self._started = True
                self._stream = self._proto.response_stream(self._status, self._headers)
            if body:
                await self._stream.send_bytes(bytes(body))
        except ProtocolClosed as error:
            self._ended.set()
            raise OSError("the client has gone") from error
        if not more:
            self._ended.set()


class App:
    """The RSGI application of one web process."""

    def __init__(self, django_app: Asgi) -> None:
        self.settings = platform_settings.get()
        self._django = django_app
        self._networks: Networks = ()
        self._door: Door | None = None
        self._threads: _Threads | None = None
        self._open: set[_Bridge] = set()

    # -- life ----------------------------------------------------------------------------------------------------

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Granian's call before the first request; a server of ours has called ``start`` already."""
        if self._door is None and not loop.is_running():
            loop.run_until_complete(self.start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Granian's call after the last request."""
        if self._door is not None and not loop.is_running():
            loop.run_until_complete(self.stop())

    async def start(self) -> None:
        """Open the door."""
        self._threads = _Threads(THREADS)
        self._networks = tuple(self.settings.trusted_proxies)
        door = Door(self.settings)
        await door.start()
        self._door = door
        HUB.open()

    def end_streams(self) -> None:
        """End the answers that would never end by themselves; browsers connect again, to a process that stays."""
        for bridge in self._open:
            if bridge.endless:
                bridge.end()

    async def stop(self) -> None:
        """Finish what was accepted and close."""
        door, self._door = self._door, None
        if door is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await door.stop()
        self.end_streams()
        await HUB.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(PAGES_S):
                while self._open:  # noqa: ASYNC110 - a page that is finishing; there are few, and we are leaving
                    await asyncio.sleep(0.01)
        if self._threads is not None:
            self._threads.close()

    @property
    def door(self) -> Door:
        """The open door. Raises RuntimeError before ``start``."""
        if self._door is None:
            raise RuntimeError("the web process has not started")
        return self._door

    # -- requests ------------------------------------------------------------------------------------------------

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        """Answer one request."""
        if scope.proto != "http":
            proto.close(403)
            return
        door = self._door
        if door is None:
            proto.response_bytes(503, [("content-type", "application/json"), ("retry-after", "2")], LEAVING)
        elif door.serves(scope.path, scope.method, scope.query_string or "", scope.headers):
            await door.handle(scope, proto)
        else:
            await self._page(scope, proto)

    async def _page(self, scope: Any, proto: Any) -> None:
        length = scope.headers.get("content-length")
        if length and length.isdigit() and int(length) > MAX_BODY:
            proto.response_bytes(413, [("content-type", "application/json")], TOO_LARGE)
            return
        threads = self._threads
        if threads is None:
            raise RuntimeError("the web process has not started")
        executor = await threads.borrow()
        loan = _Loan(threads, executor)
        context = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[context] = executor
        token = SyncToAsync.thread_sensitive_context.set(context)
        bridge = _Bridge(scope, proto, loan)
        self._open.add(bridge)
        try:
            await self._django(self._scope(scope), bridge.receive, bridge.send)
        except (OSError, ProtocolClosed):
            pass  # the client has gone
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)
            SyncToAsync.context_to_thread_executor.pop(context, None)
            self._open.discard(bridge)
            loan.end()

    def _scope(self, scope: Any) -> dict[str, Any]:
        """The request in ASGI's words, as the client made it in front of trusted proxies."""
        remote = remote_of(scope.client, scope.scheme, scope.headers, self._networks)
        headers = []
        authority = remote.host or scope.authority or scope.headers.get("host") or ""
        seen_host = False
        for name, value in scope.headers.items():
            if name in FORWARDED:
                continue
            if name == "host":
                seen_host = True
                value = authority
            headers.append((name.encode("latin-1"), value.encode("latin-1", "replace")))
        if authority and not seen_host:
            headers.append((b"host", authority.encode("latin-1", "replace")))
        raw = (remote.prefix + scope.path).encode("utf-8", "surrogateescape")
        path = unquote_to_bytes(raw).decode("utf-8", "replace")
        server, _, port = str(scope.server).rpartition(":")
        client, _, client_port = str(scope.client).rpartition(":")
        behind = remote.address != client.strip("[]")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": str(scope.http_version),
            "method": scope.method,
            "scheme": remote.scheme,
            "path": path,
            "raw_path": raw,
            "root_path": remote.prefix,
            "query_string": (scope.query_string or "").encode("latin-1", "replace"),
            "headers": headers,
            "client": (remote.address, 0 if behind or not client_port.isdigit() else int(client_port)),
            "server": (server.strip("[]"), int(port) if port.isdigit() else None),
            "state": {},
        }


app = App(application)
