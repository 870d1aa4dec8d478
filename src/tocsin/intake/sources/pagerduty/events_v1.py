"""PagerDuty Events v1 (``/generic/2010-04-15/create_event.json``) into signals, for senders that never moved on.

``service_key`` is the key, ``incident_key`` the dedup key, ``description`` the title. The format has no severity: what
comes in by it is taken as critical, as PagerDuty does.
"""

from typing import Any
from uuid import uuid4

import msgspec

from tocsin.intake.contract import (
    Answer,
    Facts,
    Link,
    Parsed,
    ParseError,
    Request,
    Signal,
    cut_title,
    short_key,
)
from tocsin.intake.contract.signal import Action

PATH = "/generic/2010-04-15/create_event.json"
ACTIONS: dict[str, Action] = {"trigger": "trigger", "acknowledge": "acknowledge", "resolve": "resolve"}


def meant(request: Request) -> bool:
    """Whether the request is one of Events v1."""
    return request.path.rstrip("/") == PATH or request.tail.strip("/").endswith("create_event.json")


def key(request: Request) -> str:
    """The service key in the body. Raises ParseError when it cannot be one."""
    value = Facts.of(request).at("service_key")
    if not isinstance(value, str) or len(value) != 32:
        raise ParseError(["'service_key' is the wrong length (should be 32 characters)"])
    if not (value.isascii() and value.isalnum()):
        raise ParseError(["'service_key' cannot contain non-alphanumeric characters."])
    return value


def parse(request: Request) -> Parsed:
    """One event is one signal. The answer names its incident key."""
    facts = Facts.of(request)
    action = ACTIONS.get(facts.text("event_type"))
    if action is None:
        facts.wrong("event_type", "is invalid (must be one of: trigger acknowledge resolve)")
    sent_key = facts.text("incident_key")
    if not sent_key and action in ("acknowledge", "resolve"):
        facts.wrong("incident_key", "is missing")
    title = facts.text("description")
    if action == "trigger" and not title:
        facts.wrong("description", "is missing or blank")
    facts.refuse_if_wrong()
    sent_key = sent_key or uuid4().hex
    remarks: list[str] = []
    dedup_key = short_key(sent_key)
    if dedup_key is not sent_key:
        remarks.append("incident_key cut at 255 characters")
    client = facts.text("client")
    signal = Signal(
        action=action or "trigger",
        dedup_key=dedup_key,
        title=cut_title(title, remarks, "description"),
        severity="critical",
        details=facts.at("details"),
        links=_links(facts),
        remarks=remarks,
        origin=client,
        client=client,
        client_url=facts.text("client_url"),
    )
    answer: dict[str, Any] = {"status": "success", "message": "Event processed", "incident_key": dedup_key}
    return Parsed([signal], Answer(200, msgspec.json.encode(answer)))


def _links(facts: Facts) -> list[Link]:
    links = []
    for context in facts.parts("contexts"):
        address = context.text("href", "src")
        if address:
            links.append(Link(address, context.text("text", "alt") or address))
    return links
