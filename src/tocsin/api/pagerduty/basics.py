"""Small operations: abilities, priorities, and who the key belongs to."""

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.incidents.rules import PRIORITIES

# What PagerDuty calls the parts of its product that Tocsin has too; clients ask before they use one.
ABILITIES = (
    "teams", "advanced_reports", "urgencies", "service_support_hours", "priorities", "coordinated_responding",
    "manual_alert_creation", "preview_incident_alert_split", "round_robin_escalation_policies", "event_rules",
    "maintenance_windows", "webhooks_v3",
)  # fmt: skip
DESCRIPTIONS = {
    "P1": "Critical: many are hit hard, act at once",
    "P2": "High: act at once",
    "P3": "Medium: act during waking hours",
    "P4": "Low: act in the next days",
    "P5": "Informational: nothing has to be done soon",
}


def abilities(asked: Asked) -> Answer:
    """What this account can do."""
    return Answer({"abilities": list(ABILITIES)})


def ability(asked: Asked, name: str) -> Answer:
    """204 when this account can do it, else 402."""
    if name not in ABILITIES:
        raise Refused(402)
    return Answer(None, 204)


def priority_reference(asked: Asked, priority: str) -> dict[str, object]:
    """A priority, whole: PagerDuty gives it so inside an incident."""
    number = PRIORITIES.index(priority)
    shape = asked.thing("priority", number, priority)
    return shape | {"name": priority, "description": DESCRIPTIONS[priority], "order": 1 << (6 - number)}


def priority_named(value: object) -> str:
    """The priority that a reference or an id means. Raises Refused (1020)."""
    text = value.get("id") if isinstance(value, dict) else value
    number = ids.read("priority", text) if isinstance(text, str) else None
    if number is None or number >= len(PRIORITIES):
        raise Refused(400, ["Priority must be the id of one of the account's priorities"], code=1020)
    return PRIORITIES[number]


def priorities(asked: Asked) -> Answer:
    """The five, the gravest first."""
    return asked.listed("priorities", PRIORITIES, lambda names: [priority_reference(asked, name) for name in names])
