"""Messages of VictorOps' REST endpoint (Splunk On-Call's "REST endpoint integration") into signals.

The address ends in the key and a routing key (``.../alert/<key>/<routing key>``). ``entity_id`` names the condition,
``message_type`` says what happened. CRITICAL, WARNING and INFO trigger, with that severity: VictorOps itself only keeps
a note of INFO, but nothing that somebody sent as an alert is lost here. Fields that the format does not know are kept;
those with text are labels, and ``vo_annotate.u.<title>`` is a link, as its documentation has it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import msgspec

from tocsin.intake.contract import Answer, Facts, Parsed, Request, report
from tocsin.intake.contract.signal import Action, Severity

ROOT = "/integrations/generic/20131114/alert/"
TYPES: dict[str, tuple[Action, Severity]] = {
    "critical": ("trigger", "critical"),
    "warning": ("trigger", "warning"),
    "info": ("trigger", "info"),
    "acknowledgement": ("acknowledge", "critical"),
    "recovery": ("resolve", "critical"),
}
LINK = "vo_annotate.u."
KNOWN = frozenset(
    ("message_type", "entity_id", "entity_display_name", "state_message", "state_start_time", "monitoring_tool")
)
MOST_LABELS = 50


def takes(method: str, path: str, query: str) -> bool:
    """Whether an address below the root is one of a key: they all are."""
    return bool(path.removeprefix(ROOT).strip("/"))


def _words(request: Request) -> list[str]:
    """The key, if it is in the path, and what stands behind it."""
    return [unquote(word) for word in request.path.removeprefix(ROOT).split("/") if word]


def key(request: Request) -> str | None:
    """The key in the address."""
    words = _words(request)
    return words[0] if words else None


def _routing_key(request: Request) -> str:
    if request.path.startswith(ROOT):
        return "/".join(_words(request)[1:])
    return unquote(request.tail.strip("/"))


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One message is one signal. The answer names its entity."""
    facts = Facts.of(request)
    said = facts.one_of("message_type", TYPES)
    entity = facts.text("entity_id")
    if said and said[0] != "trigger" and not entity:
        facts.wrong("entity_id", "is needed, to know what this is about")
    facts.refuse_if_wrong()
    action, severity = said or ("trigger", "critical")
    entity = entity or uuid4().hex
    message = facts.text("state_message")
    lines = message.strip().splitlines()
    title = facts.text("entity_display_name") or (lines[0] if lines else "") or entity
    extra = {
        name: value
        for name, value in facts.value.items()
        if name not in KNOWN and isinstance(value, str) and value and not name.startswith("vo_annotate.")
    }
    labels = dict(list(extra.items())[:MOST_LABELS])
    if routing_key := _routing_key(request):
        labels["routing_key"] = routing_key
    tool = facts.text("monitoring_tool")
    signal = report(
        action,
        entity,
        title,
        severity=severity,
        labels=labels,
        details=facts.value,
        links=[
            (value, name.removeprefix(LINK))
            for name, value in facts.value.items()
            if name.startswith(LINK) and isinstance(value, str)
        ],
        origin=facts.text("host_name") or tool,
        client=tool,
        occurred_at=facts.when("state_start_time"),
    )
    answer = {"result": "success", "entity_id": entity}
    return Parsed([signal], Answer(200, msgspec.json.encode(answer)))


def refuse(status: int, errors: list[str], kind: str) -> bytes:
    """The body of a refusal in the endpoint's shape."""
    return msgspec.json.encode({"result": "failure", "messages": errors})
