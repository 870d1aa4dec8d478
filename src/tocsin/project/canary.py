"""The canary: a page that Tocsin sends itself every few minutes, through the whole road, to see whether pages arrive.

A signal enters by the door or the inbox, triage opens an incident for it, a policy is armed, a page planned, a delivery
handed out, to the sink or to a webhook; when that was taken the canary has arrived. Nothing of it is made up but the
signal. What it leaves on its way has numbers below zero (``platform.canary``), so that no list, figure or seal of real
ones holds it, and is taken away as soon as it has arrived. Administrators are told of one that is late, as they are of
what the ledger misses; the outward watcher hears nothing meanwhile.
"""

from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog
from django.conf import settings
from django.db import connection, transaction

from tocsin import __version__
from tocsin.catalogue.actions import keep_canary_service
from tocsin.delivery import canaries
from tocsin.delivery.actions.notices import notify
from tocsin.delivery.models import Canary
from tocsin.intake.actions import accept, canary_key, keep_canary_source
from tocsin.intake.contract import Signal
from tocsin.people.models import User
from tocsin.platform import clock, events
from tocsin.platform.canary import SOURCE
from tocsin.platform.models import Node, Setting
from tocsin.platform.nodes import ALIVE

log = structlog.get_logger()

AGAIN = timedelta(hours=1)  # that canaries are late is told again after this
GIVEN_UP = timedelta(hours=1)  # what a lost one left on its way is taken away after this
KEPT = timedelta(days=30)
DOOR_PATIENCE_S = 10.0
_NAME = "canary.turn"

_ARRIVED = """
SELECT c.id, a.id, a.incident_id, d.ended_at
FROM delivery_canary c
LEFT JOIN triage_alert a ON a.source_id = %(source)s AND a.dedup_key = 'canary-' || c.id
LEFT JOIN delivery_delivery d ON d.incident_id = a.incident_id AND d.kind = 'page'
 AND d.state IN ('accepted', 'delivered')
WHERE NOT c.cleared AND c.sent_at >= %(since)s ORDER BY c.id
"""
# what a canary leaves behind, in the order in which everybody locks: incidents before runs before deliveries
_CLEAR = (
    "SELECT 1 FROM incidents_incident WHERE id = ANY(%(incidents)s) ORDER BY id FOR UPDATE",
    "DELETE FROM escalation_run WHERE incident_id = ANY(%(incidents)s)",
    "DELETE FROM delivery_attempt WHERE delivery_id IN"
    " (SELECT id FROM delivery_delivery WHERE incident_id = ANY(%(incidents)s))",
    "DELETE FROM delivery_delivery WHERE incident_id = ANY(%(incidents)s)",
    "DELETE FROM escalation_page WHERE incident_id = ANY(%(incidents)s)",
    "DELETE FROM incidents_timeline_entry WHERE incident_id = ANY(%(incidents)s)",
    "DELETE FROM triage_alert WHERE id = ANY(%(alerts)s)",
    "DELETE FROM incidents_incident WHERE id = ANY(%(incidents)s)",
    "DELETE FROM triage_signal WHERE id = ANY(%(signals)s) AND source_id = %(source)s AND received_at >= %(since)s",
)
_WHERE = """
SELECT EXISTS (SELECT FROM intake_inbox WHERE source_id = %(source)s AND dedup_key = %(key)s),
       (SELECT a.incident_id FROM triage_alert a WHERE a.source_id = %(source)s AND a.dedup_key = %(key)s),
       (SELECT d.state || CASE WHEN d.reason = '' THEN '' ELSE ': ' || d.reason END FROM delivery_delivery d
        JOIN triage_alert a ON a.incident_id = d.incident_id
        WHERE a.source_id = %(source)s AND a.dedup_key = %(key)s ORDER BY d.id DESC LIMIT 1)
"""


def turn() -> int:
    """Send a canary if it is time, see which have arrived, tell of late ones; by one engine. How many were sent."""
    set_to = canaries.config()
    if not set_to.enabled and not Canary.objects.filter(cleared=False).exists():
        return 0
    with transaction.atomic():
        row, _ = Setting.objects.get_or_create(name=_NAME, defaults={"value": {}})
        if not Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).exists():
            return 0
        now = clock.now()
        look(now, set_to)
        sent = _begun(now, set_to)
    if sent is not None and set_to.door:
        _through_the_door(sent)
    return int(sent is not None)


def _begun(now: datetime, set_to: canaries.Config) -> Canary | None:
    """A canary that sets out now; None when it is not time."""
    if not set_to.enabled:
        return None
    last = Canary.objects.order_by("-id").values_list("sent_at", flat=True).first()
    if last is not None and last + timedelta(minutes=set_to.every_minutes) > now:
        return None
    # a process of another version may not know what a canary is: it would page people for it, or show it to them
    if Node.objects.filter(seen_at__gt=now - ALIVE).exclude(version=__version__).exists():
        return None
    keep_canary_source(keep_canary_service())
    canary = Canary.objects.create(sent_at=now)
    Canary.objects.filter(sent_at__lt=now - KEPT).delete()
    if not set_to.door:
        accept([(SOURCE, Signal(action="trigger", dedup_key=key_of(canary), title=_TITLE, severity="critical"))])
    return canary


