"""Tocsin as people start it: ``tocsin up`` in its own processes, driven by command line, HTTP and its clock."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.journeys.waiting import free_port, until

ROOT = Path(__file__).resolve().parents[2]
MAIL_DOMAIN = "in.tocsin.example"


class Product:
    """One installation in a folder. ``url`` is where it answers."""

    def __init__(self, folder: Path, smtp_url: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.mail_port = free_port()
        self.syslog_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "up.log"
        ours = ("TOCSIN_", "DATABASE_URL", "DJANGO_", "PYTEST_", "PG")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
            "TOCSIN_CONFIG_DIR": str(folder / "config"),
            "TOCSIN_DATA_DIR": str(self.data),
            "TOCSIN_PORT": str(self.port),
            "TOCSIN_SMTP_URL": smtp_url,
            "TOCSIN_MAIL_DOMAIN": MAIL_DOMAIN,
            "TOCSIN_MAIL_LISTEN": f"127.0.0.1:{self.mail_port}",
            "TOCSIN_SYSLOG_LISTEN": f"127.0.0.1:{self.syslog_port}",
            "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8,::1/128",
            "COLUMNS": "200",
        }
        self.teams: Counter[str] = Counter()  # how many of each name the journeys have made
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=30)

    # --- start and stop -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it takes signals and an engine works."""
        up = [sys.executable, "-m", "tocsin", "up", "--port", str(self.port), "--data", str(self.data), "--no-demo"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(up, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        until("tocsin up", self._is_up, within=120, every=0.25)
        profile = tomllib.loads((self.folder / "config" / "config.toml").read_text())
        token = profile["profiles"][profile["default"]]["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def _is_up(self) -> bool:
        assert self._process is not None
        text = self.log.read_text(errors="replace")
        assert self._process.poll() is None, f"tocsin up ended with {self._process.returncode}:\n{text[-4000:]}"
        return "Tocsin is up" in text and "engine.started" in text

    def stop(self) -> None:
        """Ask it to stop; by force when it does not within half a minute."""
        self.http.close()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGTERM)  # the second one forces
            self._process.wait(15)
            raise

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def lines(self, count: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    # --- command line ---------------------------------------------------------------------------------------------

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """``tocsin`` with these words, as somebody at a terminal of this machine."""
        return subprocess.run(
            [sys.executable, "-m", "tocsin", *words],
            env=self.environment, cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def tocsin(self, *words: str, stdin: str = "") -> Any:
        """``tocsin`` with these words and ``--json``: what it printed, decoded."""
        done = self.command(*words, "--json", stdin=stdin)
        asked = f"tocsin {' '.join(words)} --json"
        assert done.returncode == 0, f"{asked} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise AssertionError(f"{asked} printed no JSON:\n{done.stdout}\n{done.stderr}") from error

    # --- HTTP -----------------------------------------------------------------------------------------------------

    def ask(self, path: str, **query: Any) -> Any:
        """GET below /api/v1/, decoded."""
        answer = self.http.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def tell(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        """POST (or another method) below /api/v1/, decoded."""
        answer = self.http.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code in (200, 201, 202), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def incidents(self, service: str) -> list[dict[str, Any]]:
        """Incidents of a service, newest first."""
        found: list[dict[str, Any]] = self.ask("incidents", service=service)["items"]
        return found

    def state(self, incident: int) -> str:
        """How an incident stands."""
        return str(self.ask(f"incidents/{incident}")["state"])

    def pages(self, incident: int) -> list[dict[str, Any]]:
        """Pages of an incident, oldest first."""
        found = self.ask(f"incidents/{incident}/pages")["items"]
        return sorted(found, key=lambda page: int(page["id"]))

    # --- database -------------------------------------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, on the product's own database."""
        from tocsin.project.embedded import Embedded

        with psycopg.connect(Embedded(self.data).url, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def now(self) -> datetime:
        """The product's present."""
        moment: datetime = self.sql("SELECT tocsin_now()")[0][0]
        return moment

    def pass_time(self, by: timedelta) -> None:
        """Move the product's clock forward and wake its engines, in one transaction."""
        self.sql(
            "WITH moved AS (UPDATE platform_clock SET shift = shift + %s RETURNING 1)"
            " SELECT pg_notify('tocsin_wake', 'clock') FROM moved",
            by,
        )
