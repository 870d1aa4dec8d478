"""What others may read of triage: alerts, signals with their outcome, rules, maintenance windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from tocsin.catalogue.models import Service
from tocsin.incidents import queries as incidents
from tocsin.incidents import rules as incident_rules
from tocsin.intake import queries as intake
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound
from tocsin.triage import rules
from tocsin.triage.actions import world as worlds
from tocsin.triage.actions.config import ends_of, rule_facts
from tocsin.triage.actions.silences import LONGEST
from tocsin.triage.models import Alert, MaintenanceWindow, Rule, Signal, Silence

# how far the moment in a request's name and its arrival in the inbox may lie apart
REQUEST_SLACK = timedelta(minutes=2)


def readable_alerts(actor: Actor) -> Q:
    """The condition on alerts that this actor may read: not those of confidential incidents of others.

    Nor what waits, is suppressed or is held on a service whose incidents are confidential: it has no incident yet
    that could have readers, so only administrators see it.
    """
    real = Q(source_id__gt=0)  # not the canary's
    if incident_rules.reads_everything(actor):
        return real
    return real & incidents.readable(actor, "incident_id") & ~Q(incident_id=None, service__confidential=True)


def readable_signals(actor: Actor) -> Q:
    """The condition on decided signals that this actor may read: those of alerts and incidents that they may read."""
    real = Q(source_id__gt=0)  # not the canary's
    if incident_rules.reads_everything(actor):
        return real
    secret = Service.objects.filter(confidential=True).values("pk")
    of_secret = Q(service_id__in=secret) | Q(service_id=None, source_id__in=intake.source_ids(secret))
    # two lists instead of one: each is found by an index, however many alerts there are
    alerts = Alert.objects.order_by().values("pk")
    return (
        real
        & incidents.readable(actor, "incident_id")
        & ~Q(alert_id__in=alerts.filter(incident_id__in=incidents.hidden(actor)))
        & ~Q(alert_id__in=alerts.filter(incident=None, service_id__in=secret))
        & ~(Q(alert_id=None) & of_secret)
    )


def alerts(
    actor: Actor,
    *,
    state: Sequence[str] = (),
    severity: Sequence[str] = (),
    service: Sequence[int] = (),
    source: Sequence[int] = (),
    incident: int | None = None,
    quiet: bool | None = None,
    q: str = "",
    since: datetime | None = None,
    before: int | None = None,
) -> QuerySet[Alert]:
    """Alerts, newest first. ``quiet``: only those that page nobody (suppressed, held, flapping), or only the others.

    Raises Invalid.
    """
    require(actor, Deed.READ)
    unknown = set(state) - {"open", "resolved"}
    if unknown:
        raise Invalid("There is no such state.", {"state": "must be open or resolved"})
    rows = Alert.objects.select_related("source", "service", "incident").order_by("-id")
    rows = rows.filter(readable_alerts(actor))
    if state:
        rows = rows.filter(state__in=state)
    if severity:
        rows = rows.filter(severity__in=severity)
    if service:
        rows = rows.filter(service_id__in=service)
    if source:
        rows = rows.filter(source_id__in=source)
    if incident is not None:
        rows = rows.filter(incident_id=incident)
    if quiet is not None:
        rows = rows.filter(incident__isnull=quiet)
    if since is not None:
        rows = rows.filter(last_at__gte=since)
    for word in q.split():
        rows = rows.filter(Q(title__icontains=word) | Q(dedup_key=word))
    return rows.filter(id__lt=before) if before is not None else rows


def alert(actor: Actor, alert_id: int) -> Alert:
    """One alert that the actor may read. Raises NotFound."""
    require(actor, Deed.READ)
    rows = Alert.objects.select_related("source", "service", "incident", "held_by")
    found = rows.filter(readable_alerts(actor), pk=alert_id).first()
    if found is None:
        raise NotFound(f"There is no alert {alert_id}.")
    return found


def signals(
    actor: Actor,
    *,
    alert_id: int | None = None,
    source: Sequence[int] = (),
    outcome: Sequence[str] = (),
    before: int | None = None,
) -> QuerySet[Signal]:
    """Decided signals, newest first; those of one alert, of sources, or with an outcome."""
    require(actor, Deed.READ)
    unknown = set(outcome) - {value.value for value in rules.Outcome}
    if unknown:
        known = ", ".join(value.value for value in rules.Outcome)
        raise Invalid("There is no such outcome.", {"outcome": f"must be one of {known}"})
    rows = Signal.objects.filter(readable_signals(actor)).order_by("-id")
    if alert_id is not None:
        rows = rows.filter(alert_id=alert_id)
    if source:
        rows = rows.filter(source_id__in=source)
    if outcome:
        rows = rows.filter(outcome__in=outcome)
    return rows.filter(id__lt=before) if before is not None else rows


def signal_of_request(source_id: int, request_id: str, at: datetime) -> Signal | None:
    """The decided signal of a request that this source sent at about this moment, by the name it was given.

    For the sender alone, who is told no more than what became of what it sent; None while it is not decided.
    """
    near = (at - REQUEST_SLACK, at + REQUEST_SLACK)
    rows = Signal.objects.filter(source_id=source_id, received_at__range=near)
    return rows.filter(data__details__request_id=request_id).order_by("-id").first()


def readable_signal_of_request(actor: Actor, request_id: str, at: datetime) -> Signal | None:
    """As ``signal_of_request``, of whatever source, for a person: only what they may read."""
    near = (at - REQUEST_SLACK, at + REQUEST_SLACK)
    rows = signals(actor).filter(received_at__range=near)
    return rows.filter(data__details__request_id=request_id).first()


@dataclass(frozen=True, slots=True)
class WhySignal:
    """A signal's way: where it came from and what became of it. ``waiting``: accepted, not yet decided."""

    id: int
    waiting: bool
    source: intake.SourceRow | None
    received_at: datetime
    action: str
    dedup_key: str
    title: str
    severity: str
    data: dict[str, Any]
    outcome: str = ""
    rule: str = ""
    reason: str = ""
    decided_at: datetime | None = None
    alert: Alert | None = None
    incident_id: int | None = None


