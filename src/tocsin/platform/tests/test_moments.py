"""Moments and spans in words."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.platform import moments

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (11_100, "3 h 5 min"), (86_400, "1 d"),
     (187_200, "2 d 4 h"), (8 * 86_400 + 7200, "8 d"), (-90, "1 min")],
)  # fmt: skip
def test_span(seconds: float, text: str) -> None:
    assert moments.span(seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"), [(2, "now"), (-2, "now"), (200, "3 min ago"), (-200, "in 3 min"), (7200, "2 h ago")]
)
def test_relative(ago: float, text: str) -> None:
    assert moments.relative(NOW - timedelta(seconds=ago), NOW) == text


def test_absolute_names_the_zone_and_knows_summer_time() -> None:
    before = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    after = datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC)
    assert moments.absolute(before, "Europe/Berlin") == "Sun 29 Mar 2026 01:59:59 CET"
    assert moments.absolute(after, "Europe/Berlin") == "Sun 29 Mar 2026 03:00:00 CEST"
    assert moments.absolute(after, "Europe/Berlin", NOW) == "03:00:00 CEST"
    assert moments.absolute(after - timedelta(days=2), "no/such zone", NOW) == "Fri 27 Mar 01:00:00 UTC"


def test_moments_inside_a_text_become_local() -> None:
    text = "on call in Shop, 2026-03-27T08:00:00Z to 2026-04-03T10:00:00+02:00."
    told = moments.localised(text, "Europe/Berlin")
    assert told == "on call in Shop, Fri 27 Mar 2026 09:00 CET to Fri 3 Apr 2026 10:00 CEST."
    assert moments.localised("2026-99-99T00:00:00Z", "UTC") == "2026-99-99T00:00:00Z"
