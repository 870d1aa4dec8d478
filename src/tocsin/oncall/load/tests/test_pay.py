"""What is paid: sums by hand, caps, and files that are safe to open and the same every time."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall.load import Bill, Callout, Habits, Rates, bill, guarded, to_csv, to_xlsx
from tocsin.oncall.rules import Override, Shift, local_instant

ADA, BEN = 1, 2
D = Decimal
HABITS = {ADA: Habits("Europe/Berlin", "DE"), BEN: Habits("Europe/Berlin", "DE")}
RATES = Rates("EUR", {"working": D(0), "evening": D("2.50"), "night": D(5), "weekend": D("7.333"), "holiday": D(10)})


def at(text: str) -> datetime:
    return local_instant("Europe/Berlin", datetime.fromisoformat(f"2026-{text}"))


def shift(start: str, end: str, user: int = ADA, schedule: int = 7) -> Shift:
    return Shift(user, at(start), at(end), schedule)


def told(found: Bill) -> list[tuple[str, str | None, str, str]]:
    return [(line.what, line.kind, str(line.quantity), str(line.amount)) for line in found.lines]


@pytest.mark.parametrize(
    ("start", "end", "lines"),
    [
        ("02-02T17:00", "02-03T09:00", [("standby", "night", "9", "45.00"), ("standby", "evening", "7", "17.50")]),
        # 10 minutes at 7.333 an hour: 1.2221...; half up
        ("02-07T10:00", "02-07T10:10", [("standby", "weekend", "0.1666666666666666666666666667", "1.22")]),
        # a night of eight hours and one of ten, when clocks change; both end on a Sunday
        ("03-28T22:00", "03-29T07:00", [("standby", "weekend", "8", "58.66")]),
        ("10-24T22:00", "10-25T07:00", [("standby", "weekend", "10", "73.33")]),
        # Easter Monday from midnight on
        ("04-05T22:00", "04-06T02:00", [("standby", "holiday", "2", "20.00"), ("standby", "weekend", "2", "14.67")]),
        ("02-02T10:00", "02-02T11:00", [("standby", "working", "1", "0.00")]),
    ],
)
def test_standby(start: str, end: str, lines: list[tuple[str, str, str, str]]) -> None:
    assert told(bill([shift(start, end)], [], HABITS, RATES)) == lines


def test_callouts_with_a_minimum() -> None:
    rates = Rates(
        "EUR", callout={"night": D(20), "evening": D(10)}, callout_hour={"night": D(30)}, callout_minimum=D(25)
    )
    found = bill(
        [shift("02-02T17:00", "02-03T09:00")],
        [
            Callout(ADA, at("02-03T03:00"), 2, 45),  # 20 + 22.50
            Callout(ADA, at("02-02T18:00"), 1),  # 10, at least 25
            Callout(ADA, at("02-03T04:00"), 3),  # 20, at least 25
            Callout(ADA, at("02-04T04:00"), 4, 20),  # outside the shift: 20 + 10
        ],
        HABITS,
        rates,
    )
    assert told(found) == [
        ("callout", "evening", "1", "25.00"),
        ("callout", "night", "1", "42.50"),
        ("callout", "night", "1", "25.00"),
        ("callout", "night", "1", "30.00"),
    ]
    assert [line.schedule_id for line in found.lines] == [7, 7, 7, None]
    assert found.totals == {ADA: D("122.50")}


def test_a_sum_for_each_shift_and_caps() -> None:
    rates = Rates("EUR", {"night": D(5)}, shift=D(10), cap_shift=D(50), cap_person=D(80))
    shifts = [
        shift("02-02T17:00", "02-03T09:00"),
        shift("02-03T17:00", "02-04T09:00"),
        shift("02-02T17:00", "02-02T18:00", BEN),
    ]
    found = bill(shifts, [], HABITS, rates)
    assert told(found) == [
        ("standby", "night", "9", "45.00"),
        ("shift", None, "1", "10.00"),
        ("cap", None, "1", "-5.00"),
        ("standby", "night", "9", "45.00"),
        ("shift", None, "1", "10.00"),
        ("cap", None, "1", "-5.00"),
        ("cap", None, "1", "-20.00"),
        ("shift", None, "1", "10.00"),
    ]
    assert found.totals == {ADA: D(80), BEN: D(10)}
    assert found.total == D(90)


def test_time_for_two_schedules_is_paid_once_and_coming_along_not() -> None:
    along = Override(1, ADA, at("02-02T00:00"), at("02-09T00:00"), kind="shadow")
    shifts = [
        shift("02-03T00:00", "02-03T03:00", schedule=8),
        shift("02-02T22:00", "02-03T02:00", schedule=7),
        shift("02-02T23:00", "02-03T00:00", schedule=9),
        Shift(ADA, along.start, along.end, 7, None, along),
    ]
    found = bill(
        shifts, [Callout(ADA, at("02-03T00:30"), 1)], HABITS, Rates("EUR", {"night": D(5)}, {"night": D(7)}, shift=D(1))
    )
    assert [(line.schedule_id, line.what, str(line.amount)) for line in found.lines] == [
        (7, "standby", "20.00"),
        (7, "shift", "1.00"),
        (7, "callout", "7.00"),
        (8, "standby", "5.00"),
        (8, "shift", "1.00"),
    ]


def test_currencies_without_places() -> None:
    found = bill([shift("02-07T10:00", "02-07T10:30")], [], HABITS, Rates("JPY", {"weekend": D(1001)}, places=0))
    assert told(found)[0][3] == "501"  # half up, not to the even 500


@pytest.mark.parametrize(
    ("more", "right"),
    [
        ({"currency": "Euro"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EUR", "shift": D(-1)}, "0 or more"),
        ({"currency": "EUR", "standby": {"night": D("NaN")}}, "0 or more"),
        ({"currency": "EUR", "cap_shift": D("Infinity")}, "0 or more"),
        ({"currency": "EUR", "places": 9}, "places"),
    ],
)
def test_rates_that_make_no_sense(more: dict[str, object], right: str) -> None:
    with pytest.raises(ValueError, match=right):
        Rates(**more)  # type: ignore[arg-type]  # the point of the test


# -- files -------------------------------------------------------------------------------------------------------------

EVIL = '=HYPERLINK("http://x";"y")'
WHOLE = bill(
    [shift("02-02T17:00", "02-03T09:00"), shift("02-07T10:00", "02-07T10:10", BEN, 8)],
    [Callout(ADA, at("02-04T04:00"), 4)],
    HABITS,
    Rates("EUR", RATES.standby, {"night": D("20.5")}, cap_person=D(50)),
)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Ada", "Ada"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("Ada - Lovelace", "Ada - Lovelace"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula(text: str, safe: str) -> None:
    assert guarded(text) == safe


def test_csv() -> None:
    body = to_csv(WHOLE, {ADA: EVIL}, {7: "Payments, primary"}, "Europe/Berlin")
    assert body == to_csv(WHOLE, {ADA: EVIL}, {7: "Payments, primary"}, "Europe/Berlin")
    found = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    start, end = "2026-02-02T17:00+01:00", "2026-02-03T09:00+01:00"
    safe = f"'{EVIL}"
    assert found == [
        ["person", "schedule", "shift start", "shift end", "what", "kind", "quantity", "unit", "rate", "amount",
         "currency"],
        [safe, "Payments, primary", start, end, "standby", "night", "9.0000", "h", "5", "45.00", "EUR"],
        [safe, "Payments, primary", start, end, "standby", "evening", "7.0000", "h", "2.50", "17.50", "EUR"],
        [safe, "", "", "", "callout", "night", "1", "callout", "20.5", "20.50", "EUR"],
        [safe, "", "", "", "cap", "", "1", "", "", "-33.00", "EUR"],
        ["person 2", "schedule 8", "2026-02-07T10:00+01:00", "2026-02-07T10:10+01:00", "standby", "weekend", "0.1667",
         "h", "7.333", "1.22", "EUR"],
        [safe, "", "", "", "total", "", "", "", "", "50.00", "EUR"],
        ["person 2", "", "", "", "total", "", "", "", "", "1.22", "EUR"],
    ]  # fmt: skip
    assert body.count(b"\n") == body.count(b"\r\n") == len(found)


def test_xlsx() -> None:
    body = to_xlsx(WHOLE, {ADA: EVIL}, {7: "https://x.example"}, "Europe/Berlin")
    assert body == to_xlsx(WHOLE, {ADA: EVIL}, {7: "https://x.example"}, "Europe/Berlin")
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert "=HYPERLINK(" in strings, "a text, as it is"
    assert re.search(r'<c r="J2"[^>]*><v>45</v>', sheet), "an amount is a number"
    assert re.search(r'<c r="J5"[^>]*><v>-33</v>', sheet)


moments = st.integers(0, 60 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
money = st.decimals(0, 100, places=3)
kinds = st.dictionaries(st.sampled_from(["working", "evening", "night", "weekend", "holiday"]), money)


@given(
    st.lists(st.tuples(st.integers(1, 3), moments, st.integers(1, 5000), st.integers(7, 9)), max_size=6),
    st.lists(st.builds(Callout, st.integers(1, 3), moments, st.integers(1, 9), st.integers(0, 300)), max_size=6),
    st.builds(Rates, st.just("EUR"), kinds, kinds, kinds, money, money, st.none() | money, st.none() | money),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=60)
def test_totals_add_up_within_caps_in_any_order(
    drawn: list[tuple[int, datetime, int, int]], callouts: list[Callout], rates: Rates, chance: object
) -> None:
    shifts = [Shift(user, start, start + timedelta(minutes=minutes), where) for user, start, minutes, where in drawn]
    found = bill(shifts, callouts, HABITS, rates)
    assert found.total == sum((line.amount for line in found.lines), D(0))
    assert len([line for line in found.lines if line.what == "callout"]) == len(callouts)
    for user, total in found.totals.items():
        assert total >= 0
        assert total == rates.rounded(total)
        if rates.cap_person is not None:
            assert total <= rates.rounded(rates.cap_person)
        assert total == sum((line.amount for line in found.lines if line.user_id == user), D(0))
    chance.shuffle(shifts)  # type: ignore[attr-defined]  # a random.Random
    assert bill(shifts, list(reversed(callouts)), HABITS, rates) == found
