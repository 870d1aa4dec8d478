"""Time on call by what it costs: working hours, evenings, nights, weekends, holidays, by the person's own clock. Pure.

Every instant is exactly one kind: the first of ``Habits.precedence`` that its local time is. Lengths are real elapsed
time: the night in which clocks go forward is an hour shorter, the one in which they go back an hour longer.

A night belongs to the local day on which it begins, a weekend to its first day; both count as touched by any moment on
call within them, whatever kind that moment is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from tocsin.oncall.rules.holidays import holidays_of
from tocsin.oncall.rules.shapes import Shift
from tocsin.oncall.rules.wallclock import DAY, EVER, MINUTE, from_us, known_zone, local, spans, to_us

HourKind = Literal["holiday", "weekend", "night", "evening", "working"]
KINDS: tuple[HourKind, ...] = ("holiday", "weekend", "night", "evening", "working")
Period = Literal["", "week", "month"]
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_WHOLE_DAY = 24 * 60
_ZERO = timedelta()


@dataclass(frozen=True, slots=True)
class Habits:
    """When a person works, sleeps and is off; times are minutes of the local day of ``zone`` (IANA).

    region          whose public holidays count (``DE``, ``DE-BY``); empty: none
    workdays        1 Monday ... 7 Sunday
    work            from, to on workdays; to not after from is on the next day
    night           likewise, on all days
    weekend         1 Monday ... 7 Sunday
    precedence      all five kinds; the first that applies counts. Evening is what is neither work nor night.

    Raises ValueError for what makes no sense.
    """

    zone: str = "UTC"
    region: str = ""
    workdays: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    work: tuple[int, int] = (9 * 60, 17 * 60)
    night: tuple[int, int] = (22 * 60, 7 * 60)
    weekend: frozenset[int] = frozenset({6, 7})
    precedence: tuple[HourKind, ...] = KINDS

    def __post_init__(self) -> None:
        if not known_zone(self.zone):
            raise ValueError(f"zone {self.zone!r}: an IANA time zone such as Europe/Berlin")
        if sorted(self.precedence) != sorted(KINDS):
            raise ValueError(f"precedence: each once of {', '.join(KINDS)}")
        if not all(0 <= minute <= _WHOLE_DAY for minute in (*self.work, *self.night)):
            raise ValueError(f"work and night: minutes of the day, 0 to {_WHOLE_DAY}")
        if not (self.workdays | self.weekend) <= frozenset(range(1, 8)):
            raise ValueError("workdays and weekend: numbers from 1 (Monday) to 7 (Sunday)")


class Piece(NamedTuple):
    """A stretch of one kind within one local day, from ``start`` to ``end`` (UTC, half-open).

    ``night``: the day on which the night began that it lies in, None by day; ``weekend``: the first day of the weekend.
    """

    start: datetime
    end: datetime
    kind: HourKind
    day: date
    night: date | None
    weekend: date | None
    holiday: bool


@dataclass(frozen=True, slots=True)
class Hours:
    """Time on call by kind, and what it touched; ``add`` two of them to have both together."""

    lengths: Mapping[HourKind, timedelta] = field(default_factory=dict)
    nights: int = 0
    weekends: int = 0
    holidays: int = 0

    def of(self, kind: HourKind) -> timedelta:
        return self.lengths.get(kind, _ZERO)

    @property
    def total(self) -> timedelta:
        return sum(self.lengths.values(), _ZERO)

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(
            {kind: self.of(kind) + other.of(kind) for kind in KINDS},
            self.nights + other.nights,
            self.weekends + other.weekends,
            self.holidays + other.holidays,
        )


def kind_at(at: datetime, habits: Habits) -> HourKind:
    """The kind of one moment (aware)."""
    return next(pieces(at, at + timedelta(microseconds=1), habits)).kind


def night_of(at: datetime, habits: Habits) -> date | None:
    """The local day on which the night began that a moment (aware) lies in; None by day."""
    return next(pieces(at, at + timedelta(microseconds=1), habits)).night


def pieces(start: datetime, end: datetime, habits: Habits) -> Iterator[Piece]:
    """``start`` to ``end`` (aware) cut where the kind, the night or the local day changes; in order, without gaps."""
    low, high = to_us(start), to_us(end)
    stretches = spans(habits.zone, low, high)
    for index, (since, offset) in enumerate(stretches):
        upto = stretches[index + 1][0] if index + 1 < len(stretches) else EVER
        at, stop = max(low, since), min(high, upto)
        while at < stop:
            number, of_day = divmod(at + offset, DAY)
            day = date.fromordinal(_EPOCH_DAY + number)
            holiday = bool(habits.region) and day in holidays_of(habits.region, day.year)
            midnight = at - of_day
            for minute, kind, night in _day(habits, day.isoweekday(), holiday):
                until = min(midnight + minute * MINUTE, stop)
                if until > at:
                    began = day if night == "begins" else day - timedelta(days=1) if night == "ends" else None
                    weekend = _weekend(day, habits.weekend)
                    yield Piece(from_us(at), from_us(until), kind, day, began, weekend, holiday)
                    at = until


@lru_cache(maxsize=4096)
def _day(
    habits: Habits, weekday: int, holiday: bool
) -> tuple[tuple[int, HourKind, Literal["", "begins", "ends"]], ...]:
    """(up to which minute, kind, whether in a night that begins on this day or one that ends) over a local day."""
    cuts = sorted({*habits.work, *habits.night, _WHOLE_DAY} - {0})
    found: list[tuple[int, HourKind, Literal["", "begins", "ends"]]] = []
    minute = 0
    for cut in cuts:
        night = _inside(minute, habits.night)
        working = (_inside(minute, habits.work) == "begins" and weekday in habits.workdays) or (
            _inside(minute, habits.work) == "ends" and (weekday + 5) % 7 + 1 in habits.workdays
        )
        applies: dict[HourKind, bool] = {
            "holiday": holiday,
            "weekend": weekday in habits.weekend,
            "night": bool(night),
            "evening": not night and not working,
            "working": working,
        }
        found.append((cut, next(kind for kind in habits.precedence if applies[kind]), night))
        minute = cut
    return tuple(found)


def _inside(minute: int, window: tuple[int, int]) -> Literal["", "begins", "ends"]:
    """Whether a minute lies in a daily window, and in which day's: the one that begins on this day or on the last."""
    start, end = window
    if start < end:
        return "begins" if start <= minute < end else ""
    return "begins" if minute >= start else "ends" if minute < end else ""


