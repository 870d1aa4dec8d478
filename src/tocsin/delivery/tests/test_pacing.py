"""How many messages one contact method gets in a storm."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery import actions
from tocsin.delivery.contract import Pace
from tocsin.delivery.jobs import deliver_due
from tocsin.delivery.models import ContactPace, Delivery
from tocsin.delivery.rules import pacing
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.test_deliverer import Sink, sink
from tocsin.people.models import ContactMethod, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock

__all__ = ["sink"]

NOW = datetime(2026, 3, 1, 3, 10, tzinfo=UTC)
PACE = Pace(free=3, window_s=600.0, spacing_s=20.0, urgent_s=1.5)


@pytest.mark.parametrize(
    ("ago", "urgent", "expected"),
    [
        ([], False, 0.0),
        ([2, 1], False, 0.0),
        ([3, 2, 1], False, 19.0),
        ([3, 2, 1], True, 0.5),
        ([3, 2, 2], True, 0.0),
        ([300, 200, 20], False, 0.0),
        ([601, 2, 1], False, 0.0),  # the oldest does not count any more
        ([3, 2, -60], False, 20.0),  # the clock was set back
        ([3, 2, -60], True, 1.5),
    ],
)
def test_how_long_to_wait(ago: list[float], urgent: bool, expected: float) -> None:
    sent = [NOW - timedelta(seconds=seconds) for seconds in ago]
    assert pacing.wait(PACE, sent, NOW, urgent=urgent) == expected


@given(gaps=st.lists(st.floats(0.0, 60.0), max_size=200), urgent=st.booleans())
def test_nobody_gets_more_than_is_documented(gaps: list[float], urgent: bool) -> None:
    """Whatever arrives, tried the moment it comes and again when its wait is over: the number of messages is bounded,
    and nothing waits longer than the spacing."""
    at, free_at = NOW, NOW
    sent: list[datetime] = []
    for count, gap in enumerate(gaps, 1):
        at = max(at, free_at) + timedelta(seconds=gap)
        seconds = pacing.wait(PACE, sent, at, urgent=urgent)
        assert 0 <= seconds <= PACE.spacing_s
        free_at = at + timedelta(seconds=seconds)
        assert pacing.wait(PACE, sent, free_at, urgent=urgent) < 0.001
        sent = pacing.lately(PACE, [*sent, free_at], free_at)
        assert len(sent) <= PACE.free
        took = (free_at - NOW).total_seconds()
        assert count <= pacing.most(PACE, took + 0.001, urgent=urgent) + took // PACE.window_s * PACE.free


def page(world: World, user: User, method: ContactMethod, priority: str = "P2", rank: int = 1) -> int:
    [key] = world.enqueue(world.page(world.incident(priority=priority), user), [method], rank=rank)
    return key


def use_up(world: World, user: User, method: ContactMethod) -> None:
    """Send all that may go at once."""
    for _ in range(Pace().free):
        page(world, user, method)
        assert deliver_due() == 1


@pytest.mark.django_db(transaction=True)
def test_a_storm_becomes_a_message_now_and_then(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "ntfy", sink.url)
    use_up(world, user, method)
    assert len(sink.bodies) == 5

    waiting = [page(world, user, method) for _ in range(30)]
    deliver_due()
    assert len(sink.bodies) == 5
    for delivery in Delivery.objects.filter(pk__in=waiting):
        assert (delivery.state, delivery.attempts, delivery.reason) == ("pending", 0, pacing.HUSHED)
        assert delivery.next_at is not None
        assert delivery.next_at - clock.now() <= timedelta(seconds=20)

    clock.shift(timedelta(seconds=20))
    deliver_due()
    clock.shift(timedelta(seconds=2))  # what did not fit into the first, small claim has waited already
    deliver_due()
    titles = [str(body["title"]) for body in sink.bodies[5:]]
    assert len(titles) <= 2
    assert sum(int(title.split(" more incidents")[0]) for title in titles) == 30
    assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}
    assert set(Delivery.objects.values_list("reason", flat=True)) == {""}


@pytest.mark.django_db(transaction=True)
def test_what_is_most_urgent_waits_for_seconds_only(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "ntfy", sink.url)
    use_up(world, user, method)
    quiet = page(world, user, method)
    deliver_due()
    clock.shift(timedelta(seconds=2))
    loud = page(world, user, method, "P1", rank=0)
    deliver_due()
    assert len(sink.bodies) == 6
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert (states[loud], states[quiet]) == ("accepted", "pending")
    # what has waited once goes next, whatever went before it meanwhile
    clock.shift(timedelta(seconds=18))
    deliver_due()
    assert Delivery.objects.get(pk=quiet).state == "accepted"


@pytest.mark.django_db(transaction=True)
def test_what_is_most_urgent_does_not_wait_behind_others(world: World, sink: Sink) -> None:
    """They come in one claim: neither is the urgent one put back for long, nor do the others become urgent by it."""
    user = world.person()
    method = world.method(user, "ntfy", sink.url)
    use_up(world, user, method)
    others = [page(world, user, method) for _ in range(3)]
    loud = page(world, user, method, "P1", rank=0)
    deliver_due()
    now = clock.now()
    waits = {
        row.pk: (row.next_at - now).total_seconds() for row in Delivery.objects.filter(state="pending") if row.next_at
    }
    assert waits[loud] <= 1.5
    assert all(15 < waits[one] <= 20 for one in others)
    clock.shift(timedelta(seconds=1.5))
    deliver_due()
    assert Delivery.objects.get(pk=loud).state == "accepted"
    assert "P1" in str(sink.bodies[-1]["title"])
    assert Delivery.objects.filter(pk__in=others, state="pending").count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_test_and_what_a_provider_refuses_do_not_count(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "ntfy", sink.url)
    sink.answer = lambda body: 503
    page(world, user, method)
    deliver_due()
    assert ContactPace.objects.get(pk=method.pk).sent == []
    sink.answer = lambda body: 202
    use_up(world, user, method)
    count = len(sink.bodies)
    actions.send_test(method.pk, actor=actor_of(user))
    deliver_due()
    assert len(sink.bodies) == count + 1


@pytest.mark.django_db(transaction=True)
def test_a_webhook_is_for_machines_and_gets_everything(world: World, sink: Sink) -> None:
    user = world.person()
    method = world.method(user, "webhook", sink.url)
    for _ in range(12):
        page(world, user, method)
        deliver_due()
    assert len(sink.bodies) == 12


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broken", ["reserve", "refund"])
@pytest.mark.parametrize("error", [OperationalError("it is away"), IntegrityError("the contact method is gone")])
def test_a_count_that_cannot_be_kept_silences_nobody(
    world: World, sink: Sink, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(actions, broken, fail)
    sink.answer = lambda body: 202 if broken == "reserve" else 404
    user = world.person()
    first = page(world, user, world.method(user, "ntfy", sink.url))
    assert deliver_due() == 1
    assert Delivery.objects.get(pk=first).state == ("accepted" if broken == "reserve" else "failed")
