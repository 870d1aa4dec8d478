"""Rules and maintenance windows as people write them, in natural keys; for the API and configuration as code."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class RuleSpec:
    """A triage rule: ``condition`` is CEL over signal, source and service."""

    name: str
    kind: str
    condition: str
    position: int = 100
    service: str = ""
    to_service: str = ""
    severity: str = ""
    impact: str = ""
    urgency: str = ""
    enabled: bool = True


@dataclass(slots=True)
class WindowSpec:
    """A maintenance window: once, or repeated by ``rrule`` in ``zone``."""

    name: str
    services: list[str]
    starts_at: datetime
    duration_s: int
    rrule: str = ""
    zone: str = "UTC"
    mode: str = "hold"
    note: str = field(default="")
