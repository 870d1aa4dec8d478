"""Alerts of Kibana's rules, as the connector's body of the guide says them, into signals.

The body is a template of the user. Rule and alert id name the condition; the action group ``recovered`` resolves it.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, report, severity_of, stored, tags

RECOVERED = "recovered"


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each request."""
    facts = Facts.of(request)
    rule, alert = facts.needed_part("rule"), facts.needed_part("alert")
    facts.refuse_if_wrong()
    key = rule.needed("id")
    alert_id = alert.needed("id", "uuid")
    name = rule.text("name") or f"Rule {key}"
    group = alert.needed("actionGroup")
    facts.refuse_if_wrong()
    labels = tags(rule.at("tags")) | rule.labels(rule="name", type="type", space="spaceId")
    severity = facts.text("severity", "context.severity") or labels.get("severity", "")
    return stored(
        [
            report(
                "resolve" if group.lower() == RECOVERED else "trigger",
                f"{key}:{alert_id}",
                name,
                severity=severity_of(severity or None),
                labels=labels | {"alert": alert_id},
                details=facts.value,
                links=[
                    (rule.text("url"), "Kibana"),
                    (facts.text("context.link", "context.alertDetailsUrl"), "Details"),
                ],
                origin=alert_id,
                client="Kibana",
                client_url=rule.text("url"),
                occurred_at=facts.when("date"),
            )
        ]
    )
