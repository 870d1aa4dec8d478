"""Documents that prove requests: fetched once, refused inside the house, and a failure is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest
from aiohttp import web

from tocsin.intake.door import documents
from tocsin.intake.door.documents import Documents
from tocsin.platform.addresses import OutboundError

LOOPBACK = (ip_network("127.0.0.0/8"),)


def served(status: int, work: Callable[[str, list[str]], Awaitable[None]]) -> list[str]:
    """Let ``work`` talk to a server that answers so; the paths that were asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, body=b"certificate")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{name}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            await work(f"http://127.0.0.1:{runner.addresses[0][1]}", asked)
        finally:
            await runner.cleanup()

    asyncio.run(run())
    return asked


def test_a_document_is_fetched_once() -> None:
    async def work(base: str, asked: list[str]) -> None:
        found = Documents(LOOPBACK)
        both = await asyncio.gather(found.get(f"{base}/a.pem"), found.get(f"{base}/a.pem"))
        assert set(both) == {b"certificate"}
        await found.aclose()

    assert served(200, work) == ["/a.pem"]


def test_a_failure_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(base: str, asked: list[str]) -> None:
        found = Documents(LOOPBACK)
        for _ in range(2):
            with pytest.raises(OutboundError, match="404"):
                await found.get(f"{base}/a.pem")
        assert len(asked) == 1
        monkeypatch.setattr(documents, "FAILED_FOR_S", -1.0)
        for _ in range(2):
            with pytest.raises(OutboundError):
                await found.get(f"{base}/b.pem")
        await found.aclose()

    assert served(404, work) == ["/a.pem", "/b.pem", "/b.pem"]


def test_addresses_inside_the_house_are_not_asked() -> None:
    async def work(base: str, asked: list[str]) -> None:
        found = Documents(())
        with pytest.raises(OutboundError):
            await found.get(f"{base}/a.pem")
        await found.aclose()

    assert served(200, work) == []
