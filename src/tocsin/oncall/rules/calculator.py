"""Who is on call, worked out from layers and overrides. Pure; instants in, shifts out.

Conventions, each held by a table test:

* Everything is half-open: a shift from 09:00 to 17:00 covers 09:00 and not 17:00.
* Turn *k* of a layer begins at the anchor's **local** time plus *k* turns on the wall clock of the layer's zone (the
  schedule's, unless it has its own), for hours, days, weeks and months alike, so that a hand-off keeps its local time
  over clock changes. Local times that occur twice or never: see ``wallclock``. A turn that falls wholly into a gap of
  the clock has no length.
* A daily rotation may count certain weekdays only: a turn then begins on such a day and lasts over the others. A weekly
  one may have several hand-offs a week: each counts. The first turn begins on the first such moment from the anchor on.
* A month after the 31st is the last day of a shorter month; the day is the anchor's again afterwards.
* Turns are counted from the anchor also when the layer takes effect later (``starts_at``) or, with an earlier
  ``starts_at``, backwards. Without ``starts_at`` a layer takes effect at its anchor.
* Restrictions are windows of local time that begin on the days named; ``end`` not after ``start`` means the next day,
  so that equal times are a whole day. Several are united.
* At any moment the layers of the highest level that has somebody are on call, beside each other. A turn may be a
  group's: then all of it is. Whoever has left counts as nobody from then on.
* Overrides are applied in the order of their adding, each to what stood before it. One whose person has left is void
  from then on.
* A person who is on call twice at a moment stands there once: by the override added last, else the higher layer.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import groupby, pairwise

from tocsin.oncall.rules import spans, turns, wallclock
from tocsin.oncall.rules.shapes import HORIZON, Gap, Layer, Override, Schedule, Shift
from tocsin.oncall.rules.wallclock import Span, from_us, to_us

_Stretch = tuple[int, int, int, int]
"""Start, end, user, source, which counts layers from 0 in order of precedence; overrides are -1, -2 ..."""


def _layer(layer: Layer, schedule: Schedule, left: Mapping[int, int], low: int, high: int) -> list[turns.Turn]:
    """A layer's turns within its restrictions, cut to ``low`` and ``high``."""
    zone = layer.zone or schedule.zone
    found = turns.turns(layer, zone, left, low, high)
    if found and found[0][0] < low:
        found[0] = (low, *found[0][1:])
    if found and found[-1][1] > high:
        found[-1] = (found[-1][0], high, found[-1][2])
    if not found or not layer.restrictions:
        return found
    return _within(found, turns.windows(layer.restrictions, zone, low, high))[0]


def _within(stretches: Sequence[turns.Turn], free: Sequence[Span]) -> tuple[list[turns.Turn], list[Span]]:
    """(what of the stretches lies in the free intervals, what of those stays free); both sorted, each disjoint."""
    taken: list[turns.Turn] = []
    rest: list[Span] = []
    index, count = 0, len(stretches)
    for begin, end in free:
        while index < count and stretches[index][1] <= begin:
            index += 1
        at, look = begin, index
        while look < count:
            stretch = stretches[look]
            start, stop, whom = stretch
            if start >= end:
                break
            if start < begin or stop > end:
                start, stop = max(start, begin), min(stop, end)
                stretch = (start, stop, whom)
            if start > at:
                rest.append((at, start))
            taken.append(stretch)
            at = stop
            if stretches[look][1] > end:
                break
            look += 1
        index = look
        if at < end:
            rest.append((at, end))
    return taken, rest


# -- all together ------------------------------------------------------------------------------------------------------


def _by_precedence(schedule: Schedule) -> list[Layer]:
    return sorted(schedule.layers, key=lambda layer: (-layer.precedence, layer.position))


def _final(schedule: Schedule, layers: Sequence[Layer], low: int, high: int) -> list[_Stretch]:
    """The final schedule on the microsecond line, sorted; ``layers`` in order of precedence."""
    if low >= high:
        return []
    left = {user: to_us(at) for user, at in schedule.left.items()}
    free: list[Span] = [(low, high)]
    result: list[_Stretch] = []
    source, crowded = 0, False
    for _, level in groupby(layers, key=lambda layer: layer.precedence):
        if not free:
            break
        abreast = list(level)
        rests = []
        for layer in abreast:
            stretches = _layer(layer, schedule, left, free[0][0], free[-1][1])
            last = len(abreast) == 1 and source == len(layers) - 1
            if len(free) == 1 and last:
                taken = stretches  # cut to the one free interval already, and nobody asks for what it leaves
            else:
                taken, rest = _within(stretches, free)
                rests.append(rest)
            result += [(start, stop, user, source) for start, stop, whom in taken for user in whom]
            source += 1
        crowded = crowded or len(abreast) > 1
        if rests:
            free = reduce(spans.both, rests)
    result.sort()
    overrides, beside = _overridden(schedule, left, result, low, high)
    return _once(overrides) if crowded or beside else overrides


