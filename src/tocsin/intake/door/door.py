"""The fast door: requests of senders, answered by the web process before Django is asked.

A request's way: address -> kind and key -> source (from memory) -> limit -> parse (pure) -> rows -> group commit ->
answer.
A 2xx leaves only when the rows are durable. Refusals are JSON in the shape the sender's tool understands, never a
redirect; each is counted and the newest are kept.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from math import ceil
from secrets import token_hex
from typing import Any
from urllib.parse import unquote

import asyncpg  # type: ignore[import-untyped]
import structlog

from tocsin.intake.contract import Answer, Parsed, ParseError, Request, SourceKind, clean_text
from tocsin.intake.contract.kind import JSON, refuse_plainly
from tocsin.intake.door.committer import Clock, Committer, Overloaded
from tocsin.intake.door.database import UNREACHABLE, connect
from tocsin.intake.door.documents import Documents
from tocsin.intake.door.memory import recall, remember
from tocsin.intake.door.refusals import Refusals
from tocsin.intake.door.remote import Networks, remote_of
from tocsin.intake.door.sources import COLUMNS, Known, Sources, Unavailable
from tocsin.intake.kinds import fixed_paths, kind_of, names, rooted_kinds
from tocsin.intake.rules import row_of
from tocsin.platform.addresses import OutboundError
from tocsin.platform.settings import Settings

log = structlog.get_logger(__name__)

PREFIX = "/in/"
REFRESH_EVERY_S = 5.0
FLUSH_EVERY_S = 1.0
UNLIMITED_S = 1e-9

Pairs = list[tuple[str, str]]
_HEADERS: dict[str, Pairs] = {kind: [("content-type", kind)] for kind in (JSON,)}


class _Refused(Exception):
    """A request that is turned away: reason, status, what is wrong, and headers of the answer."""

    def __init__(
        self,
        reason: str,
        status: int,
        errors: list[str],
        kind: SourceKind | None,
        source: Known | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        shape: str = "event",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.errors = errors
        self.kind = kind
        self.source = source
        self.headers = tuple(headers)
        self.shape = shape


@lru_cache(maxsize=8192)
def split_path(path: str) -> tuple[str, str, str]:
    """Kind (may be empty), key and tail of an address below ``/in/``."""
    words = path[len(PREFIX) :].split("/", 2)
    if len(words) == 1 or (len(words) == 2 and not words[1]):
        return "", unquote(words[0]), ""
    return words[0], unquote(words[1]), words[2] if len(words) > 2 else ""


class Door:
    """One for each web process. ``start`` before the first request, ``stop`` after the last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._networks: Networks = tuple(settings.trusted_proxies)
        self._max_body = settings.intake_max_body
        self.clock = Clock()
        self.refusals = Refusals()
        self.documents = Documents(settings.outbound_allow)
        self.sources = Sources(self._lookup)
        self._folder = settings.data_dir / "spool"
        self._remembered: int | None = None
        self.committer = Committer(self._folder, token_hex(12), settings.spool_max_bytes, self.clock.now)
        self._control: asyncpg.Connection[asyncpg.Record] | None = None
        self._control_turn = asyncio.Lock()
        self._stale = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._fixed = fixed_paths()
        self._rooted = rooted_kinds()
        self._leaving = {name: kind.leaves for name, kind in names().items() if kind.leaves is not None}
        self._roots = tuple(root for root, _ in self._rooted)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the sources and begin to commit. Does not fail when the database is away."""
        try:
            await self._refresh()
        except Unavailable as error:
            log.warning("database away at start", error=str(error))
            memory = await asyncio.to_thread(recall, self._folder)
            if memory is not None:
                self.clock.set(memory.moment, memory.mark)
                self.sources.replace(memory.sources)
        await self.committer.start()
        self._tasks = [asyncio.create_task(self._keep_fresh()), asyncio.create_task(self._keep_books())]

    async def stop(self) -> None:
        """Finish what was accepted, write down what was refused."""
        await self.committer.stop()
        await self.documents.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Unavailable):
            await self._write_books()
        if self._control is not None:
            self._control.terminate()
            self._control = None

    # -- requests ------------------------------------------------------------------------------------------------

    def serves(self, path: str, method: str = "POST", query: str = "", headers: Any = None) -> bool:
        """Whether a request is the door's."""
        if path.startswith(PREFIX):
            leaves = self._leaving.get(path[len(PREFIX) :].partition("/")[0])
            return leaves is None or not leaves(method, split_path(path)[2])
        kind = self._kind_at(path, method, query)
        return kind is not None and not (kind.elsewhere and headers is not None and kind.elsewhere(headers))

    def _kind_at(self, path: str, method: str, query: str) -> SourceKind | None:
        """The kind whose own address this is; None: none's, or one with the key in it."""
        kind = self._fixed.get(path)
        if kind is None and path.startswith(self._roots):
            for root, rooted in self._rooted:
                if path.startswith(root) and rooted.takes is not None and rooted.takes(method, path, query):
                    return rooted
        return kind

    async def handle(self, scope: Any, proto: Any) -> None:
        """Answer one RSGI request."""
        path: str = scope.path
        body = b""
        try:
            headers = scope.headers
            length = headers.get("content-length")
            if length is None:
                body = await self._read(scope, proto) if scope.method not in ("GET", "HEAD") else b""
            elif not length.isdigit() or int(length) > self._max_body:
                raise self._too_large(scope)
            else:
                body = await proto()
            answer = await self._answer(scope, path, headers, body)
        except _Refused as refused:
            answer = self._refusal(refused, scope, path, body)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a request failed", path=path[:40])
            answer = Answer(500, refuse_plainly(500, ["something went wrong on our side; please retry"], "server"))
        if scope.method == "HEAD" and answer.body:
            answer = Answer(answer.status, b"", answer.content_type, answer.headers)
        if answer.headers:
            proto.response_bytes(answer.status, [("content-type", answer.content_type), *answer.headers], answer.body)
        elif answer.content_type is JSON:
            proto.response_bytes(answer.status, _HEADERS[JSON], answer.body)
        else:
            proto.response_bytes(answer.status, [("content-type", answer.content_type)], answer.body)

    async def _read(self, scope: Any, proto: Any) -> bytes:
        """A body of unknown length, as long as it is small enough."""
        parts = []
        size = 0
        async for part in proto:
            size += len(part)
            if size > self._max_body:
                raise self._too_large(scope)
            parts.append(bytes(part))
        return b"".join(parts)

    def _too_large(self, scope: Any) -> _Refused:
        path: str = scope.path
        kind = self._kind_at(path, scope.method, scope.query_string or "")
        if kind is None and path.startswith(PREFIX):
            kind = kind_of(split_path(path)[0])
        return _Refused("too_large", 413, [f"the body is larger than {self._max_body} bytes"], kind)

    async def _answer(self, scope: Any, path: str, headers: Any, body: bytes) -> Answer:
        method: str = scope.method
        query: str = scope.query_string or ""
        kind = self._kind_at(path, method, query)
        if not self.clock.known:
            raise self._later("the database has not been reached yet", kind)
        request = Request(body, now=self.clock.now(), method=method, path=path, query=query, headers=headers)
        if kind is not None:
            self._check_method(kind, method)
            if kind.answer is not None:
                early = kind.answer(request)
                if early is not None:
                    return early
            source = await self._by_content(kind, request)
        else:
            named, key, request.tail = split_path(path)
            kind = kind_of(named) if named else None
            if named and kind is None:
                raise _Refused("unrouted", 404, [f"'{named[:40]}' is not a kind of source"], None)
            source = await self._by_key(kind, key, 404, "no source has this key")
            kind = source.kind
            if kind is None:
                raise _Refused("unrouted", 503, ["the plug-in of this source is not installed"], None, source)
            self._check_method(kind, method, source)
            if kind.answer is not None:
                early = kind.answer(request)
                if early is not None:
                    return early
        at = time.monotonic()
        wait = source.bucket.wait(at)
        if wait > UNLIMITED_S:
            raise self._limited(kind, source, wait)
        if source.locked:
            raise self._later("the secrets of this source cannot be read; TOCSIN_SECRET_KEY has changed", kind, source)
        try:
            if kind.needs is not None:
                await self._provide(kind, request, source)
            parsed: Parsed = kind.parse(request, source.config)
        except ParseError as error:
            reason = "unauthorised" if error.status in (401, 403) else "malformed"
            raise _Refused(reason, error.status, error.errors, kind, source, shape=error.kind) from error
        signals = parsed.signals
        if not signals:
            if parsed.refused:
                self._note(parsed.reason, parsed.answer.status, scope, path, source.id, parsed.refused, body)
            return parsed.answer
        number = source.id
        rows = [row_of(number, signal) for signal in signals]
        source.bucket.take(len(rows))
        try:
            await self.committer.submit(rows)
        except Overloaded as overloaded:
            raise self._later(str(overloaded), kind, source, overloaded.retry_after) from overloaded
        if parsed.refused:
            self._note(parsed.reason, parsed.answer.status, scope, path, source.id, parsed.refused, body)
        return parsed.answer

    async def _provide(self, kind: SourceKind, request: Request, source: Known) -> None:
        """Fetch what the parser needs beside the request. Raises ParseError, _Refused."""
        address = kind.needs(request, source.config) if kind.needs is not None else None
        if address is None:
            return
        try:
            request.fetched = await self.documents.get(address)
        except OutboundError as error:
            text = f"a document that proves this request could not be fetched: {error}"
            raise self._later(text[:300], kind, source, 30) from error

    async def _by_content(self, kind: SourceKind, request: Request) -> Known:
        try:
            key = kind.key(request) if kind.key is not None else None
        except ParseError as error:
            reason = "unauthorised" if error.status == 401 else "malformed"
            raise _Refused(reason, error.status, error.errors, kind, shape=error.kind) from error
        if key is None:
            raise self._unauthorised(kind, "a key is needed: " + kind.unknown_text)
        source = self.sources.get(key)
        if source is not None and source.enabled and source.kind is kind:
            return source
        return await self._by_key(kind, key, kind.unknown, kind.unknown_text)

    def _unauthorised(self, kind: SourceKind, text: str) -> _Refused:
        headers = [("www-authenticate", 'Bearer realm="tocsin"')] if kind.unknown == 401 else []
        return _Refused("unauthorised", kind.unknown, [text], kind, headers=headers)

    async def _by_key(self, kind: SourceKind | None, key: str, status: int, text: str) -> Known:
        source = self.sources.get(key)
        if source is None:
            try:
                source = await self.sources.find(key)
            except Unavailable as error:
                raise self._later("the database is away; whether this key is known cannot be told", kind) from error
        if source is None:
            if status == 401 and kind is not None:
                raise self._unauthorised(kind, text)
            raise _Refused("unrouted", status, [text], kind)
        if kind is not None and source.kind is not kind:
            right = source.kind.kind if source.kind else "unknown"
            raise _Refused("unrouted", status, [f"this key belongs to a source of kind {right}"], kind, source)
        if not source.enabled:
            raise _Refused("unrouted", 403 if status == 404 else status, ["this source is switched off"], kind, source)
        return source

    def _check_method(self, kind: SourceKind, method: str, source: Known | None = None) -> None:
        if method not in kind.methods and not (method == "HEAD" and "GET" in kind.methods):
            allowed = ", ".join(sorted(kind.methods))
            raise _Refused("malformed", 405, [f"method {method} is not served here; {allowed} is"], kind, source,
                           headers=[("allow", allowed)])  # fmt: skip

    def _limited(self, kind: SourceKind, source: Known, wait: float) -> _Refused:
        seconds = max(1, ceil(wait))
        headers = [
            ("retry-after", str(seconds)),
            ("ratelimit-limit", str(source.limit)),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", str(seconds)),
            ("ratelimit-policy", f"{source.limit};w=60"),
        ]
        text = f"more than {source.limit} signals a minute from this source; retry after {seconds} s"
        return _Refused("limited", 429, [text], kind, source, headers=headers)

    def _later(self, text: str, kind: SourceKind | None, source: Known | None = None, retry_after: int = 5) -> _Refused:
        return _Refused("", 503, [text], kind, source, headers=[("retry-after", str(retry_after))])

    def _refusal(self, refused: _Refused, scope: Any, path: str, body: bytes) -> Answer:
        source = refused.source
        errors = [clean_text(error) for error in refused.errors]
        if refused.reason:
            self._note(refused.reason, refused.status, scope, path, source.id if source else None, errors, body)
        kind = refused.kind or (source.kind if source else None)
        shape = kind.refuse if kind else refuse_plainly
        return Answer(refused.status, shape(refused.status, errors, refused.shape), headers=refused.headers)

    def _note(
        self, reason: str, status: int, scope: Any, path: str, source_id: int | None, errors: list[str], body: bytes
    ) -> None:
        if not self.clock.known:
            return
        remote = remote_of(scope.client, scope.scheme, scope.headers, self._networks)
        self.refusals.note(self.clock.now(), reason, status, path, source_id, remote.address, errors, body)

    # -- the control connection ----------------------------------------------------------------------------------

    async def _connection(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._control is None or self._control.is_closed():
            connection = await connect("intake control", statement_timeout="8000")
            await connection.add_listener("tocsin_wake", self._woken)
            self._control = connection
        return self._control

    def _woken(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if payload in ("sources", "clock"):
            self._stale.set()

    async def _ask(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Rows of a query. Raises Unavailable."""
        async with self._control_turn:
            try:
                connection = await self._connection()
                return list(await connection.fetch(query, *args, timeout=8))
            except UNREACHABLE as error:
                if self._control is not None:
                    self._control.terminate()
                    self._control = None
                raise Unavailable(f"{type(error).__name__}: {error}") from error

    async def _lookup(self, digests: list[str]) -> Iterable[Mapping[str, Any]]:
        return await self._ask(f"{COLUMNS} WHERE key_digest = ANY($1::text[])", digests)

    async def _refresh(self) -> None:
        """Look at all sources and the clock again. Raises Unavailable."""
        mark = time.monotonic()
        moment = (await self._ask("SELECT tocsin_now()"))[0][0]
        self.clock.set(moment, (mark + time.monotonic()) / 2)
        rows = await self._ask(COLUMNS)
        self.sources.replace(rows)
        known = hash(tuple(rows))
        if known != self._remembered:
            try:
                await asyncio.to_thread(remember, self._folder, rows, *self.clock.reading)
                self._remembered = known
            except OSError as error:
                log.warning("the sources could not be kept on disk", error=str(error))

    async def _keep_fresh(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY_S if self.clock.known else 0.5):
                    await self._stale.wait()
            self._stale.clear()
            try:
                await self._refresh()
            except Unavailable as error:
                log.debug("sources could not be refreshed", error=str(error))
            except Exception:
                log.exception("sources could not be refreshed")

    async def _keep_books(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self._write_books()
            except Unavailable as error:
                log.debug("refusals wait for the database", error=str(error))
            except Exception:
                log.exception("refusals could not be written")

    async def _write_books(self) -> None:
        """Write down what was refused. Raises Unavailable."""
        if not self.refusals.pending:
            return
        async with self._control_turn:
            try:
                await self.refusals.flush(await self._connection())
            except UNREACHABLE as error:
                if self._control is not None:
                    self._control.terminate()
                    self._control = None
                raise Unavailable(str(error)) from error
