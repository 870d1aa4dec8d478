"""Command of incidents over HTTP: roles, tasks, facts, decisions, the briefing."""

from datetime import datetime
from typing import Any, Literal
from zoneinfo import available_timezones

from django.http import HttpRequest
from ninja import Body, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.schema import Count, Moment, Strict, removed, strict
from tocsin.incidents import actions, queries
from tocsin.incidents.api import number_of
from tocsin.incidents.models import Fact, Role, RoleHolder, Task
from tocsin.incidents.pages.briefing import briefing_of
from tocsin.incidents.rules.command import RoleSpec, overdue
from tocsin.people import queries as people
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid

router = Router(tags=["incidents"])
strict(RoleSpec)


class RoleOut(Schema):
    id: int
    slug: str
    name: str
    summary: str
    duties: list[str]
    leads: bool
    position: int


class RoleList(Schema):
    items: list[RoleOut]
    next: str | None = None


class HolderOut(Schema):
    """Somebody's part in an incident. `state`: asked, held, declined or ended."""

    id: int
    role: str
    role_name: str
    user: str
    name: str
    state: str
    asked_by: str | None
    asked_at: datetime
    taken_at: datetime | None
    ended_at: datetime | None
    previous: str | None
    briefing: str


class HolderList(Schema):
    items: list[HolderOut]
    next: str | None = None


class HolderIn(Strict):
    """`role`: slug or name. Without `user` the asker takes it; with one, that person is asked."""

    role: str
    user: str = ""
    note: str = ""


class AnswerIn(Strict):
    note: str = ""


class TaskOut(Schema):
    """`state`: open, done or dropped."""

    id: int
    incident: int
    title: str
    owner: str | None
    due_at: datetime | None
    overdue: bool
    state: str
    created_by: str | None
    created_at: datetime
    ended_at: datetime | None


class TaskList(Schema):
    items: list[TaskOut]
    next: str | None = None


class TaskIn(Strict):
    """`owner`: an e-mail address; empty: nobody yet."""

    title: str
    owner: str = ""
    due_at: Moment | None = None


class FactOut(Schema):
    id: int
    text: str
    pinned_by: str | None
    pinned_at: datetime


class FactList(Schema):
    items: list[FactOut]
    next: str | None = None


class FactIn(Strict):
    text: str


class DecisionIn(Strict):
    text: str
    rationale: str = ""


class TextOut(Schema):
    """Markdown."""

    text: str


def role_json(row: Role) -> dict[str, Any]:
    """A role."""
    return {
        "id": row.pk,
        "slug": row.slug,
        "name": row.name,
        "summary": row.summary,
        "duties": row.duties,
        "leads": row.leads,
        "position": row.position,
    }


def holder_json(row: RoleHolder) -> dict[str, Any]:
    """Somebody's part in an incident."""
    return {
        "id": row.pk,
        "role": row.role.slug,
        "role_name": row.role.name,
        "user": row.user.email,
        "name": row.user.name,
        "state": row.state,
        "asked_by": row.asked_by.email if row.asked_by else None,
        "asked_at": row.asked_at,
        "taken_at": row.taken_at,
        "ended_at": row.ended_at,
        "previous": row.previous.user.email if row.previous else None,
        "briefing": row.briefing,
    }


def task_json(row: Task) -> dict[str, Any]:
    """A task."""
    return {
        "id": row.pk,
        "incident": row.incident_id,
        "title": row.title,
        "owner": row.owner.email if row.owner else None,
        "due_at": row.due_at,
        "overdue": overdue(row.due_at, row.state, clock.now()),
        "state": row.state,
        "created_by": row.created_by.email if row.created_by else None,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }


def fact_json(row: Fact) -> dict[str, Any]:
    """A pinned fact."""
    pinned_by = row.pinned_by.email if row.pinned_by else None
    return {"id": row.pk, "text": row.text, "pinned_by": pinned_by, "pinned_at": row.pinned_at}


# --- roles --------------------------------------------------------------------------------------------------------


@router.get("/roles", response=RoleList)
def list_roles(request: HttpRequest) -> dict[str, Any]:
    """The roles that people take in incidents, in their order."""
    return {"items": [role_json(row) for row in queries.roles(asker(request))]}


@router.post("/roles", response={201: RoleOut})
def add_role(request: HttpRequest, spec: Body[RoleSpec]) -> Status[dict[str, Any]]:
    """Add a role."""
    return Status(201, role_json(actions.save_role(spec, actor=asker(request))))


