"""Reconciling: no accepted signal without an outcome, nobody who must be woken without a page under way.

What the ledger seals is what happened; this asks what should have happened and has not. A finding is told to the
administrators, loudly, as far as messages still leave the house; the outward watcher is for when they do not.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from tocsin.delivery.actions.notices import notify
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.models import Setting

log = structlog.get_logger()

PATIENCE = timedelta(seconds=60)
EVERY = timedelta(seconds=60)
AGAIN = timedelta(hours=1)  # the same finding is told again after this
_NAME = "ledger.reconciled"
_RECENT = timedelta(days=7)

# each: what is wrong, and the ids of the oldest few of it; late: the patience is over, recent: how far it looks back
_QUESTIONS: dict[str, tuple[str, str]] = {
    "signals_waiting": (
        "accepted signals have no outcome yet",
        "SELECT id FROM intake_inbox WHERE received_at < %(late)s ORDER BY id",
    ),
    "signals_lost": (
        "signals name an incident that is not there",
        "SELECT s.id FROM triage_signal s LEFT JOIN incidents_incident i ON i.id = s.incident_id"
        " WHERE s.received_at >= %(recent)s AND s.incident_id IS NOT NULL AND i.id IS NULL ORDER BY s.id",
    ),
    "incidents_unpaged": (
        "triggered incidents have no page",
        "SELECT i.id FROM incidents_incident i WHERE i.state = 'triggered' AND i.suppressed_by = ''"
        " AND i.opened_at < %(late)s AND NOT EXISTS (SELECT FROM escalation_page p WHERE p.incident_id = i.id)"
        " ORDER BY i.id",
    ),
    "incidents_idle": (
        "triggered incidents are under no policy's run",
        "SELECT i.id FROM incidents_incident i WHERE i.state = 'triggered' AND i.suppressed_by = ''"
        " AND i.updated_at < %(late)s AND NOT EXISTS (SELECT FROM escalation_run r WHERE r.incident_id = i.id"
        " AND r.generation = i.generation AND r.state IN ('waiting', 'done')) ORDER BY i.id",
    ),
    "runs_late": (
        "steps of policies are overdue",
        "SELECT id FROM escalation_run WHERE state = 'waiting' AND due_at < %(late)s ORDER BY due_at",
    ),
    "deliveries_late": (
        "messages are overdue",
        "SELECT id FROM delivery_delivery WHERE state = 'pending' AND next_at < %(late)s ORDER BY next_at",
    ),
    "deliveries_stuck": (
        "messages were taken by a sender that is gone",
        "SELECT id FROM delivery_delivery WHERE state = 'sending' AND claimed_until < %(late)s ORDER BY claimed_until",
    ),
}

WHAT = tuple(_QUESTIONS)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should have happened. ``examples``: ids of the oldest."""

    what: str
    text: str
    count: int
    examples: tuple[int, ...]


def reconcile() -> list[Finding]:
    """Ask all questions now. Reads only."""
    now = clock.now()
    facts = {"late": now - PATIENCE, "recent": now - _RECENT}
    found = []
    with connection.cursor() as cursor:
        for what, (text, sql) in _QUESTIONS.items():
            cursor.execute(
                f"SELECT count(*), (array_agg(id))[1:5] FROM (SELECT id FROM ({sql}) AS q LIMIT 1000) AS few",  # noqa: S608 - constants
                facts,
            )
            count, examples = cursor.fetchone()
            if count:
                found.append(Finding(what, text, count, tuple(examples)))
    return found


def reconcile_due() -> Sequence[Finding] | None:
    """Once a minute, by one engine: ask, remember what was found, tell administrators what is new; None: not due."""
    with transaction.atomic():
        now = clock.now()
        row, _ = Setting.objects.get_or_create(name=_NAME, defaults={"value": {}})
        state = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if state is None or state.value.get("at", "") > (now - EVERY).isoformat():
            return None
        found = reconcile()
        told: dict[str, str] = state.value.get("told", {})
        fresh = [one for one in found if told.get(one.what, "") < (now - AGAIN).isoformat()]
        told = {one.what: told.get(one.what, "") for one in found} | {one.what: now.isoformat() for one in fresh}
        state.value = {"at": now.isoformat(), "found": [asdict(one) for one in found], "told": told}
        state.save(update_fields=["value"])
        if fresh:
            log.error("ledger.unreconciled", **{one.what: one.count for one in fresh})
            lines = [f"{one.count} {one.text} (the oldest: {', '.join(map(str, one.examples))})." for one in fresh]
            notify(
                User.objects.filter(role="admin", is_active=True).values_list("pk", flat=True),
                key=f"unreconciled:{now.isoformat()}",
                title=f"Tocsin itself is late: {fresh[0].count} {fresh[0].text}",
                body="\n".join(lines) + "\n\nLook at Health, and at the engine's log.",
                path="/settings/health/",
                urgency="high",
            )
    return found


def last() -> dict[str, Any]:
    """What the last reconciliation found: ``at`` and ``found``; empty before the first."""
    row = Setting.objects.filter(name=_NAME).first()
    return dict(row.value) if row else {}
