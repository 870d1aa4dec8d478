"""Policies as the pure rules want them, and who their targets are: in bulk, few queries however many runs are due."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Q, QuerySet

from tocsin.delivery import webhooks
from tocsin.escalation import models
from tocsin.escalation.rules import (
    NotifyRule,
    PolicySnapshot,
    PolicySpec,
    Quiet,
    Resolve,
    Resolved,
    Step,
    StepSpec,
    Target,
    TierSpec,
    Urgency,
)
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules as oncall_rules
from tocsin.people.models import ContactMethod, Membership, NotificationRule, Team, User
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

URGENCIES: tuple[Urgency, ...] = ("high", "low")
_AROUND = timedelta(days=60)
_INSTANT = timedelta(microseconds=1)


def policies(actor: Actor, q: str = "", team_ids: Iterable[int] = ()) -> QuerySet[models.Policy]:
    """Policies that the actor may see, by name, with their steps; ``q`` is looked for in the name."""
    require(actor, Deed.READ)
    found = models.Policy.objects.select_related("team").prefetch_related("steps").order_by("name")
    if q:
        found = found.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    return found.filter(team_id__in=list(team_ids)) if team_ids else found


def naming_people(rows: QuerySet[models.Policy], user_ids: Iterable[int]) -> QuerySet[models.Policy]:
    """Those of the policies that name one of these people in a step."""
    wanted = Q(pk__in=[])
    for user_id in user_ids:
        wanted |= Q(pk__in=models.PolicyStep.objects.filter(targets__contains=[_person(user_id)]).values("policy_id"))
    return rows.filter(wanted)


def _person(user_id: int) -> dict[str, Any]:
    return {"kind": "user", "id": user_id}


def paging_schedules(schedule_ids: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """(id, name) of the policies that page these schedules in a step, by schedule and name; one query."""
    wanted = set(schedule_ids)
    found: dict[int, dict[int, str]] = {key: {} for key in wanted}
    rows = models.PolicyStep.objects.filter(targets__contains=[{"kind": "schedule"}]).order_by("policy__name")
    for policy_id, name, targets in rows.values_list("policy_id", "policy__name", "targets") if wanted else ():
        for target in targets:
            if target["kind"] == "schedule" and target["id"] in wanted:
                found[target["id"]][policy_id] = name
    return {key: list(of.items()) for key, of in found.items()}


def policy(actor: Actor, key: int | str) -> models.Policy:
    """One policy by id, slug or name. Raises NotFound."""
    text = str(key)
    by = Q(slug__iexact=text) | Q(name__iexact=text)
    if text.isdecimal() and len(text) < 10:
        by |= Q(pk=int(text))
    found = list(policies(actor).filter(by))
    exact = [p for p in found if isinstance(key, int) and p.pk == key] or found
    if not exact:
        raise NotFound(f"There is no policy {text!r}.")
    return exact[0]


def snapshot(policy_ids: Iterable[int]) -> dict[int, PolicySnapshot]:
    """Policies as they are now, by id, with the names of their targets; at most six queries."""
    rows = list(models.Policy.objects.filter(pk__in=set(policy_ids)))
    if not rows:
        return {}
    steps: dict[int, list[models.PolicyStep]] = defaultdict(list)
    for step in models.PolicyStep.objects.filter(policy__in=rows).order_by("policy_id", "position"):
        steps[step.policy_id].append(step)
    raw = [target for row in rows for target in (*row.fallback, *row.executives)]
    raw += [target for row in rows for step in steps[row.pk] for target in step.targets]
    named = names(Target.from_json(target) for target in raw)

    entries = {row.pk: {tier["name"]: tier["when"] for tier in row.tiers} for row in rows}

    def targets(stored: Iterable[dict[str, Any]]) -> tuple[Target, ...]:
        of = map(Target.from_json, stored)
        return tuple(Target(t.kind, t.id, named.get(t.subject, ""), t.of) for t in of)

    return {
        row.pk: PolicySnapshot(
            policy_id=row.pk,
            name=row.name,
            version=row.version,
            steps=tuple(
                _step(step, targets(step.targets), entries[row.pk].get(step.tier, "")) for step in steps[row.pk]
            ),
            repeats=row.repeats,
            ack_timeout_s=row.ack_timeout_s,
            fallback=targets(row.fallback),
            executives=targets(row.executives),
            executive_priorities=tuple(row.executive_priorities),
        )
        for row in rows
    }


def _step(row: models.PolicyStep, targets: tuple[Target, ...], entry: str) -> Step:
    urgency: Literal["", "high", "low"] = "high" if row.urgency == "high" else "low" if row.urgency == "low" else ""
    return Step(targets, row.wait_s, row.when, row.tier, row.warn_s, urgency, row.rotate, row.acks, entry)


def names(targets: Iterable[Target]) -> dict[tuple[str, int], str]:
    """What those whom targets are about are called, by ``Target.subject``; at most four queries."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, key in (target.subject for target in targets):
        ids[kind].add(key)
    found: dict[tuple[str, int], str] = {}
    if ids["user"]:
        users = User.objects.filter(pk__in=ids["user"]).values_list("pk", "name")
        found |= {("user", pk): name for pk, name in users}
    if ids["schedule"]:
        found |= {("schedule", pk): name for pk, name in oncall.names(ids["schedule"]).items()}
    if ids["team"]:
        teams = Team.objects.filter(pk__in=ids["team"]).values_list("pk", "name")
        found |= {("team", pk): name for pk, name in teams}
    if ids["webhook"]:
        found |= {("webhook", pk): name for pk, name in webhooks.named(ids["webhook"]).items()}
    return found