@router.get("/roles/{ref}", response=RoleOut)
def show_role(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A role by id, slug or name."""
    return role_json(queries.role(asker(request), ref))


@router.put("/roles/{ref}", response=RoleOut)
def change_role(request: HttpRequest, ref: str, spec: Body[RoleSpec]) -> dict[str, Any]:
    """Change a role; fields that are left out get their default."""
    actor = asker(request)
    return role_json(actions.save_role(spec, actor=actor, id=queries.role(actor, ref).pk))


@router.delete("/roles/{ref}", response=Count)
def delete_role(request: HttpRequest, ref: str) -> dict[str, int]:
    """Take a role away that nobody ever took."""
    actor = asker(request)
    return removed(actions.delete_roles([queries.role(actor, ref).pk], actor=actor))


@router.get("/incidents/{ref}/roles", response=HolderList)
def list_holders(request: HttpRequest, ref: str, everybody: bool = False) -> dict[str, Any]:
    """Who holds a role or is asked to; with `everybody=true` also who did before."""
    rows = queries.holders(asker(request), number_of(ref), everybody=everybody)
    return {"items": [holder_json(row) for row in rows]}


@router.post("/incidents/{ref}/roles", response={201: HolderOut})
def give_role(request: HttpRequest, ref: str, body: HolderIn) -> Status[dict[str, Any]]:
    """Take a role, or ask somebody to; who is asked hears of it at once, with a briefing."""
    actor, number = asker(request), number_of(ref)
    person = people.user(actor, body.user) if body.user else None
    if person is None or person.pk == actor.user_id:
        made = actions.take_role(number, body.role, actor=actor)
    else:
        briefing = briefing_of(actor, number, clock.now(), person.zone, body.note)
        made = actions.ask_role(number, body.role, person.pk, actor=actor, note=body.note, briefing=briefing)
    return Status(201, holder_json(queries.holder(actor, made.pk)))


@router.post("/role-holders/{holder_id}/{word}", response=HolderOut)
def answer_role(
    request: HttpRequest, holder_id: int, word: Literal["accept", "decline", "leave"], body: AnswerIn | None = None
) -> dict[str, Any]:
    """Confirm or decline what one was asked for; `leave` ends it, also for another."""
    actor, note = asker(request), body.note if body else ""
    if word == "leave":
        actions.leave_role(holder_id, actor=actor, note=note)
    else:
        actions.answer_role(holder_id, word == "accept", actor=actor, note=note)
    return holder_json(queries.holder(actor, holder_id))


@router.get("/incidents/{ref}/briefing", response=TextOut)
def show_briefing(request: HttpRequest, ref: str, zone: str = "UTC") -> dict[str, str]:
    """What somebody who takes over should know now, as Markdown; times in the IANA `zone`."""
    if zone not in available_timezones():
        raise Invalid("There is no such zone.", {"zone": "an IANA name such as Europe/Berlin"})
    return {"text": briefing_of(asker(request), number_of(ref), clock.now(), zone)}


# --- tasks, facts, decisions --------------------------------------------------------------------------------------


def _owner(actor: Actor, email: str) -> int | None:
    return people.user(actor, email).pk if email.strip() else None


@router.get("/incidents/{ref}/tasks", response=TaskList)
def list_tasks(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Tasks: open ones first, the most urgent on top."""
    return {"items": [task_json(row) for row in queries.tasks(asker(request), number_of(ref))]}


@router.post("/incidents/{ref}/tasks", response={201: TaskOut})
def add_task(request: HttpRequest, ref: str, body: TaskIn) -> Status[dict[str, Any]]:
    """Put a task on an incident."""
    actor = asker(request)
    owner = _owner(actor, body.owner)
    made = actions.add_task(number_of(ref), body.title, owner=owner, due_at=body.due_at, actor=actor)
    return Status(201, task_json(queries.task(actor, made.pk)))


@router.put("/tasks/{task_id}", response=TaskOut)
def change_task(request: HttpRequest, task_id: int, body: TaskIn) -> dict[str, Any]:
    """Give a task another title, owner or time."""
    actor = asker(request)
    owner = _owner(actor, body.owner)
    actions.change_task(task_id, title=body.title, owner=owner, due_at=body.due_at, actor=actor)
    return task_json(queries.task(actor, task_id))


@router.post("/tasks/{task_id}/{state}", response=TaskOut)
def end_task(request: HttpRequest, task_id: int, state: Literal["done", "dropped", "open"]) -> dict[str, Any]:
    """A task is done, dropped, or open again."""
    actor = asker(request)
    actions.end_task(task_id, state, actor=actor)
    return task_json(queries.task(actor, task_id))


@router.get("/incidents/{ref}/facts", response=FactList)
def list_facts(request: HttpRequest, ref: str) -> dict[str, Any]:
    """What is pinned because it is known for sure."""
    return {"items": [fact_json(row) for row in queries.facts(asker(request), number_of(ref))]}


@router.post("/incidents/{ref}/facts", response={201: FactOut})
def pin_fact(request: HttpRequest, ref: str, body: FactIn) -> Status[dict[str, Any]]:
    """Pin a fact."""
    return Status(201, fact_json(actions.pin_fact(number_of(ref), body.text, actor=asker(request))))


@router.delete("/facts/{fact_id}", response=Count)
def unpin_fact(request: HttpRequest, fact_id: int) -> dict[str, int]:
    """Take a fact away; the timeline keeps it."""
    actions.unpin_fact(fact_id, actor=asker(request))
    return {"count": 1}


@router.post("/incidents/{ref}/decisions", response={201: TextOut})
def note_decision(request: HttpRequest, ref: str, body: DecisionIn) -> Status[dict[str, str]]:
    """Write a decision on the timeline, with its rationale."""
    actions.decide(number_of(ref), body.text, rationale=body.rationale, actor=asker(request))
    return Status(201, {"text": body.text})
