"""Azure Monitor's common alert schema into signals.

``data.essentials`` says everything that counts: ``alertId`` is the same from Fired to Resolved, ``severity`` is Sev0 to
Sev4. What differs between kinds of alerts is in ``alertContext`` and kept as details.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tocsin.intake.contract import Facts, Parsed, Request, report, stored, tags
from tocsin.intake.contract.signal import Action, Severity

SCHEMA = "azureMonitorCommonAlertSchema"
CONDITIONS: dict[str, Action] = {"fired": "trigger", "resolved": "resolve"}
SEVERITIES: dict[str, Severity] = {
    "sev0": "critical", "sev1": "error", "sev2": "warning", "sev3": "info", "sev4": "info"
}  # fmt: skip
PORTAL = "https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade/alertId/"


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each notification."""
    facts = Facts.of(request)
    if facts.text("schemaId") != SCHEMA:
        facts.wrong("schemaId", f"must be {SCHEMA}; switch the common alert schema on in the action group")
    facts.refuse_if_wrong()
    essentials = facts.needed_part("data").needed_part("essentials")
    facts.refuse_if_wrong()
    key = essentials.needed("alertId", "originAlertId")
    rule = essentials.needed("alertRule")
    action = essentials.one_of("monitorCondition", CONDITIONS)
    severity = essentials.one_of("severity", SEVERITIES, default="Sev1")
    facts.refuse_if_wrong()
    context = facts.part("data").part("alertContext")
    items = essentials.at("configurationItems")
    origin = str(items[0]) if isinstance(items, list) and items and isinstance(items[0], str) else ""
    ended = action == "resolve"
    return stored(
        [
            report(
                action or "trigger",
                key,
                rule,
                severity=severity or "error",
                labels=tags(facts.part("data").at("customProperties") or facts.at("customProperties"))
                | essentials.labels(rule="alertRule", signal="signalType", service="monitoringService")
                | ({"item": origin} if origin else {}),
                details={"essentials": essentials.value, "context": context.value},
                links=[
                    (PORTAL + quote(key, safe="") if key.startswith("/") else "", "Azure"),
                    (context.text("linkToSearchResults", "LinkToSearchResults"), "Search results"),
                ],
                origin=origin,
                client="Azure Monitor",
                occurred_at=essentials.when("resolvedDateTime" if ended else "firedDateTime", "firedDateTime"),
            )
        ]
    )
