"""On call over HTTP, with the calendars of others: addresses to subscribe to, absences, calendars that are read."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Body, Router, Schema, Status
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.schema import Count, LocalMoment, Moment, Strict, removed
from tocsin.oncall import actions, queries
from tocsin.oncall.models import Absence, AbsenceFeed, CalendarFeed, CalendarSource
from tocsin.people import queries as people
from tocsin.platform import clock

router = Router(tags=["on call"])
YEAR = timedelta(days=366)


# -- addresses for others ----------------------------------------------------------------------------------------------


class FeedIn(Strict):
    """Whose shifts: of a `schedule`, of a `team`'s schedules, without either one's own."""

    schedule: str = ""
    team: str = ""


class FeedOut(Schema):
    id: int
    what: str
    schedule: str | None
    team: str | None
    person: str
    created_at: datetime
    last_used_at: datetime | None


class NewFeed(FeedOut):
    url: str


class FeedList(Schema):
    items: list[FeedOut]
    next: str | None = None


def feed_json(row: CalendarFeed) -> dict[str, Any]:
    """An address without its secret, which nobody knows any more."""
    return {
        "id": row.pk,
        "what": actions.what(row),
        "schedule": row.schedule.slug if row.schedule else None,
        "team": row.team.slug if row.team else None,
        "person": row.user.email,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    }


@router.get("/calendar-feeds", response=FeedList)
def list_feeds(request: HttpRequest) -> dict[str, Any]:
    """The secret addresses of calendars that work: one's own, for administrators everybody's."""
    return {"items": [feed_json(row) for row in queries.calendar_feeds(asker(request))[:1000]]}


@router.post("/calendar-feeds", response={201: NewFeed})
def create_feed(request: HttpRequest, body: FeedIn) -> Status[dict[str, Any]]:
    """Make an address for calendar programs; the answer is the only place where it can be read."""
    row, url = actions.create_calendar_feed(actor=asker(request), schedule=body.schedule, team=body.team)
    return Status(201, feed_json(row) | {"url": url})


@router.delete("/calendar-feeds/{int:feed_id}", response=Count)
def revoke_feed(request: HttpRequest, feed_id: int) -> dict[str, int]:
    """Make an address worthless at once."""
    return removed(actions.revoke_calendar_feeds([feed_id], actor=asker(request)))


# -- absences ----------------------------------------------------------------------------------------------------------


class AbsenceIn(Strict):
    """Somebody is away; without `user` oneself. Times without an offset are the person's local time."""

    user: str = ""
    from_: LocalMoment = Field(alias="from")
    to: LocalMoment
    kind: str = ""
    note: str = ""


class AbsenceOut(Schema):
    id: int
    user: str
    name: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    kind: str
    note: str
    source: str


class AbsenceList(Schema):
    items: list[AbsenceOut]
    next: str | None = None


class ImportIn(Strict):
    """`csv`: the file's text with a row of headings. `save_good`: keep the good rows although others are not."""

    csv: str
    save_good: bool = False
    zone: str = ""


class ProblemOut(Schema):
    row: int
    column: str
    text: str


class ImportOut(Schema):
    saved: int
    known: int
    problems: list[ProblemOut]


class UncoveredOut(Schema):
    schedule: str
    user: str
    name: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    shift_from: datetime
    shift_to: datetime


class UncoveredList(Schema):
    items: list[UncoveredOut]
    next: str | None = None


def absence_json(row: Absence, why: bool = True) -> dict[str, Any]:
    """An absence; ``why`` somebody is away only those may know who may change it."""
    return {
        "id": row.pk,
        "user": row.user.email,
        "name": row.user.name,
        "from_": row.starts_at,
        "to": row.ends_at,
        "kind": row.kind if why else "",
        "note": row.note if why else "",
        "source": row.source,
    }


@router.get("/absences", response=AbsenceList, by_alias=True)
def list_absences(
    request: HttpRequest, user: str = "", team: str = "", since: Moment | None = None, until: Moment | None = None
) -> dict[str, Any]:
    """Absences that touch `since` (now) to `until` (a year later), of a person, of a team's people, or of everybody."""
    actor = asker(request)
    start = since or clock.now()
    rows = queries.absence_rows(
        actor,
        start,
        until or start + YEAR,
        user_id=people.user(actor, user).pk if user else None,
        team_id=people.team(actor, team).pk if team else None,
    )
    found = list(rows[:5000])
    may_know = {key: queries.may_edit_absences(actor, key) for key in {row.user_id for row in found}}
    return {"items": [absence_json(row, may_know[row.user_id]) for row in found]}


@router.post("/absences", response={201: AbsenceOut}, by_alias=True)
def create_absence(request: HttpRequest, body: AbsenceIn) -> Status[dict[str, Any]]:
    """Say that somebody is away."""
    return Status(201, absence_json(_saved(request, body)))


@router.put("/absences/{int:absence_id}", response=AbsenceOut, by_alias=True)
def change_absence(request: HttpRequest, absence_id: int, body: AbsenceIn) -> dict[str, Any]:
    """Change an absence that was not read from a calendar."""
    return absence_json(_saved(request, body, absence_id))


def _saved(request: HttpRequest, body: AbsenceIn, absence_id: int | None = None) -> Absence:
    actor = asker(request)
    user = people.user(actor, body.user or actor.user_id or 0)
    return actions.save_absence(
        user.pk, body.from_, body.to, actor=actor, kind=body.kind, note=body.note, id=absence_id
    )


