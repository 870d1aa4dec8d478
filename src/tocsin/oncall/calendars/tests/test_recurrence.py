"""What following rules and zones must hold for any rule and any moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall.calendars import content
from tocsin.oncall.calendars.recurrence import Steps, expanded
from tocsin.oncall.calendars.zones import Embedded, Iana, resolved

GOOGLE = (Path(__file__).parent / "feeds" / "google.ics").read_bytes()
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

rules = st.builds(
    lambda unit, interval, days, week: f"FREQ={unit};INTERVAL={interval}{days};WKST={week}",
    st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 5),
    st.sampled_from(["", ";BYDAY=MO", ";BYDAY=SA,SU", ";BYMONTH=2,3,8", ";BYHOUR=9,17"]),
    st.sampled_from(["MO", "SU"]),
).filter(lambda rule: not ("HOURLY" in rule and "BYHOUR" in rule))  # every other hour may miss all of them
starts = st.integers(0, 700 * 1440).map(lambda minutes: datetime(2024, 1, 1) + minutes * MINUTE)  # noqa: DTZ001 - local
lows = st.integers(0, 700 * 1440).map(lambda minutes: datetime(2025, 1, 1) + minutes * MINUTE)  # noqa: DTZ001 - local


@given(rules, starts, lows, st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_what_lies_before_the_window_may_be_left_out(rule: str, start: datetime, low: datetime, days: int) -> None:
    """With a COUNT that is never reached every occurrence is walked; without one the walk begins near the window."""

    def found(text: str, low: datetime) -> list[datetime]:
        times = expanded(text, start, low, low + timedelta(days=days), lambda at: at, Steps())
        return [at for at in times if at != start]  # the first counts even where the rule does not name it

    assert found(rule, low) == found(f"{rule};COUNT=999999", low)


@given(st.integers(0, 60 * 366 * 1440))
@settings(deadline=None, max_examples=300)
def test_a_zone_that_a_feed_defines_is_the_zone_that_it_describes(minutes: int) -> None:
    (calendar,), _ = content.tree(content.decoded(GOOGLE.replace(b"X-LIC-LOCATION", b"X-PLACE")), 10)
    definition = next(one for one in calendar.children if one.name == "VTIMEZONE")
    embedded, berlin = resolved("Odd", {"Odd": definition}, UNTIL, Steps()), Iana("Europe/Berlin")
    assert isinstance(embedded, Embedded)
    # the rules of today's Berlin since 1996
    at = datetime(1997, 1, 1, tzinfo=UTC) + (minutes % (40 * 366 * 1440)) * MINUTE
    local = berlin.local(at)
    assert embedded.local(at) == local
    assert embedded.instant(local) == berlin.instant(local)
    gap = local + timedelta(hours=1)
    assert embedded.instant(gap) == berlin.instant(gap)
