"""Evenness: numbers by hand, and what must hold for any burdens."""

from datetime import UTC, datetime, timedelta
from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.oncall.load import Hours, Weights, burden, evenness, fairness_of, summary

ADA, BEN, CLEO = 1, 2, 3
NAMES = {ADA: "Ada", BEN: "Ben", CLEO: "Cleo"}
HOUR = timedelta(hours=1)


def test_burden() -> None:
    hours = Hours({"working": 10 * HOUR, "night": 4 * HOUR, "holiday": HOUR / 2})
    assert burden(hours) == 10 + 8 + 1.5
    assert burden(hours, 2) == 19.5 + 16
    assert burden(hours, 2, Weights({"night": 1.0}, 0.5)) == 4 + 1
    assert burden(Hours()) == 0
    with pytest.raises(ValueError, match="0 or more"):
        Weights({"night": -1.0})


@pytest.mark.parametrize(
    ("burdens", "parts", "gini", "spread", "deviation"),
    [
        ({ADA: 10, BEN: 10, CLEO: 10}, {}, 0, 0, 0),
        ({ADA: 30, BEN: 0, CLEO: 0}, {}, 2 / 3, 30, sqrt(200)),  # one of n carries all: 1 - 1/n
        ({ADA: 1, BEN: 2, CLEO: 3}, {}, 2 / 9, 2, sqrt(2 / 3)),
        ({ADA: 10, BEN: 5}, {BEN: 0.5}, 0, 0, 0),  # half a part, half the burden
        ({ADA: 10, BEN: 10}, {BEN: 0.5}, 1 / 6, 10, sqrt(200) / 3),  # y 10 and 20, w 2/3 and 1/3
        ({ADA: 10}, {ADA: 1, BEN: 1}, 0.5, 10, 5),  # who carried nothing counts
        ({ADA: 10, BEN: 7}, {BEN: 0}, 0, 0, 0),  # who has no part does not
        ({ADA: 0, BEN: 0}, {}, 0, 0, 0),
        ({}, {}, 0, 0, 0),
        ({ADA: 5}, {}, 0, 0, 0),
    ],
)
def test_measures_by_hand(
    burdens: dict[int, float], parts: dict[int, float], gini: float, spread: float, deviation: float
) -> None:
    found = evenness(burdens, parts)
    assert (found.gini, found.spread, found.deviation) == pytest.approx((gini, spread, deviation))


def test_shares() -> None:
    ada, ben, cleo = evenness({ADA: 30, BEN: 10}, {ADA: 1, BEN: 0.5, CLEO: 0.5}).shares
    assert (ada.share, ada.expected, ada.difference) == (0.75, 0.5, 0.25)
    assert (ben.share, ben.expected, ben.difference) == (0.25, 0.25, 0)
    assert (cleo.share, cleo.expected, cleo.difference) == (0, 0.25, -0.25)


@pytest.mark.parametrize("number", [-1.0, inf, float("nan")])
def test_numbers_that_make_no_sense(number: float) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        evenness({ADA: number}, {})
    with pytest.raises(ValueError, match="finite numbers"):
        evenness({ADA: 1}, {ADA: number})


def test_who_is_due_next() -> None:
    year = {"2026-01": {ADA: 10.0, BEN: 10.0, CLEO: 10.0}}
    moments = {ADA: datetime(2026, 1, 20, tzinfo=UTC), BEN: datetime(2026, 1, 9, tzinfo=UTC)}
    assert fairness_of(year, {}).due == (ADA, BEN, CLEO)
    assert fairness_of(year, {}, moments).due == (CLEO, BEN, ADA)
    assert fairness_of(year, {ADA: 2.0}, moments).due == (ADA, CLEO, BEN)
    assert fairness_of(year, {BEN: 0.0}, moments, away=[CLEO]).due == (ADA,)
    assert fairness_of({}, {}).due == ()


def test_the_trend_and_the_summary() -> None:
    uneven, even = {ADA: 20.0, BEN: 10.0}, {ADA: 10.0, BEN: 10.0}
    better = fairness_of({"2026-02": even, "2026-01": uneven}, {})
    assert [month for month, _ in better.months] == ["2026-01", "2026-02"]
    assert better.trend == "fairer"
    assert summary(better, NAMES) == (
        "Ada carried 60% where 50% would be even; Ben carried 40% where 50% would be."
        " It is getting fairer. Next is Ben."
    )
    assert fairness_of({"2026-01": even, "2026-02": uneven}, {}).trend == "less fair"
    same = fairness_of({"2026-01": even, "2026-02": even}, {})
    assert summary(same, {}) == "On call is shared evenly. It stays as it was. Next is person 1."
    assert fairness_of({"2026-01": even}, {}).trend == ""
    assert summary(fairness_of({"2026-01": {ADA: 1.0}}, {}), NAMES) == "Ada is alone on call."
    assert summary(fairness_of({}, {ADA: 1.0}), NAMES) == "Nobody was on call."


amounts = st.dictionaries(st.integers(1, 6), st.floats(0, 1e6), min_size=1)
parts_ = st.dictionaries(st.integers(1, 6), st.floats(0.1, 1))


@given(amounts, parts_)
def test_measures_are_within_their_bounds(burdens: dict[int, float], parts: dict[int, float]) -> None:
    found = evenness(burdens, parts)
    assert -1e-9 <= found.gini < 1
    assert 0 <= found.deviation <= found.spread * (1 + 1e-9) + 1e-9
    assert sum(one.expected for one in found.shares) == pytest.approx(1)
    if any(burdens.values()):
        assert sum(one.share for one in found.shares) == pytest.approx(1)
        assert sum(one.difference for one in found.shares) == pytest.approx(0, abs=1e-9)


@given(amounts, parts_, st.floats(0.001, 1000))
def test_gini_knows_no_unit(burdens: dict[int, float], parts: dict[int, float], factor: float) -> None:
    burdens = {user: round(number, 3) for user, number in burdens.items()}
    times = {user: number * factor for user, number in burdens.items()}
    assert evenness(times, parts).gini == pytest.approx(evenness(burdens, parts).gini, abs=1e-9)


@given(parts_, st.floats(0.001, 1000))
def test_burden_by_part_is_even(parts: dict[int, float], factor: float) -> None:
    found = evenness({user: part * factor for user, part in parts.items()}, parts)
    assert (found.gini, found.spread) == pytest.approx((0, 0), abs=1e-6)


@given(amounts, st.floats(0.01, 0.99))
def test_handing_on_to_who_has_less_never_makes_it_less_even(burdens: dict[int, float], of: float) -> None:
    """The principle of transfers (Pigou 1912, Dalton 1920)."""
    most, least = max(burdens, key=lambda user: burdens[user]), min(burdens, key=lambda user: burdens[user])
    moved = (burdens[most] - burdens[least]) / 2 * of
    after = burdens | {most: burdens[most] - moved, least: burdens[least] + moved} if most != least else burdens
    assert evenness(after, {}).gini <= evenness(burdens, {}).gini + 1e-9
