"""Escalation over HTTP: policies, the simulator, runs and pages. What people do by hand: ``api_hands``."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Moment, Strict, removed, strict
from tocsin.catalogue import queries as catalogue
from tocsin.escalation import actions, queries
from tocsin.escalation.models import Page, Policy, Run
from tocsin.escalation.proving import MONTHS, prove
from tocsin.escalation.rules import PageReason, PolicySnapshot, PolicySpec, sentence
from tocsin.escalation.simulator import Like, simulate
from tocsin.incidents import queries as incidents
from tocsin.incidents.api import number_of
from tocsin.people import queries as people
from tocsin.platform import clock
from tocsin.platform.errors import Invalid

router = Router(tags=["escalation"])
strict(PolicySpec)


class PolicyOut(Schema):
    id: int
    name: str
    slug: str
    team: str
    description: str
    repeats: int
    ack_timeout_s: int | None
    version: int


class PolicyList(Schema):
    items: list[PolicyOut]
    next: str | None


class StepOut(Schema):
    targets: list[str]
    wait_s: int
    when: str
    tier: str
    warn_s: int | None
    urgency: str
    rotate: bool
    acks: int | str


class TierOut(Schema):
    name: str
    when: str


class PolicyDetail(PolicyOut):
    steps: list[StepOut]
    fallback: list[str]
    executives: list[str]
    executive_priorities: list[str]
    tiers: list[TierOut]
    confidential: str
    sentences: list[str]


class CounterExampleOut(Schema):
    """A step that finds nobody who can be reached. `step` 0: no step of the policy does, nor its fallback."""

    services: list[str]
    priorities: list[str]
    policy: str
    step: int
    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime
    why: str
    more: int
    total_s: int
    text: str


class ProofOut(Schema):
    holds: bool
    since: datetime
    until: datetime
    services: int
    items: list[CounterExampleOut]
    notes: list[str]


class SimulateIn(Strict):
    """An incident that is only imagined."""

    service: str = ""
    policy: str = ""
    priority: str = "P1"
    at: Moment | None = None  # empty: now
    for_s: int = Field(3600, description="How long to look ahead, seconds.")
    severity: str = "critical"
    title: str = ""
    incident: int = Field(0, description="Its imagined number: who has the turn where people take turns.")
    reasons: list[str] = Field([], description="Codes of escalations by hand, as conditions may ask for them.")
    confidential: bool = Field(False, description="Of a service: by the policy that confidential incidents follow.")


class SimulationOut(Schema):
    service: str
    priority: str
    urgency: str
    policy: dict[str, Any] | None
    at: datetime
    until: datetime
    items: list[dict[str, Any]]
    happenings: list[dict[str, Any]]
    outcome: str
    next_at: datetime | None


class RunOut(Schema):
    id: int
    generation: int
    purpose: str
    policy: str
    state: str
    step: int
    loop: int
    due_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    reason: str


class RunList(Schema):
    items: list[RunOut]
    next: str | None = None


class PageOut(Schema):
    id: int
    incident: int
    user: str | None
    name: str
    step: int
    loop: int
    generation: int
    urgency: str
    at: datetime
    why: str
    reason: dict[str, Any]
    answered_at: datetime | None
    answer: str
    deliveries: list[dict[str, Any]]


class PageList(Schema):
    items: list[PageOut]
    next: str | None


def policy_json(row: Policy) -> dict[str, Any]:
    """A policy without its steps."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "team": row.team.slug if row.team else "",
        "description": row.description,
        "repeats": row.repeats,
        "ack_timeout_s": row.ack_timeout_s,
        "version": row.version,
    }


def detail_json(row: Policy) -> dict[str, Any]:
    """A policy with its steps, as written and in sentences."""
    spec = queries.export_policies([row.pk])[0]
    return policy_json(row) | {
        "steps": [asdict(step) for step in spec.steps],
        "fallback": spec.fallback,
        "executives": spec.executives,
        "executive_priorities": spec.executive_priorities,
        "tiers": [asdict(tier) for tier in spec.tiers],
        "confidential": spec.confidential,
        "sentences": sentence(queries.snapshot([row.pk])[row.pk]),
    }


def run_json(row: Run) -> dict[str, Any]:
    """A policy at work."""
    return {
        "id": row.pk,
        "generation": row.generation,
        "purpose": row.purpose,
        "policy": str(row.snapshot.get("name", "")) if isinstance(row.snapshot, dict) else "",
        "state": row.state,
        "step": row.step,
        "loop": row.loop,
        "due_at": row.due_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "reason": row.reason,
    }


def page_json(row: Page) -> dict[str, Any]:
    """A page with its reason and what became of it. Addresses stay with their owners."""
    return {
        "id": row.pk,
        "incident": row.incident_id,
        "user": row.user.email if row.user else None,
        "name": row.user.name if row.user else "",
        "step": row.step,
        "loop": row.loop,
        "generation": row.generation,
        "urgency": row.urgency,
        "at": row.at,
        "why": PageReason.from_json(row.reason).text,
        "reason": row.reason,
        "answered_at": row.answered_at,
        "answer": row.answer,
        "deliveries": [
            {
                "id": one.pk,
                "channel": one.channel,
                "state": one.state,
                "reason": one.reason,
                "attempts": one.attempts,
                "created_at": one.created_at,
                "ended_at": one.ended_at,
            }
            for one in row.deliveries.all()
        ],
    }


