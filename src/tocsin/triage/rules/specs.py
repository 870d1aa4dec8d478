"""Rules and maintenance windows as people write them, in natural keys; for the API and configuration as code."""

from dataclasses import dataclass
from datetime import datetime

from tocsin.triage.rules.matchers import Matcher


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
    """A maintenance window: once, or repeated by ``rrule`` in ``zone``.

    ``condition``: CEL over signal, source and service that an alert must meet; empty: every alert of the services.
    """

    name: str
    services: list[str]
    starts_at: datetime
    duration_s: int
    rrule: str = ""
    zone: str = "UTC"
    mode: str = "hold"
    note: str = ""
    condition: str = ""


@dataclass(slots=True)
class SilenceSpec:
    """A silence as a client of Alertmanager asks for it; ``author`` is what the client says of itself."""

    matchers: list[Matcher]
    starts_at: datetime
    ends_at: datetime
    author: str = ""
    comment: str = ""
