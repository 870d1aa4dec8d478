"""Everything goes wrong at once, and every incident still reaches a person, within a bound.

Two engines, two providers. At random: engines, the database, one of its backends and the web process are killed; a
provider refuses, is busy, hangs or resets; the installation's clock leaps ahead or steps back. Meanwhile incidents are
opened, and some are acknowledged. Afterwards every incident was received by somebody, the ledger verifies, and the
reconciler finds nothing overdue.

``CHAOS_SECONDS`` (900 for the long run), ``CHAOS_INCIDENTS`` (500) and ``CHAOS_SEED`` change what happens.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest

from tests.invariants.crashing import VICTIMS, Receiver, booted, children, kill_one
from tests.journeys.product import Product
from tests.journeys.waiting import until

SECONDS = float(os.environ.get("CHAOS_SECONDS", "45"))
INCIDENTS = int(os.environ.get("CHAOS_INCIDENTS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "11"))

OUTAGE_S = (3.0, 15.0)  # how long a provider is away
LEAP_S = (10, 120)
BACK_S = (1, 5)
# What may lie between an accepted signal and its page at a person: both providers away one after the other, the
# longest pause between attempts and its spread, the lease of a sender that was killed, twice, and starting again after
# kills of database and engine, whose pauses grow up to five seconds when they are killed again and again.
BOUND_S = 2 * OUTAGE_S[1] + 33 + 2 * 30 + 30

pytestmark = [pytest.mark.journey, pytest.mark.timeout(SECONDS + 600)]


class Provider(Receiver):
    """Can be made to fail. Knows which incidents it took, and when it first did."""

    MODES = ("error", "busy", "hang", "reset")
    STATUS = {"error": 503, "busy": 429}

    def __init__(self) -> None:
        self.mode = "well"
        self.changed = threading.Event()
        self.seen: dict[int, float] = {}
        self.keys: Counter[str] = Counter()
        self.refused = 0
        super().__init__()

    def wait(self) -> None:
        """See Receiver."""
        if self.mode == "hang":
            self.changed.wait(12)

    def take(self, key: str, body: bytes) -> int | None:
        """See Receiver."""
        if self.mode != "well":
            self.refused += 1
            return self.STATUS.get(self.mode)
        self.keys[key] += 1
        for incident in incidents_in(body):
            self.seen.setdefault(incident, time.monotonic())
        return 200

    def become(self, mode: str) -> None:
        """Fail in this way from now on, or be well."""
        self.mode = mode
        if mode == "well":
            self.changed.set()
        else:
            self.changed.clear()

    def stop(self) -> None:
        """See Receiver."""
        self.become("well")


def incidents_in(body: bytes) -> list[int]:
    """The incidents that a message pages for."""
    event = json.loads(body)["event"]
    if event["event_type"] != "incident.triggered":
        return []
    data = event["data"]
    return [int(one["id"]) for one in data.get("incidents", [data])]


class SecondEngine:
    """An engine of its own beside the installation's, started again when it has ended."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.starts = 0
        self._start()

    def _start(self) -> None:
        with self.product.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "engine"], env=self.product.environment, stdout=log, stderr=log,
                cwd=self.product.folder,
            )  # fmt: skip
        self.starts += 1

    def look(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self._start()

    def kill(self) -> None:
        """As ``kill -9`` does it."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Ask it to stop."""
        self.process.terminate()
        self.process.wait(40)


def furnish(product: Product, first: Provider, second: Provider) -> str:
    """Two people on a policy and somebody to fall back to, each with both providers; the key of a source."""
    product.tell("teams", {"name": "Core", "slug": "core"})
    for name, order in (("ada", (first, second)), ("ben", (second, first)), ("cora", (first, second))):
        methods = [{"channel": "webhook", "address": f"{one.url}{name}"} for one in order]
        product.tell(
            "users", {"email": f"{name}@example.org", "name": name.title(), "contact_methods": methods}
        )  # fmt: skip
        rules = [
            {"urgency": "high", "channel": "webhook", "address": f"{one.url}{name}", "delay_s": delay}
            for one, delay in zip(order, (0, 60), strict=True)
        ]
        answer = product.http.put(f"/api/v1/users/{name}@example.org/rules", json=rules)
        assert answer.status_code == 200, answer.text
    steps = [{"targets": [f"user:{name}@example.org"], "wait_s": 120} for name in ("ada", "ben")]
    policy = {"name": "Core", "slug": "core", "team": "core", "steps": steps, "fallback": ["user:cora@example.org"]}
    product.tell("policies", policy)
    product.tell("services", {"name": "Checkout", "slug": "checkout", "team": "core", "policy": "core"})
    source = product.tell(
        "sources", {"name": "p", "service": "checkout", "kind": "pagerduty", "limit_per_minute": 1_000_000}
    )
    return str(source["key"])


class Sender:
    """Opens an incident now and then, sends again until it is accepted, and acknowledges every third that was heard."""

    def __init__(self, product: Product, key: str, providers: tuple[Provider, ...]) -> None:
        self.product, self.key, self.providers = product, key, providers
        self.accepted: dict[str, float] = {}
        self.acknowledged: set[int] = set()
        self.refused: Counter[str] = Counter()
        self.http = httpx.Client(base_url=product.url, timeout=20, headers=dict(product.http.headers))

    def run(self) -> None:
        """Send all of them, spread over the time."""
        began = time.monotonic()
        with self.http:
            for number in range(INCIDENTS):
                self._send(f"chaos-{number}")
                self._answer()
                time.sleep(max(0.0, began + SECONDS * (number + 1) / INCIDENTS - time.monotonic()))

    def _send(self, key: str) -> None:
        payload = {"summary": f"It broke: {key}", "source": key, "severity": "critical"}
        body = {"routing_key": self.key, "event_action": "trigger", "dedup_key": key, "payload": payload}
        while True:
            try:
                status = self.http.post("/v2/enqueue", json=body).status_code
            except httpx.HTTPError as error:
                self.refused[type(error).__name__] += 1
            else:
                if status == 202:
                    self.accepted[key] = time.monotonic()
                    return
                self.refused[str(status)] += 1
            time.sleep(0.1)

    def _answer(self) -> None:
        heard = {incident for one in self.providers for incident in list(one.seen)} - self.acknowledged
        for incident in sorted(one for one in heard if one % 3 == 0)[:1]:
            with contextlib.suppress(httpx.HTTPError):
                if self.http.post(f"/api/v1/incidents/{incident}/acknowledge", json={}).status_code == 200:
                    self.acknowledged.add(incident)


def harm(product: Product, other: SecondEngine, providers: tuple[Provider, ...], rng: random.Random) -> Counter[str]:
    """Break something every few seconds until the time is over, then mend everything. What was broken how often."""
    done: Counter[str] = Counter()
    well_at: dict[Provider, float] = {}
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        time.sleep(rng.uniform(0.5, 2.5))
        other.look()
        for one in [one for one, at in well_at.items() if at < time.monotonic()]:
            one.become("well")
            del well_at[one]
        what = rng.choice(("kill", "kill", "kill other", "outage", "outage", "leap", "back"))
        if what == "kill":
            kill_one(product, VICTIMS, rng, done)
        elif what == "kill other":
            other.kill()
            done["other engine"] += 1
        elif what == "outage":
            provider = rng.choice(providers)
            mode = rng.choice(Provider.MODES)
            provider.become(mode)
            well_at[provider] = time.monotonic() + rng.uniform(*OUTAGE_S)
            done[mode] += 1
        else:
            seconds = rng.randint(*LEAP_S) if what == "leap" else -rng.randint(*BACK_S)
            with contextlib.suppress(psycopg.Error):
                product.pass_time(timedelta(seconds=seconds))
                done[what] += 1
    for one in providers:
        one.become("well")
    other.look()
    return done


def test_whatever_fails_every_incident_reaches_somebody() -> None:
    rng = random.Random(SEED)
    with Provider().running() as first, Provider().running() as second, booted() as product:
        providers = (first, second)
        sender = Sender(product, furnish(product, *providers), providers)
        other = SecondEngine(product)
        try:
            sending = threading.Thread(target=sender.run, daemon=True)
            sending.start()
            done = harm(product, other, providers, rng)
            sending.join(120)
            assert not sending.is_alive(), f"sent {len(sender.accepted)} of {INCIDENTS}, refused: {sender.refused}"
            until("all children run", lambda: len(children(product)) == 3)
            numbers = dict(until("every signal opened an incident", lambda: _opened(product), within=BOUND_S))
            until("somebody received every incident", lambda: not _unheard(numbers, providers), within=BOUND_S)
            waits = sorted(_waits(sender, numbers, providers))
            twice = sum(count - 1 for one in providers for count in one.keys.values())
            print(
                f"\nseed {SEED}: {INCIDENTS} incidents in {SECONDS:.0f} s, {len(sender.acknowledged)} acknowledged; "
                f"broken: {dict(done)}, second engine started {other.starts} times; "
                f"requests refused by providers {sum(one.refused for one in providers)}"
                f"\nfrom the accepted signal to a person: median {waits[len(waits) // 2]:.1f} s, "
                f"longest {waits[-1]:.1f} s, bound {BOUND_S:.0f} s; messages received twice {twice}"
            )
            assert set(numbers) == set(sender.accepted), "one incident for each signal"
            assert waits[-1] <= BOUND_S
            _end(product, list(numbers.values()))
            verified = product.tocsin("ledger", "verify")
            assert verified["holds"], verified
            assert verified["entries"] > 0
            assert until("nothing is overdue", lambda: product.ask("ledger/findings")["items"] == [], within=60)
        finally:
            other.stop()


def _opened(product: Product) -> list[tuple[str, int]]:
    """The incident of each signal's key, once there is one for all."""
    try:
        rows = product.sql("SELECT DISTINCT dedup_key, incident_id FROM triage_signal WHERE incident_id IS NOT NULL")
    except psycopg.Error:
        return []
    return [(str(key), int(incident)) for key, incident in rows] if len(rows) >= INCIDENTS else []


def _unheard(numbers: dict[str, int], providers: tuple[Provider, ...]) -> set[int]:
    return set(numbers.values()) - {incident for one in providers for incident in list(one.seen)}


def _waits(sender: Sender, numbers: dict[str, int], providers: tuple[Provider, ...]) -> Iterator[float]:
    """Seconds from each accepted signal to the first time somebody received its page; a page may outrun the answer."""
    for key, incident in numbers.items():
        heard = min(one.seen[incident] for one in providers if incident in one.seen)
        yield max(0.0, heard - sender.accepted[key])


def _end(product: Product, numbers: list[int]) -> None:
    """Resolve what is open, so that nothing more becomes due."""
    for start in range(0, len(numbers), 100):
        product.tell("incidents/bulk/resolve", {"ids": numbers[start : start + 100], "note": "over"})
