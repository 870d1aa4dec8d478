"""Who is on call, worked out from layers and overrides. Pure; instants in, shifts out.

Conventions, each held by a table test:

* Everything is half-open: a shift from 09:00 to 17:00 covers 09:00 and not 17:00.
* Turn *k* of a layer begins at the anchor's **local** time plus *k* turns on the wall clock of the schedule's zone, for
  hours, days, weeks and months alike, so that a hand-off keeps its local time over clock changes. Local times that
  occur twice or never: see ``wallclock``. A turn that falls wholly into a gap has no length.
* A daily rotation may count certain weekdays only: a turn then begins on such a day and lasts over the others. The
  first turn begins on the first such day from the anchor on.
* A month after the 31st is the last day of a shorter month; the day is the anchor's again afterwards.
* Turns are counted from the anchor also when the layer takes effect later (``starts_at``) or, with an earlier
  ``starts_at``, backwards. Without ``starts_at`` a layer takes effect at its anchor.
* Restrictions are windows of local time that begin on the named weekdays; ``end`` not after ``start`` means the next
  day, so that equal times are a whole day. Several are united.
* At any moment the override that was added last wins, then the layer with the highest position that has somebody.
  A turn of somebody who is no longer active counts as nobody.
"""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from tocsin.oncall.rules import wallclock
from tocsin.oncall.rules.wallclock import DAY, HOUR, MINUTE, WEEK, from_us, to_us

