"""Kill anything at any moment: what was accepted is never lost, nobody who had to be paged is forgotten.

The real product runs; a sender pushes signals as fast as they are taken; processes are killed with SIGKILL at random.
``CRASH_SIGNALS`` and ``CRASH_KILLS`` make it longer.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.invariants.crashing import VICTIMS, Receiver, booted, children, kill_one
from tests.journeys.product import Product
from tests.journeys.waiting import until
from tocsin.project.embedded import Embedded

SIGNALS = int(os.environ.get("CRASH_SIGNALS", "20000"))
KILLS = int(os.environ.get("CRASH_KILLS", "30"))
CONNECTIONS = 16

pytestmark = pytest.mark.journey


class Sink(Receiver):
    """Remembers the id of every message it took."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        super().__init__()

    def take(self, key: str, body: bytes) -> int:
        """See Receiver."""
        self.seen[key] += 1
        return 200


def furnish(product: Product, sink: Sink) -> str:
    """One person with a webhook, one policy, one service; returns the key of its PagerDuty source."""
    product.tell("teams", {"name": "Core", "slug": "core"})
    product.tell(
        "users",
        {
            "email": "ada@example.org",
            "name": "Ada",
            "contact_methods": [{"channel": "webhook", "address": sink.url, "label": "sink"}],
        },
    )
    product.tell(
        "policies",
        {
            "name": "Core",
            "slug": "core",
            "team": "core",
            "steps": [{"targets": ["user:ada@example.org"], "wait_s": 3600}],
        },
    )
    product.tell("services", {"name": "Checkout", "slug": "checkout", "team": "core", "policy": "core"})
    source = product.tell(
        "sources", {"name": "p", "service": "checkout", "kind": "pagerduty", "limit_per_minute": 100_000_000}
    )
    return str(source["key"])


class Sender:
    """Sends signals, each with a key of its own, over some connections; what is not accepted is sent again."""

    def __init__(self, port: int, key: str, wanted: int) -> None:
        self.port, self.key, self.wanted = port, key, wanted
        self.accepted: list[int] = []
        self.number = 0
        self.repeated = 0
        self.enough = threading.Event()  # set when the killing is over, too
        self.failures: Counter[str] = Counter()

    def body(self, number: int) -> bytes:
        return json.dumps(
            {
                "routing_key": self.key,
                "event_action": "trigger",
                "dedup_key": f"signal-{number}",
                "payload": {"summary": f"Signal {number}", "source": "crash", "severity": "critical"},
            }
        ).encode()

    async def _connection(self) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while not (self.number >= self.wanted and self.enough.is_set()):
            number, self.number = self.number, self.number + 1
            body = self.body(number)
            request = b"POST /v2/enqueue HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            while True:
                try:
                    if writer is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    assert reader is not None
                    async with asyncio.timeout(30):
                        writer.write(request)
                        head = await reader.readuntil(b"\r\n\r\n")
                        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                        await reader.readexactly(length)
                    status = int(head[9:12])
                    if status == 202:
                        self.accepted.append(number)
                        break
                    self.failures[str(status)] += 1
                    await asyncio.sleep(0.02)
                except (OSError, EOFError, TimeoutError, ValueError) as error:
                    self.failures[type(error).__name__] += 1
                    if writer is not None:
                        writer.close()
                    reader = writer = None
                    await asyncio.sleep(0.02)
                self.repeated += 1
        if writer is not None:
            writer.close()

    def run(self) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._connection() for _ in range(CONNECTIONS)))

        asyncio.run(all_of_them())


def kill_at_random(product: Product, kills: int, rng: random.Random) -> Counter[str]:
    """Kill web, engine, postmaster or one of its backends, with SIGKILL, again and again."""
    killed: Counter[str] = Counter()
    while sum(killed.values()) < kills:
        time.sleep(rng.uniform(0.3, 1.2))
        kill_one(product, VICTIMS, rng, killed)
    return killed


