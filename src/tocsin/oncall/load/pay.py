"""What on call is paid: standby by kind of hour, callouts, a sum for each shift, minimums and caps. Pure; exact.

Everything is decimal. A line's quantity (hours) is exact to the microsecond and shown with four places; its amount is
rounded half up to ``Rates.places`` from the exact quantity, and totals add up rounded amounts, so that a column adds up
to its sum. A cap is a line of its own with a negative amount.

Time on call for several schedules at once is paid once: to the shift that began first, of equal ones to the schedule
with the lower id. A shift of which nothing is left is not paid.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

from tocsin.oncall.load.hours import KINDS, Habits, HourKind, by_kind, kind_at
from tocsin.oncall.rules.shapes import Shift

What = Literal["standby", "shift", "callout", "cap"]
UNITS: Mapping[What, str] = {"standby": "h", "shift": "shift", "callout": "callout", "cap": ""}
_ZERO = Decimal(0)
_MICROSECONDS_AN_HOUR = Decimal(3_600_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """Amounts of ``currency`` (ISO 4217), 0 or more; kinds that are missing are not paid.

    standby              for an hour on call, by its kind
    callout              for each callout, by the kind of the hour in which it came
    callout_hour         besides, for an hour of work on it
    callout_minimum      what one callout pays at least
    shift                for each shift, however long
    cap_shift            what one shift pays at most, callouts within it included; None: no limit
    cap_person           what one person is paid at most for all that is given
    places               decimal places of the currency: 2 for EUR, 0 for JPY

    Raises ValueError for what makes no sense.
    """

    currency: str
    standby: Mapping[HourKind, Decimal] = field(default_factory=dict)
    callout: Mapping[HourKind, Decimal] = field(default_factory=dict)
    callout_hour: Mapping[HourKind, Decimal] = field(default_factory=dict)
    callout_minimum: Decimal = _ZERO
    shift: Decimal = _ZERO
    cap_shift: Decimal | None = None
    cap_person: Decimal | None = None
    places: int = 2

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not (self.currency.isascii() and self.currency.isupper()):
            raise ValueError(f"currency {self.currency!r}: three capital letters such as EUR")
        amounts = [*self.standby.values(), *self.callout.values(), *self.callout_hour.values()]
        amounts += [self.callout_minimum, self.shift]
        amounts += [cap for cap in (self.cap_shift, self.cap_person) if cap is not None]
        if not all(amount.is_finite() and amount >= 0 for amount in amounts):
            raise ValueError("rates: finite amounts, 0 or more")
        if not 0 <= self.places <= 4:
            raise ValueError("places: 0 to 4")

    def rounded(self, amount: Decimal) -> Decimal:
        """Half up to the currency's places."""
        return amount.quantize(Decimal(1).scaleb(-self.places), ROUND_HALF_UP)


