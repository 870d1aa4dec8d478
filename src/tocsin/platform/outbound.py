"""Requests that leave the house, to addresses that users typed in.

Every host name is resolved here, every address is checked here, and the connection goes to the very address that was
checked, so that a name which changes its mind between check and connection (DNS rebinding) gains nothing. Redirects are
not followed, the environment's proxies are not used, answers are cut at a size, and a ``Content-Encoding`` is never
undone, so that a small answer cannot grow.

The client speaks HTTP/1.1 (RFC 9112) by itself: a page is one small POST, thousands of them in a storm, and general
clients spend more time on each than the database does. ``client()`` gives httpx on the same guarded connections.
"""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote, unquote, urlsplit

import httpx

from tocsin import __version__
from tocsin.platform import settings as platform_settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ANSWER = 256 * 1024
MAX_HEAD = 64 * 1024
KEEP_S = 15.0  # an idle connection is used again within this time
MAX_IDLE = 256
CONNECT_S = 5.0
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """A request came to nothing. ``lasting``: trying again as it is makes no sense."""

    lasting = False


class Refused(OutboundError):
    """The address is one that we must not reach; ``TOCSIN_OUTBOUND_ALLOW`` may allow it."""

    lasting = True


class Unusable(OutboundError):
    """The address or a header makes no request, or the server's certificate is not good."""

    lasting = True


# --- which addresses ----------------------------------------------------------------------------------------------


def addresses_inside(address: Address) -> list[Address]:
    """The address and every IPv4 address that an IPv6 address carries: mapped, 6to4, Teredo, NAT64 (RFC 6052)."""
    found: list[Address] = [address]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            found = [address.ipv4_mapped]
        elif address.sixtofour:
            found.append(address.sixtofour)
        elif address.teredo:
            found.extend(address.teredo)
        elif address in NAT64:
            found = [IPv4Address(int(address) & 0xFFFFFFFF)]
        elif int(address) >> 32 == 0 and int(address) > 1:
            found.append(IPv4Address(int(address)))  # IPv4-compatible, long deprecated, still understood by some stacks
    return found


def allowed(address: Address, allow: Iterable[Network] = ()) -> bool:
    """Whether a connection to this address may be opened: it is public, or inside one of the allowed networks."""
    allow = list(allow)
    return all(
        (item.is_global and not item.is_multicast and not item.is_reserved)
        or any(item.version == network.version and item in network for network in allow)
        for item in addresses_inside(address)
    )


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return None


async def resolve(host: str, port: int, allow: Iterable[Network] = ()) -> list[str]:
    """Addresses of a host that may be reached, in the resolver's order.

    Raises Refused when it has none that we may reach, OutboundError when it has none at all.
    """
    host = host.strip("[]")
    candidates = [host]
    if _literal(host) is None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise OutboundError(f"{host} cannot be resolved: {error}") from error
        candidates = list(dict.fromkeys(str(item[4][0]) for item in found))
    allow = list(allow)
    good = [text for text in candidates if (address := _literal(text)) is not None and allowed(address, allow)]
    if not good:
        raise Refused(
            f"{host} is at {', '.join(candidates[:3])}, a private address; TOCSIN_OUTBOUND_ALLOW may allow it"
        )
    return good


async def refuses(host: str) -> str:
    """Why a host must not be reached; empty when it may be, or when there is no such host."""
    try:
        await resolve(host, 443, platform_settings.get().outbound_allow)
    except Refused as error:
        return str(error)
    except OutboundError:
        return ""
    return ""


