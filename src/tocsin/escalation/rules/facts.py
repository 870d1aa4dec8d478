"""What a step's condition may ask about: the incident, its service, the hour there and with each responder. Pure.

``priority``, ``urgency`` (of its pages: high for P1 to P3, low below), ``severity``, ``service`` {name, slug, tier,
team}, ``hour`` (0 to 23), ``weekday`` (1 Monday to 7 Sunday), ``working_hours``, all in the service's zone, and
``incident`` {title, drill, minutes (since it opened), reasons (codes of the escalations by hand so far)}. Where a
condition reads ``responder.`` {hour, weekday, zone, working}, it is asked for each person that the step finds, about
the clock on that person's wall.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.escalation.rules.reaching import page_urgency
from tocsin.oncall.rules.shapes import Restriction
from tocsin.oncall.rules.turns import windows
from tocsin.oncall.rules.wallclock import DAY, EVER, to_us

UTC = "UTC"
OFFICE_HOURS = (Restriction(frozenset(range(1, 6)), 9 * 60, 17 * 60),)

Holds = Callable[[str, Mapping[str, Any]], tuple[bool, str]]
"""Given by the shell: whether a condition is true of these variables, and why that cannot be told (then it holds)."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The service of an incident. ``team`` is a slug or empty; ``hours`` are its working hours in its ``zone``."""

    id: int = 0
    name: str = ""
    slug: str = ""
    tier: int = 3
    team: str = ""
    zone: str = UTC
    hours: tuple[Restriction, ...] = OFFICE_HOURS


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides, beside the policy and who is where in, what a step does. ``holds`` evaluates conditions."""

    incident_id: int
    priority: str
    severity: str
    service: ServiceFacts
    holds: Holds
    title: str = ""
    drill: bool = False
    opened_at: datetime | None = None
    reasons: tuple[str, ...] = ()

    def variables(self, at: datetime) -> dict[str, Any]:
        """What a condition may read at a moment."""
        local, service = at.astimezone(ZoneInfo(self.service.zone)), self.service
        minutes = int((at - (self.opened_at or at)).total_seconds() // 60)
        return variables(self, local.hour, local.isoweekday(), working(service.hours, service.zone, at), minutes)

    def condition(self, when: str, at: datetime) -> tuple[bool, str]:
        """Whether a step's condition holds at a moment, and why that cannot be told."""
        return self.holds(when, self.variables(at))

    def chosen(self, when: str, zone: str, at: datetime) -> tuple[bool, str]:
        """Whether a condition that asks for each responder holds for somebody who lives in this zone."""
        local = at.astimezone(ZoneInfo(zone or UTC))
        person = responder(zone, local.hour, local.isoweekday(), working(self.service.hours, zone or UTC, at))
        return self.holds(when, self.variables(at) | person)


def variables(facts: Facts, hour: int, weekday: int, working_hours: bool, minutes: int = 0) -> dict[str, Any]:
    """What a condition may read when it is this hour and weekday in the service's zone, so long after it opened."""
    service = facts.service
    return {
        "priority": facts.priority,
        "urgency": page_urgency(facts.priority),
        "severity": facts.severity,
        "service": {"name": service.name, "slug": service.slug, "tier": service.tier, "team": service.team},
        "hour": hour,
        "weekday": weekday,
        "working_hours": working_hours,
        "incident": {
            "title": facts.title,
            "drill": facts.drill,
            "minutes": minutes,
            "reasons": list(facts.reasons),
        },
    }


def responder(zone: str, hour: int, weekday: int, working_hours: bool) -> dict[str, Any]:
    """What a condition may read beside that when it is asked for one person."""
    return {"responder": {"hour": hour, "weekday": weekday, "zone": zone or UTC, "working": working_hours}}


def asks_untold(when: str) -> bool:
    """Whether a condition reads what nobody can know before the incident: its title, how long it lasts, why people
    escalate it."""
    return any(word in when for word in ("title", "minutes", "reasons"))


def asks_responder(when: str) -> bool:
    """Whether a condition chooses among the people of a step instead of deciding on the step."""
    return "responder." in when


def working(hours: tuple[Restriction, ...], zone: str, at: datetime) -> bool:
    """Whether a moment lies within working hours that are meant on this zone's clocks."""
    instant = to_us(at)
    day = instant // DAY * DAY  # so that all moments of a day share what was worked out
    spans = windows(hours, zone, day, day + DAY)
    index = bisect_right(spans, (instant, EVER)) - 1
    return index >= 0 and instant < spans[index][1]


SAMPLE = variables(
    Facts(1, "P1", "critical", ServiceFacts(1, "Checkout", "checkout", 1, "payments"), lambda when, known: (True, ""),
          "Checkout fails"), 9, 1, True,
) | responder(UTC, 9, 1, True)  # fmt: skip
