"""Proof for services: that at every moment of the coming months, at every priority, somebody reachable is paged.

Reads, never writes. What a proof is made of: ``rules.proving``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dateutil.relativedelta import relativedelta

from tocsin.catalogue.models import Service
from tocsin.escalation import queries
from tocsin.escalation.rules import Facts, PolicySnapshot, ServiceFacts, Urgency, notifications, page_urgency
from tocsin.escalation.rules.facts import asks_untold
from tocsin.escalation.rules.holding import Case
from tocsin.escalation.rules.proving import Away, Gap, Prover, World
from tocsin.oncall import queries as oncall
from tocsin.people.models import ContactMethod, Membership, User
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
SEVERITIES = ("critical", "error", "warning", "info")
MONTHS = 6
MAX_MONTHS = 24
AGES_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CounterExample:
    """A gap, with the services and priorities that it concerns and the teams that own those services."""

    gap: Gap
    services: tuple[str, ...]
    priorities: tuple[str, ...]
    service_ids: tuple[int, ...]
    team_ids: tuple[int, ...]
    apart: bool = False  # the policy's conditions make a difference between services and priorities

    @property
    def key(self) -> str:
        """Names the step that has the gap, from proof to proof."""
        gap = self.gap
        step = f"{gap.step}:few" if gap.acks != 1 else f"{gap.step}"
        if self.apart:
            return f"{gap.policy_id}:{'-'.join(map(str, self.service_ids))}:{''.join(self.priorities)}:{step}"[:200]
        return f"{gap.policy_id or '-'.join(map(str, self.service_ids))}:{gap.urgency}:{step}"[:200]

    @property
    def sentence(self) -> str:
        """``Checkout and 2 more, P1 to P3: ...``, with how many further gaps there are."""
        first, more = self.services[0], len(self.services) - 1
        who = first + (f" and {more} more" if more else "")
        span = self.priorities[0] + (f" to {self.priorities[-1]}" if len(self.priorities) > 1 else "")
        further = (
            f" The same again {self.gap.more} more {'time' if self.gap.more == 1 else 'times'}."
            if self.gap.more
            else ""
        )
        return f"{who}, {span}: {self.gap.sentence}{further}"

    def to_json(self) -> dict[str, Any]:
        gap = self.gap
        return {
            "services": list(self.services),
            "priorities": list(self.priorities),
            "policy": gap.policy,
            "step": gap.step,
            "from": gap.start.isoformat(),
            "to": gap.end.isoformat(),
            "why": gap.why,
            "more": gap.more,
            "total_s": gap.total_s,
            "text": self.sentence,
        }


@dataclass(frozen=True)
class Proof:
    """What was proven: ``services`` x five priorities from ``since`` to ``until``; no counter-examples: it holds."""

    since: datetime
    until: datetime
    services: int
    counter_examples: tuple[CounterExample, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        return not self.counter_examples

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "services": self.services,
            "items": [one.to_json() for one in self.counter_examples],
            "notes": list(self.notes),
        }


def prove(
    *,
    actor: Actor,
    months: int = MONTHS,
    service_ids: Iterable[int] | None = None,
    at: datetime | None = None,
    trusting: datetime | None = None,
) -> Proof:
    """Prove services (None: all that are enabled) for the coming months, from ``at`` (now) on.

    ``trusting``: contact methods whose address was given at that time or later count as if they were verified.
    Raises Forbidden, Invalid.
    """
    require(actor, Deed.READ)
    if not 1 <= months <= MAX_MONTHS:
        raise Invalid("This cannot be proven.", {"months": f"1 to {MAX_MONTHS}"})
    since = (at or clock.now()).replace(second=0, microsecond=0)
    until = since + relativedelta(months=months)
    rows = Service.objects.filter(enabled=True).order_by("tier", "name")
    if service_ids is not None:
        rows = rows.filter(pk__in=list(service_ids))
    services = list(rows)
    policies = queries.snapshots_of_services([service.pk for service in services])
    instead = queries.snapshots_of_services(queries.apart(policies), confidential=True)
    prover = Prover(world([*policies.values(), *instead.values()], since, until, trusting=trusting), since, until)
    found = _proven(prover, services, policies)
    found += _proven(prover, [one for one in services if one.pk in instead], instead, " (confidential)")
    return Proof(since, until, len(services), tuple(_merged(found)), _notes(services))


def _proven(
    prover: Prover, services: Sequence[Service], policies: Mapping[int, PolicySnapshot], suffix: str = ""
) -> list[CounterExample]:
    """The counter-examples for services under these policies; ``suffix`` follows their names."""
    found: list[CounterExample] = []
    for urgency, priorities in _by_urgency().items():
        by_policy: dict[tuple[object, ...], list[Service]] = defaultdict(list)
        for service in services:
            policy = policies[service.pk]
            if not conditional(policy):
                by_policy[policy.policy_id, policy.steps, policy.fallback].append(service)
        for same in by_policy.values():
            found += _told(prover.gaps(policies[same[0].pk], urgency), same, priorities, suffix)
    asking = [service for service in services if conditional(policies[service.pk])]
    facts = queries.service_facts(service.pk for service in asking)
    for service in asking:
        for priority in PRIORITIES:
            gaps = prover.gaps(
                policies[service.pk], page_urgency(priority), _cases(policies[service.pk], facts[service.pk], priority)
            )
            found += _told(gaps, [service], (priority,), suffix, apart=True)
    return found


def conditional(policy: PolicySnapshot) -> bool:
    """Whether it depends on more than the urgency whom a policy pages."""
    return any(step.conditions for step in policy.steps)


def _cases(policy: PolicySnapshot, service: ServiceFacts, priority: str) -> list[Case]:
    """The kinds of incidents of a priority that the policy's conditions tell apart; drills are not proven."""
    asked = " ".join(one for step in policy.steps for one in step.conditions)
    severities = SEVERITIES if "severity" in asked else SEVERITIES[:1]
    return [
        Case(Facts(0, priority, severity, service, queries.condition), untold)
        for severity in severities
        for untold in ((True, False) if asks_untold(asked) else (True,))
    ]


