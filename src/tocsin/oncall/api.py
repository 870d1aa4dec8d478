"""On call over HTTP: schedules, who is on call, shifts, overrides."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, LocalMoment, Moment, Strict, removed, strict
from tocsin.oncall import actions, queries
from tocsin.oncall.models import Override, Schedule
from tocsin.oncall.rules import ScheduleSpec, Shift
from tocsin.people import queries as people
from tocsin.platform import clock

router = Router(tags=["on call"])
strict(ScheduleSpec)


class ScheduleOut(Schema):
    id: int
    name: str
    slug: str
    team: str
    zone: str
    description: str


class ScheduleList(Schema):
    items: list[ScheduleOut]
    next: str | None


class LayerOut(Schema):
    name: str
    unit: str
    length: int
    anchor: datetime
    members: list[str | list[str]]
    restrictions: list[dict[str, Any]]
    starts_at: datetime | None
    ends_at: datetime | None
    weekdays: list[int]
    handoffs: list[dict[str, Any]]
    shift_minutes: int | None
    beside: bool
    zone: str


class ScheduleDetail(ScheduleOut):
    layers: list[LayerOut]
    uncovered: list[dict[str, Any]]
    swaps_approved: bool


class ShiftOut(Schema):
    email: str
    name: str
    layer: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime


class WhoOut(Schema):
    at: datetime
    schedule: str
    oncall: list[ShiftOut]


class GapOut(Schema):
    from_: datetime = Field(serialization_alias="from")
    to: datetime


class FinalOut(Schema):
    schedule: str
    since: datetime
    until: datetime
    items: list[ShiftOut]
    gaps: list[GapOut]


class OverrideOut(Schema):
    id: int
    schedule: str
    kind: str
    user: str | None
    replaces: str | None
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    reason: str
    created_by: str | None


class OverrideList(Schema):
    items: list[OverrideOut]
    next: str | None = None


class OverrideIn(Strict):
    """A change to who is on call.

    `kind` `instead`: `user` instead of everybody, or of `replaces` alone; without a `user` nobody, a gap by intent.
    `beside`: `user` as well. `shadow`: `user` comes along, is told of every page and is not on call.
    """

    user: str = ""
    from_: LocalMoment = Field(alias="from")
    to: LocalMoment
    reason: str = ""
    kind: str = "instead"
    replaces: str = ""


def schedule_json(row: Schedule) -> dict[str, Any]:
    """A schedule without its layers."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "team": row.team.slug if row.team else "",
        "zone": row.zone,
        "description": row.description,
    }


def detail_json(row: Schedule) -> dict[str, Any]:
    """A schedule with its layers, as they are written."""
    spec = asdict(queries.export_schedules([row.pk])[0])
    return schedule_json(row) | {name: spec[name] for name in ("layers", "uncovered", "swaps_approved")}


def shifts_json(shifts: list[Shift]) -> list[dict[str, Any]]:
    """Shifts with the people's names; one query."""
    known = queries.people({shift.user_id for shift in shifts})
    return [
        {
            "email": known[shift.user_id].email,
            "name": known[shift.user_id].name,
            "layer": "override" if shift.override else shift.layer.name if shift.layer else "",
            "from_": shift.start,
            "to": shift.end,
        }
        for shift in shifts
        if shift.user_id in known
    ]


def override_json(row: Override) -> dict[str, Any]:
    """An override."""
    return {
        "id": row.pk,
        "schedule": row.schedule.slug,
        "kind": row.kind,
        "user": row.user.email if row.user else None,
        "replaces": row.replaces.email if row.replaces else None,
        "from_": row.starts_at,
        "to": row.ends_at,
        "reason": row.reason,
        "created_by": row.created_by.email if row.created_by else None,
    }


@router.get("/schedules", response=ScheduleList)
def list_schedules(request: HttpRequest, paging: Query[Paging], q: str = "", team: str = "") -> dict[str, Any]:
    """Schedules by name."""
    actor = asker(request)
    rows = queries.schedules(actor, q, [people.team(actor, team).pk] if team else ())
    found, following = page(rows, paging, ("name", "id"))
    return {"items": [schedule_json(row) for row in found], "next": following}


