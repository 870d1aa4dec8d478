"""Opsgenie's schedules -> ours: rotations that run beside each other, and what nobody is meant to cover."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tocsin.project.importing.shapes import Override, Thing, Translation, clean, clean_lines, ref
from tocsin.project.importing.translating import comparing
from tocsin.project.importing.translating.common import (
    DAY,
    DAYS,
    LEAST_SHIFT_LENGTH,
    hourly,
    in_zone,
    iso,
    items,
    mapping,
    moment,
    week_windows,
    whole,
    zone_of,
)

UNITS = {"hourly": "hour", "daily": "day", "weekly": "week"}
NOBODY: list[str] = []
MAX_GROUP = 20


def schedules(
    found: list[dict[str, Any]],
    now: datetime,
    people: Mapping[str, str],
    members: Mapping[str, list[str]],
    into: Translation,
) -> None:
    """Add what schedules become. ``people``: references by id and address; ``members``: those of each team."""
    for one in found:
        schedule = mapping(one.get("schedule")) or one
        id, name = str(schedule.get("id")), clean(schedule.get("name"))
        about = ("schedule", name, id)
        zone = zone_of(schedule.get("timezone") or schedule.get("timeZone"), into, *about)
        layers: list[dict[str, Any]] = []
        for rotation in items(schedule.get("rotations")):
            ended = moment(rotation.get("endDate"))
            if ended is None or ended > now:
                layers += _rotation(rotation, zone, people, members, into, about)
        for number, layer in enumerate(layers):
            layer["beside"] = number > 0
        if schedule.get("enabled") is False:
            into.note("approximated", *about, "it is switched off there and in effect here: take it out of policies")
        owner = str(mapping(schedule.get("ownerTeam")).get("id") or "")
        thing = into.add("schedules", id, "schedule", name, {
            "name": name,
            "zone": zone,
            "team": ref("teams", owner) if owner in members else "",
            "description": clean_lines(schedule.get("description")),
            "layers": layers,
        })  # fmt: skip
        _overrides(one, schedule, thing, now, people, into)
        _compared(one, thing, now, people, into)


def _people(
    participant: dict[str, Any],
    people: Mapping[str, str],
    members: Mapping[str, list[str]],
    into: Translation,
    about: tuple[str, str, str],
) -> list[str]:
    kind, key = str(participant.get("type")), str(participant.get("id") or "")
    if kind == "user":
        found = people.get(key) or people.get(str(participant.get("username", "")).lower())
        if found is None:
            into.note(
                "approximated", *about, f"{clean(participant.get('username') or key)!r} is not in the export: a gap"
            )
        return [found] if found else NOBODY
    if kind == "team":
        group = members.get(key, [])[:MAX_GROUP]
        reason = "a team takes part in it: everybody who is in the team now has the turn together"
        into.note("approximated", *about, reason if group else "a team without anybody takes part in it: a gap")
        return group
    if kind == "escalation":
        into.note("impossible", *about, "an escalation takes part in it: its turn is a gap here, page it by a policy")
    return NOBODY


def _windows(rotation: dict[str, Any]) -> list[dict[str, Any]]:
    restriction = mapping(rotation.get("timeRestriction"))
    if restriction.get("type") == "time-of-day":
        found = restriction.get("restriction")
        spans = []
        for one in items(found) or ([found] if isinstance(found, dict) else []):
            start = whole(one.get("startHour")) * 60 + whole(one.get("startMin"))
            end = whole(one.get("endHour")) * 60 + whole(one.get("endMin"))
            length = (end - start) % DAY or DAY
            if length == DAY:
                return []
            spans += [(day * DAY + start, day * DAY + start + length) for day in range(7)]
        return week_windows(spans)
    spans = []
    for one in items(restriction.get("restrictions")):
        days = [DAYS.get(str(one.get(name, "monday")).lower(), 1) - 1 for name in ("startDay", "endDay")]
        start = days[0] * DAY + whole(one.get("startHour")) * 60 + whole(one.get("startMin"))
        end = days[1] * DAY + whole(one.get("endHour")) * 60 + whole(one.get("endMin"))
        spans.append((start, end))
    return week_windows(spans)


def _rotation(
    rotation: dict[str, Any],
    zone: str,
    people: Mapping[str, str],
    members: Mapping[str, list[str]],
    into: Translation,
    about: tuple[str, str, str],
) -> list[dict[str, Any]]:
    name = clean(rotation.get("name"), 100) or "Rotation"
    unit, length = UNITS.get(str(rotation.get("type") or "weekly"), ""), max(whole(rotation.get("length"), 1), 1)
    anchor = moment(rotation.get("startDate"))
    groups = [_people(one, people, members, into, about) for one in items(rotation.get("participants"))]
    if not unit or length > 366:
        into.note("impossible", *about, f"the rotation {name!r} has turns of a kind that is not known here")
        return []
    if anchor is None or not any(groups):
        into.note("approximated", *about, f"the rotation {name!r} names nobody: a gap")
        return []
    layer: dict[str, Any] = {
        "name": name,
        "unit": unit,
        "length": length,
        "anchor": iso(anchor),
        "ends_at": iso(moment(rotation.get("endDate"))),
        "restrictions": _windows(rotation),
    }
    hourly(layer, zone, into, about)
    if all(groups):
        return [layer | {"members": [group[0] if len(group) == 1 else group for group in groups]}]
    return _with_gaps(layer, groups, anchor, zone, into, about)


def _with_gaps(
    layer: dict[str, Any],
    groups: list[list[str]],
    anchor: datetime,
    zone: str,
    into: Translation,
    about: tuple[str, str, str],
) -> list[dict[str, Any]]:
    """A rotation in which nobody has some of the turns: a layer for each turn that somebody has."""
    turn = LEAST_SHIFT_LENGTH[layer["unit"]] * layer["length"]
    round_ = layer["length"] * len(groups)
    if round_ > 366:
        into.note("impossible", *about, f"the rotation {layer['name']!r} has gaps and more turns than fit here")
        return []
    found = []
    there = layer.get("zone") or zone
    for place, group in enumerate(groups):
        if group:
            # turns are counted on the clock on the wall
            begin = in_zone(anchor, there).replace(tzinfo=None) + timedelta(minutes=turn * place)
            local = begin.replace(tzinfo=in_zone(anchor, there).tzinfo)
            found.append(
                layer
                | {
                    "name": f"{layer['name']} {place + 1}",
                    "length": round_,
                    "anchor": iso(local),
                    "shift_minutes": turn,
                    "members": [group[0] if len(group) == 1 else group],
                }
            )
    return found


def _overrides(
    one: dict[str, Any],
    schedule: dict[str, Any],
    thing: Thing,
    now: datetime,
    people: Mapping[str, str],
    into: Translation,
) -> None:
    rotations = len(items(schedule.get("rotations")))
    for override in items(one.get("scheduleOverrideList") or one.get("overrides")):
        start, end = moment(override.get("startDate")), moment(override.get("endDate"))
        if start is None or end is None or end <= now:
            continue
        user, alias = mapping(override.get("user")), str(override.get("alias") or override.get("startDate"))
        about = ("override", f"{thing.name}: {clean(alias, 60)}", alias)
        who = people.get(str(user.get("id"))) or people.get(str(user.get("username", "")).lower()) or ""
        if not who and user.get("type", "user") != "none":
            into.note("impossible", *about, "it puts a team, an escalation or somebody unknown on call")
            continue
        if 0 < len(items(override.get("rotations"))) < rotations:
            into.note("approximated", *about, "it is for some rotations there and for the whole schedule here")
        thing.overrides.append(Override(f"{thing.id}:{alias}"[:300], who, start, end))


def _compared(one: dict[str, Any], thing: Thing, now: datetime, people: Mapping[str, str], into: Translation) -> None:
    timeline = mapping(one.get("timeline"))
    since, until = moment(timeline.get("startDate")), moment(timeline.get("endDate"))
    final = mapping(timeline.get("finalTimeline"))
    if not final or since is None or until is None:
        return
    rows = [row for rotation in items(final.get("rotations")) for row in items(rotation.get("periods"))]

    def who(row: dict[str, Any]) -> str:
        recipient = mapping(row.get("recipient"))
        return people.get(str(recipient.get("id"))) or people.get(str(recipient.get("name", "")).lower()) or ""

    if any(mapping(row.get("recipient")).get("type", "user") not in ("user", "none") for row in rows):
        return  # teams and escalations are not compared: they are approximated already
    theirs = comparing.entries(rows, "startDate", "endDate", who)
    names = {reference: key for key, reference in people.items() if "@" in key}
    window = (max(since, now), until)
    if window[0] < until and (text := comparing.differs(thing, theirs, window, names)):
        into.note("approximated", "schedule", thing.name, thing.id, text)
