"""Requests that leave the house, at addresses that users typed in.

One shared client: every host name is resolved here, every address is checked here, and the connection goes to the very
address that was checked, so that a name which changes its mind between check and connection (DNS rebinding) gains
nothing. Redirects are not followed, the environment's proxies are not used, answers are cut at a size, and a
``Content-Encoding`` is never undone, so that a small answer cannot grow.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpcore
import httpx

from tocsin import __version__
from tocsin.platform import settings as platform_settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ANSWER = 256 * 1024
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(httpx.RequestError):
    """The address is one that we must not reach; ``TOCSIN_OUTBOUND_ALLOW`` may allow it."""

    refused = True


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
            found.append(IPv4Address(int(address) & 0xFFFFFFFF))
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


async def resolve(host: str, port: int, allow: Iterable[Network] = ()) -> list[str]:
    """Addresses of a host that may be reached, in the resolver's order.

    Raises Refused when it has none that we may reach, httpx.ConnectError when it has none at all.
    """
    host = host.strip("[]")
    try:
        literal = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        literal = None
    if literal is not None:
        candidates = [host]
    else:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} cannot be resolved: {error}") from error
        candidates = list(dict.fromkeys(str(item[4][0]) for item in found))
    allow = list(allow)
    good = [item for item in candidates if allowed(ipaddress.ip_address(item.split("%")[0]), allow)]
    if not good:
        raise Refused(
            f"{host} is at {', '.join(candidates[:3])}: private addresses are refused; TOCSIN_OUTBOUND_ALLOW allows some"
        )
    return good


async def refuses(host: str) -> str:
    """Why a host must not be reached; empty when it may be, or when there is no such host."""
    try:
        await resolve(host, 443, platform_settings.get().outbound_allow)
    except Refused as error:
        return str(error)
    except httpx.ConnectError:
        return ""
    return ""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for the pool, to checked addresses only."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self.allow = list(allow)
        self.inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers."""
        problem: Exception | None = None
        for address in await resolve(host, port, self.allow):
            try:
                return await self.inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem or httpcore.ConnectError(f"{host} cannot be reached")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Refused("local sockets are refused")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


_ERRORS: Sequence[tuple[type[Exception], type[httpx.RequestError]]] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.TimeoutException, httpx.ConnectTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    (httpcore.NetworkError, httpx.ReadError),
)


def _translated(error: Exception) -> Exception:
    for theirs, ours in _ERRORS:
        if isinstance(error, theirs):
            return ours(str(error) or type(error).__name__)
    return error


class _Answer(httpx.AsyncByteStream):
    """The body of an answer, cut at a size."""

    def __init__(self, response: httpcore.Response, limit: int) -> None:
        self.response = response
        self.limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self.limit
        try:
            async for part in self.response.aiter_stream():
                yield part[:left]
                left -= len(part)
                if left <= 0:
                    return
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self.response.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx on a pool whose connections are checked."""

    def __init__(self, allow: Iterable[Network], *, max_answer: int = MAX_ANSWER, max_connections: int = 512) -> None:
        self.max_answer = max_answer
        self.pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=max_connections,
            max_keepalive_connections=128,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(allow),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the answer's body is read by the caller."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        outgoing = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            response = await self.pool.handle_async_request(outgoing)
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            httpcore.UnsupportedProtocol,
        ) as error:
            raise _translated(error) from error
        headers = [(name, value) for name, value in response.headers if name.lower() != b"content-encoding"]
        return httpx.Response(
            status_code=response.status,
            headers=headers,
            stream=_Answer(response, self.max_answer),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self.pool.aclose()


def client(
    *, allow: Iterable[Network] | None = None, timeout_s: float = 10.0, max_answer: int = MAX_ANSWER
) -> httpx.AsyncClient:
    """A client for addresses that users typed in; make one for a process and share it.

    ``allow``: private networks that may be reached, the setting's when not given. Raises httpx.RequestError (``Refused``
    for an address that must not be reached).
    """
    networks = platform_settings.get().outbound_allow if allow is None else allow
    return httpx.AsyncClient(
        transport=GuardedTransport(networks, max_answer=max_answer),
        timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": f"Tocsin/{__version__}", "Accept-Encoding": "identity"},
    )
