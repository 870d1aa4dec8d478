"""Syslog over UDP, TCP (RFC 6587) and TLS (RFC 5425).

A message goes the way that a request at the door goes: source, limit, parser, group commit. Syslog knows no answer, so
nobody can be told that a message was not kept; what can be done is done: from a connection nothing more is read until
what was read is durable, in the database or, while that is away, in the spool. UDP waits in a queue, and what does not
fit is counted.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable
from typing import Any

import structlog

from tocsin.intake.contract import ParseError, Request, Signal, clean_text
from tocsin.intake.door import Door
from tocsin.intake.door.committer import Overloaded
from tocsin.intake.door.sources import Known, Unavailable
from tocsin.intake.rules import Row, row_of
from tocsin.intake.sources.syslog.reading import Message, read_message
from tocsin.platform.settings import Settings
from tocsin.project.syslog.framing import Frame, Frames
from tocsin.project.syslog.routing import LISTENER, Router

log = structlog.get_logger("tocsin.syslog")

CONNECTIONS = 2_000  # at once, from everybody
CONNECTIONS_EACH = 100  # from one address
MOST_DATAGRAMS = 20_000  # that wait
MOST_WAITING = 64 * 1024 * 1024  # bytes of datagrams that wait
AT_ONCE = 1_000  # datagrams that are stored together
RECEIVE_BUFFER = 8 * 1024 * 1024  # asked for; the system may give less
HANDSHAKE_S = 10.0
LONGEST_PAUSE_S = 5.0
OVER_EVERY_S = 60.0
DRAIN_S = 10.0
OVER_KEY = "tocsin-syslog-limit"


class Desk:
    """What becomes of messages."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.router = Router(door.sources)
        self.counts: Counter[str] = Counter()
        self.over: Counter[int] = Counter()  # by source, messages above its limit since they were last told of

    async def take(self, frames: Iterable[Frame], peer: str, names: Collection[str] = ()) -> None:
        """Messages of one sender; returns when what is to be kept of them is durable."""
        while True:
            if self.door.clock.known:
                break
            await asyncio.sleep(0.5)  # the database was never reached, nor is on disk what was known of it
        rows: list[Row] = []
        for raw, cut in frames:
            self.counts["messages"] += 1
            message = read_message(raw)
            source = await self._source(message, peer, names, raw)
            if source is not None:
                rows += self._rows(source, message, raw, cut, peer)
        if rows:
            await self.store(rows)

    async def store(self, rows: list[Row]) -> None:
        """Returns when the rows are durable, however long that takes."""
        pause = 0.1
        while True:
            try:
                await self.door.committer.submit(rows)
            except Overloaded as overloaded:
                self.counts["waits"] += 1
                log.warning("syslog.waiting", why=str(overloaded))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                self.counts["signals"] += len(rows)
                return

    async def _source(self, message: Message, peer: str, names: Collection[str], raw: bytes) -> Known | None:
        """Whose the message is; None when it is nobody's, which is written down."""
        source = None
        if message.key:
            source = self.door.sources.get(message.key)
            if source is None:
                with contextlib.suppress(Unavailable):
                    source = await self.door.sources.find(message.key)
            if source is None or source.kind is None or source.kind.listener != LISTENER:
                self.note("unrouted", source, peer, ["no source of syslog has the key in this message"], raw)
                return None
        else:
            source = self.router.find(peer, names)
        if source is None:
            text = "no source takes it: none has this sender's address or certificate, and none takes the rest"
            self.note("unrouted", None, peer, [text], raw)
        elif not source.enabled:
            self.note("unrouted", source, peer, ["this source is switched off"], raw)
            return None
        return source

    def _rows(self, source: Known, message: Message, raw: bytes, cut: bool, peer: str) -> list[Row]:
        headers = {"x-syslog-frame": "one", "x-syslog-peer": peer} | ({"x-syslog-cut": "yes"} if cut else {})
        request = Request(raw, now=self.door.clock.now(), headers=headers)
        request.decoded = message
        kind = source.kind
        assert kind is not None  # noqa: S101 - looked at in _source
        try:
            signals = kind.parse(request, source.config).signals
        except ParseError as error:
            self.note("malformed", source, peer, error.errors, raw)
            return []
        if not signals:
            self.counts["left_out"] += 1
            return []
        if source.bucket.wait(time.monotonic()) > 0:
            self.note("limited", source, peer, [f"more than {source.limit} alerts a minute from this source"], raw)
            self.over[source.id] += 1
            # the first that is dropped is told of at once
            return [row_of(source.id, over_limit(source, 1))] if self.over[source.id] == 1 else []
        source.bucket.take(len(signals))
        return [row_of(source.id, signal) for signal in signals]

    def note(self, reason: str, source: Known | None, peer: str, errors: list[str], raw: bytes) -> None:
        """Count a message that is not kept, and keep its beginning when there is room."""
        self.counts[reason] += 1
        if self.door.clock.known:
            shown = [clean_text(error) for error in errors]
            number = source.id if source else None
            self.door.refusals.note(self.door.clock.now(), reason, 0, "syslog", number, peer, shown, raw)

    async def tell_of_limits(self) -> None:
        """Once a minute: which sources were over their limit, and which are no more."""
        told: set[int] = set()
        while True:
            await asyncio.sleep(OVER_EVERY_S)
            known = {source.id: source for source in self.door.sources.all()}
            over, self.over = dict(self.over), Counter()
            rows = [
                row_of(number, over_limit(known[number], count)) for number, count in over.items() if number in known
            ]
            rows += [row_of(number, within_limit(known[number])) for number in told - over.keys() if number in known]
            told = set(over)
            if rows:
                await self.store(rows)


