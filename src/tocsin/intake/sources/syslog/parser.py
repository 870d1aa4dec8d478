"""Syslog messages into signals.

The body is one message when the listener says so (``x-syslog-frame: one``; ``x-syslog-peer`` is who sent it), else one
message a line.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import msgspec

from tocsin.intake.contract import (
    Action,
    Answer,
    Parsed,
    ParseError,
    Request,
    Severity,
    Signal,
    lines_of,
    lines_problem,
    report,
)
from tocsin.intake.sources.syslog.reading import SEVERITIES, Message, read_message

ACTIONS: dict[str, Action] = {"open": "trigger", "acknowledge": "acknowledge", "resolve": "resolve"}
GRADES: tuple[Severity, ...] = ("critical", "error", "warning", "info")
VERBS = (*ACTIONS, "ignore", "key", *GRADES)
PLACES = ("message", "host", "app", "msgid", "facility", "severity", "data")
MEANS: dict[int, Severity] = {0: "critical", 1: "critical", 2: "critical", 3: "error", 4: "warning"}

LIMIT = 10_000
KEPT_TEXT = 16_000
_VARIABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b|[0-9]+",
    re.IGNORECASE,
)


def networks(config: Mapping[str, Any]) -> list[Any]:
    """The addresses and networks whose messages are this source's. Raises ValueError."""
    return [ip_network(word, strict=False) for word in words(config.get("senders"))]


def words(value: Any) -> list[str]:
    """Words of a list as people write it, with commas or blanks."""
    return [word for word in re.split(r"[\s,;]+", str(value or "")) if word]


def problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration, by field."""
    found = {}
    if problem := lines_problem(config.get("rules"), VERBS, PLACES):
        found["rules"] = problem
    try:
        networks(config)
    except ValueError as error:
        found["senders"] = f"addresses or networks, as 10.0.0.0/8: {error}"[:300]
    return found


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """The signals that messages are. Raises ParseError when there is none, or too many at once."""
    peer = str(request.headers.get("x-syslog-peer") or "")
    one = request.headers.get("x-syslog-frame") == "one"
    raw = [line for line in ([request.body] if one else request.body.splitlines()) if line.strip(b"\0 \r\n\t")]
    if not raw:
        raise ParseError(["the body is empty; a syslog message is expected"])
    if len(raw) > LIMIT:
        raise ParseError([f"the body may hold at most {LIMIT} messages"], 413)
    read = [request.decoded] if isinstance(request.decoded, Message) else [read_message(line) for line in raw]
    signals, left_out = [], 0
    for message in read:
        signal = _signal(request, message, peer, config)
        if signal is None:
            left_out += 1
        else:
            signals.append(signal)
    answer = {"status": "success", "accepted": len(signals), "left_out": left_out}
    return Parsed(signals, Answer(200, msgspec.json.encode(answer)))


def _signal(request: Request, message: Message, peer: str, config: Mapping[str, Any]) -> Signal | None:
    """The signal of a message; None when the source leaves it out."""
    severity = SEVERITIES[message.severity]
    host = message.host or peer
    lines = lines_of(str(config.get("rules") or ""), VERBS, PLACES)
    places = {"message": message.text, "host": host, "app": message.app, "msgid": message.kind,
              "facility": message.facility, "severity": severity} if lines.rules else {}  # fmt: skip
    if lines.rules and message.data:
        places["data"] = msgspec.json.encode(message.data).decode()
    decided = lines.first((*ACTIONS, "ignore"), places)
    bad_enough = message.severity <= _threshold(config)
    verb = decided.rule.verb if decided is not None else "open" if bad_enough else "ignore"
    if verb == "ignore":
        return None
    named = lines.first(("key",), places)
    graded = lines.first(GRADES, places)
    remarks = [f"{fit.rule.verb} by {fit.why}"[:300] for fit in (decided, named, graded) if fit is not None]
    if request.headers.get("x-syslog-cut"):
        remarks.append("the message was longer than TOCSIN_SYSLOG_MAX_SIZE, or its connection ended; it was cut")
    grade: Severity = MEANS.get(message.severity, "info")
    if graded is not None:
        grade = next(one for one in GRADES if one == graded.rule.verb)
    first = next((line.strip() for line in message.text.splitlines() if line.strip()), "") or message.kind
    title = ": ".join(part for part in (host, message.app, first or "a message without a text") if part)
    at = message.at
    return report(
        ACTIONS[verb],
        (named.found.strip() if named else "") or _identity(message, host, first, config),
        title,
        severity=grade,
        labels={"host": host, "app": message.app, "facility": message.facility},
        details={
            "severity": severity,
            "facility": message.facility,
            "host": message.host,
            "sender": peer,
            "app": message.app,
            "process": message.process,
            "msgid": message.kind,
            "data": message.data,
            "message": message.text[:KEPT_TEXT],
        },
        origin=host,
        occurred_at=at if at is not None and at <= request.now else None,
        remarks=remarks,
    )


def _threshold(config: Mapping[str, Any]) -> int:
    worst = config.get("opens", "err")
    return SEVERITIES.index(worst) if worst in SEVERITIES else 3


def _identity(message: Message, host: str, text: str, config: Mapping[str, Any]) -> str:
    """The dedup key, as the source's ``identity`` says."""
    how = config.get("identity", "message")
    if how == "host":
        return f"host {host}"
    if how == "kind":
        return f"{host} {message.app} {message.kind}"
    return f"{host} {message.app} {plain_of(text)}"


def plain_of(text: str) -> str:
    """A message without what changes from one to the next: numbers, and what is written in hexadecimal, become #."""
    return _VARIABLE.sub("#", text[:1000])
