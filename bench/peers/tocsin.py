"""Tocsin as ``tocsin up`` starts it: embedded PostgreSQL with fsync and synchronous commit on, one web, one engine."""

import json
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import processor
from bench.peers import SOURCE, Peer, alerts, answers, clean_environment, request, wait_for

LIMIT = 100_000_000
FAR_S = 7 * 86_400


class Tocsin(Peer):
    """Two services: one that pages the sink, each alert an incident of its own; one that groups and pages nobody."""

    name = "Tocsin"
    source = Path(__file__).resolve().parents[2] / "src"

    def start(self) -> None:
        environment = clean_environment() | {
            "TOCSIN_CONFIG_DIR": str(self.folder / "config"),
            "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8",
            "PYTHONPATH": str(self.source),
        }
        words = ["up", "--port", str(self.port), "--data", str(self.folder / "data"), "--no-demo"]
        self.run(sys.executable, "-m", "tocsin", *words, environment=environment)
        wait_for("tocsin up", lambda: "Tocsin is up" in self.log() and "engine.started" in self.log(), 180)
        wait_for("tocsin ready", lambda: answers(f"http://127.0.0.1:{self.port}/readyz"))
        profile = tomllib.loads((self.folder / "config" / "config.toml").read_text())
        self.token = profile["profiles"][profile["default"]]["token"]
        self._company()

    def _tell(self, path: str, body: dict[str, Any]) -> Any:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from error

    def _company(self) -> None:
        hook = f"http://127.0.0.1:{self.sink}/"
        self._tell(
            "users",
            {
                "email": "pager@bench.example",
                "name": "Pager",
                "contact_methods": [{"channel": "webhook", "address": hook}],
                "rules": [
                    {"urgency": urgency, "channel": "webhook", "address": hook, "delay_s": 0}
                    for urgency in ("high", "low")
                ],
            },
        )
        steps = [{"targets": ["user:pager@bench.example"], "wait_s": FAR_S}]
        self._tell("policies", {"name": "Bench", "slug": "bench", "steps": steps})
        self._tell("services", {"name": "Loud", "slug": "loud", "policy": "bench", "tier": 1})
        self._tell("services", {"name": "Quiet", "slug": "quiet", "tier": 3, "grouping": {"by": "service"}})
        self.sources: dict[tuple[bool, str], str] = {}
        for pages, service in ((True, "loud"), (False, "quiet")):
            for kind in ("pagerduty", "alertmanager-api"):
                source = {"service": service, "kind": kind, "name": f"{kind} {service}", "limit_per_minute": LIMIT}
                self.sources[pages, kind] = self._tell("sources", source)["key"]

    def single(self, pages: bool) -> Callable[[list[str]], bytes]:
        """PagerDuty Events v2."""
        severity = "critical" if pages else "warning"
        event = {
            "routing_key": self.sources[pages, "pagerduty"],
            "event_action": "trigger",
            "dedup_key": "KEY",
            "payload": {"summary": "Disk full, KEY", "source": SOURCE, "severity": severity, "component": "disk",
                        "group": "node", "class": "DiskFull",
                        "custom_details": {"description": "Less than 2 % of /var is free"}},
            "client_url": "http://prometheus.example/graph?g0.expr=free",
        }  # fmt: skip
        text = json.dumps(event, separators=(",", ":"))
        return lambda keys: request("/v2/enqueue", self.port, text.replace("KEY", keys[0]).encode())

    def batch(self, pages: bool) -> Callable[[list[str]], bytes]:
        """Alertmanager API v2."""
        severity = "critical" if pages else "warning"
        path = f"/in/alertmanager-api/{self.sources[pages, 'alertmanager-api']}/api/v2/alerts"
        return lambda keys: request(path, self.port, alerts(keys, severity))

    def _count(self, query: str) -> int:
        from tocsin.project.embedded import Embedded

        with psycopg.connect(Embedded(self.folder / "data").url, autocommit=True) as connection:
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0

    def stored(self) -> int:
        """Signals that were accepted and are in the database, decided or not."""
        return self._count("SELECT (SELECT count(*) FROM intake_inbox) + (SELECT count(*) FROM triage_signal)")

    def waiting(self) -> int:
        """Signals that are not decided yet."""
        return self._count("SELECT count(*) FROM intake_inbox")

    def decided(self) -> int:
        """Wait until every signal is decided; when that was, nanoseconds of the monotonic clock."""
        wait_for("triage", lambda: self.waiting() == 0, 300)
        return time.monotonic_ns()

    def settle(self) -> None:
        self.decided()
        for _ in range(40):
            used = processor(self.pid)
            time.sleep(0.5)
            if processor(self.pid) - used < 0.1:
                return
