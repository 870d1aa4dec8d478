"""The web server: granian inside this process, so that one process is one node and SIGTERM reaches it directly."""

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from tocsin.project.rsgi import App

log = structlog.get_logger(__name__)

DRAIN_S = 20.0
BACKLOG = 2_048
IN_FLIGHT = 8_192


def serve(host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Blocks; to be called in the main thread.

    With more than one worker granian starts that many processes; each has its own door and spool. Raises OSError when
    the address is taken.
    """
    if workers > 1:
        _serve_many(host, port, tls_cert, tls_key, workers)
        return
    if sys.platform == "win32":
        asyncio.run(serve_here(host, port, tls_cert, tls_key))
        return
    import uvloop

    uvloop.run(serve_here(host, port, tls_cert, tls_key))


async def serve_here(
    host: str,
    port: int,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    *,
    stop: asyncio.Event | None = None,
    signals: bool = True,
    application: "App | None" = None,
) -> None:
    """Serve on the running loop until ``stop`` is set or a signal comes; ``application`` in place of the usual one."""
    from granian.constants import HTTPModes
    from granian.server.embed import Server

    from tocsin.project import rsgi

    app = application or rsgi.app
    stop = stop or asyncio.Event()
    _claim(host, port)
    await app.start()
    server: Any = Server(
        app,
        address=host,
        port=port,
        backlog=BACKLOG,
        backpressure=IN_FLIGHT,
        websockets=False,
        http=HTTPModes.auto if tls_cert else HTTPModes.http1,  # HTTP/2 is for browsers, and they want TLS for it
        log_enabled=False,
        ssl_cert=tls_cert,
        ssl_key=tls_key,
    )
    if signals:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        app.end_streams()
        server.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await serving
    finally:
        stopping.cancel()
        await app.stop()


def _claim(host: str, port: int) -> None:
    """Raise OSError when another process listens there already: granian itself would silently share the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _serve_many(host: str, port: int, tls_cert: Path | None, tls_key: Path | None, workers: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        "tocsin.project.rsgi:app",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        loop=Loops.auto,
        websockets=False,
        backlog=BACKLOG,
        backpressure=IN_FLIGHT,
        log_enabled=False,
        ssl_cert=tls_cert,
        ssl_key=tls_key,
        respawn_failed_workers=True,
        workers_kill_timeout=int(DRAIN_S),
    ).serve()
