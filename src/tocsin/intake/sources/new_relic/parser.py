"""Notifications of New Relic's workflows, by its own template or the guide's, into signals: an issue is a condition."""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, report, severity_of, stored
from tocsin.intake.contract.signal import Action
from tocsin.intake.contract.text import as_text

STATES: dict[str, Action] = {
    "created": "trigger", "activated": "trigger", "acknowledged": "acknowledge", "closed": "resolve"
}  # fmt: skip


def _joined(value: Any) -> str:
    return ", ".join(as_text(item) for item in value[:20]) if isinstance(value, list) else as_text(value)


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each notification."""
    facts = Facts.of(request)
    key = facts.needed("issueId", "id")
    title = facts.needed("title", "issueTitle")
    action = facts.one_of("state", STATES)
    facts.refuse_if_wrong()
    entities = _joined(facts.at("impactedEntities"))
    labels = {
        "entity": entities,
        "policy": _joined(facts.at("alertPolicyNames")),
        "condition": _joined(facts.at("alertConditionNames")),
        "workflow": facts.text("workflowName"),
        "priority": facts.text("priority"),
    }
    return stored(
        [
            report(
                action or "trigger",
                key,
                title,
                severity=severity_of(facts.text("priority") or None),
                labels=labels,
                details=facts.value,
                links=[(facts.text("issueUrl", "issuePageUrl"), "New Relic")],
                origin=entities,
                client="New Relic",
                client_url=facts.text("issueUrl", "issuePageUrl"),
                occurred_at=facts.when("updatedAt" if action == "resolve" else "createdAt"),
            )
        ]
    )
