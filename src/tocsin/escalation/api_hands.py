"""What people do by hand beside a policy, over HTTP, and why they did it, counted."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.schema import Moment, Strict
from tocsin.escalation import actions
from tocsin.escalation.queries.helping import escalations
from tocsin.incidents import queries as incidents
from tocsin.incidents.api import IncidentOut, incident_json, number_of
from tocsin.people import queries as people
from tocsin.platform import clock

router = Router(tags=["escalation"])
LATELY = timedelta(days=30)


class EscalateIn(Strict):
    """Why somebody escalates: a code, with words of one's own where it is `other`."""

    reason_code: str = Field("", description="impact, complexity, departments, security, no_answer or other.")
    reason: str = ""


class NextIn(EscalateIn):
    confidential: bool = Field(False, description="Make it confidential first: only those who are called see it.")


class TeamIn(EscalateIn):
    team: str


class PageIn(Strict):
    users: list[str]
    message: str = ""


class CountOut(Schema):
    """`by`: kind (of escalation), reason, team or service; `key` names which."""

    by: str
    key: str
    count: int


class ReasonsOut(Schema):
    since: Moment
    total: int
    items: list[CountOut]


@router.post("/incidents/{ref}/escalate", response=IncidentOut)
def escalate(request: HttpRequest, ref: str, body: NextIn) -> dict[str, Any]:
    """Run the next step of the policy now; with `confidential` the first one of the policy for such incidents."""
    actor = asker(request)
    incident = incidents.incident(actor, number_of(ref))
    actions.escalate_now(
        incident.pk, actor=actor, reason_code=body.reason_code, reason=body.reason, confidential=body.confidential
    )
    return incident_json(incidents.incident(actor, incident.pk))


@router.post("/incidents/{ref}/page", response=IncidentOut)
def page_people(request: HttpRequest, ref: str, body: PageIn) -> dict[str, Any]:
    """Page people for an incident by hand, whatever the policy says."""
    actor = asker(request)
    incident = incidents.incident(actor, number_of(ref))
    users = [people.user(actor, email).pk for email in body.users]
    actions.page_users(incident.pk, user_ids=users, actor=actor, message=body.message)
    return incident_json(incidents.incident(actor, incident.pk))


@router.post("/incidents/{ref}/page-team", response=IncidentOut)
def page_team(request: HttpRequest, ref: str, body: TeamIn) -> dict[str, Any]:
    """Bring a team in: page everybody who is on call in its schedules, or its members when nobody is."""
    actor = asker(request)
    incident = incidents.incident(actor, number_of(ref))
    team = people.team(actor, body.team)
    actions.page_team(incident.pk, team.pk, actor=actor, reason_code=body.reason_code, reason=body.reason)
    return incident_json(incidents.incident(actor, incident.pk))


@router.post("/incidents/{ref}/escalate-up", response=IncidentOut)
def escalate_up(request: HttpRequest, ref: str, body: EscalateIn) -> dict[str, Any]:
    """Page the managers of those who were paged so far."""
    actor = asker(request)
    incident = incidents.incident(actor, number_of(ref))
    actions.escalate_up(incident.pk, actor=actor, reason_code=body.reason_code, reason=body.reason)
    return incident_json(incidents.incident(actor, incident.pk))


@router.get("/escalations/reasons", response=ReasonsOut)
def list_reasons(request: HttpRequest, since: Moment | None = None) -> dict[str, Any]:
    """How often people escalated by hand since a moment (30 days when not given): by reason, kind, team, service."""
    moment = since or clock.now() - LATELY
    counts = escalations(asker(request), moment)
    items = [{"by": by, "key": key, "count": count} for (by, key), count in counts.items()]
    return {"since": moment, "total": sum(one["count"] for one in items if one["by"] == "kind"), "items": items}
