"""Alerts, groups, receivers and status, as Alertmanager's clients read them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import yaml

from tocsin.api.alertmanager.asking import Asked, Refused, strings, written
from tocsin.intake.sources.alertmanager_api.parser import fingerprint
from tocsin.platform import clock
from tocsin.triage import queries as triage
from tocsin.triage.rules import Matcher, MatcherError, all_accept, labels_of, parse_matcher

MOST = 10_000
STANDS_FOR = timedelta(minutes=5)  # Alertmanager's resolve_timeout, for alerts that never end by themselves
VERSION = "0.25.0"  # whose API this is


def filters(asked: Asked) -> list[Matcher]:
    """The matchers of ``filter``. Raises Refused."""
    try:
        return [parse_matcher(text) for text in asked.many("filter")]
    except MatcherError as error:
        text = str(error)
        raise Refused(400, text if text.startswith("bad matcher") else f"bad matcher format: {text}") from error


def _receiver(asked: Asked) -> Matcher | None:
    text = asked.query.get("receiver", "")
    try:
        return Matcher("receiver", text, is_regex=True) if text else None
    except MatcherError as error:
        raise Refused(400, f"failed to parse receiver param: {error}") from error


def _standing(row: Any, silences: list[triage.SilenceState], labels: dict[str, str], now: datetime) -> dict[str, Any]:
    """An alert's status: which silences keep it quiet, and what else does."""
    silenced: list[str] = []
    muted: list[str] = []
    held = row.held_by
    if held is not None and (silence := getattr(held, "silence", None)) is not None:
        silenced.append(str(silence.pk))
    elif held is not None:
        muted.append(f"maintenance {held.name}")
    if row.suppressed_by:
        muted.append(row.suppressed_by)
    if row.flapping_until is not None:
        muted.append("flapping")
    incident = row.incident
    if silenced or (incident is not None and incident.snoozed_until is not None and incident.snoozed_until > now):
        silenced += [
            str(silence.row.pk)
            for silence in silences
            if str(silence.row.pk) not in silenced
            and row.service_id in silence.services
            and all_accept(silence.matchers, labels)
        ]
    state = "suppressed" if silenced or muted else "active"
    return {"state": state, "silencedBy": sorted(silenced), "inhibitedBy": [], "mutedBy": muted}


def _shape(row: Any, labels: dict[str, str], status: dict[str, Any], now: datetime) -> dict[str, Any]:
    data = row.data
    annotations = dict(strings((data.get("details") or {}).get("annotations")))
    shape = {
        "annotations": annotations or {"summary": row.title},
        "endsAt": written(row.expires_at or now + STANDS_FOR),
        "fingerprint": fingerprint(labels),
        "receivers": [{"name": row.service.slug}],
        "startsAt": written(row.first_at),
        "status": status,
        "updatedAt": written(row.last_at),
        "labels": labels,
    }
    query = next((link.get("href") for link in data.get("links") or () if link.get("text") == "Query"), None)
    return shape | ({"generatorURL": query} if query else {})


def _found(asked: Asked) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Rows with their shapes, the newest first, that the query asks for. Raises Refused."""
    wanted, receiver = filters(asked), _receiver(asked)
    on = {name: asked.flag(name) for name in ("active", "silenced", "inhibited", "unprocessed", "muted")}
    now = clock.now()
    silences = [one for one in triage.silences(asked.actor, since=now) if one.state == "active"]
    for row in asked.alerts()[:MOST]:
        if receiver is not None and not receiver.accepts(row.service.slug):
            continue
        labels = labels_of(row.data.get("labels") or {}, row.title, row.severity)
        if not all_accept(wanted, labels):
            continue
        status = _standing(row, silences, labels, now)
        if status["state"] == "active" and not on["active"]:
            continue
        if (status["silencedBy"] and not on["silenced"]) or (status["mutedBy"] and not on["muted"]):
            continue
        yield row, _shape(row, labels, status, now)


def alerts(asked: Asked) -> list[dict[str, Any]]:
    """Open alerts, by their labels' fingerprint as Alertmanager sorts them. Raises Refused."""
    return sorted((shape for _, shape in _found(asked)), key=lambda shape: str(shape["fingerprint"]))


def groups(asked: Asked) -> list[dict[str, Any]]:
    """Open alerts by what is told at once here: the incident. Those without one are a group by service."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row, shape in _found(asked):
        group = found.setdefault(
            (row.service.slug, row.incident_id or 0),
            {
                "labels": {"incident": f"INC-{row.incident_id}"} if row.incident_id else {},
                "receiver": {"name": row.service.slug},
                "alerts": [],
            },
        )
        group["alerts"].append(shape)
    return [found[key] for key in sorted(found)]


def receivers(asked: Asked) -> list[dict[str, str]]:
    """Services: what alerts are sorted to here."""
    return [{"name": name} for name in asked.receivers()]


@cache
def _since() -> str:
    """When this process was first asked."""
    return written(clock.now())


def status(asked: Asked) -> dict[str, Any]:
    """What an Alertmanager says of itself: no cluster, receivers by the names of services."""
    names = asked.receivers() or ["none"]
    config = {"route": {"receiver": names[0]}, "receivers": [{"name": name} for name in names]}
    return {
        "cluster": {"name": "tocsin", "status": "disabled", "peers": []},
        "config": {"original": yaml.safe_dump(config, sort_keys=False)},
        "uptime": _since(),
        "versionInfo": {
            "branch": "tocsin", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "", "version": VERSION,
        },
    }  # fmt: skip
