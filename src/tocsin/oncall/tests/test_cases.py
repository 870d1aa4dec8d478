"""Who is on call: cases worked out by hand, a line each. Times without an offset are UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.oncall import rules
from tocsin.oncall.rules import Handoff, Layer, Override, Restriction, Schedule

A, B, C, D = 1, 2, 3, 4
NAMES = {A: "A", B: "B", C: "C", D: "D"}
ALL = rules.ALL_DAYS
WORK = frozenset({1, 2, 3, 4, 5})
WEEKEND = frozenset({6, 7})


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def window(hours: str, days: frozenset[int] = ALL, **more: Any) -> Restriction:
    start, end = hours.split("-")
    return Restriction(days, rules.minutes(start), rules.minutes(end), **more)


def turns(start: str, *members: Any, unit: Any = "day", length: int = 1, **more: Any) -> Layer:
    for name in ("starts_at", "ends_at"):
        if name in more:
            more[name] = at(more[name])
    groups = tuple(one if isinstance(one, tuple) else (one,) for one in members)
    position = more.pop("position", 0)
    return Layer(position, f"layer {position}", position, unit, length, at(start), groups, **more)


def put(user: int | None, start: str, end: str, kind: Any = "instead", replaces: int | None = None) -> Override:
    return Override(0, user, at(start), at(end), "", kind, replaces)


def rota(zone: str, *layers: Layer, overrides: tuple[Override, ...] = (), **more: Any) -> Schedule:
    return Schedule(1, "any", zone, layers, overrides, **more)


def on(schedule: Schedule, moment: str) -> str:
    return "".join(sorted(NAMES[shift.user_id] for shift in rules.oncall_at(schedule, at(moment)))) or "-"


# Hand-offs at hours that clocks skip or show twice
SKIPPED = rota("Europe/Berlin", turns("2026-03-27T02:30+01:00", A, B, C))  # March 29 has no 02:30: 03:00 instead
TWICE = rota("Europe/Berlin", turns("2026-10-23T02:30+02:00", A, B, C))  # October 25 has two: the first
MIDNIGHT = rota("America/Sao_Paulo", turns("2018-11-02T00:00-03:00", A, B, C))  # November 4, 2018 began at 01:00
HALF = rota("Australia/Lord_Howe", turns("2026-10-02T02:15+10:30", A, B, C))  # October 4: 02:00 to 02:30 is skipped
NEWFOUNDLAND = rota("America/St_Johns", turns("2026-10-30T01:30-02:30", A, B, C))  # November 1 shows 01:30 twice
RAMADAN = rota("Africa/Casablanca", turns("2026-02-13T09:00+01:00", A, B, C))  # an hour back on February 15, 03:00
NEPAL = rota("Asia/Kathmandu", turns("2026-05-01T09:00+05:45", A, B, unit="hour", length=12))
IN_WEEK = rota("Europe/Berlin", turns("2026-03-23T09:00+01:00", A, B, unit="week"))
HOURS_24 = rota("America/New_York", turns("2026-03-07T08:00-05:00", A, B, unit="hour", length=24))
HOURLY = rota("America/New_York", turns("2026-11-01T00:00-04:00", A, B, C, D, unit="hour"))

# Windows over midnight and over clock changes
NIGHT = rota("Europe/Berlin", turns("2026-01-05T00:00+01:00", A, unit="week", restrictions=(window("22:00-06:00"),)))
FRIDAY_NIGHT = rota(
    "Europe/Berlin",
    turns("2026-01-05T00:00+01:00", A, unit="week", restrictions=(window("20:00-08:00", frozenset({5})),)),
)
OFFICE_KOLKATA = rota(
    "Asia/Kolkata", turns("2026-01-05T00:00+05:30", A, unit="week", restrictions=(window("09:30-18:30", WORK),))
)
TWO_WINDOWS = rota(
    "UTC", turns("2026-01-05T00:00", A, unit="week", restrictions=(window("06:00-10:00"), window("20:00-23:30")))
)
MONTH_END = rota(
    "UTC",
    turns("2026-01-01T00:00", A, unit="week", restrictions=(window("00:00-24:00", month_days=frozenset({-1, 1})),)),
)
DECEMBER = rota(
    "Australia/Sydney",
    turns(
        "2026-01-01T00:00+11:00", A, unit="week", restrictions=(window("09:00-17:00", WORK, months=frozenset({12})),)
    ),
)
NO_HOLIDAYS = rota(
    "Europe/Berlin",
    turns("2026-01-05T00:00+01:00", A, unit="week"),
    turns(
        "2026-01-05T00:00+01:00",
        B,
        unit="week",
        position=1,
        restrictions=(window("09:00-17:00", WORK, holidays="except", region="DE"),),
    ),
)
ONLY_HOLIDAYS = rota(
    "Europe/Berlin",
    turns(
        "2026-01-01T00:00+01:00", A, unit="week", restrictions=(window("00:00-24:00", holidays="only", region="DE-BY"),)
    ),
)

# Several hand-offs a week, days that count, short shifts
TWO_HANDOFFS = rota(
    "Europe/Berlin",
    turns("2026-01-05T09:00+01:00", A, B, C, unit="week", handoffs=(Handoff(1, 540), Handoff(4, 1020))),
)
EVERY_SECOND = rota(
    "UTC", turns("2026-01-06T00:00", A, B, unit="week", length=2, handoffs=(Handoff(1, 540), Handoff(4, 540)))
)
DAYS_THAT_COUNT = rota("UTC", turns("2026-01-08T09:00", A, B, C, weekdays=frozenset({1, 3, 5})))  # a Thursday
FIRST_HOURS = rota("UTC", turns("2026-01-05T12:00", A, B, shift_minutes=180))
FIRST_OF_MONTH = rota("UTC", turns("2026-01-31T08:00", A, B, unit="month", shift_minutes=600))

# Groups, levels, zones of their own
PAIRS = rota("UTC", turns("2026-01-05T09:00", (A, B), C))
ABREAST = rota(
    "UTC",
    turns("2026-01-05T00:00", A, unit="week", level=0),
    turns("2026-01-05T00:00", B, unit="week", position=1, level=0, restrictions=(window("09:00-17:00"),)),
    turns("2026-01-05T00:00", C, unit="week", position=2, level=1, restrictions=(window("12:00-13:00"),)),
)
SUN = rota(
    "UTC",
    turns("2026-03-02T08:00+11:00", A, zone="Australia/Sydney", level=0, restrictions=(window("08:00-16:00"),)),
    turns(
        "2026-03-02T08:00+01:00", B, zone="Europe/Berlin", position=1, level=0, restrictions=(window("08:00-16:00"),)
    ),
    turns(
        "2026-03-02T08:00-05:00", C, zone="America/New_York", position=2, level=0, restrictions=(window("08:00-16:00"),)
    ),
)
SAME_TWICE = rota(
    "UTC", turns("2026-01-05T00:00", A, unit="week", level=0), turns("2026-01-05T00:00", A, B, position=1, level=0)
)

# Changes in the middle of a shift
JOINED = rota(
    "UTC",
    turns("2026-01-05T09:00", A, B, unit="week", ends_at="2026-01-07T12:00"),
    turns("2026-01-05T09:00", A, C, B, unit="week", starts_at="2026-01-07T12:00"),
)
LEFT = rota("UTC", turns("2026-01-05T09:00", A, B, unit="week"), left={A: at("2026-01-07T12:00")})
LEFT_GROUP = rota("UTC", turns("2026-01-05T09:00", (A, B), C, unit="week"), left={A: at("2026-01-07T12:00")})
LATER = rota("UTC", turns("2026-01-05T09:00", A, B, C, starts_at="2026-01-06T15:00"))

# Overrides that overlap
WEEK = turns("2026-01-05T00:00", A, unit="week")
STACKED = rota(
    "UTC",
    WEEK,
    overrides=(
        put(B, "2026-01-06T08:00", "2026-01-06T20:00"),
        put(C, "2026-01-06T12:00", "2026-01-06T16:00", "beside"),
        put(D, "2026-01-06T14:00", "2026-01-06T18:00"),
    ),
)
INSTEAD_OF_ONE = rota(
    "UTC",
    turns("2026-01-05T00:00", (A, B), unit="week"),
    overrides=(put(C, "2026-01-06T08:00", "2026-01-06T12:00", replaces=A),),
)
CHAIN = rota(
    "UTC",
    WEEK,
    overrides=(
        put(B, "2026-01-06T08:00", "2026-01-06T12:00", replaces=A),
        put(C, "2026-01-06T10:00", "2026-01-06T14:00", replaces=B),
        put(D, "2026-01-06T11:00", "2026-01-06T14:00", replaces=A),
    ),
)
TAKEN_OFF = rota(
    "UTC",
    turns("2026-01-05T00:00", (A, B), unit="week"),
    overrides=(
        put(None, "2026-01-06T08:00", "2026-01-06T12:00", replaces=A),
        put(None, "2026-01-06T10:00", "2026-01-06T11:00"),
    ),
)
SHADOWED = rota("UTC", WEEK, overrides=(put(B, "2026-01-06T08:00", "2026-01-06T12:00", "shadow"),))
VOID = rota("UTC", WEEK, overrides=(put(B, "2026-01-06T08:00", "2026-01-06T12:00"),), left={B: at("2026-01-06T10:00")})
BESIDE_SELF = rota("UTC", WEEK, overrides=(put(A, "2026-01-06T08:00", "2026-01-06T12:00", "beside"),))
TWICE_REPLACED = rota(
    "UTC",
    WEEK,
    overrides=(
        put(A, "2026-01-06T08:00", "2026-01-06T12:00", "beside"),
        put(B, "2026-01-06T10:00", "2026-01-06T14:00", replaces=A),
    ),
)
BESIDE_NOBODY = rota("UTC", overrides=(put(A, "2026-01-06T08:00", "2026-01-06T12:00", "beside"),))


@pytest.mark.parametrize(
    ("schedule", "moment", "who"),
    [
        (SKIPPED, "2026-03-29T00:59", "B"),  # 01:59 CET; clocks go from 02:00 to 03:00
        (SKIPPED, "2026-03-29T01:00", "C"),  # the first instant after the gap
        (SKIPPED, "2026-03-30T00:29", "C"),
        (SKIPPED, "2026-03-30T00:30", "A"),  # 02:30 again, summer time
        (TWICE, "2026-10-25T00:29", "B"),
        (TWICE, "2026-10-25T00:30", "C"),  # the first 02:30
        (TWICE, "2026-10-25T01:30", "C"),  # the second changes nothing
        (TWICE, "2026-10-26T01:30", "A"),
        (MIDNIGHT, "2018-11-04T02:59", "B"),
        (MIDNIGHT, "2018-11-04T03:00", "C"),  # there was no midnight: at 01:00
        (MIDNIGHT, "2018-11-05T02:00", "A"),  # midnight an hour earlier in UTC
        (HALF, "2026-10-03T15:29", "B"),
        (HALF, "2026-10-03T15:30", "C"),  # 02:15 does not exist: 02:30, now UTC+11
        (HALF, "2026-10-04T15:15", "A"),
        (NEWFOUNDLAND, "2026-11-01T03:59", "B"),
        (NEWFOUNDLAND, "2026-11-01T04:00", "C"),
        (NEWFOUNDLAND, "2026-11-02T04:59", "C"),
        (NEWFOUNDLAND, "2026-11-02T05:00", "A"),
        (RAMADAN, "2026-02-15T08:59", "B"),
        (RAMADAN, "2026-02-15T09:00", "C"),  # 09:00 at UTC+0
        (NEPAL, "2026-05-01T15:14", "A"),
        (NEPAL, "2026-05-01T15:15", "B"),
        (IN_WEEK, "2026-03-30T06:59", "A"),  # the week of the change is 167 hours long
        (IN_WEEK, "2026-03-30T07:00", "B"),
        (HOURS_24, "2026-03-08T11:59", "A"),  # 24 hours by the clock on the wall: 23 on this day
        (HOURS_24, "2026-03-08T12:00", "B"),
        (HOURLY, "2026-11-01T05:30", "B"),  # the first 01:30
        (HOURLY, "2026-11-01T06:30", "B"),  # and the second: the same local hour
        (HOURLY, "2026-11-01T07:00", "C"),
        (NIGHT, "2026-03-28T21:00", "A"),  # 22:00 CET
        (NIGHT, "2026-03-29T03:59", "A"),  # 05:59 CEST
        (NIGHT, "2026-03-29T04:00", "-"),
        (NIGHT, "2026-10-25T04:59", "A"),  # the night of 9 hours
        (NIGHT, "2026-10-25T05:00", "-"),
        (NIGHT, "2026-01-04T23:30", "A"),  # the window that began before the layer, from its anchor on
        (NIGHT, "2026-01-04T22:59", "-"),
        (FRIDAY_NIGHT, "2026-01-10T06:59", "A"),  # Saturday morning belongs to Friday's window
        (FRIDAY_NIGHT, "2026-01-10T19:30", "-"),
        (OFFICE_KOLKATA, "2026-01-05T03:59", "-"),
        (OFFICE_KOLKATA, "2026-01-05T04:00", "A"),
        (OFFICE_KOLKATA, "2026-01-10T05:00", "-"),
        (TWO_WINDOWS, "2026-01-05T10:00", "-"),
        (TWO_WINDOWS, "2026-01-05T23:29", "A"),
        (MONTH_END, "2026-02-28T23:59", "A"),
        (MONTH_END, "2026-03-01T23:59", "A"),
        (MONTH_END, "2026-03-02T00:00", "-"),
        (MONTH_END, "2028-02-28T12:00", "-"),  # a leap year's last day is the 29th
        (MONTH_END, "2028-02-29T12:00", "A"),
        (DECEMBER, "2026-11-30T22:00", "A"),  # 09:00 on December 1 in Sydney
        (DECEMBER, "2026-11-30T21:59", "-"),
        (DECEMBER, "2026-12-31T06:00", "-"),  # 17:00
        (NO_HOLIDAYS, "2026-04-02T10:00", "B"),
        (NO_HOLIDAYS, "2026-04-03T10:00", "A"),  # Good Friday
        (ONLY_HOLIDAYS, "2026-01-06T12:00", "A"),  # Epiphany is one in Bavaria
        (ONLY_HOLIDAYS, "2026-01-07T12:00", "-"),
        (TWO_HANDOFFS, "2026-01-08T15:59", "A"),  # Thursday 16:59
        (TWO_HANDOFFS, "2026-01-08T16:00", "B"),
        (TWO_HANDOFFS, "2026-01-12T08:00", "C"),
        (TWO_HANDOFFS, "2026-03-30T07:00", "A"),  # Monday 09:00 summer time, the 25th hand-off
        (EVERY_SECOND, "2026-01-06T12:00", "-"),  # the first hand-off from the anchor on is Thursday's
        (EVERY_SECOND, "2026-01-08T09:00", "A"),
        (EVERY_SECOND, "2026-01-12T09:00", "A"),
        (EVERY_SECOND, "2026-01-15T09:00", "B"),
        (DAYS_THAT_COUNT, "2026-01-08T10:00", "-"),
        (DAYS_THAT_COUNT, "2026-01-09T09:00", "A"),
        (DAYS_THAT_COUNT, "2026-01-11T09:00", "A"),  # Sunday belongs to Friday's turn
        (DAYS_THAT_COUNT, "2026-01-12T09:00", "B"),
        (FIRST_HOURS, "2026-01-05T14:59", "A"),
        (FIRST_HOURS, "2026-01-05T15:00", "-"),
        (FIRST_HOURS, "2026-01-06T12:00", "B"),
        (FIRST_OF_MONTH, "2026-02-28T17:59", "B"),
        (FIRST_OF_MONTH, "2026-02-28T18:00", "-"),
        (FIRST_OF_MONTH, "2026-03-31T08:00", "A"),
        (PAIRS, "2026-01-05T10:00", "AB"),
        (PAIRS, "2026-01-06T10:00", "C"),
        (ABREAST, "2026-01-05T08:59", "A"),
        (ABREAST, "2026-01-05T09:00", "AB"),
        (ABREAST, "2026-01-05T12:30", "C"),  # a higher level goes before both
        (ABREAST, "2026-01-05T13:00", "AB"),
        (SUN, "2026-03-09T21:00", "A"),  # 08:00 in Sydney on the 10th
        (SUN, "2026-03-09T12:30", "BC"),  # 13:30 in Berlin, 08:30 in New York, which has summer time already
        (SUN, "2026-03-30T13:30", "BC"),  # and so has Berlin: 15:30
        (SUN, "2026-03-30T14:00", "C"),
        (SAME_TWICE, "2026-01-05T12:00", "A"),
        (SAME_TWICE, "2026-01-06T12:00", "AB"),
        (JOINED, "2026-01-07T11:59", "A"),
        (JOINED, "2026-01-12T09:00", "C"),
        (JOINED, "2026-01-19T09:00", "B"),
        (LEFT, "2026-01-07T11:59", "A"),
        (LEFT, "2026-01-07T12:00", "-"),
        (LEFT, "2026-01-12T09:00", "B"),
        (LEFT_GROUP, "2026-01-07T11:59", "AB"),
        (LEFT_GROUP, "2026-01-07T12:00", "B"),
        (LATER, "2026-01-06T14:59", "-"),
        (LATER, "2026-01-06T15:00", "B"),  # turns are counted from the anchor
        (STACKED, "2026-01-06T13:00", "BC"),
        (STACKED, "2026-01-06T14:00", "D"),
        (STACKED, "2026-01-06T18:00", "B"),
        (STACKED, "2026-01-06T20:00", "A"),
        (INSTEAD_OF_ONE, "2026-01-06T08:00", "BC"),
        (INSTEAD_OF_ONE, "2026-01-06T12:00", "AB"),
        (CHAIN, "2026-01-06T09:00", "B"),
        (CHAIN, "2026-01-06T10:30", "C"),
        (CHAIN, "2026-01-06T11:30", "C"),  # A was replaced already: nobody to replace
        (CHAIN, "2026-01-06T12:30", "D"),
        (TAKEN_OFF, "2026-01-06T09:00", "B"),
        (TAKEN_OFF, "2026-01-06T10:30", "-"),
        (TAKEN_OFF, "2026-01-06T11:00", "B"),
        (SHADOWED, "2026-01-06T09:00", "A"),
        (VOID, "2026-01-06T09:59", "B"),
        (VOID, "2026-01-06T10:00", "A"),
        (BESIDE_SELF, "2026-01-06T09:00", "A"),
        (TWICE_REPLACED, "2026-01-06T09:00", "A"),
        (TWICE_REPLACED, "2026-01-06T11:00", "B"),
        (TWICE_REPLACED, "2026-01-06T13:00", "B"),
        (BESIDE_NOBODY, "2026-01-06T09:00", "A"),
        (BESIDE_NOBODY, "2026-01-06T12:00", "-"),
    ],
)
def test_who_is_on_call(schedule: Schedule, moment: str, who: str) -> None:
    assert on(schedule, moment) == who
    # the final schedule of a day around it says the same
    there = at(moment)
    found = rules.final_schedule(schedule, there - timedelta(hours=20), there + timedelta(hours=20))
    assert "".join(sorted(NAMES[s.user_id] for s in found if s.start <= there < s.end)) == who.strip("-")


def test_gaps_that_are_meant_are_not_reported() -> None:
    schedule = rota(
        "Europe/Berlin",
        turns("2026-01-05T00:00+01:00", A, unit="week", restrictions=(window("08:00-20:00", WORK),)),
        overrides=(put(None, "2026-01-07T10:00", "2026-01-07T12:00"),),
        uncovered=(window("00:00-24:00", WEEKEND), window("20:00-07:00", WORK)),
    )
    start, end = at("2026-01-05T00:00+01:00"), at("2026-01-12T00:00+01:00")
    # nobody needs to be there from 20:00 to 07:00, but no window reaches into Monday: Sunday has none at night
    early = [(at(f"2026-01-0{day}T07:00+01:00"), at(f"2026-01-0{day}T08:00+01:00")) for day in range(6, 10)]
    monday = (start, at("2026-01-05T08:00+01:00"))
    assert rules.unexplained_gaps(schedule, start, end) == [monday, *early]
    assert len(rules.gaps(schedule, start, end)) == 7  # five before work, one by override, one until the end
    told = rules.gaps_of(schedule, rules.final_schedule(schedule, start, end), start, end)
    assert [(gap.start, gap.end) for gap in told if not gap.meant] == [monday, *early]
    assert sum((gap.end - gap.start for gap in told), timedelta()) == sum(
        (stop - begin for begin, stop in rules.gaps(schedule, start, end)), timedelta()
    )


def test_a_shadow_is_told_and_is_not_on_call() -> None:
    (shadow,) = rules.shadows(SHADOWED, at("2026-01-06T09:00"), at("2026-01-07T00:00"))
    assert (shadow.user_id, shadow.start, shadow.end) == (B, at("2026-01-06T09:00"), at("2026-01-06T12:00"))
    assert rules.shadows(SHADOWED, at("2026-01-06T12:00"), at("2026-01-07T00:00")) == []


@pytest.mark.parametrize(
    ("members", "new", "moment", "expected"),
    [
        # turns of a week from January 5: A, B, C; the third week is C's
        ((A, B, C), (A, B, C, D), "2026-01-20T00:00", "CDAB"),
        ((A, B, C), (A, C), "2026-01-13T00:00", "CAC"),  # B, whose turn it is, left: C follows
        ((A, B, C), (B, C), "2026-01-13T00:00", "BCB"),
        ((A, B, C), (D,), "2026-01-13T00:00", "DDD"),
        ((A, B, C), (C, B, A), "2026-01-20T00:00", "CBA"),
    ],
)
def test_who_joins_or_leaves_reshuffles_nobody(
    members: tuple[int, ...], new: tuple[int, ...], moment: str, expected: str
) -> None:
    layer = turns("2026-01-05T09:00", *members, unit="week")
    after = rules.continued(layer, "UTC", tuple((one,) for one in new), at(moment))
    changed = turns("2026-01-05T09:00", *after, unit="week")
    found = rules.final_schedule(rota("UTC", changed), at(moment), at("2027-01-01T00:00"))
    assert "".join(NAMES[shift.user_id] for shift in found[: len(expected)]) == expected
