"""Who is away, who may say so, and whose shifts that leaves open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet

from tocsin.oncall import models, rules
from tocsin.oncall.queries.calendars import whole_shifts
from tocsin.oncall.queries.loading import load
from tocsin.oncall.queries.watching import AROUND
from tocsin.people.models import Membership, User
from tocsin.people.rules import SCOPE, Deed, may, require
from tocsin.platform.actor import Actor


def may_edit_absences(actor: Actor, user_id: int) -> bool:
    """Whether the actor may say when a person is away: themselves, managers of a team of theirs, administrators."""
    if may(actor, Deed.ADMINISTER):
        return True
    if actor.user_id is not None and actor.user_id == user_id:
        return actor.scopes is None or bool(actor.scopes & SCOPE[Deed.RESPOND])
    teams = Membership.objects.filter(user_id=user_id).values_list("team_id", flat=True)
    return any(may(actor, Deed.CONFIGURE, team) for team in teams)


def absence_rows(
    actor: Actor, since: datetime, until: datetime, *, user_id: int | None = None, team_id: int | None = None
) -> QuerySet[models.Absence]:
    """Absences that touch ``since`` to ``until``, in order, of a person or of a team's people; else of everybody."""
    require(actor, Deed.READ)
    rows = models.Absence.objects.filter(ends_at__gt=since, starts_at__lt=until).select_related("user")
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if team_id is not None:
        rows = rows.filter(user__in=Membership.objects.filter(team_id=team_id).values("user_id"))
    return rows.order_by("starts_at", "id")


def absence_feed(user_id: int) -> models.AbsenceFeed | None:
    """The calendar that a person's absences are read from."""
    return models.AbsenceFeed.objects.filter(user_id=user_id).first()


def people_for(actor: Actor) -> list[User]:
    """Active people whose absences the actor may write, themselves first."""
    found = User.objects.filter(is_active=True).order_by("name", "id")
    if not may(actor, Deed.ADMINISTER):
        teams = (
            Membership.objects.all()
            if may(actor, Deed.CONFIGURE)
            else Membership.objects.filter(team__in=actor.managed)
        )
        found = found.filter(Q(pk=actor.user_id) | Q(pk__in=teams.values("user_id")))
    return sorted(found, key=lambda user: user.pk != actor.user_id)


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A shift whose person is away for some of it: from ``start`` to ``end``. ``shift`` is whole."""

    schedule: rules.Schedule
    shift: rules.Shift
    user: User
    absence: models.Absence
    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        """Names the shift for ever."""
        return f"{self.schedule.id}:{self.user.pk}:{self.shift.start.isoformat()}"


def uncovered_absences(since: datetime, until: datetime, user_ids: Iterable[int] | None = None) -> list[Uncovered]:
    """Shifts from ``since`` to ``until`` whose person is away, by the moment at which that begins.

    One for each shift and absence. Somebody who is away and replaced by an override has no such shift.
    """
    away = models.Absence.objects.filter(ends_at__gt=since, starts_at__lt=until, user__is_active=True)
    if user_ids is not None:
        away = away.filter(user_id__in=set(user_ids))
    by_user: dict[int, list[models.Absence]] = {}
    for row in away.select_related("user").order_by("starts_at", "id"):
        by_user.setdefault(row.user_id, []).append(row)
    if not by_user:
        return []
    named = Q(layers__members__user_id__in=by_user) | Q(overrides__user_id__in=by_user)
    ids = models.Schedule.objects.filter(named).values_list("pk", flat=True).distinct()
    found = []
    for loaded in load(ids, since - AROUND, until + AROUND).values():
        for shift in whole_shifts(loaded, since, until):
            for one in by_user.get(shift.user_id, ()):
                start, end = max(shift.start, one.starts_at, since), min(shift.end, one.ends_at, until)
                if start < end:
                    found.append(Uncovered(loaded, shift, one.user, one, start, end))
    return sorted(found, key=lambda one: (one.start, one.schedule.name, one.user.name))


def joined(found: Iterable[Uncovered]) -> list[Uncovered]:
    """For showing: stretches of one person in one schedule that adjoin, as one, by beginning."""
    open_: dict[tuple[int, int], Uncovered] = {}
    shown: list[Uncovered] = []
    for one in found:
        key = (one.schedule.id, one.user.pk)
        before = open_.get(key)
        if before is not None and one.start <= before.end:
            open_[key] = replace(before, end=max(before.end, one.end))
        else:
            if before is not None:
                shown.append(before)
            open_[key] = one
    return sorted([*shown, *open_.values()], key=lambda one: (one.start, one.schedule.name, one.user.name))
