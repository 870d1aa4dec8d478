"""What becomes of a signal: deduplicated, suppressed, held, or an incident. Pure; every outcome names its rule.

``decide`` sees one signal after the other in the order they came, and a ``World`` that holds what the signals before it
changed. Where an incident is to be opened or joined it asks the ``Incidents`` that the shell gives it, so production
writes through the incident book and a replay of history through a dictionary.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

SEVERITIES = ("critical", "error", "warning", "info")
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")

# Flapping, after the idea of Nagios' and PagerDuty's "transient alert" holds: an alert that opened and resolved
# FLAP_FLIPS times within FLAP_WINDOW is held until it has stayed open for FLAP_QUIET.
FLAP_FLIPS = 6
FLAP_WINDOW = timedelta(minutes=10)
FLAP_QUIET = timedelta(minutes=5)
DEPENDENCY_DEPTH = 5
# in the details of a resolve that Tocsin itself sent for a silent source: ignore it if a later signal was heard
UNLESS_AFTER = "tocsin:unless_after"


class Outcome(StrEnum):
    """What became of a signal."""

    OPENED = "opened"  # a new alert that opened an incident
    GROUPED = "grouped"  # a new alert that joined an open incident
    REOPENED = "reopened"  # a new alert that brought back the incident of its predecessor
    DEDUPLICATED = "deduplicated"  # heard of before
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"
    HELD = "held"  # a maintenance window holds it
    FLAPPING = "flapping"
    NOTHING_OPEN = "nothing_open"
    OVERTAKEN = "overtaken"
    CHANGE = "change"
    CHECKED_IN = "checked_in"
    DISABLED = "disabled"


@dataclass(slots=True)
class Signal:
    """A signal as it lies in the inbox; ``data`` is the rest of intake.contract.Signal, ``text`` the same as JSON."""

    id: int
    source_id: int
    action: str
    dedup_key: str
    severity: str
    title: str
    data: Mapping[str, Any]
    occurred_at: datetime | None
    received_at: datetime
    text: str = "{}"

    @property
    def labels(self) -> Mapping[str, str]:
        found = self.data.get("labels")
        return found if isinstance(found, Mapping) else {}


@dataclass(slots=True)
class Alert:
    """An alert as the rules see it; ``new`` until it is in the database, ``dirty`` when it must be written.

    ``data`` is what its latest signal said, as JSON text: it is handed on, not looked into.
    """

    id: int
    source_id: int
    service_id: int
    dedup_key: str
    severity: str
    title: str
    data: str
    first_at: datetime
    last_at: datetime
    first_signal_id: int
    last_signal_id: int
    incident_id: int | None = None
    state: str = "open"
    count: int = 1
    suppressed_by: str = ""
    held_by_id: int | None = None
    flapping_until: datetime | None = None
    flips: list[str] = field(default_factory=list)
    resolved_at: datetime | None = None
    expires_at: datetime | None = None
    new: bool = False
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which alerts of a service are one incident.

    by        ``alert``: each its own; ``service``: all; ``fields``: those with equal values of ``fields`` (label names,
              or ``title``, ``severity``, ``source``); ``dependency``: all, together with those of services it needs or
              that need it
    window_s  only alerts within this many seconds of the incident's opening join it; 0: while it is open
    reopen_s  an alert that comes back within this many seconds reopens its old incident, if its alerts had ended that;
              0: a new incident
    """

    by: str = "alert"
    fields: tuple[str, ...] = ()
    window_s: int = 0
    reopen_s: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Grouping":
        """From the service's ``grouping`` column; what is missing has its default."""
        return cls(
            by=str(config.get("by") or "alert"),
            fields=tuple(str(name) for name in config.get("fields") or ()),
            window_s=int(config.get("window_s") or 0),
            reopen_s=int(config.get("reopen_s") or 0),
        )


def grouping_problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a service's grouping, by field; empty when it is right."""
    problems = {}
    if config.get("by", "alert") not in ("alert", "service", "fields", "dependency"):
        problems["grouping.by"] = "must be alert, service, fields or dependency"
    names = config.get("fields", [])
    if not isinstance(names, Sequence) or isinstance(names, str) or not all(isinstance(n, str) and n for n in names):
        problems["grouping.fields"] = "must be a list of label names"
    elif config.get("by") == "fields" and not names:
        problems["grouping.fields"] = "must name at least one label"
    for name in ("window_s", "reopen_s"):
        value = config.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 7 * 86_400:
            problems[f"grouping.{name}"] = "must be 0 to 604,800 seconds"
    for name in config.keys() - {"by", "fields", "window_s", "reopen_s"}:
        problems[f"grouping.{name}"] = "is not known; known are by, fields, window_s, reopen_s"
    return problems


