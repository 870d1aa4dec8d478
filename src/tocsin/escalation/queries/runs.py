"""What others may read of runs and pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from django.db.models import F, Min, QuerySet

from tocsin.catalogue.models import Service
from tocsin.delivery import canaries
from tocsin.escalation import rules
from tocsin.escalation.models import Page, Run
from tocsin.escalation.queries.helping import KINDS
from tocsin.escalation.queries.policies import Resolver, notify_rules, resolver, resolver_for, snapshot
from tocsin.incidents import queries as incidents
from tocsin.oncall.rules import restriction
from tocsin.people.models import Membership, User
from tocsin.people.rules import Deed, require
from tocsin.platform import cel
from tocsin.platform.actor import Actor
from tocsin.platform.canary import is_canary
from tocsin.platform.remember import Remembered

DAY = 86_400


def snapshots_of_services(service_ids: Iterable[int], *, confidential: bool = False) -> dict[int, rules.PolicySnapshot]:
    """The policy of each service as it is now, never without somebody to fall back on.

    A policy without a fallback, and a service without a policy, fall back on the owning team, and without one on the
    administrators: nobody on call is never silence. ``confidential``: what confidential incidents follow. Where that
    is a policy of its own it falls back on the administrators at once: the team is not to hear of it.
    """
    services = list(Service.objects.filter(pk__in=set(service_ids)).select_related("team", "policy"))
    follows = {service.pk: service.policy_id for service in services}
    apart: set[int] = set()
    for service in services if confidential else ():
        if service.policy is not None and service.policy.confidential_id is not None:
            follows[service.pk] = service.policy.confidential_id
            apart.add(service.pk)
    snapshots = snapshot({key for key in follows.values() if key})
    bare = [s for s in services if (key := follows[s.pk]) is None or not snapshots[key].fallback]
    manned = set(
        Membership.objects.filter(
            team_id__in={s.team_id for s in bare if s.team_id and s.pk not in apart}, user__is_active=True
        )
        .values_list("team_id", flat=True)
        .distinct()
    )
    admins: tuple[rules.Target, ...] = ()
    if any(s.team_id not in manned or s.pk in apart for s in bare):
        rows = User.objects.filter(role="admin", is_active=True).order_by("id").values_list("pk", "name")
        admins = tuple(rules.Target("user", key, name) for key, name in rows)
    found = {}
    for service in services:
        key = follows[service.pk]
        policy = snapshots[key] if key else rules.PolicySnapshot(None, "no policy", 0, steps=())
        if service.team_id and service.team is not None:
            policy = policy.owned_by(service.team_id, service.team.name)
        if not policy.fallback:
            own = service.team if service.team_id in manned and service.pk not in apart else None
            fallback = (rules.Target("team", own.pk, own.name),) if own else admins
            policy = replace(policy, fallback=fallback)
        found[service.pk] = policy
    return found


def service_facts(service_ids: Iterable[int]) -> dict[int, rules.ServiceFacts]:
    """What conditions may ask about services, by id; one query."""
    rows = Service.objects.filter(pk__in=set(service_ids)).values_list(
        "pk", "name", "slug", "tier", "team__slug", "zone", "hours"
    )
    return {
        pk: rules.ServiceFacts(
            pk, name, slug, tier, team or "", zone or "UTC", tuple(map(restriction, hours)) or rules.OFFICE_HOURS
        )
        for pk, name, slug, tier, team, zone, hours in rows
    }


def owner_of(service_id: int) -> tuple[int, str] | None:
    """The team that owns a service: id and name; None: no team does."""
    row = Service.objects.filter(pk=service_id, team__isnull=False).select_related("team").first()
    return (row.team.pk, row.team.name) if row is not None and row.team is not None else None


def condition(when: str, variables: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a condition is true; one that cannot be evaluated holds, and why it cannot."""
    value, problem = cel.evaluate(when, variables)
    problem = problem.replace("the signal has no", "there is no")
    if problem or isinstance(value, bool):
        return bool(problem) or value is True, problem
    return True, f"it gives {value!r} instead of true or false"


class OfService(Protocol):
    """On which service an incident is, and whether it is confidential."""

    id: int
    service_id: int
    confidential: bool


class State(Protocol):
    """How many people have to acknowledge an incident, of which generation."""

    id: int
    generation: int
    acks_needed: int


class Asked(Protocol):
    """What of an incident conditions may ask about; its row and its state both have that."""

    id: int
    priority: str
    severity: str
    title: str
    drill: bool
    opened_at: datetime