class Resolver:
    """Who a target is at a moment, from what was loaded; callable as ``escalation.rules.Resolve``.

    Remembers the answer for each schedule until its next change, so that thousands of runs that are due together ask
    the calculator once for each schedule.
    """

    def __init__(
        self,
        schedules: dict[int, oncall_rules.Schedule],
        teams: dict[int, list[tuple[int, str, str]]],
        users: dict[int, str],
        above: dict[int, tuple[int, str]],
    ) -> None:
        self._schedules = schedules
        self._teams = teams
        self._users = users
        self._above = above
        self._known: dict[int, tuple[datetime, datetime, list[Resolved]]] = {}

    def __call__(self, target: Target, at: datetime) -> Sequence[Resolved]:
        if target.kind == "manager":
            return managers(target, self(target.plain, at), self._above, self._users)
        kind, key = target.subject
        if kind == "user":
            return [Resolved(key, {"kind": "user"}, zone=self._users[key])] if key in self._users else []
        if kind == "team":
            return [
                Resolved(user_id, {"kind": "team", "team_id": key, "team": team, "role": role}, False, zone)
                for user_id, team, role in self._teams.get(key, ())
                if (zone := self._users.get(user_id)) is not None
            ]
        return self._on_call(key, at) if kind == "schedule" else []

    def _on_call(self, schedule_id: int, at: datetime) -> list[Resolved]:
        known = self._known.get(schedule_id)
        if known and known[0] <= at < known[1]:
            return known[2]
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            return []
        shifts = oncall_rules.oncall_at(schedule, at)
        found = [
            Resolved(shift.user_id, oncall.via(schedule, shift), zone=self._users[shift.user_id])
            for shift in shifts
            if shift.user_id in self._users
        ]
        end = (oncall_rules.next_change(schedule, at) or at + _AROUND) if shifts else at + _INSTANT
        if any(one.kind == "shadow" for one in schedule.overrides):
            along = oncall_rules.shadows(schedule, at, at + _INSTANT)
            found += [
                Resolved(
                    shift.user_id, oncall.via(schedule, shift) | {"shadow": True}, True, self._users[shift.user_id]
                )
                for shift in along
                if shift.user_id in self._users
            ]
            end = at + _INSTANT
        self._known[schedule_id] = (at, end, found)
        return found


