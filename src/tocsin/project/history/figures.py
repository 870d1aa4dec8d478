"""Figures over past incidents: counts, months, and how long it took, with quantiles and how many are behind them."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from tocsin.incidents.past import PastIncident

QUANTILES = (0.5, 0.75, 0.9, 0.95)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of values in ascending order, interpolated between neighbours (type 7 of Hyndman and Fan, 1996)."""
    if not ordered:
        raise ValueError("no values")
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Iterable[float]) -> dict[str, object]:
    """How values are spread: ``n``, ``mean`` and quantiles, seconds; only ``n`` when there are none."""
    ordered = sorted(values)
    if not ordered:
        return {"n": 0}
    found: dict[str, object] = {"n": len(ordered), "mean_s": round(sum(ordered) / len(ordered), 3)}
    return found | {f"p{round(share * 100)}_s": round(quantile(ordered, share), 3) for share in QUANTILES}


class Figures:
    """Counts incidents one by one; needs 16 bytes for each of them."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.incidents = self.reopened = self.reassigned = self.entries = 0
        self.priorities: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.months: Counter[str] = Counter()
        self.resolve = array("d")
        self.acknowledge = array("d")
        self.first: datetime | None = None
        self.last: datetime | None = None

    def see(self, past: PastIncident) -> None:
        """Count one."""
        self.incidents += 1
        self.entries += len(past.happened) + 1
        self.priorities[past.priority] += 1
        self.states[past.state] += 1
        self.months[past.opened_at.astimezone(self.zone).strftime("%Y-%m")] += 1
        self.reopened += past.reopened > 0
        self.reassigned += past.reassigned > 0
        if past.resolved_known:
            self.resolve.append((past.resolved_at - past.opened_at).total_seconds())
        if past.acknowledged_at:
            self.acknowledge.append((past.acknowledged_at - past.opened_at).total_seconds())
        self.first = min(self.first or past.opened_at, past.opened_at)
        self.last = max(self.last or past.opened_at, past.opened_at)

    def to_json(self) -> dict[str, object]:
        return {
            "incidents": self.incidents,
            "entries": self.entries,
            "reopened": self.reopened,
            "reassigned": self.reassigned,
            "by_priority": {name: self.priorities[name] for name in ("P1", "P2", "P3", "P4", "P5")},
            "by_state": dict(sorted(self.states.items())),
            "by_month": dict(sorted(self.months.items())),
            "time_to_resolve": spread(self.resolve),
            "time_to_acknowledge": spread(self.acknowledge),
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
        }