class Callout(NamedTuple):
    """Somebody was called out; ``minutes`` of work on it, 0 when nobody keeps count."""

    user_id: int
    at: datetime
    incident_id: int
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill: so many of something at a rate.

    ``schedule_id``, ``start`` and ``end`` (UTC) are the shift's; None for a callout outside any shift and for a
    person's cap. ``rate`` is None where a minimum or a cap decided, or where two rates are added.
    """

    user_id: int
    schedule_id: int | None
    start: datetime | None
    end: datetime | None
    what: What
    kind: HourKind | None
    quantity: Decimal
    rate: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """The lines by person and shift, and what each person is paid, by user id."""

    currency: str
    lines: tuple[Line, ...]
    totals: Mapping[int, Decimal]

    @property
    def total(self) -> Decimal:
        return sum(self.totals.values(), _ZERO)


def bill(shifts: Iterable[Shift], callouts: Iterable[Callout], habits: Mapping[int, Habits], rates: Rates) -> Bill:
    """What everybody is paid for ``shifts``, cut to the period that is paid, and ``callouts`` within that period.

    Whoever only comes along is not paid. A callout belongs to the first shift of that person that it falls into.
    """
    own: dict[int, list[Shift]] = {}
    for shift in sorted(shifts, key=lambda one: (one.user_id, one.start, one.schedule_id, one.end)):
        if shift.start < shift.end and (shift.override is None or shift.override.kind != "shadow"):
            own.setdefault(shift.user_id, []).append(shift)
    called: dict[int, list[Callout]] = {}
    for callout in sorted(callouts, key=lambda one: (one.user_id, one.at, one.incident_id, one.minutes)):
        called.setdefault(callout.user_id, []).append(callout)
    lines: list[Line] = []
    totals: dict[int, Decimal] = {}
    for user in sorted({*own, *called}):
        theirs = habits.get(user) or Habits()
        fresh = list(_person(user, own.get(user, []), called.get(user, []), theirs, rates))
        lines += fresh
        totals[user] = sum((line.amount for line in fresh), rates.rounded(_ZERO))
    return Bill(rates.currency, tuple(lines), totals)


def _person(
    user: int, shifts: Sequence[Shift], callouts: Sequence[Callout], habits: Habits, rates: Rates
) -> Iterator[Line]:
    left = list(callouts)
    paid = _ZERO
    until: datetime | None = None
    for shift in shifts:
        begin = shift.start if until is None else max(shift.start, until)
        if begin >= shift.end:
            continue
        until = shift.end
        within = [one for one in left if begin <= one.at < shift.end]
        left = [one for one in left if one not in within]
        fresh = [*_standby(shift, begin, habits, rates), *(_callout(one, shift, habits, rates) for one in within)]
        together = sum((line.amount for line in fresh), _ZERO)
        if rates.cap_shift is not None and together > rates.cap_shift:
            cut = rates.rounded(rates.cap_shift) - together
            fresh.append(Line(user, shift.schedule_id, shift.start, shift.end, "cap", None, Decimal(1), None, cut))
            together += cut
        paid += together
        yield from fresh
    for one in left:
        line = _callout(one, None, habits, rates)
        paid += line.amount
        yield line
    if rates.cap_person is not None and paid > rates.cap_person:
        cut = rates.rounded(rates.cap_person) - paid
        yield Line(user, None, None, None, "cap", None, Decimal(1), None, cut)


def _standby(shift: Shift, begin: datetime, habits: Habits, rates: Rates) -> Iterator[Line]:
    """The hours of a shift from ``begin`` on that are paid, by kind, and the sum for the shift."""
    lengths = by_kind(begin, shift.end, habits)
    for kind in KINDS:
        if lengths[kind] and kind in rates.standby:
            hours = Decimal(lengths[kind] // timedelta(microseconds=1)) / _MICROSECONDS_AN_HOUR
            amount = rates.rounded(hours * rates.standby[kind])
            rate = rates.standby[kind]
            yield Line(shift.user_id, shift.schedule_id, shift.start, shift.end, "standby", kind, hours, rate, amount)
    if rates.shift:
        amount = rates.rounded(rates.shift)
        yield Line(
            shift.user_id, shift.schedule_id, shift.start, shift.end, "shift", None, Decimal(1), rates.shift, amount
        )


def _callout(one: Callout, shift: Shift | None, habits: Habits, rates: Rates) -> Line:
    kind = kind_at(one.at, habits)
    flat = rates.callout.get(kind, _ZERO)
    worked = rates.callout_hour.get(kind, _ZERO) * max(0, one.minutes) / 60
    amount = rates.rounded(max(flat + worked, rates.callout_minimum))
    rate = flat if not worked and flat >= rates.callout_minimum else None
    if shift is None:
        return Line(one.user_id, None, None, None, "callout", kind, Decimal(1), rate, amount)
    return Line(one.user_id, shift.schedule_id, shift.start, shift.end, "callout", kind, Decimal(1), rate, amount)
