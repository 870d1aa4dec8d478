"""The far end of pages: a web server that notes when it first saw each key. ``python -m bench.sink PORT``.

Any POST is a notification and is answered at once. ``GET /wait?count=N&seconds=S`` answers when N keys have been seen,
or after S seconds, with JSON: ``seen`` (key -> nanoseconds of the monotonic clock), ``requests``, ``repeats``, and
``people``: how many messages each topic got, where the notifications are ntfy's.
``DELETE /`` forgets everything.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from typing import cast
from urllib.parse import parse_qs, urlsplit

KEY = re.compile(rb"bk[0-9a-f]{8}-\d+")
TOPIC = re.compile(rb'"topic": ?"([^"]+)"')
PLAIN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"x"}'


class Book:
    """What was seen."""

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}
        self.requests = 0
        self.repeats = 0
        self.people: Counter[str] = Counter()
        self.changed = asyncio.Event()

    def note(self, body: bytes) -> None:
        """Note the keys of a notification."""
        now = time.monotonic_ns()
        self.requests += 1
        for topic in TOPIC.findall(body)[:1]:
            self.people[topic.decode()] += 1
        for key in set(KEY.findall(body)):
            if key in self.seen:
                self.repeats += 1
            else:
                self.seen[key] = now
        self.changed.set()

    async def wait(self, count: int, seconds: float) -> bytes:
        """What was seen, once there are ``count`` keys."""
        end = time.monotonic() + seconds
        while len(self.seen) < count and (left := end - time.monotonic()) > 0:
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except TimeoutError:
                break
        seen = {key.decode(): at for key, at in self.seen.items()}
        told = {"seen": seen, "requests": self.requests, "repeats": self.repeats, "people": self.people}
        return json.dumps(told).encode()

    def forget(self) -> None:
        """Begin anew."""
        self.seen.clear()
        self.requests = self.repeats = 0
        self.people.clear()


class Caller(asyncio.Protocol):
    """One connection to the sink."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.buffer = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, gap, rest = self.buffer.partition(b"\r\n\r\n")
            if not gap:
                return
            low = head.lower()
            place = low.find(b"\r\ncontent-length:")
            length = int(low[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, _, path = head.split(b"\r\n", 1)[0].decode().rpartition(" ")[0].partition(" ")
            if method == "POST":
                self.book.note(rest[:length])
                self.transport.write(PLAIN)
            elif method == "DELETE":
                self.book.forget()
                self.transport.write(PLAIN)
            else:
                asked = parse_qs(urlsplit(path).query)
                task = asyncio.create_task(self._answer(int(asked["count"][0]), float(asked["seconds"][0])))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _answer(self, count: int, seconds: float) -> None:
        body = await self.book.wait(count, seconds)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def serve(port: int) -> None:
    """Serve until killed."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Caller(book), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
