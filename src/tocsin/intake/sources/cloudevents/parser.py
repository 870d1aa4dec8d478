"""CloudEvents 1.0, HTTP binding (binary, structured, batch) into signals.

Without a mapping: the key is ``subject``, else source and id; the action is read from the end of ``type`` or from
``data.status``; the title from ``data``. With a mapping, expressions see ``body`` (the data) and ``event`` (the
attributes).
"""

import base64
import binascii
from collections.abc import Iterable
from collections.abc import Mapping as Values
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import msgspec

from tocsin.intake.contract import (
    Answer,
    Link,
    Mapping,
    Parsed,
    ParseError,
    Request,
    Signal,
    as_text,
    clean,
    clean_text,
    decode_json,
)
from tocsin.intake.contract.mapping import action_of

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
REQUIRED = ("id", "source", "type")
KNOWN = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "specversion")
EXTENSIONS = ("severity", "priority", "status", "traceparent", "partitionkey", "sequence")
LIMIT = 10_000

_decode = msgspec.json.Decoder(Any).decode


def answer(request: Request) -> Answer | None:
    """The handshake by which a sender asks whether its events are welcome."""
    if request.method != "OPTIONS":
        return None
    origin = request.headers.get("webhook-request-origin")
    headers = [("allow", "POST, OPTIONS")]
    if origin:
        headers += [("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "*")]
    return Answer(204, headers=tuple(headers))


def _attribute(text: Any) -> str:
    """A header's value: percent-decoded, quotes of old bindings taken off."""
    value = str(text).strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return clean_text(unquote(value, errors="replace"))


def _binary(request: Request) -> Iterable[tuple[dict[str, Any], Any]]:
    headers = request.headers
    event: dict[str, Any] = {}
    for name in (*KNOWN, *EXTENSIONS):
        value = headers.get(f"ce-{name}")
        if value is not None:
            event[name] = _attribute(value)
    if not event:
        raise ParseError(["'ce-specversion' is missing: no CloudEvents header, and the type is not " + STRUCTURED], 415)
    data: Any = None
    media = request.content_type
    if request.body.strip():
        if not media or media == "application/json" or media.endswith("+json") or media == "text/json":
            data = decode_json(request.body, _decode, lambda value: value)
        elif media.startswith("text/"):
            data = clean_text(request.body.decode("utf-8", "replace"))
        else:
            data = {"data_base64": base64.b64encode(request.body).decode()}
    event["datacontenttype"] = media
    return [(event, data)]


def _structured(value: Any, where: str) -> tuple[dict[str, Any], Any]:
    if not isinstance(value, dict):
        raise ParseError([f"'{where or 'event'}' must be an object"])
    event = {name: item for name, item in value.items() if name not in ("data", "data_base64")}
    data = value.get("data")
    if data is None and value.get("data_base64") is not None:
        try:
            raw = base64.b64decode(str(value["data_base64"]), validate=True)
        except (binascii.Error, ValueError):
            raise ParseError([f"'{where}data_base64' is not base64"]) from None
        try:
            data = decode_json(raw, _decode, lambda plain: plain)
        except ParseError:
            data = clean_text(raw.decode("utf-8", "replace"))
    elif isinstance(data, str) and "json" in as_text(event.get("datacontenttype")):
        with suppress(ParseError):
            data = decode_json(data.encode("utf-8", "replace"), _decode, lambda plain: plain)
    return event, data


def _checked(event: dict[str, Any], where: str) -> list[str]:
    errors = []
    version = event.get("specversion")
    if version != "1.0":
        errors.append(
            f"'{where}specversion' must be 1.0" if version is not None else f"'{where}specversion' is missing"
        )
    for name in REQUIRED:
        value = event.get(name)
        if value is None or value == "":
            errors.append(f"'{where}{name}' is missing")
        elif not isinstance(value, str):
            errors.append(f"'{where}{name}' must be a string")
    return errors


def parse(request: Request, config: Values[str, Any]) -> Parsed:
    """One signal for each event; an empty batch is fine."""
    media = request.content_type
    if media == BATCH:
        batch = decode_json(request.body, _decode, lambda value: value)
        if not isinstance(batch, list):
            raise ParseError(["'events' must be a list"])
        if len(batch) > LIMIT:
            raise ParseError([f"'events' may hold at most {LIMIT}"], 413)
        events: Iterable[tuple[dict[str, Any], Any]] = [
            _structured(item, f"events[{index}].") for index, item in enumerate(batch)
        ]
        many = True
    elif media == STRUCTURED:
        events, many = [_structured(decode_json(request.body, _decode, lambda value: value), "")], False
    elif media.startswith("application/cloudevents"):
        raise ParseError([f"'content-type' {media} is not supported; JSON is"], 415)
    else:
        events, many = _binary(request), False
    errors: list[str] = []
    signals: list[Signal] = []
    mapping = Mapping(config)
    for index, (event, data) in enumerate(events):
        problems = _checked(event, f"events[{index}]." if many else "")
        if problems:
            errors += problems
            continue
        signal = _signal(event, data, mapping)
        if signal is not None:
            signals.append(signal)
    if errors:
        raise ParseError(errors[:20])
    return Parsed(signals, Answer(202, b'{"status":"success","message":"Events stored","accepted":%d}' % len(signals)))


def _signal(event: dict[str, Any], data: Any, mapping: Mapping) -> Signal | None:
    facts = data if isinstance(data, dict) else {}
    subject = as_text(event.get("subject"))
    kind = event["type"]
    action = action_of(kind.replace("_", ".").replace("-", ".").rpartition(".")[2])
    if action is None:
        action = action_of(facts.get("status")) or action_of(facts.get("state")) or action_of(event.get("status"))
    title = next((facts[name] for name in ("title", "summary", "message", "name") if facts.get(name)), None)
    link = facts.get("link") or facts.get("url")
    attributes = {name: as_text(value) for name, value in event.items() if not isinstance(value, dict | list)}
    labels = {name: text for name, text in attributes.items() if name in ("source", "type", "subject") and text}
    if isinstance(facts.get("labels"), dict):
        labels |= {str(name): as_text(value) for name, value in facts["labels"].items()}
    guess = {
        "action": action,
        "dedup_key": subject or f"{event['source']} {event['id']}",
        "title": title or (f"{kind}: {subject}" if subject else kind),
        "severity": facts.get("severity") or event.get("severity"),
        "labels": labels,
        "details": {"data": data, "event": attributes},
        "links": [Link(as_text(link), "Open")] if isinstance(link, str) and link else [],
        "origin": event["source"],
        "occurred_at": event.get("time"),
    }
    return mapping.signal(clean(data), {"event": attributes}, guess)
