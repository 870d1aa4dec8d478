"""Incidents over HTTP: list, show, declare, every verb, the timeline."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Moment, Strict
from tocsin.catalogue import queries as catalogue
from tocsin.incidents import actions, queries
from tocsin.incidents.actions import Done
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.people import queries as people
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

router = Router(tags=["incidents"])


class AcknowledgementOut(Schema):
    user: str
    at: datetime


class ImportedOut(Schema):
    """Where an imported incident comes from, and what has no field of its own."""

    source: str
    number: str
    link: str
    closed_at: datetime | None
    resolved_known: bool  # False: the moment of its end had to be assumed
    reopened: int
    reassigned: int
    facts: dict[str, str]


class IncidentOut(Schema):
    id: int
    number: str  # as people call it: INC-12
    title: str
    service: str
    service_name: str
    team: str
    state: str
    impact: str
    urgency: str
    priority: str
    priority_reason: str
    severity: str
    generation: int
    version: int
    alert_count: int
    open_alert_count: int
    suppressed_by: str
    drill: bool
    confidential: bool
    imported: ImportedOut | None = None  # of history from elsewhere
    merged_into: int | None
    acknowledged_by: str | None
    acks_needed: int  # how many people have to acknowledge; more than 1 only while it is triggered
    acknowledgements: list[AcknowledgementOut]  # those that count now, where several people have to
    assignees: list[str]
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    snoozed_until: datetime | None
    updated_at: datetime


class IncidentList(Schema):
    items: list[IncidentOut]
    next: str | None


class DoneOut(Schema):
    """What became of a verb: which incidents changed, and for the others why not."""

    changed: list[int]
    skipped: dict[int, str]
    partly: dict[int, str] = {}  # of the changed ones: how many more people have to do the same


class ActorOut(Schema):
    kind: str
    id: int | None
    name: str


class EntryOut(Schema):
    seq: int
    at: datetime
    kind: str
    actor: ActorOut
    data: dict[str, Any]
    previous: str
    hash: str


class EntryList(Schema):
    items: list[EntryOut]
    next: str | None


class ReaderOut(Schema):
    user: str
    name: str
    at: datetime
    why: str


class ReaderList(Schema):
    items: list[ReaderOut]
    next: str | None = None


class Filters(Strict):
    state: list[str] = []
    priority: list[str] = []
    service: list[str] = []
    team: list[str] = []
    assignee: str = ""
    q: str = ""
    since: Moment | None = None
    until: Moment | None = None
    imported: Literal["no", "yes", "only"] = "no"
    sort: Literal["newest", "oldest", "priority", "updated"] = "newest"
    limit: int = 100
    cursor: str = ""


class DeclareIn(Strict):
    title: str
    service: str
    details: str = ""
    impact: str = ""
    urgency: str = ""
    priority: str = ""
    priority_reason: str = ""
    confidential: bool = False
    key: str = ""  # a name of the sender's own, which only one open incident of a service can have
    users: list[str] = []  # e-mail addresses of people whom it is given to at once


class VerbIn(Strict):
    """What a verb may be told; each takes what it needs and refuses the rest."""

    reason: str | None = None
    note: str | None = None
    until: Moment | None = None
    users: list[str] | None = None
    text: str | None = None
    title: str | None = None
    priority: str | None = None
    impact: str | None = None
    urgency: str | None = None
    incidents: list[int | str] | None = None


class BulkIn(VerbIn):
    ids: list[int | str]


def number_of(ref: int | str) -> int:
    """The id behind ``12`` or ``INC-12``. Raises NotFound."""
    text = str(ref).strip().upper().removeprefix("INC-")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFound(f"There is no incident {ref}.", {"incident": "a number such as 12 or INC-12"})
    return int(text)


def incident_json(row: Incident) -> dict[str, Any]:
    """An incident."""
    return {
        "id": row.pk,
        "number": f"INC-{row.pk}",
        "title": row.title,
        "service": row.service.slug,
        "service_name": row.service.name,
        "team": row.service.team.slug if row.service.team else "",
        "state": row.state,
        "impact": row.impact,
        "urgency": row.urgency,
        "priority": row.priority,
        "priority_reason": row.priority_reason,
        "severity": row.severity,
        "generation": row.generation,
        "version": row.version,
        "alert_count": row.alert_count,
        "open_alert_count": row.open_alert_count,
        "suppressed_by": row.suppressed_by,
        "drill": row.drill,
        "confidential": row.confidential,
        "imported": row.imported_from if row.imported else None,
        "merged_into": row.merged_into_id,
        "acknowledged_by": row.acknowledged_by.email if row.acknowledged_by else None,
        "acks_needed": row.acks_needed,
        "acknowledgements": [{"user": one.user.email, "at": one.at} for one in queries.acknowledgements(row)],
        "assignees": sorted(user.email for user in row.assignees.all()),
        "opened_at": row.opened_at,
        "acknowledged_at": row.acknowledged_at,
        "resolved_at": row.resolved_at,
        "snoozed_until": row.snoozed_until,
        "updated_at": row.updated_at,
    }


def entry_json(row: TimelineEntry) -> dict[str, Any]:
    """One entry of a timeline."""
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.actor_name},
        "data": row.data,
        "previous": row.previous,
        "hash": row.hash,
    }


@router.get("/incidents", response=IncidentList)
def list_incidents(request: HttpRequest, filters: Query[Filters]) -> dict[str, Any]:
    """Incidents, newest first unless sorted otherwise. `state=open` is every state that is not over.

    History from elsewhere is left out unless `imported` is `yes` (besides ours) or `only`.
    """
    actor = asker(request)
    paging = Paging(limit=min(max(filters.limit, 1), 500), cursor=filters.cursor)
    rows = queries.incidents(
        actor,
        state=filters.state,
        priority=filters.priority,
        service=[catalogue.service(actor, ref).pk for ref in filters.service],
        team=[people.team(actor, ref).pk for ref in filters.team],
        assignee=people.user(actor, filters.assignee).pk if filters.assignee else None,
        q=filters.q,
        since=filters.since,
        until=filters.until,
        sort=filters.sort,
        imported=filters.imported,
    ).prefetch_related("assignees", "acknowledgements__user", "imported_from")
    found, following = page(rows, paging, queries.SORTS[filters.sort])
    return {"items": [incident_json(row) for row in found], "next": following}


@router.post("/incidents", response={201: IncidentOut})
def declare_incident(request: HttpRequest, body: DeclareIn) -> Status[dict[str, Any]]:
    """Open an incident by hand; its service's policy pages at once."""
    actor = asker(request)
    made = actions.declare(
        body.title,
        catalogue.service(actor, body.service).pk,
        actor=actor,
        details=body.details,
        impact=body.impact,
        urgency=body.urgency,
        priority=body.priority,
        priority_reason=body.priority_reason,
        confidential=body.confidential,
        key=body.key,
        user_ids=_users(actor, body.users),
    )
    return Status(201, incident_json(queries.incident(actor, made.pk)))


