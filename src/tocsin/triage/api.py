"""Triage over HTTP: alerts, decided signals, rules, maintenance windows."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Moment, Strict, removed, strict
from tocsin.catalogue import queries as catalogue
from tocsin.platform import clock
from tocsin.platform.errors import NotFound
from tocsin.triage import actions, queries
from tocsin.triage.models import Alert, MaintenanceWindow, Rule, Signal
from tocsin.triage.rules import RuleSpec, WindowSpec

router = Router(tags=["triage"])
strict(RuleSpec, WindowSpec)


class AlertOut(Schema):
    id: int
    title: str
    state: str
    severity: str
    service: str
    source: int
    source_name: str
    incident: int | None
    dedup_key: str
    count: int
    suppressed_by: str
    flapping_until: datetime | None
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    expires_at: datetime | None


class AlertList(Schema):
    items: list[AlertOut]
    next: str | None


class AlertDetail(AlertOut):
    data: dict[str, Any]
    first_signal_id: int
    last_signal_id: int


class SignalOut(Schema):
    id: int
    source: int
    action: str
    dedup_key: str
    severity: str
    title: str
    received_at: datetime
    decided_at: datetime
    outcome: str
    rule: str
    reason: str
    alert: int | None
    incident: int | None


class SignalList(Schema):
    items: list[SignalOut]
    next: str | None


class RuleOut(Schema):
    id: int
    name: str
    kind: str
    condition: str
    position: int
    service: str
    to_service: str
    severity: str
    impact: str
    urgency: str
    enabled: bool
    version: int


class RuleList(Schema):
    items: list[RuleOut]
    next: str | None = None


class WindowOut(Schema):
    id: int
    name: str
    services: list[str]
    starts_at: datetime
    duration_s: int
    rrule: str
    zone: str
    mode: str
    note: str
    condition: str
    ended_at: datetime | None
    going_on: bool
    next_starts_at: datetime | None
    next_ends_at: datetime | None


class WindowList(Schema):
    items: list[WindowOut]
    next: str | None


class AlertFilters(Strict):
    state: list[str] = []
    severity: list[str] = []
    service: list[str] = []
    source: list[int] = []
    incident: int | None = None
    quiet: bool | None = None
    q: str = ""
    since: Moment | None = None
    limit: int = 100
    cursor: str = ""


def alert_json(row: Alert) -> dict[str, Any]:
    """An alert."""
    return {
        "id": row.pk,
        "title": row.title,
        "state": row.state,
        "severity": row.severity,
        "service": row.service.slug,
        "source": row.source_id,
        "source_name": row.source.name,
        "incident": row.incident_id,
        "dedup_key": row.dedup_key,
        "count": row.count,
        "suppressed_by": row.suppressed_by,
        "flapping_until": row.flapping_until,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "resolved_at": row.resolved_at,
        "expires_at": row.expires_at,
    }


def signal_json(row: Signal) -> dict[str, Any]:
    """A decided signal."""
    return {
        "id": row.pk,
        "source": row.source_id,
        "action": row.action,
        "dedup_key": row.dedup_key,
        "severity": row.severity,
        "title": row.title,
        "received_at": row.received_at,
        "decided_at": row.decided_at,
        "outcome": row.outcome,
        "rule": row.rule,
        "reason": row.reason,
        "alert": row.alert_id,
        "incident": row.incident_id,
    }


def rule_json(row: Rule) -> dict[str, Any]:
    """A triage rule."""
    return {"id": row.pk, "version": row.version} | actions.rule_facts(row)


def window_json(row: MaintenanceWindow, at: datetime) -> dict[str, Any]:
    """A maintenance window, and how it stands at a moment."""
    state = queries.window_state(row, at)
    return {
        "id": row.pk,
        "name": row.name,
        "services": sorted(service.slug for service in row.services.all()),
        "starts_at": row.starts_at,
        "duration_s": row.duration_s,
        "rrule": row.rrule,
        "zone": row.zone,
        "mode": row.mode,
        "note": row.note,
        "condition": row.condition,
        "ended_at": row.ended_at,
        "going_on": state.going_on,
        "next_starts_at": state.starts_at,
        "next_ends_at": state.ends_at,
    }


@router.get("/alerts", response=AlertList)
def list_alerts(request: HttpRequest, filters: Query[AlertFilters]) -> dict[str, Any]:
    """Alerts, newest first."""
    actor = asker(request)
    rows = queries.alerts(
        actor,
        state=filters.state,
        severity=filters.severity,
        service=[catalogue.service(actor, ref).pk for ref in filters.service],
        source=filters.source,
        incident=filters.incident,
        quiet=filters.quiet,
        q=filters.q,
        since=filters.since,
    )
    paging = Paging(limit=min(max(filters.limit, 1), 500), cursor=filters.cursor)
    found, following = page(rows, paging)
    return {"items": [alert_json(row) for row in found], "next": following}


@router.get("/alerts/{int:alert_id}", response=AlertDetail)
def show_alert(request: HttpRequest, alert_id: int) -> dict[str, Any]:
    """An alert with what its last signal said."""
    row = queries.alert(asker(request), alert_id)
    ends = {"first_signal_id": row.first_signal_id, "last_signal_id": row.last_signal_id}
    return alert_json(row) | {"data": row.data} | ends


@router.get("/signals", response=SignalList)
def list_signals(
    request: HttpRequest, paging: Query[Paging], alert: int | None = None, source: int | None = None, outcome: str = ""
) -> dict[str, Any]:
    """Decided signals, newest first, each with its outcome, the rule that decided and the reason."""
    rows = queries.signals(
        asker(request),
        alert_id=alert,
        source=[source] if source is not None else [],
        outcome=[outcome] if outcome else [],
    )
    found, following = page(rows, paging)
    return {"items": [signal_json(row) for row in found], "next": following}


@router.get("/rules", response=RuleList)
def list_rules(request: HttpRequest) -> dict[str, Any]:
    """Triage rules in the order in which they run."""
    return {"items": [rule_json(row) for row in queries.triage_rules(asker(request))]}


def _rule(request: HttpRequest, ref: str) -> Rule:
    """A rule by id or name, in any case. Raises NotFound."""
    rows = queries.triage_rules(asker(request))
    found = rows.filter(pk=int(ref)) if ref.isascii() and ref.isdigit() and len(ref) < 10 else None
    row = (found.first() if found is not None else None) or rows.filter(name__iexact=ref.strip()).first()
    if row is None:
        raise NotFound(f"There is no rule {ref}.")
    return row


@router.post("/rules", response={201: RuleOut})
def create_rule(request: HttpRequest, spec: Body[RuleSpec]) -> Status[dict[str, Any]]:
    """Add a rule; its condition is CEL and is checked before it is kept."""
    return Status(201, rule_json(actions.save_rule(spec, actor=asker(request))))


@router.get("/rules/{ref}", response=RuleOut)
def show_rule(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A rule by id or name."""
    return rule_json(_rule(request, ref))