def _overridden(
    schedule: Schedule, left: Mapping[int, int], stretches: list[_Stretch], low: int, high: int
) -> tuple[list[_Stretch], bool]:
    """(the stretches with the overrides applied in their order, sorted; whether anybody may stand there twice)."""
    beside = touched = False
    longest = 0
    for index, override in enumerate(schedule.overrides):
        start, end = max(to_us(override.start), low), min(to_us(override.end), high)
        if override.user_id is not None:
            end = min(end, left.get(override.user_id, end))
        if start >= end or override.kind == "shadow":
            continue
        if not touched:
            touched = True
            longest = max((stop - begin for begin, stop, *_ in stretches), default=0)
        longest = max(longest, end - start)
        beside = beside or override.kind == "beside" or override.replaces is not None
        since, upto = bisect_left(stretches, (start - longest,)), bisect_left(stretches, (end,))
        stretches[since:upto] = _changed(stretches[since:upto], override, -1 - index, start, end)
    if touched:
        stretches.sort()
    return stretches, beside


def _changed(some: Iterable[_Stretch], override: Override, source: int, start: int, end: int) -> list[_Stretch]:
    """Stretches with an override applied from ``start`` to ``end``; sorted."""
    user, replaces = override.user_id, override.replaces
    changed: list[_Stretch] = []
    for stretch in some:
        begin, stop, who, by = stretch
        spared = override.kind == "beside" or (replaces is not None and replaces != who)
        if spared or stop <= start or begin >= end:
            changed.append(stretch)
            continue
        if begin < start:
            changed.append((begin, start, who, by))
        if stop > end:
            changed.append((end, stop, who, by))
        if replaces is not None and user is not None:
            changed.append((max(begin, start), min(stop, end), user, source))
    if user is not None and replaces is None:
        changed.append((start, end, user, source))
    changed.sort()
    return changed


