"""Google Cloud Monitoring's webhook (version 1.2) into signals: an incident opens and closes."""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, report, severity_of, stored, tags
from tocsin.intake.contract.signal import Action

STATES: dict[str, Action] = {"open": "trigger", "closed": "resolve"}


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each notification."""
    facts = Facts.of(request)
    incident = facts.needed_part("incident")
    facts.refuse_if_wrong()
    key = incident.needed("incident_id")
    action = incident.one_of("state", STATES)
    facts.refuse_if_wrong()
    severity = incident.text("severity")
    labels = tags(incident.at("resource.labels")) | tags(incident.at("policy_user_labels"))
    labels |= incident.labels(
        policy="policy_name", condition="condition_name", project="scoping_project_id", resource="resource_name"
    )
    return stored(
        [
            report(
                action or "trigger",
                key,
                incident.text("policy_name", "condition_name", "summary") or f"Incident {key}",
                severity=severity_of(severity or None),
                labels=labels,
                details=incident.value,
                links=[(incident.text("url"), "Google Cloud")],
                origin=incident.text("resource_display_name", "resource_name"),
                client="Google Cloud Monitoring",
                occurred_at=incident.when("ended_at" if action == "resolve" else "started_at", "started_at"),
            )
        ]
    )