@router.delete("/absences/{int:absence_id}", response=Count)
def delete_absence(request: HttpRequest, absence_id: int) -> dict[str, int]:
    """Take an absence back."""
    return removed(actions.delete_absences([absence_id], actor=asker(request)))


@router.post("/absences/import", response=ImportOut)
def import_absences(request: HttpRequest, body: ImportIn) -> dict[str, Any]:
    """Read absences of many people from a CSV text. Nothing is kept unless every row is good, or `save_good`."""
    done = actions.import_absences(body.csv, actor=asker(request), save_good=body.save_good, zone=_zone(request, body))
    problems = [{"row": one.row, "column": one.column, "text": one.text} for one in done.problems]
    return {"saved": done.saved, "known": done.known, "problems": problems}


def _zone(request: HttpRequest, body: ImportIn) -> str:
    actor = asker(request)
    return body.zone or (people.user(actor, actor.user_id).zone if actor.user_id is not None else "UTC")


@router.get("/absences/uncovered", response=UncoveredList, by_alias=True)
def list_uncovered(request: HttpRequest, since: Moment | None = None, until: Moment | None = None) -> dict[str, Any]:
    """Shifts from `since` (now) to `until` (four weeks later, 400 days at most) whose person is away."""
    queries.schedules(asker(request))
    start = since or clock.now()
    end = min(until or start + timedelta(days=28), start + timedelta(days=400))
    items = [
        {
            "schedule": one.schedule.slug,
            "user": one.user.email,
            "name": one.user.name,
            "from_": one.start,
            "to": one.end,
            "shift_from": one.shift.start,
            "shift_to": one.shift.end,
        }
        for one in queries.uncovered_absences(start, end)
    ]
    return {"items": items}


# -- calendars that are read -------------------------------------------------------------------------------------------


class ReadOut(Schema):
    read_at: datetime | None
    failure: str
    problems: list[str]
    found: int


class AbsenceCalendarIn(Strict):
    """`everything`: each event is an absence; else those that say so (vacation, sick, out of office ...)."""

    url: str
    everything: bool = False


class AbsenceCalendarOut(ReadOut):
    user: str
    everything: bool


class CalendarSourceIn(Strict):
    """A calendar by its `url` (https, http or webcal), or as a `file`: the text of an .ics."""

    name: str
    url: str = ""
    file: str = ""


class CalendarSourceOut(ReadOut):
    id: int
    schedule: str
    name: str
    kind: str


class CalendarSourceList(Schema):
    items: list[CalendarSourceOut]
    next: str | None = None


def _reading(row: AbsenceFeed | CalendarSource) -> dict[str, Any]:
    return {"read_at": row.read_at, "failure": row.failure, "problems": row.problems, "found": row.found}


def source_json(row: CalendarSource) -> dict[str, Any]:
    """A calendar that is read; its address is a secret."""
    kind = "url" if row.url else "file"
    return {"id": row.pk, "schedule": row.schedule.slug, "name": row.name, "kind": kind} | _reading(row)


@router.get("/people/{ref}/absence-calendar", response=AbsenceCalendarOut)
def show_absence_calendar(request: HttpRequest, ref: str) -> dict[str, Any]:
    """The calendar that a person's absences are read from, and what became of the last reading."""
    actor = asker(request)
    user = people.user(actor, ref)
    actions.require_absences(actor, user.pk)
    row = queries.absence_feed(user.pk)
    if row is None:
        return removed(0)
    return {"user": user.email, "everything": row.everything} | _reading(row)


@router.put("/people/{ref}/absence-calendar", response=AbsenceCalendarOut)
def save_absence_calendar(request: HttpRequest, ref: str, body: AbsenceCalendarIn) -> dict[str, Any]:
    """Read a person's absences from a calendar, every 30 minutes."""
    actor = asker(request)
    user = people.user(actor, ref)
    row = actions.save_absence_feed(user.pk, body.url, actor=actor, everything=body.everything)
    return {"user": user.email, "everything": row.everything} | _reading(row)


@router.delete("/people/{ref}/absence-calendar", response=Count)
def delete_absence_calendar(request: HttpRequest, ref: str) -> dict[str, int]:
    """Read it no more; absences from it that are not over go."""
    actor = asker(request)
    return removed(actions.delete_absence_feed(people.user(actor, ref).pk, actor=actor))


@router.get("/schedules/{ref}/calendars", response=CalendarSourceList)
def list_sources(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Calendars that put people on call in a schedule, and whom they named that nobody knows."""
    row = queries.schedule(asker(request), ref)
    return {"items": [source_json(one) for one in queries.calendar_sources(row.pk)]}


@router.post("/schedules/{ref}/calendars", response={201: CalendarSourceOut})
def create_source(request: HttpRequest, ref: str, body: Body[CalendarSourceIn]) -> Status[dict[str, Any]]:
    """Put people on call as a calendar says: an address is read within seconds and every 30 minutes, a file at once."""
    actor = asker(request)
    row = queries.schedule(actor, ref)
    made = actions.create_calendar_source(row.pk, body.name, actor=actor, url=body.url, body=body.file)
    return Status(201, source_json(made))


@router.post("/calendar-sources/{int:source_id}/read", response=Count)
def read_source(request: HttpRequest, source_id: int) -> dict[str, int]:
    """Have it read now."""
    return removed(actions.read_again([source_id], actor=asker(request)))


@router.delete("/calendar-sources/{int:source_id}", response=Count)
def delete_source(request: HttpRequest, source_id: int) -> dict[str, int]:
    """Read it no more: its shifts to come go, past ones stay."""
    return removed(actions.delete_calendar_sources([source_id], actor=asker(request)))
