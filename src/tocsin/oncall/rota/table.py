"""A rota spec worked out into numbers: every slot, and for every person what each slot is for them. Pure."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta

from tocsin.oncall.rota.burden import POINT, Burden, away, burden
from tocsin.oncall.rota.shapes import Person, RotaSpec, ShiftKind, Slot
from tocsin.oncall.rules import wallclock
from tocsin.oncall.rules.wallclock import DAY, HOUR, MINUTE, from_us, to_us
from tocsin.oncall.rules.writing import minutes

_EPOCH_DAY = date(1970, 1, 1).toordinal()
UNWANTED = 12
"""What a shift on an unwanted weekday costs beside an hour of local night, which costs 1. A wish, weighed by us."""
NOT_PREFERRED = 4
"""A shift on another weekday than the preferred ones, of somebody who has any."""


@dataclass(frozen=True, slots=True)
class Table:
    """Lists by slot number, and of lists by person number first.

    begins, ends   microseconds since 1970 UTC; slots are sorted by them
    burdens        what a slot is for a person
    loads          hundredths of points divided by the person's weight: what fairness compares
    carried        the same of the person's history
    costs          what wishes and local nights cost when the person gets the slot
    absent         whether the slot touches an absence
    weeks          the week of the rota in which a slot begins, from 0
    before         the slot of the same kind just before it; None for the first
    """

    spec: RotaSpec
    slots: tuple[Slot, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    burdens: tuple[tuple[Burden, ...], ...]
    loads: tuple[tuple[int, ...], ...]
    carried: tuple[int, ...]
    costs: tuple[tuple[int, ...], ...]
    absent: tuple[tuple[bool, ...], ...]
    weeks: tuple[int, ...]
    before: tuple[int | None, ...]

    @property
    def rest(self) -> int:
        """The least rest between shifts, in microseconds."""
        return round(self.spec.rules.rest_hours * HOUR)

    def clash(self, one: int, other: int) -> bool:
        """Whether nobody may have both slots, as there is less than the rest between them."""
        first, second = min(one, other), max(one, other)
        return self.begins[second] < self.ends[first] + self.rest

    def overlap(self, one: int, other: int) -> bool:
        """Whether the two slots run at the same time."""
        return self.begins[max(one, other)] < self.ends[min(one, other)]


def slots(spec: RotaSpec) -> tuple[Slot, ...]:
    """All shifts to be filled, by begin, end and place of their kind. None of no length, in a gap of the clock."""
    found = []
    for place, kind in enumerate(spec.shifts):
        zone = kind.zone or spec.zone
        days = [spec.start + timedelta(days=day) for day in range(7 * spec.weeks)]
        for day in days:
            if day.isoweekday() not in kind.days:
                continue
            begin = _local(day, minutes(kind.start))
            start, end = wallclock.instants(zone, [begin, _end(kind, day, begin)])
            if start < end:
                found.append((start, end, place, Slot(kind, day, from_us(start), from_us(end))))
    return tuple(slot for *_, slot in sorted(found, key=lambda one: one[:3]))


def _local(day: date, minute: int) -> int:
    return (day.toordinal() - _EPOCH_DAY) * DAY + minute * MINUTE


def _end(kind: ShiftKind, day: date, begin: int) -> int:
    if kind.unit == "week":
        later = next(n for n in range(1, 8) if (day.isoweekday() + n - 1) % 7 + 1 in kind.days)
        return begin + later * DAY
    end = _local(day, minutes(kind.end))
    return end if end > begin else end + DAY


def table(spec: RotaSpec) -> Table:
    """Work a spec without problems out."""
    all_slots = slots(spec)
    begins = tuple(to_us(slot.start) for slot in all_slots)
    ends = tuple(to_us(slot.end) for slot in all_slots)
    felt = {
        where: tuple(burden(slot, *where, spec.rules) for slot in all_slots)
        for where in sorted({(person.zone, person.region) for person in spec.people})
    }
    burdens = tuple(felt[person.zone, person.region] for person in spec.people)
    before: list[int | None] = []
    last: dict[str, int] = {}
    for index, slot in enumerate(all_slots):
        before.append(last.get(slot.kind.name))
        last[slot.kind.name] = index
    return Table(
        spec,
        all_slots,
        begins,
        ends,
        burdens,
        tuple(
            tuple(round(one.points / person.weight) for one in own)
            for person, own in zip(spec.people, burdens, strict=True)
        ),
        tuple(round(person.history * POINT / person.weight) for person in spec.people),
        tuple(tuple(_cost(person, one) for one in own) for person, own in zip(spec.people, burdens, strict=True)),
        tuple(_absent(person, begins, ends) for person in spec.people),
        tuple((slot.day - spec.start).days // 7 for slot in all_slots),
        tuple(before),
    )


def _cost(person: Person, one: Burden) -> int:
    weekday = date.fromordinal(one.day).isoweekday()
    cost = round(one.night_time / 60)
    if weekday in person.unwanted:
        cost += UNWANTED
    elif person.preferred and weekday not in person.preferred:
        cost += NOT_PREFERRED
    return cost


def _absent(person: Person, begins: tuple[int, ...], ends: tuple[int, ...]) -> tuple[bool, ...]:
    gone = [False] * len(begins)
    longest = max((end - begin for begin, end in zip(begins, ends, strict=True)), default=0)
    for since, until in away(person):
        for slot in range(bisect_left(begins, since - longest), bisect_left(begins, until)):
            gone[slot] = gone[slot] or ends[slot] > since
    return tuple(gone)