def facts_of(incident: Asked, service: rules.ServiceFacts, policy: rules.PolicySnapshot) -> rules.Facts:
    """What the conditions of a policy may ask about an incident of this service."""
    return rules.Facts(
        incident.id, incident.priority, incident.severity, service, condition, incident.title, incident.drill,
        incident.opened_at, incidents.reasons(incident.id, KINDS) if asks_reasons(policy) else (),
    )  # fmt: skip


def asks_reasons(policy: rules.PolicySnapshot) -> bool:
    """Whether a condition of the policy asks why people escalated by hand."""
    return policy.asks and any("reasons" in one for step in policy.steps for one in step.conditions)


def facts_for(actor: Actor, incident_id: int, policy: rules.PolicySnapshot) -> rules.Facts:
    """What the conditions of a policy may ask about one incident. Raises NotFound, Forbidden."""
    row = incidents.incident(actor, incident_id)
    return facts_of(row, service_facts([row.service_id])[row.service_id], policy)


def answers(states: Iterable[State]) -> dict[int, rules.Answers]:
    """Who has acknowledged the incidents of which several people have to; the others are left out."""
    several = {state.id: state for state in states if state.acks_needed > 1}
    given = incidents.acknowledgers((state.id, state.generation) for state in several.values()) if several else {}
    return {key: rules.Answers(frozenset(given.get(key, ())), state.acks_needed) for key, state in several.items()}


def apart(service_ids: Iterable[int]) -> set[int]:
    """The services whose confidential incidents follow a policy of their own."""
    rows = Service.objects.filter(pk__in=list(service_ids), policy__confidential__isnull=False)
    return set(rows.values_list("pk", flat=True))


_snapshots = Remembered(snapshots_of_services)
_confidential = Remembered(partial(snapshots_of_services, confidential=True))
_notify = Remembered(notify_rules)
_service_facts = Remembered(service_facts)
_resolvers: Remembered[tuple[frozenset[int], frozenset[int], datetime, bool], Resolver] = Remembered(
    lambda keys: {key: resolver(key[0], key[1], key[2], upwards=key[3]) for key in keys}
)


def policies_of(incidents: Iterable[OfService], version: int) -> dict[int, rules.PolicySnapshot]:
    """The policy that each incident (by id) follows, as of this version of the configuration."""
    everything = list(incidents)
    of = [one for one in everything if not is_canary(one.service_id)]
    plain = _snapshots.get(version, {one.service_id for one in of if not one.confidential})
    secret = {one.service_id for one in of if one.confidential}
    instead = _confidential.get(version, secret) if secret else {}
    found = {one.id: (instead if one.confidential else plain)[one.service_id] for one in of}
    if len(of) < len(everything):
        policy = canary_policy()
        found |= {one.id: policy for one in everything if is_canary(one.service_id)}
    return found


def canary_policy() -> rules.PolicySnapshot:
    """The policy of canaries: it calls the webhook that was chosen for them, or the sink, and nobody after that."""
    sink = canaries.webhook()
    target = rules.Target("webhook", sink.pk, sink.name) if sink else rules.Target("webhook", 0, "the canary's sink")
    return rules.PolicySnapshot(None, "Canary", 0, steps=(rules.Step((target,), DAY),))


def remembered_notify_rules(user_ids: Iterable[int], version: int) -> dict[int, list[rules.NotifyRule]]:
    """``notify_rules`` as of this version of the configuration."""
    return _notify.get(version, user_ids)


def remembered_service_facts(service_ids: Iterable[int], version: int) -> dict[int, rules.ServiceFacts]:
    """``service_facts`` as of this version of the configuration."""
    return _service_facts.get(version, service_ids)


def remembered_resolver(snapshots: Iterable[rules.PolicySnapshot], at: datetime, version: int) -> Resolver:
    """``resolver_for`` as of this version of the configuration, loaded around the day of ``at``."""
    of = list({id(one): one for one in snapshots}.values())  # thousands of runs, a handful of policies
    schedules = frozenset[int]().union(*(one.ids("schedule") for one in of))
    teams = frozenset[int]().union(*(one.ids("team") for one in of))
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return _resolvers.one(version, (schedules, teams, day, any(one.upwards for one in of)))


@dataclass(frozen=True, slots=True)
class Next:
    """What a run does next: ``kind`` page, wake (an acknowledgement or a snooze runs out) or nothing."""

    kind: str
    at: datetime | None
    text: str
    ahead: tuple[rules.Ahead, ...] = ()
    people: tuple[tuple[int, str], ...] = ()


