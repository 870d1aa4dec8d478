"""Requests that leave the house: which addresses, and what HTTP may look like."""

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.platform import outbound
from tocsin.platform.outbound import (
    Client,
    Connection,
    Malformed,
    OutboundError,
    Refused,
    Unusable,
    allowed,
    resolve,
    target_of,
)

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


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]", "0"],
)
def test_every_spelling_of_ourselves_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        asyncio.run(Client([]).request("GET", f"http://{host}:1/"))


def test_the_address_that_was_checked_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when checked and ours when used (DNS rebinding): we never ask twice."""
    asked: list[str] = []

    async def work() -> list[str]:
        loop = asyncio.get_running_loop()

        async def lookup(host: str, port: int, **more: object) -> list[tuple[Any, ...]]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1" if len(asked) == 1 else "127.0.0.1", port))]

        used: list[str] = []

        async def connect(factory: object, host: str, port: int, **more: object) -> object:
            used.append(host)
            raise OSError("stop here")

        monkeypatch.setattr(loop, "getaddrinfo", lookup)
        monkeypatch.setattr(loop, "create_connection", connect)
        with pytest.raises(OutboundError):
            await Client([]).request("GET", "http://rebind.example/")
        return used

    assert asyncio.run(work()) == ["1.1.1.1"]
    assert asked == ["rebind.example"]


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
        "http://x\r\ny/", "//x",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Unusable):
        target_of(url)


def test_target_of() -> None:
    target = target_of("https://user:p%40ss@Example.org:8443/a b/ü?q=1 2#part")
    assert (target.tls, target.host, target.port, target.path) == (True, "example.org", 8443, b"/a%20b/%C3%BC?q=1%202")
    assert b"Host: example.org:8443\r\n" in target.head
    assert b"Authorization: Basic dXNlcjpwQHNz\r\n" in target.head
    assert target_of("http://bücher.example").host == "xn--bcher-kva.example"
    assert b"Host: [::1]:81\r\n" in target_of("http://[::1]:81/").head


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "ü€"}, {"X Y": "1"}])
def test_headers_cannot_be_injected(headers: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        asyncio.run(Client(LOOPBACK).request("GET", "http://127.0.0.1:1/", headers=headers))


class Transport(asyncio.Transport):
    """Swallows what is written."""

    def write(self, data: Any) -> None:
        return

    def abort(self) -> None:
        return


def read(parts: list[bytes], *, close: bool = False, limit: int = 100) -> tuple[int, bytes, bool]:
    """What a connection makes of these bytes: status, body, whether it can be used again."""

    async def work() -> tuple[int, bytes, bool]:
        connection = Connection(limit)
        connection.connection_made(Transport())
        task = asyncio.create_task(connection.ask(b""))
        await asyncio.sleep(0)
        for part in parts:
            connection.data_received(part)
            await asyncio.sleep(0)
            if task.done():
                break
        if close:
            connection.connection_lost(None)
        if not task.done():
            await asyncio.wait([task], timeout=0.05)
        if not task.done():
            task.cancel()
            raise TimeoutError
        answer = task.result()
        return answer.status, answer.body, connection.reusable

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("raw", "close", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False, (200, b"ok", True)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, b"", True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False, (200, b"ok", False)),
        (b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False, (200, b"", False)),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, (200, b"until the end", False)),
        (CHUNKED + b"2\r\nok\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n", False, (200, b"ok!", True)),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, (200, b"", True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200, False, (200, b"x" * 100, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", False, (200, b"ok", False)),
    ],
)  # fmt: skip
def test_answers_in_one_piece_and_byte_by_byte(raw: bytes, close: bool, expected: tuple[int, bytes, bool]) -> None:
    assert read([raw], close=close) == expected
    again = read([raw[index : index + 1] for index in range(len(raw))], close=close)
    assert again[:2] == expected[:2]


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", CHUNKED + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)  # fmt: skip
def test_what_is_not_http_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read([raw])


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_the_reader(raw: bytes, lead: bool) -> None:
    head = CHUNKED if lead else b""
    try:
        status, body, _ = read([head + raw], close=True)
    except OutboundError:
        return
    assert 200 <= status <= 999
    assert len(body) <= 100


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 20"])
def test_a_connection_that_ends_early(raw: bytes) -> None:
    with pytest.raises(OutboundError):
        read([raw] if raw else [], close=True)


def serve(handler: Any, work: Any) -> Any:
    async def main() -> Any:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        try:
            return await work(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    return asyncio.run(main())


def test_connections_are_used_again_and_a_dead_one_is_replaced() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            for _ in range(2):  # then the server has had enough, without saying so
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def work(port: int) -> None:
        client = Client(LOOPBACK)
        for _ in range(5):
            assert (await client.post(f"http://127.0.0.1:{port}/", b"", {})).body == b"ok"
        await client.aclose()

    serve(handler, work)
    assert connections == 3


def test_httpx_on_guarded_connections() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n"
            b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw"
        )
        assert head.startswith(b"POST /x?y=1 HTTP/1.1\r\n")
        await writer.drain()
        writer.close()

    async def work(port: int) -> None:
        async with outbound.client(allow=LOOPBACK) as client:
            answer = await client.post(f"http://127.0.0.1:{port}/x?y=1", json={"a": 1})
            assert (answer.status_code, answer.content) == (302, b"raw")
            with pytest.raises(httpx.ConnectError, match="TOCSIN_OUTBOUND_ALLOW"):
                await client.get("http://10.0.0.1/")

    serve(handler, work)


def test_refuses_says_why() -> None:
    assert "TOCSIN_OUTBOUND_ALLOW" in asyncio.run(outbound.refuses("10.0.0.1"))
    assert asyncio.run(outbound.refuses("no-such-host.invalid")) == ""
