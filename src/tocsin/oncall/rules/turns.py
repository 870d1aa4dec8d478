"""One layer alone: its turns on the microsecond line, and the windows that restrict it. Pure."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise

from tocsin.oncall.rules import wallclock
from tocsin.oncall.rules.holidays import holidays_of
from tocsin.oncall.rules.shapes import ALL_DAYS, Layer, Restriction
from tocsin.oncall.rules.wallclock import DAY, HOUR, MINUTE, WEEK, Span, from_us, to_us

Turn = tuple[int, int, tuple[int, ...]]
"""Start, end, who: a bare tuple, because a year of a hundred rotations makes some 40,000 of them."""

_STEP = {"hour": HOUR, "day": DAY, "week": WEEK}
_MARGIN = 26 * HOUR  # offsets differ by this much at most, Samoa's missing day of 2011 included
_THURSDAY = 3  # 1970-01-01 was one; days are counted from it, weeks from the Monday before it
_EPOCH_DAY = date(1970, 1, 1).toordinal()


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


def _moments(layer: Layer, anchor: int) -> list[int]:
    """When in a week (from Monday 00:00 local) a turn may begin; empty: the length alone decides."""
    if layer.unit == "day" and layer.weekdays and layer.weekdays != ALL_DAYS:
        return [(day - 1) * DAY + anchor % DAY for day in sorted(layer.weekdays)]
    if layer.unit == "week" and layer.handoffs:
        return sorted({(one.day - 1) * DAY + one.minute * MINUTE for one in layer.handoffs})
    return []


def _pattern_starts(moments: Sequence[int], length: int, anchor: int, near: int, far: int) -> tuple[int, list[int]]:
    """(number of the first, local starts) of the turns between two local times that begin at moments of the week.

    Turn 0 begins at the first such moment from the anchor on; each turn lasts over ``length`` of them.
    """
    count = len(moments)
    monday = (anchor + _THURSDAY * DAY) // WEEK * WEEK - _THURSDAY * DAY
    ahead = [at for at in moments if monday + at >= anchor]
    origin = count - len(ahead)  # turn 0 is this moment, counted from the anchor's week on
    step = WEEK * length
    first = (near - anchor) // step * count - count
    last = (far - anchor) // step * count + 2 * count

    def start(turn: int) -> int:
        week, index = divmod(origin + turn * length, count)
        return monday + week * WEEK + moments[index]

    return first, [start(turn) for turn in range(first, last + 1)]


def _starts(layer: Layer, zone: str, near: int, far: int) -> tuple[int, Sequence[int]]:
    """(number of the first, local starts) of the turns that cover two local times, and some more."""
    anchor = wallclock.local(zone, to_us(layer.anchor))
    if layer.unit == "month":
        begin, low, high = from_us(anchor), from_us(near), from_us(far)
        months = (low.year - begin.year) * 12 + low.month - begin.month
        upto = (high.year - begin.year) * 12 + high.month - begin.month
        first, last = (months - 1) // layer.length, upto // layer.length + 1
        return first, _month_starts(anchor, layer.length, first, last)
    if moments := _moments(layer, anchor):
        return _pattern_starts(moments, layer.length, anchor, near, far)
    step = _STEP[layer.unit] * layer.length
    first, last = (near - anchor) // step, (far - anchor) // step + 1
    return first, range(anchor + first * step, anchor + last * step + 1, step)


def numbered(layer: Layer, zone: str, low: int, high: int) -> list[tuple[int, int, int]]:
    """(number, start, end) of the turns that touch ``low`` to ``high``, whether the layer is in effect or not."""
    near, far = wallclock.local(zone, low) - _MARGIN, wallclock.local(zone, high) + _MARGIN
    first, starts = _starts(layer, zone, near, far)
    begins = wallclock.instants(zone, starts)
    ends: Sequence[int] = begins[1:]
    if layer.shift_minutes is not None:
        length = layer.shift_minutes * MINUTE
        ends = list(map(min, ends, wallclock.instants(zone, [at + length for at in starts])))
    return [
        (turn, start, stop)
        for turn, (start, stop) in enumerate(zip(begins, ends, strict=False), first)
        if stop > low and start < high and start < stop
    ]


def turns(layer: Layer, zone: str, left: Mapping[int, int], low: int, high: int) -> list[Turn]:
    """The turns of a layer that touch ``low`` to ``high``, uncut except by the layer's own beginning and end.

    ``left``: people who no longer count, and from which instant on. A turn in which somebody leaves is two.
    """
    begin = to_us(layer.starts_at or layer.anchor)
    end = to_us(layer.ends_at) if layer.ends_at else wallclock.EVER
    low, high = max(low, begin), min(high, end)
    if low >= high or not layer.members:
        return []
    members, count = layer.members, len(layer.members)
    backwards = layer.starts_at is not None
    found: list[Turn] = [
        (start, stop, members[turn % count])
        for turn, start, stop in numbered(layer, zone, low, high)
        if turn >= 0 or backwards
    ]
    if found:
        start, stop, whom = found[0]
        found[0] = (max(start, begin), stop, whom)
        start, stop, whom = found[-1]
        found[-1] = (start, min(stop, end), whom)
    if left and not left.keys().isdisjoint(user for group in members for user in group):
        return [turn for turn in _without(found, left) if turn[1] > low and turn[0] < high]
    return found


def _without(found: Sequence[Turn], left: Mapping[int, int]) -> list[Turn]:
    """Turns without those who left."""
    kept: list[Turn] = []
    for start, stop, whom in found:
        cuts = sorted({start, stop, *(at for user in whom if start < (at := left.get(user, start)) < stop)})
        for low, high in pairwise(cuts):
            if there := tuple(user for user in whom if left.get(user, high) > low):
                kept.append((low, high, there))
    return kept


def _days(rule: Restriction, first: int, last: int) -> list[range] | list[list[int]]:
    """Series of days (counted from 1970), ascending each, on which a window begins."""
    if rule.weekly:
        if rule.days == ALL_DAYS:
            return [range(first, last)]
        return [range(first + (day - 4 - first) % 7, last, 7) for day in rule.days]
    found = []
    for day in range(first, last):
        on = date.fromordinal(_EPOCH_DAY + day)
        if on.isoweekday() not in rule.days or (rule.months and on.month not in rule.months):
            continue
        if rule.month_days and rule.month_days.isdisjoint((on.day, on.day - monthrange(on.year, on.month)[1] - 1)):
            continue
        if rule.holidays and (on in holidays_of(rule.region, on.year)) != (rule.holidays == "only"):
            continue
        found.append(day)
    return [found]


@lru_cache(maxsize=512)
def windows(restrictions: tuple[Restriction, ...], zone: str, low: int, high: int) -> Sequence[Span]:
    """When restrictions allow, united, sorted; covers at least ``low`` to ``high``. Many layers share office hours."""
    first = wallclock.local(zone, low) // DAY - 3
    last = wallclock.local(zone, high) // DAY + 2
    found: list[Span] = []
    for rule in restrictions:
        start, end = rule.start * MINUTE, rule.end * MINUTE
        if end <= start:
            end += DAY
        for days in _days(rule, first, last):
            starts = wallclock.instants(zone, [day * DAY + start for day in days])
            ends = wallclock.instants(zone, [day * DAY + end for day in days])
            found += zip(starts, ends, strict=True)
    found.sort()
    united: list[Span] = []
    for begin, stop in found:
        if begin >= stop:
            continue
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], stop))
        else:
            united.append((begin, stop))
    return united