def _weekend(day: date, weekend: frozenset[int]) -> date | None:
    """The first day of the weekend that a day lies in."""
    if day.isoweekday() not in weekend:
        return None
    for _ in range(6):
        before = day - timedelta(days=1)
        if before.isoweekday() not in weekend:
            break
        day = before
    return day


def by_kind(start: datetime, end: datetime, habits: Habits) -> dict[HourKind, timedelta]:
    """How much of ``start`` to ``end`` is of which kind; all kinds, and together exactly its length."""
    lengths = dict.fromkeys(KINDS, _ZERO)
    for piece in pieces(start, end, habits):
        lengths[piece.kind] += piece.end - piece.start
    return lengths


def stretches_of(shifts: Iterable[Shift]) -> dict[int, list[tuple[datetime, datetime]]]:
    """When each person is on call, by user id, united over schedules; who only comes along is not on call."""
    found: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for shift in sorted(shifts, key=lambda one: (one.user_id, one.start, one.end)):
        if shift.start >= shift.end or (shift.override is not None and shift.override.kind == "shadow"):
            continue
        own = found[shift.user_id]
        if own and shift.start <= own[-1][1]:
            own[-1] = (own[-1][0], max(own[-1][1], shift.end))
        else:
            own.append((shift.start, shift.end))
    return dict(found)


def hours_of(
    shifts: Iterable[Shift], habits: Mapping[int, Habits], period: Period = "", default: Habits | None = None
) -> dict[tuple[str, int], Hours]:
    """What each person was on call, by (period, user id), sorted.

    ``period``: ISO ``week`` (``2026-W05``), ``month`` (``2026-01``), by the person's local days, or all in one (an
    empty text). Whoever is on call for several schedules at once is on call once. ``default`` are the habits of people
    without any of their own. Nights, weekends and holidays count where they began: the hours after midnight of the
    night to February stand in February, the night in January.
    """
    lengths: dict[tuple[str, int], dict[HourKind, timedelta]] = {}
    touched: dict[tuple[str, int], tuple[set[date], set[date], set[date]]] = {}
    for user, own in stretches_of(shifts).items():
        theirs = habits.get(user) or default or Habits()
        for start, end in own:
            for piece in pieces(start, end, theirs):
                key = (_period(piece.day, period), user)
                sums = lengths.setdefault(key, dict.fromkeys(KINDS, _ZERO))
                sums[piece.kind] += piece.end - piece.start
                days = (piece.night, piece.weekend, piece.day if piece.holiday else None)
                for place, day in enumerate(days):
                    if day is not None:
                        where = (_period(day, period), user)
                        lengths.setdefault(where, dict.fromkeys(KINDS, _ZERO))
                        touched.setdefault(where, (set(), set(), set()))[place].add(day)
    empty: tuple[set[date], set[date], set[date]] = (set(), set(), set())
    return {key: Hours(lengths[key], *(len(days) for days in touched.get(key, empty))) for key in sorted(lengths)}


def together(each: Mapping[tuple[str, int], Hours]) -> dict[str, Hours]:
    """The hours of a team by period: of all people added up, so that a night of two people counts twice."""
    found: dict[str, Hours] = {}
    for (period, _), own in each.items():
        found[period] = found.get(period, Hours()) + own
    return found


def _period(day: date, period: Period) -> str:
    if period == "month":
        return f"{day.year:04}-{day.month:02}"
    if period == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return ""


def local_day(at: datetime, zone: str) -> date:
    """The date on the calendar on the wall of a zone (IANA) at a moment (aware)."""
    return date.fromordinal(_EPOCH_DAY + local(zone, to_us(at)) // DAY)
