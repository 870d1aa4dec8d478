"""The organisation over HTTP: which priority impact and urgency give, and who changed what."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Moment, Strict
from tocsin.incidents import actions as incidents
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.models import AuditEntry

router = Router(tags=["organisation"])

Row = dict[str, str]


class MatrixOut(Schema):
    matrix: dict[str, Row]


class MatrixIn(Strict):
    matrix: dict[str, Row]


class AuditOut(Schema):
    id: int
    at: datetime
    actor: str
    actor_kind: str
    verb: str
    kind: str
    object_id: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditList(Schema):
    items: list[AuditOut]
    next: str | None = None


class ClockOut(Schema):
    now: datetime


@router.get("/clock", response=ClockOut)
def show_clock(request: HttpRequest) -> dict[str, Any]:
    """The time of this installation, by which every process of it works."""
    return {"now": clock.now()}


@router.get("/priority-matrix", response=MatrixOut)
def show_matrix(request: HttpRequest) -> dict[str, Any]:
    """The priority of each pair of impact and urgency: `matrix.high.low` is high impact and low urgency."""
    require(asker(request), Deed.READ)
    return {"matrix": {impact: dict(row) for impact, row in incidents.matrix().items()}}


@router.put("/priority-matrix", response=MatrixOut)
def save_matrix(request: HttpRequest, body: MatrixIn) -> dict[str, Any]:
    """Replace the matrix; open incidents keep their priority. Needs an administrator."""
    incidents.save_matrix(body.matrix, actor=asker(request))
    return show_matrix(request)


@router.get("/audit", response=AuditList)
def list_audit(
    request: HttpRequest,
    paging: Query[Paging],
    kind: str = "",
    object_id: str = "",
    since: Moment | None = None,
    until: Moment | None = None,
) -> dict[str, Any]:
    """Who changed what, newest first. Needs the right to configure."""
    require(asker(request), Deed.CONFIGURE)
    rows: QuerySet[AuditEntry] = AuditEntry.objects.all()
    if kind:
        rows = rows.filter(kind=kind)
    if object_id:
        rows = rows.filter(object_id=object_id)
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lt=until)
    found, following = page(rows, paging)
    items = [
        {
            "id": row.pk,
            "at": row.at,
            "actor": row.actor_name,
            "actor_kind": row.actor_kind,
            "verb": row.verb,
            "kind": row.kind,
            "object_id": row.object_id,
            "name": row.name,
            "before": row.before,
            "after": row.after,
        }
        for row in found
    ]
    return {"items": items, "next": following}