def over_limit(source: Known, count: int) -> Signal:
    """That messages of a source were dropped: somebody has to know that what they see is not all."""
    return Signal(
        action="trigger",
        dedup_key=OVER_KEY,
        title=f"{source.name} is over its limit of {source.limit} alerts a minute: syslog messages are dropped",
        severity="error",
        details={"dropped": count, "limit_per_minute": source.limit},
        origin="Tocsin",
    )


def within_limit(source: Known) -> Signal:
    """That a source keeps to its limit again."""
    title = f"{source.name} keeps to its limit again"
    return Signal(action="resolve", dedup_key=OVER_KEY, title=title, severity="info", origin="Tocsin")


class Datagrams(asyncio.DatagramProtocol):
    """Syslog over UDP (RFC 5426): one message each, in a queue of limited length."""

    def __init__(self, desk: Desk, most: int) -> None:
        self.desk = desk
        self.most = most
        self.waiting: deque[tuple[bytes, str]] = deque()
        self.bytes = 0
        self.work = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Keep it for the worker; count what there is no room for."""
        if len(self.waiting) >= MOST_DATAGRAMS or self.bytes > MOST_WAITING:
            self.desk.note("limited", None, str(addr[0]), ["more came over UDP than could be stored"], data)
            return
        self.waiting.append((data, str(addr[0])))
        self.bytes += len(data)
        self.idle.clear()
        self.work.set()

    async def deal(self) -> None:
        """Store what came, for ever."""
        while True:
            await self.work.wait()
            self.work.clear()
            while self.waiting:
                by_peer: dict[str, list[Frame]] = {}
                for _ in range(min(AT_ONCE, len(self.waiting))):
                    data, peer = self.waiting.popleft()
                    self.bytes -= len(data)
                    by_peer.setdefault(peer, []).append((data[: self.most], len(data) > self.most))
                tasks = [self.desk.take(frames, peer) for peer, frames in by_peer.items()]
                for failed in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(failed, Exception):
                        log.error("syslog.fault", error=f"{type(failed).__name__}: {failed}"[:200])
            self.idle.set()


class Conversation(asyncio.Protocol):
    """One connection. What was read is stored before more is read."""

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self.frames = Frames(listener.configured.syslog_max_size)
        self.peer = ""
        self.names: list[str] = []
        self.working: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._read: deque[bytes | None] = deque()  # None: the end
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counted from here on; too many are closed at once."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        listener = self.listener
        self._transport = transport
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self.names = names_in(transport.get_extra_info("peercert"))
        if listener.clients[self.peer] >= CONNECTIONS_EACH or listener.clients.total() >= CONNECTIONS:
            listener.desk.counts["turned_away"] += 1
            transport.abort()
            return
        listener.clients[self.peer] += 1
        listener.conversations.add(self)
        self._counted = True

    def data_received(self, data: bytes) -> None:
        """Read no more until this is stored."""
        if self._counted:
            self.pause()
            self._work(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """What is left may be a message."""
        if not self._counted:
            return
        self._counted = False
        clients = self.listener.clients
        clients[self.peer] -= 1
        if clients[self.peer] <= 0:
            del clients[self.peer]
        self._work(None)

    def pause(self) -> None:
        """Leave what comes to the system's buffers, and so to the sender's."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _work(self, data: bytes | None) -> None:
        self._read.append(data)
        if self.working is None or self.working.done():
            self.working = asyncio.get_running_loop().create_task(self._deal())

    async def _deal(self) -> None:
        while self._read:
            data = self._read.popleft()
            frames = self.frames.end() if data is None else self.frames.feed(data)
            try:
                await self.listener.desk.take(frames, self.peer, self.names)
            except Exception:
                log.exception("syslog.fault", peer=self.peer)
            if data is None:
                self.listener.conversations.discard(self)
                return
        transport = self._transport
        if transport is not None and not transport.is_closing() and not self.listener.stopping:
            transport.resume_reading()


