"""The incident room: what it is, what happens next, what happened, who was paged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from tocsin.escalation.queries import watching
from tocsin.incidents import queries, rules
from tocsin.incidents.models import Incident, Role, RoleHolder, TimelineEntry
from tocsin.incidents.pages import words
from tocsin.incidents.pages.briefing import names_in
from tocsin.incidents.rules import command
from tocsin.people.rules import Deed, may
from tocsin.triage import queries as triage
from tocsin.web import health
from tocsin.web.context import now
from tocsin.web.markdown import to_html
from tocsin.web.shortcuts import Request, number, page, signed_in

STEPS = ["triggered", "acknowledged", "mitigated", "resolved", "closed"]
ENTRIES = 60
ALERTS = 20


@dataclass(frozen=True)
class Line:
    """A timeline entry as people read it."""

    entry: TimelineEntry
    icon: str
    tone: str
    text: str
    body: SafeString | str
    family: str


@dataclass(frozen=True)
class Step:
    """One state in the stepper."""

    state: str
    reached: bool
    current: bool
    at: datetime | None


@require_safe
@signed_in
def room(request: Request, incident_id: int) -> HttpResponse:
    """``/incidents/12/?show=people&before_seq=300``."""
    incident = queries.incident(request.actor, incident_id)
    at = now(request)
    family = request.GET.get("show", "")
    kinds = words.FAMILIES.get(family, ())
    before = number(request, "before_seq")
    rows = queries.timeline(request.actor, incident_id, kinds=kinds).order_by("-seq")
    if before:
        rows = rows.filter(seq__lt=before)
    entries = list(rows[: ENTRIES + 1])
    older = entries[ENTRIES - 1].seq if len(entries) > ENTRIES else None
    names = names_in(entries)
    mitigated = queries.timeline(request.actor, incident_id, kinds=["mitigated"]).exists()
    pages = watching.pages_of(request.actor, incident_id, 60)
    alerts = list(triage.alerts(request.actor, incident=incident_id).order_by("state", "-last_at")[:ALERTS])
    context: dict[str, Any] = {
        "title": f"INC-{incident.pk} {incident.title}",
        "incident": incident,
        "steps": _steps(incident, mitigated),
        "elapsed_to": incident.resolved_at,
        "lasted": (incident.resolved_at - incident.opened_at).total_seconds() if incident.resolved_at else 0,
        "assignees": list(incident.assignees.all()),
        "acknowledgements": (given := queries.acknowledgements(incident)),
        "mine": any(one.user_id == request.user.pk for one in given),
        "next": watching.ahead(request.actor, incident_id, at) if incident.state in rules.OPEN else None,
        "late": at - health.LATE,
        "last_run": watching.last_run(request.actor, incident_id),
        "lines": [_line(entry, names) for entry in entries[:ENTRIES]],
        "older": older,
        "family": family,
        "families": words.FAMILY_NAMES,
        "pages": [(one, *watching.fate(one)) for one in pages],
        "alerts": alerts,
        "more_alerts": max(0, incident.alert_count - len(alerts)),
        "may_respond": may(request.actor, Deed.RESPOND),
        "is_open": incident.state in rules.OPEN,
        "merged": list(incident.merged.filter(queries.readable(request.actor)).only("id", "title")[:20]),
        "imported": queries.imported_from(incident_id) if incident.imported else None,
        "readers": queries.readers(request.actor, incident_id) if incident.confidential else [],
        **_command(request, incident, at),
    }
    return page(request, "incidents/room.html", context)


@dataclass(frozen=True)
class Seat:
    """A role and who holds it or was asked to."""

    role: Role
    held: RoleHolder | None
    asked: RoleHolder | None


def _command(request: Request, incident: Incident, at: datetime) -> dict[str, Any]:
    """Roles, tasks and facts."""
    holding = queries.holders(request.actor, incident.pk)
    found = {(one.role_id, one.state): one for one in holding}
    seats = [
        Seat(role, found.get((role.pk, "held")), found.get((role.pk, "asked"))) for role in queries.roles(request.actor)
    ]
    tasks = queries.tasks(request.actor, incident.pk)
    led = {one.user_id for one in holding if one.state == "held" and not one.role.leads}
    led |= {one.owner_id for one in tasks if one.state == "open" and one.owner_id}
    commander = next((one for one in holding if one.state == "held" and one.role.leads), None)
    return {
        "seats": [seat for seat in seats if seat.held or seat.asked],
        "free": [seat.role for seat in seats if not seat.held and not seat.asked],
        "asked_me": [one for one in holding if one.state == "asked" and one.user_id == request.user.pk],
        "tasks": [(one, command.overdue(one.due_at, one.state, at)) for one in tasks],
        "open_tasks": sum(one.state == "open" for one in tasks),
        "facts": queries.facts(request.actor, incident.pk),
        "span_hint": command.span_hint(len(led - {commander.user_id})) if commander else "",
    }


def _steps(incident: Incident, mitigated: bool) -> list[Step]:
    """The states in their order; one that was passed over was not reached."""
    moments = {
        "triggered": incident.opened_at,
        "acknowledged": incident.acknowledged_at,
        "resolved": incident.resolved_at,
    }
    position = STEPS.index(incident.state)
    passed = {
        "acknowledged": incident.acknowledged_at is not None,
        "mitigated": mitigated,
    }
    return [
        Step(
            state=name,
            reached=index == position or (index < position and passed.get(name, True)),
            current=index == position,
            at=moments.get(name) if index <= position else None,
        )
        for index, name in enumerate(STEPS)
    ]


def _line(entry: TimelineEntry, names: dict[int, str]) -> Line:
    icon, tone, family = words.KINDS.get(entry.kind, ("circle", "quiet", "other"))
    body: SafeString | str = ""
    if entry.kind in ("note", "status_update"):
        body = to_html(str(entry.data.get("text", "")))
    elif entry.kind == "opened" and entry.data.get("details"):
        body = to_html(str(entry.data["details"]))
    return Line(entry, icon, tone, words.sentence(entry.kind, entry.data, names), body, family)
