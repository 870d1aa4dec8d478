"""Every write of on call: schedules with their layers, and overrides."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from tocsin.oncall import models, queries, rules
from tocsin.oncall.rules import LayerSpec, OverrideSpec, ScheduleSpec
from tocsin.people.models import Team, User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

MAX_OVERRIDE = timedelta(days=366)


def save_schedule(spec: ScheduleSpec, *, actor: Actor, id: int | None = None) -> models.Schedule:
    """Add a schedule, or make the one with this ``id`` as written. The slug is made from the name when empty.

    Layers are kept by their place, so that a layer that only changes keeps its id; overrides stay. Saving what is
    there already changes nothing and is not audited. Raises Forbidden, NotFound, Invalid, Conflict.
    """
    with transaction.atomic():
        row = models.Schedule() if id is None else _lock(id)
        if id is not None:
            require(actor, Deed.CONFIGURE, row.team_id)
        team = _team(spec.team)
        require(actor, Deed.CONFIGURE, team.pk if team else None)
        if problems := rules.problems(spec):
            raise Invalid("This schedule cannot be kept.", problems)
        slug = spec.slug or row.slug or slugify(spec.name)[:120].strip("-")
        _free(spec.name.strip(), slug, row.pk)
        layers = _resolved(spec)
        before = None if id is None else _facts(row.pk)
        row.name, row.slug, row.team, row.zone = spec.name.strip(), slug, team, spec.zone
        row.description = spec.description.strip()
        if id is None:
            row.save()
        else:
            row.save(update_fields=["name", "slug", "team", "zone", "description"])
        _set_layers(row, layers)
        after = _facts(row.pk)
        if before != after:
            audit.record(actor, "created" if id is None else "changed", "schedule", row.pk, row.name, before, after)
            _tell([row.pk])
    return row


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
        _tell([row.pk for row in found])
        for row in found:
            row.delete()
    return len(found)


def add_override(
    schedule_id: int, user_id: int, start: datetime, end: datetime, reason: str = "", *, actor: Actor
) -> models.Override:
    """Put a person on call from ``start`` to ``end`` instead of whoever the layers name.

    A moment without an offset is local time of the schedule's zone. What is past stays as it was: a ``start`` before
    now becomes now (except for the system, which may write history). Raises Forbidden, NotFound, Invalid.
    """
    with transaction.atomic():
        schedule = _lock(schedule_id)
        require(actor, Deed.OVERRIDE, schedule.team_id)
        now = clock.now()
        start, end = (rules.local_instant(schedule.zone, moment) for moment in (start, end))
        if actor.kind != "system":
            start = max(start, now)
        problems = {}
        user = User.objects.filter(pk=user_id).first()
        if user is None or not user.is_active:
            problems["user"] = "an active person"
        if end <= start:
            problems["end"] = "after the start" if start > now else "in the future"
        elif end - start > MAX_OVERRIDE:
            problems["end"] = f"{MAX_OVERRIDE.days} days after the start at most"
        if len(reason) > 300:
            problems["reason"] = "300 characters at most"
        if problems or user is None:
            raise Invalid("This override cannot be kept.", problems)
        row = models.Override.objects.create(
            schedule=schedule,
            user=user,
            starts_at=start,
            ends_at=end,
            reason=reason.strip(),
            created_by_id=actor.user_id,
            created_at=now,
        )
        audit.record(actor, "created", "override", row.pk, schedule.name, after=_override_facts(row))
        _tell([schedule.pk])
    return row


def save_override(spec: OverrideSpec, *, actor: Actor) -> models.Override:
    """``add_override`` by natural keys: the schedule's slug or name and the person's e-mail address."""
    schedule = queries.schedule(actor, spec.schedule)
    user_id = User.objects.filter(email__iexact=spec.user.strip()).values_list("pk", flat=True).first()
    if user_id is None:
        raise Invalid("This override cannot be kept.", {"user": "the e-mail address of somebody known here"})
    return add_override(schedule.pk, user_id, spec.start, spec.end, spec.reason, actor=actor)


def delete_overrides(ids: Iterable[int], *, actor: Actor) -> int:
    """Take overrides back: one that has not begun is removed, a running one ends now, a past one stays on record.

    Returns how many changed. Raises Forbidden.
    """
    with transaction.atomic():
        now = clock.now()
        found = models.Override.objects.select_for_update(of=("self",)).select_related("schedule", "user")
        rows = [row for row in found.filter(pk__in=list(ids)).order_by("pk") if row.ends_at > now]
        for row in rows:
            require(actor, Deed.OVERRIDE, row.schedule.team_id)
            before = _override_facts(row)
            if row.starts_at < now:
                row.ends_at = now
                row.save(update_fields=["ends_at"])
                audit.record(actor, "ended", "override", row.pk, row.schedule.name, before, _override_facts(row))
            else:
                audit.record(actor, "deleted", "override", row.pk, row.schedule.name, before=before)
                row.delete()
        _tell([row.schedule_id for row in rows])
    return len(rows)


def _lock(schedule_id: int) -> models.Schedule:
    row = models.Schedule.objects.select_for_update(of=("self",)).filter(pk=schedule_id).first()
    if row is None:
        raise NotFound("There is no such schedule.")
    return row


def _team(slug: str) -> Team | None:
    if not slug.strip():
        return None
    team = Team.objects.filter(Q(slug__iexact=slug.strip()) | Q(name__iexact=slug.strip())).order_by("pk").first()
    if team is None:
        raise Invalid("This schedule cannot be kept.", {"team": "the slug of a team, or empty"})
    return team


def _free(name: str, slug: str, pk: int | None) -> None:
    others = models.Schedule.objects.exclude(pk=pk or 0)
    taken = {}
    if others.filter(name=name).exists():
        taken["name"] = "one not yet in use"
    if others.filter(slug=slug).exists():
        taken["slug"] = "one not yet in use"
    if not slug:
        raise Invalid("This schedule cannot be kept.", {"slug": "small letters, digits, hyphens and underscores"})
    if taken:
        raise Conflict("There is such a schedule already.", taken)


def _resolved(spec: ScheduleSpec) -> list[tuple[LayerSpec, list[int]]]:
    """Layers with instants instead of local times and people instead of addresses. Raises Invalid."""
    emails = {email.strip().lower() for layer in spec.layers for email in layer.members}
    ids = {email.lower(): pk for email, pk in User.objects.filter(email__in=emails).values_list("email", "pk")}
    problems: dict[str, str] = {}
    layers = []
    for index, layer in enumerate(spec.layers):
        anchor, starts_at, ends_at = (
            rules.local_instant(spec.zone, moment) if moment else None
            for moment in (layer.anchor, layer.starts_at, layer.ends_at)
        )
        if anchor is None:
            problems[f"layers.{index}.anchor"] = "the moment at which the first turn begins"
            continue
        if ends_at and ends_at <= (starts_at or anchor):
            problems[f"layers.{index}.ends_at"] = "after the layer's beginning"
        members = []
        for place, email in enumerate(layer.members):
            if (user_id := ids.get(email.strip().lower())) is None:
                problems[f"layers.{index}.members.{place}"] = "the e-mail address of somebody known here"
            else:
                members.append(user_id)
        kept = LayerSpec(
            name=layer.name.strip(),
            anchor=anchor,
            members=layer.members,
            unit=layer.unit,
            length=layer.length,
            restrictions=layer.restrictions,
            starts_at=starts_at,
            ends_at=ends_at,
            weekdays=sorted(set(layer.weekdays)),
        )
        layers.append((kept, members))
    if problems:
        raise Invalid("This schedule cannot be kept.", problems)
    return layers


def _set_layers(row: models.Schedule, layers: Sequence[tuple[LayerSpec, list[int]]]) -> None:
    have = {layer.position: layer for layer in row.layers.all()}
    members = []
    for position, (spec, user_ids) in enumerate(layers):
        layer = have.pop(position, None) or models.Layer(schedule=row, position=position)
        layer.name, layer.unit, layer.length = spec.name, spec.unit, spec.length
        layer.anchor, layer.starts_at, layer.ends_at = spec.anchor, spec.starts_at, spec.ends_at
        layer.weekdays = spec.weekdays
        layer.restrictions = [window.to_json() for window in spec.restrictions]
        layer.save()
        members += [models.LayerMember(layer=layer, position=n, user_id=user) for n, user in enumerate(user_ids)]
    models.Layer.objects.filter(pk__in=[layer.pk for layer in have.values()]).delete()
    models.LayerMember.objects.filter(layer__schedule=row).delete()
    models.LayerMember.objects.bulk_create(members)


def _paged_by(schedule_id: int) -> list[str]:
    """Names of the policies that page a schedule."""
    named = [{"kind": "schedule", "id": schedule_id}]
    policies = apps.get_model("escalation", "Policy").objects
    by = policies.filter(Q(steps__targets__contains=named) | Q(fallback__contains=named))
    return sorted(set(by.values_list("name", flat=True)))


def _facts(schedule_id: int) -> dict[str, Any]:
    """A schedule as JSON-able facts for the audit."""
    facts = asdict(queries.export_schedules([schedule_id])[0])
    for layer in facts["layers"]:
        for name in ("anchor", "starts_at", "ends_at"):
            layer[name] = layer[name].isoformat() if layer[name] else None
    return facts


def _override_facts(row: models.Override) -> dict[str, Any]:
    return {
        "schedule": row.schedule.slug,
        "user": row.user.email,
        "start": row.starts_at.isoformat(),
        "end": row.ends_at.isoformat(),
        "reason": row.reason,
    }


def _tell(schedule_ids: Iterable[int]) -> None:
    version = int(clock.now().timestamp() * 1000)
    events.changed("oncall", dict.fromkeys(schedule_ids, version))
