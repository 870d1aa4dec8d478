"""``tocsin syslog``: takes syslog in, for the sources that listen to it. See ``listener`` for what it promises."""

import asyncio
import signal
import ssl

import structlog
from django.conf import settings

from tocsin.platform.settings import Settings
from tocsin.project.health import start_reporting
from tocsin.project.syslog.listener import Listener

log = structlog.get_logger("tocsin.syslog")


async def serve(configured: Settings, stop: asyncio.Event) -> None:
    """Take syslog until ``stop``. Raises OSError, see ``Listener.start``."""
    listener = Listener(configured)
    await listener.start()
    reporting = start_reporting("syslog", lambda: dict(listener.desk.counts))
    log.info("syslog.listening", address=configured.syslog_listen, tls=configured.syslog_tls_listen)
    try:
        await stop.wait()
    finally:
        await listener.stop()
        reporting.set()


def main() -> int:
    """Take syslog until SIGTERM or SIGINT; returns the exit code: 1 when nothing can listen there."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(settings.TOCSIN, stop)

    try:
        asyncio.run(run())
    except (OSError, ssl.SSLError) as error:
        log.error("syslog.cannot_listen", address=settings.TOCSIN.syslog_listen, error=str(error)[:200])
        return 1
    return 0
