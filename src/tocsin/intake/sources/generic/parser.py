"""Any JSON into signals. What no expression maps is guessed from the names that tools commonly use."""

from collections.abc import Mapping as Values
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tocsin.intake.contract import Answer, Link, Mapping, Parsed, ParseError, Request, as_text, decode_json, identity
from tocsin.intake.contract.mapping import action_of

LIMIT = 10_000
TITLES = ("title", "summary", "message", "name", "subject", "text", "description", "alert", "event")
KEYS = ("dedup_key", "deduplication_key", "dedup", "alias", "fingerprint", "incident_key", "alert_uid", "entity_id",
        "key", "uid", "id")  # fmt: skip
ACTIONS = ("action", "event_action", "status", "state", "current_state", "message_type", "event_type")
SEVERITIES = ("severity", "priority", "level", "urgency")
LINKS = ("url", "link", "href", "link_to_upstream_details", "source_url")
ORIGINS = ("source", "host", "hostname", "instance", "service", "monitor", "resource", "entity")
MOMENTS = ("timestamp", "time", "occurred_at", "started_at", "startsAt", "date")
LABELS = ("labels", "tags")
HEADERS = ("content-type", "user-agent", "x-event", "x-event-type", "x-severity", "x-priority", "x-title", "x-key")

_decode = msgspec.json.Decoder(Any).decode


def parse(request: Request, config: Values[str, Any]) -> Parsed:
    """One signal for an object, one for each object of a list."""
    body = decode_json(request.body, _decode, lambda value: value)
    items = body if isinstance(body, list) else [body]
    if len(items) > LIMIT:
        raise ParseError([f"'body' may hold at most {LIMIT} items"], 413)
    errors = [f"'body[{index}]' must be an object" for index, item in enumerate(items) if not isinstance(item, dict)]
    if errors:
        raise ParseError(errors[:20] if isinstance(body, list) else ["'body' must be an object or a list of objects"])
    variables = {
        "headers": {name: str(value) for name in HEADERS if (value := request.headers.get(name)) is not None},
        "query": dict(parse_qsl(request.query, errors="replace", max_num_fields=200)[:200]) if request.query else {},
    }
    mapping = Mapping(config)
    signals = [
        signal for signal in (mapping.signal(item, variables, _guess(item)) for item in items) if signal is not None
    ]
    keys = msgspec.json.encode([signal.dedup_key for signal in signals[:100]])
    text = b'{"status":"success","message":"Signals stored","accepted":%d,"dedup_keys":%b}' % (len(signals), keys)
    return Parsed(signals, Answer(202, text))


def _first(item: Values[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) not in (None, "") and not _deep(item[name])), None)


def _deep(value: Any) -> bool:
    return isinstance(value, dict | list)


def _guess(item: dict[str, Any]) -> dict[str, Any]:
    title = _first(item, TITLES)
    action = next((found for found in (action_of(item.get(name)) for name in ACTIONS) if found), None)
    key = _first(item, KEYS)
    link = _first(item, LINKS)
    labels = next((item[name] for name in LABELS if isinstance(item.get(name), dict)), None)
    return {
        "action": action,
        "dedup_key": key if key is not None else identity([as_text(title), as_text(_first(item, ORIGINS))]),
        "title": title if title is not None else "Signal without a title",
        "severity": _first(item, SEVERITIES),
        "labels": labels or {},
        "details": item,
        "links": [Link(link, "Open")] if isinstance(link, str) else [],
        "origin": _first(item, ORIGINS),
        "occurred_at": _first(item, MOMENTS),
    }
