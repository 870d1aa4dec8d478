"""Sleep: what counts as one interruption, as a bad night, what is left of a budget, who should be covered."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.oncall.load import Habits, Paged, bad_nights, budget, interruptions_of, pages_by_kind, relief
from tocsin.oncall.rules import Override, Shift, local_instant

ADA, BEN = 1, 2
HABITS = {ADA: Habits("Europe/Berlin"), BEN: Habits("America/New_York")}
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return local_instant(zone, datetime.fromisoformat(f"2026-{text}"))


def page(text: str, minutes: int | None = 5, user: int = ADA, urgency: str = "high") -> Paged:
    start = at(text, HABITS[user].zone)
    return Paged(user, start, 1, None if minutes is None else start + minutes * MINUTE, urgency)


def test_pages_by_kind_of_hour() -> None:
    pages = [page("02-02T03:00"), page("02-02T10:00"), page("02-02T18:00"), page("02-07T03:00"), page("02-07T12:00")]
    found = pages_by_kind([*pages, page("02-02T03:00", user=BEN)], HABITS)
    assert found[ADA] == {"holiday": 0, "weekend": 2, "night": 1, "evening": 1, "working": 1}
    assert found[BEN]["night"] == 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["02-02T23:00"], [1]),
        (["02-02T23:00", "02-02T23:30"], [2]),
        (["02-02T23:00", "02-02T23:31"], [1, 1]),
        # a chain, each near the one before it
        (["02-02T23:50", "02-02T23:30", "02-03T00:10", "02-03T00:40"], [4]),
        # only what comes at night, from 22:00 to before 07:00
        (["02-02T21:59", "02-02T22:00", "02-03T06:59", "02-03T07:00"], [1, 1]),
        (["02-02T12:00"], []),
        # at weekends, too
        (["02-07T03:00"], [1]),
        ([], []),
    ],
)
def test_interruptions(times: list[str], expected: list[int]) -> None:
    assert [len(one.pages) for one in interruptions_of([page(text) for text in times], HABITS)] == expected


def test_an_interruption_lasts_from_the_first_page_to_the_last_answer() -> None:
    near = [page("02-03T03:00", 40), page("02-03T03:20", 5), page("02-03T03:30", None)]
    (one,) = interruptions_of(near, HABITS)
    assert (one.night, one.length) == (date(2026, 2, 2), 40 * MINUTE)
    (alone,) = interruptions_of([page("02-03T03:00", None)], HABITS)
    assert alone.length == 0 * MINUTE
    assert interruptions_of([page("02-03T03:00", urgency="low")], HABITS, urgencies={"high"}) == []


def test_each_by_their_own_clock() -> None:
    # 03:00 in Berlin is 21:00 of the day before in New York
    assert interruptions_of([Paged(BEN, at("02-03T03:00"), 1)], HABITS) == []
    assert interruptions_of([Paged(BEN, at("02-03T05:00"), 1)], HABITS)[0].night == date(2026, 2, 2)


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([page("02-03T01:00")], []),
        ([page("02-03T01:00"), page("02-03T03:00")], ["woken 2 times"]),
        ([page("02-03T01:00", 60)], []),
        ([page("02-03T01:00", 61)], ["awake for 61 min at a stretch"]),
        ([page("02-03T01:00", 90), page("02-03T04:00")], ["woken 2 times, awake for 90 min at a stretch"]),
        # one a night in two nights
        ([page("02-03T01:00"), page("02-03T23:00")], []),
        # before and after midnight is one night
        ([page("02-02T23:00"), page("02-03T06:00")], ["woken 2 times"]),
        ([page("02-03T01:00"), page("02-03T03:00", user=BEN)], []),
    ],
)
def test_bad_nights(pages: list[Paged], why: list[str]) -> None:
    assert [night.why for night in bad_nights(interruptions_of(pages, HABITS))] == why


def test_the_budget() -> None:
    pages = [page(f"02-{day:02}T03:00") for day in (2, 3, 5, 5, 9)] + [page("02-05T03:00", user=BEN)]
    found = interruptions_of(pages, HABITS)
    week = budget(found, ADA, at("02-09T12:00"), 2)
    # from February 2, 12:00: those of the 3rd, 5th (twice, once awake) and 9th
    assert (week.used, week.left, week.exceeded_at) == (3, 0, at("02-09T03:00"))
    assert budget(found, ADA, at("02-09T12:00"), 2, each="page").exceeded_at == at("02-05T03:00")
    four = budget(found, ADA, at("02-09T12:00"), 5, weeks=4)
    assert (four.used, four.left, four.exceeded_at, four.start) == (4, 1, None, at("01-12T12:00"))
    assert budget(found, ADA, at("02-09T12:00"), 0).exceeded_at == at("02-03T03:00")
    assert budget([], ADA, at("02-09T12:00"), 0).left == 0
    with pytest.raises(ValueError, match="allowed"):
        budget(found, ADA, at("02-09T12:00"), -1)


def test_relief_until_the_afternoon_for_those_on_call_then() -> None:
    bad = bad_nights(interruptions_of([page("02-03T01:00"), page("02-03T04:00", 20)], HABITS))
    shadow = Override(1, ADA, at("02-01T00:00"), at("02-09T00:00"), kind="shadow")
    shifts = [
        Shift(ADA, at("02-02T09:00"), at("02-09T09:00"), 7),
        Shift(ADA, at("02-03T09:00"), at("02-03T10:00"), 8),
        Shift(ADA, at("02-03T13:00"), at("02-03T18:00"), 9),
        Shift(ADA, at("02-02T09:00"), at("02-03T04:20"), 10),
        Shift(BEN, at("02-02T09:00"), at("02-09T09:00"), 11),
        Shift(ADA, shadow.start, shadow.end, 12, None, shadow),
    ]
    found = relief(bad, shifts, HABITS)
    assert [(one.schedule_id, one.start, one.end) for one in found] == [
        (7, at("02-03T04:20"), at("02-03T13:00")),
        (8, at("02-03T09:00"), at("02-03T10:00")),
    ]
    assert found[0].why == "woken 2 times"
    assert relief(bad, shifts, HABITS, until=10 * 60)[0].end == at("02-03T10:00")
    assert relief([], shifts, HABITS) == []


def test_relief_after_a_night_in_which_clocks_change_and_in_zones_without_one() -> None:
    bad = bad_nights(interruptions_of([page("03-29T00:30", 5), page("03-29T03:30", 5)], HABITS))
    whole = [Shift(ADA, at("03-28T00:00"), at("03-31T00:00"), 7)]
    assert [(one.start, one.end) for one in relief(bad, whole, HABITS)] == [
        (datetime(2026, 3, 29, 1, 35, tzinfo=UTC), datetime(2026, 3, 29, 11, 0, tzinfo=UTC))
    ]
    early = {ADA: Habits("UTC", night=(0, 6 * 60))}
    pages = [Paged(ADA, datetime(2026, 2, 3, hour, tzinfo=UTC), 1) for hour in (1, 4)]
    found = relief(
        bad_nights(interruptions_of(pages, early)), [Shift(ADA, at("02-01T00:00"), at("02-09T00:00"), 7)], early
    )
    assert [one.end for one in found] == [datetime(2026, 2, 3, 13, tzinfo=UTC)]


times = st.integers(0, 20_000).map(lambda minutes: datetime(2026, 3, 20, tzinfo=UTC) + minutes * MINUTE)


@given(st.lists(st.tuples(st.integers(1, 2), times, st.integers(1, 9)).map(lambda drawn: Paged(*drawn)), max_size=30))
def test_every_page_at_night_is_in_one_interruption_and_these_are_apart(pages: list[Paged]) -> None:
    found = interruptions_of(pages, HABITS)
    inside = sorted(page for one in found for page in one.pages)
    by_night = {user: Habits(own.zone, precedence=("night", "holiday", "weekend", "evening", "working"))
                for user, own in HABITS.items()}  # fmt: skip
    assert len(inside) == sum(counts["night"] for counts in pages_by_kind(pages, by_night).values())
    for earlier in found:
        for later in found:
            if later.start > earlier.start and (later.user_id, later.night) == (earlier.user_id, earlier.night):
                assert later.start - earlier.pages[-1].at > 30 * MINUTE
