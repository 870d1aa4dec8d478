"""What a batch touches, read with a handful of set-based queries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec
from django.db import connection

from tocsin.platform import bulk, cel
from tocsin.platform.remember import Remembered
from tocsin.triage import rules
from tocsin.triage.models import MaintenanceWindow

ALERT = [
    "id", "source_id", "service_id", "incident_id", "dedup_key", "state", "severity", "title", "data", "count",
    "suppressed_by", "held_by_id", "flapping_until", "flips", "first_at", "last_at", "resolved_at", "expires_at",
    "first_signal_id", "last_signal_id",
]  # fmt: skip
_UPDATE = {
    "id": "bigint", "incident_id": "bigint", "state": "text", "severity": "text", "title": "text", "data": "jsonb",
    "count": "int", "suppressed_by": "text", "held_by_id": "int", "flapping_until": "timestamptz", "flips": "jsonb",
    "last_at": "timestamptz", "resolved_at": "timestamptz", "expires_at": "timestamptz", "last_signal_id": "bigint",
}  # fmt: skip
_INSERT = attrgetter(*ALERT)
_CHANGE = attrgetter(*_UPDATE)
_FLIPS = ALERT.index("flips"), list(_UPDATE).index("flips")


def _rows(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _load_sources(ids: list[int]) -> dict[int, rules.Source]:
    return {
        row[0]: rules.Source(*row)
        for row in _rows(
            "SELECT id, name, kind, service_id, enabled FROM intake_source WHERE id = ANY(%s)", [list(ids)]
        )
    }


def load_services(ids: list[int]) -> dict[int, rules.Service]:
    """Services by id, fresh."""
    found = _rows(
        "SELECT s.id, s.name, s.slug, s.tier, s.impact, s.enabled, s.grouping, coalesce(t.slug, ''),"
        " s.confidential FROM catalogue_service s LEFT JOIN people_team t ON t.id = s.team_id WHERE s.id = ANY(%s)",
        [list(ids)],
    )
    return {
        key: rules.Service(key, name, slug, tier, impact, enabled, rules.Grouping.of(_json(grouping)), *rest)
        for key, name, slug, tier, impact, enabled, grouping, *rest in found
    }


def load_rules(_: list[None]) -> dict[None, list[rules.Rule]]:
    """The rules that are switched on, in order, fresh."""
    found = [
        rules.Rule(key, name, kind, partial(cel.holds, condition), *rest)
        for key, name, kind, condition, *rest in _rows(
            "SELECT id, name, kind, condition, service_id, to_service_id, severity, impact, urgency"
            " FROM triage_rule WHERE enabled ORDER BY position, id"
        )
    ]
    return {None: found}


def _load_windows(_: list[None]) -> dict[None, list[tuple[MaintenanceWindow, frozenset[int]]]]:
    rows = MaintenanceWindow.objects.filter(ended_at__isnull=True).prefetch_related("services")
    return {None: [(window, frozenset(service.pk for service in window.services.all())) for window in rows]}


def windows(now: datetime, version: int) -> list[rules.Window]:
    """The maintenance windows that are going on now."""
    found = []
    for window, service_ids in _windows.one(version, None):
        going_on = stretch(window, now)
        if going_on:
            found.append(rule_of(window, service_ids, going_on[1]))
    return found


def rule_of(window: MaintenanceWindow, service_ids: frozenset[int], until: datetime) -> rules.Window:
    """The window as the rules see it, for the occurrence that ends at ``until``."""
    holds = partial(cel.holds, window.condition) if window.condition else None
    return rules.Window(window.pk, window.name, window.mode, service_ids, until, holds)


def stretch(window: MaintenanceWindow, now: datetime) -> tuple[datetime, datetime] | None:
    """Start and end of the window's occurrence at this moment, or None; an end that was set by hand counts."""
    length = timedelta(seconds=window.duration_s)
    found = rules.going_on(window.starts_at, length, window.rrule, window.zone, now)
    return None if window.ended_at is not None and window.ended_at <= now else found


Edges = tuple[dict[int, list[int]], dict[int, list[int]]]


def load_edges(_: list[None]) -> dict[None, Edges]:
    """Dependencies both ways: service -> what it needs, service -> what needs it."""
    needs: dict[int, list[int]] = {}
    needed_by: dict[int, list[int]] = {}
    for service, other in _rows("SELECT service_id, needs_id FROM catalogue_dependency ORDER BY id"):
        needs.setdefault(service, []).append(other)
        needed_by.setdefault(other, []).append(service)
    return {None: (needs, needed_by)}


