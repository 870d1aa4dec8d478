"""Importing over HTTP: start a run with what was read, look at its plan, apply it, take it back."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.schema import Strict
from tocsin.project.importing import packing, work
from tocsin.project.importing.models import Run

router = Router(tags=["importing"])
PAGE = 500


class TakeoverIn(Strict):
    """``export``: what `tocsin import --save` writes, as JSON packed with zlib and written in base64."""

    export: str


class TakeoverApplyIn(Strict):
    """``digest`` of the plan: only if that is still exactly what would happen."""

    digest: str = ""


class RollbackIn(Strict):
    """``force``: also what changed since the import is made as it was; what is in use stays."""

    force: bool = False


class ProgressOut(Schema):
    stage: str
    done: int
    total: int


class TakeoverOut(Schema):
    """One import. ``wanted``: what is being done (plan, apply, rollback), empty when nothing is."""

    id: int
    product: str
    origin: str
    state: str
    wanted: str
    progress: ProgressOut | None
    counts: dict[str, int]
    digest: str
    failure: str
    left: list[str]
    read_at: datetime | None
    created_at: datetime
    created_by: str
    applied_at: datetime | None
    applied_by: str
    rolled_back_at: datetime | None
    rolled_back_by: str


class TakeoverList(Schema):
    items: list[TakeoverOut]
    next: str | None = None


class Rows(Schema):
    """Part of a list. ``next``: where the following part begins."""

    items: list[dict[str, Any]]
    total: int
    next: str | None = None


def run_json(run: Run) -> dict[str, Any]:
    """A run without the lists of what it does and found."""
    names = (
        "product", "origin", "state", "wanted", "counts", "digest", "failure", "read_at", "created_at", "created_by",
        "applied_at", "applied_by", "rolled_back_at", "rolled_back_by",
    )  # fmt: skip
    progress = work.progress_of(run)
    return {
        "id": run.pk,
        "progress": progress,
        "left": run.options.get("left", []),
        **{name: getattr(run, name) for name in names},
    }


def _rows(rows: list[dict[str, Any]], cursor: str, limit: int) -> dict[str, Any]:
    start = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else 0
    limit = max(1, min(limit, 5000))
    following = str(start + limit) if start + limit < len(rows) else None
    return {"items": rows[start : start + limit], "total": len(rows), "next": following}


@router.get("/imports", response=TakeoverList)
def list_imports(request: HttpRequest) -> dict[str, Any]:
    """The newest imports."""
    return {"items": [run_json(run) for run in work.runs(actor=asker(request))]}


@router.post("/imports", response={201: TakeoverOut})
def start_import(request: HttpRequest, body: TakeoverIn) -> Status[dict[str, Any]]:
    """Start an import. An engine makes its plan; nothing is changed yet."""
    actor = asker(request)
    work.require_import(actor)
    return Status(201, run_json(work.start(packing.unpack(body.export), actor=actor)))


@router.get("/imports/{int:import_id}", response=TakeoverOut)
def show_import(request: HttpRequest, import_id: int) -> dict[str, Any]:
    """One import, and how far it is."""
    return run_json(work.get(import_id, actor=asker(request)))


@router.get("/imports/{int:import_id}/changes", response=Rows)
def list_changes(request: HttpRequest, import_id: int, cursor: str = "", limit: int = PAGE) -> dict[str, Any]:
    """What it would do, or did: a thing of ours each, with the fields that differ."""
    return _rows(work.get(import_id, actor=asker(request)).changes, cursor, limit)


@router.get("/imports/{int:import_id}/findings", response=Rows)
def list_findings(
    request: HttpRequest, import_id: int, verdict: str = "", kind: str = "", cursor: str = "", limit: int = PAGE
) -> dict[str, Any]:
    """What becomes of each thing: exact, approximated or impossible, and why."""
    run = work.get(import_id, actor=asker(request))
    rows = [one for one in run.findings if verdict in ("", one["verdict"]) and kind in ("", one["kind"])]
    return _rows(rows, cursor, limit)


@router.post("/imports/{int:import_id}/plan", response=TakeoverOut)
def plan_again(request: HttpRequest, import_id: int) -> dict[str, Any]:
    """Make the plan anew, against what is here now."""
    return run_json(work.want(import_id, "plan", actor=asker(request)))


@router.post("/imports/{int:import_id}/apply", response=TakeoverOut)
def apply_import(request: HttpRequest, import_id: int, body: TakeoverApplyIn) -> dict[str, Any]:
    """Make it so: all of it in one transaction. An engine does it; ask how far it is."""
    return run_json(work.want(import_id, "apply", actor=asker(request), digest=body.digest))


@router.post("/imports/{int:import_id}/rollback", response=TakeoverOut)
def roll_back(request: HttpRequest, import_id: int, body: RollbackIn) -> dict[str, Any]:
    """Make everything as it was before this import. An engine does it; ask how far it is."""
    return run_json(work.want(import_id, "rollback", actor=asker(request), force=body.force))
