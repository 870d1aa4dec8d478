"""Signals become alerts and incidents: a batch at a time, each signal exactly once.

A batch is one transaction: its rows are deleted from the inbox, decided one after the other in the order they came,
and written with their outcome. Rows are taken with plain row locks from the lowest id on, so a second engine that
reaches for the same rows waits and then finds them gone: order holds even while buckets change hands.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from django.db import connection

from tocsin.catalogue import actions as catalogue
from tocsin.catalogue.rules import ChangeSpec
from tocsin.incidents.actions import use_book
from tocsin.intake import actions as intake
from tocsin.platform import bulk, events
from tocsin.platform.actor import SYSTEM
from tocsin.platform.canary import is_canary
from tocsin.triage import rules
from tocsin.triage.actions import world as worlds
from tocsin.triage.actions.desk import Desk

log = structlog.get_logger()

_TAKE = """
DELETE FROM intake_inbox WHERE id IN (
  SELECT id FROM intake_inbox {where} ORDER BY id LIMIT %s FOR UPDATE
) RETURNING id, source_id, action, dedup_key, severity, title, data::text, occurred_at, received_at
"""
_SIGNAL = [
    "id", "source_id", "action", "dedup_key", "severity", "title", "data", "occurred_at", "received_at", "decided_at",
    "outcome", "rule", "reason", "service_id", "alert_id", "incident_id",
]  # fmt: skip


def absorb(limit: int = 2_000, buckets: Sequence[int] | None = None) -> int:
    """Decide up to ``limit`` signals of these buckets (all when None). Returns how many there were.

    Runs in the name of the sources; raises only when the database does, and then nothing has happened.
    """
    with use_book() as book:
        signals = _take(limit, buckets)
        if not signals:
            return 0
        sources = worlds.sources({signal.source_id for signal in signals}, book.config)
        keys = list({(s.source_id, s.dedup_key): None for s in signals})
        latest = worlds.latest_alerts(keys)
        open_ids = [alert.id for alert in latest.values() if alert.state == "open"]
        if open_ids:
            # incidents before alerts is the order in which everybody locks; then look again at what may have changed
            book.lock([alert.incident_id for alert in latest.values() if alert.incident_id])
            known = worlds.alerts_by_id(open_ids)
            latest = worlds.latest_alerts([key for key in latest if key not in known]) | known
        else:
            known = {}
        fresh = sum(1 for s in signals if s.action == "trigger" and (s.source_id, s.dedup_key) not in known)
        desk = Desk(book, sources, fresh)
        world = worlds.build(book.now, book.config, sources, desk, fresh)
        world.alerts = known
        world.last = {key: alert for key, alert in latest.items() if alert.state != "open"}
        desk.load_groups(_grouped_services(world))
        everything = {alert.id: alert for alert in [*world.alerts.values(), *world.last.values()]}
        decisions = []
        for signal in signals:
            decision = _decide(signal, world)
            decisions.append(decision)
            if decision.alert_id is not None and decision.alert_id not in everything:
                everything[decision.alert_id] = world.alerts[signal.source_id, signal.dedup_key]
        with bulk.pipelined(len(signals)):
            worlds.write_alerts(everything.values())
            _write_signals(signals, decisions, book.now)
            _follow_up(signals, decisions)
            desk.publish()
            events.changed("alert", {0: 0})
            book.flush()
        return len(signals)


def _take(limit: int, buckets: Sequence[int] | None) -> list[rules.Signal]:
    values: list[Any] = [limit] if buckets is None else [list(buckets), limit]
    with connection.cursor() as cursor:
        cursor.execute(_TAKE.format(where="" if buckets is None else "WHERE bucket = ANY(%s)"), values)
        rows = sorted(cursor.fetchall())
    return [
        rules.Signal(key, source, action, dedup, severity, title, msgspec.json.decode(text), occurred, at, text)
        for key, source, action, dedup, severity, title, text, occurred, at in rows
    ]


def _grouped_services(world: rules.World) -> list[int]:
    grouped = {service.id for service in world.services.values() if service.grouping.by != "alert"}
    for service in world.services.values():
        if service.grouping.by == "dependency":
            grouped.update(rules.related(service.id, world.needs, world.needed_by))
    return sorted(grouped)


def _decide(signal: rules.Signal, world: rules.World) -> rules.Decision:
    """Decide; a signal that rules or grouping choke on still pages: it is decided again without them.

    The canary is decided without them at once: a rule that keeps everything from paging is no fault of Tocsin's.
    """
    if is_canary(signal.source_id):
        return rules.decide(signal, _plain(world))
    try:
        return rules.decide(signal, world)
    except Exception:
        log.exception("triage.decide_failed", signal=signal.id, source=signal.source_id)
        world.alerts.pop((signal.source_id, signal.dedup_key), None)
        return rules.decide(signal, _plain(world))


def _plain(world: rules.World) -> rules.World:
    """The same world without rules, maintenance and grouping."""
    return rules.World(
        now=world.now,
        sources=world.sources,
        services={
            key: rules.Service(s.id, s.name, s.slug, s.tier, s.impact, s.enabled, rules.Grouping(), s.team)
            for key, s in world.services.items()
        },
        rules=(),
        windows=(),
        incidents=world.incidents,
        alerts=world.alerts,
        last={},
        new_id=world.new_id,
    )


def _write_signals(signals: Sequence[rules.Signal], decisions: Sequence[rules.Decision], now: datetime) -> None:
    bulk.copy_rows(
        "triage_signal",
        _SIGNAL,
        [
            (
                s.id, s.source_id, s.action, s.dedup_key, s.severity, s.title, s.text, s.occurred_at, s.received_at,
                now, d.outcome.value, d.rule[:120], d.reason, d.service_id, d.alert_id, d.incident_id,
            )
            for s, d in zip(signals, decisions, strict=True)
        ],
    )  # fmt: skip


def _follow_up(signals: Sequence[rules.Signal], decisions: Sequence[rules.Decision]) -> None:
    """What signals that are no alerts leave behind, and when each source was last heard of."""
    changes = [
        ChangeSpec(
            service_id=d.service_id,
            at=s.occurred_at or s.received_at,
            summary=s.title or "Change",
            origin=str(s.data.get("origin") or ""),
            links=list(s.data.get("links") or []),
            details=s.data.get("details"),
            signal_id=s.id,
        )
        for s, d in zip(signals, decisions, strict=True)
        if d.outcome is rules.Outcome.CHANGE
    ]
    if changes:
        catalogue.record_changes(changes, actor=SYSTEM)
    beats = [(s.source_id, s.received_at) for s in signals if s.action == "check_in"]
    if beats:
        intake.heartbeats_checked_in(beats)
    confirmations = [
        (s.source_id, str(s.data.get("origin") or ""), str(details["confirm"]))
        for s in signals
        if s.action == "check_in" and isinstance(details := s.data.get("details"), dict) and details.get("confirm")
    ]
    if confirmations:
        intake.confirmations_asked(confirmations)
    last: dict[int, datetime] = {}
    for signal in signals:
        last[signal.source_id] = signal.received_at
    intake.heard_of(last)
