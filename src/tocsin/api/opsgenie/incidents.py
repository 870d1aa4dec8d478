"""Opsgenie's incidents (``/v1/incidents``) and the services that they are about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db import transaction

from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    created,
    data,
    missing,
    needed,
    referred,
    refuse,
    speaking,
    told,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import DONE, MISSING, REFUSED, done_request_id, made_id, number_of, read_request_id
from tocsin.api.opsgenie.searching import read
from tocsin.api.opsgenie.shapes import moment
from tocsin.catalogue import actions as catalogue_actions
from tocsin.catalogue import queries as catalogue
from tocsin.catalogue.rules import ServiceSpec
from tocsin.incidents import actions
from tocsin.incidents import queries as incidents
from tocsin.intake.contract import as_text
from tocsin.people import queries as people
from tocsin.platform import clock
from tocsin.platform.errors import Invalid

DEEPEST = 20_000
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
REASON = "the priority that Opsgenie's API was given"
OPEN = ("triggered", "acknowledged", "mitigated")
STATES = {"open": ["open"], "resolved": ["resolved"], "closed": ["closed"]}
SORTS = {"createdat": "pk", "tinyid": "pk", "message": "title", "status": "state"}
UNKEPT = {
    "responders": "nobody: who is paged follows the service's policy; add people from the incident's page",
    "statusPageEntry": "nothing: there is no status page here",
    "notifyStakeholders": "false: stakeholders are not told from here",
}


def _shape(row: Any) -> dict[str, Any]:
    owner = row.acknowledged_by.email if row.acknowledged_by else ""
    team = row.service.team
    return {
        "id": made_id("incident", row.pk),
        "tinyId": str(row.pk),
        "message": row.title,
        "status": "open" if row.state in OPEN else row.state,
        "isSeen": row.acknowledged_at is not None,
        "tags": [],
        "createdAt": moment(row.opened_at),
        "updatedAt": moment(row.updated_at),
        "source": "",
        "owner": owner,
        "ownerTeam": made_id("team", team.pk) if team else "",
        "priority": row.priority,
        "responders": [{"type": "team", "id": made_id("team", team.pk)}] if team else [],
        "extraProperties": {},
        "impactedServices": [made_id("service", row.service_id)],
    }


def _incident(call: Call, identifier: str) -> Any:
    """The incident that an address names by id or tiny id; None when there is none. Raises Invalid."""
    kind = (call.query.get("identifierType") or "id").lower()
    if kind not in ("id", "tiny"):
        raise Invalid("The incident cannot be found like this.", {"identifierType": "id or tiny"})
    text = identifier.strip()
    if kind == "tiny":
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
    else:
        number = number_of("incident", text) or 0
    return incidents.incidents(call.actor).filter(pk=number).first()


def listed(call: Call) -> Answer:
    """A page of incidents, newest first unless asked otherwise."""
    limit = call.whole("limit", 20, 1, 100)
    offset = call.whole("offset", 0, 0, DEEPEST - limit)
    sort, order = (call.query.get("sort") or "createdAt").lower(), (call.query.get("order") or "desc").lower()
    if sort not in SORTS or order not in ("asc", "desc"):
        raise Invalid("The list cannot be sorted like this.", {"sort": ", ".join(SORTS), "order": "asc or desc"})
    terms = read(call.query.get("query") or "", statuses=tuple(STATES))
    if "alias" in terms:
        raise Invalid("This query is not understood.", {"query": "incidents have no alias"})
    rows = incidents.incidents(call.actor, state=STATES.get(terms.get("status", ""), ()), q=terms.get("message", ""))
    if "priority" in terms:
        rows = rows.filter(priority=terms["priority"].upper())
    if "tinyid" in terms:
        rows = rows.filter(pk=int(terms["tinyid"]) if terms["tinyid"].isdigit() and len(terms["tinyid"]) < 18 else 0)
    mark = "-" if order == "desc" else ""
    rows = rows.order_by(f"{mark}{SORTS[sort]}", f"{mark}pk")
    total = rows.count()

    def link(at: int) -> str:
        return f"{call.address}?{urlencode({**call.query.dict(), 'limit': limit, 'offset': at})}"

    paging = {"first": link(0), "last": link(max(0, (total - 1) // limit * limit))}
    if offset:
        paging["prev"] = link(max(0, offset - limit))
    if offset + limit < total:
        paging["next"] = link(offset + limit)
    status, answer = data([_shape(row) for row in rows[offset : offset + limit]])
    return status, answer | {"paging": paging}


def one(call: Call, identifier: str) -> Answer:
    """One incident."""
    row = _incident(call, identifier)
    if row is None:
        raise missing("Incident", identifier)
    return data(_shape(row))


def _service_id(call: Call, body: Mapping[str, Any]) -> int:
    given = body.get("serviceId") or body.get("impactedServices")
    if isinstance(given, list):
        if len(given) > 1:
            raise wrong("impactedServices", "one service: an incident here is about one")
        given = given[0] if given else ""
    where = "serviceId" if body.get("serviceId") else "impactedServices"
    text = as_text(given, 200)
    rows = catalogue.services(call.actor)
    row = rows.filter(pk=number_of("service", text) or 0).first() or rows.filter(slug=text.lower()).first()
    if row is None:
        raise wrong(where, "the id or slug of a service")
    return row.pk


def _accepted(action: str, result: int, number: int) -> Answer:
    request_id = done_request_id(clock.now(), action, result, number)
    return 202, {"result": "Request will be processed", "requestId": request_id}


def create(call: Call) -> Answer:
    """Declare an incident; its service's policy pages at once. Tags and details stand with its description."""
    body = call.body
    refuse(body, **UNKEPT)
    priority = words(body, "priority", limit=2)
    if priority and priority not in PRIORITIES:
        raise wrong("priority", "one of P1, P2, P3, P4, P5")
    lines = [words(body, "description", limit=15_000)]
    if tags := body.get("tags"):
        lines.append(
            f"Tags: {', '.join(as_text(tag, 50) for tag in tags) if isinstance(tags, list) else as_text(tags)}"
        )
    if details := body.get("details"):
        if not isinstance(details, Mapping):
            raise wrong("details", "an object")
        lines += [f"* {name}: {as_text(value, 2000)}" for name, value in details.items()]
    with transaction.atomic(), speaking(title="message"):
        row = actions.declare(
            needed(body, "message", limit=130),
            _service_id(call, body),
            actor=call.actor,
            priority=priority,
            priority_reason=REASON if priority else "",
            details="\n\n".join(line for line in lines if line)[:20_000],
        )
        if note := words(body, "note", limit=20_000):
            actions.add_note([row.pk], text=note, actor=call.actor)
    return _accepted("Create", DONE, row.pk)