def what_next(actor: Actor, incident_id: int, now: datetime) -> Next:
    """What happens next with an incident if nobody does anything, and when; who would be paged as things stand."""
    require(actor, Deed.READ)
    own = Run.objects.filter(incidents.readable(actor, "incident_id"), incident_id=incident_id)
    run = own.filter(state="waiting").first()
    if run is None or run.due_at is None:
        last = own.order_by("-id").first()
        return Next("nothing", None, last.reason if last else "")
    if run.purpose != "escalate":
        text = "The snooze ends" if run.purpose == "snooze" else "The acknowledgement runs out"
        return Next("wake", run.due_at, f"{text}; the incident pages again from the first step.")
    policy = rules.PolicySnapshot.from_json(run.snapshot)
    state = rules.RunState(run.step, run.loop)
    due_in = max(int((run.due_at - now).total_seconds()), 0)
    facts = facts_for(actor, incident_id, policy) if policy.asks else None
    ahead = tuple(rules.preview(policy, state, due_in, 6, now, facts))
    resolve = resolver_for([policy], run.due_at)
    given = answers([incidents.incident(actor, incident_id)]).get(incident_id, rules.NO_ANSWER)
    plan = rules.plan(policy, state, resolve, run.due_at, facts, given)
    ids = [page.user_id for page in plan.pages if page.user_id is not None]
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "name"))
    people = tuple((key, names[key]) for key in ids if key in names)
    calls = [page.reason.target.words() for page in plan.pages if page.webhook_id and page.reason.target]
    who = ", ".join([*(name for _, name in people), *calls]) or "nobody"
    step = f"step {state.step + 1} of {len(policy.steps)}" if state.step < len(policy.steps) else "the fallback"
    return Next("page", run.due_at, f"Page {who} ({policy.name}, {step}).", ahead, people)


def runs(actor: Actor, incident_id: int) -> QuerySet[Run]:
    """The runs of an incident, oldest first."""
    require(actor, Deed.READ)
    found = Run.objects.filter(incidents.readable(actor, "incident_id"), incident_id=incident_id)
    return found.select_related("policy").order_by("id")


def waiting(actor: Actor, incident_ids: Iterable[int]) -> QuerySet[Run]:
    """The runs of these incidents that go on; one of an incident at most."""
    require(actor, Deed.READ)
    rows = Run.objects.filter(incidents.readable(actor, "incident_id"), incident_id__in=list(incident_ids))
    return rows.filter(state="waiting").order_by("incident_id")


def pages(actor: Actor, incident_id: int | None = None, user_id: int | None = None) -> QuerySet[Page]:
    """Pages of an incident (oldest first) or of a person (newest first), with their deliveries' attempts at hand."""
    require(actor, Deed.READ)
    rows = Page.objects.select_related("user", "run", "incident", "incident__service").prefetch_related(
        "deliveries", "deliveries__attempt_rows", "deliveries__contact_method"
    )
    rows = rows.filter(incidents.readable(actor, "incident_id"))
    if incident_id is not None:
        return rows.filter(incident_id=incident_id).order_by("id")
    return rows.filter(user_id=user_id).order_by("-id") if user_id is not None else rows.order_by("-id")


def paged(incident_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Who was paged for these incidents: (incident, person), each once."""
    rows = Page.objects.filter(incident_id__in=list(incident_ids), user_id__isnull=False).order_by()
    return list(rows.values_list("incident_id", "user_id").distinct())


def paged_now(incident_ids: Iterable[int]) -> list[tuple[int, int, datetime]]:
    """Who was paged in the present generation of these incidents: (incident, person, first when), in that order."""
    rows = Page.objects.filter(
        incident_id__in=list(incident_ids), user__isnull=False, generation=F("incident__generation")
    )
    first = rows.order_by("incident_id").values_list("incident_id", "user_id").annotate(first=Min("at"))
    return sorted(((key, user, at) for key, user, at in first), key=lambda one: (one[0], one[2], one[1]))


def why_page(actor: Actor, page_id: int) -> dict[str, Any] | None:
    """The reason chain of one page: policy, step, target, schedule, shift, contact methods, attempts."""
    page = pages(actor).filter(pk=page_id).first()
    if page is None:
        return None
    return {
        "id": page.pk,
        "incident": page.incident_id,
        "at": page.at,
        "user": page.user,
        "urgency": page.urgency,
        "generation": page.generation,
        "reason": page.reason,
        "answered_at": page.answered_at,
        "answer": page.answer,
        "deliveries": list(page.deliveries.all()),
    }
