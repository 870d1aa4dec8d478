"""Opsgenie's rotations: layers of a schedule that run beside each other. A rotation keeps its id when it is edited."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from tocsin.api.opsgenie import windows
from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    created,
    data,
    found,
    instant,
    missing,
    participant,
    parts,
    person_in,
    speaking,
    told,
    whole,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import made_id, number_of
from tocsin.api.opsgenie.shapes import moment
from tocsin.intake.contract import moment as read_moment
from tocsin.oncall import actions
from tocsin.oncall import queries as oncall
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people import queries as people
from tocsin.people.models import User

UNITS = {"hourly": "hour", "daily": "day", "weekly": "week"}
TYPES = {ours: theirs for theirs, ours in UNITS.items()}
MONTH_DAYS = 30
FIELDS = {
    "zone": "timezone", "layers": "rotations", "anchor": "startDate", "starts_at": "startDate", "ends_at": "endDate",
    "unit": "type", "members": "participants", "restrictions": "timeRestriction", "team": "ownerTeam", "slug": "name",
}  # fmt: skip


def schedule(call: Call, identifier: str) -> Any:
    """The schedule that an address names. Raises NotFound, Invalid."""
    return found(call, oncall.schedules(call.actor), "schedule", identifier)


def meta(row: Any) -> dict[str, Any]:
    """A schedule as it stands in answers about its parts."""
    return {"id": made_id("schedule", row.pk), "name": row.name, "enabled": True}


def folk(call: Call, layers: Sequence[LayerSpec]) -> dict[str, User]:
    """Everybody in layers, by e-mail address; one query."""
    emails = {email for layer in layers for group in layer.groups for email in group}
    return {user.email: user for user in people.users(call.actor).filter(email__in=emails)}


def shape(line: int, layer: LayerSpec, known: Mapping[str, User]) -> dict[str, Any]:
    """A layer as a rotation. Months are told as days, groups as their people one after the other."""
    monthly = layer.unit == "month"
    restriction = windows.written(layer.restrictions)
    return {
        "id": made_id("rotation", line),
        "name": layer.name,
        "startDate": moment(layer.starts_at or layer.anchor),
        "type": "daily" if monthly else TYPES[layer.unit],
        "length": layer.length * MONTH_DAYS if monthly else layer.length,
        "participants": [participant(known[email]) for group in layer.groups for email in group if email in known],
        **({"endDate": moment(layer.ends_at)} if layer.ends_at else {}),
        **({"timeRestriction": restriction} if restriction else {}),
    }


def shapes(call: Call, row: Any, spec: ScheduleSpec) -> list[dict[str, Any]]:
    """The rotations of a schedule, in order."""
    known = folk(call, spec.layers)
    lines = oncall.layer_lines(row.pk)
    # somebody may have added a layer since the schedule was read
    return [shape(line, layer, known) for line, layer in zip(lines, spec.layers, strict=False)]


# -- from bodies -------------------------------------------------------------------------------------------------------


def _members(call: Call, body: Mapping[str, Any], where: str) -> list[str | list[str]]:
    given = parts(body, "participants", f"{where}participants")
    if not given:
        raise wrong(f"{where}participants", "at least one person")
    members: list[str | list[str]] = []
    for place, one in enumerate(given):
        at = f"{where}participants.{place}"
        if str(one.get("type") or "user").lower() != "user":
            raise wrong(f"{at}.type", "user: only people take turns here, by name")
        members.append(person_in(call, one, at).email)
    return members


def _end(body: Mapping[str, Any], where: str) -> datetime | None:
    return instant(body, "endDate", f"{where}endDate") if body.get("endDate") else None


def layer_of(call: Call, body: Mapping[str, Any], taken: Sequence[str], where: str = "") -> LayerSpec:
    """A new layer as a body describes it; without a name it gets a free one. Raises Invalid."""
    name = words(body, "name", limit=120, where=f"{where}name")
    number = len(taken) + 1
    while not name or (not body.get("name") and name in taken):
        name, number = f"Rotation {number}", number + 1
    return LayerSpec(
        name=name,
        anchor=instant(body, "startDate", f"{where}startDate"),
        members=_members(call, body, where),
        unit=_unit(body, "", where),
        length=whole(body, "length", 1, 1, 366, f"{where}length"),
        restrictions=windows.read(body.get("timeRestriction"), f"{where}timeRestriction"),
        ends_at=_end(body, where),
    )


def layers_of(call: Call, body: Mapping[str, Any]) -> list[LayerSpec]:
    """The layers of a schedule's ``rotations``, beside each other. Raises Invalid."""
    layers: list[LayerSpec] = []
    for place, one in enumerate(parts(body, "rotations")):
        layer = layer_of(call, one, [known.name for known in layers], f"rotations.{place}.")
        layers.append(replace(layer, beside=bool(layers)))
    return layers


