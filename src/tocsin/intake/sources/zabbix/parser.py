"""Zabbix's problems, as the media type of the guide posts them, into signals.

``eventid`` names the problem from beginning to end; ``value`` is 1 while there is one and 0 when it is over. An update
with ``ack`` Yes acknowledges. Severities are Zabbix's numbers: 0 not classified, 1 information, 2 warning, 3 average,
4 high, 5 disaster. A macro that Zabbix could not expand (``{EVENT.ID}``, ``*UNKNOWN*``) counts as missing.
"""

import re
from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, json_of, report, severity_of, stored, tags
from tocsin.intake.contract.signal import Action, Severity

VALUES: dict[str, Action] = {
    **dict.fromkeys(("1", "problem", "alerting"), "trigger"),
    **dict.fromkeys(("0", "ok", "resolved"), "resolve"),
}
NUMBERS: dict[str, Severity] = {
    "0": "info", "1": "info", "2": "warning", "3": "error", "4": "error", "5": "critical"
}  # fmt: skip
_MACRO = re.compile(r"\s*(\{[#$A-Z0-9_.:\"<>]+\}|\*UNKNOWN\*)\s*")


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each request."""
    body = json_of(request)
    if isinstance(body, dict):
        body = {
            name: None if isinstance(value, str) and _MACRO.fullmatch(value) else value for name, value in body.items()
        }
        request.decoded = body
    facts = Facts.of(request)
    key = facts.needed("eventid", "alert_uid")
    title = facts.needed("name", "title")
    state = "value" if facts.at("value") is not None else "state"
    action = facts.one_of(state, VALUES)
    facts.refuse_if_wrong()
    if action == "trigger" and facts.text("update") in ("1", "true") and facts.text("ack").lower() in ("yes", "1"):
        action = "acknowledge"
    severity = facts.text("severity")
    found = facts.at("tags")
    labels = tags({item.text("tag"): item.at("value") or "true" for item in facts.parts("tags")} or found)
    labels |= facts.labels(host="host", hostgroup="hostgroup", trigger="triggerid")
    return stored(
        [
            report(
                action or "trigger",
                key,
                title,
                severity=NUMBERS.get(severity) or severity_of(severity or None),
                labels=labels,
                details=facts.value,
                links=[(facts.text("url", "link_to_upstream_details"), "Zabbix")],
                origin=facts.text("host"),
                client="Zabbix",
                client_url=facts.text("url"),
                occurred_at=facts.when("time"),
            )
        ]
    )