def _told(
    gaps: Iterable[Gap],
    services: Sequence[Service],
    priorities: tuple[str, ...],
    suffix: str = "",
    *,
    apart: bool = False,
) -> list[CounterExample]:
    return [
        CounterExample(
            gap,
            tuple(service.name + suffix for service in services),
            priorities,
            tuple(service.pk for service in services),
            tuple(sorted({service.team_id for service in services if service.team_id})),
            apart,
        )
        for gap in gaps
    ]


def _by_urgency() -> dict[Urgency, tuple[str, ...]]:
    found: dict[Urgency, tuple[str, ...]] = {}
    for priority in PRIORITIES:
        urgency = page_urgency(priority)
        found[urgency] = (*found.get(urgency, ()), priority)
    return found


def _merged(found: Sequence[CounterExample]) -> list[CounterExample]:
    """One counter-example where both urgencies have the same; worst first: nobody at all, then the soonest."""
    by: dict[tuple[object, ...], CounterExample] = {}
    for one in found:
        gap = one.gap
        key = (one.services, gap.step, gap.start, gap.end, gap.why, gap.more)
        if key in by:
            other = by[key]
            priorities = tuple(sorted({*other.priorities, *one.priorities}))
            by[key] = replace(one, priorities=priorities)
        else:
            by[key] = one
    return sorted(by.values(), key=lambda one: (one.gap.step != 0, one.gap.start, one.services))


def _notes(services: Sequence[Service]) -> tuple[str, ...]:
    bare = [service.name for service in services if service.policy_id is None]
    if not bare:
        return ()
    return (f"Without a policy, paged by team or administrators: {', '.join(bare[:5])}{' ...' if bare[5:] else ''}.",)


def world(
    policies: Iterable[PolicySnapshot], since: datetime, until: datetime, *, trusting: datetime | None = None
) -> World:
    """Whom the targets of these policies find from ``since`` to ``until``, and when each can be reached."""
    of = list(policies)
    schedules = oncall.load({key for one in of for key in one.ids("schedule")}, since, until)
    teams: dict[int, list[int]] = defaultdict(list)
    leads: dict[int, list[int]] = defaultdict(list)
    members = Membership.objects.filter(team_id__in={key for one in of for key in one.ids("team")}).order_by("id")
    for team_id, user_id, role in members.values_list("team_id", "user_id", "role"):
        teams[team_id].append(user_id)
        if role == "manager":
            leads[team_id].append(user_id)
    people = dict(User.objects.filter(is_active=True).values_list("pk", "name"))
    managers = {pk: manager for pk, (manager, _) in queries.above().items()}
    away = _away(people, since, until, trusting)
    return World(schedules, dict(teams), people, away, managers, dict(leads), queries.zones())


def _given(method: ContactMethod) -> datetime:
    return method.changed_at or AGES_AGO


def _away(
    people: dict[int, str], since: datetime, until: datetime, trusting: datetime | None
) -> dict[tuple[int, Urgency], list[Away]]:
    """When and why people cannot be reached."""
    found: dict[tuple[int, Urgency], list[Away]] = defaultdict(list)
    rules = queries.notify_rules(people)
    methods = {method.pk: method for method in ContactMethod.objects.filter(user_id__in=people)}
    absences = oncall.absences(people, since, until)
    for user_id in people:
        for urgency in queries.URGENCIES:
            away = found[user_id, urgency]
            for absence in absences.get(user_id, ()):
                kind = f" ({absence.kind})" if absence.kind else ""
                away.append(Away(absence.starts_at, absence.ends_at, f"is away{kind}"))
            used = [methods[one.contact_method_id] for one in notifications(rules[user_id], urgency)]
            proven = [method for method in used if method.verified_at or (trusting and _given(method) >= trusting)]
            if not used:
                away.append(Away(since, until, "has no usable contact method"))
            elif not proven:
                away.append(Away(since, until, "has no verified contact method"))
            elif all(method.expires_at for method in proven):
                last = max(method.expires_at for method in proven if method.expires_at)
                if last < until:
                    away.append(Away(max(last, since), until, "has only contact methods that have expired by then"))
    return found
