"""An HTTP server on the loopback that behaves well and badly, for the checks of channels."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WELL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n" + b'{"id": "ref1"}'
ANSWERS = {
    "well": WELL,
    "created": b"HTTP/1.1 201 Created\r\nLocation: https://push.example/m/1\r\nContent-Length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "too-large": b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
    "bad-request": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\nVapidMismatch\n",
    "forbidden": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "not-found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    "unauthorised": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    "too-many": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    "too-many-until": b"HTTP/1.1 429 Too Many Requests\r\nDate: Mon, 23 Nov 2026 08:00:00 GMT\r\n"
    b"Retry-After: Mon, 23 Nov 2026 08:00:07 GMT\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"\x16\x03\x01 this is no HTTP at all \r\n\r\n",
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
}


def answer(status: str, body: str, headers: str = "") -> bytes:
    """A whole answer with a body of JSON."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body.encode())}\r\n\r\n"
    )
    return (head + body).encode()


@dataclass
class Seen:
    """What a server was sent."""

    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    # what the body says, for a server that can read it
    reads: Callable[[dict[str, str], bytes], bytes] = field(default=lambda headers, body: body)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection hard."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def http_server(behaviour: str, answers: Mapping[str, bytes] = ANSWERS) -> AsyncIterator[Seen]:
    """An HTTP server that behaves as named: a key of ``answers``, or silent, drip, reset, cut, endless, chunked."""
    seen = Seen()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for line in head[1:] if line for name, _, value in [line.partition(":")]
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                seen.requests.append((head[0], headers, seen.reads(headers, body)))
                if behaviour == "silent":
                    await asyncio.sleep(60)
                elif behaviour == "reset":
                    reset(writer)
                    return
                elif behaviour == "cut":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
                    await writer.drain()
                    return
                elif behaviour == "drip":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    for _ in range(1000):
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.1)
                elif behaviour == "endless":
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    while True:
                        writer.write(b"x" * 65536)
                        await writer.drain()
                elif behaviour == "chunked":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for part in (b'{"id":', b' "ref1"}'):
                        writer.write(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
                        await writer.drain()
                        await asyncio.sleep(0.01)
                    writer.write(b"0\r\nTrailer: yes\r\n\r\n")
                else:
                    writer.write(answers[behaviour])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)
