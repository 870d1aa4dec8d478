"""A web process in a thread, on a port of its own, in front of the test database."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.db import connection

from tocsin.intake.door import database
from tocsin.platform import settings as platform_settings
from tocsin.project.rsgi import App, app
from tocsin.project.web import serve_here


class Web:
    """A running web process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, application: App = app) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.app = application
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False)
        self._monkeypatch = monkeypatch
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._parameters = database.parameters

    async def _run(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.call_soon_threadsafe(stop.set)

        self._stop = end
        serving = asyncio.ensure_future(
            serve_here("127.0.0.1", self.port, stop=stop, signals=False, application=self.app)
        )
        while not serving.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            break
        self._ready.set()
        await serving

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        """Drain and end; a second call does nothing."""
        if not self._thread.is_alive():
            return
        self.client.close()
        self._stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def lose_database(self) -> None:
        """Make the database unreachable for the door: connections die, new ones fail."""
        self._monkeypatch.setattr(database, "parameters", lambda: self._parameters() | {"host": "/nowhere"})
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'tocsin intake%'"
            )

    def regain_database(self) -> None:
        self._monkeypatch.setattr(database, "parameters", self._parameters)

    def event(self, key: str, dedup_key: str = "k", **changes: Any) -> httpx.Response:
        """Send one PagerDuty event."""
        body = {
            "routing_key": key,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "payload": {"summary": f"Disk full: {dedup_key}", "source": "db-3", "severity": "critical"},
        }
        return self.client.post("/v2/enqueue", json=body | changes)


@pytest.fixture
def start_web(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Web]]:
    """Start a web process; keywords change settings of it."""
    running: list[Web] = []

    def start(application: App = app, *, lost: bool = False, **changes: Any) -> Web:
        monkeypatch.setattr(application, "settings", platform_settings.get().model_copy(update=changes))
        web = Web(monkeypatch, application)
        if lost:
            web.lose_database()
        web.start()
        running.append(web)
        return web

    yield start
    for web in running:
        web.regain_database()
        web.stop()


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    return start_web()