def managers(
    target: Target, of: Sequence[Resolved], above: Mapping[int, tuple[int, str]], users: Mapping[int, str]
) -> list[Resolved]:
    """Whom a ``manager`` target stands for, each once: a team's managers, or the manager of each person in ``of``.

    ``above``: who manages whom, with the name of the person managed; ``users``: who can be paged at all, with zones. A
    named person who has left stands for their manager still.
    """
    kind, key = target.subject
    if kind == "team":
        return [
            replace(one, via=one.via | {"kind": "manager", "of": "team"})
            for one in of
            if one.via.get("role") == "manager"
        ]
    below: list[tuple[int, dict[str, Any]]] = [(one.user_id, one.via) for one in of if not one.shadow]
    if kind == "user":
        below = [(key, {"kind": "user"})]
    found: dict[int, Resolved] = {}
    for user, via in below:
        manager, name = above.get(user, (0, ""))
        if manager in users:
            more = {"kind": "manager", "of": kind, "manager_of": name}
            found.setdefault(manager, Resolved(manager, via | more, zone=users[manager]))
    return list(found.values())


def above() -> dict[int, tuple[int, str]]:
    """Who manages whom: person -> (manager, the person's name)."""
    rows = User.objects.filter(manager__isnull=False).values_list("pk", "manager_id", "name")
    return {pk: (manager, name) for pk, manager, name in rows if manager is not None}


def resolver(
    schedule_ids: Iterable[int],
    team_ids: Iterable[int],
    at: datetime,
    until: datetime | None = None,
    upwards: bool = False,
) -> Resolver:
    """A resolver for these schedules and teams and for all active people, good from ``at`` to ``until`` (or a while).

    ``upwards``: it is asked for managers too. Seven queries however many, eight with managers.
    """
    teams: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    wanted = set(team_ids)
    if wanted:
        members = Membership.objects.filter(team_id__in=wanted).order_by("id")
        for team_id, user_id, team, role in members.values_list("team_id", "user_id", "team__name", "role"):
            teams[team_id].append((user_id, team, role))
    schedules = oncall.load(schedule_ids, at - _AROUND, (until or at) + _AROUND)
    return Resolver(schedules, dict(teams), zones(), above() if upwards else {})


def resolver_for(snapshots: Iterable[PolicySnapshot], at: datetime, until: datetime | None = None) -> Resolver:
    """A resolver that knows every target of these policies."""
    of = list(snapshots)
    schedule_ids = set[int]().union(*(one.ids("schedule") for one in of))
    team_ids = set[int]().union(*(one.ids("team") for one in of))
    return resolver(schedule_ids, team_ids, at, until, any(one.upwards for one in of))


def teams_of(policy_ids: Iterable[int]) -> set[int]:
    """The teams that own these policies."""
    rows = models.Policy.objects.filter(pk__in=list(policy_ids), team__isnull=False)
    return {team for team in rows.values_list("team_id", flat=True) if team is not None}


def looking_after(team_ids: Iterable[int]) -> set[int]:
    """Who looks after teams: their managers, or everybody where there is none; without a team the administrators."""
    members = list(
        Membership.objects.filter(team_id__in=list(team_ids), user__is_active=True).values_list(
            "team_id", "user_id", "role"
        )
    )
    managed = {team for team, _, role in members if role == "manager"}
    found = {user for team, user, role in members if role == "manager" or team not in managed}
    return found or set(User.objects.filter(role="admin", is_active=True).values_list("pk", flat=True))


def everybody() -> set[int]:
    """Ids of the people who can be paged at all: the active ones."""
    return set(zones())


def zones() -> dict[int, str]:
    """The people who can be paged at all, by id, with the zones in which they live."""
    return dict(User.objects.filter(is_active=True).values_list("pk", "zone"))