Unit = Literal["hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
ALL_DAYS = frozenset(range(1, 8))
HORIZON = timedelta(days=400)
_STEP = {"hour": HOUR, "day": DAY, "week": WEEK}
_MARGIN = 26 * HOUR  # offsets differ by this much at most, Samoa's missing day of 2011 included


@dataclass(frozen=True, slots=True)
class Restriction:
    """On call only in this window: weekdays (1 Monday ... 7 Sunday) on which it begins, minutes of the local day."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A rotation: ``members`` (user ids) in turn, ``length`` units each, from the anchor on.

    ``weekdays`` (1 Monday ... 7 Sunday), for days only: the days that count; empty: all.
    """

    id: int
    name: str
    position: int
    unit: Unit
    length: int
    anchor: datetime
    members: tuple[int, ...]
    restrictions: tuple[Restriction, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Override:
    """This person instead of whoever the layers name, from ``start`` to ``end``."""

    id: int
    user_id: int
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Layers in any order; overrides in the order of their adding; ``inactive``: people who no longer count."""

    id: int
    name: str
    zone: str
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    slug: str = ""
    team_id: int | None = None
    inactive: frozenset[int] = frozenset()


class Shift(NamedTuple):
    """One person's stretch, and what put them there: a layer or an override."""

    user_id: int
    start: datetime
    end: datetime
    schedule_id: int
    layer: Layer | None = None
    override: Override | None = None


# a shift on the microsecond line: start, end, user id, source, which counts layers from 0; overrides are -1, -2 ...
# a bare tuple, because a year of a hundred rotations makes some 40,000 of them
_Stretch = tuple[int, int, int, int]


# -- one layer ---------------------------------------------------------------------------------------------------------


def _month_starts(anchor: int, length: int, first: int, last: int) -> list[int]:
    """Local starts of turns ``first`` to ``last`` of a monthly rotation."""
    begin = from_us(anchor)
    month = begin.year * 12 + begin.month - 1
    starts = []
    for turn in range(first, last + 1):
        year, index = divmod(month + turn * length, 12)
        day = min(begin.day, monthrange(year, index + 1)[1])
        starts.append(to_us(begin.replace(year=year, month=index + 1, day=day)))
    return starts


def _day_starts(layer: Layer, anchor: int, near: int, far: int) -> tuple[int, list[int]]:
    """(number of the first, local starts) of the turns between two local times when only certain weekdays count."""
    origin = anchor // DAY  # 1970-01-01 was a Thursday, ISO day 4
    while (origin + 3) % 7 + 1 not in layer.weekdays:
        origin += 1
    pattern = [ahead for ahead in range(7) if (origin + ahead + 3) % 7 + 1 in layer.weekdays]
    count = len(pattern)

    def day(number: int) -> int:
        """The day that counts as ``number``, from the first turn's."""
        return origin + number // count * 7 + pattern[number % count]

    step = 7 * DAY * layer.length
    first = (near - anchor) // step * count - count
    last = (far - anchor) // step * count + 2 * count
    return first, [day(turn * layer.length) * DAY + anchor % DAY for turn in range(first, last + 1)]


def _starts(layer: Layer, zone: str, near: int, far: int) -> tuple[int, Sequence[int]]:
    """(number of the first, local starts) of the turns that cover two local times, and some more."""
    anchor = wallclock.local(zone, to_us(layer.anchor))
    if layer.unit == "month":
        begin, low, high = from_us(anchor), from_us(near), from_us(far)
        months = (low.year - begin.year) * 12 + low.month - begin.month
        upto = (high.year - begin.year) * 12 + high.month - begin.month
        first, last = (months - 1) // layer.length, upto // layer.length + 1
        return first, _month_starts(anchor, layer.length, first, last)
    if layer.unit == "day" and layer.weekdays and layer.weekdays != ALL_DAYS:
        return _day_starts(layer, anchor, near, far)
    step = _STEP[layer.unit] * layer.length
    first, last = (near - anchor) // step, (far - anchor) // step + 1
    return first, range(anchor + first * step, anchor + last * step + 1, step)


def _turns(layer: Layer, source: int, schedule: Schedule, low: int, high: int) -> list[_Stretch]:
    """The turns of a layer that touch ``low`` to ``high``, uncut except by the layer's own beginning and end."""
    begin = to_us(layer.starts_at or layer.anchor)
    end = to_us(layer.ends_at) if layer.ends_at else wallclock.EVER
    low, high = max(low, begin), min(high, end)
    if low >= high or not layer.members:
        return []
    zone = schedule.zone
    near, far = wallclock.local(zone, low) - _MARGIN, wallclock.local(zone, high) + _MARGIN
    first, starts = _starts(layer, zone, near, far)
    members, count, away = layer.members, len(layer.members), schedule.inactive
    turns = [
        (start, stop, user, source)
        for turn, (start, stop) in enumerate(pairwise(wallclock.instants(zone, starts)), first)
        if stop > low and start < high and start < stop
        if (user := members[turn % count]) not in away and (turn >= 0 or layer.starts_at)
    ]
    if turns:
        start, stop, user, _ = turns[0]
        turns[0] = (max(start, begin), stop, user, source)
        start, stop, user, _ = turns[-1]
        turns[-1] = (start, min(stop, end), user, source)
    return turns


@lru_cache(maxsize=512)
def _windows(restrictions: tuple[Restriction, ...], zone: str, low: int, high: int) -> Sequence[tuple[int, int]]:
    """When restrictions allow, united, sorted; covers at least ``low`` to ``high``. Many layers share office hours."""
    first = wallclock.local(zone, low) // DAY - 3
    last = wallclock.local(zone, high) // DAY + 2
    found: list[tuple[int, int]] = []
    for rule in restrictions:
        start, end = rule.start * MINUTE, rule.end * MINUTE
        if end <= start:
            end += DAY
        # 1970-01-01 was a Thursday, ISO day 4
        weekly = [(first + (day - 4 - first) % 7, 7) for day in rule.days]
        series = [(first, 1)] if rule.days == ALL_DAYS else weekly
        for begin, step in series:
            days = range(begin * DAY, last * DAY, step * DAY)
            starts = wallclock.instants(zone, range(days.start + start, days.stop + start, days.step))
            ends = wallclock.instants(zone, range(days.start + end, days.stop + end, days.step))
            found += zip(starts, ends, strict=True)
    found.sort()
    united: list[tuple[int, int]] = []
    for begin, stop in found:
        if begin >= stop:
            continue
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], stop))
        else:
            united.append((begin, stop))
    return united


def _layer(layer: Layer, source: int, schedule: Schedule, low: int, high: int) -> list[_Stretch]:
    """A layer's turns within its restrictions, cut to ``low`` and ``high``."""
    turns = _turns(layer, source, schedule, low, high)
    if turns and turns[0][0] < low:
        turns[0] = (low, *turns[0][1:])
    if turns and turns[-1][1] > high:
        turns[-1] = (turns[-1][0], high, *turns[-1][2:])
    if not turns or not layer.restrictions:
        return turns
    allowed = _windows(layer.restrictions, schedule.zone, low, high)
    return _within(turns, allowed)[0]


