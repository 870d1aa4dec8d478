"""Grafana OnCall's formatted webhook into signals.

Every field is optional: ``alert_uid`` names the condition, ``state`` ``ok`` resolves it and anything else triggers,
``title``, ``message``, ``image_url``, ``link_to_upstream_details``. Without ``alert_uid`` the title is the identity.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, ParseError, Request, identity, json_of, report, severity_of, stored
from tocsin.intake.contract.signal import Signal

FIELDS = ("alert_uid", "title", "message", "state", "link_to_upstream_details")
RESOLVED = ("ok", "resolved")
ACKNOWLEDGED = ("acknowledged", "ack")


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A signal for an object, one for each object of a list."""
    body = json_of(request)
    items = body if isinstance(body, list) else [body]
    errors: list[str] = []
    signals = []
    for index, item in enumerate(items):
        where = f"body[{index}]" if isinstance(body, list) else "body"
        if not isinstance(item, dict):
            errors.append(f"'{where}' must be an object")
            continue
        facts = Facts(item, f"{where}." if isinstance(body, list) else "", errors)
        signals.append(_signal(facts))
    if errors:
        raise ParseError(errors[:20])
    return stored(signals)


def _signal(facts: Facts) -> Signal:
    if not facts.text(*FIELDS):
        facts.wrong("title", f"is missing; at least one of {', '.join(FIELDS)} is needed")
    for name in ("alert_uid", "state"):
        if isinstance(facts.at(name), dict | list):
            facts.wrong(name, "must be a string")
    state = facts.text("state").lower()
    title = facts.text("title", "message", "alert_uid") or "Alert without a title"
    return report(
        "resolve" if state in RESOLVED else "acknowledge" if state in ACKNOWLEDGED else "trigger",
        facts.text("alert_uid") or identity(title),
        title,
        severity=severity_of(facts.text("severity")),
        details=facts.value,
        links=[(facts.text("link_to_upstream_details"), "Open"), (facts.text("image_url"), "Image")],
        client="Grafana OnCall webhook",
    )
