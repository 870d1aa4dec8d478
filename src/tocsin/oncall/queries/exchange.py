"""Swaps and hand-off notes, for showing."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from tocsin.oncall import models
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

RECENT = timedelta(days=14)


def swaps(
    actor: Actor, now: datetime, *, schedule_id: int | None = None, everything: bool = False
) -> QuerySet[models.Swap]:
    """Swaps that wait for somebody, soonest first; with ``everything`` also those that ended within two weeks."""
    require(actor, Deed.READ)
    rows = models.Swap.objects.select_related(
        "schedule", "schedule__team", "requester", "taker", "asked"
    ).prefetch_related("offers", "offers__user")
    if schedule_id is not None:
        rows = rows.filter(schedule_id=schedule_id)
    waiting = rows.filter(state__in=["open", "agreed"], ends_at__gt=now)
    return (waiting | rows.filter(ended_at__gte=now - RECENT)) if everything else waiting


def swap(actor: Actor, key: int) -> models.Swap:
    """One swap. Raises NotFound."""
    require(actor, Deed.READ)
    row = models.Swap.objects.select_related("schedule", "requester", "taker", "asked").filter(pk=key).first()
    if row is None:
        raise NotFound("There is no such swap.")
    return row


def notes(actor: Actor, schedule_id: int, most: int = 10) -> list[models.HandoffNote]:
    """The latest hand-off notes of a schedule, newest first."""
    require(actor, Deed.READ)
    rows = models.HandoffNote.objects.filter(schedule_id=schedule_id).select_related("author", "opened_by")
    return list(rows[:most])


def unread_notes() -> dict[int, models.HandoffNote]:
    """The latest note of each schedule that nobody has opened yet, by schedule."""
    rows = models.HandoffNote.objects.select_related("author", "schedule")
    latest = rows.order_by("schedule_id", "-id").distinct("schedule_id")
    return {row.schedule_id: row for row in latest if row.opened_at is None}
