"""The paging objective: what counts as in time, and what does not count at all."""

from datetime import timedelta

import pytest

from tocsin.delivery import objective
from tocsin.delivery.models import Attempt, Delivery
from tocsin.delivery.tests.conftest import World
from tocsin.escalation.models import Page
from tocsin.platform import clock

pytestmark = pytest.mark.django_db


def handed(world: World, after_s: float | None, urgency: str = "high", state: str = "accepted") -> None:
    """A page whose message was taken over so long after it was planned; None: nothing took it over."""
    user = world.person()
    page = world.page(world.incident(), user, urgency=urgency)
    [key] = world.enqueue(page, [world.method(user)])
    ended = None if state == "pending" else clock.now()
    Delivery.objects.filter(pk=key).update(state=state, next_at=None if ended else clock.now(), ended_at=ended)
    start = page.at
    Attempt.objects.create(delivery_id=key, number=1, started_at=start, ended_at=start, outcome="try_later")
    if after_s is not None:
        end = start + timedelta(seconds=after_s)
        Attempt.objects.create(delivery_id=key, number=2, started_at=start, ended_at=end, outcome="accepted")


def test_what_is_in_time(world: World) -> None:
    assert objective.measured() == objective.Measured(0, 0, None, None)
    for after in (0.1, 0.2, 0.3, 30.0, 31.0):
        handed(world, after)
    handed(world, None, state="failed")  # nobody was reached
    handed(world, None, state="dropped")  # answered before it was sent
    handed(world, 0.1, urgency="low")
    assert objective.measured().pages == 0  # they have their time still
    clock.shift(timedelta(seconds=31))
    found = objective.measured()
    assert (found.pages, found.in_time, found.p50_s) == (6, 4, 0.3)
    assert not found.met
    clock.shift(timedelta(hours=2))
    assert objective.measured().pages == 0
    assert objective.keep_due()
    assert not objective.keep_due()
    kept = objective.kept()
    assert kept is not None
    assert (kept.pages, kept.in_time) == (6, 4)
    Page.objects.all().delete()
    clock.shift(timedelta(hours=1, seconds=1))
    assert objective.keep_due()
    assert objective.kept() == objective.Measured(0, 0, None, None)
