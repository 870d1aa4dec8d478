"""Datadog's webhooks into signals: the payload that the guide recommends, or Datadog's own default.

The body is a template of the user with variables of Datadog: ``$ALERT_TRANSITION`` says what happened, ``$AGGREG_KEY``
and ``$ALERT_SCOPE`` name the condition, ``$ALERT_CYCLE_KEY`` names one stretch from trigger to recovery. The default
body has none of them: there the transition is read from the beginning of the title; the rest of it is the identity.
"""

import re
from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import FORM, Facts, Parsed, Request, form_of, identity, report, severity_of, stored, tags
from tocsin.intake.contract.signal import Action, Severity

TRANSITIONS: dict[str, Action] = {
    **dict.fromkeys(
        ("triggered", "re-triggered", "warn", "re-warn", "no data", "re-no data", "renotify", "renotified"), "trigger"
    ),
    **dict.fromkeys(("recovered",), "resolve"),
}
_TITLE = re.compile(r"\s*\[(Re-)?(Triggered|Recovered|Warn|No Data|Renotify|Renotified)\b([^\]]*)\]\s*", re.IGNORECASE)


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal; JSON, or the same fields as a form."""
    facts = Facts(dict(form_of(request))) if request.content_type == FORM else Facts.of(request)
    title = facts.needed("title", "event_title", "alert_title")
    found = _TITLE.match(title)
    bare = title[found.end() :] if found else title
    if facts.at("alert_transition") is not None:
        action = facts.one_of("alert_transition", TRANSITIONS)
        word = facts.text("alert_transition").lower()
    else:
        word = f"{found[1] or ''}{found[2]}".lower() if found else "triggered"
        action = TRANSITIONS.get(word, "trigger")
    labels = tags(facts.at("tags")) | facts.labels(
        host="hostname", scope="scope", monitor="alert_id", priority="alert_priority", transition="alert_transition"
    )
    scope = facts.text("scope", "alert_scope") or (found[3].strip() if found else "")
    cycle = facts.text("alert_cycle_key") if config.get("identity") == "cycle" else ""
    aggregate = facts.text("aggreg_key", "alert_id")
    key = cycle or (f"{aggregate}/{scope}" if aggregate and scope else aggregate)
    remarks = []
    if not key:
        key = identity([bare, re.sub("^on ", "", scope)])
        remarks.append("the payload names no condition; the title without its beginning is taken as its name")
    facts.refuse_if_wrong()
    return stored(
        [
            report(
                action or "trigger",
                key,
                title,
                severity=_severity(facts, word),
                labels=labels,
                details=facts.value,
                links=[(facts.text("link"), "Datadog"), (facts.text("snapshot"), "Graph")],
                origin=facts.text("hostname") or facts.text("org.name", "org_name"),
                client="Datadog",
                client_url=facts.text("link"),
                occurred_at=facts.when("date", "last_updated"),
                remarks=remarks,
            )
        ]
    )


def _severity(facts: Facts, transition: str) -> Severity:
    """By the monitor's priority, else by what kind of alert it is, else by the transition."""
    default: Severity = "warning" if "warn" in transition else "error"
    kind = facts.text("alert_type").lower()
    if transition == "recovered" or kind == "success":
        kind = ""
    return severity_of(facts.text("alert_priority") or None, severity_of(kind or None, default))