@router.get("/incidents/{ref}", response=IncidentOut)
def show_incident(request: HttpRequest, ref: str) -> dict[str, Any]:
    """An incident by number: `12` or `INC-12`."""
    return incident_json(queries.incident(asker(request), number_of(ref)))


@router.get("/incidents/{ref}/timeline", response=EntryList)
def list_timeline(
    request: HttpRequest, ref: str, paging: Query[Paging], kind: str = "", after: int = 0
) -> dict[str, Any]:
    """What happened, oldest first. Each entry's hash covers the one before it."""
    actor = asker(request)
    incident = queries.incident(actor, number_of(ref))
    rows = queries.timeline(actor, incident.pk, kinds=[kind] if kind else (), after_seq=after)
    found, following = page(rows, paging, ("seq",))
    return {"items": [entry_json(row) for row in found], "next": following}


@router.get("/incidents/{ref}/readers", response=ReaderList)
def list_readers(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Who was let into a confidential incident, and why; administrators may read it besides."""
    rows = queries.readers(asker(request), number_of(ref))
    return {
        "items": [{"user": row.user.email, "name": row.user.name, "at": row.at, "why": row.why} for row in rows],
        "next": None,
    }


def _users(actor: Actor, emails: list[str]) -> list[int]:
    return [people.user(actor, email).pk for email in emails]


Verb = Callable[[Actor, list[int], dict[str, Any]], Done]
# what each verb takes besides the incidents: (needed, allowed)
TAKES: dict[str, tuple[set[str], set[str]]] = {
    "acknowledge": (set(), set()),
    "unacknowledge": (set(), {"reason"}),
    "mitigate": (set(), set()),
    "resolve": (set(), {"note"}),
    "close": (set(), set()),
    "reopen": (set(), {"reason"}),
    "snooze": ({"until"}, set()),
    "reassign": ({"users"}, set()),
    "note": ({"text"}, set()),
    "retitle": ({"title"}, set()),
    "priority": (set(), {"priority", "impact", "urgency", "reason"}),
    "merge": ({"incidents"}, set()),
    "make-confidential": (set(), {"reason"}),
    "lift-confidentiality": ({"reason"}, set()),
    "let-in": ({"users"}, {"reason"}),
}
VERBS: dict[str, Verb] = {
    "acknowledge": lambda actor, ids, told: actions.acknowledge(ids, actor=actor, via="api"),
    "unacknowledge": lambda actor, ids, told: actions.unacknowledge(ids, actor=actor, **told),
    "mitigate": lambda actor, ids, told: actions.mitigate(ids, actor=actor),
    "resolve": lambda actor, ids, told: actions.resolve(ids, actor=actor, via="api", **told),
    "close": lambda actor, ids, told: actions.close(ids, actor=actor),
    "reopen": lambda actor, ids, told: actions.reopen(ids, actor=actor, **told),
    "snooze": lambda actor, ids, told: actions.snooze(ids, actor=actor, **told),
    "reassign": lambda actor, ids, told: actions.reassign(ids, user_ids=_users(actor, told["users"]), actor=actor),
    "note": lambda actor, ids, told: actions.add_note(ids, actor=actor, **told),
    "retitle": lambda actor, ids, told: actions.retitle(ids, actor=actor, **told),
    "priority": lambda actor, ids, told: actions.set_priority(ids, actor=actor, **told),
    "merge": lambda actor, ids, told: actions.merge(ids[0], [number_of(ref) for ref in told["incidents"]], actor=actor),
    "make-confidential": lambda actor, ids, told: actions.make_confidential(
        ids, actor=actor, why=told.get("reason", "")
    ),
    "lift-confidentiality": lambda actor, ids, told: actions.lift_confidentiality(ids, actor=actor, why=told["reason"]),
    "let-in": lambda actor, ids, told: actions.admit(
        ids, user_ids=_users(actor, told["users"]), actor=actor, reason=told.get("reason", "")
    ),
}
VerbName = Literal[
    "acknowledge", "unacknowledge", "mitigate", "resolve", "close", "reopen", "snooze", "reassign", "note", "retitle",
    "priority", "merge", "make-confidential", "lift-confidentiality", "let-in",
]  # fmt: skip


def _do(actor: Actor, verb: str, ids: list[int], told: dict[str, Any]) -> Done:
    needed, allowed = TAKES[verb]
    given = {name: value for name, value in told.items() if value is not None}
    problems = dict.fromkeys(needed - given.keys(), f"{verb} needs this")
    problems |= dict.fromkeys(given.keys() - needed - allowed, f"{verb} does not take this")
    if problems:
        raise Invalid(f"{verb} cannot be done like this.", problems)
    return VERBS[verb](actor, ids, given)


@router.post("/incidents/bulk/{verb}", response=DoneOut)
def do_to_incidents(request: HttpRequest, verb: VerbName, body: BulkIn) -> dict[str, Any]:
    """Do something to many incidents (`ids`) at once; what is skipped says why."""
    told = body.model_dump()
    done = _do(asker(request), verb, [number_of(ref) for ref in told.pop("ids")], told)
    return {"changed": done.changed, "skipped": done.skipped, "partly": done.partly}


@router.post("/incidents/{ref}/{verb}", response=IncidentOut)
def do_to_incident(request: HttpRequest, ref: str, verb: VerbName, body: VerbIn | None = None) -> dict[str, Any]:
    """Do something to one incident; answers with it. When its state does not allow that: 409 with the reason.

    `snooze` needs `until`; `reassign` needs `users` (e-mail addresses); `note` needs `text`; `retitle` needs `title`;
    `merge` needs `incidents`, which are merged into this one; `priority` takes `priority` with `reason`, or `impact`
    and `urgency`; `resolve` takes `note`; `reopen`, `unacknowledge` and `make-confidential` take `reason`;
    `lift-confidentiality` needs `reason`; `let-in` needs `users`, who may read a confidential incident from then on,
    and takes `reason`.
    """
    actor = asker(request)
    incident = queries.incident(actor, number_of(ref))
    done = _do(actor, verb, [incident.pk], body.model_dump() if body else {})
    if incident.pk not in done.changed and incident.pk in done.skipped:
        raise Conflict(f"INC-{incident.pk}: {done.skipped[incident.pk]}")
    if not done.changed and done.skipped:
        raise Conflict("; ".join(f"INC-{key}: {why}" for key, why in done.skipped.items()))
    return incident_json(queries.incident(actor, incident.pk))