def latest_alerts(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], rules.Alert]:
    """The open alert of each of these (source, key) pairs, otherwise the latest; not locked.

    The open one need not have the highest number: engines take numbers ahead, and buckets change hands.
    """
    return _alerts(
        "JOIN (SELECT coalesce((SELECT o.id FROM triage_alert o WHERE o.source_id = w.source_id"
        " AND o.dedup_key = w.dedup_key AND o.state = 'open'), (SELECT max(b.id) FROM triage_alert b"
        " WHERE b.source_id = w.source_id AND b.dedup_key = w.dedup_key)) AS id"
        " FROM unnest(%s::int[], %s::text[]) AS w(source_id, dedup_key)) AS latest ON latest.id = a.id",
        [[source for source, _ in keys], [key for _, key in keys]],
    )


def alerts_by_id(ids: Sequence[int]) -> dict[tuple[int, str], rules.Alert]:
    """Open alerts of these ids, locked."""
    return _alerts("WHERE a.id = ANY(%s) AND a.state = 'open' ORDER BY a.id FOR UPDATE OF a", [list(ids)])


def _alerts(rest: str, values: Sequence[Any]) -> dict[tuple[int, str], rules.Alert]:
    columns = ", ".join(f"a.{name}" for name in ALERT)
    found = {}
    for row in _rows(f"SELECT {columns} FROM triage_alert a {rest}", values):  # noqa: S608 - constants only
        alert = rules.Alert(**dict(zip(ALERT, row, strict=True)))
        alert.flips = _json(alert.flips)
        found[alert.source_id, alert.dedup_key] = alert
    return found


def _json(value: object) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str | bytes) else value


def write_alerts(alerts: Iterable[rules.Alert]) -> None:
    """Insert the new alerts and update the changed ones."""
    new: list[list[object]] = []
    changed: list[list[object]] = []
    for alert in alerts:
        if not (alert.new or alert.dirty):
            continue
        row, flips = (list(_INSERT(alert)), _FLIPS[0]) if alert.new else (list(_CHANGE(alert)), _FLIPS[1])
        row[flips] = msgspec.json.encode(alert.flips).decode()
        (new if alert.new else changed).append(row)
    # what ended goes first: an alert that comes back in the same batch is open under the same key
    bulk.update_rows("triage_alert", _UPDATE, changed)
    bulk.copy_rows("triage_alert", ALERT, new)


def id_giver(count: int) -> Callable[[], int]:
    """Gives up to ``count`` new alert ids, read in one query when the first is asked for."""
    ids: list[int] = []

    def give() -> int:
        if not ids:
            ids.extend(reversed(bulk.next_ids("triage_alert", max(count, 1))))
        return ids.pop()

    return give


_sources = Remembered(_load_sources)
_services = Remembered(load_services)
_rules = Remembered(load_rules)
_windows = Remembered(_load_windows)
_edges = Remembered(load_edges)


def sources(ids: Iterable[int], version: int) -> dict[int, rules.Source]:
    """Sources by id, as of this version of the configuration."""
    return _sources.get(version, ids)


def services(ids: Iterable[int], version: int) -> dict[int, rules.Service]:
    """Services by id, as of this version of the configuration."""
    return _services.get(version, ids)


def build(
    now: datetime, version: int, wanted_sources: Mapping[int, rules.Source], incidents: rules.Incidents, new_alerts: int
) -> rules.World:
    """A world with rules, windows, and every service that the sources or a route can lead to."""
    active = _rules.one(version, None)
    ids = {source.service_id for source in wanted_sources.values()}
    ids.update(rule.to_service_id for rule in active if rule.to_service_id)
    found = services(ids, version)
    grouped = any(service.grouping.by == "dependency" for service in found.values())
    needs, needed_by = _edges.one(version, None) if grouped else ({}, {})
    return rules.World(
        now=now,
        sources=wanted_sources,
        services=found,
        rules=active,
        windows=windows(now, version),
        incidents=incidents,
        alerts={},
        last={},
        new_id=id_giver(new_alerts),
        needs=needs,
        needed_by=needed_by,
    )
