"""Healthchecks' webhooks, with the body of the guide, into signals.

The body is a template of the user: ``$CODE`` names the check, ``$STATUS`` is down or up, ``$NAME_JSON`` its name,
``$JSON`` everything about it. What the template leaves out is taken from ``check``.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, report, stored, tags
from tocsin.intake.contract.signal import Action

STATUSES: dict[str, Action] = {"down": "trigger", "up": "resolve"}


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each request."""
    facts = Facts.of(request)
    key = facts.needed("code", "check.unique_key", "check.uuid", "check.slug")
    status = "status" if facts.at("status") is not None or not facts.text("check.status") else "check.status"
    action = facts.one_of(status, STATUSES)
    facts.refuse_if_wrong()
    name = facts.text("name", "check.name") or f"Check {key}"
    words = facts.text("tags", "check.tags").split()
    return stored(
        [
            report(
                action or "trigger",
                key,
                name,
                labels=tags(words) | {"check": name},
                details=facts.value,
                links=[(facts.text("url", "check.details_url"), "Check")],
                origin=name,
                client="Healthchecks",
                occurred_at=facts.when("now"),
            )
        ]
    )