@dataclass(frozen=True, slots=True)
class Service:
    id: int
    name: str
    slug: str
    tier: int
    impact: str
    enabled: bool
    grouping: Grouping
    team: str = ""
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    id: int
    name: str
    kind: str
    service_id: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """``holds`` evaluates the condition over variables ``signal``, ``source``, ``service``."""

    id: int
    name: str
    kind: str
    holds: Callable[[Mapping[str, Any]], bool]
    service_id: int | None = None
    to_service_id: int | None = None
    severity: str = ""
    impact: str = ""
    urgency: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window that is going on: until ``until``, for these services.

    ``holds`` evaluates its condition over the variables of a rule; None: it has none, and all alerts are meant.
    """

    id: int
    name: str
    mode: str
    service_ids: frozenset[int]
    until: datetime
    holds: Callable[[Mapping[str, Any]], bool] | None = None


class Incidents(Protocol):
    """What triage needs of incidents. The shell's writes through the book; a replay's into a dictionary."""

    def open(self, alert: Alert, service: Service, how: "Assessment", key: str | None, until: datetime | None) -> int:
        """Open an incident for the alert and return its id."""

    def by_key(self, key: str, at: datetime) -> int | None:
        """The open incident that alerts with this group key join at this moment, if there is one."""

    def of_services(self, service_ids: Sequence[int], at: datetime) -> int | None:
        """The oldest open, dependency-grouped incident on one of these services, if alerts may still join it."""

    def join(self, incident_id: int, alert: Alert, service: Service, how: "Assessment") -> None:
        """The alert, of this service, belongs to this open incident from now on."""

    def reopen(self, incident_id: int, alert: Alert, within: timedelta) -> bool:
        """Bring back the incident if its alerts, not a person, ended it within this time; whether it did."""

    def worsened(self, incident_id: int, alert: Alert, how: "Assessment") -> None:
        """An open alert of the incident became more severe."""

    def ended(self, incident_id: int, alert: Alert, reason: str) -> bool:
        """An alert of the incident resolved; whether the incident resolved with it."""

    def acknowledge(self, incident_id: int, source: Source) -> str:
        """The source answers for the incident; returns what came of it, in words."""


@dataclass(slots=True)
class World:
    """What the batch touches. ``alerts`` holds the open alert of each (source, key); ``last`` the latest resolved."""

    now: datetime
    sources: Mapping[int, Source]
    services: Mapping[int, Service]
    rules: Sequence[Rule]
    windows: Sequence[Window]
    incidents: Incidents
    alerts: dict[tuple[int, str], Alert]
    last: dict[tuple[int, str], Alert]
    new_id: Callable[[], int]
    needs: Mapping[int, Sequence[int]] = field(default_factory=dict)
    needed_by: Mapping[int, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Severity after the severity rules, and impact and urgency where a rule set them.

    ``priority``: what the sender named, when no severity rule held; a rule of this house outranks a sender.
    """

    severity: str
    impact: str = ""
    urgency: str = ""
    rule: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a signal: the outcome, the rule that decided, and why in a sentence."""

    outcome: Outcome
    rule: str
    reason: str
    service_id: int | None = None
    alert_id: int | None = None
    incident_id: int | None = None


def decide(signal: Signal, world: World) -> Decision:
    """What becomes of one signal; changes the world accordingly."""
    source = world.sources.get(signal.source_id)
    if source is None:
        return Decision(Outcome.DISABLED, "source deleted", "Its source was deleted after the signal was accepted.")
    match signal.action:
        case "trigger":
            return _trigger(signal, source, world)
        case "resolve":
            return _resolve(signal, source, world)
        case "acknowledge":
            return _acknowledge(signal, source, world)
        case "change":
            return Decision(
                Outcome.CHANGE, "change", "A change is recorded as evidence and pages nobody.", source.service_id
            )
        case "check_in":
            alert = world.alerts.get((signal.source_id, signal.dedup_key))
            if alert is None:
                return Decision(Outcome.CHECKED_IN, "heartbeat", "The check-in came in time.", source.service_id)
            return _end(alert, signal, world, "heartbeat", "The missing check-in came.")
    return Decision(Outcome.DISABLED, "unknown action", f"{signal.action!r} is not an action that Tocsin knows.")


def _trigger(signal: Signal, source: Source, world: World) -> Decision:
    key = (signal.source_id, signal.dedup_key)
    alert = world.alerts.get(key)
    if alert is not None:
        return _repeat(alert, signal, source, world)
    if not source.enabled:
        return Decision(Outcome.DISABLED, "source disabled", f"The source {source.name} is switched off.")
    service, routed = _route(signal, source, world)
    if not service.enabled:
        return Decision(
            Outcome.DISABLED, "service disabled", f"The service {service.name} is switched off.", service.id
        )
    assessment = assess(signal, source, service, world.rules)
    before = world.last.get(key)
    alert = Alert(
        id=world.new_id(),
        source_id=source.id,
        service_id=service.id,
        dedup_key=signal.dedup_key,
        severity=assessment.severity,
        title=signal.title,
        data=signal.text,
        first_at=signal.received_at,
        last_at=signal.received_at,
        first_signal_id=signal.id,
        last_signal_id=signal.id,
        expires_at=expiry(signal),
        flips=recent_flips(before.flips if before else [], signal.received_at),
        new=True,
    )
    world.alerts[key] = alert
    return admit(alert, signal, service, assessment, world, routed, before)


def admit(
    alert: Alert,
    signal: Signal,
    service: Service,
    assessment: Assessment,
    world: World,
    routed: str = "",
    before: Alert | None = None,
) -> Decision:
    """Whether an open alert without an incident may page, and for which incident."""
    where = {"service_id": service.id, "alert_id": alert.id}
    variables = None
    for rule in world.rules:
        if rule.kind != "suppress" or rule.service_id not in (None, service.id):
            continue
        variables = variables or variables_of(signal, world.sources[alert.source_id], service, assessment.severity)
        if rule.holds(variables):
            alert.suppressed_by = f"rule {rule.name}"
            return Decision(Outcome.SUPPRESSED, rule.name, f"The rule {rule.name} keeps it from paging.", **where)
    alert.suppressed_by = ""
    for window in world.windows:
        if service.id not in window.service_ids:
            continue
        if window.holds is not None:
            variables = variables or variables_of(signal, world.sources[alert.source_id], service, assessment.severity)
            if not window.holds(variables):
                continue
        if window.mode == "drop":
            alert.suppressed_by = f"maintenance {window.name}"
            text = f"{service.name} is in maintenance ({window.name}); its alerts are dropped."
            return Decision(Outcome.SUPPRESSED, f"maintenance {window.name}", text, **where)
        alert.held_by_id = window.id
        text = f"{service.name} is in maintenance ({window.name}); held until it ends."
        return Decision(Outcome.HELD, f"maintenance {window.name}", text, **where)
    alert.held_by_id = None
    if flapping(alert.flips):
        alert.flapping_until = signal.received_at + FLAP_QUIET
        text = (
            f"It opened and resolved {len(alert.flips)} times in {FLAP_WINDOW.seconds // 60} minutes; "
            f"held until it stays open for {FLAP_QUIET.seconds // 60} minutes."
        )
        return Decision(Outcome.FLAPPING, "flapping", text, **where)
    alert.flapping_until = None
    return _group(alert, signal, service, assessment, world, routed, before)


def _group(
    alert: Alert,
    signal: Signal,
    service: Service,
    assessment: Assessment,
    world: World,
    routed: str,
    before: Alert | None,
) -> Decision:
    incidents, grouping = world.incidents, service.grouping
    where = {"service_id": service.id, "alert_id": alert.id}
    via = f"; routed by {routed}" if routed else ""
    if (
        before is not None
        and before.incident_id
        and grouping.reopen_s
        and incidents.reopen(before.incident_id, alert, timedelta(seconds=grouping.reopen_s))
    ):
        alert.incident_id = before.incident_id
        text = f"It came back within {grouping.reopen_s} s, so INC-{before.incident_id} was reopened{via}."
        return Decision(Outcome.REOPENED, "reopen", text, incident_id=before.incident_id, **where)
    key = group_key(alert, signal, service)
    found = incidents.by_key(key, signal.received_at) if key else None
    rule = f"grouping by {grouping.by}"
    if found is None and grouping.by == "dependency":
        found = incidents.of_services(related(service.id, world.needs, world.needed_by), signal.received_at)
    if found is not None:
        incidents.join(found, alert, service, assessment)
        alert.incident_id = found
        text = f"It joined INC-{found}, which is open for the same group{via}."
        return Decision(Outcome.GROUPED, rule, text, incident_id=found, **where)
    until = signal.received_at + timedelta(seconds=grouping.window_s) if grouping.window_s else None
    opened = incidents.open(alert, service, assessment, key, until)
    alert.incident_id = opened
    reason = f"A new condition on {service.name}; no open incident has its group{via}."
    return Decision(Outcome.OPENED, routed or rule, reason, incident_id=opened, **where)


def _repeat(alert: Alert, signal: Signal, source: Source, world: World) -> Decision:
    """A trigger for an alert that is open already: nobody is paged again, but a worse severity counts."""
    service = world.services[alert.service_id]
    assessment = assess(signal, source, service, world.rules)
    worse = SEVERITIES.index(assessment.severity) < SEVERITIES.index(alert.severity)
    alert.count += 1
    alert.last_at = max(alert.last_at, signal.received_at)
    alert.last_signal_id = signal.id
    alert.expires_at = expiry(signal)
    alert.title, alert.data = signal.title, signal.text
    alert.severity = assessment.severity
    alert.dirty = True
    if alert.incident_id is None and alert.suppressed_by.startswith("rule "):
        # what suppressed it may not hold any more: the signal says something new
        decision = admit(alert, signal, service, assessment, world)
        if decision.outcome is not Outcome.SUPPRESSED:
            return decision
    if worse and alert.incident_id is not None:
        world.incidents.worsened(alert.incident_id, alert, assessment)
    text = f"The same condition is open since {alert.first_at:%Y-%m-%d %H:%M} UTC; heard {alert.count} times."
    return Decision(Outcome.DEDUPLICATED, "same key", text, alert.service_id, alert.id, alert.incident_id)


def _resolve(signal: Signal, source: Source, world: World) -> Decision:
    alert = world.alerts.get((signal.source_id, signal.dedup_key))
    if alert is None:
        return Decision(
            Outcome.NOTHING_OPEN, "no open alert", "No alert with this key is open, so there is nothing to resolve.",
            source.service_id,
        )  # fmt: skip
    details = signal.data.get("details")
    awaited = details.get(UNLESS_AFTER) if isinstance(details, Mapping) else None
    if isinstance(awaited, int) and alert.last_signal_id > awaited:
        return Decision(
            Outcome.OVERTAKEN, "heard of again", "The source was heard of again before the time-out was dealt with.",
            alert.service_id, alert.id, alert.incident_id,
        )  # fmt: skip
    why = "Its source was not heard of in time." if isinstance(awaited, int) else "Its source says it is over."
    return _end(alert, signal, world, "time-out" if isinstance(awaited, int) else "resolve", why)


def _end(alert: Alert, signal: Signal, world: World, rule: str, why: str) -> Decision:
    alert.state = "resolved"
    alert.resolved_at = signal.received_at
    alert.last_at = max(alert.last_at, signal.received_at)
    alert.last_signal_id = signal.id
    alert.flips = recent_flips(alert.flips, signal.received_at)
    alert.held_by_id = alert.flapping_until = alert.expires_at = None
    alert.dirty = True
    key = (alert.source_id, alert.dedup_key)
    world.alerts.pop(key, None)
    world.last[key] = alert
    if alert.incident_id is not None and world.incidents.ended(alert.incident_id, alert, why):
        why += f" It was the last open alert of INC-{alert.incident_id}, which resolved with it."
    return Decision(Outcome.RESOLVED, rule, why, alert.service_id, alert.id, alert.incident_id)


def _acknowledge(signal: Signal, source: Source, world: World) -> Decision:
    alert = world.alerts.get((signal.source_id, signal.dedup_key))
    if alert is None or alert.incident_id is None:
        text = "No alert with this key has an open incident, so there is nothing to acknowledge."
        return Decision(Outcome.NOTHING_OPEN, "no open incident", text, source.service_id)
    came = world.incidents.acknowledge(alert.incident_id, source)
    return Decision(Outcome.ACKNOWLEDGED, "acknowledge", came, alert.service_id, alert.id, alert.incident_id)


# --- parts --------------------------------------------------------------------------------------------------------


def _route(signal: Signal, source: Source, world: World) -> tuple[Service, str]:
    """The service that the first route rule that holds names, and the rule's name; else the source's own service."""
    own = world.services[source.service_id]
    variables = None
    for rule in world.rules:
        if rule.kind != "route" or rule.service_id not in (None, own.id):
            continue
        variables = variables or variables_of(signal, source, own, signal.severity)
        target = world.services.get(rule.to_service_id or 0)
        if target is not None and rule.holds(variables):
            return target, rule.name
    return own, ""


def assess(signal: Signal, source: Source, service: Service, rules: Sequence[Rule]) -> Assessment:
    """The signal's severity after every severity rule that holds, in order; and the impact and urgency they set."""
    severity, impact, urgency, name = signal.severity, "", "", ""
    for rule in rules:
        if rule.kind == "severity" and rule.service_id in (None, service.id):
            if not rule.holds(variables_of(signal, source, service, severity)):
                continue
            severity, impact, urgency = rule.severity or severity, rule.impact or impact, rule.urgency or urgency
            name = rule.name
    asked = signal.data.get("priority")
    priority = asked if not name and isinstance(asked, str) and asked in PRIORITIES else ""
    return Assessment(severity, impact, urgency, name, priority)


