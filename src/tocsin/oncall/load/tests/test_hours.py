"""Kinds of hours by the person's own clock: tables by hand, and that nothing is lost or counted twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall.load import (
    KINDS,
    Habits,
    HourKind,
    Hours,
    by_kind,
    hours_of,
    kind_at,
    local_day,
    night_of,
    pieces,
    together,
)
from tocsin.oncall.rules import Override, Shift, local_instant

ADA, BEN = 1, 2
HOUR = timedelta(hours=1)
BERLIN = Habits("Europe/Berlin", "DE-BY")


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return local_instant(zone, datetime.fromisoformat(text))


def shift(start: str, end: str, user: int = ADA, schedule: int = 7, zone: str = "Europe/Berlin") -> Shift:
    return Shift(user, at(start, zone), at(end, zone), schedule)


def in_hours(lengths: dict[HourKind, timedelta]) -> dict[str, float]:
    return {kind: length / HOUR for kind, length in lengths.items() if length}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # a Monday in winter, whole
        ("2026-02-02T00:00", "2026-02-03T00:00", {"night": 9, "evening": 7, "working": 8}),
        ("2026-02-02T16:59", "2026-02-02T17:01", {"working": 1 / 60, "evening": 1 / 60}),
        # over midnight into the weekend: Friday's night ends with Friday
        ("2026-02-06T18:00", "2026-02-07T09:00", {"evening": 4, "night": 2, "weekend": 9}),
        ("2026-02-08T18:00", "2026-02-09T09:00", {"weekend": 6, "night": 7, "evening": 2}),
        # the clocks go forward on Sunday, March 29, and back on Sunday, October 25
        ("2026-03-29T00:00", "2026-03-30T00:00", {"weekend": 23}),
        ("2026-10-25T00:00", "2026-10-26T00:00", {"weekend": 25}),
        ("2026-03-28T22:00", "2026-03-29T07:00", {"weekend": 8}),
        ("2026-10-24T22:00", "2026-10-25T07:00", {"weekend": 10}),
        # Epiphany is a holiday in Bavaria (a Tuesday in 2026); All Saints 2026 is a Sunday
        ("2026-01-06T00:00", "2026-01-07T00:00", {"holiday": 24}),
        (
            "2026-10-31T12:00",
            "2026-11-02T12:00",
            {"weekend": 12, "holiday": 24, "night": 7, "evening": 2, "working": 3},
        ),
        ("2026-02-02T09:00", "2026-02-02T09:00", {}),
    ],
)
def test_kinds_by_hand(start: str, end: str, expected: dict[str, float]) -> None:
    found = in_hours(by_kind(at(start), at(end), BERLIN))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("habits", "start", "end", "expected"),
    [
        # nights that change clocks, where night goes before weekend
        (Habits("Europe/Berlin", precedence=("night", "holiday", "weekend", "evening", "working")),
         "2026-03-28T22:00", "2026-03-29T09:00", {"night": 8, "weekend": 2}),
        (Habits("Europe/Berlin", precedence=("night", "holiday", "weekend", "evening", "working")),
         "2026-10-24T22:00", "2026-10-25T09:00", {"night": 10, "weekend": 2}),
        # no region: no holidays
        (Habits("Europe/Berlin"), "2026-01-06T00:00", "2026-01-07T00:00", {"night": 9, "evening": 7, "working": 8}),
        # work over midnight belongs to the day on which it begins
        (Habits("Europe/Berlin", work=(20 * 60, 4 * 60), night=(4 * 60, 8 * 60), workdays=frozenset({1})),
         "2026-02-02T00:00", "2026-02-04T00:00", {"night": 8, "working": 8, "evening": 32}),
        # a weekend of Friday and Saturday
        (Habits("Asia/Dubai", weekend=frozenset({5, 6}), workdays=frozenset({1, 2, 3, 4, 7})),
         "2026-02-06T00:00", "2026-02-09T00:00", {"weekend": 48, "night": 9, "evening": 7, "working": 8}),
        # half an hour back
        (Habits("Australia/Lord_Howe"), "2026-04-05T00:00", "2026-04-06T00:00", {"weekend": 24.5}),
        (Habits("UTC", night=(0, 6 * 60)), "2026-02-02T00:00", "2026-02-03T00:00",
         {"night": 6, "evening": 10, "working": 8}),
        (Habits("UTC", night=(0, 0)), "2026-02-02T00:00", "2026-02-03T00:00", {"night": 24}),
        (Habits("UTC", work=(540, 1440)), "2026-02-02T00:00", "2026-02-03T00:00",
         {"night": 9, "evening": 2, "working": 13}),
    ],
)  # fmt: skip
def test_other_habits(habits: Habits, start: str, end: str, expected: dict[str, float]) -> None:
    found = in_hours(by_kind(at(start, habits.zone), at(end, habits.zone), habits))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "right"),
    [
        ({"zone": "Mars"}, "zone"),
        ({"precedence": ("night",)}, "precedence"),
        ({"night": (0, 1441)}, "minutes of the day"),
        ({"weekend": frozenset({0})}, "numbers from 1"),
    ],
)
def test_habits_that_make_no_sense(more: dict[str, object], right: str) -> None:
    with pytest.raises(ValueError, match=right):
        Habits(**more)  # type: ignore[arg-type]  # the point of the test


def test_one_moment() -> None:
    assert kind_at(at("2026-02-02T08:59"), BERLIN) == "evening"
    assert kind_at(at("2026-02-02T09:00"), BERLIN) == "working"
    # 02:30 comes twice; both are night, and that of the 24th
    assert {night_of(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), BERLIN) for hour in (0, 1)} == {date(2026, 10, 24)}
    assert night_of(at("2026-02-02T07:00"), BERLIN) is None
    assert night_of(at("2026-02-02T22:00"), BERLIN) == date(2026, 2, 2)
    assert local_day(datetime(2026, 1, 31, 23, 30, tzinfo=UTC), "Europe/Berlin") == date(2026, 2, 1)


def test_a_week_by_month_and_week() -> None:
    # from Friday, January 30, 09:00 to Friday, February 6, 09:00; weeks 5 and 6
    own = [shift("2026-01-30T09:00", "2026-02-06T09:00")]
    whole = hours_of(own, {ADA: BERLIN})["", ADA]
    assert (whole.total, whole.nights, whole.weekends, whole.holidays) == (168 * HOUR, 7, 1, 0)
    months = hours_of(own, {ADA: BERLIN}, "month")
    assert [key for key, _ in months] == ["2026-01", "2026-02"]
    january, february = months["2026-01", ADA], months["2026-02", ADA]
    assert (january.total, january.nights, january.weekends) == (39 * HOUR, 2, 1)
    assert (february.total, february.nights, february.weekends) == (129 * HOUR, 5, 0)
    assert january + february == whole
    weeks = hours_of(own, {ADA: BERLIN}, "week")
    assert {key: (found.total / HOUR, found.nights) for (key, _), found in weeks.items()} == {
        "2026-W05": (63.0, 3),
        "2026-W06": (105.0, 4),
    }


def test_the_night_to_february_counts_in_january_although_its_hours_do_not() -> None:
    months = hours_of([shift("2026-02-01T01:00", "2026-02-01T03:00")], {ADA: BERLIN}, "month")
    assert (months["2026-01", ADA].total, months["2026-01", ADA].nights) == (0 * HOUR, 1)
    assert (months["2026-02", ADA].total, months["2026-02", ADA].nights) == (2 * HOUR, 0)


def test_the_first_days_of_a_year_may_lie_in_the_last_week_of_the_old_one() -> None:
    assert list(hours_of([shift("2027-01-01T00:00", "2027-01-02T00:00")], {ADA: BERLIN}, "week")) == [("2026-W53", ADA)]


def test_a_moment_counts_once_and_coming_along_not() -> None:
    along = Override(1, ADA, at("2026-02-02T00:00"), at("2026-02-09T00:00"), kind="shadow")
    shifts = [
        shift("2026-02-02T09:00", "2026-02-02T12:00"),
        shift("2026-02-02T10:00", "2026-02-02T11:00", schedule=8),
        shift("2026-02-02T11:00", "2026-02-02T15:00", schedule=9),
        Shift(ADA, along.start, along.end, 7, None, along),
        shift("2026-02-02T09:00", "2026-02-02T12:00", user=BEN),
        shift("2026-02-02T12:00", "2026-02-02T12:00", user=BEN),
    ]
    found = hours_of(shifts, {ADA: BERLIN}, default=BERLIN)
    assert {user: own.total / HOUR for (_, user), own in found.items()} == {ADA: 6.0, BEN: 3.0}
    assert together(found) == {"": Hours(dict.fromkeys(KINDS, 0 * HOUR) | {"working": 9 * HOUR})}


def test_weekends_and_holidays_touched() -> None:
    found = hours_of([shift("2025-12-24T20:00", "2025-12-29T08:00")], {ADA: BERLIN})["", ADA]
    assert (found.weekends, found.holidays, found.nights) == (1, 2, 5)
    assert in_hours(dict(found.lengths)) == {"evening": 3.0, "night": 9.0, "holiday": 48.0, "weekend": 48.0}


minute = st.integers(0, 1440)
habits_ = st.builds(
    Habits,
    st.sampled_from(
        ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
    ),
    st.sampled_from(["", "DE-BY", "US"]),
    st.frozensets(st.integers(1, 7)),
    st.tuples(minute, minute),
    st.tuples(minute, minute),
    st.frozensets(st.integers(1, 7)),
    st.permutations(KINDS).map(tuple),
)
moments = st.integers(1_760_000_000, 1_800_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
lengths = st.integers(0, 20 * 86400 * 10).map(lambda tenths: timedelta(milliseconds=100 * tenths))


@given(habits_, moments, lengths)
@settings(deadline=None)
def test_kinds_add_up_to_the_length(habits: Habits, start: datetime, length: timedelta) -> None:
    found = list(pieces(start, start + length, habits))
    assert sum((piece.end - piece.start for piece in found), timedelta()) == length
    at = start
    for piece in found:
        assert piece.start == at < piece.end
        at = piece.end
    assert sum(by_kind(start, start + length, habits).values(), timedelta()) == length


@given(habits_, moments, st.integers(1, 72), st.integers(0, 72))
@settings(deadline=None)
def test_what_is_cut_adds_up_to_the_whole(habits: Habits, start: datetime, length: int, cut: int) -> None:
    end, middle = start + length * HOUR, start + min(cut, length) * HOUR
    whole, first, rest = (by_kind(*span, habits) for span in ((start, end), (start, middle), (middle, end)))
    assert whole == {kind: first[kind] + rest[kind] for kind in KINDS}
    for piece in pieces(start, end, habits):
        inside = piece.start + (piece.end - piece.start) / 2
        assert kind_at(inside, habits) == piece.kind
        assert local_day(inside, habits.zone) == piece.day


@given(st.lists(st.tuples(st.integers(1, 3), moments, st.integers(1, 100)), max_size=8))
@settings(deadline=None)
def test_periods_add_up(drawn: list[tuple[int, datetime, int]]) -> None:
    shifts = [Shift(user, start, start + length * HOUR, 7) for user, start, length in drawn]
    whole = together(hours_of(shifts, {}))
    for period in ("week", "month"):
        parts = together(hours_of(shifts, {}, period))
        assert sum(parts.values(), Hours(dict.fromkeys(KINDS, timedelta()))) == whole.get(
            "", Hours(dict.fromkeys(KINDS, timedelta()))
        )
