"""Imports of past incidents over HTTP. Needs an administrator."""

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Strict
from tocsin.incidents import queries
from tocsin.incidents.models import HistoryImport
from tocsin.people.rules import known_zone
from tocsin.platform.errors import Invalid
from tocsin.project.history import runs
from tocsin.project.history.options import Options

router = Router(tags=["imports"])


class OptionsOut(Schema):
    """How the file is read, see OptionsIn."""

    mapping: dict[str, str] = {}
    order: str = ""
    zone: str = ""
    values: dict[str, dict[str, str]] = {}
    link: str = ""
    open: str = "resolve"
    services: str = "imported"
    teams: bool = False


class HistoryRunOut(Schema):
    """`profile`: what is in the file; `plan`: what it would become; `result`: what was written; `asked`: what has to
    be said before it can be planned, by field."""

    id: int
    source: str
    file: str
    state: str  # uploading, looking, ready, planning, planned, applying, applied, rolling_back, rolled_back, failed
    options: OptionsOut
    asked: dict[str, str]
    profile: dict[str, Any] | None
    plan: dict[str, Any] | None
    result: dict[str, Any] | None
    problem: str
    size: int
    done: int  # rows, while it is busy; incidents in a rollback
    total: int  # 0: not known
    created_by: str | None
    created_at: datetime
    updated_at: datetime


class HistoryRunList(Schema):
    items: list[HistoryRunOut]
    next: str | None


class BeginIn(Strict):
    source: str  # where the numbers come from, and are unique in: servicenow, jira ...
    file: str = ""


class OptionsIn(Strict):
    """What is left out is guessed, where it can be."""

    mapping: dict[str, str] = {}  # field -> column; empty: as guessed
    order: Literal["", "D/M/Y", "M/D/Y", "Y/M/D"] = ""
    zone: str = ""  # of moments that carry none
    values: dict[str, dict[str, str]] = {}  # priority, impact, urgency, state -> value in the file -> meaning
    link: str = ""  # https://servicenow.example.org/incident?number={number}
    open: Literal["resolve", "leave_out"] = "resolve"
    services: Literal["imported", "create"] = "imported"
    teams: bool = False


class FiguresOut(Schema):
    """Times are over those incidents only whose moments are known; `n` says how many."""

    incidents: int
    reopened: int
    reassigned: int
    by_priority: dict[str, int]
    by_month: dict[str, int]
    time_to_resolve: dict[str, float]
    time_to_acknowledge: dict[str, float]


def run_json(row: HistoryImport, *, whole: bool = True) -> dict[str, Any]:
    """A run; not ``whole``: without what may be large."""
    return {
        "id": row.pk,
        "source": row.source,
        "file": row.file,
        "state": row.state,
        "options": row.options,
        "asked": runs.asked(row) if whole else {},
        "profile": row.profile if whole else None,
        "plan": row.plan if whole else None,
        "result": row.result,
        "problem": row.problem,
        "size": row.size,
        "done": row.done,
        "total": row.total,
        "created_by": row.created_by.email if row.created_by else None,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


@router.get("/imports/history", response=HistoryRunList)
def list_runs(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """Imports of past incidents, newest first, without `profile`, `plan` and `asked`."""
    found, following = page(runs.runs(asker(request)).defer("profile", "plan"), paging, ("-id",))
    return {"items": [run_json(row, whole=False) for row in found], "next": following}


@router.post("/imports/history", response={201: HistoryRunOut})
def begin(request: HttpRequest, body: BeginIn) -> Status[dict[str, Any]]:
    """A new import. Send its file in pieces, then say that it is whole."""
    return Status(201, run_json(runs.begin(body.source, body.file, actor=asker(request))))


@router.get("/imports/history/figures", response=FiguresOut)
def figures(request: HttpRequest, source: str, zone: str = "UTC") -> dict[str, Any]:
    """Figures over the imported incidents of a source; months are those of `zone`."""
    if not known_zone(zone):
        raise Invalid("There is no such zone.", {"zone": "an IANA zone such as Europe/Berlin"})
    return queries.imported_figures(asker(request), source, zone)


@router.get("/imports/history/{run_id}", response=HistoryRunOut)
def show(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """One import: how far it is, what was found, what is planned, what came of it."""
    return run_json(runs.run(asker(request), run_id))


@router.put("/imports/history/{run_id}/parts/{number}", response=Count)
def add_part(request: HttpRequest, run_id: int, number: int) -> dict[str, Any]:
    """A piece of the file as it is, 4 MiB at most, numbered from 0; answers with the bytes that are there now.

    The file is CSV, also packed with gzip.
    """
    actor = asker(request)
    try:
        data = request.body
    except RequestDataTooBig as error:
        raise Invalid("This is no piece of a file.", {"body": f"1 to {runs.PART:,} bytes"}) from error
    return {"count": runs.add_part(run_id, number, data, actor=actor)}


@router.post("/imports/history/{run_id}/finish", response=HistoryRunOut)
def finish(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """The file is whole: look at it. When its state is `ready`, `profile` says what is in it."""
    return run_json(runs.finish(run_id, actor=asker(request)))


@router.put("/imports/history/{run_id}/options", response=HistoryRunOut)
def set_options(request: HttpRequest, run_id: int, body: OptionsIn) -> dict[str, Any]:
    """Say how the file is to be read; what was planned before is forgotten."""
    return run_json(runs.set_options(run_id, Options(**body.dict()), actor=asker(request)))


@router.post("/imports/history/{run_id}/plan", response=HistoryRunOut)
def plan(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """Foretell what it would become; nothing is written. When its state is `planned`, `plan` holds it."""
    return run_json(runs.ask_plan(run_id, actor=asker(request)))


@router.post("/imports/history/{run_id}/apply", response=HistoryRunOut)
def apply(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """Write what was planned. When its state is `applied`, `result` says what came of it."""
    return run_json(runs.ask_apply(run_id, actor=asker(request)))


@router.post("/imports/history/{run_id}/rollback", response=HistoryRunOut)
def rollback(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """Take away what it made. An incident on which somebody has worked here since stays."""
    return run_json(runs.ask_rollback(run_id, actor=asker(request)))


@router.delete("/imports/history/{run_id}", response=Count)
def discard(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """Forget an import of which nothing was written, or nothing is left."""
    runs.discard(run_id, actor=asker(request))
    return {"count": 1}
