"""Going off call: a note for whoever comes next, and a reminder before one's own shift."""

from datetime import datetime, timedelta

from django.db import transaction

from tocsin.delivery.actions.notices import notify
from tocsin.oncall import models, queries, rules
from tocsin.oncall.actions.common import lock, tell
from tocsin.oncall.queries import exchange
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden, Invalid, NotFound
from tocsin.platform.moments import absolute

MAX_NOTE = 20_000
REMIND = timedelta(hours=12)
LATE = timedelta(minutes=30)  # a hand-off note is asked for by whoever began this recently


def write_note(schedule_id: int, text: str, *, actor: Actor) -> models.HandoffNote:
    """Leave a note for whoever is on call next in a schedule. Raises Forbidden, NotFound, Invalid."""
    with transaction.atomic():
        schedule = lock(schedule_id)
        require(actor, Deed.OVERRIDE, schedule.team_id)
        if not text.strip() or len(text) > MAX_NOTE:
            raise Invalid("This note cannot be kept.", {"text": f"1 to {MAX_NOTE:,} characters"})
        row = models.HandoffNote.objects.create(
            schedule=schedule, author_id=actor.user_id, text=text.strip(), created_at=clock.now()
        )
        audit.record(actor, "wrote", "hand-off note", row.pk, schedule.name)
        tell([schedule.pk])
    return row


def open_note(note_id: int, *, actor: Actor) -> models.HandoffNote:
    """The note was read by whoever comes next; only the first reading counts. Raises Forbidden, NotFound."""
    require(actor, Deed.READ)
    if actor.user_id is None:
        raise Forbidden("Only a person can read a note.")
    with transaction.atomic():
        row = (
            models.HandoffNote.objects.select_for_update(of=("self",))
            .select_related("schedule")
            .filter(pk=note_id)
            .first()
        )
        if row is None:
            raise NotFound("There is no such note.")
        if row.opened_at is None and row.author_id != actor.user_id:
            row.opened_by_id, row.opened_at = actor.user_id, clock.now()
            row.save(update_fields=["opened_by", "opened_at"])
            tell([row.schedule_id])
    return row


def remind() -> int:
    """Tell people of shifts that begin within 12 hours, and of notes that wait for them; for the engine. How many.

    Each shift is told of once: the notice's key names it. A hand-off from a person to themselves is no beginning.
    """
    now = clock.now()
    told = 0
    notes = exchange.unread_notes()
    zones = dict(User.objects.filter(is_active=True).values_list("pk", "zone"))
    for schedule in queries.load(None, now - timedelta(days=1), now + REMIND).values():
        ends: set[tuple[int, datetime]] = set()
        for shift in rules.final_schedule(schedule, now - 2 * LATE, now + REMIND):
            goes_on = (shift.user_id, shift.start) in ends
            ends.add((shift.user_id, shift.end))
            if goes_on or shift.start < now - LATE:
                continue
            note = notes.get(schedule.id)
            if shift.start > now:
                told += _tell_ahead(schedule, shift, zones.get(shift.user_id, schedule.zone), now)
            elif note is not None and note.author_id != shift.user_id:
                told += _tell_note(schedule, shift, note)
    return told


def _tell_ahead(schedule: rules.Schedule, shift: rules.Shift, zone: str, now: datetime) -> int:
    when, until = (absolute(at, zone, now=now, seconds=False) for at in (shift.start, shift.end))
    with transaction.atomic():
        return notify(
            [shift.user_id],
            key=f"shift:{schedule.id}:{shift.user_id}:{shift.start.isoformat()}",
            title=f"Your shift in {schedule.name} begins {when}",
            body=f"You are on call from {when} to {until} ({zone}).",
            path="/on-call/mine/",
        )


def _tell_note(schedule: rules.Schedule, shift: rules.Shift, note: models.HandoffNote) -> int:
    with transaction.atomic():
        return notify(
            [shift.user_id],
            key=f"handoff:{note.pk}:{shift.user_id}",
            title=f"Read the hand-off note of {schedule.name}",
            body=note.text[:500],
            path=f"/on-call/{schedule.id}/",
        )