def _within(
    stretches: Sequence[_Stretch], free: Sequence[tuple[int, int]]
) -> tuple[list[_Stretch], list[tuple[int, int]]]:
    """(what of the stretches lies in the free intervals, what of those stays free); both sorted, each disjoint."""
    taken: list[_Stretch] = []
    left: list[tuple[int, int]] = []
    index, count = 0, len(stretches)
    for begin, end in free:
        while index < count and stretches[index][1] <= begin:
            index += 1
        at, look = begin, index
        while look < count:
            stretch = stretches[look]
            start, stop, user, source = stretch
            if start >= end:
                break
            if start < begin or stop > end:
                start, stop = max(start, begin), min(stop, end)
                stretch = (start, stop, user, source)
            if start > at:
                left.append((at, start))
            taken.append(stretch)
            at = stop
            if stretches[look][1] > end:
                break
            look += 1
        index = look
        if at < end:
            left.append((at, end))
    return taken, left


# -- all together ------------------------------------------------------------------------------------------------------


def _by_precedence(schedule: Schedule) -> list[Layer]:
    return sorted(schedule.layers, key=lambda layer: -layer.position)


def _final(schedule: Schedule, layers: Sequence[Layer], low: int, high: int) -> list[_Stretch]:
    """The final schedule on the microsecond line; ``layers`` in order of precedence."""
    if low >= high:
        return []
    free = [(low, high)]
    result: list[_Stretch] = []
    for index in range(len(schedule.overrides) - 1, -1, -1):
        override = schedule.overrides[index]
        start, end = to_us(override.start), to_us(override.end)
        if start < high and end > low and start < end and override.user_id not in schedule.inactive:
            taken, free = _within([(start, end, override.user_id, -1 - index)], free)
            result += taken
    for source, layer in enumerate(layers):
        if not free:
            break
        stretches = _layer(layer, source, schedule, free[0][0], free[-1][1])
        if len(free) == 1 and source == len(layers) - 1:
            result += stretches  # cut to the one free interval already, and nobody asks for what it leaves
        elif stretches:
            taken, free = _within(stretches, free)
            result += taken
    result.sort()
    return result


def _shifts(schedule: Schedule, layers: Sequence[Layer], stretches: Iterable[_Stretch]) -> list[Shift]:
    shifts = []
    last, moment = -wallclock.EVER, wallclock.EPOCH
    for start, end, user, source in stretches:
        begin = moment if start == last else from_us(start)
        last, moment = end, from_us(end)
        if source >= 0:
            shifts.append(Shift(user, begin, moment, schedule.id, layers[source]))
        else:
            shifts.append(Shift(user, begin, moment, schedule.id, None, schedule.overrides[-1 - source]))
    return shifts


def final_schedule(schedule: Schedule, start: datetime, end: datetime) -> list[Shift]:
    """Who is on call from ``start`` to ``end``: shifts in order, cut to the window; what lies between them is a gap.

    A hand-off from a person to the same person begins a new shift.
    """
    layers = _by_precedence(schedule)
    return _shifts(schedule, layers, _final(schedule, layers, to_us(start), to_us(end)))


def rendered(schedule: Schedule, layer: Layer, start: datetime, end: datetime) -> list[Shift]:
    """One layer alone, without what goes before it: its shifts from ``start`` to ``end``, cut to the window."""
    low, high = to_us(start), to_us(end)
    return _shifts(schedule, [layer], _layer(layer, 0, schedule, low, high)) if low < high else []


def oncall_at(schedule: Schedule, at: datetime) -> list[Shift]:
    """Who is on call at a moment: one shift at its whole length in the final schedule, or empty, which is a gap."""
    instant = to_us(at)
    layers = _by_precedence(schedule)
    now = _final(schedule, layers, instant, instant + 1)
    if not now:
        return []
    source = now[0][3]
    if source < 0:
        override = schedule.overrides[-1 - source]
        low, high = to_us(override.start), to_us(override.end)
    else:
        turn = _turns(layers[source], source, schedule, instant, instant + 1)[0]
        low, high = turn[:2]
    whole = [s for s in _final(schedule, layers, low, high) if s[0] <= instant < s[1]]
    return _shifts(schedule, layers, whole)


def gaps(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches from ``start`` to ``end`` in which nobody is on call."""
    found = []
    at = start
    for shift in final_schedule(schedule, start, end):
        if shift.start > at:
            found.append((at, shift.start))
        at = shift.end
    return [*found, (at, end)] if at < end else found


def next_change(schedule: Schedule, after: datetime) -> datetime | None:
    """The next moment after ``after`` at which a shift ends or, in a gap, begins; None: none within ``HORIZON``."""
    if now := oncall_at(schedule, after):
        return now[0].end
    days = 7
    while days < HORIZON.days:
        if coming := final_schedule(schedule, after, after + timedelta(days=days)):
            return coming[0].start
        days *= 4
    coming = final_schedule(schedule, after, after + HORIZON)
    return coming[0].start if coming else None