@router.put("/rules/{ref}", response=RuleOut)
def save_rule(request: HttpRequest, ref: str, spec: Body[RuleSpec]) -> dict[str, Any]:
    """Change a rule."""
    return rule_json(actions.save_rule(spec, actor=asker(request), id=_rule(request, ref).pk))


@router.delete("/rules/{ref}", response=Count)
def delete_rule(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a rule."""
    row = _rule(request, ref)
    actions.delete_rules([row.pk], actor=asker(request))
    return {"count": 1}


@router.get("/windows", response=WindowList)
def list_windows(request: HttpRequest, paging: Query[Paging], service: str = "") -> dict[str, Any]:
    """Maintenance windows, the latest first."""
    actor = asker(request)
    rows = queries.windows(actor, catalogue.service(actor, service).pk if service else None)
    found, following = page(rows, paging, ("-starts_at", "-id"))
    moment = clock.now()
    return {"items": [window_json(row, moment) for row in found], "next": following}


def _window(request: HttpRequest, ref: str) -> MaintenanceWindow:
    """A window by id or name, in any case. Raises NotFound."""
    rows = queries.windows(asker(request))
    found = rows.filter(pk=int(ref)) if ref.isascii() and ref.isdigit() and len(ref) < 10 else None
    row = (found.first() if found is not None else None) or rows.filter(name__iexact=ref.strip()).first()
    if row is None:
        raise NotFound(f"There is no maintenance window {ref}.")
    return row


@router.post("/windows", response={201: WindowOut})
def create_window(request: HttpRequest, spec: Body[WindowSpec]) -> Status[dict[str, Any]]:
    """Add a maintenance window, once or repeated by an RRULE."""
    return Status(201, window_json(actions.save_window(spec, actor=asker(request)), clock.now()))


@router.get("/windows/{ref}", response=WindowOut)
def show_window(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A maintenance window by id or name."""
    return window_json(_window(request, ref), clock.now())


@router.put("/windows/{ref}", response=WindowOut)
def save_window(request: HttpRequest, ref: str, spec: Body[WindowSpec]) -> dict[str, Any]:
    """Change a maintenance window."""
    row = actions.save_window(spec, actor=asker(request), id=_window(request, ref).pk)
    return window_json(row, clock.now())


@router.post("/windows/{ref}/end", response=WindowOut)
def end_window(request: HttpRequest, ref: str) -> dict[str, Any]:
    """End a maintenance window now, for good; what it held back pages now."""
    row = _window(request, ref)
    actions.end_windows([row.pk], actor=asker(request))
    return window_json(_window(request, str(row.pk)), clock.now())


@router.delete("/windows/{ref}", response=Count)
def delete_window(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a maintenance window."""
    row = _window(request, ref)
    return removed(actions.delete_windows([row.pk], actor=asker(request)))
