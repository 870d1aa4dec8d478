"""The catalogue over HTTP: services and changes."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Moment, Strict, removed, strict
from tocsin.catalogue import actions, queries
from tocsin.catalogue.models import Change, Service
from tocsin.catalogue.rules import ChangeSpec, ServiceSpec
from tocsin.platform import clock

router = Router(tags=["catalogue"])
strict(ServiceSpec)


class ServiceOut(Schema):
    id: int
    name: str
    slug: str
    description: str
    team: str
    policy: str
    tier: int
    impact: str
    grouping: dict[str, Any]
    auto_resolve_s: int | None
    enabled: bool
    runbook_url: str
    zone: str
    hours: list[dict[str, Any]]
    confidential: bool
    created_at: datetime


class ServiceList(Schema):
    items: list[ServiceOut]
    next: str | None


class ReachedOut(Schema):
    slug: str
    name: str
    tier: int
    steps: int


class ServiceDetail(ServiceOut):
    depends_on: list[str]
    needed_by: list[str]
    blast_radius: list[ReachedOut]


class ChangeOut(Schema):
    id: int
    service: str | None
    at: datetime
    summary: str
    origin: str
    links: list[Any]
    details: Any


class ChangeList(Schema):
    items: list[ChangeOut]
    next: str | None


class ChangeIn(Strict):
    """A change to keep."""

    service: str = ""
    summary: str
    at: Moment | None = None  # empty: now
    origin: str = ""
    links: list[Any] = []
    details: Any = None


def service_json(service: Service) -> dict[str, Any]:
    """A service by itself."""
    return {
        "id": service.pk,
        "name": service.name,
        "slug": service.slug,
        "description": service.description,
        "team": service.team.slug if service.team else "",
        "policy": service.policy.slug if service.policy else "",
        "tier": service.tier,
        "impact": service.impact,
        "grouping": service.grouping,
        "auto_resolve_s": service.auto_resolve_s,
        "enabled": service.enabled,
        "runbook_url": service.runbook_url,
        "zone": service.zone,
        "hours": [asdict(window) for window in queries.hours_of(service)],
        "confidential": service.confidential,
        "created_at": service.created_at,
    }


def detail_json(request: HttpRequest, service: Service) -> dict[str, Any]:
    """A service among the others."""
    around = queries.neighbourhood(asker(request), service.pk)
    return service_json(around.service) | {
        "depends_on": [other.slug for other in around.needs],
        "needed_by": [other.slug for other in around.needed_by],
        "blast_radius": [
            {"slug": row.service.slug, "name": row.service.name, "tier": row.service.tier, "steps": row.steps}
            for row in around.blast_radius
        ],
    }


def change_json(change: Change) -> dict[str, Any]:
    """A change."""
    return {
        "id": change.pk,
        "service": change.service.slug if change.service else None,
        "at": change.at,
        "summary": change.summary,
        "origin": change.origin,
        "links": change.links,
        "details": change.details,
    }


@router.get("/services", response=ServiceList)
def list_services(
    request: HttpRequest,
    paging: Query[Paging],
    q: str = "",
    team: str = "",
    tier: int | None = None,
    enabled: bool | None = None,
) -> dict[str, Any]:
    """Services by name."""
    rows = queries.services(asker(request), q, team=team, tier=tier, enabled=enabled)
    found, following = page(rows, paging, ("name", "id"))
    return {"items": [service_json(row) for row in found], "next": following}


@router.post("/services", response={201: ServiceDetail})
def create_service(request: HttpRequest, spec: Body[ServiceSpec]) -> Status[dict[str, Any]]:
    """Add a service."""
    return Status(201, detail_json(request, actions.save_service(spec, actor=asker(request))))


@router.get("/services/{ref}", response=ServiceDetail)
def show_service(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A service by id, slug or name, with dependencies both ways and its blast radius."""
    return detail_json(request, queries.service(asker(request), ref))


@router.put("/services/{ref}", response=ServiceDetail)
def save_service(request: HttpRequest, ref: str, spec: Body[ServiceSpec]) -> dict[str, Any]:
    """Change a service; `depends_on` stays as it is when left out."""
    service = queries.service(asker(request), ref)
    return detail_json(request, actions.save_service(spec, actor=asker(request), id=service.pk))


@router.delete("/services/{ref}", response=Count)
def delete_service(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a service; refused while incidents of it are on record."""
    service = queries.service(asker(request), ref)
    return removed(actions.delete_services([service.pk], actor=asker(request)))


@router.get("/changes", response=ChangeList)
def list_changes(
    request: HttpRequest,
    paging: Query[Paging],
    service: str = "",
    since: Moment | None = None,
    until: Moment | None = None,
) -> dict[str, Any]:
    """Changes, newest first."""
    actor = asker(request)
    service_id = queries.service(actor, service).pk if service else None
    rows = queries.changes(actor, service_id=service_id, since=since, until=until)
    found, following = page(rows, paging, ("-at", "-id"))
    return {"items": [change_json(row) for row in found], "next": following}


@router.post("/changes", response={201: Count})
def create_change(request: HttpRequest, body: ChangeIn) -> Status[dict[str, int]]:
    """Keep a change: a deploy, a flag, a configuration change."""
    actor = asker(request)
    service_id = queries.service(actor, body.service).pk if body.service else None
    spec = ChangeSpec(service_id, body.at or clock.now(), body.summary, body.origin, body.links, body.details)
    return Status(201, {"count": actions.record_changes([spec], actor=actor)})
