"""An imported schedule beside the one that the other product worked out itself: where do they differ?"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tocsin.oncall.rules import Layer, Override, Schedule, final_schedule, restriction
from tocsin.project.importing.shapes import Thing
from tocsin.project.importing.translating.common import moment

Entry = tuple[datetime, datetime, str]
TOLERANCE = timedelta(minutes=1)
MOST_LAYERS = 50


def rendered(thing: Thing, start: datetime, end: datetime) -> list[Entry]:
    """Who is on call in a translated schedule from ``start`` to ``end``, people as references."""
    names: dict[str, int] = {}

    def number(reference: str) -> int:
        return names.setdefault(reference, len(names) + 1)

    layers, level = [], -1
    for position, spec in enumerate(thing.spec["layers"]):
        level += 0 if spec.get("beside") else 1
        anchor = moment(spec["anchor"])
        if anchor is None:
            continue
        layers.append(
            Layer(
                id=position,
                name=spec["name"],
                position=position,
                unit=spec["unit"],
                length=spec["length"],
                anchor=anchor,
                members=tuple(
                    tuple(number(one) for one in ([group] if isinstance(group, str) else group))
                    for group in spec["members"]
                ),
                restrictions=tuple(
                    restriction({"days": one["days"], "from": one["start"], "to": one["end"]})
                    for one in spec.get("restrictions", ())
                ),
                starts_at=moment(spec.get("starts_at")),
                ends_at=moment(spec.get("ends_at")),
                shift_minutes=spec.get("shift_minutes"),
                level=level,
                zone=spec.get("zone", ""),
            )
        )
    overrides = tuple(
        Override(index, number(one.user) if one.user else None, one.start, one.end)
        for index, one in enumerate(thing.overrides)
    )
    schedule = Schedule(0, thing.name, thing.spec["zone"], tuple(layers), overrides)
    back = {key: reference for reference, key in names.items()}
    return [(shift.start, shift.end, back[shift.user_id]) for shift in final_schedule(schedule, start, end)]


def difference(ours: Iterable[Entry], theirs: Iterable[Entry], start: datetime, end: datetime) -> datetime | None:
    """The first moment from ``start`` to ``end`` from which they differ for a minute or longer; None: nowhere."""
    sides: list[list[Entry]] = [
        [(max(begin, start), min(stop, end), who) for begin, stop, who in side if begin < end and stop > start]
        for side in (ours, theirs)
    ]
    cuts = sorted({start, end, *(at for side in sides for begin, stop, _ in side for at in (begin, stop))})
    events = [sorted(side) for side in sides]
    since: datetime | None = None
    active: list[list[Entry]] = [[], []]
    places = [0, 0]
    for at, until in pairwise(cuts):
        for side in (0, 1):
            while places[side] < len(events[side]) and events[side][places[side]][0] <= at:
                active[side].append(events[side][places[side]])
                places[side] += 1
            active[side] = [one for one in active[side] if one[1] > at]
        if {one[2] for one in active[0]} != {one[2] for one in active[1]}:
            since = since or at
            if until - since >= TOLERANCE:
                return since
        else:
            since = None
    return None


def differs(thing: Thing, theirs: list[Entry], window: tuple[datetime, datetime], names: Mapping[str, str]) -> str:
    """A sentence on where a schedule differs from the one that the other product worked out; empty: nowhere."""
    start, end = window
    ours = rendered(thing, start, end)
    at = difference(ours, theirs, start, end)
    if at is None:
        return ""

    def on(side: list[Entry]) -> str:
        return ", ".join(sorted({names.get(who, who) for begin, stop, who in side if begin <= at < stop})) or "nobody"

    moment_text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return f"differs at {moment_text} UTC: {on(theirs)} is on call there, {on(ours)} here"


def entries(rows: Any, start: str, end: str, who: Any) -> list[Entry]:
    """Rendered entries of an export; ``who`` tells the reference of a row, or empty for nobody."""
    found = []
    for row in rows:
        begin, stop = moment(row.get(start)), moment(row.get(end))
        if begin and stop and (person := who(row)):
            found.append((begin, stop, person))
    return found
