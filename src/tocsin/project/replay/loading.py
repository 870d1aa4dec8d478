"""What a replay needs, read from the database: the configuration as it is, and what happened since."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from statistics import median
from typing import Any
from uuid import uuid4

import msgspec
from django.db import connection

from tocsin.catalogue.models import Service
from tocsin.escalation import queries as escalation
from tocsin.escalation.foresight import Foresight
from tocsin.incidents.actions import matrix
from tocsin.intake.models import Source
from tocsin.project.replay.machine import Configuration, Recording
from tocsin.triage import queries as triage_queries
from tocsin.triage import rules as triage

CHUNK = 5_000
USUAL_S = 300.0  # how long an answer takes where nothing is on record
_SIGNALS = """
SELECT id, source_id, action, dedup_key, severity, title, data::text, occurred_at, received_at
FROM triage_signal WHERE received_at >= %s AND received_at < %s AND source_id > 0 ORDER BY received_at, id
"""
# alerts that no signal ended: a person did
_ENDS = """
SELECT a.resolved_at, a.source_id, a.dedup_key FROM triage_alert a
WHERE a.resolved_at >= %s AND a.resolved_at < %s AND NOT EXISTS (
  SELECT FROM triage_signal s
  WHERE s.id = a.last_signal_id AND s.received_at = a.resolved_at AND s.outcome = 'resolved')
ORDER BY a.resolved_at, a.id
"""
# seconds from an incident's first page to the first answer of anybody who was paged for it
_ANSWERS = """
SELECT a.first_signal_id, extract(epoch FROM w.answered - w.paged)
FROM (SELECT incident_id, min(at) AS paged, min(answered_at) AS answered FROM escalation_page
      WHERE user_id IS NOT NULL GROUP BY incident_id) AS w
JOIN triage_alert a ON a.incident_id = w.incident_id
WHERE w.answered IS NOT NULL AND a.first_at >= %s AND a.first_at < %s
"""


def configuration(since: datetime, until: datetime) -> Configuration:
    """The configuration as it is now, for a replay of ``since`` to ``until``."""
    world = triage_queries.configuration()
    windows, starts = [], []
    for start, window in triage_queries.occurrences(since, until):
        windows.append(window)
        starts.append(start)
    policies = escalation.snapshots_of_services(Service.objects.values_list("pk", flat=True))
    foresight = Foresight(policies.values(), since, until)
    return Configuration(
        sources={
            row.pk: triage.Source(row.pk, row.name, row.kind, row.service_id, row.enabled)
            for row in Source.objects.all()
        },
        services=world.services,
        rules=world.rules,
        windows=windows,
        window_starts=starts,
        needs=world.needs,
        needed_by=world.needed_by,
        matrix=matrix(),
        policies=policies,
        resolve=foresight,
        notify=escalation.notify_rules(foresight.users),
        facts=escalation.service_facts(world.services),
        condition=escalation.condition,
    )


def recording(since: datetime, until: datetime) -> Recording:
    """What happened from ``since`` to ``until``."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, [since, until])
        ends = cursor.fetchall()
        cursor.execute(_ANSWERS, [since, until])
        answers = {signal_id: max(0.0, float(seconds)) for signal_id, seconds in cursor.fetchall()}
    usual = median(answers.values()) if answers else USUAL_S
    return Recording(lambda: _signals(since, until), since, ends, answers, usual)


def count(since: datetime, until: datetime) -> int:
    """How many signals are stored from ``since`` to ``until``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM triage_signal WHERE received_at >= %s AND received_at < %s AND source_id > 0",
            [since, until],
        )
        return int(cursor.fetchone()[0])


def _signals(since: datetime, until: datetime) -> Iterator[triage.Signal]:
    decode = lru_cache(maxsize=10_000)(msgspec.json.Decoder(dict).decode)
    for key, source, action, dedup, severity, title, text, occurred, at in _rows(_SIGNALS, since, until):
        yield triage.Signal(key, source, action, dedup, severity, title, decode(text), occurred, at, text)


def _rows(sql: str, since: datetime, until: datetime) -> Iterator[tuple[Any, ...]]:
    """Rows a chunk at a time through a cursor of the server."""
    name = f"replay_{uuid4().hex}"
    with connection.cursor() as cursor:
        cursor.execute(f"DECLARE {name} NO SCROLL CURSOR WITH HOLD FOR {sql}", [since, until])
        try:
            while rows := _fetch(name):
                yield from rows
        finally:
            cursor.execute(f"CLOSE {name}")


def _fetch(name: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"FETCH {CHUNK} FROM {name}")
        return list(cursor.fetchall())
