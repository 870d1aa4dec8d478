"""What others may read of on call: schedules as the pure calculator wants them, and who is on call."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from tocsin.oncall import models, rules
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound

MAX_WINDOW = timedelta(days=1100)


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


def load(
    schedule_ids: Iterable[int] | None = None, since: datetime | None = None, until: datetime | None = None
) -> dict[int, rules.Schedule]:
    """Schedules for the calculator, by id, in four queries however many; None: all.

    With ``since`` (and ``until``) only the overrides that touch that time are loaded.
    """
    wanted = None if schedule_ids is None else set(schedule_ids)
    if wanted is not None and not wanted:
        return {}
    rows = models.Schedule.objects.all() if wanted is None else models.Schedule.objects.filter(pk__in=wanted)
    of = Q() if wanted is None else Q(schedule_id__in=wanted)
    layers: dict[int, list[rules.Layer]] = defaultdict(list)
    members: dict[int, list[int]] = defaultdict(list)
    inactive: set[int] = set()
    memberships = models.LayerMember.objects.order_by("layer_id", "position")
    if wanted is not None:
        memberships = memberships.filter(layer__schedule_id__in=wanted)
    for layer_id, user_id, active in memberships.values_list("layer_id", "user_id", "user__is_active"):
        members[layer_id].append(user_id)
        if not active:
            inactive.add(user_id)
    for row in models.Layer.objects.filter(of).order_by("schedule_id", "position"):
        layers[row.schedule_id].append(
            rules.Layer(
                id=row.pk,
                name=row.name,
                position=row.position,
                unit=_unit(row.unit),
                length=row.length,
                anchor=row.anchor,
                members=tuple(members[row.pk]),
                restrictions=tuple(rules.restriction(window) for window in row.restrictions),
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                weekdays=frozenset(row.weekdays),
            )
        )
    overrides: dict[int, list[rules.Override]] = defaultdict(list)
    touching = models.Override.objects.filter(of).order_by("created_at", "id")
    if since is not None:
        touching = touching.filter(ends_at__gt=since)
    if until is not None:
        touching = touching.filter(starts_at__lt=until)
    for pk, schedule_id, user_id, start, end, reason, active in touching.values_list(
        "id", "schedule_id", "user_id", "starts_at", "ends_at", "reason", "user__is_active"
    ):
        overrides[schedule_id].append(rules.Override(pk, user_id, start, end, reason))
        if not active:
            inactive.add(user_id)
    return {
        row.pk: rules.Schedule(
            id=row.pk,
            name=row.name,
            slug=row.slug,
            zone=row.zone,
            team_id=row.team_id,
            layers=tuple(layers[row.pk]),
            overrides=tuple(overrides[row.pk]),
            inactive=frozenset(inactive),
        )
        for row in rows
    }


def _unit(text: str) -> rules.Unit:
    return next(unit for unit in rules.UNITS if unit == text)


def who(schedule_id: int, at: datetime) -> list[rules.Shift]:
    """Who is on call in a schedule at a moment; empty: nobody. Raises NotFound."""
    loaded = load([schedule_id])
    if schedule_id not in loaded:
        raise NotFound(f"There is no schedule {schedule_id}.")
    return rules.oncall_at(loaded[schedule_id], at)


@dataclass(frozen=True, slots=True)
class OnCall:
    """One line of "who is on call": ``shift`` None is a gap, that ends at ``until`` (None: not soon)."""

    schedule: rules.Schedule
    shift: rules.Shift | None
    user: User | None
    until: datetime | None


def everyone(at: datetime, schedule_ids: Iterable[int] | None = None) -> list[OnCall]:
    """Who is on call in every schedule at a moment, by the schedule's name, gaps included."""
    found = []
    for loaded in load(schedule_ids).values():
        shifts = rules.oncall_at(loaded, at)
        found.append((loaded, shifts[0] if shifts else None))
    users = people(shift.user_id for _, shift in found if shift)
    lines = [
        OnCall(loaded, shift, users.get(shift.user_id), shift.end)
        if shift
        else OnCall(loaded, None, None, rules.next_change(loaded, at))
        for loaded, shift in found
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
        .select_related("user", "created_by")
        .order_by("starts_at", "id")
    )


def export_schedules(ids: Iterable[int] | None = None) -> list[ScheduleSpec]:
    """All schedules, or these, as people write them; overrides are not configuration and stay out."""
    rows = models.Schedule.objects.select_related("team").order_by("name")
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    loaded = load(None if ids is None else ids)
    emails = dict(
        models.LayerMember.objects.filter(layer__schedule_id__in=loaded).values_list("user_id", "user__email")
    )
    return [_spec(row, loaded[row.pk].layers, emails) for row in rows]


def _spec(row: models.Schedule, layers: Sequence[rules.Layer], emails: dict[int, str]) -> ScheduleSpec:
    zone = ZoneInfo(row.zone)

    def there(at: datetime | None) -> datetime | None:
        return at.astimezone(zone) if at else None

    return ScheduleSpec(
        name=row.name,
        slug=row.slug,
        team=row.team.slug if row.team else "",
        zone=row.zone,
        description=row.description,
        layers=[
            LayerSpec(
                name=layer.name,
                unit=layer.unit,
                length=layer.length,
                anchor=layer.anchor.astimezone(zone),
                members=[emails[user_id] for user_id in layer.members],
                restrictions=[RestrictionSpec.of(window) for window in layer.restrictions],
                starts_at=there(layer.starts_at),
                ends_at=there(layer.ends_at),
                weekdays=sorted(layer.weekdays),
            )
            for layer in layers
        ],
    )


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
