"""Config as code over HTTP: plan, apply, export, and the schema of the files."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Field, Router, Schema

from tocsin.api.auth import asker
from tocsin.api.schema import Strict
from tocsin.escalation.api import ProofOut
from tocsin.escalation.proving import MONTHS
from tocsin.platform.apart import apart
from tocsin.project.config import planning
from tocsin.project.config.reading import File
from tocsin.project.config.schema import schema
from tocsin.project.replay import MAX_DAYS

router = Router(tags=["config as code"])


class FileIn(Strict):
    name: str
    text: str


class PlanIn(Strict):
    """Files of configuration. ``prune``: what their sections do not name goes away."""

    files: list[FileIn]
    prune: bool = False


class ApplyIn(PlanIn):
    """``digest`` of a plan: apply only if that is still exactly what would happen."""

    digest: str = ""


class PlannedChangeOut(Schema):
    kind: str
    name: str
    change: str
    fields: dict[str, dict[str, Any]]
    place: str


class PlanOut(Schema):
    changes: list[PlannedChangeOut]
    counts: dict[str, int]
    digest: str
    applied: bool
    gaps: list[str]
    closed: int


class ProveIn(PlanIn):
    """``months`` from now on."""

    months: int = MONTHS


class ReplayIn(PlanIn):
    """``since_s``: how far back, in seconds."""

    since_s: int = Field(30 * 86400, ge=60, le=MAX_DAYS * 86400)


class SideOut(Schema):
    incidents: int
    pages: int
    messages: int
    at_night: int
    gaps: int
    unpaged: int
    outcomes: dict[str, int]


class RowsOut(Schema):
    """``items`` holds the first of them."""

    count: int
    items: list[dict[str, Any]]
    quantiles_min: list[float] = []


class ReplayOut(Schema):
    since: datetime
    until: datetime
    signals: int
    before: SideOut
    after: SideOut
    pages_saved: int
    night_pages_saved: int
    missed: RowsOut
    new: RowsOut
    joined: int
    later: RowsOut
    earlier: RowsOut


class ExportOut(Schema):
    text: str


def _files(body: PlanIn) -> list[File]:
    return [File(file.name, file.text) for file in body.files]


@router.post("/config/plan", response=PlanOut)
def plan(request: HttpRequest, body: PlanIn) -> dict[str, Any]:
    """What applying these files would do. Problems are named `file:line section[name].field`."""
    return planning.plan(_files(body), actor=asker(request), prune=body.prune).to_json()


@router.post("/config/prove", response=ProofOut, by_alias=True)
def prove(request: HttpRequest, body: ProveIn) -> dict[str, Any]:
    """Whether somebody reachable would always be paged if these files were applied; nothing is kept."""
    return planning.prove(_files(body), actor=asker(request), prune=body.prune, months=body.months).to_json()


@router.post("/config/replay", response=ReplayOut)
def replay(request: HttpRequest, body: ReplayIn) -> dict[str, Any]:
    """Stored signals through the configuration as it is and as these files would make it, and what differs.

    Takes seconds to a minute, in a process of its own, one at a time (409 while another is under way).
    """
    value = {"files": [one.dict() for one in body.files], "since_s": body.since_s, "prune": body.prune}
    answer: dict[str, Any] = apart("tocsin.project.replay:task", value, actor=asker(request))
    return answer


@router.post("/config/apply", response=PlanOut)
def apply(request: HttpRequest, body: ApplyIn) -> dict[str, Any]:
    """Make it so: all of it, in one transaction, or nothing."""
    made = planning.apply(_files(body), actor=asker(request), prune=body.prune, digest=body.digest)
    return made.to_json()


@router.get("/config/export", response=ExportOut)
def export(request: HttpRequest, section: str = "") -> dict[str, str]:
    """What there is, as YAML; some sections of it, separated by commas. Secrets are left out."""
    sections = [part.strip() for part in section.split(",") if part.strip()]
    return {"text": planning.export(actor=asker(request), sections=sections)}


@router.get("/config/schema.json", auth=None, response=dict[str, Any])
def show_schema(request: HttpRequest) -> HttpResponse:
    """JSON Schema of configuration files; needs no token."""
    return JsonResponse(schema())
