"""How evenly on call is shared: burden against what each one's part would be, its trend, who is due next. Pure.

The burden of a person is their hours on call, weighed by kind, and their interruptions of sleep. What is even is even
by part: somebody at half time carries half. So all measures look at the burden for each unit of part.

Gini coefficient: C. Gini, Variabilita e mutabilita (1912), as half the relative mean difference (A. Sen, On Economic
Inequality, 1973, chapter 2), each person weighed by their part:

    G = sum_i sum_j w_i w_j |y_i - y_j| / (2 m),   y_i = burden_i / part_i,   w_i = part_i / sum of parts,
    m = sum_i w_i y_i

0 is wholly even; towards 1, one person carries everything.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from tocsin.oncall.load.hours import HourKind, Hours

Trend = Literal["", "fairer", "steady", "less fair"]
_HOUR = timedelta(hours=1)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
STEADY = 0.02
"""By how much a Gini coefficient may move and still count as steady."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What an hour of each kind weighs, and one interruption of sleep. Raises ValueError for negative ones."""

    hour: Mapping[HourKind, float] = field(
        default_factory=lambda: {"working": 1.0, "evening": 1.5, "night": 2.0, "weekend": 2.0, "holiday": 3.0}
    )
    interruption: float = 8.0

    def __post_init__(self) -> None:
        if min((*self.hour.values(), self.interruption)) < 0:
            raise ValueError("weights: 0 or more")


DEFAULT = Weights()


@dataclass(frozen=True, slots=True)
class Share:
    """One person's burden: their share of the whole, and what share would be even for their part (both 0 ... 1)."""

    user_id: int
    burden: float
    part: float
    share: float
    expected: float

    @property
    def difference(self) -> float:
        return self.share - self.expected


@dataclass(frozen=True, slots=True)
class Evenness:
    """How even a burden is. Measures are of the burden for each unit of part, over people with a part.

    ``spread``: the largest less the smallest; ``deviation``: standard deviation of the whole group (not of a sample),
    weighed by part; ``gini``: 0 even ... 1 uneven. All 0 when nobody was on call.
    """

    shares: tuple[Share, ...]
    spread: float
    deviation: float
    gini: float


@dataclass(frozen=True, slots=True)
class Fairness:
    """Evenness over the whole time and by month, where it goes, and in which order people are due."""

    whole: Evenness
    months: tuple[tuple[str, Evenness], ...]
    trend: Trend
    due: tuple[int, ...]


def burden(hours: Hours, interruptions: int = 0, weights: Weights = DEFAULT) -> float:
    """What time on call and interruptions weigh together."""
    weighed = (length / _HOUR * weights.hour.get(kind, 0.0) for kind, length in hours.lengths.items())
    return math.fsum((*weighed, interruptions * weights.interruption))


def evenness(burdens: Mapping[int, float], parts: Mapping[int, float]) -> Evenness:
    """How even ``burdens`` (0 or more) are among people, both by user id.

    Whoever has no part in ``parts`` has a whole one (1); with part 0 (away, left) they are expected to carry nothing
    and no measure counts them. Raises ValueError for negative or infinite numbers.
    """
    people = sorted({*burdens, *parts})
    carried = {user: float(burdens.get(user, 0.0)) for user in people}
    part = {user: float(parts.get(user, 1.0)) for user in people}
    if not all(math.isfinite(number) and number >= 0 for number in (*carried.values(), *part.values())):
        raise ValueError("burdens and parts: finite numbers, 0 or more")
    whole, all_parts = math.fsum(carried.values()), math.fsum(part.values())
    shares = tuple(
        Share(
            user,
            carried[user],
            part[user],
            carried[user] / whole if whole else 0.0,
            part[user] / all_parts if all_parts else 0.0,
        )
        for user in people
    )
    each = [(carried[user] / part[user], part[user] / all_parts) for user in people if part[user]]
    mean = math.fsum(y * w for y, w in each)
    if not each or not mean:
        return Evenness(shares, 0.0, 0.0, 0.0)
    values = [y for y, _ in each]
    variance = math.fsum(w * (y - mean) ** 2 for y, w in each)
    differences = math.fsum(w * v * abs(y - z) for y, w in each for z, v in each)
    return Evenness(shares, max(values) - min(values), math.sqrt(variance), differences / (2 * mean))


def fairness_of(
    by_month: Mapping[str, Mapping[int, float]],
    parts: Mapping[int, float],
    last_on_call: Mapping[int, datetime] | None = None,
    away: Collection[int] = (),
) -> Fairness:
    """Fairness over months: ``by_month`` holds burdens by user id under ``2026-01`` and the like.

    Due is, without those ``away``, whoever carried least for their part; of equals who was on call longest ago
    (``last_on_call``; never goes first), then the lower id. The trend compares the last month with the mean of those
    before it.
    """
    totals: dict[int, float] = {}
    for burdens in by_month.values():
        for user, carried in burdens.items():
            totals[user] = totals.get(user, 0.0) + carried
    whole = evenness(totals, parts)
    months = tuple((month, evenness(by_month[month], parts)) for month in sorted(by_month))
    last = last_on_call or {}
    able = [one for one in whole.shares if one.part and one.user_id not in away]
    able.sort(key=lambda one: (one.burden / one.part, last.get(one.user_id, _LONG_AGO), one.user_id))
    return Fairness(whole, months, _trend([one.gini for _, one in months]), tuple(one.user_id for one in able))


def _trend(ginis: Sequence[float]) -> Trend:
    if len(ginis) < 2:
        return ""
    moved = ginis[-1] - math.fsum(ginis[:-1]) / (len(ginis) - 1)
    return "steady" if abs(moved) <= STEADY else "less fair" if moved > 0 else "fairer"


def summary(of: Fairness, names: Mapping[int, str]) -> str:
    """What it comes to in two or three sentences; people without a name are told by number."""

    def name(user: int) -> str:
        return names.get(user) or f"person {user}"

    shares = [one for one in of.whole.shares if one.part]
    if not shares or not any(one.burden for one in shares):
        return "Nobody was on call."
    most = max(shares, key=lambda one: (one.difference, -one.user_id))
    least = min(shares, key=lambda one: (one.difference, one.user_id))
    if len(shares) == 1:
        sentences = [f"{name(most.user_id)} is alone on call."]
    elif max(most.difference, -least.difference) < 0.01:
        sentences = ["On call is shared evenly."]
    else:
        sentences = [
            f"{name(most.user_id)} carried {most.share:.0%} where {most.expected:.0%} would be even;"
            f" {name(least.user_id)} carried {least.share:.0%} where {least.expected:.0%} would be."
        ]
    trends = {
        "fairer": "It is getting fairer.",
        "less fair": "It is getting less fair.",
        "steady": "It stays as it was.",
    }
    if of.trend and len(shares) > 1:
        sentences.append(trends[of.trend])
    if of.due and len(shares) > 1:
        sentences.append(f"Next is {name(of.due[0])}.")
    return " ".join(sentences)
