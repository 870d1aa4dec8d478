"""Overrides: who is on call for a stretch, whatever the layers say."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.oncall import models, queries, rules
from tocsin.oncall.actions.common import lock, tell
from tocsin.oncall.rules import OverrideSpec
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

MAX_OVERRIDE = timedelta(days=366)


def add_override(
    schedule_id: int,
    user_id: int | None,
    start: datetime,
    end: datetime,
    reason: str = "",
    *,
    actor: Actor,
    kind: str = "instead",
    replaces_id: int | None = None,
    alias: str = "",
) -> models.Override:
    """Change who is on call from ``start`` to ``end``: see ``rules.Override`` for the kinds.

    Without a ``user_id`` nobody is on call then, by intent; with ``replaces_id`` only that person is replaced.
    A moment without an offset is local time of the schedule's zone. What is past stays as it was: a ``start`` before
    now becomes now (except for the system, which may write history). ``alias``: what a program calls it; free again
    when the override is over. Raises Forbidden, NotFound, Invalid, Conflict (the alias is in use).
    """
    with transaction.atomic():
        schedule = lock(schedule_id)
        require(actor, Deed.OVERRIDE, schedule.team_id)
        now = clock.now()
        start, end = (rules.local_instant(schedule.zone, moment) for moment in (start, end))
        if actor.kind != "system":
            start = max(start, now)
        problems = {}
        known = User.objects.in_bulk([key for key in (user_id, replaces_id) if key is not None])
        user = known.get(user_id) if user_id is not None else None
        if user_id is not None and (user is None or not user.is_active):
            problems["user"] = "an active person"
        if kind not in rules.OVERRIDE_KINDS:
            problems["kind"] = "one of " + ", ".join(rules.OVERRIDE_KINDS)
        elif kind != "instead" and user_id is None:
            problems["user"] = "somebody, unless the kind is instead"
        if replaces_id is not None and (replaces_id not in known or kind != "instead" or replaces_id == user_id):
            problems["replaces"] = "another person, and only for the kind instead"
        if end <= start:
            problems["end"] = "after the start" if start > now else "in the future"
        elif end - start > MAX_OVERRIDE:
            problems["end"] = f"{MAX_OVERRIDE.days} days after the start at most"
        if len(reason) > 300:
            problems["reason"] = "300 characters at most"
        if len(alias) > 200 or "\0" in alias:
            problems["alias"] = "200 characters at most"
        if problems:
            raise Invalid("This override cannot be kept.", problems)
        if alias:
            models.Override.objects.filter(schedule=schedule, alias=alias, ends_at__lte=now).update(alias="")
            if models.Override.objects.filter(schedule=schedule, alias=alias).exists():
                raise Conflict("An override with this alias exists already.", {"alias": "one not yet in use"})
        row = models.Override.objects.create(
            schedule=schedule,
            kind=kind,
            user=user,
            replaces=known.get(replaces_id) if replaces_id is not None else None,
            starts_at=start,
            ends_at=end,
            reason=reason.strip(),
            created_by_id=actor.user_id,
            created_at=now,
            alias=alias,
        )
        audit.record(actor, "created", "override", row.pk, schedule.name, after=_override_facts(row))
        tell([schedule.pk])
    return row


def save_override(spec: OverrideSpec, *, actor: Actor) -> models.Override:
    """``add_override`` by natural keys: the schedule's slug or name and the person's e-mail address."""
    schedule = queries.schedule(actor, spec.schedule)
    ids: dict[str, int | None] = {}
    for name, email in (("user", spec.user), ("replaces", spec.replaces)):
        ids[name] = User.objects.filter(email__iexact=email.strip()).values_list("pk", flat=True).first()
        if email.strip() and ids[name] is None:
            raise Invalid("This override cannot be kept.", {name: "the e-mail address of somebody known here"})
    return add_override(
        schedule.pk,
        ids["user"],
        spec.start,
        spec.end,
        spec.reason,
        actor=actor,
        kind=spec.kind,
        replaces_id=ids["replaces"],
    )


def replace_override(
    override_id: int, user_id: int | None, start: datetime, end: datetime, *, actor: Actor
) -> models.Override:
    """Take an override back and make another with its alias and reason; a running one stays on record until now.

    Raises Forbidden, NotFound (none, or over), Invalid.
    """
    with transaction.atomic():
        old = models.Override.objects.filter(pk=override_id).first()
        if old is None or not delete_overrides([override_id], actor=actor):
            raise NotFound("There is no such override any more.")
        return add_override(old.schedule_id, user_id, start, end, old.reason, actor=actor, alias=old.alias)


def delete_overrides(ids: Iterable[int], *, actor: Actor) -> int:
    """Take overrides back: one that has not begun is removed, a running one ends now, a past one stays on record.

    Returns how many changed. Raises Forbidden.
    """
    with transaction.atomic():
        now = clock.now()
        found = models.Override.objects.select_for_update(of=("self",)).select_related("schedule", "user", "replaces")
        rows = [row for row in found.filter(pk__in=list(ids)).order_by("pk") if row.ends_at > now]
        for row in rows:
            require(actor, Deed.OVERRIDE, row.schedule.team_id)
            before = _override_facts(row)
            if row.starts_at < now:
                row.ends_at, row.alias = now, ""
                row.save(update_fields=["ends_at", "alias"])
                audit.record(actor, "ended", "override", row.pk, row.schedule.name, before, _override_facts(row))
            else:
                audit.record(actor, "deleted", "override", row.pk, row.schedule.name, before=before)
                row.delete()
        tell([row.schedule_id for row in rows])
    return len(rows)


def _override_facts(row: models.Override) -> dict[str, Any]:
    return {
        "schedule": row.schedule.slug,
        "kind": row.kind,
        "user": row.user.email if row.user else "",
        "replaces": row.replaces.email if row.replaces else "",
        "start": row.starts_at.isoformat(),
        "end": row.ends_at.isoformat(),
        "reason": row.reason,
    }