class Listener:
    """The server: ``start``, ``stop``; ``port`` and ``tls_port`` say where it listens."""

    def __init__(self, configured: Settings) -> None:
        self.configured = configured
        self.door = Door(configured)
        self.desk = Desk(self.door)
        self.clients: Counter[str] = Counter()
        self._servers: dict[str, asyncio.Server] = {}
        self._datagrams: tuple[asyncio.DatagramTransport, Datagrams] | None = None
        self.conversations: set[Conversation] = set()
        self.stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen. Raises OSError when that cannot be, also for a certificate that cannot be read."""
        configured = self.configured
        tls = tls_of(configured) if configured.syslog_tls_address else None
        await self.door.start()
        try:
            await self._open(tls)
        except OSError:
            await self.stop()
            raise

    async def _open(self, tls: ssl.SSLContext | None) -> None:
        configured = self.configured
        loop = asyncio.get_running_loop()
        if plain := configured.syslog_address:
            self._servers["tcp"] = await loop.create_server(lambda: Conversation(self), *plain)
            # UDP on the port that TCP got, which matters when the system chose it
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: Datagrams(self.desk, configured.syslog_max_size), (plain[0], self.port)
            )
            with contextlib.suppress(OSError):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._datagrams = transport, protocol
            self._tasks.append(asyncio.create_task(protocol.deal()))
        if secure := configured.syslog_tls_address:
            self._servers["tls"] = await loop.create_server(
                lambda: Conversation(self), *secure, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S
            )
        self._tasks.append(asyncio.create_task(self.desk.tell_of_limits()))

    @property
    def port(self) -> int:
        """Where it listens for TCP and UDP; 0: nowhere."""
        return _port(self._servers.get("tcp"))

    @property
    def tls_port(self) -> int:
        """Where it listens for TLS; 0: nowhere."""
        return _port(self._servers.get("tls"))

    async def stop(self) -> None:
        """Take nothing new, store what was read, let go."""
        self.stopping = True
        for server in self._servers.values():
            server.close()
        talking = list(self.conversations)
        for one in talking:
            one.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                if self._datagrams is not None:
                    self._datagrams[0].close()
                    await self._datagrams[1].idle.wait()
                await asyncio.gather(*(one.working for one in talking if one.working), return_exceptions=True)
        for one in talking:
            await self.desk.take(one.frames.end(), one.peer, one.names)
            one.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.door.stop()


def _port(server: asyncio.Server | None) -> int:
    return int(server.sockets[0].getsockname()[1]) if server is not None and server.sockets else 0


def tls_of(configured: Settings) -> ssl.SSLContext:
    """The server's side of TLS; with an authority, clients have to show a certificate of it. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(configured.syslog_tls_cert), str(configured.syslog_tls_key))
    if configured.syslog_tls_ca:
        context.load_verify_locations(str(configured.syslog_tls_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def names_in(certificate: Any) -> list[str]:
    """DNS names and common name of a client's certificate, as ``SSLSocket.getpeercert`` tells them."""
    if not certificate:
        return []
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return names + [value for group in certificate.get("subject", ()) for kind, value in group if kind == "commonName"]