@router.get("/policies", response=PolicyList)
def list_policies(request: HttpRequest, paging: Query[Paging], q: str = "", team: str = "") -> dict[str, Any]:
    """Policies by name."""
    actor = asker(request)
    rows = queries.policies(actor, q, [people.team(actor, team).pk] if team else ())
    found, following = page(rows, paging, ("name", "id"))
    return {"items": [policy_json(row) for row in found], "next": following}


@router.post("/policies", response={201: PolicyDetail})
def create_policy(request: HttpRequest, spec: Body[PolicySpec]) -> Status[dict[str, Any]]:
    """Add a policy.

    Targets are `user:EMAIL`, `schedule:SLUG`, `team:SLUG`, `owner` (the team that owns the incident's service),
    `manager:user:EMAIL`, `manager:schedule:SLUG`, `manager:team:SLUG`, and in steps `webhook:SLUG`. `acks` of a step:
    how many people have to acknowledge before the others are left alone, or `all`. `tiers`: the conditions under which
    an incident enters the tiers that steps name.
    """
    return Status(201, detail_json(actions.save_policy(spec, actor=asker(request))))


@router.get("/policies/{ref}", response=PolicyDetail)
def show_policy(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A policy by id, slug or name, with its steps, also in sentences."""
    return detail_json(queries.policy(asker(request), ref))


@router.put("/policies/{ref}", response=PolicyDetail)
def save_policy(request: HttpRequest, ref: str, spec: Body[PolicySpec]) -> dict[str, Any]:
    """Change a policy. Runs under way keep the version that they began with."""
    row = queries.policy(asker(request), ref)
    return detail_json(actions.save_policy(spec, actor=asker(request), id=row.pk))


@router.delete("/policies/{ref}", response=Count)
def delete_policy(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a policy; refused while a service uses it."""
    row = queries.policy(asker(request), ref)
    return removed(actions.delete_policies([row.pk], actor=asker(request)))


@router.post("/simulate", response=SimulationOut)
def run_simulation(request: HttpRequest, body: SimulateIn) -> dict[str, Any]:
    """Which pages would go out if an incident opened: who, when, how and why. Nothing is written or sent."""
    actor = asker(request)
    if bool(body.service) == bool(body.policy):
        raise Invalid("What is to be simulated?", {"service": "a service, or a policy: one of the two"})
    at = body.at or clock.now()
    of: int | PolicySnapshot
    if body.policy:
        row = queries.policy(actor, body.policy)
        of = queries.snapshot([row.pk])[row.pk]
    else:
        of = catalogue.service(actor, body.service).pk
    like = Like(
        severity=body.severity, title=body.title, incident_id=body.incident, reasons=tuple(body.reasons),
        confidential=body.confidential,
    )  # fmt: skip
    found = simulate(of, body.priority, at, body.for_s, actor=actor, like=like)
    emails = people.emails(line.user_id for line in found.lines if line.user_id is not None)
    told = found.to_json()
    for line in told["items"]:
        line["email"] = emails.get(line["user_id"])
    return told


@router.get("/proof", response=ProofOut, by_alias=True)
def show_proof(request: HttpRequest, months: int = MONTHS, service: str = "") -> dict[str, Any]:
    """Whether somebody reachable is paged at every step, every moment of the coming months, or the counter-examples."""
    actor = asker(request)
    wanted = [catalogue.service(actor, one.strip()).pk for one in service.split(",") if one.strip()]
    return prove(actor=actor, months=months, service_ids=wanted or None).to_json()


@router.get("/incidents/{ref}/runs", response=RunList)
def list_runs(request: HttpRequest, ref: str) -> dict[str, Any]:
    """The policies that were or are at work for an incident."""
    incident = incidents.incident(asker(request), number_of(ref))
    return {"items": [run_json(row) for row in queries.runs(asker(request), incident.pk)]}


@router.get("/incidents/{ref}/pages", response=PageList)
def list_pages_of_incident(request: HttpRequest, ref: str, paging: Query[Paging]) -> dict[str, Any]:
    """Who was paged for an incident, with the reason and what became of it; oldest first."""
    incident = incidents.incident(asker(request), number_of(ref))
    found, following = page(queries.pages(asker(request), incident_id=incident.pk), paging, ("id",))
    return {"items": [page_json(row) for row in found], "next": following}


@router.get("/pages", response=PageList)
def list_pages(request: HttpRequest, paging: Query[Paging], user: str = "") -> dict[str, Any]:
    """Pages, newest first; of one person with `user`."""
    actor = asker(request)
    rows = queries.pages(actor, user_id=people.user(actor, user).pk if user else None)
    found, following = page(rows, paging)
    return {"items": [page_json(row) for row in found], "next": following}