# --- requests and answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart. ``head``: the parts of a request's head that depend on it alone."""

    tls: bool
    host: str
    port: int
    path: bytes
    head: bytes


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@lru_cache(maxsize=4096)
def target_of(url: str) -> Target:
    """Take an address apart. Raises Unusable."""
    if any(ord(char) < 33 and char != " " for char in url):
        raise Unusable("an address holds no control characters")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except (ValueError, UnicodeError) as error:
        raise Unusable(f"this is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host):
        raise Unusable("an address begins with http:// or https:// and a host's name")
    tls = parts.scheme == "https"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != (443 if tls else 80):
        shown += f":{port}"
    head = f"Host: {shown}\r\nUser-Agent: Tocsin/{__version__}\r\nAccept-Encoding: identity\r\n"
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        head += f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    return Target(tls, host, port or (443 if tls else 80), path.encode(), head.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. ``headers`` by lower-case name; ``body`` cut at the client's size."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")


class Malformed(OutboundError):
    """What the server said is not HTTP."""


class Gone(OutboundError):
    """The connection ended before an answer began."""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.transport: asyncio.Transport | None = None
        self.buffer = bytearray()
        self.waiter: asyncio.Future[Answer] | None = None
        self.lost = False
        self.reusable = False
        self.since = 0.0
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._left: int | None = None  # bytes of the body, or of the chunk, still to come; None: until the end
        self._stage = "idle"
        self._no_body = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """We are connected."""
        self.transport = transport  # type: ignore[assignment]  # a stream transport, since we asked for a stream

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        if self.waiter is None:  # nobody asked: whatever this is, it must not become the answer to the next request
            self.close()
            return
        self.buffer += data
        try:
            self._advance()
        except (Malformed, ValueError) as error:
            self._fail(error if isinstance(error, Malformed) else Malformed(f"not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or the network, ended it."""
        self.lost = True
        if self._stage == "rest" and self._left is None and exc is None:
            self._finish(reusable=False)
        elif self._stage == "head" and not self.buffer:
            self._fail(Gone(f"the connection was closed without an answer{f': {exc}' if exc else ''}"))
        else:
            self._fail(
                OutboundError(f"the connection was closed in the middle of the answer{f': {exc}' if exc else ''}")
            )

    # the caller's side

    async def ask(self, request: bytes, *, head_only: bool = False) -> Answer:
        """Send a request and wait for its answer."""
        if self.lost or self.transport is None:
            raise Gone("the connection is closed")
        self.waiter = asyncio.get_running_loop().create_future()
        self._stage, self._status, self._headers, self._no_body = "head", 0, {}, head_only
        self._body = bytearray()
        self.reusable = False
        self.transport.write(request)
        try:
            return await self.waiter
        finally:
            self.waiter = None
            if not self.reusable:
                self.close()

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.abort()

    # reading (RFC 9112)

    def _advance(self) -> None:
        while self._stage != "idle":
            if self._stage == "head":
                end = self.buffer.find(b"\r\n\r\n")
                if end < 0:
                    if len(self.buffer) > MAX_HEAD:
                        raise Malformed("the answer's head does not end")
                    if self.buffer and not b"HTTP/1.".startswith(bytes(self.buffer[:7])):
                        raise Malformed(f"not HTTP: {bytes(self.buffer[:40])!r}")
                    return
                self._read_head(bytes(self.buffer[:end]))
                del self.buffer[: end + 4]
            elif self._stage == "size":
                end = self.buffer.find(b"\r\n")
                if end < 0:
                    if len(self.buffer) > 1024:
                        raise Malformed("a chunk without a size")
                    return
                size = bytes(self.buffer[:end]).split(b";")[0].strip()
                if not re.fullmatch(rb"[0-9A-Fa-f]{1,12}", size):
                    raise Malformed("a chunk without a size")
                del self.buffer[: end + 2]
                self._left = int(size, 16)
                self._stage = "chunk" if self._left else "trailer"
            elif self._stage == "chunk":
                if not self._take():
                    return
                if len(self.buffer) < 2:
                    return
                del self.buffer[:2]
                self._stage = "size"
            elif self._stage == "trailer":
                end = self.buffer.find(b"\r\n")
                if end < 0:
                    if len(self.buffer) > MAX_HEAD:
                        raise Malformed("the answer's trailer does not end")
                    return
                del self.buffer[: end + 2]
                if end == 0:
                    self._finish(reusable=True)
            else:
                if not self._take():
                    return
                self._finish(reusable=True)

    def _read_head(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        first = re.fullmatch(r"HTTP/1\.([01]) (\d{3})(?: .*)?", lines[0])
        if not first:
            raise Malformed(f"not HTTP: {lines[0][:40]!r}")
        self._status = int(first.group(2))
        self._headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not _TOKEN.fullmatch(name):
                raise Malformed(f"a header that is none: {line[:40]!r}")
            self._headers[name.lower()] = value.strip()
        if 100 <= self._status < 200:
            return  # the real answer follows
        connection = self._headers.get("connection", "").lower()
        self.reusable = first.group(1) == "1" and "close" not in connection
        length = self._headers.get("content-length")
        if self._no_body or self._status in (204, 304):
            self._finish(reusable=True, rest=True)
        elif "chunked" in self._headers.get("transfer-encoding", "").lower():
            self._stage = "size"
        elif length is not None:
            if not re.fullmatch(r"\d{1,18}", length):
                raise Malformed("a Content-Length that is no number")
            self._left = int(length)
            self._stage = "rest"
        else:
            self._left, self._stage = None, "rest"
            self.reusable = False

    def _take(self) -> bool:
        """Move what has come of the body; True when this part is complete."""
        count = len(self.buffer) if self._left is None else min(self._left, len(self.buffer))
        self._body += self.buffer[:count]
        del self.buffer[:count]
        if self._left is not None:
            self._left -= count
        if len(self._body) > self.limit or (self._left or 0) > self.limit * 64:
            del self._body[self.limit :]
            self._finish(reusable=False)
            return False
        return self._left == 0

    def _finish(self, *, reusable: bool, rest: bool = False) -> None:
        self.reusable = self.reusable and reusable and not self.lost and (rest or not self.buffer)
        self._stage = "idle"
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(Answer(self._status, self._headers, bytes(self._body)))

    def _fail(self, error: OutboundError) -> None:
        self.reusable = False
        self._stage = "idle"
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)
        self.close()


class Client:
    """Guarded HTTP/1.1 with connections that are kept; make one for an event loop and share it."""

    def __init__(self, allow: Iterable[Network] | None = None, *, max_answer: int = MAX_ANSWER) -> None:
        self.allow = list(platform_settings.get().outbound_allow if allow is None else allow)
        self.max_answer = max_answer
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[tuple[bool, str, int], deque[Connection]] = {}
        self._idle_count = 0

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """POST once. Raises OutboundError; ``asyncio.timeout`` around it limits the time."""
        return await self.request("POST", url, content=content, headers=headers)

    async def request(
        self, method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send once. Raises OutboundError; ``asyncio.timeout`` around it limits the time."""
        target = target_of(url)
        request = _request(method, target, content, headers or {})
        kept = self._kept(target)
        if kept is not None:
            try:
                return await self._ask(kept, target, request, method)
            except Gone:
                pass  # it ended while nobody used it; the request was not answered, so it is sent on a new one
        return await self._ask(await self._connect(target), target, request, method)

    async def _ask(self, connection: Connection, target: Target, request: bytes, method: str) -> Answer:
        answer = await connection.ask(request, head_only=method == "HEAD")
        if connection.reusable and self._idle_count < MAX_IDLE:
            connection.since = asyncio.get_running_loop().time()
            self._idle.setdefault((target.tls, target.host, target.port), deque()).append(connection)
            self._idle_count += 1
        else:
            connection.close()
        return answer

    def _kept(self, target: Target) -> Connection | None:
        waiting = self._idle.get((target.tls, target.host, target.port))
        now = asyncio.get_running_loop().time()
        while waiting:
            connection = waiting.pop()
            self._idle_count -= 1
            if not connection.lost and now - connection.since < KEEP_S:
                return connection
            connection.close()
        return None

    async def _connect(self, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        if target.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        problem: OutboundError | None = None
        if self._idle_count >= MAX_IDLE:
            self._sweep(loop.time())
        for address in await resolve(target.host, target.port, self.allow):
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self.max_answer),
                        address,
                        target.port,
                        ssl=self._tls if target.tls else None,
                        server_hostname=target.host if target.tls else None,
                    )
                return connection
            except ssl.SSLCertVerificationError as error:
                raise Unusable(f"the certificate of {target.host} is not good: {error.verify_message}") from error
            except TimeoutError:
                problem = OutboundError(f"{target.host} does not answer")
            except (OSError, ssl.SSLError) as error:
                problem = OutboundError(f"{target.host} cannot be reached: {error}")
        raise problem or OutboundError(f"{target.host} cannot be reached")

    def _sweep(self, now: float) -> None:
        for key, waiting in list(self._idle.items()):
            kept = deque(item for item in waiting if not item.lost and now - item.since < KEEP_S)
            for item in waiting:
                if item not in kept:
                    item.close()
            self._idle_count -= len(waiting) - len(kept)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    async def aclose(self) -> None:
        """Hang up everywhere."""
        for waiting in self._idle.values():
            for connection in waiting:
                connection.close()
        self._idle.clear()
        self._idle_count = 0
        await asyncio.sleep(0)


def _request(method: str, target: Target, content: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} ".encode(), target.path, b" HTTP/1.1\r\n", target.head]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not value.isprintable():
            raise Unusable(f"the header {name[:40]!r} cannot be sent as it is")
        try:
            lines.append(f"{name}: {value}\r\n".encode("latin-1"))
        except UnicodeEncodeError as error:
            raise Unusable(f"the header {name[:40]!r} holds characters that headers cannot") from error
    if content or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(content)}\r\n".encode())
    return b"".join((*lines, b"\r\n", content))


# --- httpx on the same connections --------------------------------------------------------------------------------


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx's requests over guarded connections."""

    def __init__(self, inner: Client) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpx's errors."""
        content = await request.aread()
        skip = {"host", "user-agent", "accept-encoding", "content-length", "transfer-encoding", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in skip}
        seconds = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(seconds):
                answer = await self.inner.request(request.method, str(request.url), content=content, headers=headers)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {seconds} s", request=request) from error
        except OutboundError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        plain = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
        return httpx.Response(answer.status, headers=plain, content=answer.body, request=request)

    async def aclose(self) -> None:
        """Hang up."""
        await self.inner.aclose()


def client(*, allow: Iterable[Network] | None = None, timeout_s: float = 10.0) -> httpx.AsyncClient:
    """httpx for addresses that users typed in, on guarded connections; no redirects, no proxies of the environment.

    ``allow``: private networks that may be reached, the setting's when not given.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(Client(allow)), timeout=timeout_s, follow_redirects=False, trust_env=False
    )