def close(call: Call, identifier: str) -> Answer:
    """Close an incident; one that is still open is resolved first."""
    row = _incident(call, identifier)
    if row is None:
        return _accepted("Close", MISSING, 0)
    note = words(call.body, "note", limit=20_000)
    with transaction.atomic():
        ended = actions.resolve([row.pk], actor=call.actor, note=note, via="api")
        closed = actions.close([row.pk], actor=call.actor)
    return _accepted("Close", DONE if ended.changed or closed.changed else REFUSED, row.pk)


def resolve(call: Call, identifier: str) -> Answer:
    """End an incident."""
    row = _incident(call, identifier)
    if row is None:
        return _accepted("Resolve", MISSING, 0)
    done = actions.resolve([row.pk], actor=call.actor, note=words(call.body, "note", limit=20_000), via="api")
    return _accepted("Resolve", DONE if done.changed else REFUSED, row.pk)


def reopen(call: Call, identifier: str) -> Answer:
    """Say that an incident was not over."""
    row = _incident(call, identifier)
    if row is None:
        return _accepted("Reopen", MISSING, 0)
    done = actions.reopen([row.pk], actor=call.actor, reason=words(call.body, "note", limit=500))
    return _accepted("Reopen", DONE if done.changed else REFUSED, row.pk)


def add_note(call: Call, identifier: str) -> Answer:
    """Write a note on the timeline."""
    row = _incident(call, identifier)
    if row is None:
        return _accepted("AddNote", MISSING, 0)
    actions.add_note([row.pk], text=needed(call.body, "note", limit=20_000), actor=call.actor)
    return _accepted("AddNote", DONE, row.pk)


def request_status(call: Call, request_id: str) -> Answer:
    """What became of a request."""
    told_of = read_request_id(request_id)
    if told_of is None or told_of[1] != 8:
        raise missing("Request", request_id)
    at, _, action, result, number = told_of
    shape: dict[str, Any] = {
        "success": result == DONE,
        "isSuccess": result == DONE,
        "action": action,
        "processedAt": moment(at),
        "integrationId": "",
        "status": {DONE: f"{action} was done", MISSING: "Incident does not exist"}.get(result, "Nothing had to change"),
    }
    # its number is only told to who may read it
    if number and incidents.incidents(call.actor).filter(pk=number).exists():
        shape["incidentId"] = made_id("incident", number)
    return data(shape)


# -- services ----------------------------------------------------------------------------------------------------------


def _service_shape(row: Any) -> dict[str, Any]:
    return {
        "id": made_id("service", row.pk),
        "name": row.name,
        "description": row.description,
        "teamId": made_id("team", row.team_id) if row.team_id else "",
        "tags": [],
        "isExternal": False,
    }


def _service(call: Call, identifier: str) -> Any:
    row = catalogue.services(call.actor).filter(pk=number_of("service", identifier) or 0).first()
    if row is None:
        raise missing("Service", identifier)
    return row


def services(call: Call) -> Answer:
    """Every service."""
    return data([_service_shape(row) for row in catalogue.services(call.actor)])


def service(call: Call, identifier: str) -> Answer:
    """One service."""
    return data(_service_shape(_service(call, identifier)))


def _team(call: Call, default: str) -> str:
    if "teamId" not in call.body:
        return default
    return referred(people.teams(call.actor), "team", {"id": call.body["teamId"]}, "teamId").slug


TAGS = {"tags": "services have no tags here; leave them out", "isExternal": "false: only your own services are kept"}


def create_service(call: Call) -> Answer:
    """Add a service; it gets no policy, so that nobody is paged until one is chosen."""
    refuse(call.body, **TAGS)
    spec = ServiceSpec(
        name=needed(call.body, "name", limit=120),
        description=words(call.body, "description"),
        team=_team(call, ""),
    )
    with speaking(slug="name", team="teamId"):
        row = catalogue_actions.save_service(spec, actor=call.actor)
    return created(id=made_id("service", row.pk), name=row.name)


def update_service(call: Call, identifier: str) -> Answer:
    """Change a service."""
    refuse(call.body, **TAGS)
    row = _service(call, identifier)
    spec = catalogue.spec_of(row)
    spec = replace(
        spec,
        name=words(call.body, "name", limit=120) or spec.name,
        description=words(call.body, "description", spec.description),
        team=_team(call, spec.team),
        depends_on=None,
    )
    with speaking(slug="name", team="teamId"):
        catalogue_actions.save_service(spec, actor=call.actor, id=row.pk)
    return told("Updated", id=made_id("service", row.pk), name=spec.name)


def delete_service(call: Call, identifier: str) -> Answer:
    """Remove a service that has no incidents on record."""
    catalogue_actions.delete_services([_service(call, identifier).pk], actor=call.actor)
    return told("Deleted")
