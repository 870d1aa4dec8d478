"""Schedules as the pure calculator wants them, and as people write them; few queries however many."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from tocsin.oncall import models, rules
from tocsin.oncall.rules import HandoffSpec, LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.models import User

LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def load(
    schedule_ids: Iterable[int] | None = None, since: datetime | None = None, until: datetime | None = None
) -> dict[int, rules.Schedule]:
    """Schedules for the calculator, by id, in five queries however many; None: all.

    With ``since`` (and ``until``) only the layers and overrides that touch that time are loaded.
    """
    wanted = None if schedule_ids is None else set(schedule_ids)
    if wanted is not None and not wanted:
        return {}
    rows = models.Schedule.objects.all() if wanted is None else models.Schedule.objects.filter(pk__in=wanted)
    of = Q() if wanted is None else Q(schedule_id__in=wanted)
    layers: dict[int, list[rules.Layer]] = defaultdict(list)
    used: dict[int, set[int]] = defaultdict(set)
    stored = models.Layer.objects.filter(of).order_by("schedule_id", "position", "id")
    if since is not None:
        stored = stored.exclude(effective_until__lte=since)
    if until is not None:
        stored = stored.exclude(effective_from__gte=until)
    found = list(stored)
    members = _members(layer.pk for layer in found)
    for row in found:
        layer = _layer(row, members[row.pk])
        if layer is not None:
            layers[row.schedule_id].append(layer)
            used[row.schedule_id].update(user for group in layer.members for user in group)
    overrides: dict[int, list[rules.Override]] = defaultdict(list)
    touching = models.Override.objects.filter(of).order_by("created_at", "id")
    if since is not None:
        touching = touching.filter(ends_at__gt=since)
    if until is not None:
        touching = touching.filter(starts_at__lt=until)
    # what people write goes before what a calendar says, also where it was written first
    for one in sorted(touching, key=lambda one: (not one.uid, one.created_at, bool(one.uid) and one.kind == "beside")):
        overrides[one.schedule_id].append(override_of(one))
        if one.user_id is not None:
            used[one.schedule_id].add(one.user_id)
    gone = dict(User.objects.filter(is_active=False).values_list("pk", "left_at"))
    return {
        row.pk: rules.Schedule(
            id=row.pk,
            name=row.name,
            slug=row.slug,
            zone=row.zone,
            team_id=row.team_id,
            layers=tuple(layers[row.pk]),
            overrides=tuple(overrides[row.pk]),
            left={user: gone[user] or LONG_AGO for user in used[row.pk] & gone.keys()},
            uncovered=tuple(rules.restriction(window) for window in row.uncovered),
        )
        for row in rows
    }


def _members(layer_ids: Iterable[int]) -> dict[int, list[list[int]]]:
    """The groups of people of layers, in the order of their turns."""
    groups: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    rows = models.LayerMember.objects.filter(layer_id__in=list(layer_ids)).order_by("layer_id", "position", "id")
    for layer_id, position, user_id in rows.values_list("layer_id", "position", "user_id"):
        groups[layer_id][position].append(user_id)
    return defaultdict(list, {layer_id: list(by.values()) for layer_id, by in groups.items()})


def _layer(row: models.Layer, members: list[list[int]]) -> rules.Layer | None:
    """A stored layer for the calculator; None when it was ended before it began."""
    begin = row.starts_at or row.anchor
    starts_at, ends_at = row.starts_at, row.ends_at
    if row.effective_from is not None and row.effective_from > begin:
        starts_at = row.effective_from
    if row.effective_until is not None:
        ends_at = min(ends_at, row.effective_until) if ends_at else row.effective_until
        if ends_at <= (starts_at or begin):
            return None
    return rules.Layer(
        id=row.pk,
        name=row.name,
        position=row.position,
        level=row.level,
        zone=row.zone,
        unit=_unit(row.unit),
        length=row.length,
        anchor=row.anchor,
        members=tuple(tuple(group) for group in members),
        restrictions=tuple(rules.restriction(window) for window in row.restrictions),
        starts_at=starts_at,
        ends_at=ends_at,
        weekdays=frozenset(row.weekdays),
        handoffs=tuple(rules.handoff(one) for one in row.handoffs),
        shift_minutes=row.shift_minutes,
    )


def override_of(row: models.Override) -> rules.Override:
    """A stored override for the calculator."""
    kind = next(kind for kind in rules.OVERRIDE_KINDS if kind == row.kind)
    return rules.Override(row.pk, row.user_id, row.starts_at, row.ends_at, row.reason, kind, row.replaces_id)


def _unit(text: str) -> rules.Unit:
    return next(unit for unit in rules.UNITS if unit == text)


def export_schedules(ids: Iterable[int] | None = None) -> list[ScheduleSpec]:
    """All schedules, or these, as people write them; overrides are not configuration and stay out."""
    rows = models.Schedule.objects.select_related("team").order_by("name")
    current = models.Layer.objects.filter(effective_until=None).order_by("position", "id")
    if ids is not None:
        wanted = list(ids)
        rows, current = rows.filter(pk__in=wanted), current.filter(schedule_id__in=wanted)
    layers: dict[int, list[models.Layer]] = defaultdict(list)
    for layer in current:
        layers[layer.schedule_id].append(layer)
    members = _members(layer.pk for of in layers.values() for layer in of)
    named = {user for groups in members.values() for group in groups for user in group}
    emails = dict(User.objects.filter(pk__in=named).values_list("pk", "email"))
    return [_spec(row, layers[row.pk], members, emails) for row in rows]


def current_layers(schedule_id: int) -> dict[int, datetime | None]:
    """Ids of the layers as they are written now, and from when on each takes effect; None: it always did."""
    rows = models.Layer.objects.filter(schedule_id=schedule_id, effective_until=None)
    return dict(rows.values_list("pk", "effective_from"))


def layer_lines(schedule_id: int) -> list[int]:
    """What programs call the layers as they are written now, in their order: an edit of a layer keeps it."""
    rows = models.Layer.objects.filter(schedule_id=schedule_id, effective_until=None).order_by("position", "id")
    return [line or pk for pk, line in rows.values_list("pk", "line")]


def lines_of_layers(schedule_id: int) -> dict[int, int]:
    """What programs call every layer that a schedule ever had, by id."""
    rows = models.Layer.objects.filter(schedule_id=schedule_id).values_list("pk", "line")
    return {pk: line or pk for pk, line in rows}


def _spec(
    row: models.Schedule, layers: list[models.Layer], members: dict[int, list[list[int]]], emails: dict[int, str]
) -> ScheduleSpec:
    written = []
    level: int | None = None
    for layer in layers:
        zone = ZoneInfo(layer.zone or row.zone)

        def there(at: datetime | None, zone: ZoneInfo = zone) -> datetime | None:
            return at.astimezone(zone) if at else None

        groups = [[emails[user] for user in group] for group in members[layer.pk]]
        own = layer.position if layer.level is None else layer.level
        written.append(
            LayerSpec(
                name=layer.name,
                unit=layer.unit,
                length=layer.length,
                anchor=layer.anchor.astimezone(zone),
                members=[group[0] if len(group) == 1 else group for group in groups],
                restrictions=[RestrictionSpec.of(rules.restriction(window)) for window in layer.restrictions],
                starts_at=there(layer.starts_at),
                ends_at=there(layer.ends_at),
                weekdays=sorted(layer.weekdays),
                handoffs=[HandoffSpec.of(rules.handoff(one)) for one in layer.handoffs],
                shift_minutes=layer.shift_minutes,
                beside=own == level,
                zone=layer.zone,
            )
        )
        level = own
    return ScheduleSpec(
        name=row.name,
        slug=row.slug,
        team=row.team.slug if row.team else "",
        zone=row.zone,
        description=row.description,
        layers=written,
        uncovered=[RestrictionSpec.of(rules.restriction(window)) for window in row.uncovered],
        swaps_approved=row.swaps_approved,
    )
