"""Writing policies down. A running page never changes by it: runs carry their own snapshot."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from tocsin.delivery import webhooks
from tocsin.escalation import queries, rules
from tocsin.escalation.models import Policy, PolicyStep
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.oncall import queries as oncall
from tocsin.people import queries as people
from tocsin.people.models import Team, User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.platform.unique import require_free

Targets = list[dict[str, Any]]
REFUSED = "This policy cannot be kept."


def save_policy(spec: PolicySpec, *, actor: Actor, id: int | None = None) -> Policy:
    """Add a policy, or make the one with this ``id`` as written. The slug is made from the name when empty.

    A change makes ``version`` one more; saving what is there already changes nothing and is not audited.
    Raises Forbidden, NotFound, Invalid, Conflict.
    """
    with transaction.atomic():
        row = Policy() if id is None else _lock(id)
        if id is not None:
            require(actor, Deed.CONFIGURE, row.team_id)
        team = people.owning_team(spec.team, REFUSED)
        require(actor, Deed.CONFIGURE, team.pk if team else None)
        if problems := rules.problems(spec):
            raise Invalid(REFUSED, problems)
        slug = spec.slug or row.slug or slugify(spec.name)[:120].strip("-")
        if not slug:
            raise Invalid(REFUSED, {"slug": "small letters, digits, hyphens and underscores"})
        require_free(Policy.objects.all(), "policy", row.pk, name=spec.name.strip(), slug=slug)
        steps, fallback, executives = _resolved(spec)
        instead = _instead(spec, slug, row.pk)
        before = None if id is None else _facts(row.pk)
        row.name, row.slug, row.team, row.description = spec.name.strip(), slug, team, spec.description.strip()
        row.repeats, row.ack_timeout_s, row.fallback = spec.repeats, spec.ack_timeout_s, fallback
        row.executives, row.executive_priorities = executives, sorted(set(spec.executive_priorities))
        row.confidential = instead
        row.tiers = [{"name": tier.name.strip(), "when": tier.when.strip()} for tier in spec.tiers]
        row.save()
        row.steps.all().delete()
        PolicyStep.objects.bulk_create(
            PolicyStep(
                policy=row,
                position=position,
                targets=targets,
                wait_s=step.wait_s,
                when=step.when.strip(),
                tier=step.tier.strip(),
                warn_s=step.warn_s,
                urgency=step.urgency,
                rotate=step.rotate,
                acks=rules.ALL if step.acks == "all" else int(step.acks),
            )
            for position, (step, targets) in enumerate(steps)
        )
        after = _facts(row.pk)
        if before != after:
            if id is not None:
                row.version += 1
                row.save(update_fields=["version"])
            audit.record(actor, "created" if id is None else "changed", "policy", row.pk, row.name, before, after)
    return row


def delete_policies(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove policies; how many were removed. Runs that are under way carry their snapshot and go on.

    Raises Forbidden; Conflict, before any is removed, when a service still uses one.
    """
    with transaction.atomic():
        found = list(Policy.objects.select_for_update(of=("self",)).filter(pk__in=list(ids)).order_by("pk"))
        for row in found:
            require(actor, Deed.CONFIGURE, row.team_id)
        used = {row.slug: list(row.services.order_by("name").values_list("name", flat=True)[:5]) for row in found}
        if problems := {slug: f"used by {', '.join(names)}" for slug, names in used.items() if names}:
            raise Conflict("Services still use these policies; give them another one first.", problems)
        gone = {row.pk for row in found}
        followed = {
            row.slug: f"confidential incidents of {', '.join(names)} follow it"
            for row in found
            if (names := list(row.stands_in_for.exclude(pk__in=gone).order_by("name").values_list("name", flat=True)))
        }
        if followed:
            raise Conflict("Confidential incidents follow these policies; choose another one first.", followed)
        for row in found:
            audit.record(actor, "deleted", "policy", row.pk, row.name, before=_facts(row.pk))
            row.delete()
    return len(found)


def _lock(policy_id: int) -> Policy:
    row = Policy.objects.select_for_update(of=("self",)).filter(pk=policy_id).first()
    if row is None:
        raise NotFound("There is no such policy.")
    return row


def _instead(spec: PolicySpec, slug: str, pk: int | None) -> Policy | None:
    """The policy that confidential incidents follow instead. Raises Invalid."""
    wanted = spec.confidential.strip().lower()
    if not wanted:
        return None
    found = Policy.objects.filter(slug=wanted).exclude(pk=pk or 0).first()
    if found is None or wanted == slug:
        raise Invalid(REFUSED, {"confidential": "the slug of another policy, or empty"})
    return found


def _resolved(spec: PolicySpec) -> tuple[list[tuple[StepSpec, Targets]], Targets, Targets]:
    """Steps, fallback and executives with ids instead of natural keys.

    Raises Invalid that names every target nobody knows.
    """
    texts = (*spec.fallback, *spec.executives, *(t for step in spec.steps for t in step.targets))
    keys = [rules.target_key(text) for text in texts]
    emails = [key for kind, key in keys if kind == "user"]
    schedules = [key for kind, key in keys if kind == "schedule"]
    teams = [key for kind, key in keys if kind == "team"]
    ids: dict[tuple[str, str], int] = {}
    for email, pk in User.objects.filter(email__in=emails).values_list("email", "pk"):
        ids["user", email.lower()] = pk
    for slug, pk in oncall.ids_of(schedules).items():
        ids["schedule", slug.lower()] = pk
    for slug, pk in Team.objects.filter(slug__in=teams).values_list("slug", "pk"):
        ids["team", slug.lower()] = pk
    for slug, pk in webhooks.ids_of(key for kind, key in keys if kind == "webhook").items():
        ids["webhook", slug.lower()] = pk
    known = {"user": "the e-mail address of somebody known here", "schedule": "the slug of a schedule",
             "team": "the slug of a team", "webhook": "the slug of a webhook"}  # fmt: skip
    problems: dict[str, str] = {}

    def found(where: str, texts: Sequence[str]) -> Targets:
        targets: Targets = []
        for index, text in enumerate(texts):
            kind, _ = rules.split_target(text)
            of, key = rules.target_key(text)
            if kind == "owner":
                targets.append({"kind": "owner"})
            elif (of, key) not in ids:
                problems[f"{where}.{index}"] = f"{'manager:' if kind == 'manager' else ''}{of}: and {known[of]}"
            elif kind == "manager":
                targets.append({"kind": "manager", "of": of, "id": ids[of, key]})
            else:
                targets.append({"kind": kind, "id": ids[of, key]})
        return targets

    steps = [(step, found(f"steps.{index}.targets", step.targets)) for index, step in enumerate(spec.steps)]
    fallback, executives = found("fallback", spec.fallback), found("executives", spec.executives)
    if problems:
        raise Invalid(REFUSED, problems)
    return steps, fallback, executives


def _facts(policy_id: int) -> dict[str, Any]:
    return asdict(queries.export_policies([policy_id])[0])