_TITLE = "Canary: Tocsin sees whether its pages arrive"


def key_of(canary: Canary) -> str:
    """The key that its signal has."""
    return f"canary-{canary.pk}"


def _through_the_door(canary: Canary) -> None:
    """Send the signal as a tool would; one that is refused is late, and is told as such."""
    url = f"{settings.TOCSIN.public_url}/in/{canary_key()}"
    body = {"action": "trigger", "dedup_key": key_of(canary), "title": _TITLE, "severity": "critical"}
    try:
        answer = httpx.post(url, json=body, timeout=DOOR_PATIENCE_S)
        if not answer.is_success:
            log.warning("canary.refused", status=answer.status_code)
    except httpx.HTTPError as error:
        log.warning("canary.door", error=type(error).__name__)


def look(now: datetime, set_to: canaries.Config) -> None:
    """Note arrivals, take away what is over, tell administrators of what is late and when it is well again."""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, {"source": SOURCE, "since": now - canaries.DAY})
        rows = cursor.fetchall()
    open_ones = Canary.objects.in_bulk([row[0] for row in rows])
    for key, alert, incident, arrived_at in rows:
        canary = open_ones[key]
        if arrived_at is not None and canary.arrived_at is None:
            _arrived(canary, arrived_at)
        if canary.arrived_at is not None or canary.sent_at < now - GIVEN_UP:
            _clear(canary, alert, incident)
    Canary.objects.filter(sent_at__lt=now - canaries.DAY, cleared=False).update(cleared=True)
    _tell_late(now, set_to)


def _arrived(canary: Canary, at: datetime) -> None:
    canary.arrived_at = at
    canary.save(update_fields=["arrived_at"])
    events.changed("canary", {1: canary.pk})
    before = Canary.objects.filter(arrived_at__isnull=False).exclude(pk=canary.pk).order_by("-id").first()
    told = Canary.objects.filter(told_at__isnull=False, pk__gt=before.pk if before else 0).order_by("id").first()
    if told is not None:
        _notify(
            f"canary-arrives:{canary.pk}",
            "Tocsin's canary arrives again",
            f"It had not since {told.sent_at:%Y-%m-%d %H:%M} UTC.",
            "low",
        )


def _clear(canary: Canary, alert: int | None, incident: int | None) -> None:
    """Take away what it left on its way."""
    facts: dict[str, Any] = {
        "incidents": [incident] if incident else [],
        "alerts": [alert] if alert else [],
        "signals": [-incident] if incident else [],
        "source": SOURCE,
        "since": canary.sent_at - timedelta(minutes=10),
    }
    with connection.cursor() as cursor:
        for sql in _CLEAR:
            cursor.execute(sql, facts)
    # a lost one may still come; its day is over then, or it is found here again
    canary.cleared = canary.arrived_at is not None
    canary.save(update_fields=["cleared"])


def _tell_late(now: datetime, set_to: canaries.Config) -> None:
    if not canaries.late_s(set_to, now):
        return
    last = Canary.objects.filter(arrived_at__isnull=False).order_by("-id").values_list("id", flat=True).first() or 0
    waiting = Canary.objects.filter(pk__gt=last)
    if waiting.filter(told_at__gt=now - AGAIN).exists():
        return
    canary = waiting.filter(cleared=False).order_by("id").first()
    if canary is None:
        return
    waited = (now - canary.sent_at).total_seconds()
    place = where(canary)
    log.error("canary.late", canary=canary.pk, waited_s=round(waited), where=place)
    newest = waiting.order_by("-id").first() or canary
    newest.told_at = now
    newest.save(update_fields=["told_at"])
    _notify(
        f"canary-late:{newest.pk}:{now.isoformat()}",
        "Tocsin's own canary has not arrived: pages may not either",
        f"It was sent {waited:.0f} seconds ago and {place}.\n\nLook at Health, and at the engine's log.",
        "high",
    )


def where(canary: Canary) -> str:
    """How far a canary has come, as the end of a sentence."""
    with connection.cursor() as cursor:
        cursor.execute(_WHERE, {"source": SOURCE, "key": key_of(canary)})
        waits, incident, delivery = cursor.fetchone()
    if waits:
        return "waits to be decided by triage"
    if incident is None:
        return "has left no trace: the door did not take it, or triage has lost it"
    if delivery is None:
        return "has its incident, but no page was planned"
    return f"its message is {delivery}"


def _notify(key: str, title: str, body: str, urgency: str) -> None:
    admins = User.objects.filter(role="admin", is_active=True).values_list("pk", flat=True)
    notify(admins, key=key, title=title, body=body, path="/settings/health/", urgency=urgency)