def notify_rules(user_ids: Iterable[int]) -> dict[int, list[NotifyRule]]:
    """How people want to be reached, by person, both urgencies; three queries.

    Every contact method that no rule of theirs for an urgency names follows as an implicit rule, which
    ``notifications`` uses when nothing else is left. A contact method that is disabled is not usable.
    """
    wanted = set(user_ids)
    found: dict[int, list[NotifyRule]] = {user_id: [] for user_id in wanted}
    methods: dict[int, ContactMethod] = {m.pk: m for m in ContactMethod.objects.filter(user_id__in=wanted)}
    quiet = {
        pk: Quiet(start or 0, end or 0, zone or "UTC")
        for pk, start, end, zone in User.objects.filter(
            pk__in=wanted, quiet_from__isnull=False, quiet_to__isnull=False
        ).values_list("pk", "quiet_from", "quiet_to", "zone")
    }
    ruled: set[tuple[Urgency, int]] = set()
    for rule in NotificationRule.objects.filter(user_id__in=wanted).order_by("user_id", "delay_s", "position"):
        method = methods.get(rule.contact_method_id)
        if method is None or method.user_id != rule.user_id:
            continue
        urgency: Urgency = "low" if rule.urgency == "low" else "high"
        ruled.add((urgency, method.pk))
        found[rule.user_id].append(_notify_rule(method, urgency, rule.position, rule.delay_s))
    for method in methods.values():
        for urgency in URGENCIES:
            if (urgency, method.pk) not in ruled:
                position = len(found[method.user_id])
                found[method.user_id].append(_notify_rule(method, urgency, position, 0, implicit=True))
    for user_id, hours in quiet.items():
        found[user_id] = [replace(one, quiet=hours) for one in found[user_id]]
    return found


def _notify_rule(
    method: ContactMethod, urgency: Urgency, position: int, delay_s: int, *, implicit: bool = False
) -> NotifyRule:
    return NotifyRule(
        position=position,
        delay_s=delay_s,
        contact_method_id=method.pk,
        channel=method.channel,
        usable=method.disabled_at is None and (method.expires_at is None or method.expires_at > clock.now()),
        urgency=urgency,
        implicit=implicit,
        address=method.address,
        label=method.label,
    )


def export_policies(ids: Iterable[int] | None = None) -> list[PolicySpec]:
    """All policies, or these, as people write them. A target that no longer exists is left out."""
    rows = models.Policy.objects.select_related("team", "confidential").prefetch_related("steps").order_by("name")
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    found = list(rows)
    keys = _keys(
        [t for row in found for t in (*row.fallback, *row.executives)]
        + [t for row in found for s in row.steps.all() for t in s.targets]
    )

    def written(stored: Iterable[dict[str, Any]]) -> list[str]:
        targets = list(map(Target.from_json, stored))
        return [
            f"manager:{keys[one.subject]}" if one.kind == "manager" else keys[one.subject]
            for one in targets
            if one.subject in keys
        ]

    return [
        PolicySpec(
            name=row.name,
            slug=row.slug,
            team=row.team.slug if row.team else "",
            description=row.description,
            repeats=row.repeats,
            ack_timeout_s=row.ack_timeout_s,
            steps=[
                StepSpec(
                    written(step.targets),
                    step.wait_s,
                    step.when,
                    step.tier,
                    step.warn_s,
                    step.urgency,
                    step.rotate,
                    step.acks or "all",
                )
                for step in row.steps.all()
            ],
            fallback=written(row.fallback),
            executives=written(row.executives),
            executive_priorities=list(row.executive_priorities),
            tiers=[TierSpec(tier["name"], tier["when"]) for tier in row.tiers],
            confidential=row.confidential.slug if row.confidential else "",
        )
        for row in found
    ]


def _keys(targets: Iterable[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """``Target.subject`` -> ``kind:natural key``."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, key in (Target.from_json(target).subject for target in targets):
        ids[kind].add(key)
    users = User.objects.filter(pk__in=ids["user"]).values_list("pk", "email")
    schedules = oncall.slugs(ids["schedule"]).items()
    teams = Team.objects.filter(pk__in=ids["team"]).values_list("pk", "slug")
    return {
        **{("user", pk): f"user:{key}" for pk, key in users},
        **{("schedule", pk): f"schedule:{key}" for pk, key in schedules},
        **{("team", pk): f"team:{key}" for pk, key in teams},
        **{("webhook", pk): f"webhook:{key}" for pk, key in webhooks.slugs(ids["webhook"]).items()},
        ("owner", 0): "owner",
    }


__all__ = [
    "Resolve",
    "Resolver",
    "everybody",
    "export_policies",
    "names",
    "notify_rules",
    "policies",
    "policy",
    "resolver",
    "resolver_for",
    "snapshot",
]
