"""Opsgenie's heartbeats: sources of kind heartbeat, by their name.

A key that sends may check in at and look at those of its service, not configure them: that needs an API token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from tocsin.api.opsgenie.asking import Asked
from tocsin.api.opsgenie.managing import Answer, Call, data, needed, referred, told, whole, words, wrong
from tocsin.api.opsgenie.shapes import moment
from tocsin.catalogue import queries as catalogue
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.intake.contract import Signal
from tocsin.intake.sources.opsgenie.parser import ROOTS
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform.errors import Conflict, Forbidden, NotFound

HEARTBEAT_ROOTS = tuple(root.replace("/alerts", "/heartbeats") for root in ROOTS)
PONG = "PONG - Heartbeat received"
_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))
SECONDS = dict(_UNITS)
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


def _rows(asked: Asked) -> Any:
    service = asked.source.service_id if asked.source is not None else 0
    rows = sources.heartbeats(asked.reader).filter(source__service_id=service)
    return rows.filter(source__kind="heartbeat").order_by("source__name")


def _shape(beat: Any) -> dict[str, Any]:
    unit, seconds = next((pair for pair in _UNITS if beat.interval_s % pair[1] == 0), ("minutes", 60))
    shape = {
        "name": beat.source.name,
        "description": str(beat.source.config.get("description") or ""),
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
    wanted = "a source's key may not configure; give an API token (tocsin_...), or change the source on its page"
    raise Forbidden("You are not authorized to change heartbeats with this key.", {"heartbeat": wanted})


def _ping(asked: Asked, name: str) -> dict[str, Any]:
    """Check in: durable in the inbox when this returns. Raises NotFound, Forbidden (switched off)."""
    return _check_in(_beat(asked, name))


def _check_in(beat: Any) -> dict[str, Any]:
    if not beat.source.enabled:
        raise Forbidden("This heartbeat is switched off.", {"heartbeat": "switch its source on"})
    signal = Signal(action="check_in", dedup_key="heartbeat", title="Check-in", severity="info")
    with transaction.atomic():
        intake.accept([(beat.source_id, signal)])
    return {"result": PONG}


# -- with an API token -------------------------------------------------------------------------------------------------


def _all(call: Call) -> Any:
    return sources.heartbeats(call.actor).filter(source__kind="heartbeat").order_by("source__name", "source_id")


def _named(call: Call, name: str) -> Any:
    """The heartbeat of this name, of whatever service. Raises NotFound, Conflict when several services have one."""
    rows = list(_all(call).filter(source__name__iexact=name))
    if call.query.get("service"):
        rows = [row for row in rows if row.source.service.slug == str(call.query["service"]).lower()]
    if not rows:
        raise NotFound(f"Heartbeat with name [{name[:200]}] does not exist")
    if len(rows) > 1:
        slugs = ", ".join(row.source.service.slug for row in rows)
        raise Conflict(
            "Several services have a heartbeat of this name.", {"service": f"as a parameter, one of {slugs}"}
        )
    return rows[0]


def _service(call: Call) -> str:
    """The slug of the service that a new heartbeat is of. Raises Invalid."""
    if text := words(call.body, "service", limit=120):
        found = catalogue.services(call.actor).filter(slug=text.lower()).first()
        if found is None:
            raise wrong("service", "the slug of a service")
        return found.slug
    rows = catalogue.services(call.actor)
    where = "service"
    if call.body.get("ownerTeam"):
        team = referred(people.teams(call.actor), "team", call.body["ownerTeam"], "ownerTeam")
        rows, where = rows.filter(team=team), "ownerTeam"
    senders = list(sources.sources(call.actor, kind="opsgenie").filter(enabled=True, service__in=rows)[:2])
    slugs = [senders[0].service.slug] if len(senders) == 1 else [row.slug for row in rows[:2]]
    if len(slugs) != 1:
        raise wrong(where, "a team with one service; or say which one: service, its slug")
    return slugs[0]


@dataclass(frozen=True)
class _Change:
    """What a body says of a heartbeat, as configuration of its source."""

    config: dict[str, Any]
    enabled: bool | None


def _change(body: Mapping[str, Any], known: Mapping[str, Any]) -> _Change:
    config = dict(known)
    if "interval" in body or "intervalUnit" in body or "interval_s" not in known:
        unit = words(body, "intervalUnit", limit=20).lower() or "minutes"
        if unit not in SECONDS:
            raise wrong("intervalUnit", "minutes, hours or days")
        if body.get("interval") is None:
            raise wrong("interval", "interval can not be empty")
        config["interval_s"] = whole(body, "interval", 0, 1, 366 * 86_400 // SECONDS[unit]) * SECONDS[unit]
    if body.get("description") is not None:
        config["description"] = words(body, "description", limit=4_000)
    if body.get("alertMessage") is not None:
        config["message"] = words(body, "alertMessage", limit=130)
    if body.get("alertPriority") is not None:
        if body["alertPriority"] not in PRIORITIES:
            raise wrong("alertPriority", "one of P1, P2, P3, P4, P5")
        config["priority"] = body["alertPriority"]
    if body.get("alertTags") is not None:
        tags = body["alertTags"]
        if not isinstance(tags, list) or len(tags) > 20 or not all(isinstance(tag, str) for tag in tags):
            raise wrong("alertTags", "a list of at most 20 texts")
        config["tags"] = ",".join(tag.strip()[:50] for tag in tags)
    enabled = body.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise wrong("enabled", "true or false")
    return _Change(config, enabled)


def listed(call: Call) -> Answer:
    """Heartbeats of every service."""
    return data({"heartbeats": [_shape(beat) for beat in _all(call)]})


def one(call: Call, name: str) -> Answer:
    """One heartbeat."""
    return data(_shape(_named(call, name)))


def create(call: Call) -> Answer:
    """Add a heartbeat: of the owner team's only service, or else of the one that Opsgenie's senders report."""
    name = needed(call.body, "name", limit=120)
    change = _change(call.body, {"grace_s": 0, "priority": "P3"})
    if _all(call).filter(source__name__iexact=name).exists():
        raise Conflict("A heartbeat with this name exists already.", {"name": "one not yet in use"})
    with transaction.atomic():
        source = intake.create_source(_service(call), "heartbeat", actor=call.actor, name=name, config=change.config)
        if change.enabled is False:
            intake.set_enabled([source.pk], False, actor=call.actor)
    return 201, {"result": "Created", "data": _shape(_named(call, name))}


def update(call: Call, name: str) -> Answer:
    """Change a heartbeat."""
    beat = _named(call, name)
    change = _change(call.body, beat.source.config)
    if call.body.get("ownerTeam"):
        raise wrong("ownerTeam", "nothing: a heartbeat belongs to its service; move the source on its own page")
    enabled = beat.source.enabled if change.enabled is None else change.enabled
    intake.update_source(beat.source_id, actor=call.actor, config=change.config, enabled=enabled)
    return _meta(call, name, "Updated")


def _meta(call: Call, name: str, result: str) -> Answer:
    beat = _named(call, name)
    return told(result, name=beat.source.name, enabled=beat.source.enabled, expired=beat.missed)


def delete(call: Call, name: str) -> Answer:
    """Remove a heartbeat with its source."""
    beat = _named(call, name)
    intake.delete_source([beat.source_id], actor=call.actor)
    return told("Deleted", name=beat.source.name)


def enable(call: Call, name: str) -> Answer:
    """Switch a heartbeat on."""
    intake.set_enabled([_named(call, name).source_id], True, actor=call.actor)
    return _meta(call, name, "Enabled")


def disable(call: Call, name: str) -> Answer:
    """Switch a heartbeat off: nobody misses it, and it takes no check-ins."""
    intake.set_enabled([_named(call, name).source_id], False, actor=call.actor)
    return _meta(call, name, "Disabled")


def ping(call: Call, name: str) -> Answer:
    """Check in."""
    require(call.actor, Deed.RESPOND)
    return 202, _check_in(_named(call, name))