def why_signal(actor: Actor, signal_id: int) -> WhySignal:
    """What became of a signal, and by which rule. Raises NotFound."""
    require(actor, Deed.READ)
    waiting = intake.waiting_signal(signal_id)
    if waiting is not None and not incident_rules.reads_everything(actor):
        # nobody knows yet what it will belong to
        origin = intake.sources_by_id([waiting.source_id]).get(waiting.source_id)
        waiting = None if origin is not None and origin.service.confidential else waiting
    row = waiting or Signal.objects.filter(readable_signals(actor), pk=signal_id).first()
    if row is None:
        raise NotFound(f"There is no signal {signal_id}; signals are kept for a limited time.")
    facts: dict[str, Any] = {
        "id": row.pk,
        "source": intake.sources_by_id([row.source_id]).get(row.source_id),
        "received_at": row.received_at,
        "action": row.action,
        "dedup_key": row.dedup_key,
        "title": row.title,
        "severity": row.severity,
        "data": row.data,
    }
    if not isinstance(row, Signal):
        reason = "It is accepted and waits for an engine to decide."
        return WhySignal(waiting=True, reason=reason, **facts)
    found = Alert.objects.select_related("service", "incident").filter(pk=row.alert_id or 0).first()
    return WhySignal(
        waiting=False,
        outcome=row.outcome,
        rule=row.rule,
        reason=row.reason,
        decided_at=row.decided_at,
        alert=found,
        incident_id=row.incident_id,
        **facts,
    )


def triage_rules(actor: Actor) -> QuerySet[Rule]:
    """All rules in the order in which they run."""
    require(actor, Deed.READ)
    return Rule.objects.select_related("service", "to_service").order_by("kind", "position", "id")


def windows(actor: Actor, service: int | None = None) -> QuerySet[MaintenanceWindow]:
    """Maintenance windows, the latest first; those of one service."""
    require(actor, Deed.READ)
    rows = MaintenanceWindow.objects.prefetch_related("services").select_related("created_by", "silence")
    return rows.filter(services=service) if service is not None else rows


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where a window stands: going on until ``ends_at``, next from ``starts_at``, or over for good."""

    going_on: bool
    starts_at: datetime | None
    ends_at: datetime | None


def window_state(window: MaintenanceWindow, at: datetime) -> WindowState:
    """Where a window stands at a moment."""
    if window.ended_at is not None:
        return WindowState(False, None, None)
    length = timedelta(seconds=window.duration_s)
    stretch = rules.going_on(window.starts_at, length, window.rrule, window.zone, at)
    if stretch:
        return WindowState(True, *stretch)
    following = rules.next_start(window.starts_at, window.rrule, window.zone, at)
    return WindowState(False, following, following + length if following else None)


def window_meets(window: MaintenanceWindow) -> str:
    """Which alerts of its services a window means: a silence's matchers, or a condition; empty: all."""
    silence = getattr(window, "silence", None)
    if silence is not None and rules.is_silence(silence.matchers, window.condition, window.rrule):
        return ", ".join(str(rules.matcher_of(value)) for value in silence.matchers)
    return window.condition