def _unit(body: Mapping[str, Any], default: str, where: str) -> str:
    kind = body.get("type")
    if kind is None and default:
        return default
    if not isinstance(kind, str) or kind.lower() not in UNITS:
        raise wrong(f"{where}type", "hourly, daily or weekly")
    return UNITS[kind.lower()]


def _changed(call: Call, layer: LayerSpec, body: Mapping[str, Any]) -> LayerSpec:
    """A layer with what a body gives. What the body does not speak of stays, also what Opsgenie has no word for."""
    wanted = replace(
        layer,
        name=words(body, "name", limit=120) or layer.name,
        unit=_unit(body, layer.unit, ""),
        length=whole(body, "length", layer.length, 1, 366),
    )
    if body.get("participants") is not None:
        wanted = replace(wanted, members=_members(call, body, ""))
    if body.get("startDate") is not None and read_moment(body["startDate"]) != (layer.starts_at or layer.anchor):
        wanted = replace(wanted, anchor=instant(body, "startDate"), starts_at=None)
    if "endDate" in body:
        wanted = replace(wanted, ends_at=_end(body, ""))
    if "timeRestriction" in body:
        wanted = replace(wanted, restrictions=windows.read(body["timeRestriction"], "timeRestriction"))
    if wanted.unit != "day":
        wanted = replace(wanted, weekdays=[])
    return wanted if wanted.unit == "week" else replace(wanted, handoffs=[])


# -- operations --------------------------------------------------------------------------------------------------------


def locked(call: Call, identifier: str) -> tuple[Any, ScheduleSpec]:
    """A schedule and how it is written, locked: who reads it to change it must not overwrite another's change."""
    row = schedule(call, identifier)
    # whoever comes second waits here and then reads what the first has written
    list(oncall.schedules(call.actor).select_for_update(of=("self",)).filter(pk=row.pk))
    return row, oncall.export_schedules([row.pk])[0]


def save(call: Call, row: Any, spec: ScheduleSpec) -> None:
    """Keep a changed schedule. Raises Forbidden, Invalid, Conflict in Opsgenie's words."""
    first = [replace(layer, beside=False) for layer in spec.layers[:1]]
    with speaking(**FIELDS):
        actions.save_schedule(replace(spec, layers=[*first, *spec.layers[1:]]), actor=call.actor, id=row.pk)


def _place(row: Any, text: str) -> int:
    lines = oncall.layer_lines(row.pk)
    number = number_of("rotation", text)
    if number not in lines:
        raise missing("Rotation", text)
    return lines.index(number)


def listed(call: Call, identifier: str) -> Answer:
    """The rotations of a schedule."""
    row = schedule(call, identifier)
    status, answer = data(shapes(call, row, oncall.export_schedules([row.pk])[0]))
    return status, answer | {"_parent": meta(row)}


def one(call: Call, identifier: str, rotation: str) -> Answer:
    """One rotation, with its schedule."""
    row = schedule(call, identifier)
    place = _place(row, rotation)
    return data(shapes(call, row, oncall.export_schedules([row.pk])[0])[place] | {"_parent": meta(row)})


def create(call: Call, identifier: str) -> Answer:
    """Add a rotation beside the last one."""
    with transaction.atomic():
        row, spec = locked(call, identifier)
        layer = layer_of(call, call.body, [known.name for known in spec.layers])
        save(call, row, replace(spec, layers=[*spec.layers, replace(layer, beside=bool(spec.layers))]))
    return created(id=made_id("rotation", oncall.layer_lines(row.pk)[-1]), name=layer.name)


def update(call: Call, identifier: str, rotation: str) -> Answer:
    """Change a rotation from now on; who was on call stays true."""
    with transaction.atomic():
        row, spec = locked(call, identifier)
        place = _place(row, rotation)
        layers = list(spec.layers)
        layers[place] = _changed(call, layers[place], call.body)
        save(call, row, replace(spec, layers=layers))
        line = oncall.layer_lines(row.pk)[place]
    return told("Updated", id=made_id("rotation", line), name=layers[place].name)


def delete(call: Call, identifier: str, rotation: str) -> Answer:
    """End a rotation now."""
    with transaction.atomic():
        row, spec = locked(call, identifier)
        place = _place(row, rotation)
        layers = list(spec.layers)
        gone = layers.pop(place)
        if not gone.beside and place < len(layers):  # it led those beside it: the next one does
            layers[place] = replace(layers[place], beside=False)
        save(call, row, replace(spec, layers=layers))
    return told("Deleted")
