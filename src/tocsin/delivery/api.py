"""Delivery over HTTP: what was sent, every try at it, and test messages."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.schema import Strict
from tocsin.delivery import actions, queries
from tocsin.delivery.actions.push import push_key
from tocsin.delivery.actions.verifying import send_code
from tocsin.delivery.models import Delivery
from tocsin.incidents import queries as incidents
from tocsin.incidents.api import number_of
from tocsin.people.actions import verifying
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

router = Router(tags=["delivery"])


class AttemptOut(Schema):
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    detail: str
    provider_ref: str


class DeliveryOut(Schema):
    id: int
    kind: str
    page: int | None
    incident: int | None
    user: str | None
    channel: str
    address: str
    state: str
    reason: str
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    provider_ref: str
    attempts: list[AttemptOut]


class DeliveryList(Schema):
    items: list[DeliveryOut]
    next: str | None = None


class CodeIn(Strict):
    code: str


class VerifiedOut(Schema):
    id: int
    channel: str
    verified_at: datetime | None


def delivery_json(actor: Actor, row: Delivery) -> dict[str, Any]:
    """A delivery with its attempts; the address is masked unless it is the asker's."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "page": row.page_id,
        "incident": row.incident_id,
        "user": row.user.email if row.user else None,
        "channel": row.channel,
        "address": queries.shown_address(actor, row),
        "state": row.state,
        "reason": row.reason,
        "next_at": row.next_at,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
        "provider_ref": row.provider_ref,
        "attempts": [
            {
                "number": one.number,
                "started_at": one.started_at,
                "ended_at": one.ended_at,
                "outcome": one.outcome,
                "detail": one.detail,
                "provider_ref": one.provider_ref,
            }
            for one in row.attempt_rows.all()
        ],
    }


@router.get("/incidents/{ref}/deliveries", response=DeliveryList)
def list_deliveries(request: HttpRequest, ref: str) -> dict[str, Any]:
    """Every message about an incident, with every try at it."""
    actor = asker(request)
    incident = incidents.incident(actor, number_of(ref))
    rows = queries.of_incidents(actor, [incident.pk]).get(incident.pk, [])
    return {"items": [delivery_json(actor, row) for row in rows]}


@router.get("/deliveries/{int:delivery_id}", response=DeliveryOut)
def show_delivery(request: HttpRequest, delivery_id: int) -> dict[str, Any]:
    """One message, with every try at it."""
    actor = asker(request)
    row = queries.delivery(actor, delivery_id)
    if row is None:
        raise NotFound("There is no such delivery.")
    return delivery_json(actor, row)


@router.post("/contact-methods/{int:method_id}/test", response={202: DeliveryOut})
def send_test(request: HttpRequest, method_id: int) -> Status[dict[str, Any]]:
    """Send a test message; ask for the delivery again to see what became of it."""
    actor = asker(request)
    row = queries.delivery(actor, actions.send_test(method_id, actor=actor))
    if row is None:
        raise NotFound("There is no such delivery.")
    return Status(202, delivery_json(actor, row))


@router.post("/contact-methods/{int:method_id}/verify", response={202: DeliveryOut})
def verify(request: HttpRequest, method_id: int) -> Status[dict[str, Any]]:
    """Send a code to a contact method; `confirm` takes it. At most one a minute."""
    actor = asker(request)
    row = queries.delivery(actor, send_code(method_id, actor=actor))
    if row is None:
        raise NotFound("There is no such delivery.")
    return Status(202, delivery_json(actor, row))


@router.post("/contact-methods/{int:method_id}/confirm", response=VerifiedOut)
def confirm(request: HttpRequest, method_id: int, body: CodeIn) -> dict[str, Any]:
    """Verify a contact method with the code that it received; five tries."""
    method = verifying.confirm(method_id, body.code, actor=asker(request))
    return {"id": method.pk, "channel": method.channel, "verified_at": method.verified_at}


class PushKeyOut(Schema):
    """The public half of this installation's key pair for push (VAPID), base64url."""

    key: str


@router.get("/push-key", response=PushKeyOut)
def show_push_key(request: HttpRequest) -> dict[str, str]:
    """The key that an app registers with for push (UnifiedPush), where it or its push server wants one."""
    require(asker(request), Deed.READ)
    return {"key": push_key()}