def test_killing_anything_loses_no_accepted_signal_and_forgets_no_page() -> None:
    sink = Sink()
    rng = random.Random(int(os.environ.get("CRASH_SEED", "7")))
    with sink.running(), booted() as product:
        sender = Sender(product.port, furnish(product, sink), SIGNALS)
        sending = threading.Thread(target=sender.run, daemon=True)
        began = time.monotonic()
        sending.start()
        killed = kill_at_random(product, KILLS, rng)
        sender.enough.set()
        sending.join(300)
        assert not sending.is_alive(), "the sender did not get through"
        took = time.monotonic() - began
        until("all children run", lambda: len(children(product)) == 3)

        def settled() -> bool:
            try:
                [(waiting, due, out)] = product.sql(
                    "SELECT (SELECT count(*) FROM intake_inbox),"
                    " (SELECT count(*) FROM escalation_run WHERE state = 'waiting' AND due_at < tocsin_now()),"
                    " (SELECT count(*) FROM delivery_delivery WHERE state IN ('pending', 'sending')"
                    "  AND coalesce(next_at, claimed_until) < tocsin_now() + interval '5 minutes')"
                )
            except (psycopg.Error, AssertionError):
                return False
            spooled = sum(path.stat().st_size for path in (product.data / "spool").glob("*.spool"))
            return waiting == due == out == 0 and spooled == 0

        until("everything accepted is decided and handed out", settled, within=240, every=0.5)
        keys = {row[0] for row in product.sql("SELECT DISTINCT dedup_key FROM triage_signal")}
        lost = [number for number in sender.accepted if f"signal-{number}" not in keys]
        [(signals, incidents)] = product.sql(
            "SELECT (SELECT count(*) FROM triage_signal), (SELECT count(*) FROM incidents_incident)"
        )
        unpaged = product.sql(
            "SELECT i.id FROM incidents_incident i WHERE NOT EXISTS (SELECT FROM escalation_page p"
            " JOIN delivery_delivery d ON d.page_id = p.id WHERE p.incident_id = i.id"
            " AND d.state IN ('accepted', 'delivered'))"
        )
        stuck = product.sql(
            "SELECT id FROM escalation_run WHERE state = 'waiting' AND due_at < tocsin_now() - interval '10 seconds'"
        )
        orphaned = product.sql("SELECT dedup_key FROM triage_signal WHERE outcome = 'opened' AND incident_id IS NULL")
        [(again,)] = product.sql("SELECT count(*) FROM delivery_attempt WHERE number > 1")
        twice = sum(count - 1 for count in sink.seen.values())
        print(
            f"\n{len(sender.accepted):,} signals accepted in {took:.0f} s ({sender.repeated:,} sent again:"
            f" {dict(sender.failures)}); killed {sum(killed.values())}: {dict(killed)}"
            f"\nlost {len(lost)}; incidents {incidents:,}, without a page {len(unpaged)}; runs stuck {len(stuck)};"
            f" signals stored twice {signals - len(keys)}; deliveries tried again {again}, received twice {twice}"
        )
        assert sum(killed.values()) >= KILLS
        assert len(sender.accepted) >= SIGNALS
        assert not lost
        assert not orphaned
        assert not unpaged
        assert not stuck
        assert incidents == len(keys)


@contextmanager
def own_database() -> Iterator[tuple[Embedded, list[subprocess.Popen[bytes]]]]:
    """A PostgreSQL that the test starts and stops; the product knows it by DATABASE_URL only."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-own-"))
    embedded = Embedded(folder)
    embedded.prepare()
    running: list[subprocess.Popen[bytes]] = []
    try:
        start(embedded, running)
        embedded.create_database()
        yield embedded, running
    finally:
        stop(running)
        shutil.rmtree(folder, ignore_errors=True)


def start(embedded: Embedded, running: list[subprocess.Popen[bytes]]) -> None:
    process = subprocess.Popen(
        embedded.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        **(embedded.account.popen if embedded.account else {}),  # type: ignore[arg-type]  # user, group
    )  # fmt: skip
    running.append(process)
    until("PostgreSQL accepts connections", lambda: embedded.ready(process.pid))


def stop(running: list[subprocess.Popen[bytes]]) -> None:
    while running:
        process = running.pop()
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_signals_accepted_while_the_database_is_away_arrive_afterwards_in_order() -> None:
    away_s = float(os.environ.get("AWAY_S", "60"))
    sink = Sink()
    with (
        sink.running(),
        own_database() as (embedded, running),
        booted(DATABASE_URL=embedded.url) as product,
    ):
        key = furnish(product, sink)
        sender = Sender(product.port, key, 10**9)
        order: list[int] = []
        over = threading.Event()

        async def send_in_order() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", product.port)
            while not over.is_set():
                body = sender.body(len(order))
                writer.write(b"POST /v2/enqueue HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
                assert head[9:12] == b"202", head
                order.append(len(order))
                await asyncio.sleep(0.01)
            writer.close()

        sending = threading.Thread(target=lambda: asyncio.run(send_in_order()), daemon=True)
        sending.start()
        time.sleep(2)
        stop(running)
        accepted_before = len(order)
        time.sleep(away_s)
        accepted_away = len(order) - accepted_before
        start(embedded, running)
        time.sleep(3)
        over.set()
        sending.join(30)
        assert not sending.is_alive()

        def rows_of(query: str) -> list[tuple[object, ...]]:
            with psycopg.connect(embedded.url, autocommit=True) as connection:
                return connection.execute(query).fetchall()  # type: ignore[arg-type]  # a constant

        until(
            "all signals are decided",
            lambda: rows_of("SELECT count(DISTINCT dedup_key) FROM triage_signal") == [(len(order),)],
            within=90,
        )
        rows = rows_of("SELECT dedup_key FROM triage_signal ORDER BY id")
        print(f"\n{accepted_away:,} signals accepted in the {away_s:.0f} s without a database; {len(rows):,} in all")
        assert accepted_away > 0
        assert [row[0] for row in rows] == [f"signal-{number}" for number in order]
