"""Maintenance windows by the wall clock of their zone, over changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.triage.rules import going_on, next_start, rrule_problem

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[arg-type, misc]  # year, month ... minute


def test_a_single_window_is_going_on_from_its_start_until_before_its_end() -> None:
    start = datetime(2026, 5, 1, 22, tzinfo=UTC)
    assert going_on(start, HOUR, "", "UTC", start - timedelta(seconds=1)) is None
    assert going_on(start, HOUR, "", "UTC", start) == (start, start + HOUR)
    assert going_on(start, HOUR, "", "UTC", start + HOUR) is None


@pytest.mark.parametrize("day", [28, 29, 30, 31])  # the clocks go forward on 2026-03-29
def test_a_nightly_window_stays_at_its_local_hour_when_the_clocks_change(day: int) -> None:
    start = berlin(2026, 3, 1, 22)
    found = going_on(start, HOUR, "FREQ=DAILY", "Europe/Berlin", berlin(2026, 3, day, 22, 30))
    assert found == (berlin(2026, 3, day, 22), berlin(2026, 3, day, 23))
    assert going_on(start, HOUR, "FREQ=DAILY", "Europe/Berlin", berlin(2026, 3, day, 21, 59)) is None


def test_a_window_in_the_hour_that_does_not_exist_begins_when_the_clocks_have_gone_forward() -> None:
    start = berlin(2026, 3, 1, 2, 30)
    at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 in Berlin, where 02:30 does not exist that night
    found = going_on(start, HOUR, "FREQ=DAILY", "Europe/Berlin", at)
    assert found is not None
    assert found[0] == at


def test_weekly_windows_know_their_days_and_their_last() -> None:
    start = berlin(2026, 1, 6, 20)  # a Tuesday
    rule = "FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20260131T230000Z"
    assert going_on(start, HOUR, rule, "Europe/Berlin", berlin(2026, 1, 8, 20, 30)) is not None
    assert going_on(start, HOUR, rule, "Europe/Berlin", berlin(2026, 1, 9, 20, 30)) is None
    assert going_on(start, HOUR, rule, "Europe/Berlin", berlin(2026, 2, 3, 20, 30)) is None
    assert next_start(start, rule, "Europe/Berlin", berlin(2026, 1, 8, 21)) == berlin(2026, 1, 13, 20)
    assert next_start(start, rule, "Europe/Berlin", berlin(2026, 1, 30, 0)) is None


def test_a_window_longer_than_its_repeat_is_always_going_on() -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    assert going_on(start, 30 * HOUR, "FREQ=DAILY", "UTC", start + timedelta(days=3, hours=3)) is not None


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ("", True),
        ("FREQ=WEEKLY;BYDAY=MO", True),
        ("RRULE:FREQ=DAILY;COUNT=3", True),
        ("FREQ=SOMETIMES", False),
        ("every monday", False),
        ("FREQ=SECONDLY", False),
        ("FREQ=MINUTELY", False),
    ],
)
def test_repeat_rules_are_checked_before_they_are_saved(rule: str, right: bool) -> None:
    assert (rrule_problem(rule) == "") is right
