"""The engine as a whole: threads, wake-ups, a page on its way, a database that goes away."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from django.db import OperationalError, connection

from tocsin.delivery.jobs import Deliverer
from tocsin.delivery.models import Delivery
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident
from tocsin.platform import clock, events, nodes
from tocsin.project import watchdog
from tocsin.project.engine import Engine, Worker
from tocsin.triage.tests.world import arrive, company


def until(what: str, look: object, within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not look():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def engine(transactional_db: None) -> Iterator[Engine]:
    made = Engine()
    made.start()
    yield made
    made.stop()


def test_a_signal_becomes_a_delivered_page_and_time_brings_the_next_step(engine: Engine) -> None:
    c = company()
    arrive(c.source, {})
    events.wake("triage")
    until("Alice's pocket has the page", lambda: Delivery.objects.filter(user=c.alice, state="delivered").exists())
    clock.shift(timedelta(seconds=301))
    until("Bob's pocket has the page", lambda: Delivery.objects.filter(user=c.bob, state="delivered").exists())
    incident = Incident.objects.get()
    incidents.acknowledge([incident.pk], actor=c.actor)
    clock.shift(timedelta(hours=2))
    time.sleep(0.5)
    assert Delivery.objects.filter(kind="page").count() == 2
    arrive(c.source, {"action": "resolve"})
    events.wake("triage")
    until("the incident resolved", lambda: Incident.objects.get().state == "resolved")


def test_engines_share_the_buckets_and_leave_when_they_stop(engine: Engine) -> None:
    until("it reported", lambda: nodes.alive("engine") == [nodes.own_id("engine")])
    assert nodes.own_buckets("engine") is None
    engine.stop()
    assert nodes.alive("engine") == []


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_cannot_deliver_ends_rather_than_look_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Deliverer) -> None:
        raise RuntimeError("no loop")

    monkeypatch.setattr(Deliverer, "run_forever", broken)
    over = threading.Event()
    engine = Engine(over=over)
    engine.start()
    try:
        assert over.wait(10)
        assert engine.failed
    finally:
        engine.stop()


def test_an_engine_that_is_stopped_has_not_failed(engine: Engine) -> None:
    engine.stop()
    assert not engine.failed
    assert not engine.over.is_set()


def test_a_worker_goes_on_after_the_database_was_away() -> None:
    calls: list[int] = []
    done = threading.Event()

    def work() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("server closed the connection")
        done.set()
        return 0

    worker = Worker("test", work)
    worker.start()
    assert done.wait(10)
    worker.stop()
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.django_db
def test_the_dead_man_is_told_only_while_nothing_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        dead_man = watchdog.DeadMan("http://watcher.example/ping", http)
        assert dead_man.look() == 1
        assert dead_man.look() == 0, "once a minute is enough"
        monkeypatch.setattr(watchdog, "EVERY_S", 0.0)
        dead_man = watchdog.DeadMan("http://watcher.example/ping", http)
        c = company()
        arrive(c.source, {})
        clock.shift(timedelta(seconds=90))
        assert dead_man.look() == 0, "a signal has waited for more than a minute"
    assert asked == ["http://watcher.example/ping"]
    connection.close()
