"""A Tocsin of few words, and a gateway in this process, for the tests of devices."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import unused_port

from tocsin.gateway import moment
from tocsin.gateway.book import Book
from tocsin.gateway.device import Device
from tocsin.gateway.server import Gateway, Limits, serve
from tocsin.gateway.teller import Teller
from tocsin.platform import signed

SECRET = "a-secret-of-both-sides"
NUMBER = "+41791234567"
Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something to be so."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + timeout_s
    for _ in itertools.count():
        if condition():
            return
        assert loop.time() < ends, "it has not happened"
        await asyncio.sleep(0.01)


@dataclass
class Tocsin:
    """What a gateway told us. ``status``: what we answer with; ``says``: and with which JSON."""

    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    forged: int = 0
    status: int = 200
    says: Answer = field(default=lambda what, told: {})
    url: str = ""

    def of(self, what: str) -> list[dict[str, Any]]:
        """What was told of one kind."""
        return [told for target, told in self.heard if target.partition("?")[0] == what]

    async def take(self, request: web.Request) -> web.Response:
        """One callback."""
        body = await request.read()
        target = signed.target_of(str(request.rel_url))
        if signed.problem(SECRET, request.headers.get(signed.HEADER, ""), target, body, moment.now()):
            self.forged += 1
            return web.Response(status=403)
        told = json.loads(body)
        self.heard.append((target, told))
        if self.status != 200:
            return web.Response(status=self.status)
        return web.json_response(self.says(target, told))


@dataclass
class House:
    """Both, running."""

    tocsin: Tocsin
    gateway: Gateway
    port: int
    http: ClientSession

    def problem(self) -> str:
        """Why the device carries nothing at the moment; empty when it does."""
        found = self.gateway.device.problem()
        return found.detail if found else ""

    async def ask(
        self, way: str, *, secret: str = SECRET, at: float | None = None, raw: bytes | None = None, **told: object
    ) -> tuple[int, dict[str, Any]]:
        """A request as Tocsin makes it; status and JSON of the answer."""
        base = "https://elsewhere.example/callbacks/main"
        body = {"id": "1", "number": NUMBER, "wait_s": 5, "status_url": f"{base}/status?h=1"}
        body |= {"text": "Hello"} if way == "sms" else {"voice_url": f"{base}/voice?h=1"}
        data = json.dumps(body | told).encode() if raw is None else raw
        headers = {signed.HEADER: signed.signature(secret, way, data, moment.now() if at is None else at)}
        async with self.http.post(f"http://127.0.0.1:{self.port}/{way}", data=data, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else {}

    async def health(self) -> tuple[int, dict[str, Any]]:
        """``/health``."""
        async with self.http.get(f"http://127.0.0.1:{self.port}/health") as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def house(
    folder: Path,
    device: Callable[[Book, Teller, int], Device],
    *,
    limits: Limits | None = None,
) -> AsyncIterator[House]:
    """A gateway with this device, which is told the gateway's port, and a Tocsin."""
    tocsin = Tocsin()
    app = web.Application()
    app.router.add_post("/callbacks/main/{what}", tocsin.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = unused_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    tocsin.url = f"http://127.0.0.1:{port}/callbacks/main/message"
    book = Book(folder / "gateway.sqlite3")
    teller = Teller(book, tocsin.url, SECRET, (0.05,))
    own = unused_port()
    gateway = Gateway(book, teller, device(book, teller, own), SECRET, limits or Limits())
    made = House(tocsin, gateway, own, ClientSession())
    ready = asyncio.Event()
    task = asyncio.create_task(serve(gateway, "127.0.0.1", made.port, ready=ready))
    try:
        await ready.wait()
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await made.http.close()
        await runner.cleanup()
