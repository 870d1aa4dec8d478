"""Requests that leave the house, to addresses that users typed in.

Every host name is resolved by us, every address is checked (``addresses.py``), and the connection goes to the very
address that was checked, so that a name which changes its mind between check and connection (DNS rebinding) gains
nothing. Redirects are not followed, the environment's proxies are not used, cookies are not kept, answers are cut at a
size, and a ``Content-Encoding`` is never undone, so that a small answer cannot grow.

HTTP itself is aiohttp's; docs/decisions/0007-aiohttp-for-sending.md says why.
"""

import base64
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from tocsin import __version__
from tocsin.platform import addresses
from tocsin.platform import settings as platform_settings
from tocsin.platform.addresses import Network, OutboundError, Refused

__all__ = ["Answer", "Client", "OutboundError", "Refused", "Target", "Unusable", "target_of"]

MAX_ANSWER = 256 * 1024
MAX_LINE = 16 * 1024  # of an answer's head, in bytes
KEEP_S = 15.0  # an idle connection is used again within this time
CONNECT_S = 5.0
PER_HOST = 64  # connections to one host and port; as many as the busiest channel sends at once


class Unusable(OutboundError):
    """The address or a header makes no request, or the server's certificate is not good."""

    lasting = True


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. ``authorization``: what a user and a password in the address make (RFC 7617)."""

    url: URL
    authorization: str = ""


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@lru_cache(maxsize=4096)
def target_of(address: str) -> Target:
    """Read an address. Raises Unusable."""
    try:
        if any(ord(char) < 32 for char in address):
            raise ValueError("it holds control characters")
        url = URL(address.strip())
        host = url.raw_host or ""
        if url.scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host):
            raise ValueError("it begins with http:// or https:// and the name of a host")
        if url.port == 0:
            raise ValueError("there is no port 0")
        if host.replace(".", "").isdigit():  # 2130706433, 0177.0.0.1, 127.1: what every resolver makes of them
            url = url.with_host(socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError) as error:  # OSError: digits that are no address
        raise Unusable(f"this is no address of a web server: {error}") from error
    if url.user is None and url.password is None:
        return Target(url)
    pair = f"{url.user or ''}:{url.password or ''}"
    return Target(url.with_user(None), f"Basic {base64.b64encode(pair.encode()).decode()}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. ``headers``: names in any case; ``body`` cut at the client's size."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")


class Resolver(AbstractResolver):
    """Gives aiohttp only addresses that may be reached."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self.allow = list(allow)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See ``addresses.resolve``."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await addresses.resolve(host, port, self.allow)
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


class Connector(aiohttp.TCPConnector):
    """Hangs up on who spoke while nobody asked: aiohttp would take that for the answer to the next request."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - theirs
    ) -> Connection:
        """A connection that is quiet."""
        while (connection := await super().connect(req, traces, timeout)).protocol is None or (
            connection.protocol.should_close
        ):
            connection.close()
        return connection


async def _note_reuse(session: aiohttp.ClientSession, about: SimpleNamespace, params: object) -> None:
    about.trace_request_ctx.kept = True


class Client:
    """Guarded HTTP with connections that are kept; make one for an event loop and share it."""

    def __init__(self, allow: Iterable[Network] | None = None, *, max_answer: int = MAX_ANSWER) -> None:
        self.allow = list(platform_settings.get().outbound_allow if allow is None else allow)
        self.max_answer = max_answer

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        reuse = aiohttp.TraceConfig()
        reuse.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=Connector(
                resolver=Resolver(self.allow),
                use_dns_cache=False,
                socket_factory=self._socket,
                limit=0,
                limit_per_host=PER_HOST,
                keepalive_timeout=KEEP_S,
            ),
            headers={"User-Agent": f"Tocsin/{__version__}", "Accept-Encoding": "identity"},
            skip_auto_headers=["Content-Type"],
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            trace_configs=[reuse],
        )

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last gate: aiohttp asks the resolver about names only, but this for every socket it opens."""
        family, kind, proto, _, (host, *_) = info
        address = addresses.literal(str(host))
        if address is None or not addresses.allowed(address, self.allow):
            raise Refused(str(host), [str(host)])
        return socket.socket(family, kind, proto)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """POST once. Raises OutboundError; ``asyncio.timeout`` around it limits the time."""
        return await self._request("POST", url, content, headers)

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """GET once. Raises OutboundError; ``asyncio.timeout`` around it limits the time."""
        return await self._request("GET", url, None, headers)

    async def _request(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        target = target_of(url)
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise Unusable(f"the header {name[:40]!r} cannot be sent as it is")
        if target.authorization and "authorization" not in map(str.lower, headers):
            headers = {**headers, "Authorization": target.authorization}
        host = target.url.host
        while True:
            about = SimpleNamespace(kept=False)
            try:
                return await self._send(method, target.url, content, headers, about)
            except aiohttp.ClientConnectorCertificateError as error:
                reason = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
                raise Unusable(f"the certificate of {host} is not good: {reason}") from error
            except aiohttp.ClientConnectorError as error:
                raise OutboundError(f"{host} cannot be reached: {error.os_error}") from error
            except aiohttp.ServerTimeoutError as error:
                raise OutboundError(f"{host} does not answer") from error
            except aiohttp.ClientResponseError as error:
                raise OutboundError(f"what {host} said is not HTTP: {' '.join(error.message.split())}") from error
            except aiohttp.ClientPayloadError as error:
                raise OutboundError(f"{host} broke off in the middle of its answer: {error}") from error
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not about.kept:
                    raise OutboundError(f"{host} closed the connection without an answer: {error}") from error
                # a kept connection ended while nobody used it, and is gone now: ask again, in the end on a new one
            except aiohttp.ClientError as error:
                raise OutboundError(f"{host}: {error}") from error

    async def _send(
        self, method: str, url: URL, content: bytes | None, headers: Mapping[str, str], about: SimpleNamespace
    ) -> Answer:
        response = await self._session.request(
            method, url, data=content, headers=headers, allow_redirects=False, trace_request_ctx=about
        )
        try:
            body = bytearray()
            while len(body) <= self.max_answer and (part := await response.content.readany()):
                body += part
            return Answer(response.status, response.headers, bytes(body[: self.max_answer]))
        finally:
            response.release()  # hangs up unless the answer was read to its end

    async def aclose(self) -> None:
        """Hang up everywhere."""
        await self._session.close()