@dataclass(frozen=True, slots=True)
class SilenceState:
    """A silence as it stands: ``active``, ``pending`` or ``expired``."""

    row: Silence
    state: str
    starts_at: datetime
    ends_at: datetime
    matchers: list[rules.Matcher]
    services: frozenset[int]


def silences(actor: Actor, *, id: UUID | None = None, since: datetime | None = None) -> list[SilenceState]:
    """Silences that the actor may read, or the one of this id; ``since``: not those that were over by then.

    A source (an actor of kind ``source``) reads those that cover its service.
    """
    if actor.kind != "source":
        require(actor, Deed.READ)
    rows = Silence.objects.select_related("window").prefetch_related("window__services").order_by("-updated_at")
    if actor.kind == "source":
        own = intake.sources_by_id([actor.id or 0]).get(actor.id or 0)
        rows = rows.filter(window__services=own.service_id) if own else rows.none()
    if id is not None:
        rows = rows.filter(pk=id)
    if since is not None:
        rows = rows.filter(window__starts_at__gt=since - LONGEST).exclude(window__ended_at__lte=since)
    now = clock.now()
    found = []
    for row in rows:
        window = row.window
        if not rules.is_silence(row.matchers, window.condition, window.rrule):
            continue
        ends = ends_of(window)
        starts = min(window.starts_at, ends)
        state = "expired" if ends <= now else "pending" if starts > now else "active"
        if since is None or ends > since:
            matchers = [rules.matcher_of(value) for value in row.matchers]
            services = frozenset(service.pk for service in window.services.all())
            found.append(SilenceState(row, state, starts, ends, matchers, services))
    return found


def export_rules() -> list[rules.RuleSpec]:
    """All rules as people write them."""
    rows = Rule.objects.select_related("service", "to_service").order_by("position", "name")
    return [rules.RuleSpec(**rule_facts(row)) for row in rows]  # type: ignore[arg-type]  # facts of the same fields


def export_windows() -> list[rules.WindowSpec]:
    """Maintenance windows that are not over, as people write them. Silences come and go: they are not among them."""
    now = clock.now()
    found = []
    for window in MaintenanceWindow.objects.filter(silence=None).prefetch_related("services").order_by("name", "id"):
        state = window_state(window, now)
        if state.going_on or state.starts_at:
            found.append(
                rules.WindowSpec(
                    name=window.name,
                    services=sorted(service.slug for service in window.services.all()),
                    starts_at=window.starts_at,
                    duration_s=window.duration_s,
                    rrule=window.rrule,
                    zone=window.zone,
                    mode=window.mode,
                    note=window.note,
                    condition=window.condition,
                )
            )
    return found


@dataclass(frozen=True)
class Settled:
    """What decides in triage, fresh from the database: for replays, which must not rest on what engines remember."""

    services: dict[int, rules.Service]
    rules: list[rules.Rule]
    needs: dict[int, list[int]]
    needed_by: dict[int, list[int]]


def configuration() -> Settled:
    """Services, rules and dependencies as they are in this transaction."""
    needs, needed_by = worlds.load_edges([None])[None]
    ids = list(Service.objects.values_list("pk", flat=True))
    return Settled(worlds.load_services(ids), worlds.load_rules([None])[None], needs, needed_by)


def occurrences(since: datetime, until: datetime, most: int = 5_000) -> list[tuple[datetime, rules.Window]]:
    """The stretches of all maintenance windows that touch ``since`` to ``until``, each with its beginning, in order."""
    found: list[tuple[datetime, rules.Window]] = []
    for window in MaintenanceWindow.objects.prefetch_related("services"):
        services = frozenset(service.pk for service in window.services.all())
        length = timedelta(seconds=window.duration_s)
        going_on = rules.going_on(window.starts_at, length, window.rrule, window.zone, since)
        start = going_on[0] if going_on else rules.next_start(window.starts_at, window.rrule, window.zone, since)
        while start is not None and start < until and len(found) < most:
            end = min(start + length, window.ended_at) if window.ended_at else start + length
            if end > max(start, since):
                found.append((max(start, since), worlds.rule_of(window, services, end)))
            start = rules.next_start(window.starts_at, window.rrule, window.zone, start)
    return sorted(found, key=lambda one: (one[0], one[1].id))
