"""Covering for one another: asking, taking, offering in return, approving. What is agreed becomes overrides.

Anybody on call may ask for a stretch of their own shifts, and anybody who may override may take it. Overrides made of a
swap replace only the person who asked, so that others beside them stay.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.delivery.actions.notices import notify
from tocsin.oncall import models, queries, rules
from tocsin.oncall.actions.common import lock, tell
from tocsin.oncall.actions.overrides import add_override
from tocsin.people.models import Membership, User
from tocsin.people.rules import Deed, may, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.moments import absolute

REFUSED = "This swap cannot be asked for."
OPEN = "open"


def ask_cover(
    schedule_id: int,
    start: datetime,
    end: datetime,
    *,
    actor: Actor,
    note: str = "",
    asked_id: int | None = None,
    requester_id: int | None = None,
) -> models.Swap:
    """Ask to be covered in a schedule from ``start`` to ``end`` (without an offset: the schedule's local time).

    ``requester_id``: for somebody else, which takes who may override there. Those who can take it are told. Raises
    Forbidden, NotFound, Invalid (not on call then, the past).
    """
    with transaction.atomic():
        schedule = lock(schedule_id)
        require(actor, Deed.READ)
        who = requester_id or actor.user_id
        if who is None:
            raise Invalid(REFUSED, {"user": "somebody; give the e-mail address"})
        if who != actor.user_id:
            require(actor, Deed.OVERRIDE, schedule.team_id)
        now = clock.now()
        start, end = (rules.local_instant(schedule.zone, moment) for moment in (start, end))
        start = max(start, now)
        problems = _problems(schedule, who, start, end, now)
        asked = User.objects.filter(pk=asked_id, is_active=True).first() if asked_id else None
        if asked_id and (asked is None or asked_id == who):
            problems["asked"] = "another active person"
        if len(note) > 300:
            problems["note"] = "300 characters at most"
        if problems:
            raise Invalid(REFUSED, problems)
        row = models.Swap.objects.create(
            schedule=schedule,
            requester_id=who,
            starts_at=start,
            ends_at=end,
            note=note.strip(),
            asked=asked,
            created_at=now,
        )
        audit.record(actor, "asked for cover", "swap", row.pk, schedule.name, after=facts(row))
        _ask(row)
        tell([schedule.pk])
    return row


def _problems(schedule: models.Schedule, user_id: int, start: datetime, end: datetime, now: datetime) -> dict[str, str]:
    if end <= start:
        return {"end": "after the start, and in the future"}
    if end - start > timedelta(days=62):
        return {"end": "62 days after the start at most"}
    loaded = queries.load([schedule.pk], start, end)[schedule.pk]
    if not any(shift.user_id == user_id for shift in rules.final_schedule(loaded, start, end)):
        return {"start": "a time at which this person is on call in the schedule"}
    return {}


def take(swap_id: int, *, actor: Actor) -> models.Swap:
    """Cover for whoever asked. Takes effect at once, or when a manager approves it where the schedule asks for one.

    Raises Forbidden, NotFound, Conflict (it is over, it is one's own, its shift went to somebody else).
    """
    with transaction.atomic():
        row = _open(swap_id)
        require(actor, Deed.OVERRIDE, row.schedule.team_id)
        user_id = _person(actor)
        if user_id == row.requester_id:
            raise Conflict("This is your own; withdraw it instead.")
        if row.asked_id is not None and row.asked_id != user_id:
            raise Conflict(f"{row.asked.name if row.asked else 'Somebody else'} is asked for this.")
        row.taker_id = user_id
        _agree(row, actor, "taken")
    return row


def offer(swap_id: int, start: datetime, end: datetime, *, actor: Actor, note: str = "") -> models.SwapOffer:
    """Offer to take it in return: if the requester takes one's own shifts from ``start`` to ``end``.

    Raises Forbidden, NotFound, Conflict, Invalid (one is not on call then).
    """
    with transaction.atomic():
        row = _open(swap_id)
        require(actor, Deed.OVERRIDE, row.schedule.team_id)
        user_id = _person(actor)
        if user_id == row.requester_id:
            raise Conflict("This is your own.")
        now = clock.now()
        start, end = (rules.local_instant(row.schedule.zone, moment) for moment in (start, end))
        problems = _problems(row.schedule, user_id, max(start, now), end, now)
        if len(note) > 300:
            problems["note"] = "300 characters at most"
        if problems:
            raise Invalid("This cannot be offered.", problems)
        made, _ = models.SwapOffer.objects.update_or_create(
            swap=row,
            user_id=user_id,
            defaults={"return_from": max(start, now), "return_to": end, "note": note.strip(), "created_at": now},
        )
        audit.record(actor, "offered", "swap", row.pk, row.schedule.name, after=facts(row))
        notify(
            [row.requester_id],
            key=f"swap:{row.pk}:offer:{made.pk}:{now.isoformat()}",
            title=f"{actor.name} offers to swap in {row.schedule.name}",
            body=f"{actor.name} takes {_when(row)} if you take {_span(row, made.return_from, end)}.",
            path="/on-call/swaps/",
        )
        tell([row.schedule_id])
    return made


def accept_offer(offer_id: int, *, actor: Actor) -> models.Swap:
    """Accept a counter-offer to one's own request.

    Raises Forbidden, NotFound, Conflict (one of the two is not on call any more in what they would give away).
    """
    with transaction.atomic():
        made = models.SwapOffer.objects.select_related("user").filter(pk=offer_id).first()
        if made is None:
            raise NotFound("There is no such offer.")
        row = _open(made.swap_id)
        _own(row, actor)
        row.taker_id, row.return_from, row.return_to = made.user_id, made.return_from, made.return_to
        _agree(row, actor, "accepted")
    return row


def decide(swap_id: int, approve: bool, *, actor: Actor) -> models.Swap:
    """Approve or decline what was agreed; for those who may configure the schedule. Raises Forbidden, Conflict."""
    with transaction.atomic():
        row = _locked(swap_id)
        require(actor, Deed.CONFIGURE, row.schedule.team_id)
        if row.state != "agreed":
            raise Conflict(f"This swap is {row.state}; there is nothing to decide.")
        row.decided_by_id = actor.user_id
        if approve:
            _make(row, actor)
        else:
            _end(row, "declined", actor)
            _tell_both(row, f"{actor.name} declined a swap in {row.schedule.name}")
    return row


def withdraw(swap_id: int, *, actor: Actor) -> models.Swap:
    """Take a request back before it has taken effect. Raises Forbidden, NotFound, Conflict."""
    with transaction.atomic():
        row = _locked(swap_id)
        _own(row, actor)
        if row.state not in (OPEN, "agreed"):
            raise Conflict(f"This swap is {row.state}.")
        _end(row, "withdrawn", actor)
    return row


def expire_swaps() -> int:
    """End requests whose stretch is over without anybody having taken it; for the engine. How many."""
    with transaction.atomic():
        rows = models.Swap.objects.select_for_update(of=("self",)).select_related("schedule", "requester")
        due = list(rows.filter(state__in=[OPEN, "agreed"], ends_at__lte=clock.now()))
        for row in due:
            _end(row, "expired", SYSTEM)
    return len(due)


# -- parts -------------------------------------------------------------------------------------------------------------


def _locked(swap_id: int) -> models.Swap:
    found = models.Swap.objects.select_for_update(of=("self",)).select_related("schedule", "requester", "asked")
    row = found.filter(pk=swap_id).first()
    if row is None:
        raise NotFound("There is no such swap.")
    return row


def _open(swap_id: int) -> models.Swap:
    row = _locked(swap_id)
    if row.state != OPEN or row.ends_at <= clock.now():
        raise Conflict(f"This swap is {row.state if row.state != OPEN else 'over'}.")
    return row


def _person(actor: Actor) -> int:
    if actor.user_id is None:
        raise Forbidden("Only a person can cover for another.")
    return actor.user_id


def _own(row: models.Swap, actor: Actor) -> None:
    if actor.user_id != row.requester_id and not may(actor, Deed.CONFIGURE, row.schedule.team_id):
        raise Forbidden("Only who asked, or a manager, may do this.")


def _agree(row: models.Swap, actor: Actor, how: str) -> None:
    if row.schedule.swaps_approved and not may(actor, Deed.CONFIGURE, row.schedule.team_id):
        row.state = "agreed"
        row.save()
        audit.record(actor, how, "swap", row.pk, row.schedule.name, after=facts(row))
        team = row.schedule.team_id or 0
        managers = Membership.objects.filter(team_id=team, role="manager").values_list("user_id", flat=True)
        notify(
            set(managers) or set(User.objects.filter(role="admin", is_active=True).values_list("pk", flat=True)),
            key=f"swap:{row.pk}:agreed:{row.taker_id}",
            title=f"Approve a swap in {row.schedule.name}?",
            body=_sentence(row),
            path="/on-call/swaps/",
        )
        tell([row.schedule_id])
    else:
        _make(row, actor)


def _make(row: models.Swap, actor: Actor) -> None:
    """The overrides of an agreed swap; the swap is done."""
    taker, requester = row.taker_id, row.requester_id
    now = clock.now()
    stretches: list[tuple[int | None, int, datetime, datetime]] = [(taker, requester, row.starts_at, row.ends_at)]
    if row.return_from and row.return_to:
        stretches.append((requester, taker or requester, row.return_from, row.return_to))
    for user, replaced, start, end in stretches:
        if end > now:
            if user is None or _problems(row.schedule, replaced, max(start, now), end, now):
                who = User.objects.get(pk=replaced).name
                raise Conflict(
                    f"{who} is not on call any more {_span(row, start, end)}; there is nothing to take over."
                )
            # the system writes it: who takes part has agreed, whatever else they may do
            add_override(
                row.schedule_id, user, max(start, now), end, f"swap {row.pk}", actor=SYSTEM, replaces_id=replaced
            )
    _end(row, "done", actor)
    _tell_both(row, f"A swap in {row.schedule.name} is agreed")


def _end(row: models.Swap, state: str, actor: Actor) -> None:
    row.state, row.ended_at = state, clock.now()
    row.save()
    audit.record(actor, state, "swap", row.pk, row.schedule.name, after=facts(row))
    tell([row.schedule_id])


def _ask(row: models.Swap) -> None:
    if row.asked_id is not None:
        able: Sequence[int] = [row.asked_id]
    else:
        layers = models.LayerMember.objects.filter(layer__schedule=row.schedule, layer__effective_until=None)
        able = [key for key in layers.values_list("user_id", flat=True).distinct() if key != row.requester_id]
    notify(
        able,
        key=f"swap:{row.pk}:asked",
        title=f"{row.requester.name} asks for cover in {row.schedule.name}",
        body=f"{_when(row)}." + (f"\n{row.note}" if row.note else ""),
        path="/on-call/swaps/",
    )


def _tell_both(row: models.Swap, title: str) -> None:
    people = {key for key in (row.requester_id, row.taker_id) if key is not None}
    notify(people, key=f"swap:{row.pk}:{row.state}", title=title, body=_sentence(row), path="/on-call/swaps/")


def _span(row: models.Swap, start: datetime, end: datetime) -> str:
    now = clock.now()
    return " to ".join(absolute(at, row.schedule.zone, now=now, seconds=False) for at in (start, end))


def _when(row: models.Swap) -> str:
    return _span(row, row.starts_at, row.ends_at)


def _sentence(row: models.Swap) -> str:
    names = dict(User.objects.filter(pk__in=[row.taker_id or 0]).values_list("pk", "name"))
    taker = names.get(row.taker_id or 0, "Somebody")
    text = f"{taker} is on call for {row.requester.name} in {row.schedule.name}: {_when(row)}."
    if row.return_from and row.return_to:
        text += f" In return {row.requester.name} takes {_span(row, row.return_from, row.return_to)}."
    return text


def facts(row: models.Swap) -> dict[str, Any]:
    """A swap as JSON-able facts."""
    return {
        "schedule": row.schedule.slug,
        "requester": row.requester.email,
        "from": row.starts_at.isoformat(),
        "to": row.ends_at.isoformat(),
        "state": row.state,
        "asked": row.asked_id,
        "taker": row.taker_id,
        "note": row.note,
    }
