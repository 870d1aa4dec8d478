"""The outbox: claims, fences, leases, outcomes."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from tocsin.delivery import actions, queries
from tocsin.delivery.contract import Accepted, Delivered, Rejected, TryLater
from tocsin.delivery.models import Attempt, Delivery
from tocsin.delivery.rules import Claimed, NewDelivery, PagesFailed, Release, Settled
from tocsin.delivery.tests.conftest import World
from tocsin.platform import clock

pytestmark = pytest.mark.django_db


def settled(item: Claimed, result: object) -> Settled:
    return Settled(item, result, 0.001, 0.002)  # type: ignore[arg-type]


def test_enqueue_claim_settle(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    [delivery] = world.enqueue(page, [world.method(user)])
    [item] = actions.claim()
    assert (item.id, item.number, item.urgency, item.channel) == (delivery, 1, "high", "pocket")
    assert actions.claim() == []
    assert actions.settle([settled(item, Accepted("ref-1"))]) == [delivery]
    row = Delivery.objects.get(id=delivery)
    assert (row.state, row.provider_ref, row.attempts) == ("accepted", "ref-1", 1)
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.provider_ref) == (1, "accepted", "ref-1")
    assert attempt.ended_at is not None
    assert attempt.ended_at - attempt.started_at == timedelta(milliseconds=1)


def test_a_key_is_enqueued_once(world: World) -> None:
    user = world.person()
    item = NewDelivery(kind="test", key="once", channel="pocket", address="x", user_id=user.pk)
    assert len(actions.enqueue([item, item], now=clock.now())) == 1
    assert actions.enqueue([item], now=clock.now()) == []


def test_best_rank_first_and_limit_per_channel(world: World) -> None:
    user = world.person()
    pocket, hook = world.method(user), world.method(user, "webhook", "http://127.0.0.1:1/")
    for rank in (30, 10, 0):
        world.enqueue(world.page(world.incident(), user), [pocket, hook], rank=rank)
    taken = actions.claim(channels={"pocket": 2, "webhook": 1})
    assert [(item.channel, item.rank) for item in taken] == [("pocket", 0), ("webhook", 0), ("pocket", 10)]
    assert [item.channel for item in actions.claim(busy=[pocket.pk])] == ["webhook", "webhook"]


def test_not_before_its_delay(world: World) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user)], [60])
    assert actions.claim() == []
    assert 59 < (queries.next_due() or 0) <= 60
    clock.shift(timedelta(seconds=61))
    assert len(actions.claim()) == 1


def test_a_page_that_an_answer_overtook_is_dropped_at_hand_off(world: World) -> None:
    user = world.person("Grace")
    incident = world.incident()
    [first] = world.enqueue(world.page(incident, user), [world.method(user)])
    incident.generation, incident.state, incident.acknowledged_by = 2, "acknowledged", user
    incident.save()
    assert actions.claim() == []
    row = Delivery.objects.get(id=first)
    assert (row.state, row.reason, row.attempts) == ("dropped", "acknowledged by Grace before it was sent", 0)


@pytest.mark.parametrize(
    ("state", "generation", "said"),
    [
        ("triggered", 2, "who must know has changed"),
        ("resolved", 1, "resolved before"),
        ("mitigated", 1, "mitigated before"),
    ],
)
def test_the_fence_is_state_and_generation(world: World, state: str, generation: int, said: str) -> None:
    user = world.person()
    incident = world.incident()
    [first] = world.enqueue(world.page(incident, user), [world.method(user)])
    incident.state, incident.generation = state, generation
    incident.resolved_at = clock.now() if state == "resolved" else None
    incident.save()
    assert actions.claim() == []
    assert said in Delivery.objects.get(id=first).reason


def test_drop_stale(world: World) -> None:
    user = world.person()
    incident = world.incident()
    world.enqueue(world.page(incident, user), [world.method(user), world.method(user)], [0, 300])
    incident.generation = 2
    incident.save()
    world.enqueue(world.page(incident, user), [world.method(user)])
    assert actions.drop_stale([incident.pk], "acknowledged by Ada") == 2
    assert sorted(Delivery.objects.values_list("state", "reason")) == [
        ("dropped", "acknowledged by Ada"), ("dropped", "acknowledged by Ada"), ("pending", ""),
    ]  # fmt: skip


def test_try_later_keeps_the_key_and_waits(world: World) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user)])
    [item] = actions.claim()
    actions.settle([settled(item, TryLater(7, "busy"))])
    row = Delivery.objects.get()
    assert row.state == "pending"
    assert 6 < (queries.next_due() or 0) <= 7
    clock.shift(timedelta(seconds=8))
    [again] = actions.claim()
    assert (again.key, again.number) == (item.key, 2)
    assert again.claim != item.claim


def test_release_is_no_attempt(world: World) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user)])
    [item] = actions.claim()
    actions.settle([settled(item, Release())])
    assert Attempt.objects.count() == 0
    [again] = actions.claim()
    assert again.number == 1


def test_rejected_brings_the_next_contact_method_forward(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    one, two, three = world.enqueue(page, [world.method(user) for _ in range(3)], [0, 300, 600])
    [item] = actions.claim()
    actions.settle([settled(item, Rejected("HTTP 404"))])
    assert Delivery.objects.get(id=one).state == "failed"
    assert [row.id for row in actions.claim()] == [two]
    third = Delivery.objects.get(id=three).next_at
    assert third is not None
    assert third > clock.now() + timedelta(seconds=500)
    assert world.published == []


def test_exhausted_ends_in_pages_failed(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    world.enqueue(page, [world.method(user)])
    for _ in range(5):
        assert world.published == []
        [item] = actions.claim()
        actions.settle([settled(item, TryLater(None, "no answer"))])
        clock.shift(timedelta(seconds=61))
    assert Delivery.objects.get().state == "failed"
    assert world.published == [PagesFailed((page.pk,))]
    assert list(Attempt.objects.values_list("number", "outcome")) == [(number, "try_later") for number in range(1, 6)]


def test_a_page_that_reached_somebody_has_not_failed(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    world.enqueue(page, [world.method(user), world.method(user)])
    first, second = actions.claim()
    actions.settle([settled(first, Delivered()), settled(second, Rejected("no"))])
    assert world.published == []


def test_a_lost_lease_is_unknown_and_sent_again(world: World) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user)])
    [lost] = actions.claim()
    assert actions.expire() == 0
    clock.shift(timedelta(seconds=61))
    assert actions.expire() == 1
    assert list(Attempt.objects.values_list("outcome", "number")) == [("unknown", 1)]
    [again] = actions.claim()
    assert again.number == 2
    assert actions.settle([settled(lost, Accepted())]) == []
    assert Delivery.objects.get().state == "sending"
    assert actions.settle([settled(again, Accepted())]) == [again.id]


def test_a_delivery_that_kills_its_sender_is_given_up(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    world.enqueue(page, [world.method(user)])
    for _ in range(5):
        assert len(actions.claim()) == 1
        clock.shift(timedelta(seconds=61))
        actions.expire()
    assert Delivery.objects.get().state == "failed"
    assert world.published == [PagesFailed((page.pk,))]


@pytest.mark.django_db(transaction=True)
def test_two_claimers_never_get_the_same(world: World) -> None:
    user = world.person()
    method = world.method(user)
    for _ in range(60):
        world.enqueue(world.page(world.incident(), user), [method])
    taken: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait()
            while batch := actions.claim(3):
                taken.extend(item.id for item in batch)
                actions.settle([settled(item, Accepted()) for item in batch])
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 60
    assert len(set(taken)) == 60
    assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}


@pytest.mark.django_db(transaction=True)
def test_two_engines_failing_the_last_two_deliveries_at_once_tell_it_once(world: World) -> None:
    user = world.person()
    page = world.page(world.incident(), user)
    world.enqueue(page, [world.method(user), world.method(user)])
    first, second = actions.claim()
    both = threading.Event()

    def other() -> None:
        try:
            actions.settle([settled(second, Rejected("no"))])
        finally:
            connection.close()
            both.set()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        actions.settle([settled(first, Rejected("no"))])
        thread.start()
        assert not both.wait(0.3), "the second settle must wait for the first"
    thread.join()
    assert world.published == [PagesFailed((page.pk,))]


def test_notify_resolved_tells_whom_we_paged_once(world: World) -> None:
    user, other = world.person(), world.person()
    incident = world.incident()
    told, silent, never = world.method(user), world.method(user, resolved=False), world.method(other)
    world.enqueue(world.page(incident, user), [told, silent])
    world.enqueue(world.page(incident, other), [never], [300])
    actions.settle([settled(item, Accepted()) for item in actions.claim()])
    incident.state, incident.resolved_at, incident.generation = "resolved", clock.now(), 2
    incident.save()
    assert actions.notify_resolved([incident.pk]) == 1
    assert actions.notify_resolved([incident.pk]) == 0
    [item] = actions.claim()
    assert (item.kind, item.contact_method_id, item.urgency) == ("resolved", told.pk, "low")


def test_who_acknowledged_may_still_ask_for_people(world: World) -> None:
    user = world.person()
    incident = world.incident(state="acknowledged")
    world.enqueue(world.page(incident, user, kind="manual"), [world.method(user)])
    world.enqueue(world.page(incident, user, kind="step"), [world.method(user)])
    assert len(actions.claim()) == 1
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["dropped", "sending"]


def test_whatever_a_provider_says_can_be_kept(world: World) -> None:
    user = world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user), world.method(user)])
    first, second = actions.claim()
    said = "nul \0 and half a \ud83d smile " + "x" * 3000
    assert len(actions.settle([settled(first, Rejected(said)), settled(second, Accepted(said))])) == 2
    assert Delivery.objects.get(id=first.id).reason.startswith("nul  and half a ? smile")
