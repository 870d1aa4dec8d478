"""What time does to alerts: sources that fell silent, maintenance that ended, flapping that stopped."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.db import connection
from django.db.models import Q

from tocsin.incidents.actions import use_book
from tocsin.intake import actions as intake
from tocsin.intake.contract import Signal, severity_of
from tocsin.platform import clock, events
from tocsin.triage import rules
from tocsin.triage.actions import world as worlds
from tocsin.triage.actions.desk import Desk
from tocsin.triage.models import Alert, MaintenanceWindow


def expire(limit: int = 1_000) -> int:
    """Resolve alerts whose source fell silent, through the inbox like everything else. Returns how many."""
    with use_book() as book:
        due = list(
            Alert.objects.select_for_update(skip_locked=True)
            .filter(state="open", expires_at__lte=book.now)
            .order_by("expires_at")[:limit]
        )
        if not due:
            return 0
        intake.accept(
            [
                (
                    alert.source_id,
                    Signal(
                        action="resolve",
                        dedup_key=alert.dedup_key,
                        title=alert.title,
                        severity=severity_of(alert.severity),
                        details={rules.UNLESS_AFTER: alert.last_signal_id},
                        remarks=["sent by Tocsin: the source was not heard of in time"],
                    ),
                )
                for alert in due
            ]
        )
        Alert.objects.filter(pk__in=[alert.pk for alert in due]).update(expires_at=None)
        return len(due)


def release(limit: int = 1_000) -> int:
    """Let alerts page that a window held or that flapped, when that is over and they are still open."""
    with use_book() as book:
        ids = _releasable(book.now, limit)
        if not ids:
            return 0
        alerts = worlds.alerts_by_id(ids)
        sources = worlds.sources({alert.source_id for alert in alerts.values()}, book.config)
        desk = Desk(book, sources, len(alerts))
        world = worlds.build(book.now, book.config, sources, desk, 0)
        missing = {alert.service_id for alert in alerts.values()} - set(world.services)
        world.services = {**world.services, **worlds.services(missing, book.config)}
        desk.load_groups([s.id for s in world.services.values() if s.grouping.by != "alert"])
        for alert in alerts.values():
            signal = rules.Signal(
                id=alert.last_signal_id,
                source_id=alert.source_id,
                action="trigger",
                dedup_key=alert.dedup_key,
                severity=alert.severity,
                title=alert.title,
                data=msgspec.json.decode(alert.data),
                occurred_at=None,
                received_at=book.now,
                text=alert.data,
            )
            alert.held_by_id = alert.flapping_until = None
            alert.flips = []
            alert.dirty = True
            service = world.services[alert.service_id]
            assessment = rules.assess(signal, sources[alert.source_id], service, world.rules)
            rules.admit(alert, signal, service, assessment, world)
        worlds.write_alerts(alerts.values())
        desk.publish()
        events.changed("alert", {0: 0})
        return len(alerts)


def _releasable(now: datetime, limit: int) -> list[int]:
    """Alerts whose window is not going on any more, or whose flapping time is over."""
    held_by = MaintenanceWindow.objects.filter(held__state="open").distinct()
    over = [window.pk for window in held_by if window.ended_at is not None or not _still_going_on(window, now)]
    held = Q(held_by__in=over) if over else Q(pk=None)
    rows = Alert.objects.filter(state="open").filter(held | Q(flapping_until__lte=now))
    return list(rows.order_by("id").values_list("pk", flat=True)[:limit])


def _still_going_on(window: MaintenanceWindow, now: datetime) -> bool:
    return worlds.stretch(window, now) is not None


def next_due() -> datetime | None:
    """The next moment at which ``expire`` or ``release`` has something to do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least((SELECT min(expires_at) FROM triage_alert WHERE state = 'open'),"
            " (SELECT min(flapping_until) FROM triage_alert WHERE state = 'open'))"
        )
        moments = [cursor.fetchone()[0]]
    now = clock.now()
    for window in MaintenanceWindow.objects.filter(held__state="open").distinct():
        going_on = worlds.stretch(window, now) if window.ended_at is None else None
        moments.append(going_on[1] if going_on else now)
    return min((moment for moment in moments if moment is not None), default=None)


def resolve_alerts_of(incident_ids: Sequence[int]) -> None:
    """A person ended these incidents: their open alerts end with them, so that the next signal is a new condition."""
    with use_book() as book:
        ended = Alert.objects.filter(incident_id__in=incident_ids, state="open").update(
            state="resolved", resolved_at=book.now, held_by=None, flapping_until=None, expires_at=None
        )
        if ended:
            for state in book.lock(incident_ids).values():
                state.open_alert_count = 0
                book.touch(state)


def move_alerts(incident_ids: Sequence[int], into: int) -> None:
    """Incidents were merged: their alerts belong to another one."""
    Alert.objects.filter(incident_id__in=incident_ids).update(incident_id=into)
