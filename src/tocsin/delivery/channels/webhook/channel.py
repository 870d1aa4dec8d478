"""Webhook: an HTTP POST, signed, in one of two shapes that existing receivers understand.

PagerDuty's V3 webhooks, or CloudEvents 1.0 in structured mode (``application/cloudevents+json``, the JSON format of the
specification). What they say of an incident is the same.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, ClassVar

from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Descriptor,
    Field,
    IncidentFacts,
    Message,
    Method,
    Result,
    post,
)

FORMATS = (("pagerduty", "PagerDuty V3"), ("cloudevents", "CloudEvents 1.0"))
URGENCY = {"P1": "high", "P2": "high", "P3": "high"}


def stamp(moment: datetime) -> str:
    """A moment as PagerDuty writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def signature(secret: str, body: bytes) -> str:
    """``v1=`` and the hex HMAC-SHA256 of the raw body (PagerDuty, "Verifying webhook signatures")."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def service_data(incident: IncidentFacts, public_url: str) -> dict[str, Any]:
    """The service of an incident, as a reference."""
    return {
        "id": str(incident.service_id),
        "type": "service_reference",
        "summary": incident.service,
        "html_url": f"{public_url}/services/{incident.service_id}/",
    }


def incident_data(incident: IncidentFacts, public_url: str) -> dict[str, Any]:
    """An incident as ``data`` of a V3 event."""
    return {
        "id": str(incident.id),
        "type": "incident",
        "self": f"{public_url}/api/v1/incidents/{incident.id}",
        "html_url": incident.url,
        "number": incident.id,
        "status": "resolved" if incident.state == "closed" else incident.state,
        "incident_key": incident.number,
        "created_at": stamp(incident.opened_at),
        "title": incident.title,
        "service": None if incident.confidential else service_data(incident, public_url),
        "assignees": [],
        "escalation_policy": None,
        "teams": [],
        "priority": {"id": incident.priority, "type": "priority_reference", "summary": incident.priority},
        "urgency": URGENCY.get(incident.priority, "low"),
        "conference_bridge": None,
        "resolve_reason": None,
    }


def _about(message: Message, public_url: str) -> tuple[str, str, dict[str, Any]]:
    """PagerDuty's event type and resource type, and the data."""
    if message.kind == "test":
        return "pagey.ping", "pagey", {"message": message.body, "type": "ping"}
    if message.about == "notice":
        return (
            "tocsin.notice",
            "notice",
            {"message": message.title, "type": "notice", "html_url": message.link("view")},
        )
    kind = "incident.resolved" if message.about == "resolved" else "incident.triggered"
    if message.kind == "bundle":
        incidents = [incident_data(item, public_url) for item in message.incidents]
        return kind, "incident", {"type": "incident_list", "html_url": message.link("view"), "incidents": incidents}
    return kind, "incident", incident_data(message.incidents[0], public_url)


def _ours(message: Message) -> dict[str, Any]:
    """What neither shape has a place for."""
    return {
        "kind": message.kind,
        "drill": message.drill,
        "to": message.to,
        "title": message.title,
        "body": message.body,
        "why": message.why,
        "others": list(message.others),
        "links": {link.verb: link.url for link in message.links},
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def payload(message: Message, public_url: str) -> bytes:
    """The body in PagerDuty's shape: one event; a bundle lists its incidents."""
    kind, resource, data = _about(message, public_url)
    event = {
        "id": message.key,
        "event_type": kind,
        "resource_type": resource,
        "occurred_at": stamp(message.at),
        "agent": None,
        "client": {"name": "Tocsin"},
        "data": data,
        "tocsin": _ours(message),
    }
    return _json({"event": event})


CLOUD_TYPES = {"pagey.ping": "dev.tocsin.test", "tocsin.notice": "dev.tocsin.notice"}


def cloud_event(message: Message, public_url: str) -> bytes:
    """The body as a CloudEvent. Source and id name it: the same over all attempts.

    A bundle has no subject, and the plural in its type: ``dev.tocsin.incidents.triggered``.
    """
    kind, _, data = _about(message, public_url)
    name = CLOUD_TYPES.get(kind) or f"dev.tocsin.{kind}"
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": message.key,
        "source": public_url,
        "type": name.replace("incident.", "incidents.") if message.kind == "bundle" else name,
        "time": stamp(message.at),
        "datacontenttype": "application/json",
        "drill": message.drill,  # an extension, as the specification allows
    }
    if message.incident is not None and message.kind != "bundle":
        event["subject"] = message.incident.number
    return _json(event | {"data": data | {"tocsin": _ours(message)}})


class Webhook(Channel):
    """One POST a message. Any 2xx is taken as accepted."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="webhook",
        label="Webhook",
        summary="A signed HTTP POST to an address of yours, as PagerDuty's V3 webhooks send it or as a CloudEvent.",
        address=Field(
            "address", "Address", "url", "Where to POST to", required=True, placeholder="https://example.org/hook"
        ),
        secret=Field(
            "secret", "Signing secret", "secret", "Signs every body; check X-PagerDuty-Signature", max_length=200
        ),
        config=(
            Field(
                "authorization",
                "Authorization header",
                "text",
                "Sent as it is, for example: Bearer abc",
                max_length=500,
            ),
            Field("format", "Shape", "choice", default=FORMATS[0][0], choices=FORMATS),
        ),
        actions=True,
        bundles=True,
        bundle_size=100,
        concurrency=64,
        timeout_s=10.0,
        icon="webhook",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """POST the event, signed."""
        cloud = method.config.get("format") == "cloudevents"
        body = (cloud_event if cloud else payload)(message, context.public_url)
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8" if cloud else "application/json",
            "X-Webhook-Id": message.key,
            "X-Webhook-Subscription": f"TOCSIN-{method.id or 0}",
            "Idempotency-Key": message.key,
            "X-Tocsin-Kind": message.kind,
            "X-Tocsin-Drill": "true" if message.drill else "false",
        }
        if method.secret:
            headers["X-PagerDuty-Signature"] = signature(method.secret, body)
        if method.config.get("authorization"):
            headers["Authorization"] = str(method.config["authorization"])
        result, answer = await post(context, method.address, body, headers)
        if isinstance(result, Accepted) and answer is not None:
            return Accepted(answer.headers.get("x-request-id", "")[:300])
        return result


channel = Webhook()
