"""Requests that leave the house: which addresses, and what HTTP may look like."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import __version__
from tocsin.platform import addresses
from tocsin.platform.addresses import allowed, resolve
from tocsin.platform.outbound import Answer, Client, OutboundError, Refused, Unusable, target_of

T = TypeVar("T")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1",
        "2001:0:a00:1::1",
    ],
)  # fmt: skip
def test_private_addresses_are_not_allowed(address: str) -> None:
    assert not allowed(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert allowed(ip_address(address))


def test_networks_may_be_allowed() -> None:
    assert allowed(ip_address("127.0.0.1"), LOOPBACK)
    assert allowed(ip_address("::ffff:127.0.0.1"), LOOPBACK)
    assert not allowed(ip_address("10.0.0.1"), LOOPBACK)
    assert not allowed(ip_address("::1"), LOOPBACK)


@given(st.integers(0, 2**32 - 1))
def test_hiding_an_address_in_ipv6_changes_nothing(number: int) -> None:
    plain = ip_address(number)
    mapped = ip_address(f"::ffff:{plain}")
    assert allowed(mapped) == allowed(plain)
    if not allowed(plain):
        assert not allowed(ip_address(int(ip_address("64:ff9b::")) | number))
        assert not allowed(ip_address((0x2002 << 112) | (number << 80)))


def post(url: str, allow: list[Any] | None = None, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    async def work() -> Answer:
        client = Client(allow or [], **more)
        try:
            async with asyncio.timeout(3):
                return await client.post(url, b"", headers or {})
        finally:
            await client.aclose()

    return asyncio.run(work())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]", "0",
        "[64:ff9b::7f00:1]", "[::127.0.0.1]", "①②⑦.0.0.1", "[fe80::1%25lo]", "10.0.0.1",
    ],
)  # fmt: skip
def test_every_spelling_of_ourselves_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="TOCSIN_OUTBOUND_ALLOW"):
        post(f"http://{host}:1/")


def test_the_address_that_was_checked_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when checked and ours when used (DNS rebinding): we never ask twice."""
    asked: list[str] = []
    used: list[str] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()

        async def lookup(host: str, port: int, **more: object) -> list[tuple[Any, ...]]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1" if len(asked) == 1 else "127.0.0.1", port))]

        async def connect(sock: socket.socket, address: tuple[str, int]) -> None:
            used.append(address[0])
            raise OSError("stop here")

        monkeypatch.setattr(loop, "getaddrinfo", lookup)
        monkeypatch.setattr(loop, "sock_connect", connect)
        client = Client([])
        with pytest.raises(OutboundError, match="stop here"):
            await client.post("http://rebind.example/", b"", {})
        await client.aclose()

    asyncio.run(work())
    assert used == ["1.1.1.1"]
    assert asked == ["rebind.example"]


def test_no_socket_is_opened_to_what_the_resolver_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(host: str, port: int, allow: object = ()) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(addresses, "resolve", careless)
    with pytest.raises(Refused):
        post("http://careless.example/")


def test_a_name_with_public_and_private_addresses_uses_the_public(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> list[str]:
        async def lookup(host: str, port: int, **more: object) -> list[tuple[Any, ...]]:
            return [(socket.AF_INET, 1, 6, "", (item, port)) for item in ("10.0.0.1", "1.1.1.1")]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
        return await resolve("mixed.example", 80)

    assert asyncio.run(work()) == ["1.1.1.1"]


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://x/", "file:///etc/passwd", "http://", "http:///x", "http://a b/", "http://x:99999/", "gopher://x",
        "http://x\r\ny/", "//x", "http://x:0/", "http://999.1.1.1/",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Unusable):
        target_of(url)


