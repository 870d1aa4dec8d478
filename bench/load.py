"""Load: so many connections, each of which sends its next request when the last one is answered."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

Build = Callable[[list[str]], bytes]
"""Makes one whole HTTP request out of the keys of its events."""


@dataclass
class Outcome:
    """What became of a load. Times in nanoseconds of the monotonic clock, which all processes of a machine share."""

    accepted: int = 0  # events in requests answered with 2xx
    errors: int = 0  # events in requests answered otherwise, or not at all
    first_error: str = ""
    began: int = 0
    ended: int = 0
    generator: float = 0.0  # share of a core that the generator itself used
    latencies: list[int] = field(default_factory=list)  # of each request
    sent: dict[str, int] = field(default_factory=dict)  # key -> when its request was written

    @property
    def rate(self) -> float:
        """Accepted events a second."""
        return self.accepted / max((self.ended - self.began) / 1e9, 1e-6)


class _Plan:
    """What is still to be sent."""

    def __init__(
        self, build: Build, batch: int, total: int | None, until: int | None, keys: int | None, pace: float | None
    ) -> None:
        self.build = build
        self.batch = batch
        self.total = total
        self.until = until
        self.keys = keys
        self.pace = pace
        self.began = time.monotonic()
        self.name = f"bk{secrets.token_hex(4)}"
        self.next = 0
        self.outcome = Outcome()
        self.open = 0
        self.finished = asyncio.Event()

    def early(self) -> float:
        """Seconds until the next event is due, where the load is paced."""
        return self.began + self.next / self.pace - time.monotonic() if self.pace else 0.0

    def take(self) -> tuple[bytes, list[str]] | None:
        """The next request with the keys in it; None when the load is over."""
        if self.total is not None and self.next >= self.total:
            return None
        if self.until is not None and time.monotonic_ns() >= self.until:
            return None
        count = self.batch if self.total is None else min(self.batch, self.total - self.next)
        numbers = range(self.next, self.next + count)
        self.next += count
        keys = [f"{self.name}-{number % self.keys if self.keys else number}" for number in numbers]
        return self.build(keys), keys

    def leave(self) -> None:
        """A connection has nothing more to do."""
        self.open -= 1
        if self.open == 0:
            self.finished.set()


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, plan: _Plan, stamp: bool) -> None:
        self.plan = plan
        self.stamp = stamp
        self.keys: list[str] = []
        self.written = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._next()

    def _next(self) -> None:
        if (early := self.plan.early()) > 0:
            asyncio.get_running_loop().call_later(early, self._next)
            return
        work = self.plan.take()
        if work is None:
            self.transport.close()
            return
        request, self.keys = work
        self.written = time.monotonic_ns()
        if self.stamp:
            for key in self.keys:
                self.plan.outcome.sent.setdefault(key, self.written)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head, gap, body = self.buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        low = head.lower()
        place = low.find(b"\r\ncontent-length:")
        length = int(low[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(body) < length:
            return
        outcome, now = self.plan.outcome, time.monotonic_ns()
        outcome.latencies.append(now - self.written)
        outcome.ended = now
        if head[9:10] == b"2":
            outcome.accepted += len(self.keys)
        else:
            outcome.errors += len(self.keys)
            outcome.first_error = outcome.first_error or self.buffer[:300].decode("utf-8", "replace")
        self.buffer, self.keys = b"", []
        if b"connection: close" in low:
            self.transport.close()
        else:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self.keys:
            self.plan.outcome.errors += len(self.keys)
            self.plan.outcome.first_error = self.plan.outcome.first_error or f"connection lost: {error}"
        self.plan.leave()


async def load(
    port: int,
    build: Build,
    *,
    connections: int,
    batch: int = 1,
    total: int | None = None,
    seconds: float | None = None,
    keys: int | None = None,
    stamp: bool = False,
    pace: float | None = None,
) -> Outcome:
    """Send ``total`` events, or for ``seconds``, to a port of this machine.

    ``keys``: so many distinct keys, repeated; None: every event has its own. ``stamp``: note when each key was sent.
    ``pace``: at most so many events a second.
    """
    loop = asyncio.get_running_loop()
    until = time.monotonic_ns() + round(seconds * 1e9) if seconds is not None else None
    plan = _Plan(build, batch, total, until, keys, pace)
    plan.open = connections
    spent = time.process_time()
    plan.outcome.began = plan.outcome.ended = time.monotonic_ns()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(plan, stamp), "127.0.0.1", port)
    await asyncio.wait_for(plan.finished.wait(), (seconds or 0) + 180)
    lasted = max((plan.outcome.ended - plan.outcome.began) / 1e9, 1e-6)
    plan.outcome.generator = (time.process_time() - spent) / lasted
    return plan.outcome