def _once(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    """Everybody at most once at any moment: by the source that goes before the others."""
    by_user: dict[int, list[_Stretch]] = defaultdict(list)
    for stretch in stretches:
        by_user[stretch[2]].append(stretch)
    found: list[_Stretch] = []
    for user, own in by_user.items():
        if all(later[0] >= earlier[1] for earlier, later in pairwise(own)):
            found += own
            continue
        own.sort(key=lambda stretch: (stretch[3], stretch[0]))
        free: list[Span] = [(-wallclock.EVER, wallclock.EVER)]
        for source, same in groupby(own, key=lambda stretch: stretch[3]):
            taken, free = _within(_apart(same), free)
            found += [(start, stop, user, source) for start, stop, _ in taken]
    found.sort()
    return found


def _apart(same: Iterable[_Stretch]) -> list[turns.Turn]:
    """Stretches of one person by one source, sorted, made disjoint.

    An override that stands in for somebody who is there by a layer and by an override takes over both.
    """
    found: list[turns.Turn] = []
    over = -wallclock.EVER
    for start, stop, user, _ in same:
        if stop > over:
            found.append((max(start, over), stop, (user,)))
            over = stop
    return found


def _shifts(schedule: Schedule, layers: Sequence[Layer], stretches: Iterable[_Stretch]) -> list[Shift]:
    shifts = []
    last, moment = -wallclock.EVER, wallclock.EPOCH
    whole, second = datetime.fromtimestamp, wallclock.SECOND
    for start, end, user, source in stretches:
        begin = moment if start == last else from_us(start)
        # as from_us does, without a call for each of many thousands
        last, moment = end, whole(end // second, UTC) if end >= 0 and not end % second else from_us(end)
        if source >= 0:
            shifts.append(Shift(user, begin, moment, schedule.id, layers[source]))
        else:
            shifts.append(Shift(user, begin, moment, schedule.id, None, schedule.overrides[-1 - source]))
    return shifts


def final_schedule(schedule: Schedule, start: datetime, end: datetime) -> list[Shift]:
    """Who is on call from ``start`` to ``end``: shifts in order, cut to the window; what none covers is a gap.

    Shifts of several people may overlap, those of one person never. A hand-off from a person to the same person begins
    a new shift.
    """
    layers = _by_precedence(schedule)
    return _shifts(schedule, layers, _final(schedule, layers, to_us(start), to_us(end)))


def rendered(schedule: Schedule, layer: Layer, start: datetime, end: datetime) -> list[Shift]:
    """One layer alone, without what goes before it: its shifts from ``start`` to ``end``, cut to the window."""
    low, high = to_us(start), to_us(end)
    if low >= high:
        return []
    left = {user: to_us(at) for user, at in schedule.left.items()}
    found = _layer(layer, schedule, left, low, high)
    return _shifts(schedule, [layer], [(start, stop, user, 0) for start, stop, whom in found for user in whom])


def oncall_at(schedule: Schedule, at: datetime) -> list[Shift]:
    """Who is on call at a moment: shifts at their whole length in the final schedule; empty is a gap.

    A shift that has no end (a rotation of one without hand-offs in sight) is as long as its turn.
    """
    instant = to_us(at)
    layers = _by_precedence(schedule)
    found: list[_Stretch] = []
    seen: dict[Span, list[_Stretch]] = {}
    for _, _, user, source in _final(schedule, layers, instant, instant + 1):
        if source < 0:
            override = schedule.overrides[-1 - source]
            whole = (to_us(override.start), to_us(override.end))
        else:
            layer = layers[source]
            left = {one: to_us(since) for one, since in schedule.left.items()}
            around = turns.turns(layer, layer.zone or schedule.zone, left, instant, instant + 1)
            whole = next((start, stop) for start, stop, _ in around if start <= instant < stop)
        if whole not in seen:
            seen[whole] = _final(schedule, layers, *whole)
        found += [s for s in seen[whole] if s[0] <= instant < s[1] and s[2:] == (user, source)]
    return _shifts(schedule, layers, found)


def shadows(schedule: Schedule, start: datetime, end: datetime) -> list[Shift]:
    """Who comes along from ``start`` to ``end`` without being on call: shifts in order, cut to the window."""
    found = []
    for override in schedule.overrides:
        if override.kind == "shadow" and override.user_id is not None:
            begin, stop = max(override.start, start), min(override.end, end)
            stop = min(stop, schedule.left.get(override.user_id, stop))
            if begin < stop:
                found.append(Shift(override.user_id, begin, stop, schedule.id, None, override))
    return sorted(found, key=lambda shift: (shift.start, shift.user_id))


def gaps(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches from ``start`` to ``end`` in which nobody is on call."""
    layers = _by_precedence(schedule)
    low, high = to_us(start), to_us(end)
    return [(from_us(begin), from_us(stop)) for begin, stop in _gaps(_final(schedule, layers, low, high), low, high)]


def _gaps(stretches: Iterable[_Stretch], low: int, high: int) -> list[Span]:
    found = []
    at = low
    for start, stop, *_ in stretches:
        if start > at:
            found.append((at, start))
        at = max(at, stop)
    return [*found, (at, high)] if at < high else found


def meant_gaps(schedule: Schedule, start: datetime, end: datetime) -> list[Span]:
    """When nobody needs to be on call: ``uncovered``, and overrides that put nobody on call.

    Spans of the microsecond line.
    """
    low, high = to_us(start), to_us(end)
    meant = [
        (to_us(one.start), to_us(one.end))
        for one in schedule.overrides
        if one.kind == "instead" and one.user_id is None
    ]
    if schedule.uncovered and low < high:
        meant += turns.windows(schedule.uncovered, schedule.zone, low, high)
    return spans.both(spans.united(meant), [(low, high)])


def unexplained_gaps(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The gaps that nobody meant; see ``meant_gaps``."""
    low, high = to_us(start), to_us(end)
    found = _gaps(_final(schedule, _by_precedence(schedule), low, high), low, high) if low < high else []
    return [(from_us(begin), from_us(stop)) for begin, stop in spans.without(found, meant_gaps(schedule, start, end))]


def gaps_of(schedule: Schedule, shifts: Iterable[Shift], start: datetime, end: datetime) -> list[Gap]:
    """What final ``shifts`` of a schedule leave open from ``start`` to ``end``, told apart by whether it is meant."""
    low, high = to_us(start), to_us(end)
    found = _gaps(((to_us(one.start), to_us(one.end), 0, 0) for one in shifts), low, high)
    meant = meant_gaps(schedule, start, end)
    parts = [
        *((*span, False) for span in spans.without(found, meant)),
        *((*span, True) for span in spans.both(found, meant)),
    ]
    return [Gap(from_us(begin), from_us(stop), intended) for begin, stop, intended in sorted(parts)]


def next_change(schedule: Schedule, after: datetime) -> datetime | None:
    """The next moment after ``after`` at which a shift begins or ends; None: none within ``HORIZON``."""
    if now := oncall_at(schedule, after):
        end = min(shift.end for shift in now)
        return min((s.start for s in final_schedule(schedule, after, end) if s.start > after), default=end)
    days = 7
    while days < HORIZON.days:
        if coming := final_schedule(schedule, after, after + timedelta(days=days)):
            return coming[0].start
        days *= 4
    coming = final_schedule(schedule, after, after + HORIZON)
    return coming[0].start if coming else None


def continued(layer: Layer, zone: str, members: Sequence[tuple[int, ...]], at: datetime) -> tuple[tuple[int, ...], ...]:
    """Other ``members`` in the order in which they go on from ``at`` where the layer stands: nobody is reshuffled.

    Whoever has the turn keeps it; when they are not among the new ones, the next of the old order who is takes it. The
    anchor stays; the list is turned until it fits. Nobody left of the old ones: as given.
    """
    instant = to_us(at)
    current = turns.numbered(layer, layer.zone or zone, instant, instant + 1)
    new = tuple(members)
    if not current or not layer.members or not new:
        return new
    turn = current[0][0]
    ahead = (layer.members[(turn + step) % len(layer.members)] for step in range(len(layer.members)))
    place = next((new.index(group) for group in ahead if group in new), None)
    if place is None:
        return new
    by = (place - turn) % len(new)
    return (*new[by:], *new[:by])
