"""``python -m bench.oncall``: final schedules, a proof's coverage and a sweep of a year, beside an expansion of iCal.

The reference expands the same rotations as recurring events (one RRULE for each person in turn, as calendars and the
rota tools built on them hold them) with ``dateutil`` and lays them over each other by priority.
"""

import argparse
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import django
from dateutil.rrule import DAILY, HOURLY, WEEKLY, rrule

from tocsin.escalation.rules import NotifyRule, PolicySnapshot, Resolved, Step, Target
from tocsin.oncall import rules
from tocsin.oncall.rules import Layer, Restriction, Schedule

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Sydney", "UTC")
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
END = START + timedelta(days=365)
FREQUENCY = {"hour": HOURLY, "day": DAILY, "week": WEEKLY}


def rotations(count: int) -> list[Schedule]:
    """Schedules of two layers each: a daily or weekly rotation, and office hours above it."""
    found = []
    for number in range(count // 2):
        office = Restriction(frozenset({1, 2, 3, 4, 5}), 9 * 60, 17 * 60)
        people = tuple((number * 10 + one,) for one in range(5))
        below = Layer(1, "all", 0, "day" if number % 2 else "week", 1, START, people)
        above = Layer(2, "office", 1, "day", 1, START, people[::-1], restrictions=(office,))
        found.append(Schedule(number, f"s{number}", ZONES[number % len(ZONES)], (below, above)))
    return found


def expanded(schedule: Schedule) -> int:
    """The reference: every layer's shifts by RRULE, cut by priority; how many pieces."""
    zone = ZoneInfo(schedule.zone)
    taken: list[tuple[datetime, datetime]] = []
    count = 0
    for layer in sorted(schedule.layers, key=lambda one: -one.position):
        shifts = []
        anchor = layer.anchor.astimezone(zone).replace(tzinfo=None)
        step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[layer.unit]
        for place, _ in enumerate(layer.members):
            begin = anchor + place * step
            series = rrule(
                FREQUENCY[layer.unit], dtstart=begin, interval=len(layer.members), until=END.replace(tzinfo=None)
            )
            for local in series:
                start, stop = local, local + step
                if layer.restrictions:
                    window = layer.restrictions[0]
                    day = start.replace(hour=0, minute=0)
                    for offset in range((stop - start).days + 1):
                        at = day + timedelta(days=offset)
                        if at.isoweekday() in window.days:
                            low = max(start, at + timedelta(minutes=window.start))
                            high = min(stop, at + timedelta(minutes=window.end))
                            if low < high:
                                shifts.append(
                                    (
                                        low.replace(tzinfo=zone).astimezone(UTC),
                                        high.replace(tzinfo=zone).astimezone(UTC),
                                    )
                                )
                else:
                    shifts.append(
                        (start.replace(tzinfo=zone).astimezone(UTC), stop.replace(tzinfo=zone).astimezone(UTC))
                    )
        free = []
        for start, stop in sorted(shifts):
            at = start
            for low, high in taken:
                if high <= at or low >= stop:
                    continue
                if low > at:
                    free.append((at, low))
                at = max(at, high)
            if at < stop:
                free.append((at, stop))
        count += len(free)
        taken = sorted(taken + free)
    return count


def policy() -> PolicySnapshot:
    """Three steps: on call, on call elsewhere, a person."""
    steps = (
        Step((Target("schedule", 0, "a"),), 300),
        Step((Target("schedule", 1, "b"),), 600),
        Step((Target("user", 999, "c"),), 900),
    )
    return PolicySnapshot(1, "P", 1, steps, repeats=1)


def swept(schedules: list[Schedule]) -> int:
    """A year of hourly incidents under one policy; every third is not answered before the second step."""
    shifts = {s.id: rules.final_schedule(s, START, END + timedelta(days=2)) for s in schedules[:2]}
    at_place = dict.fromkeys(shifts, 0)

    def resolve(target: Target, at: datetime) -> list[Resolved]:
        if target.kind == "user":
            return [Resolved(target.id)]
        of = shifts[target.id]
        place = at_place[target.id]
        if of[place].start > at:
            place = 0
        while of[place].end <= at:
            place += 1
        at_place[target.id] = place
        return [Resolved(of[place].user_id)]

    from tocsin.escalation.simulator import Answer, rehearse  # needs Django to be set up

    way = [NotifyRule(0, 0, 1, "pocket")]
    count = 0
    at = START
    number = 0
    while at < END:
        number += 1
        wait = 30 if number % 3 else 400
        found = rehearse(policy(), resolve, lambda user: way, "high", at, 4 * 3600, [Answer(1, wait)])
        count += len(found.pages)
        at += timedelta(hours=1)
    return count


def timed(what: Callable[[], object], repeats: int) -> float:
    """The median of some runs, in milliseconds."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        what()
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--rotations", type=int, default=100)
    options.add_argument("--repeats", type=int, default=5)
    told = options.parse_args()
    schedules = rotations(told.rotations)

    def finals() -> int:
        return sum(len(rules.final_schedule(schedule, START, END)) for schedule in schedules)

    pieces = finals()  # also fills what is remembered of zones
    ours = timed(finals, told.repeats)
    theirs = timed(lambda: [expanded(schedule) for schedule in schedules], max(1, told.repeats // 2))
    sweep = timed(lambda: swept(schedules), told.repeats)
    title = f"Final schedule of one year, {told.rotations} rotations ({pieces:,} shifts)"
    print("| what | Tocsin | iCal expansion | ratio |")
    print("| --- | ---: | ---: | ---: |")
    print(f"| {title} | {ours:,.0f} ms | {theirs:,.0f} ms | {ours / theirs:.3f} |")
    print(f"| Sweep of a year: an incident every hour, one policy | {sweep:,.0f} ms | | |")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")
    django.setup()
    main()
