"""The rules of a rota once more, written differently: minute by minute where it counts, with zoneinfo alone."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from tocsin.oncall.rota import Person, RotaSpec, Slot

Team = Sequence[str]
MINUTE = timedelta(minutes=1)


def wrong(spec: RotaSpec, slots: Sequence[Slot], teams: Sequence[Team]) -> set[str]:
    """The names of the rules that this choice of keys by slot breaks."""
    found = set()
    people = {person.key: person for person in spec.people}
    for slot, team in zip(slots, teams, strict=True):
        if len(set(team)) != slot.kind.people or len(team) != slot.kind.people:
            found.add("people")
        for skill, count in slot.kind.demanded.items():
            if len([key for key in team if skill in people[key].skills]) < count:
                found.add("skill")
    for person in spec.people:
        own = [slot for slot, team in zip(slots, teams, strict=True) if person.key in team]
        found |= _one(spec, person, own)
    return found


def _one(spec: RotaSpec, person: Person, own: Sequence[Slot]) -> set[str]:
    rules, found = spec.rules, set()
    if any(slot.start < end and start < slot.end for slot in own for start, end in absences(person)):
        found.add("absence")
    for n, one in enumerate(own):
        for other in own[n + 1 :]:
            if one.start < other.end and other.start < one.end:
                found.add("overlap")
            elif other.start - one.end < timedelta(hours=rules.rest_hours):
                found.add("rest")
        if rules.hours_in_7_days is not None:
            within = [s for s in own[n:] if s.start < one.start + timedelta(days=7)]
            if sum((s.end - s.start for s in within), timedelta()) > timedelta(hours=rules.hours_in_7_days):
                found.add("hours")
    zone = ZoneInfo(person.zone)
    daily = {slot.start.astimezone(zone).date() for slot in own if slot.kind.unit == "day"}
    hours = (rules.night_start, rules.night_end, zone)
    nights = {night for s in own if s.kind.unit == "day" and (night := night_of(s.start, s.end, *hours))}
    if rules.nights_in_a_row is not None and longest(nights) > rules.nights_in_a_row:
        found.add("nights")
    if rules.shifts_in_a_row is not None:
        weekly = {spec.start + timedelta(days=(s.day - spec.start).days // 7) for s in own if s.kind.unit == "week"}
        if max(longest(daily), longest(weekly)) > rules.shifts_in_a_row:
            found.add("shifts in a row")
    ordered = sorted(daily)
    for one_day, next_day in pairwise(ordered):
        if 1 < (next_day - one_day).days <= rules.days_off:
            found.add("days off")
    if person.max_per_week is not None:
        for week in range(spec.weeks):
            if len([s for s in own if (s.day - spec.start).days // 7 == week]) > person.max_per_week:
                found.add("shifts a week")
    return found


def longest(days: set[date]) -> int:
    """The longest run of days without a hole."""
    best = 0
    for day in days:
        length = 0
        while day + timedelta(days=length) in days:
            length += 1
        best = max(best, length)
    return best


def absences(person: Person) -> list[tuple[datetime, datetime]]:
    """As instants; dates are whole days of the person's zone."""
    zone = ZoneInfo(person.zone)
    found = []
    for one in person.absences:
        start, end = one.start, one.end
        if not isinstance(start, datetime):
            start = datetime.combine(start, time(), zone).astimezone(UTC)
        if not isinstance(end, datetime):
            end = datetime.combine(end + timedelta(days=1), time(), zone).astimezone(UTC)
        found.append((start, end))
    return found


@cache
def night_of(start: datetime, end: datetime, night_start: str, night_end: str, zone: ZoneInfo) -> date | None:
    """The local night in which at least 180 of the minutes lie, walked minute by minute."""
    dusk, dawn = time.fromisoformat(night_start), time.fromisoformat(night_end)
    counts: dict[date, int] = {}
    at = start
    while at < end:
        local = at.astimezone(zone)
        if local.time() >= dusk:
            counts[local.date()] = counts.get(local.date(), 0) + 1
        elif local.time() < dawn:
            before = local.date() - timedelta(days=1)
            counts[before] = counts.get(before, 0) + 1
        at += MINUTE
    if not counts:
        return None
    night = max(sorted(counts), key=lambda day: counts[day])
    return night if counts[night] >= 180 else None
