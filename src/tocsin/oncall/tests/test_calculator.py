"""Who is on call: a table of cases, each with the convention that it holds the calculator to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tocsin.oncall import rules
from tocsin.oncall.rules import Layer, Override, Restriction, Schedule, Shift

ADA, BEN, CLEO, DAN = 1, 2, 3, 4
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
WORKDAYS = frozenset({1, 2, 3, 4, 5})
ALL = rules.ALL_DAYS


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def layer(
    anchor: str,
    members: tuple[int | tuple[int, ...], ...] = (ADA, BEN, CLEO),
    unit: Any = "day",
    length: int = 1,
    **more: Any,
) -> Layer:
    groups = tuple(one if isinstance(one, tuple) else (one,) for one in members)
    for name in ("starts_at", "ends_at"):
        if name in more:
            more[name] = moment(more[name])
    position = more.pop("position", 0)
    return Layer(position + 1, f"layer {position}", position, unit, length, moment(anchor), groups, **more)


def window(start: str, end: str, days: frozenset[int] = ALL) -> Restriction:
    return Restriction(days, rules.minutes(start), rules.minutes(end))


def schedule(zone: str, *layers: Layer, overrides: tuple[tuple[int, str, str], ...] = (), **more: Any) -> Schedule:
    put = tuple(Override(n, user, moment(start), moment(end)) for n, (user, start, end) in enumerate(overrides))
    return Schedule(7, "Primary", zone, layers, put, **more)


def user_at(of: Schedule, at: str) -> int | None:
    shifts = rules.oncall_at(of, moment(at))
    return shifts[0].user_id if shifts else None


BERLIN_DAILY = schedule("Europe/Berlin", layer("2026-03-27T08:00Z"))  # 09:00 CET; clocks forward on the 29th
BERLIN_AUTUMN = schedule("Europe/Berlin", layer("2026-10-23T07:00Z"))  # 09:00 CEST; clocks back on the 25th
NEW_YORK_0230 = schedule("America/New_York", layer("2026-03-06T02:30-05:00"))  # 02:30 does not exist on March 8
NEW_YORK_0130 = schedule("America/New_York", layer("2026-10-30T01:30-04:00"))  # 01:30 is twice on November 1
LORD_HOWE = schedule("Australia/Lord_Howe", layer("2026-04-03T09:00+11:00"))  # half an hour back on April 5, 02:00
KATHMANDU = schedule("Asia/Kathmandu", layer("2026-01-01T09:00+05:45"))
KOLKATA_NIGHTS = schedule(
    "Asia/Kolkata", layer("2026-01-01T09:00+05:30", restrictions=(window("22:00", "06:30"),), unit="week")
)
APIA = schedule("Pacific/Apia", layer("2011-12-28T09:00-10:00"))  # December 30, 2011 did not happen
OFFICE = schedule(
    "Europe/London", layer("2026-01-05T09:00Z", unit="week", restrictions=(window("09:00", "17:00", WORKDAYS),))
)
FRIDAY_NIGHT = schedule(
    "UTC", layer("2026-01-05T00:00Z", (ADA,), "week", restrictions=(window("20:00", "08:00", frozenset({5})),))
)
WHOLE_DAYS = schedule(
    "UTC", layer("2026-01-05T00:00Z", (ADA,), "week", restrictions=(window("08:00", "08:00", frozenset({1, 2})),))
)
TWO_WINDOWS = schedule(
    "UTC",
    layer(
        "2026-01-05T00:00Z",
        (ADA,),
        "week",
        restrictions=(window("06:00", "10:00"), window("09:00", "12:00"), window("18:00", "20:00")),
    ),
)
SKIPPED_WINDOW = schedule(
    "Europe/Berlin", layer("2026-03-01T00:00+01:00", (ADA,), "week", restrictions=(window("02:10", "02:50"),))
)
TWICE_WINDOW = schedule(
    "Europe/Berlin", layer("2026-10-01T00:00+02:00", (ADA,), "week", restrictions=(window("01:00", "02:30"),))
)
LAYERED = schedule(
    "UTC",
    layer("2026-01-05T00:00Z", (ADA,), "week"),
    layer("2026-01-05T00:00Z", (BEN,), "week", position=1, restrictions=(window("09:00", "17:00", WORKDAYS),)),
)
OVERRIDDEN = schedule(
    "UTC",
    layer("2026-01-05T00:00Z", (ADA,), "week"),
    overrides=(
        (BEN, "2026-01-06T10:00Z", "2026-01-06T14:00Z"),
        (CLEO, "2026-01-06T12:00Z", "2026-01-06T16:00Z"),
        (DAN, "2026-01-06T13:00Z", "2026-01-06T13:30Z"),
    ),
)
TWO_ANSWERS_EARLIER_START = schedule(
    "UTC",
    overrides=((BEN, "2026-01-06T12:00Z", "2026-01-06T14:00Z"), (CLEO, "2026-01-06T10:00Z", "2026-01-06T13:00Z")),
)
BOUNDED = schedule("UTC", layer("2026-01-05T00:00Z", starts_at="2026-01-07T12:00Z", ends_at="2026-01-09T06:00Z"))
BACKWARDS = schedule("UTC", layer("2026-01-05T00:00Z", starts_at="2026-01-01T00:00Z"))
HOURS = schedule("America/Chicago", layer("2026-03-07T08:00-06:00", (ADA, BEN), "hour", 12))
HOURLY = schedule("Europe/Berlin", layer("2026-03-29T00:00+01:00", (ADA, BEN, CLEO, DAN), "hour"))
FORTNIGHT = schedule("UTC", layer("2026-01-05T09:00Z", (ADA, BEN), "week", 2))
MONTHLY = schedule("Europe/Berlin", layer("2026-01-31T09:00+01:00", (ADA, BEN, CLEO), "month"))
QUARTER = schedule("UTC", layer("2026-01-01T00:00Z", (ADA, BEN), "month", 3))
AWAY = schedule(
    "UTC",
    layer("2026-01-05T00:00Z", (ADA,), "week"),
    layer("2026-01-05T00:00Z", (BEN, CLEO), "day", position=1),
    overrides=((DAN, "2026-01-06T00:00Z", "2026-01-06T12:00Z"),),
    left={BEN: LONG_AGO, DAN: LONG_AGO},
)
HIGHER_LATER = schedule(
    "UTC",
    layer("2026-01-05T00:00Z", (ADA,), "week"),
    layer("2026-01-05T00:00Z", (BEN,), "week", position=1, starts_at="2026-01-08T00:00Z"),
)
TWICE_IN_TURN = schedule("UTC", layer("2026-01-05T00:00Z", (ADA, ADA, BEN)))
WORKDAY_TURNS = schedule("Europe/Berlin", layer("2026-01-07T09:00+01:00", weekdays=WORKDAYS))  # a Wednesday
TWO_WORKDAYS = schedule("UTC", layer("2026-01-10T09:00Z", length=2, weekdays=WORKDAYS))  # a Saturday
WEEKENDS = schedule(
    "UTC",
    layer("2026-01-05T00:00Z", weekdays=frozenset({6, 7}), restrictions=(window("00:00", "24:00", frozenset({6, 7})),)),
)
WORKDAYS_BEFORE = schedule("UTC", layer("2026-01-07T00:00Z", weekdays=WORKDAYS, starts_at="2025-12-01T00:00Z"))
ONLY_OVERRIDES = schedule("UTC", overrides=((ADA, "2026-01-06T10:00Z", "2026-01-06T11:00Z"),))
NOBODY = schedule("UTC", layer("2026-01-05T00:00Z", ()))


@pytest.mark.parametrize(
    ("of", "at", "expected"),
    [
        # a hand-off keeps its local time when clocks go forward ...
        (BERLIN_DAILY, "2026-03-28T07:59:59Z", ADA),
        (BERLIN_DAILY, "2026-03-28T08:00Z", BEN),
        (BERLIN_DAILY, "2026-03-29T06:59:59Z", BEN),
        (BERLIN_DAILY, "2026-03-29T07:00Z", CLEO),
        # ... and when they go back
        (BERLIN_AUTUMN, "2026-10-25T07:59:59Z", BEN),
        (BERLIN_AUTUMN, "2026-10-25T08:00Z", CLEO),
        # a hand-off at a local time that does not exist is at the first instant after the gap
        (NEW_YORK_0230, "2026-03-08T06:59:59Z", BEN),
        (NEW_YORK_0230, "2026-03-08T07:00Z", CLEO),
        (NEW_YORK_0230, "2026-03-09T06:29:59Z", CLEO),
        (NEW_YORK_0230, "2026-03-09T06:30Z", ADA),
        # a hand-off at a local time that occurs twice is at the first
        (NEW_YORK_0130, "2026-11-01T05:29:59Z", BEN),
        (NEW_YORK_0130, "2026-11-01T05:30Z", CLEO),
        (NEW_YORK_0130, "2026-11-01T06:30Z", CLEO),
        (NEW_YORK_0130, "2026-11-02T06:30Z", ADA),
        # clocks that move by half an hour, zones with odd offsets, a day that did not happen
        (LORD_HOWE, "2026-04-04T22:29:59Z", BEN),
        (LORD_HOWE, "2026-04-04T22:30Z", CLEO),
        (KATHMANDU, "2026-01-02T03:14:59Z", ADA),
        (KATHMANDU, "2026-01-02T03:15Z", BEN),
        (KOLKATA_NIGHTS, "2026-01-02T00:59:59Z", ADA),
        (KOLKATA_NIGHTS, "2026-01-02T01:00Z", None),
        (KOLKATA_NIGHTS, "2026-01-02T16:30Z", ADA),
        (KOLKATA_NIGHTS, "2026-01-08T16:30Z", BEN),
        (APIA, "2011-12-29T19:00Z", BEN),  # the 29th, 09:00
        (APIA, "2011-12-30T10:00Z", CLEO),  # the turn of the 30th begins with the 31st
        (APIA, "2011-12-30T19:00Z", ADA),
        # restrictions: local, half-open, on the weekday on which they begin, over midnight, whole days, united
        (OFFICE, "2026-01-06T09:00Z", ADA),
        (OFFICE, "2026-01-06T17:00Z", None),
        (OFFICE, "2026-01-10T12:00Z", None),
        (OFFICE, "2026-07-06T08:00Z", CLEO),
        (OFFICE, "2026-07-06T16:00Z", None),
        (FRIDAY_NIGHT, "2026-01-09T20:00Z", ADA),
        (FRIDAY_NIGHT, "2026-01-10T07:59:59Z", ADA),
        (FRIDAY_NIGHT, "2026-01-10T08:00Z", None),
        (FRIDAY_NIGHT, "2026-01-09T07:00Z", None),
        (WHOLE_DAYS, "2026-01-06T08:00Z", ADA),
        (WHOLE_DAYS, "2026-01-07T07:59:59Z", ADA),
        (WHOLE_DAYS, "2026-01-07T08:00Z", None),
        (TWO_WINDOWS, "2026-01-06T11:59Z", ADA),
        (TWO_WINDOWS, "2026-01-06T12:00Z", None),
        (TWO_WINDOWS, "2026-01-06T19:00Z", ADA),
        # a window that clocks jump over is not; one that they repeat ends when its end is first reached
        (SKIPPED_WINDOW, "2026-03-29T01:00Z", None),
        (SKIPPED_WINDOW, "2026-03-30T00:30Z", ADA),
        (TWICE_WINDOW, "2026-10-25T00:29Z", ADA),
        (TWICE_WINDOW, "2026-10-25T01:15Z", None),
        # layers: the highest that has somebody
        (LAYERED, "2026-01-06T08:59Z", ADA),
        (LAYERED, "2026-01-06T09:00Z", BEN),
        (LAYERED, "2026-01-10T09:00Z", ADA),
        (HIGHER_LATER, "2026-01-07T23:59Z", ADA),
        (HIGHER_LATER, "2026-01-08T00:00Z", BEN),
        # overrides: half-open, the one added last wins whatever its times
        (OVERRIDDEN, "2026-01-06T09:59Z", ADA),
        (OVERRIDDEN, "2026-01-06T11:59Z", BEN),
        (OVERRIDDEN, "2026-01-06T12:00Z", CLEO),
        (OVERRIDDEN, "2026-01-06T13:00Z", DAN),
        (OVERRIDDEN, "2026-01-06T13:30Z", CLEO),
        (OVERRIDDEN, "2026-01-06T16:00Z", ADA),
        (TWO_ANSWERS_EARLIER_START, "2026-01-06T12:30Z", CLEO),
        (TWO_ANSWERS_EARLIER_START, "2026-01-06T13:00Z", BEN),
        (ONLY_OVERRIDES, "2026-01-06T10:30Z", ADA),
        (ONLY_OVERRIDES, "2026-01-06T11:00Z", None),
        # a layer's own beginning and end; turns are counted from the anchor
        (BOUNDED, "2026-01-07T11:59Z", None),
        (BOUNDED, "2026-01-07T12:00Z", CLEO),
        (BOUNDED, "2026-01-09T05:59Z", BEN),
        (BOUNDED, "2026-01-09T06:00Z", None),
        (BACKWARDS, "2026-01-04T12:00Z", CLEO),
        (BACKWARDS, "2025-12-31T23:59Z", None),
        (BERLIN_DAILY, "2026-03-27T07:59:59Z", None),
        # units
        (HOURS, "2026-03-09T00:59:59Z", ADA),  # 19:59 local, the day clocks went forward: hand-offs stay 08:00, 20:00
        (HOURS, "2026-03-09T01:00Z", BEN),
        (HOURLY, "2026-03-29T00:59Z", BEN),
        (HOURLY, "2026-03-29T01:00Z", DAN),  # 02:00 does not exist: Cleo's hour has no length
        (FORTNIGHT, "2026-01-19T08:59Z", ADA),
        (FORTNIGHT, "2026-01-19T09:00Z", BEN),
        (MONTHLY, "2026-02-28T07:59Z", ADA),
        (MONTHLY, "2026-02-28T08:00Z", BEN),
        (MONTHLY, "2026-03-31T06:59Z", BEN),
        (MONTHLY, "2026-03-31T07:00Z", CLEO),
        (MONTHLY, "2027-01-31T08:00Z", ADA),
        (QUARTER, "2026-03-31T23:59Z", ADA),
        (QUARTER, "2026-04-01T00:00Z", BEN),
        # only certain weekdays count: Friday's turn lasts until Monday, the first begins on a day that counts
        (WORKDAY_TURNS, "2026-01-07T08:00Z", ADA),
        (WORKDAY_TURNS, "2026-01-09T08:00Z", CLEO),
        (WORKDAY_TURNS, "2026-01-12T07:59Z", CLEO),
        (WORKDAY_TURNS, "2026-01-12T08:00Z", ADA),
        (WORKDAY_TURNS, "2026-03-30T06:59Z", ADA),
        (WORKDAY_TURNS, "2026-03-30T07:00Z", BEN),
        (TWO_WORKDAYS, "2026-01-12T08:59Z", None),
        (TWO_WORKDAYS, "2026-01-12T09:00Z", ADA),
        (TWO_WORKDAYS, "2026-01-15T09:00Z", BEN),
        (TWO_WORKDAYS, "2026-01-19T08:59Z", CLEO),
        (TWO_WORKDAYS, "2026-01-19T09:00Z", CLEO),
        (TWO_WORKDAYS, "2026-01-20T09:00Z", ADA),
        (WEEKENDS, "2026-01-09T12:00Z", None),
        (WEEKENDS, "2026-01-10T12:00Z", ADA),
        (WEEKENDS, "2026-01-11T12:00Z", BEN),
        (WEEKENDS, "2026-01-17T12:00Z", CLEO),
        (WORKDAYS_BEFORE, "2026-01-06T12:00Z", CLEO),
        (WORKDAYS_BEFORE, "2026-01-05T12:00Z", BEN),
        (WORKDAYS_BEFORE, "2026-01-03T12:00Z", ADA),
        # people
        (AWAY, "2026-01-05T10:00Z", ADA),
        (AWAY, "2026-01-06T10:00Z", CLEO),
        (TWICE_IN_TURN, "2026-01-06T10:00Z", ADA),
        (TWICE_IN_TURN, "2026-01-07T10:00Z", BEN),
        (NOBODY, "2026-01-07T10:00Z", None),
        # far away
        (BERLIN_DAILY, "2099-07-01T07:00Z", CLEO),
    ],
)
def test_who_is_on_call(of: Schedule, at: str, expected: int | None) -> None:
    assert user_at(of, at) == expected


def spans(shifts: list[Shift]) -> list[tuple[int, str, str]]:
    return [(s.user_id, s.start.strftime("%m-%dT%H:%M"), s.end.strftime("%m-%dT%H:%M")) for s in shifts]


def test_the_final_schedule_is_cut_to_the_window_and_names_its_sources() -> None:
    shifts = rules.final_schedule(OVERRIDDEN, moment("2026-01-06T09:00Z"), moment("2026-01-06T17:00Z"))
    assert spans(shifts) == [
        (ADA, "01-06T09:00", "01-06T10:00"),
        (BEN, "01-06T10:00", "01-06T12:00"),
        (CLEO, "01-06T12:00", "01-06T13:00"),
        (DAN, "01-06T13:00", "01-06T13:30"),
        (CLEO, "01-06T13:30", "01-06T16:00"),
        (ADA, "01-06T16:00", "01-06T17:00"),
    ]
    assert shifts[0].layer == OVERRIDDEN.layers[0]
    assert shifts[0].override is None
    assert shifts[1].override == OVERRIDDEN.overrides[0]
    assert {s.schedule_id for s in shifts} == {7}


def test_a_shift_at_a_moment_has_its_whole_length() -> None:
    (shift,) = rules.oncall_at(LAYERED, moment("2026-01-06T10:15Z"))
    assert spans([shift]) == [(BEN, "01-06T09:00", "01-06T17:00")]
    (shift,) = rules.oncall_at(LAYERED, moment("2026-01-10T10:15Z"))
    assert spans([shift]) == [(ADA, "01-09T17:00", "01-12T00:00")]
    (shift,) = rules.oncall_at(OVERRIDDEN, moment("2026-01-06T15:00Z"))
    assert spans([shift]) == [(CLEO, "01-06T13:30", "01-06T16:00")]


def test_one_layer_rendered_alone_ignores_what_goes_before_it() -> None:
    shifts = rules.rendered(LAYERED, LAYERED.layers[0], moment("2026-01-06T00:00Z"), moment("2026-01-07T00:00Z"))
    assert spans(shifts) == [(ADA, "01-06T00:00", "01-07T00:00")]
    assert rules.rendered(LAYERED, LAYERED.layers[0], moment("2026-01-07T00:00Z"), moment("2026-01-06T00:00Z")) == []


def test_gaps_are_what_shifts_leave() -> None:
    found = rules.gaps(OFFICE, moment("2026-01-05T00:00Z"), moment("2026-01-06T12:00Z"))
    assert [(a.isoformat(), b.isoformat()) for a, b in found] == [
        ("2026-01-05T00:00:00+00:00", "2026-01-05T09:00:00+00:00"),
        ("2026-01-05T17:00:00+00:00", "2026-01-06T09:00:00+00:00"),
    ]
    assert rules.gaps(LAYERED, moment("2026-01-06T00:00Z"), moment("2026-03-06T00:00Z")) == []


@pytest.mark.parametrize(
    ("of", "after", "expected"),
    [
        (OFFICE, "2026-01-06T12:00Z", "2026-01-06T17:00Z"),
        (OFFICE, "2026-01-09T17:00Z", "2026-01-12T09:00Z"),
        (BERLIN_DAILY, "2025-06-01T00:00Z", "2026-03-27T08:00Z"),
        (BERLIN_DAILY, "2020-06-01T00:00Z", None),
        (ONLY_OVERRIDES, "2026-01-06T11:00Z", None),
    ],
)
def test_the_next_change(of: Schedule, after: str, expected: str | None) -> None:
    assert rules.next_change(of, moment(after)) == (moment(expected) if expected else None)


def test_hand_offs_of_a_year_stay_at_their_local_time() -> None:
    zone = ZoneInfo("America/Santiago")
    of = schedule("America/Santiago", layer("2026-01-01T09:00-03:00"))
    shifts = rules.final_schedule(of, moment("2026-01-01T12:00Z"), moment("2027-01-01T12:00Z"))
    assert len(shifts) == 365
    assert {s.start.astimezone(zone).strftime("%H:%M") for s in shifts} == {"09:00"}
    assert {s.end - s.start for s in shifts} == {timedelta(hours=h) for h in (23, 24, 25)}


def test_a_month_of_the_shift_is_counted_across_years() -> None:
    shifts = rules.final_schedule(MONTHLY, moment("2026-01-31T08:00Z"), moment("2028-04-01T00:00Z"))
    assert [s.start.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d.%m") for s in shifts[:4]] == [
        "31.01", "28.02", "31.03", "30.04",
    ]  # fmt: skip
    assert [s.user_id for s in shifts[:4]] == [ADA, BEN, CLEO, ADA]
    assert "29.02" in {s.start.strftime("%d.%m") for s in shifts}


def test_an_empty_or_reversed_window_has_no_shifts() -> None:
    at = moment("2026-01-06T10:00Z")
    assert rules.final_schedule(LAYERED, at, at) == []
    assert rules.final_schedule(LAYERED, at, at - timedelta(days=1)) == []


def test_microseconds_are_exact() -> None:
    put = Override(1, BEN, moment("2026-01-06T10:00:00.000001Z"), moment("2026-01-06T10:00:00.000003Z"))
    of = replace(LAYERED, overrides=(put,))
    assert user_at(of, "2026-01-06T10:00:00.000000Z") == BEN  # the layer's Ben
    (shift,) = rules.oncall_at(of, moment("2026-01-06T10:00:00.000002Z"))
    assert shift.override == put
    assert rules.oncall_at(of, moment("2026-01-06T10:00:00.000003Z"))[0].override is None


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00Z"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"),
        ("Europe/Berlin", "2026-10-25T02:30+01:00", "2026-10-25T01:30Z"),
        ("America/New_York", "2026-07-01T09:00", "2026-07-01T13:00Z"),
    ],
)
def test_a_written_moment(zone: str, text: str, expected: str) -> None:
    assert rules.local_instant(zone, datetime.fromisoformat(text)) == moment(expected)


@pytest.mark.parametrize(("text", "expected"), [("00:00", 0), ("09:30", 570), ("24:00", 1440)])
def test_a_time_of_day(text: str, expected: int) -> None:
    assert rules.minutes(text) == expected
    assert rules.clock_text(expected) == text


@pytest.mark.parametrize("text", ["", "9:00", "24:01", "12:60", "noon", "12:00:00"])
def test_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        rules.minutes(text)


def test_zones() -> None:
    assert rules.known_zone("Europe/Berlin")
    assert not rules.known_zone("Mars/Olympus")
    assert not rules.known_zone("../etc/passwd")
    assert not rules.known_zone("")
