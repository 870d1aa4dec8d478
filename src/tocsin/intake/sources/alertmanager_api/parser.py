"""Alertmanager's API v2 (``POST /api/v2/alerts``) into signals.

Rules of Alertmanager 0.25: an alert without an end, or whose end is still to come, fires until then unless it is
reported again; one whose end has passed is resolved. Valid alerts of a mixed batch are stored all the same. Labels with
an empty value do not count. Two alerts with equal labels are the same; the key is a hash of the labels.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tocsin.intake.contract import (
    Answer,
    Link,
    Parsed,
    ParseError,
    Request,
    Signal,
    as_text,
    cut_title,
    decode_json,
    identity,
    moment,
    severity_of,
    tidy_labels,
)

ROOTS = ("/api/v2/", "/alertmanager/api/v2/")
TITLES = ("summary", "message", "title")
_FNV_OFFSET, _FNV_PRIME, _64_BITS = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF
_INDEX = re.compile(r"^(\d+)\.")


class Alert(msgspec.Struct, gc=False):
    """An alert as Prometheus posts it."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""
    endsAt: str = ""
    generatorURL: str = ""


_decode = msgspec.json.Decoder(list[Alert]).decode


class _Mixed(msgspec.Struct):
    alerts: list[Alert]
    errors: list[str]
    status: int


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's own name of a label set: FNV-1a, 64 bits, over name 0xFF value 0xFF in the order of names, hex."""
    state = _FNV_OFFSET
    for name in sorted(labels):
        for byte in b"%b\xff%b\xff" % (name.encode(), labels[name].encode()):
            state = ((state ^ byte) * _FNV_PRIME) & _64_BITS
    return f"{state:016x}"


def takes(method: str, path: str, query: str) -> bool:
    """Whether the door serves an address below the roots: alerts that are posted. The rest needs the database."""
    return method == "POST" and path.rstrip("/").endswith("/api/v2/alerts")


def leaves(method: str, tail: str) -> bool:
    """Whether what stands behind a source's key is left to the API: all of it but alerts that are posted."""
    return tail.startswith("api/v2/") and not (method == "POST" and tail.rstrip("/") == "api/v2/alerts")


def key(request: Request) -> str | None:
    """The key of a request to the root address: Bearer token, password of Basic, or ``?token=``. Raises ParseError."""
    return key_in(str(request.headers.get("authorization") or ""), request.query)


def key_in(header: str, query: str) -> str | None:
    """The key in the value of an ``Authorization`` header or in a query; None: there is none. Raises ParseError."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "genkey", "geniekey"):
        return value
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            raise ParseError(["'Authorization' is not valid Basic authentication"], status=401) from None
    try:
        tokens = parse_qs(query, max_num_fields=50).get("token") if query else None
    except ValueError:
        raise ParseError(["the query has too many fields"]) from None
    return tokens[-1] if tokens else None


def answer(request: Request) -> Answer | None:
    """Health of an Alertmanager, for tools that look before they send."""
    if request.method not in ("GET", "HEAD"):
        return None
    if request.path.rstrip("/").endswith(("/-/healthy", "/-/ready")):
        return Answer(200, b"OK", "text/plain; charset=utf-8")
    return Answer(405, b'{"code":405,"message":"only POST is served here"}', headers=(("allow", "POST"),))


def _strict(body: bytes) -> _Mixed:
    return _Mixed(_decode(body), [], 400)


def _loosely(value: Any) -> _Mixed:
    """The valid alerts of plain JSON, and what is wrong with the others."""
    if not isinstance(value, list):
        raise ParseError(["'alerts' must be a list"])
    found, errors, status = [], [], 400
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            errors.append(f"{index} in body must be of type object")
        elif item.get("labels") is None:
            errors.append(f"{index}.labels in body is required")
            status = 422
        elif not isinstance(item["labels"], dict):
            errors.append(f"{index}.labels in body must be of type object")
            status = 422
        else:
            found.append(
                Alert(
                    labels={str(name): as_text(text) for name, text in item["labels"].items()},
                    annotations=tidy_labels(item.get("annotations")),
                    startsAt=as_text(item.get("startsAt")),
                    endsAt=as_text(item.get("endsAt")),
                    generatorURL=as_text(item.get("generatorURL")),
                )
            )
    return _Mixed(found, errors, status)


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A signal for each valid alert.

    When some are invalid the answer is an error that names them, although the valid ones are stored: senders that
    repeat the batch lose nothing. When none is valid, ParseError.
    """
    mixed = decode_json(request.body, _strict, _loosely)
    errors, status = mixed.errors, mixed.status
    now = request.now
    severity_label = config.get("severity_label") or "severity"
    default = config.get("default_severity") or "error"
    silence = timedelta(seconds=int(config.get("resolve_timeout_s") or 300))
    signals = []
    for alert in mixed.alerts:
        labels = alert.labels
        if "" in labels.values():
            labels = {name: text for name, text in labels.items() if text}
        if not labels:
            errors.append("labels: at least one label pair required")
        elif "" in labels:
            errors.append('labels: invalid label name ""')
        else:
            signals.append(_signal(alert, labels, now, silence, severity_label, default))
    if not errors:
        return Parsed(signals, Answer(200))
    if not signals:
        raise ParseError(errors[:20], status)
    return Parsed(signals, Answer(status, refuse(status, errors[:20], "event")), errors[:20])


def _signal(
    alert: Alert, labels: dict[str, str], now: datetime, silence: timedelta, severity_label: str, default: Any
) -> Signal:
    annotations = alert.annotations
    remarks: list[str] = []
    title = ""
    for name in TITLES:
        title = annotations.get(name, "")
        if title:
            break
    title = title or labels.get("alertname") or "Alert without a name"
    ends = moment(alert.endsAt) if alert.endsAt else None
    resolved = ends is not None and ends <= now
    starts = moment(alert.startsAt) if alert.startsAt else None
    links = []
    if "runbook_url" in annotations:
        links.append(Link(annotations["runbook_url"], "Runbook"))
    if "dashboard_url" in annotations:
        links.append(Link(annotations["dashboard_url"], "Dashboard"))
    if alert.generatorURL:
        links.append(Link(alert.generatorURL, "Query"))
    return Signal(
        action="resolve" if resolved else "trigger",
        dedup_key=identity(labels),
        title=title if len(title) <= 1024 else cut_title(title, remarks, "summary"),
        severity=severity_of(labels.get(severity_label, default), default),
        labels=labels,
        details={"annotations": annotations},
        links=links,
        remarks=remarks,
        origin=labels.get("instance", ""),
        occurred_at=ends if resolved else starts,
        expires_at=None if resolved else ends or now + silence,
    )


def refuse(status: int, errors: list[str], kind: str) -> bytes:
    """The body of a refusal as Alertmanager's API writes it: a string for bad alerts, an object for a bad format."""
    text = "; ".join(errors)
    if status == 422:
        return msgspec.json.encode({"code": 602, "message": text})
    if kind == "json":
        return msgspec.json.encode({"code": status, "message": f'parsing alerts body from "" failed, because {text}'})
    if status == 400:
        return msgspec.json.encode(text)
    return msgspec.json.encode({"code": status, "message": text})
