"""What calendars of others read of on call, and what is known of the calendars that are read here."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q, QuerySet

from tocsin.oncall import calendars, models, rules
from tocsin.oncall.calendars import Directory, Names, Options, Person
from tocsin.oncall.queries.loading import load
from tocsin.oncall.queries.watching import AROUND
from tocsin.people.models import User
from tocsin.people.rules import Deed, may, require
from tocsin.platform import clock, secrets
from tocsin.platform.actor import Actor

BEHIND, AHEAD = timedelta(days=14), timedelta(days=183)
USED_EVERY = timedelta(hours=1)


def directory() -> Directory:
    """Everybody active, for recognising whom a text means."""
    rows = User.objects.filter(is_active=True).values_list("pk", "name", "email")
    return Directory(Person(*row) for row in rows)


def calendar_feeds(
    actor: Actor, *, schedule_id: int | None = None, team_id: int | None = None
) -> QuerySet[models.CalendarFeed]:
    """Addresses that work, newest first: of a schedule or a team, of everybody who made one; else the actor's own.

    Administrators see everybody's own, too.
    """
    require(actor, Deed.READ)
    rows = models.CalendarFeed.objects.filter(revoked_at=None).select_related("user", "schedule", "team")
    if schedule_id is not None:
        return rows.filter(schedule_id=schedule_id)
    if team_id is not None:
        return rows.filter(team_id=team_id)
    return rows if may(actor, Deed.ADMINISTER) else rows.filter(user_id=actor.user_id or 0)


def calendar_sources(schedule_id: int) -> list[models.CalendarSource]:
    """The calendars that put people on call in a schedule."""
    return list(models.CalendarSource.objects.filter(schedule_id=schedule_id).defer("body").order_by("name", "id"))


def whole_shifts(loaded: rules.Schedule, since: datetime, until: datetime) -> list[rules.Shift]:
    """The final schedule from ``since`` to ``until``, with the shifts at both ends at their whole length.

    ``loaded`` must hold what touches ``AROUND`` before and after.
    """
    if since >= until:
        return []
    found = rules.final_schedule(loaded, since, until)
    edges: dict[datetime, dict[int, rules.Shift]] = {}
    whole = []
    for shift in found:
        for at, touches in ((since, shift.start <= since), (until - timedelta(microseconds=1), shift.end >= until)):
            if touches:
                if at not in edges:
                    edges[at] = {one.user_id: one for one in rules.oncall_at(loaded, at)}
                shift = edges[at].get(shift.user_id, shift)
        whole.append(shift)
    return list(dict.fromkeys(whole))


def feed_of(secret: str) -> models.CalendarFeed | None:
    """The feed of a secret; None when it is unknown, revoked, or who made it is not active. Notes its use, hourly."""
    if not secret.isascii() or not secret.isalnum() or len(secret) > 100:
        return None
    rows = models.CalendarFeed.objects.select_related("user", "schedule", "team")
    row = rows.filter(digest=secrets.digest(secret), revoked_at=None, user__is_active=True).first()
    if row is None:
        return None
    now = clock.now()
    if row.last_used_at is None or row.last_used_at <= now - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        models.CalendarFeed.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return row


def feed_shifts(row: models.CalendarFeed, now: datetime) -> list[rules.Shift]:
    """Whole shifts of a feed, from two weeks ago to six months ahead, by whole days, so that the same day gives the
    same."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since, until = today - BEHIND, today + AHEAD
    ids: Iterable[int]
    if row.schedule_id is not None:
        ids = [row.schedule_id]
    elif row.team_id is not None:
        ids = models.Schedule.objects.filter(team_id=row.team_id).values_list("pk", flat=True)
    else:
        named = Q(layers__members__user_id=row.user_id) | Q(overrides__user_id=row.user_id)
        ids = models.Schedule.objects.filter(named).values_list("pk", flat=True).distinct()
    shifts = [
        shift
        for loaded in load(ids, since - AROUND, until + AROUND).values()
        for shift in whole_shifts(loaded, since, until)
    ]
    if row.schedule_id is None and row.team_id is None:
        return [shift for shift in shifts if shift.user_id == row.user_id]
    return shifts


def feed_names(shifts: Iterable[rules.Shift]) -> Names:
    """What the people and schedules of shifts are called."""
    shifts = list(shifts)
    schedules = {shift.schedule_id for shift in shifts}
    return Names(
        people=dict(User.objects.filter(pk__in={shift.user_id for shift in shifts}).values_list("pk", "name")),
        schedules=dict(models.Schedule.objects.filter(pk__in=schedules).values_list("pk", "name")),
        urls={key: f"{settings.TOCSIN.public_url}/on-call/{key}/" for key in schedules},
    )


def feed_tag(row: models.CalendarFeed, shifts: Iterable[rules.Shift], names: Names) -> str:
    """What changes when the content of a feed does, and not with the time at which it is asked for."""
    lines = [
        "|".join(
            (
                calendars.uid(shift),
                shift.end.isoformat(),
                names.person(shift.user_id),
                names.schedule(shift.schedule_id),
                shift.layer.name if shift.layer else "",
                f"{shift.override.kind} {shift.override.reason}" if shift.override else "",
            )
        )
        for shift in shifts
    ]
    return hashlib.sha256("\n".join([str(row.pk), _title(row), *sorted(lines)]).encode()).hexdigest()[:32]


def feed_text(row: models.CalendarFeed, shifts: Iterable[rules.Shift], names: Names, now: datetime) -> bytes:
    """The calendar of a feed."""
    options = Options(
        domain=urlsplit(settings.TOCSIN.public_url).hostname or "tocsin",
        zone=row.schedule.zone if row.schedule is not None else "" if row.team_id else row.user.zone,
    )
    return calendars.calendar(shifts, _title(row), names, now, options)


def _title(row: models.CalendarFeed) -> str:
    if row.schedule is not None:
        return f"On call: {row.schedule.name}"
    return f"On call: {row.team.name if row.team is not None else row.user.name}"
