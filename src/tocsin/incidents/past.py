"""What an import tells of an incident that is over. Plain values, without Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

ACTOR_KIND = "import"  # of entries on a timeline that come from a file


@dataclass(frozen=True, slots=True)
class Happened:
    """Something on the timeline of an incident, as a file tells it: when, what, who as text, and the facts."""

    at: datetime
    kind: str
    who: str
    data: Mapping[str, object]


@dataclass(slots=True)
class PastIncident:
    """An incident as it was elsewhere.

    ``number`` is its name there. ``state`` is resolved or closed; ``resolved_known`` is False where the moment of its
    end had to be assumed. ``happened`` begins with ``opened`` and is in the order of time. ``facts`` holds what has no
    column: reporter, person, cause, resolution, team ... as text. ``fingerprint`` is the SHA-256, hex, over all that
    was read of it.
    """

    number: str
    title: str
    state: str
    priority: str
    impact: str
    urgency: str
    priority_reason: str
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime
    closed_at: datetime | None
    resolved_known: bool
    service: str
    team: str
    person: str
    reopened: int
    reassigned: int
    link: str
    facts: dict[str, str]
    happened: list[Happened]
    fingerprint: str
    service_id: int = 0
    acknowledged_by_id: int | None = None
    assignee_id: int | None = None
    lines: tuple[int, ...] = field(default=())
    exact: bool = True  # nothing of it had to be assumed
