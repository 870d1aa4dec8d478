"""What others may read of on call: who is on call, and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from tocsin.oncall import models, rules
from tocsin.oncall.queries.loading import load
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound

MAX_WINDOW = timedelta(days=1100)
AROUND = timedelta(days=400)  # as long as a shift is looked at before and after a moment


def schedules(actor: Actor, q: str = "", team_ids: Iterable[int] = ()) -> QuerySet[models.Schedule]:
    """Schedules that the actor may see, by name; ``q`` is looked for in the name."""
    require(actor, Deed.READ)
    found = models.Schedule.objects.select_related("team").order_by("name")
    if q:
        found = found.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    return found.filter(team_id__in=list(team_ids)) if team_ids else found


def schedule(actor: Actor, key: int | str) -> models.Schedule:
    """One schedule by id, slug or name. Raises NotFound."""
    require(actor, Deed.READ)
    text = str(key)
    by = Q(slug__iexact=text) | Q(name__iexact=text)
    if text.isdecimal() and len(text) < 10:
        by |= Q(pk=int(text))
    found = list(models.Schedule.objects.select_related("team").filter(by))
    exact = [s for s in found if isinstance(key, int) and s.pk == key] or found
    if not exact:
        raise NotFound(f"There is no schedule {text!r}.")
    return exact[0]


def who(schedule_id: int, at: datetime) -> list[rules.Shift]:
    """Who is on call in a schedule at a moment; empty: nobody. Raises NotFound."""
    loaded = load([schedule_id], at - AROUND, at + AROUND)
    if schedule_id not in loaded:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return rules.oncall_at(loaded[schedule_id], at)


@dataclass(frozen=True, slots=True)
class OnCall:
    """One line of "who is on call": no ``shifts`` are a gap. ``until``: the next change (None: not soon)."""

    schedule: rules.Schedule
    shifts: tuple[rules.Shift, ...]
    users: tuple[User, ...]
    until: datetime | None

    @property
    def names(self) -> str:
        """``Ada Lovelace, Ben Okri``; empty for a gap."""
        return ", ".join(user.name for user in self.users)


def everyone(at: datetime, schedule_ids: Iterable[int] | None = None) -> list[OnCall]:
    """Who is on call in every schedule at a moment, by the schedule's name, gaps included."""
    found = [(loaded, rules.oncall_at(loaded, at)) for loaded in load(schedule_ids, at - AROUND, at + AROUND).values()]
    users = people(shift.user_id for _, shifts in found for shift in shifts)
    lines = [
        OnCall(
            loaded,
            tuple(shifts),
            tuple(users[shift.user_id] for shift in shifts if shift.user_id in users),
            shifts[0].end if len(shifts) == 1 else rules.next_change(loaded, at),
        )
        for loaded, shifts in found
    ]
    return sorted(lines, key=lambda line: line.schedule.name)


def names(ids: Iterable[int]) -> dict[int, str]:
    """Names of schedules, by id; unknown ids are left out."""
    return dict(models.Schedule.objects.filter(pk__in=set(ids)).values_list("pk", "name"))


def slugs(ids: Iterable[int]) -> dict[int, str]:
    """Slugs of schedules, by id; unknown ids are left out."""
    return dict(models.Schedule.objects.filter(pk__in=set(ids)).values_list("pk", "slug"))


def ids_of(slugs: Iterable[str]) -> dict[str, int]:
    """Ids of schedules, by slug; unknown slugs are left out."""
    return dict(models.Schedule.objects.filter(slug__in=set(slugs)).values_list("slug", "pk"))


def people(user_ids: Iterable[int]) -> dict[int, User]:
    """Users by id, for showing shifts."""
    return User.objects.in_bulk(set(user_ids))


def my_shifts(user_id: int, since: datetime, until: datetime) -> list[rules.Shift]:
    """When a person is on call from ``since`` to ``until`` in any schedule, in order of beginning."""
    named = Q(layers__members__user_id=user_id) | Q(overrides__user_id=user_id)
    ids = models.Schedule.objects.filter(named).values_list("pk", flat=True).distinct()
    found = [
        shift
        for loaded in load(ids, since, until).values()
        for shift in rules.final_schedule(loaded, since, until)
        if shift.user_id == user_id
    ]
    return sorted(found, key=lambda shift: (shift.start, shift.schedule_id))


def final(schedule_id: int, since: datetime, until: datetime) -> list[rules.Shift]:
    """The final schedule from ``since`` to ``until``. Raises NotFound, and Invalid beyond ``MAX_WINDOW``."""
    return rules.final_schedule(_one(schedule_id, since, until), since, until)


def gaps(schedule_id: int, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """When nobody is on call from ``since`` to ``until``. Raises NotFound."""
    return rules.gaps(_one(schedule_id, since, until), since, until)


def _one(schedule_id: int, since: datetime, until: datetime) -> rules.Schedule:
    if not timedelta() < until - since <= MAX_WINDOW:
        raise Invalid("This is no time to look at.", {"until": f"after since, by {MAX_WINDOW.days} days at most"})
    loaded = load([schedule_id], since, until)
    if schedule_id not in loaded:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return loaded[schedule_id]


def overrides(schedule_id: int, since: datetime, until: datetime) -> QuerySet[models.Override]:
    """A schedule's overrides that touch ``since`` to ``until``, with their people."""
    return (
        models.Override.objects.filter(schedule_id=schedule_id, ends_at__gt=since, starts_at__lt=until)
        .select_related("user", "replaces", "created_by")
        .order_by("starts_at", "id")
    )


def absences(user_ids: Iterable[int], since: datetime, until: datetime) -> dict[int, list[models.Absence]]:
    """When people are away from ``since`` to ``until``, by person, in order."""
    rows = models.Absence.objects.filter(user_id__in=set(user_ids), ends_at__gt=since, starts_at__lt=until)
    found: dict[int, list[models.Absence]] = {}
    for row in rows.order_by("starts_at", "id"):
        found.setdefault(row.user_id, []).append(row)
    return found


def via(loaded: rules.Schedule, shift: rules.Shift) -> dict[str, Any]:
    """What put a person on call, as the JSON-able facts of a page's reason."""
    facts: dict[str, Any] = {
        "kind": "schedule",
        "schedule_id": loaded.id,
        "schedule": loaded.name,
        "zone": loaded.zone,
        "from": _iso(shift.start),
        "to": _iso(shift.end),
    }
    if shift.layer:
        return facts | {"layer_id": shift.layer.id, "layer": shift.layer.name}
    if shift.override:
        return facts | {"override_id": shift.override.id, "override": shift.override.reason}
    return facts


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def coverage(schedule_id: int, since: datetime, until: datetime) -> float:
    """The part of the time from ``since`` to ``until``, 0 to 1, in which somebody is on call."""
    empty = sum((end - start for start, end in gaps(schedule_id, since, until)), timedelta())
    return 1 - empty / (until - since)
