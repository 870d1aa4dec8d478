"""Tocsin with a crowd: many people, each on call for a service of their own, whose alerts page nobody else."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import psycopg

from bench.peers import SOURCE, clean_environment, request, wait_for
from bench.peers.tocsin import FAR_S, LIMIT, Tocsin

EVENT = (
    '{"routing_key":"%s","event_action":"trigger","dedup_key":"KEY",'
    '"payload":{"summary":"Disk full, KEY","source":"%s","severity":"%s"}}'
)
P1_EVERY = 50  # one alert of so many is of priority 1


class Crowd(Tocsin):
    """``people`` with one contact method each, used ``delay_s`` seconds after a page."""

    def __init__(self, sink: int, people: int, channel: str, delay_s: int = 0) -> None:
        self.people, self.channel, self.delay_s = people, channel, delay_s
        self.second: subprocess.Popen[bytes] | None = None
        super().__init__(sink)

    def _company(self) -> None:
        self.keys = [self._person(number) for number in range(self.people)]

    def _person(self, number: int) -> str:
        """Somebody, with a service; the key of its source."""
        address = f"http://127.0.0.1:{self.sink}/person-{number}"
        rules = [
            {"urgency": urgency, "channel": self.channel, "address": address, "delay_s": self.delay_s}
            for urgency in ("high", "low")
        ]
        email = f"person-{number}@bench.example"
        methods = [{"channel": self.channel, "address": address}]
        self._tell("users", {"email": email, "name": f"Person {number}", "contact_methods": methods, "rules": rules})
        return self._service(f"s{number}", email, FAR_S)

    def _service(self, name: str, email: str, wait_s: int, repeats: int = 0) -> str:
        steps = [{"targets": [f"user:{email}"], "wait_s": wait_s}]
        self._tell("policies", {"name": name, "slug": name, "steps": steps, "repeats": repeats})
        self._tell("services", {"name": name, "slug": name, "policy": name, "tier": 1})
        source = {"service": name, "kind": "pagerduty", "name": name, "limit_per_minute": LIMIT}
        return str(self._tell("sources", source)["key"])

    def event(self, source: str, severity: str = "error") -> Callable[[list[str]], bytes]:
        """Makes a request with one event for one source."""
        text = EVENT % (source, SOURCE, severity)
        return lambda keys: request("/v2/enqueue", self.port, text.replace("KEY", keys[0]).encode())

    def single(self, pages: bool) -> Callable[[list[str]], bytes]:
        """Everybody in turn; now and then an alert of priority 1."""
        quiet = [self.event(source) for source in self.keys]
        loud = [self.event(source, "critical") for source in self.keys]

        def build(keys: list[str]) -> bytes:
            number = int(keys[0].rpartition("-")[2])
            kind = loud if number // self.people % P1_EVERY == 0 else quiet
            return kind[number % self.people](keys)

        return build

    def timers(self, wait_s: int, repeats: int) -> Callable[[list[str]], bytes]:
        """Alerts of a service whose only step comes again every so many seconds."""
        return self.event(self._service("timers", "person-0@bench.example", wait_s, repeats))

    # --- engines, time, rows --------------------------------------------------------------------------------------

    def start_second_engine(self) -> None:
        """Another engine on the same database."""
        environment = clean_environment() | {
            "TOCSIN_CONFIG_DIR": str(self.folder / "config"),
            "TOCSIN_DATA_DIR": str(self.folder / "data"),
            "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8",
            "PYTHONPATH": str(self.source),
        }
        log = self.folder / "second.log"
        with log.open("wb") as file:
            self.second = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "engine"], stdout=file, stderr=file, cwd=self.folder, env=environment
            )
        wait_for("the second engine", lambda: "engine.started" in log.read_text())

    def stop_second_engine(self) -> None:
        """Only the first one is left."""
        if self.second is not None:
            self.second.terminate()
            self.second.wait(40)
            self.second = None

    def rows(self, query: str) -> list[tuple[float, ...]]:
        """Rows of a query."""
        from tocsin.project.embedded import Embedded

        with psycopg.connect(Embedded(self.folder / "data").url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def pass_time(self, by: timedelta) -> None:
        """Move the clock forward and wake the engines."""
        self.rows(
            "WITH moved AS (UPDATE platform_clock"
            f" SET shift = shift + interval '{by.total_seconds()} seconds' RETURNING 1)"
            " SELECT pg_notify('tocsin_wake', 'clock') FROM moved"
        )

    def stop(self) -> None:
        """See Peer."""
        self.stop_second_engine()
        super().stop()