def variables_of(signal: Signal, source: Source, service: Service, severity: str) -> dict[str, Any]:
    """What a rule's condition can read."""
    return {
        "signal": {
            "action": signal.action,
            "key": signal.dedup_key,
            "title": signal.title,
            "severity": severity,
            "labels": dict(signal.labels),
            "details": signal.data.get("details"),
            "origin": signal.data.get("origin") or "",
        },
        "source": {"name": source.name, "kind": source.kind},
        "service": {"name": service.name, "slug": service.slug, "tier": service.tier, "team": service.team},
    }


SAMPLE_VARIABLES: Mapping[str, Any] = {
    "signal": {
        "action": "trigger", "key": "k", "title": "Disk full", "severity": "critical", "labels": {"team": "core"},
        "details": {"free": "2 %"}, "origin": "host-1",
    },
    "source": {"name": "Prometheus", "kind": "alertmanager"},
    "service": {"name": "Checkout", "slug": "checkout", "tier": 1, "team": "core"},
}  # fmt: skip


def group_key(alert: Alert, signal: Signal, service: Service) -> str | None:
    """The key under which alerts of this group find their open incident; None when each alert is its own."""
    grouping = service.grouping
    if grouping.by == "alert":
        return None
    if grouping.by in ("service", "dependency"):
        return f"{grouping.by}:{service.id}"
    values = [f"{name}={_field(name, alert, signal)}" for name in grouping.fields]
    digest = hashlib.sha256("\x00".join(values).encode()).hexdigest()[:32]
    return f"fields:{service.id}:{digest}"


