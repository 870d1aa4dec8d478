"""Wall-clock time of a zone as exact arithmetic: local times in, instants out. Pure and fast.

Instants are whole microseconds since 1970-01-01 UTC; local times are microseconds since 1970-01-01 00:00 on the wall.
Two rules make every local time an instant, so that a hand-off at 09:00 stays at 09:00 all year:

* a local time that occurs twice (clocks go back) is its **first** occurrence;
* a local time that does not occur (clocks go forward) is the **first instant after the gap**.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVER = 1 << 62

Span = tuple[int, int]


def known_zone(name: str) -> bool:
    """Whether ``name`` is an IANA zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def to_us(at: datetime) -> int:
    """An aware moment as microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The inverse of ``to_us``; UTC. Whole seconds, which nearly all are, take a shorter way."""
    if us >= 0 and us % SECOND == 0:
        return datetime.fromtimestamp(us // SECOND, UTC)
    return EPOCH + timedelta(microseconds=us)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _offset(zone: ZoneInfo, at: datetime) -> int:
    return (at.astimezone(zone).utcoffset() or timedelta()) // MICROSECOND


@lru_cache(maxsize=8192)
def _changes(name: str, year: int) -> tuple[Span, ...]:
    """(instant, offset from then on) for every change of a zone's offset in a UTC year.

    Looks once a day and halves down to the second: no zone changes twice within a day.
    """
    zone = _zone(name)
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    before = _offset(zone, day)
    found = []
    while day < end:
        after = _offset(zone, day + timedelta(days=1))
        if after != before:
            low, high = 0, 86400
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, day + timedelta(seconds=middle)) == before:
                    low = middle
                else:
                    high = middle
            found.append((to_us(day) + high * SECOND, after))
            before = after
        day += timedelta(days=1)
    return tuple(found)


@lru_cache(maxsize=4096)
def _years(name: str, first: int, last: int) -> tuple[Span, ...]:
    start = (-EVER, _offset(_zone(name), datetime(first, 1, 1, tzinfo=UTC)))
    return (start, *(change for year in range(first, last + 1) for change in _changes(name, year)))


def _year(us: int) -> int:
    """The UTC year of an instant, within what calendars can count."""
    if us <= -62_135_596_800 * SECOND + WEEK:
        return 2
    return 9998 if us >= 253_370_764_800 * SECOND else max(2, from_us(us).year)


def spans(name: str, low: int, high: int) -> tuple[Span, ...]:
    """(from, offset) stretches of equal offset that cover the instants ``low`` to ``high``, and some more."""
    return _years(name, _year(low), _year(high))


def local(name: str, instant: int) -> int:
    """What a clock on the wall of the zone shows at an instant."""
    stretch = spans(name, instant, instant)
    return instant + stretch[bisect_right(stretch, (instant, EVER)) - 1][1]


def instants(name: str, locals_: Sequence[int]) -> list[int]:
    """The instants of ascending local times, by the two rules above; ascending too, equal ones within a gap."""
    if not locals_:
        return []
    stretches = spans(name, locals_[0] - 2 * DAY, locals_[-1] + 2 * DAY)
    result: list[int] = []
    done, count = 0, len(locals_)
    for index, (start, offset) in enumerate(stretches):
        while done < count and locals_[done] - offset < start:
            result.append(start)
            done += 1
        end = stretches[index + 1][0] if index + 1 < len(stretches) else EVER
        upto = bisect_left(locals_, end + offset, done)
        result += [at - offset for at in locals_[done:upto]]
        done = upto
        if done == count:
            break
    return result


def local_instant(name: str, at: datetime) -> datetime:
    """A moment as written: with an offset it is that moment, without one it is local time of the zone."""
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    return from_us(instants(name, [to_us(at.replace(tzinfo=UTC))])[0])