@router.post("/schedules", response={201: ScheduleDetail}, by_alias=True)
def create_schedule(request: HttpRequest, spec: Body[ScheduleSpec]) -> Status[dict[str, Any]]:
    """Add a schedule. Later layers go before earlier ones."""
    return Status(201, detail_json(actions.save_schedule(spec, actor=asker(request))))


@router.get("/schedules/{ref}", response=ScheduleDetail)
def show_schedule(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A schedule by id, slug or name, with its layers."""
    return detail_json(queries.schedule(asker(request), ref))


@router.put("/schedules/{ref}", response=ScheduleDetail)
def save_schedule(
    request: HttpRequest, ref: str, spec: Body[ScheduleSpec], effective: LocalMoment | None = None
) -> dict[str, Any]:
    """Change a schedule; its layers become the given ones, now or at `effective`. What is past stays as it was."""
    row = queries.schedule(asker(request), ref)
    return detail_json(actions.save_schedule(spec, actor=asker(request), id=row.pk, effective=effective))


@router.delete("/schedules/{ref}", response=Count)
def delete_schedule(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a schedule; refused while a policy pages it."""
    row = queries.schedule(asker(request), ref)
    return removed(actions.delete_schedules([row.pk], actor=asker(request)))


@router.get("/schedules/{ref}/who", response=WhoOut, by_alias=True)
def who_is_on_call(request: HttpRequest, ref: str, at: Moment | None = None) -> dict[str, Any]:
    """Who is on call at a moment (now when not given). An empty list is a gap: nobody."""
    row = queries.schedule(asker(request), ref)
    moment = at or clock.now()
    return {"at": moment, "schedule": row.name, "oncall": shifts_json(queries.who(row.pk, moment))}


@router.get("/schedules/{ref}/shifts", response=FinalOut, by_alias=True)
def list_shifts(
    request: HttpRequest, ref: str, since: Moment | None = None, until: Moment | None = None
) -> dict[str, Any]:
    """The final schedule: who is on call from `since` (now) to `until` (14 days later), and when nobody is."""
    row = queries.schedule(asker(request), ref)
    start = since or clock.now()
    end = until or start + timedelta(days=14)
    gaps = [{"from_": a, "to": b} for a, b in queries.gaps(row.pk, start, end)]
    shifts = shifts_json(queries.final(row.pk, start, end))
    return {"schedule": row.slug, "since": start, "until": end, "items": shifts, "gaps": gaps}


@router.get("/schedules/{ref}/overrides", response=OverrideList, by_alias=True)
def list_overrides(
    request: HttpRequest, ref: str, since: Moment | None = None, until: Moment | None = None
) -> dict[str, Any]:
    """Overrides that touch `since` (now) to `until` (a year later)."""
    row = queries.schedule(asker(request), ref)
    start = since or clock.now()
    end = until or start + timedelta(days=366)
    found = queries.overrides(row.pk, start, end).select_related("schedule")
    return {"items": [override_json(one) for one in found]}


@router.post("/schedules/{ref}/overrides", response={201: OverrideOut}, by_alias=True)
def create_override(request: HttpRequest, ref: str, body: OverrideIn) -> Status[dict[str, Any]]:
    """Change who is on call for a while. Times without an offset are the schedule's local time."""
    actor = asker(request)
    row = queries.schedule(actor, ref)
    made = actions.add_override(
        row.pk,
        people.user(actor, body.user).pk if body.user else None,
        body.from_,
        body.to,
        body.reason,
        actor=actor,
        kind=body.kind,
        replaces_id=people.user(actor, body.replaces).pk if body.replaces else None,
    )
    return Status(201, override_json(made))


@router.delete("/overrides/{int:override_id}", response=Count)
def delete_override(request: HttpRequest, override_id: int) -> dict[str, int]:
    """Take an override back; a running one ends now, a past one stays."""
    return removed(actions.delete_overrides([override_id], actor=asker(request)))


@router.get("/on-call", response=list[WhoOut], by_alias=True)
def everyone_on_call(request: HttpRequest, at: Moment | None = None) -> list[dict[str, Any]]:
    """Who is on call in every schedule."""
    rows = list(queries.schedules(asker(request)))
    moment = at or clock.now()
    lines = {line.schedule.id: line for line in queries.everyone(moment)}
    found = []
    for row in rows:
        line = lines.get(row.pk)
        shifts = shifts_json(list(line.shifts)) if line else []
        found.append({"at": moment, "schedule": row.name, "oncall": shifts})
    return found
