"""Opsgenie's schedules: schedules here, whose layers are its rotations."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from tocsin.api.opsgenie import rotations
from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    data,
    needed,
    owner_team,
    speaking,
    team_meta,
    told,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import made_id
from tocsin.api.opsgenie.rotations import FIELDS, meta, schedule
from tocsin.api.opsgenie.shapes import moment
from tocsin.oncall import actions, rules
from tocsin.oncall import queries as oncall
from tocsin.oncall.rules import ScheduleSpec, Shift
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.errors import Invalid

UNITS = {"days": 1, "weeks": 7, "months": 30}
AHEAD = timedelta(days=100)


def _enabled(body: Mapping[str, Any]) -> None:
    if body.get("enabled") not in (None, True):
        raise wrong(
            "enabled", "true: a schedule here is never switched off; take it out of what pages it, or delete it"
        )


def _shape(row: Any, rotations_of: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": made_id("schedule", row.pk),
        "name": row.name,
        "description": row.description,
        "timezone": row.zone,
        "enabled": True,
        **team_meta(row.team),
        "rotations": rotations_of,
    }


def listed(call: Call) -> Answer:
    """Every schedule; with ``expand=rotation`` and their rotations."""
    rows = list(oncall.schedules(call.actor))
    expanded = "rotation" in ",".join(call.query.getlist("expand"))
    specs = {spec.slug: spec for spec in oncall.export_schedules([row.pk for row in rows])} if expanded else {}
    shapes = [_shape(row, rotations.shapes(call, row, specs[row.slug]) if expanded else []) for row in rows]
    status, answer = data(shapes)
    return status, answer | {"expandable": ["rotation"]}


def one(call: Call, identifier: str) -> Answer:
    """A schedule with its rotations."""
    row = schedule(call, identifier)
    return data(_shape(row, rotations.shapes(call, row, oncall.export_schedules([row.pk])[0])))


def create(call: Call) -> Answer:
    """Add a schedule with its rotations."""
    _enabled(call.body)
    spec = ScheduleSpec(
        name=needed(call.body, "name", limit=120),
        description=words(call.body, "description"),
        zone=words(call.body, "timezone", limit=60) or "UTC",
        team=owner_team(call, call.body),
        layers=rotations.layers_of(call, call.body),
    )
    with speaking(**FIELDS):
        row = actions.save_schedule(spec, actor=call.actor)
    return 201, {"result": "Created", "data": meta(row)}


def update(call: Call, identifier: str) -> Answer:
    """Change a schedule from now on; rotations that are given replace those that are there."""
    _enabled(call.body)
    with transaction.atomic():
        row, spec = rotations.locked(call, identifier)
        spec = replace(
            spec,
            name=words(call.body, "name", limit=120) or spec.name,
            description=words(call.body, "description", spec.description),
            zone=words(call.body, "timezone", limit=60) or spec.zone,
            team=owner_team(call, call.body, spec.team),
        )
        if call.body.get("rotations") is not None:
            spec = replace(spec, layers=rotations.layers_of(call, call.body))
        rotations.save(call, row, spec)
    return 200, {"result": "Updated", "data": {"id": made_id("schedule", row.pk), "name": spec.name, "enabled": True}}


def delete(call: Call, identifier: str) -> Answer:
    """Remove a schedule that no escalation pages."""
    row = schedule(call, identifier)
    actions.delete_schedules([row.pk], actor=call.actor)
    return told("Deleted", **meta(row))


# -- who is on call ----------------------------------------------------------------------------------------------------


def _flat(call: Call) -> bool:
    return (call.query.get("flat") or "").lower() == "true"


def _standing(users: list[User]) -> list[dict[str, Any]]:
    return [{"id": made_id("user", user.pk), "name": user.email, "type": "user"} for user in users]


def _on_call(call: Call, row: Any, users: list[User]) -> dict[str, Any]:
    if _flat(call):
        return {"_parent": meta(row), "onCallRecipients": [user.email for user in users]}
    return {"_parent": meta(row), "onCallParticipants": _standing(users)}


def on_calls(call: Call, identifier: str) -> Answer:
    """Who is on call in a schedule now or at ``date``."""
    row = schedule(call, identifier)
    shifts = oncall.who(row.pk, call.at("date", clock.now()))
    known = oncall.people(shift.user_id for shift in shifts)
    return data(_on_call(call, row, [known[shift.user_id] for shift in shifts if shift.user_id in known]))


def all_on_calls(call: Call) -> Answer:
    """Who is on call in every schedule now or at ``date``."""
    rows = list(oncall.schedules(call.actor))
    lines = {line.schedule.id: line for line in oncall.everyone(call.at("date", clock.now()))}
    return data([_on_call(call, row, list(lines[row.pk].users)) for row in rows if row.pk in lines])


def next_on_calls(call: Call, identifier: str) -> Answer:
    """Who is on call next: after the next change (``exact``), and next of all when nobody is then."""
    row = schedule(call, identifier)
    at = call.at("date", clock.now())
    shifts = oncall.final(row.pk, at, at + AHEAD)

    def standing(then: datetime) -> list[int]:
        return [shift.user_id for shift in shifts if shift.start <= then < shift.end]

    present = set(standing(at))
    changes = sorted({edge for shift in shifts for edge in (shift.start, shift.end) if at < edge < at + AHEAD})
    others = [found for found in map(standing, changes) if set(found) != present]
    exact = others[0] if others else []
    following = next((found for found in others if found), [])
    known = oncall.people([*exact, *following])
    exactly, then = ([known[key] for key in keys if key in known] for keys in (exact, following))
    if _flat(call):
        names = {"nextOnCallParticipants": then, "exactNextOnCallParticipants": exactly}
        return data({"_parent": meta(row), **{name: [user.email for user in users] for name, users in names.items()}})
    told_of = {"nextOnCallRecipients": then, "exactNextOnCallRecipients": exactly}
    return data({"_parent": meta(row), **{name: _standing(users) for name, users in told_of.items()}})


# -- timeline ----------------------------------------------------------------------------------------------------------


def _period(shift: Shift, kind: str, known: Mapping[int, User]) -> dict[str, Any]:
    user = known[shift.user_id]
    recipient = {"id": made_id("user", user.pk), "type": "user", "name": user.email}
    return {
        "startDate": moment(shift.start),
        "endDate": moment(shift.end),
        "type": kind,
        "recipient": recipient,
    }


def _lines(
    lines: Mapping[int, int], names: Mapping[int, str], shifts: list[Shift], known: Mapping[int, User], now: datetime
) -> list[dict[str, Any]]:
    """Shifts by rotation, in order; those of overrides stand by themselves at the end."""
    by_line: dict[int, list[dict[str, Any]]] = {line: [] for line in names}
    overrides: list[dict[str, Any]] = []
    for shift in shifts:
        if shift.user_id not in known:
            continue
        if shift.layer is None:
            overrides.append(_period(shift, "override", known))
        else:
            kind = "historical" if shift.end <= now else "default"
            by_line.setdefault(lines[shift.layer.id], []).append(_period(shift, kind, known))
    found: list[dict[str, Any]] = [
        {"id": made_id("rotation", line), "name": names.get(line, ""), "order": place + 1, "periods": periods}
        for place, (line, periods) in enumerate(by_line.items())
    ]
    if overrides:
        found.append({"id": "", "name": "Overrides", "order": len(found) + 1, "periods": overrides})
    return found


def timeline(call: Call, identifier: str) -> Answer:
    """Who is on call over some time: the final timeline, and with ``expand`` what rotations and overrides say alone."""
    row = schedule(call, identifier)
    unit = (call.query.get("intervalUnit") or "weeks").lower()
    if unit not in UNITS:
        raise Invalid("The answer cannot be made.", {"intervalUnit": "days, weeks or months"})
    days = call.whole("interval", 1, 1, 1000) * UNITS[unit]
    if timedelta(days=days) > oncall.MAX_WINDOW:
        raise Invalid("The answer cannot be made.", {"interval": f"{oncall.MAX_WINDOW.days} days at most"})
    now = clock.now()
    zone = ZoneInfo(row.zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone).astimezone(UTC)
    start = call.at("date", midnight)
    end = start + timedelta(days=days)
    loaded = oncall.load([row.pk], start, end)[row.pk]
    lines = oncall.lines_of_layers(row.pk)
    names: dict[int, str] = {}
    for layer in sorted(loaded.layers, key=lambda layer: (layer.position, layer.id)):
        names[lines[layer.id]] = layer.name
    final = rules.final_schedule(loaded, start, end)
    wanted = ",".join(call.query.getlist("expand"))
    base = [shift for layer in loaded.layers for shift in rules.rendered(loaded, layer, start, end)]
    known = oncall.people(shift.user_id for shift in (*final, *base))
    shape: dict[str, Any] = {
        "_parent": meta(row),
        "startDate": moment(start),
        "endDate": moment(end),
        "finalTimeline": {"rotations": _lines(lines, names, final, known, now)},
    }
    if "base" in wanted:
        shape["baseTimeline"] = {"rotations": _lines(lines, names, base, known, now)}
    if "override" in wanted:
        only = [shift for shift in final if shift.layer is None]
        shape["overrideTimeline"] = {"rotations": _lines(lines, {}, only, known, now)}
    status, answer = data(shape)
    return status, answer | {"expandable": ["base", "override"]}
