"""PagerDuty's urgency, which is high or low, beside Tocsin's impact, urgency and priority. Decided here, once.

At PagerDuty the urgency says by which of a person's rules they are notified. Here the priority does that
(``incidents.rules.pages_loudly``): P1 to P3 are high, P4 and P5 are low. So it is read off the priority, as the signed
webhooks do too, and who sets it sets a priority that has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.api.pagerduty.errors import Refused
from tocsin.incidents import rules

URGENCIES = ("high", "low")
HIGH = tuple(priority for priority in rules.PRIORITIES if rules.pages_loudly(priority))
LOW = tuple(priority for priority in rules.PRIORITIES if not rules.pages_loudly(priority))
ASKED = "PagerDuty's API asked for {} urgency"
ASKED_PRIORITY = "PagerDuty's API asked for it"


@dataclass(frozen=True, slots=True)
class Levels:
    """What is written for an urgency: Tocsin's urgency, and a priority with its reason where the matrix differs."""

    urgency: str
    priority: str = ""
    reason: str = ""


def urgency_of(priority: str) -> str:
    """``high`` for P1 to P3, else ``low``."""
    return "high" if rules.pages_loudly(priority) else "low"


def priorities_of(urgencies: list[str]) -> list[str]:
    """The priorities that have one of these urgencies. Raises Refused."""
    return [priority for urgency in urgencies for priority in (HIGH if urgency_named(urgency) == "high" else LOW)]


def urgency_named(value: object) -> str:
    """An urgency that was given. Raises Refused."""
    if value not in URGENCIES:
        raise Refused(400, ["Urgency must be high or low"])
    return str(value)


def levels_for(urgency: str, impact: str, matrix: Mapping[str, Mapping[str, str]]) -> Levels:
    """What gives an incident of this impact the urgency: the matrix's word where it agrees, else P3 or P4.

    P3 is the least of the urgent priorities and P4 the gravest of the others, so that as little as possible is changed.
    """
    if urgency_of(rules.priority_of(impact, urgency, matrix)) == urgency:
        return Levels(urgency)
    return Levels(urgency, HIGH[-1] if urgency == "high" else LOW[0], ASKED.format(urgency))
