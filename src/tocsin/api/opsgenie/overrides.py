"""Opsgenie's overrides: somebody instead of everybody that the rotations name, for a while."""

from datetime import timedelta
from typing import Any

from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    data,
    instant,
    missing,
    participant,
    parts,
    person_in,
    speaking,
    told,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import number_of
from tocsin.api.opsgenie.rotations import meta, schedule
from tocsin.api.opsgenie.shapes import moment
from tocsin.oncall import actions
from tocsin.oncall import queries as oncall
from tocsin.platform import clock

FIELDS = {"start": "startDate", "end": "endDate"}
FOR = timedelta(days=366)


def _rows(schedule_id: int) -> Any:
    """Overrides that replace everybody and are not over; others have no form there."""
    now = clock.now()
    return oncall.overrides(schedule_id, now, now + 30 * FOR).filter(kind="instead", replaces=None)


def alias_of(row: Any) -> str:
    """What a client calls an override: the alias that it gave, else one that is worked out."""
    return str(row.alias) or f"override-{row.pk}"


def _override(call: Call, row: Any, alias: str) -> Any:
    rows = _rows(row.pk)
    number = alias.removeprefix("override-")
    found = rows.filter(alias=alias).first()
    if found is None and number != alias and number.isascii() and number.isdigit() and len(number) < 10:
        found = rows.filter(alias="", pk=int(number)).first()
    if found is None:
        raise missing("Override", alias)
    return found


def _shape(row: Any, parent: Any) -> dict[str, Any]:
    return {
        "_parent": meta(parent),
        "alias": alias_of(row),
        "user": participant(row.user) if row.user else {"type": "none"},
        "startDate": moment(row.starts_at),
        "endDate": moment(row.ends_at),
        "rotations": [],
    }


def _user(call: Call) -> int | None:
    """Who is on call instead; None: nobody, which a recipient of type ``none`` says."""
    value = call.body.get("user")
    kind = str(value.get("type") or "user").lower() if isinstance(value, dict) else "user"
    if kind == "none":
        return None
    if kind != "user":
        raise wrong("user.type", "user, or none for a gap by intent")
    return person_in(call, value, "user").pk


def _rotations(call: Call, row: Any) -> None:
    """Raise Invalid where only some rotations are meant: an override here stands before all of them."""
    given = parts(call.body, "rotations")
    spec = oncall.export_schedules([row.pk])[0]
    names = {layer.name: line for layer, line in zip(spec.layers, oncall.layer_lines(row.pk), strict=False)}
    meant = {number_of("rotation", str(one.get("id") or "")) or names.get(str(one.get("name") or "")) for one in given}
    if given and meant != set(names.values()):
        raise wrong("rotations", "all rotations of the schedule, or none: an override here stands before every one")


def listed(call: Call, identifier: str) -> Answer:
    """Overrides that are not over."""
    row = schedule(call, identifier)
    return data([_shape(one_of, row) for one_of in _rows(row.pk)])


def one(call: Call, identifier: str, alias: str) -> Answer:
    """One override."""
    row = schedule(call, identifier)
    return data(_shape(_override(call, row, alias), row))


def create(call: Call, identifier: str) -> Answer:
    """Put somebody on call instead of everybody, from ``startDate`` to ``endDate``."""
    row = schedule(call, identifier)
    _rotations(call, row)
    alias = words(call.body, "alias", limit=200)
    if alias.startswith("override-"):
        raise wrong("alias", "something that does not begin with override-, as the ones made here do")
    with speaking(**FIELDS):
        made = actions.add_override(
            row.pk,
            _user(call),
            instant(call.body, "startDate"),
            instant(call.body, "endDate"),
            actor=call.actor,
            alias=alias,
        )
    return 201, {"result": "Created", "data": {"alias": alias_of(made)}}


def update(call: Call, identifier: str, alias: str) -> Answer:
    """Replace an override under its alias; what of it is past stays on record."""
    row = schedule(call, identifier)
    old = _override(call, row, alias)
    _rotations(call, row)
    with speaking(**FIELDS):
        made = actions.replace_override(
            old.pk, _user(call), instant(call.body, "startDate"), instant(call.body, "endDate"), actor=call.actor
        )
    return 200, {"result": "Updated", "data": {"alias": alias_of(made)}}


def delete(call: Call, identifier: str, alias: str) -> Answer:
    """Take an override back; a running one ends now."""
    row = schedule(call, identifier)
    actions.delete_overrides([_override(call, row, alias).pk], actor=call.actor)
    return told("Deleted")
