"""Writing schedules down. Who was on call stays true: rows that were in effect end, and others take over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from tocsin.oncall import models, queries, rules
from tocsin.oncall.actions.common import lock, tell
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid
from tocsin.platform.unique import require_free


def save_schedule(
    spec: ScheduleSpec, *, actor: Actor, id: int | None = None, effective: datetime | None = None
) -> models.Schedule:
    """Add a schedule, or make the one with this ``id`` as written. The slug is made from the name when empty.

    Who was on call stays true: a layer that changes ends, and what was written takes over, now or at ``effective``
    (without an offset: local time of the schedule's zone). Layers that stay the same are not touched; overrides stay.
    Saving what is there already changes nothing and is not audited. Raises Forbidden, NotFound, Invalid, Conflict.
    """
    with transaction.atomic():
        row = models.Schedule() if id is None else lock(id)
        if id is not None:
            require(actor, Deed.CONFIGURE, row.team_id)
        team = people.owning_team(spec.team, "This schedule cannot be kept.")
        require(actor, Deed.CONFIGURE, team.pk if team else None)
        if problems := rules.problems(spec):
            raise Invalid("This schedule cannot be kept.", problems)
        slug = spec.slug or row.slug or slugify(spec.name)[:120].strip("-")
        if not slug:
            raise Invalid("This schedule cannot be kept.", {"slug": "small letters, digits, hyphens and underscores"})
        require_free(models.Schedule.objects.all(), "schedule", row.pk, name=spec.name.strip(), slug=slug)
        layers = _resolved(spec)
        at = _effective(spec.zone, effective)
        before = None if id is None else _facts(row.pk)
        old_zone = row.zone
        row.name, row.slug, row.team, row.zone = spec.name.strip(), slug, team, spec.zone
        row.description = spec.description.strip()
        row.uncovered = [window.to_json() for window in spec.uncovered]
        row.swaps_approved = spec.swaps_approved
        if id is None:
            row.save()
        else:
            row.save(update_fields=["name", "slug", "team", "zone", "description", "uncovered", "swaps_approved"])
        _set_layers(row, layers, at, old_zone=old_zone, new=id is None)
        after = _facts(row.pk)
        if before != after:
            audit.record(actor, "created" if id is None else "changed", "schedule", row.pk, row.name, before, after)
            tell([row.pk])
    return row


def draft_schedule(
    spec: ScheduleSpec, *, actor: Actor, id: int | None = None, effective: datetime | None = None
) -> rules.Schedule:
    """What ``save_schedule`` would make of it, for looking at; nothing is kept. Raises the same."""
    with transaction.atomic():
        row = save_schedule(spec, actor=actor, id=id, effective=effective)
        drafted = queries.load([row.pk])[row.pk]
        transaction.set_rollback(True)
    return drafted


def kept_in_turn(spec: ScheduleSpec, stored: ScheduleSpec, effective: datetime | None) -> ScheduleSpec:
    """The schedule with its people in the order in which nobody's turn moves, where only who takes part changed.

    Compares layers by their place; one whose turns change otherwise stays as written.
    """
    at = rules.local_instant(spec.zone, effective) if effective else clock.now()
    layers = list(spec.layers)
    for index, (new, old) in enumerate(zip(spec.layers, stored.layers, strict=False)):
        turns = replace(new, members=old.members, name=old.name, restrictions=old.restrictions, beside=old.beside)
        begin = rules.local_instant(spec.zone, new.anchor)
        same = replace(turns, anchor=old.anchor) == old and begin == rules.local_instant(stored.zone, old.anchor)
        if same and new.members != old.members and spec.zone == stored.zone:
            layers[index] = replace(new, members=_in_turn(old, new, spec.zone, at))
    return replace(spec, layers=layers)


def _in_turn(old: LayerSpec, new: LayerSpec, zone: str, at: datetime) -> list[str | list[str]]:
    """The new members, turned so that whoever has the turn at a moment keeps it."""
    keys = {email: number for number, email in enumerate({e: 0 for one in (old, new) for g in one.groups for e in g})}
    emails = {number: email for email, number in keys.items()}
    layer = rules.Layer(
        id=0,
        name=old.name,
        position=0,
        unit=next(unit for unit in rules.UNITS if unit == old.unit),
        length=old.length,
        anchor=rules.local_instant(old.zone or zone, old.anchor),
        members=tuple(tuple(keys[email] for email in group) for group in old.groups),
        weekdays=frozenset(old.weekdays),
        handoffs=tuple(rules.handoff(one.to_json()) for one in old.handoffs),
        zone=old.zone,
    )
    groups = rules.continued(layer, zone, [tuple(keys[email] for email in group) for group in new.groups], at)
    return [emails[group[0]] if len(group) == 1 else [emails[key] for key in group] for group in groups]


def delete_schedules(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove schedules with their layers and overrides; how many were removed.

    Raises Forbidden; Conflict, before any is removed, when a policy still pages one.
    """
    with transaction.atomic():
        found = list(models.Schedule.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk"))
        for row in found:
            require(actor, Deed.CONFIGURE, row.team_id)
        problems = {row.slug: f"paged by {', '.join(names)}" for row in found if (names := _paged_by(row.pk))}
        if problems:
            raise Conflict("A policy still pages these schedules; change it first.", problems)
        for row in found:
            audit.record(actor, "deleted", "schedule", row.pk, row.name, before=_facts(row.pk))
        tell([row.pk for row in found])
        for row in found:
            row.delete()
    return len(found)


def _effective(zone: str, at: datetime | None) -> datetime:
    """From when on a change holds. Raises Invalid for the past: history stays as it was."""
    now = clock.now()
    if at is None:
        return now
    moment = rules.local_instant(zone, at)
    if moment < now - timedelta(minutes=1):
        raise Invalid("This schedule cannot be kept.", {"effective": "now or later: what is past stays as it was"})
    return max(moment, now)


def _resolved(spec: ScheduleSpec) -> list[tuple[LayerSpec, list[list[int]]]]:
    """Layers with instants instead of local times and people instead of addresses. Raises Invalid."""
    emails = {email.strip().lower() for layer in spec.layers for group in layer.groups for email in group}
    ids = {email.lower(): pk for email, pk in User.objects.filter(email__in=emails).values_list("email", "pk")}
    problems: dict[str, str] = {}
    layers = []
    for index, layer in enumerate(spec.layers):
        anchor, starts_at, ends_at = (
            rules.local_instant(layer.zone or spec.zone, moment) if moment else None
            for moment in (layer.anchor, layer.starts_at, layer.ends_at)
        )
        if anchor is None:
            problems[f"layers.{index}.anchor"] = "the moment at which the first turn begins"
            continue
        if ends_at and ends_at <= (starts_at or anchor):
            problems[f"layers.{index}.ends_at"] = "after the layer's beginning"
        members = []
        for place, group in enumerate(layer.groups):
            found = [ids.get(email.strip().lower()) for email in group]
            if None in found:
                problems[f"layers.{index}.members.{place}"] = "the e-mail address of somebody known here"
            members.append([key for key in found if key is not None])
        kept = replace(
            layer,
            name=layer.name.strip(),
            anchor=anchor,
            starts_at=starts_at,
            ends_at=ends_at,
            weekdays=sorted(set(layer.weekdays)),
        )
        layers.append((kept, members))
    if problems:
        raise Invalid("This schedule cannot be kept.", problems)
    return layers


_COLUMNS = (
    "level", "name", "zone", "unit", "length", "anchor", "starts_at", "ends_at", "weekdays", "handoffs",
    "shift_minutes", "restrictions",
)  # fmt: skip


def _set_layers(
    row: models.Schedule,
    layers: Sequence[tuple[LayerSpec, list[list[int]]]],
    at: datetime,
    *,
    old_zone: str,
    new: bool,
) -> None:
    """Make the layers as written from ``at`` on; what was in effect before stays as it was."""
    stored = list(
        row.layers.filter(Q(effective_until=None) | Q(effective_until__gt=at))
        .prefetch_related("members")
        .order_by("id")
    )
    current = {layer.position: layer for layer in stored if layer.effective_until is None}
    wanted = _rows(row, layers)
    _keep_lines(current, [one for one, _ in wanted])
    same = {
        position
        for position, (one, members) in enumerate(wanted)
        if position in current and _same(current[position], one, members) and (one.zone or old_zone == row.zone)
    }
    if len(same) == len(wanted) == len(current):
        return
    for old in stored:
        if old.position in same and old is current.get(old.position):
            if old.effective_from is not None and old.effective_from > at:
                old.effective_from = at
                old.save(update_fields=["effective_from"])
        else:
            _retire(old, at, old_zone)
    for position, (one, members) in enumerate(wanted):
        if position in same:
            continue
        if not new and (one.starts_at or one.anchor) < at:
            one.effective_from = at
        one.save()
        models.LayerMember.objects.bulk_create(
            models.LayerMember(layer=one, position=place, user_id=user)
            for place, group in enumerate(members)
            for user in group
        )


def _keep_lines(current: Mapping[int, models.Layer], wanted: Sequence[models.Layer]) -> None:
    """Let layers that go on under their name, or else at their place, be known as the rows that they take over from."""
    free = dict(current)

    def take(place: int, one: models.Layer) -> None:
        old = free.pop(place)
        one.line = old.line or old.pk

    for one in wanted:
        named = [place for place, old in free.items() if old.name == one.name]
        if named:
            take(one.position if one.position in named else named[0], one)
    for one in wanted:
        if one.line is None and one.position in free:
            take(one.position, one)


def _rows(
    row: models.Schedule, layers: Sequence[tuple[LayerSpec, list[list[int]]]]
) -> list[tuple[models.Layer, list[list[int]]]]:
    """Layers as they will be stored, not stored yet, with their people."""
    found = []
    level = -1
    for position, (spec, members) in enumerate(layers):
        level += 0 if spec.beside else 1
        layer = models.Layer(
            schedule=row,
            position=position,
            level=level,
            name=spec.name,
            zone=spec.zone,
            unit=spec.unit,
            length=spec.length,
            anchor=spec.anchor,
            starts_at=spec.starts_at,
            ends_at=spec.ends_at,
            weekdays=spec.weekdays,
            handoffs=[one.to_json() for one in spec.handoffs],
            shift_minutes=spec.shift_minutes,
            restrictions=[window.to_json() for window in spec.restrictions],
        )
        found.append((layer, members))
    return found


def _same(old: models.Layer, wanted: models.Layer, members: list[list[int]]) -> bool:
    groups: dict[int, list[int]] = {}
    for member in sorted(old.members.all(), key=lambda one: (one.position, one.pk)):
        groups.setdefault(member.position, []).append(member.user_id)
    level = old.position if old.level is None else old.level
    return (
        list(groups.values()) == members
        and level == wanted.level
        and all(getattr(old, name) == getattr(wanted, name) for name in _COLUMNS if name != "level")
    )


def _retire(old: models.Layer, at: datetime, zone: str) -> None:
    """End a layer at ``at``; one that was never in effect goes without a trace."""
    begin = max(old.starts_at or old.anchor, old.effective_from or old.anchor)
    if begin >= at:
        old.delete()
        return
    old.effective_until = at
    old.zone = old.zone or zone  # the schedule's may change
    old.save(update_fields=["effective_until", "zone"])


def _paged_by(schedule_id: int) -> list[str]:
    """Names of the policies that page a schedule, or the managers of whoever is on call there."""
    policies = apps.get_model("escalation", "Policy").objects
    wanted = Q()
    for named in ([{"kind": "schedule", "id": schedule_id}], [{"of": "schedule", "id": schedule_id}]):
        wanted |= Q(steps__targets__contains=named) | Q(fallback__contains=named) | Q(executives__contains=named)
    by = policies.filter(wanted)
    return sorted(set(by.values_list("name", flat=True)))


def _facts(schedule_id: int) -> dict[str, Any]:
    """A schedule as JSON-able facts for the audit."""
    facts = asdict(queries.export_schedules([schedule_id])[0])
    for layer in facts["layers"]:
        for name in ("anchor", "starts_at", "ends_at"):
            layer[name] = layer[name].isoformat() if layer[name] else None
    return facts