def _field(name: str, alert: Alert, signal: Signal) -> str:
    match name:
        case "title" | "severity":
            return str(getattr(alert, name))
        case "source":
            return str(alert.source_id)
    return str(signal.labels.get(name, ""))


def related(service_id: int, needs: Mapping[int, Sequence[int]], needed_by: Mapping[int, Sequence[int]]) -> list[int]:
    """Services that this one needs or that need it, up to DEPENDENCY_DEPTH steps in one direction, nearest first."""
    found: dict[int, None] = {}
    for edges in (needs, needed_by):
        seen, frontier = {service_id}, [service_id]
        for _ in range(DEPENDENCY_DEPTH):
            frontier = [n for s in frontier for n in edges.get(s, ()) if n not in seen]
            seen.update(frontier)
            found.update(dict.fromkeys(frontier))
    return list(found)


def recent_flips(flips: Sequence[str], at: datetime) -> list[str]:
    """The moments of the flap window, with this one added; ISO 8601."""
    since = at - FLAP_WINDOW
    return [*(moment for moment in flips if datetime.fromisoformat(moment) > since), at.isoformat()][-20:]


def flapping(flips: Sequence[str]) -> bool:
    """Whether an alert with these recent flips is held back."""
    return len(flips) > FLAP_FLIPS


def expiry(signal: Signal) -> datetime | None:
    """When the alert resolves by itself unless heard of again, if its source works like that."""
    value = signal.data.get("expires_at")
    return datetime.fromisoformat(value) if isinstance(value, str) else None
