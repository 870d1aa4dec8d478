"""PagerDuty Events v2 into signals: trigger, acknowledge, resolve, and change events. Events v1 is ``events_v1``,
what its script for Nagios sends is ``nagios``.

Field rules, answers and error texts follow the public Events API v2 reference; where it is silent (an over-long
summary, a sloppy optional field) the event is kept and the doubt is remarked, because a lost page is worse.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from tocsin.intake.contract import (
    SEVERITIES,
    Answer,
    Link,
    Parsed,
    ParseError,
    Request,
    Signal,
    as_text,
    cut_title,
    decode_json,
    moment,
    severity_of,
    short_key,
)
from tocsin.intake.sources.pagerduty import events_v1, nagios

ACTIONS = ("trigger", "acknowledge", "resolve")
KEY_LENGTH = 32
SUCCESS = b'{"status":"success","message":"Event processed","dedup_key":'
CHANGE_SUCCESS = b'{"status":"success","message":"Change event processed"}'


class Payload(msgspec.Struct, gc=False):
    """The ``payload`` of an event. ``custom_details`` may be any JSON."""

    summary: str = ""
    source: str = ""
    severity: str = ""
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    custom_details: Any = None


class Image(msgspec.Struct, gc=False):
    """A picture to show with the event."""

    src: str = ""
    href: str | None = None
    alt: str | None = None


class Hyperlink(msgspec.Struct, gc=False):
    """A link to show with the event."""

    href: str = ""
    text: str | None = None


class Event(msgspec.Struct, gc=False):
    """An event as senders write it."""

    routing_key: str = ""
    event_action: str = ""
    dedup_key: str | None = None
    payload: Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[Hyperlink] | None = None
    images: list[Image] | None = None


_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.Encoder().encode


def _wrong(errors: list[str]) -> ParseError:
    return ParseError(errors)


def _loosely(value: Any) -> Event:
    """An event out of plain JSON: what is required must have its type, what is optional is taken as text."""
    if not isinstance(value, dict):
        raise ParseError(["the body must be an object"], kind="json")
    errors = [
        f"'{name}' must be a string"
        for name in ("routing_key", "event_action")
        if not isinstance(value.get(name, ""), str)
    ]
    payload = value.get("payload")
    if payload is not None and not isinstance(payload, dict):
        errors.append("'payload' must be an object")
    elif payload:
        errors += [
            f"'payload.{name}' must be a string"
            for name in ("summary", "source", "severity")
            if not isinstance(payload.get(name, ""), str)
        ]
    if isinstance(value.get("dedup_key"), dict | list):
        errors.append("'dedup_key' must be a string")
    if errors:
        raise _wrong(errors)

    def text(source: dict[str, Any], name: str) -> str | None:
        return as_text(source[name]) if source.get(name) is not None else None

    return Event(
        routing_key=value.get("routing_key", ""),
        event_action=value.get("event_action", ""),
        dedup_key=text(value, "dedup_key"),
        payload=None
        if payload is None
        else Payload(
            summary=payload.get("summary", ""),
            source=payload.get("source", ""),
            severity=payload.get("severity", ""),
            timestamp=text(payload, "timestamp"),
            component=text(payload, "component"),
            group=text(payload, "group"),
            class_=text(payload, "class"),
            custom_details=payload.get("custom_details"),
        ),
        client=text(value, "client"),
        client_url=text(value, "client_url"),
        links=[
            Hyperlink(as_text(item.get("href")), text(item, "text"))
            for item in _objects(value.get("links"))
        ],
        images=[
            Image(as_text(item.get("src")), text(item, "href"), text(item, "alt"))
            for item in _objects(value.get("images"))
        ],
    )  # fmt: skip


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _event(request: Request) -> Event:
    event: Event | None = request.decoded
    if event is None:
        event = request.decoded = decode_json(request.body, _decode, _loosely)
    return event


def key(request: Request) -> str:
    """The routing key in the body. Raises ParseError when it cannot be one."""
    if events_v1.meant(request):
        return events_v1.key(request)
    if nagios.meant(request):
        return nagios.key(request)
    routing_key = _event(request).routing_key
    if len(routing_key) != KEY_LENGTH:
        raise _wrong(["Length of 'routing_key' is incorrect (should be 32 characters)"])
    if not (routing_key.isascii() and routing_key.isalnum()):
        raise _wrong(["'routing_key' cannot contain non-alphanumeric characters."])
    return routing_key


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One event is one signal. The answer names its dedup key."""
    if events_v1.meant(request):
        return events_v1.parse(request)
    if nagios.meant(request):
        return nagios.parse(request)
    event = _event(request)
    if request.path.rstrip("/").endswith("/v2/change/enqueue") or request.tail.strip("/").endswith("change/enqueue"):
        return _change(event)
    action = event.event_action
    payload = event.payload
    errors: list[str] = []
    if action not in ACTIONS:
        errors.append("'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
    if not event.dedup_key and action in ("acknowledge", "resolve"):
        errors.append("'dedup_key' is missing")
    remarks: list[str] = []
    if action == "trigger":
        if payload is None:
            errors.append("'payload' is missing")
        else:
            if not payload.summary or payload.summary.isspace():
                errors.append("'payload.summary' is missing or blank")
            if not payload.source or payload.source.isspace():
                errors.append("'payload.source' is missing or blank")
            if payload.severity not in SEVERITIES and config.get("severity") != "lenient":
                errors.append(
                    "'payload.severity' is invalid (must be one of the following: "
                    "'critical', 'warning', 'error' or 'info')"
                )
    if errors:
        raise _wrong(errors)
    sent_key = event.dedup_key or uuid4().hex
    dedup_key = short_key(sent_key)
    if dedup_key is not sent_key:
        remarks.append("dedup_key cut at 255 characters")
    if payload is None:
        payload = Payload()
    severity = payload.severity
    if severity not in SEVERITIES:
        severity = severity_of(severity)
        if payload.severity:
            remarks.append(f"severity {payload.severity[:60]!r} taken as {severity}")
    signal = Signal(
        action=action,  # type: ignore[arg-type]  # checked against ACTIONS above
        dedup_key=dedup_key,
        title=cut_title(payload.summary, remarks, "summary"),
        severity=severity,
        labels=_labels(payload),
        details=payload.custom_details,
        links=_links(event) if event.links or event.images else [],
        remarks=remarks,
        origin=payload.source,
        client=event.client or "",
        client_url=event.client_url or "",
        occurred_at=_occurred(payload, remarks) if payload.timestamp else None,
    )
    return Parsed([signal], Answer(202, SUCCESS + _encode(dedup_key) + b"}"))


def _change(event: Event) -> Parsed:
    payload = event.payload
    if payload is None:
        raise _wrong(["'payload' is missing"])
    if not payload.summary or payload.summary.isspace():
        raise _wrong(["'payload.summary' is missing or blank"])
    remarks: list[str] = []
    signal = Signal(
        action="change",
        dedup_key=uuid4().hex,
        title=cut_title(payload.summary, remarks, "summary"),
        severity="info",
        labels=_labels(payload),
        details=payload.custom_details,
        links=_links(event) if event.links else [],
        remarks=remarks,
        origin=payload.source,
        occurred_at=_occurred(payload, remarks) if payload.timestamp else None,
    )
    return Parsed([signal], Answer(202, CHANGE_SUCCESS))


def _occurred(payload: Payload, remarks: list[str]) -> Any:
    result = moment(payload.timestamp)
    if result is None:
        remarks.append(f"timestamp {str(payload.timestamp)[:60]!r} is not ISO 8601; it was left out")
    return result


def _labels(payload: Payload) -> dict[str, str]:
    labels = {}
    if payload.source:
        labels["source"] = payload.source
    if payload.component:
        labels["component"] = payload.component
    if payload.group:
        labels["group"] = payload.group
    if payload.class_:
        labels["class"] = payload.class_
    return labels


def _links(event: Event) -> list[Link]:
    links = [Link(item.href, item.text or item.href) for item in event.links or () if item.href]
    for image in event.images or ():
        address = image.href or image.src
        if address:
            links.append(Link(address, image.alt or "image"))
    return links


def refuse(status: int, errors: list[str], kind: str) -> bytes:
    """The body of a refusal as Events v2 writes it."""
    if kind == "json":
        text, message, errors = (
            "Unrecognized object",
            "Event object format is unrecognized",
            ["JSON parse error", *errors],
        )
    else:
        text, message = "invalid event", "Event object is invalid"
    if status == 429:
        text, message = "throttle exceeded", "Requests for this service are arriving too quickly. Please retry later."
    elif status >= 500:
        text, message = "retry later", "The event could not be stored. Please retry."
    return _encode({"status": text, "message": message, "errors": errors})
