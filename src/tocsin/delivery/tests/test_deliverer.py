"""The deliverer against a real HTTP server on the loopback: sends, bundles, isolates, recovers."""

import asyncio
import functools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import OperationalError

from tocsin.delivery import actions, queries
from tocsin.delivery.jobs import Deliverer, deliver_due
from tocsin.delivery.models import Attempt, Delivery, PocketMessage
from tocsin.delivery.rules import PagesFailed, Settled
from tocsin.delivery.tests.conftest import World
from tocsin.people.queries import actor_of
from tocsin.platform import clock

pytestmark = pytest.mark.django_db(transaction=True)


TAKEN = b'{"id": "x1"}'  # as ntfy answers; webhooks do not care


class Sink:
    """An HTTP server that keeps what it is sent; ``answer(body)`` says with which status."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[Any], int] = lambda body: 202
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sink.bodies.append(body)
                sink.headers.append(dict(self.headers))
                self.send_response(sink.answer(body))
                self.send_header("Content-Length", str(len(TAKEN)))
                self.end_headers()
                self.wfile.write(TAKEN)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def kinds(self) -> list[str]:
        return [body["event"]["tocsin"]["kind"] for body in self.bodies]  # type: ignore[index]


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def test_from_the_outbox_to_the_server(world: World, sink: Sink) -> None:
    user, other = world.person("Ada"), world.person("Grace")
    incident = world.incident()
    world.page(incident, other)
    page = world.page(incident, user, kind="manual", why="Linus asked for help")
    [delivery] = world.enqueue(page, [world.method(user, "webhook", sink.url, "shh")])
    assert deliver_due() == 1
    [body] = sink.bodies
    event = body["event"]
    assert event["event_type"] == "incident.triggered"  # type: ignore[index]
    assert event["data"]["title"] == "Checkout is down"  # type: ignore[index]
    told = event["tocsin"]  # type: ignore[index]
    assert told["others"] == ["Grace"]
    assert "Linus asked for help" in told["body"]
    assert set(told["links"]) == {"view", "acknowledge", "resolve", "escalate"}
    row = Delivery.objects.get(id=delivery)
    assert (row.state, row.attempts) == ("accepted", 1)
    assert sink.headers[0]["Idempotency-Key"] == row.key
    assert Attempt.objects.get().outcome == "accepted"


def test_pocket_gets_the_message_once(world: World) -> None:
    user = world.person()
    incident = world.incident(drill=True)
    world.enqueue(world.page(incident, user), [world.method(user)])
    assert deliver_due() == 1
    [message] = queries.pocket(actor_of(user), user.pk)
    assert message.title.startswith("[DRILL] P1 Checkout: Checkout is down")
    assert [link["verb"] for link in message.links] == ["view", "acknowledge", "resolve", "escalate"]
    assert Delivery.objects.get().state == "delivered"
    Delivery.objects.update(state="pending", next_at=clock.now(), ended_at=None)
    assert deliver_due() == 1
    assert PocketMessage.objects.count() == 1


def test_first_page_alone_the_rest_in_bundles(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "webhook", sink.url)
    for _ in range(250):
        world.enqueue(world.page(world.incident(), user), [method])
    assert deliver_due() == 250
    sizes = [len(body["event"]["data"].get("incidents", [1])) for body in sink.bodies]  # type: ignore[index]
    assert sizes[0] == 1
    assert sum(sizes) == 250
    assert len(sizes) <= 5
    assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}


def test_a_refused_bundle_is_taken_apart(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "webhook", sink.url)
    for _ in range(6):
        world.enqueue(world.page(world.incident(), user), [method])
    sink.answer = lambda body: 400 if body["event"]["tocsin"]["kind"] == "bundle" else 202
    assert deliver_due() == 6
    assert sink.kinds() == ["page", "bundle"] + ["page"] * 5
    assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}


def test_an_address_that_refuses_everything_is_not_asked_for_each(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "webhook", sink.url)
    for _ in range(20):
        world.enqueue(world.page(world.incident(), user), [method])
    sink.answer = lambda body: 404
    deliver_due()
    assert sink.kinds() == ["page", "bundle", "page"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"failed"}
    assert sum(len(event.page_ids) for event in world.published if isinstance(event, PagesFailed)) == 20


def test_the_next_contact_method_at_once(world: World, sink: Sink) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    hook, pocket = world.method(user, "webhook", sink.url), world.method(user)
    world.enqueue(page, [hook, pocket], [0, 600])
    sink.answer = lambda body: 410
    assert deliver_due() == 2
    assert list(Delivery.objects.order_by("id").values_list("state", flat=True)) == ["failed", "delivered"]
    assert world.published == []


def test_server_error_is_tried_again_with_the_same_key(world: World, sink: Sink) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user, "webhook", sink.url)])
    sink.answer = lambda body: 503 if len(sink.bodies) == 1 else 200
    deliver_due()
    assert Delivery.objects.get().state == "pending"
    Delivery.objects.update(next_at=clock.now())
    deliver_due()
    assert Delivery.objects.get().state == "accepted"
    assert sink.headers[0]["Idempotency-Key"] == sink.headers[1]["Idempotency-Key"]
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["try_later", "accepted"]


def test_disabled_and_removed_methods_fail_with_the_reason(world: World) -> None:
    user = world.person()
    disabled, removed = world.method(user), world.method(user)
    page = world.page(world.incident(), user)
    world.enqueue(page, [disabled, removed])
    disabled.disabled_at, disabled.disabled_reason = clock.now(), "bounced"
    disabled.save()
    removed.delete()
    deliver_due()
    reasons = list(Delivery.objects.order_by("id").values_list("reason", flat=True))
    assert reasons == ["the contact method is disabled: bounced", "the contact method was removed"]
    assert world.published == [PagesFailed((page.pk,))]


def test_runs_until_stopped_and_wakes(world: World) -> None:
    user = world.person()
    method = world.method(user)
    deliverer = Deliverer()
    thread = threading.Thread(target=deliverer.run_forever)
    thread.start()
    try:
        for number in range(1, 4):
            world.enqueue(world.page(world.incident(), user), [method])
            deliverer.wake()
            for _ in range(200):
                if Delivery.objects.filter(state="delivered").count() == number:
                    break
                threading.Event().wait(0.01)
            assert Delivery.objects.filter(state="delivered").count() == number
    finally:
        deliverer.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_stopping_gives_back_what_was_not_begun(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "webhook", sink.url)
    for _ in range(5):
        world.enqueue(world.page(world.incident(), user), [method])
    deliverer = Deliverer()

    async def claim_and_stop() -> None:
        await deliverer._open()
        deliverer.stopping = False
        prepared = await deliverer._claims(deliverer._claim, {"webhook": 10}, [], False)
        for item in prepared:
            deliverer.lanes["webhook"].add(item, deliverer.time())
        await deliverer._close()

    asyncio.run(claim_and_stop())
    assert set(Delivery.objects.values_list("state", "attempts")) == {("pending", 0)}
    assert len(actions.claim()) == 5


def test_an_outcome_that_cannot_be_recorded_takes_no_others_with_it(
    world: World, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.person()
    bad, good = world.method(user, "webhook", sink.url), world.method(user)
    for _ in range(2):
        world.enqueue(world.page(world.incident(), user), [bad, good])
    settle = actions.settle

    def picky(results: list[Settled]) -> list[int]:
        if any(item.delivery.contact_method_id == bad.pk for item in results):
            raise RuntimeError("a reaction that fails")
        return settle(results)

    monkeypatch.setattr(actions, "settle", picky)
    assert deliver_due() == 4
    assert sorted(Delivery.objects.values_list("channel", "state")) == [
        ("pocket", "delivered"),
        ("pocket", "delivered"),
        ("webhook", "sending"),
        ("webhook", "sending"),
    ]


def test_outcomes_wait_for_a_database_that_is_away(world: World, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user, "webhook", sink.url)])
    settle, claim = actions.settle, actions.claim
    failures = {"settle": 2, "claim": 2}

    def away(name: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if failures[name]:
            failures[name] -= 1
            raise OperationalError("the server closed the connection")
        return work(*args, **kwargs)

    monkeypatch.setattr(actions, "settle", functools.partial(away, "settle", settle))
    monkeypatch.setattr(actions, "claim", functools.partial(away, "claim", claim))
    deliverer = Deliverer()
    thread = threading.Thread(target=deliverer.run_forever)
    thread.start()
    try:
        for _ in range(300):
            if Delivery.objects.filter(state="accepted").exists():
                break
            threading.Event().wait(0.01)
    finally:
        deliverer.stop()
        thread.join(10)
    assert Delivery.objects.get().state == "accepted"
    assert len(sink.bodies) == 1, "sent once, recorded later"
