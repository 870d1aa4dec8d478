"""Intake over HTTP: sources with their keys, and what was refused."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Strict, removed
from tocsin.catalogue import queries as catalogue
from tocsin.intake import actions, queries
from tocsin.intake.kinds import open_config
from tocsin.intake.models import Refusal, Source
from tocsin.platform.actor import Actor

router = Router(tags=["intake"])


class SourceOut(Schema):
    id: int
    name: str
    kind: str
    service: str
    config: dict[str, Any]
    limit_per_minute: int
    enabled: bool
    created_at: datetime
    last_signal_at: datetime | None


class SourceList(Schema):
    items: list[SourceOut]
    next: str | None


class SourceDetail(SourceOut):
    """With the key, for those who may configure the source; otherwise all are empty. ``mail``: only of mail."""

    key: str
    url: str
    mail: str


class SourceIn(Strict):
    """A new source; its name is made from its kind when empty."""

    service: str
    kind: str
    name: str = ""
    config: dict[str, Any] = {}
    limit_per_minute: int = 100_000


class SourceChange(Strict):
    """What is to be changed; the rest stays."""

    name: str | None = None
    service: str | None = None
    kind: str | None = None
    config: dict[str, Any] | None = None
    limit_per_minute: int | None = None
    enabled: bool | None = None


class TryIn(Strict):
    """A payload as the tool sends it: JSON, a whole mail, syslog messages; as text."""

    payload: Annotated[str, Field(max_length=200_000)]


class TriedOut(Schema):
    """``status``: what the sender would be answered; ``refused``: what is left out or wrong, and why."""

    status: int
    signals: list[dict[str, Any]]
    refused: list[str]


class KindOut(Schema):
    kind: str
    label: str


class KindList(Schema):
    items: list[KindOut]
    next: str | None = None


class RefusalOut(Schema):
    id: int
    at: datetime
    reason: str
    status: int
    path: str
    source: int | None
    remote: str
    errors: list[Any]
    excerpt: str


class RefusalList(Schema):
    items: list[RefusalOut]
    next: str | None


def source_json(row: Source) -> dict[str, Any]:
    """A source without its key."""
    return {
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "service": row.service.slug,
        "config": open_config(row.kind, row.config),
        "limit_per_minute": row.limit_per_minute,
        "enabled": row.enabled,
        "created_at": row.created_at,
        "last_signal_at": row.last_signal_at,
    }


def detail_json(actor: Actor, row: Source) -> dict[str, Any]:
    """A source with its key and address when the actor may see them."""
    shown = queries.address_of(row) if queries.may_see_key(actor, row) else None
    empty = {"key": "", "url": "", "mail": ""}
    return source_json(row) | ({"key": shown.key, "url": shown.url, "mail": shown.mail} if shown else empty)


def refusal_json(row: Refusal) -> dict[str, Any]:
    """A refused request."""
    return {
        "id": row.pk,
        "at": row.at,
        "reason": row.reason,
        "status": row.status,
        "path": row.path,
        "source": row.source_id,
        "remote": row.remote,
        "errors": row.errors,
        "excerpt": row.excerpt,
    }


@router.get("/source-kinds", response=KindList)
def list_kinds(request: HttpRequest) -> dict[str, Any]:
    """The kinds of source that are installed."""
    asker(request)
    return {"items": [{"kind": kind.kind, "label": kind.label} for kind in queries.kinds()]}


@router.get("/sources", response=SourceList)
def list_sources(
    request: HttpRequest, paging: Query[Paging], service: str = "", kind: str = "", q: str = ""
) -> dict[str, Any]:
    """Sources by name. Keys are shown one source at a time."""
    actor = asker(request)
    of = [catalogue.service(actor, service).pk] if service else []
    found, following = page(queries.sources(actor, service=of, kind=kind, q=q), paging, ("name", "id"))
    return {"items": [source_json(row) for row in found], "next": following}


@router.post("/sources", response={201: SourceDetail})
def create_source(request: HttpRequest, body: SourceIn) -> Status[dict[str, Any]]:
    """Add a source; answers with the key and the address that senders use."""
    actor = asker(request)
    row = actions.create_source(
        catalogue.service(actor, body.service).slug,
        body.kind,
        actor=actor,
        name=body.name,
        config=body.config,
        limit_per_minute=body.limit_per_minute,
    )
    return Status(201, detail_json(actor, row))


@router.get("/sources/{int:source_id}", response=SourceDetail)
def show_source(request: HttpRequest, source_id: int) -> dict[str, Any]:
    """A source, with its key for those who may configure it."""
    return detail_json(asker(request), queries.source(asker(request), source_id))


@router.patch("/sources/{int:source_id}", response=SourceDetail)
def change_source(request: HttpRequest, source_id: int, body: SourceChange) -> dict[str, Any]:
    """Change some of a source; its key stays."""
    actor = asker(request)
    changes = {name: value for name, value in body.model_dump().items() if value is not None}
    if "service" in changes:
        changes["service"] = catalogue.service(actor, changes["service"]).slug
    return detail_json(actor, actions.update_source(source_id, actor=actor, **changes))


@router.post("/sources/{int:source_id}/try", response=TriedOut)
def try_payload(request: HttpRequest, source_id: int, body: TryIn) -> dict[str, Any]:
    """What a source would make of a payload: its signals, or why there are none. Nothing is stored."""
    actor = asker(request)
    found = queries.tried(actor, queries.source(actor, source_id), body.payload.encode("utf-8", "replace"))
    return {"status": found.status, "signals": msgspec.to_builtins(found.signals), "refused": found.refused}


@router.post("/sources/{int:source_id}/rotate-key", response=SourceDetail)
def rotate_key(request: HttpRequest, source_id: int) -> dict[str, Any]:
    """Give a source a new key; the old one stops working at once."""
    return detail_json(asker(request), actions.rotate_key(source_id, actor=asker(request)))


@router.delete("/sources/{int:source_id}", response=Count)
def delete_source(request: HttpRequest, source_id: int) -> dict[str, int]:
    """Remove a source."""
    return removed(len(actions.delete_source([source_id], actor=asker(request))))


@router.get("/refusals", response=RefusalList)
def list_refusals(
    request: HttpRequest, paging: Query[Paging], source: int | None = None, reason: str = ""
) -> dict[str, Any]:
    """Requests of senders that were not accepted, newest first, with the reason."""
    found, following = page(queries.refusals(asker(request), source=source, reason=reason), paging)
    return {"items": [refusal_json(row) for row in found], "next": following}
