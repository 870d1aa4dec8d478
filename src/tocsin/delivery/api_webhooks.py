"""Webhooks over HTTP: the addresses outside that policies call."""

from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, removed, strict
from tocsin.delivery import queries, webhooks
from tocsin.delivery.actions.webhooks import called_by, delete_webhooks, save_webhook, send_test_to
from tocsin.delivery.api import DeliveryOut, delivery_json
from tocsin.delivery.models import Webhook
from tocsin.delivery.rules import WEBHOOK, WebhookSpec
from tocsin.people.rules import Deed, may
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

router = Router(tags=["delivery"])
strict(WebhookSpec)


class WebhookOut(Schema):
    """A webhook. What is secret does not come out; its address only to whoever may change it."""

    id: int
    name: str
    slug: str
    team: str
    url: str
    signed: bool
    authorized: bool
    enabled: bool
    format: str


class WebhookList(Schema):
    items: list[WebhookOut]
    next: str | None


class WebhookDetail(WebhookOut):
    called_by: list[str]


def webhook_json(actor: Actor, row: Webhook) -> dict[str, Any]:
    """A webhook as this actor may see it."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "team": row.team.slug if row.team else "",
        "url": row.url if may(actor, Deed.CONFIGURE, row.team_id) else queries.masked(WEBHOOK, row.url),
        "signed": bool(row.secret),
        "authorized": bool(row.authorization),
        "enabled": row.enabled,
        "format": row.format,
    }


def _detail(actor: Actor, row: Webhook) -> dict[str, Any]:
    return webhook_json(actor, row) | {"called_by": called_by(row.pk)}


@router.get("/webhooks", response=WebhookList)
def list_webhooks(request: HttpRequest, paging: Query[Paging], q: str = "") -> dict[str, Any]:
    """Webhooks by name."""
    actor = asker(request)
    found, following = page(webhooks.webhooks(actor, q), paging, ("name", "id"))
    return {"items": [webhook_json(actor, row) for row in found], "next": following}


@router.post("/webhooks", response={201: WebhookDetail})
def create_webhook(request: HttpRequest, spec: Body[WebhookSpec]) -> Status[dict[str, Any]]:
    """Add a webhook that policies can call. Requests are signed: PagerDuty's V3 webhooks, or CloudEvents."""
    actor = asker(request)
    return Status(201, _detail(actor, save_webhook(spec, actor=actor)))


@router.get("/webhooks/{ref}", response=WebhookDetail)
def show_webhook(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A webhook by id, slug or name, with the policies that call it."""
    actor = asker(request)
    return _detail(actor, webhooks.webhook(actor, ref))


@router.put("/webhooks/{ref}", response=WebhookDetail)
def change_webhook(request: HttpRequest, ref: str, spec: Body[WebhookSpec]) -> dict[str, Any]:
    """Change a webhook. A `secret` or `authorization` that is left out stays as it is."""
    actor = asker(request)
    return _detail(actor, save_webhook(spec, actor=actor, id=webhooks.webhook(actor, ref).pk))


@router.delete("/webhooks/{ref}", response=Count)
def remove_webhook(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a webhook; refused while a policy calls it."""
    actor = asker(request)
    return removed(delete_webhooks([webhooks.webhook(actor, ref).pk], actor=actor))


@router.post("/webhooks/{ref}/test", response={202: DeliveryOut})
def try_webhook(request: HttpRequest, ref: str) -> Status[dict[str, Any]]:
    """Send a test to a webhook; ask for the delivery again to see what became of it."""
    actor = asker(request)
    row = queries.delivery(actor, send_test_to(webhooks.webhook(actor, ref).pk, actor=actor))
    if row is None:
        raise NotFound("There is no such delivery.")
    return Status(202, delivery_json(actor, row))
