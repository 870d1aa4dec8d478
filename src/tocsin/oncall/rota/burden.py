"""What a shift weighs for a person, by real hours. Pure.

Points of a shift for a person are the sum over its hours of

    1 + (night_weight - 1) if it is night + (weekend_weight - 1) on a weekend + (holiday_weight - 1) on a holiday

each asked by the clock and calendar of the person's own zone and region. Surcharges are added and not multiplied, as on
a payslip. Hours are real ones: a night in which clocks go back is an hour longer. Amounts are whole hundredths of a
point, so that sums are exact.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tocsin.oncall.rota.shapes import Absence, Person, Rules, Slot
from tocsin.oncall.rules import wallclock
from tocsin.oncall.rules.holidays import holidays_of
from tocsin.oncall.rules.wallclock import DAY, MINUTE, Span, to_us
from tocsin.oncall.rules.writing import minutes

POINT = 100
"""Hundredths in a point."""
NIGHT_MINUTES = 180
"""A shift with so many minutes of one night is a night."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Burden:
    """A shift as one person feels it. Times in minutes, points in hundredths.

    ``day``: ordinal of the local date on which it begins. ``night``: ordinal of the local date on which the night
    begins that it is; None when it is none.
    """

    points: int
    total: int
    night_time: int
    weekend_time: int
    holiday_time: int
    day: int
    night: int | None


def burden(slot: Slot, zone: str, region: str, rules: Rules) -> Burden:
    """What ``slot`` is for somebody who lives in ``zone`` with the holidays of ``region``."""
    begin, end = to_us(slot.start), to_us(slot.end)
    dusk, dawn = minutes(rules.night_start), minutes(rules.night_end)
    first, last = wallclock.local(zone, begin) // DAY, wallclock.local(zone, end) // DAY
    cuts = sorted(
        {day * DAY + minute * MINUTE for day in range(first - 1, last + 2) for minute in (0, dusk % 1440, dawn % 1440)}
    )
    at = wallclock.instants(zone, cuts)
    weighted = night_time = weekend_time = holiday_time = 0
    nights: dict[int, int] = defaultdict(int)
    for index, cut in enumerate(cuts[:-1]):
        real = (min(at[index + 1], end) - max(at[index], begin)) // MINUTE
        if real <= 0:
            continue
        local_day, minute = cut // DAY + _EPOCH_DAY, cut % DAY // MINUTE
        today = date.fromordinal(local_day)
        weight = 1.0
        if dusk <= minute or minute < dawn if dusk >= dawn else dusk <= minute < dawn:
            weight += rules.night_weight - 1
            night_time += real
            nights[local_day if dusk <= minute else local_day - 1] += real
        if today.isoweekday() in rules.weekend:
            weight += rules.weekend_weight - 1
            weekend_time += real
        if region and today in holidays_of(region, today.year):
            weight += rules.holiday_weight - 1
            holiday_time += real
        weighted += real * round(weight * POINT)
    longest = max(nights, key=lambda night: (nights[night], -night), default=None)
    is_night = longest is not None and nights[longest] >= NIGHT_MINUTES and slot.kind.unit == "day"
    return Burden(
        round(weighted / 60),
        (end - begin) // MINUTE,
        night_time,
        weekend_time,
        holiday_time,
        first + _EPOCH_DAY,
        longest if is_night else None,
    )


def away(person: Person) -> list[Span]:
    """The person's absences on the microsecond line."""
    return [(_moment(person.zone, one, last=False), _moment(person.zone, one, last=True)) for one in person.absences]


def _moment(zone: str, absence: Absence, *, last: bool) -> int:
    at = absence.end if last else absence.start
    if isinstance(at, datetime):
        return to_us(wallclock.local_instant(zone, at))
    day = at + timedelta(days=1) if last else at
    return wallclock.instants(zone, [(day.toordinal() - _EPOCH_DAY) * DAY])[0]