def test_target_of() -> None:
    target = target_of("https://user:p%40ss@Example.org:8443/a b/ü?q=1 2#part")
    assert str(target.url.with_fragment(None)) == "https://example.org:8443/a%20b/%C3%BC?q=1+2"
    assert target.authorization == "Basic dXNlcjpwQHNz"
    assert target_of("http://bücher.example").url.raw_host == "xn--bcher-kva.example"
    assert target_of("http://x.example/?sig=a%2Bb%26c%3D").url.raw_query_string == "sig=a%2Bb%26c%3D"
    assert target_of("http://16843009/").url.host == "1.1.1.1"


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "ü€"}, {"X Y": "1"}, {"": "1"}])
def test_headers_cannot_be_injected(headers: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        post("http://127.0.0.1:1/", LOOPBACK, headers)


# --- against servers ----------------------------------------------------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def serve(handler: Handler, work: Callable[[Client, int], Awaitable[T]], tls: ssl.SSLContext | None = None) -> T:
    """What ``work`` makes of a server, given a client that may reach it and its port."""

    async def main() -> T:
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
        client = Client(LOOPBACK, max_answer=100)
        try:
            async with asyncio.timeout(10):
                return await work(client, server.sockets[0].getsockname()[1])
        finally:
            await client.aclose()
            server.close()
            await asyncio.sleep(0.01)

    return asyncio.run(main())


def saying(parts: list[bytes], *, hang_up: bool = True) -> tuple[Handler, list[bytes]]:
    """A server that says this to every request; and the heads of the requests, the last of each connection ``b""``."""
    heads: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                for part in parts:
                    writer.write(part)
                    await asyncio.sleep(0)
                if hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            heads.append(b"")
        finally:
            writer.close()

    return handler, heads


def ask(parts: list[bytes], *, hang_up: bool = True) -> Answer:
    """What the client makes of these bytes."""

    async def work(client: Client, port: int) -> Answer:
        async with asyncio.timeout(2):
            return await client.post(f"http://127.0.0.1:{port}/", b"", {})

    return serve(saying(parts, hang_up=hang_up)[0], work)


@pytest.mark.parametrize(
    ("raw", "hang_up", "expected"),
    [
        (OK, False, (200, b"ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, b"")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False, (200, b"ok")),
        (b"HTTP/1.0 200 OK\r\n\r\nold", True, (200, b"old")),
        (b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False, (200, b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, (200, b"until the end")),
        (CHUNKED + b"2\r\nok\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n", False, (200, b"ok!")),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, False, (200, b"ok")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200, False, (200, b"x" * 100)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n" + b"x" * 200, False, (200, b"x" * 100)),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", False, (200, b"raw")),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", False, (302, b"")),
    ],
)  # fmt: skip
def test_answers_in_one_piece_and_byte_by_byte(raw: bytes, hang_up: bool, expected: tuple[int, bytes]) -> None:
    for parts in ([raw], [raw[index : index + 1] for index in range(len(raw))]):
        answer = ask(parts, hang_up=hang_up)
        assert (answer.status, answer.body) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", CHUNKED + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 70_000,
        b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 20", CHUNKED + b"9\r\nhalf",
    ],
)  # fmt: skip
def test_what_is_not_http_or_ends_early_may_be_tried_again(raw: bytes) -> None:
    with pytest.raises(OutboundError) as caught:
        ask([raw])
    assert not caught.value.lasting
    assert "127.0.0.1" in str(caught.value)


@settings(max_examples=40)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_the_reader(raw: bytes, lead: bool) -> None:
    try:
        answer = ask([(CHUNKED if lead else b"") + raw])
    except OutboundError:
        return
    assert len(answer.body) <= 100


def test_what_a_request_looks_like() -> None:
    handler, heads = saying([OK])

    async def work(client: Client, port: int) -> None:
        await client.post(f"http://user:p%40ss@127.0.0.1:{port}/a b?x=1", b"{}", {"X-Key": "k"})
        await client.post(f"http://user:p%40ss@127.0.0.1:{port}/", b"", {"authorization": "Bearer t"})
        head = heads[0].decode().splitlines()
        assert head[0] == "POST /a%20b?x=1 HTTP/1.1"
        assert {f"Host: 127.0.0.1:{port}", "Authorization: Basic dXNlcjpwQHNz", "X-Key: k"} <= set(head)
        assert {"Accept-Encoding: identity", f"User-Agent: Tocsin/{__version__}"} <= set(head)
        assert "Content-Length: 2" in head
        assert heads[1].lower().count(b"authorization") == heads[1].count(b"Bearer t") == 1

    serve(handler, work)


def test_cookies_and_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("NO_PROXY", "")
    handler, heads = saying([OK.replace(b"\r\n", b"\r\nSet-Cookie: a=b\r\n", 1)])

    async def work(client: Client, port: int) -> None:
        for _ in range(2):
            await client.post(f"http://127.0.0.1:{port}/", b"", {})

    serve(handler, work)
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


def test_connections_are_used_again_and_a_dead_one_is_replaced() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            for _ in range(2):  # then the server has had enough, without saying so
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def work(client: Client, port: int) -> None:
        for _ in range(5):
            assert (await client.post(f"http://127.0.0.1:{port}/", b"x", {})).body == b"ok"

    serve(handler, work)
    assert connections == 3


@pytest.mark.parametrize("late_s", [0.0, 0.02])
def test_what_nobody_asked_for_is_no_answer_to_the_next_request(late_s: float) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
                await asyncio.sleep(late_s)
                writer.write(b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def work(client: Client, port: int) -> None:
        for _ in range(3):
            assert (await client.post(f"http://127.0.0.1:{port}/", b"", {})).status == 200
            await asyncio.sleep(0.05)

    serve(handler, work)


def test_a_new_connection_that_ends_without_an_answer_is_not_asked_again() -> None:
    handler, heads = saying([])

    async def work(client: Client, port: int) -> None:
        with pytest.raises(OutboundError, match="without an answer"):
            await client.post(f"http://127.0.0.1:{port}/", b"", {})

    serve(handler, work)
    assert len(heads) == 1


@pytest.mark.parametrize("body", [b"x" * 200, b"half"], ids=["too long", "too slow"])
def test_an_answer_that_was_not_read_to_its_end_ends_its_connection(body: bytes) -> None:
    handler, heads = saying([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + body], hang_up=False)

    async def work(client: Client, port: int) -> None:
        for _ in range(2):
            try:
                async with asyncio.timeout(0.2):
                    assert len((await client.post(f"http://127.0.0.1:{port}/", b"", {})).body) == 100
            except TimeoutError:
                assert body == b"half"
        await asyncio.sleep(0.05)

    serve(handler, work)
    assert heads.count(b"") == 2, "each connection was closed by us"


def test_a_bad_certificate_is_lasting_and_said(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    signed = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), at, at.replace(2096))
    pem = tmp_path / "self-signed.pem"
    pem.write_bytes(
        signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def work(client: Client, port: int) -> None:
        with pytest.raises(Unusable, match=r"certificate of 127\.0\.0\.1 is not good: self.signed"):
            await client.post(f"https://127.0.0.1:{port}/", b"", {})

    serve(saying([OK])[0], work, context)


def test_refuses_says_why() -> None:
    assert "TOCSIN_OUTBOUND_ALLOW" in asyncio.run(addresses.refuses("10.0.0.1"))
    assert asyncio.run(addresses.refuses("no-such-host.invalid")) == ""
