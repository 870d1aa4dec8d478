"""Opsgenie's heartbeats: check-ins for sources of kind heartbeat on the same service, by their name.

A key that sends may check in and look, not configure: making, changing and deleting is refused.
"""

from typing import Any

from django.db import transaction

from tocsin.api.opsgenie.asking import Asked
from tocsin.api.opsgenie.shapes import moment
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.intake.contract import Signal
from tocsin.intake.sources.opsgenie.parser import ROOTS
from tocsin.platform.errors import Forbidden, NotFound

HEARTBEAT_ROOTS = tuple(root.replace("/alerts", "/heartbeats") for root in ROOTS)
PONG = "PONG - Heartbeat received"
_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


def _rows(asked: Asked) -> Any:
    rows = sources.heartbeats(asked.reader).filter(source__service_id=asked.source.service_id)
    return rows.filter(source__kind="heartbeat").order_by("source__name")


def _shape(beat: Any) -> dict[str, Any]:
    unit, seconds = next((pair for pair in _UNITS if beat.interval_s % pair[1] == 0), ("minutes", 60))
    shape = {
        "name": beat.source.name,
        "description": "",
        "interval": max(1, beat.interval_s // seconds),
        "intervalUnit": unit,
        "enabled": beat.source.enabled,
        "expired": beat.missed,
    }
    return shape if beat.last_at is None else shape | {"lastPingTime": moment(beat.last_at)}


def _beat(asked: Asked, name: str) -> Any:
    found = _rows(asked).filter(source__name__iexact=name).first()
    if found is None:
        raise NotFound(f"Heartbeat with name [{name[:200]}] does not exist")
    return found


def answer(asked: Asked, method: str, rest: str) -> tuple[int, dict[str, Any]]:
    """Status and body for what stands behind ``/v2/heartbeats``. Raises NotFound, Forbidden."""
    name, _, last = rest.rpartition("/")
    if name and last == "ping":
        return 202, _ping(asked, name)
    if method in ("GET", "HEAD"):
        if not rest:
            return 200, {"data": {"heartbeats": [_shape(beat) for beat in _rows(asked)]}}
        return 200, {"data": _shape(_beat(asked, rest))}
    wanted = "a source's key may not configure; make or change a source of kind heartbeat on this service"
    raise Forbidden("You are not authorized to change heartbeats with this key.", {"heartbeat": wanted})


def _ping(asked: Asked, name: str) -> dict[str, Any]:
    """Check in: durable in the inbox when this returns. Raises NotFound, Forbidden (switched off)."""
    beat = _beat(asked, name)
    if not beat.source.enabled:
        raise Forbidden("This heartbeat is switched off.", {"heartbeat": "switch its source on"})
    signal = Signal(action="check_in", dedup_key="heartbeat", title="Check-in", severity="info")
    with transaction.atomic():
        intake.accept([(beat.source_id, signal)])
    return {"result": PONG}
