"""Providers over HTTP: the accounts that SMS and calls go through. For administrators."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, removed, strict
from tocsin.delivery import provider_queries, queries
from tocsin.delivery.actions.providers import delete_providers, save_provider, send_test_through
from tocsin.delivery.api import DeliveryOut, delivery_json
from tocsin.delivery.carrier import callback_path
from tocsin.delivery.provider_queries import Going, going
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.platform.errors import NotFound

router = Router(tags=["delivery"])
strict(ProviderSpec)


class ProviderOut(Schema):
    """A provider. Its secret does not come out. `state`: closed (it is used), open (it rests after failures) or probe
    (the next message finds out); `sent` and `failed` are the last hour's."""

    id: int
    name: str
    slug: str
    kind: str
    config: dict[str, Any]
    secret_set: bool
    countries: list[str]
    position: int
    enabled: bool
    carries: list[str]
    replies_url: str
    state: str
    open_until: datetime | None
    problem: str
    sent: int
    failed: int
    refused_requests: int


class ProviderList(Schema):
    items: list[ProviderOut]
    next: str | None


def provider_json(one: Going) -> dict[str, Any]:
    """A provider and how it goes."""
    row = one.row
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "kind": row.kind,
        "config": row.config,
        "secret_set": bool(row.secret),
        "countries": row.countries,
        "position": row.position,
        "enabled": row.enabled,
        "carries": list(one.carries),
        "replies_url": f"{settings.TOCSIN.public_url}{callback_path(row.slug, 'message')}",
        "state": one.state,
        "open_until": one.open_until,
        "problem": one.reason,
        "sent": one.good,
        "failed": one.bad,
        "refused_requests": one.refused,
    }


@router.get("/providers", response=ProviderList)
def list_providers(request: HttpRequest, paging: Query[Paging], q: str = "") -> dict[str, Any]:
    """Providers in the order in which they are asked."""
    rows = provider_queries.providers(asker(request), q)
    found, following = page(rows, paging, ("position", "name", "id"))
    return {"items": [provider_json(one) for one in going(found)], "next": following}


@router.post("/providers", response={201: ProviderOut})
def create_provider(request: HttpRequest, spec: Body[ProviderSpec]) -> Status[dict[str, Any]]:
    """Add an account that SMS and calls go through. `countries` are dialling prefixes; without any it serves all."""
    row = save_provider(spec, actor=asker(request))
    return Status(201, provider_json(going([row])[0]))


@router.get("/providers/{ref}", response=ProviderOut)
def show_provider(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A provider by id, slug or name, and how it goes."""
    return provider_json(going([provider_queries.provider(asker(request), ref)])[0])


@router.put("/providers/{ref}", response=ProviderOut)
def change_provider(request: HttpRequest, ref: str, spec: Body[ProviderSpec]) -> dict[str, Any]:
    """Change a provider. A `secret` that is left out stays as it is."""
    actor = asker(request)
    row = save_provider(spec, actor=actor, id=provider_queries.provider(actor, ref).pk)
    return provider_json(going([row])[0])


@router.delete("/providers/{ref}", response=Count)
def remove_provider(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a provider."""
    actor = asker(request)
    return removed(delete_providers([provider_queries.provider(actor, ref).pk], actor=actor))


@router.post("/providers/{ref}/test", response={202: DeliveryOut})
def try_provider(request: HttpRequest, ref: str) -> Status[dict[str, Any]]:
    """Send an SMS through a provider to yourself; ask for the delivery again to see what became of it."""
    actor = asker(request)
    row = queries.delivery(actor, send_test_through(provider_queries.provider(actor, ref).pk, actor=actor))
    if row is None:
        raise NotFound("There is no such delivery.")
    return Status(202, delivery_json(actor, row))
