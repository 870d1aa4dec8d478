"""When conditions hold over a stretch of time: worked out on the hours of the zones that they ask about. Pure.

What a condition can read of the clock is the same all through an hour on the wall, and changes at no other moment than
at the beginning of such an hour, where clocks are changed, and where working hours begin and end. So a condition that
is evaluated once for each such stretch is known exactly.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tocsin.escalation.rules.facts import UTC, Facts, asks_responder, asks_untold, responder, variables
from tocsin.oncall.rules import wallclock
from tocsin.oncall.rules.shapes import Restriction
from tocsin.oncall.rules.spans import both, united
from tocsin.oncall.rules.turns import windows
from tocsin.oncall.rules.wallclock import DAY, HOUR, Span

_CLOCK = ("hour", "weekday", "working")  # "hour" is in "working_hours" too


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of incident for which something is to be proven.

    ``untold``: what conditions give that read what cannot be known beforehand (``facts.asks_untold``).
    """

    facts: Facts
    untold: bool = True


class _Wall(NamedTuple):
    """What a clock on the wall shows."""

    hour: int
    weekday: int
    working: bool


class Conditions:
    """Answers when conditions hold, from instant ``low`` to ``high``; remembers what it has worked out."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self._walls: dict[tuple[str, tuple[Restriction, ...]], tuple[list[int], list[_Wall]]] = {}
        self._known: dict[tuple[object, ...], list[Span]] = {}

    def holding(self, conditions: Sequence[str], case: Case | None) -> list[Span]:
        """When all conditions of a step hold; always, where they only choose among people."""
        found = [(self.low, self.high)]
        if case is None:
            return found
        for when in conditions:
            if not asks_responder(when):
                found = both(found, self._spans(when, case, None))
        return found

    def choosing(self, when: str, case: Case | None, zone: str) -> list[Span]:
        """When a condition holds for somebody who lives in this zone; always, where it does not choose."""
        if case is None or not asks_responder(when):
            return [(self.low, self.high)]
        return self._spans(when, case, zone or UTC)

    def _spans(self, when: str, case: Case, zone: str | None) -> list[Span]:
        if asks_untold(when):
            return [(self.low, self.high)] if case.untold else []
        facts = case.facts
        key = (
            when, zone, facts.service.zone, facts.service.hours,
            facts.priority if "priority" in when or "urgency" in when else "",
            facts.severity if "severity" in when else "",
            facts.service if "service" in when else None,
        )  # fmt: skip
        if key not in self._known:
            self._known[key] = self._evaluated(when, facts, zone)
        return self._known[key]

    def _evaluated(self, when: str, facts: Facts, zone: str | None) -> list[Span]:
        service = facts.service
        if not any(word in when for word in _CLOCK):
            person = responder(zone, 0, 1, False) if zone is not None else {}
            holds, _ = facts.holds(when, variables(facts, 0, 1, False) | person)
            return [(self.low, self.high)] if holds else []
        known: dict[tuple[_Wall, _Wall | None], bool] = {}
        found: list[Span] = []
        starts, walls = self._wall(service.zone, service.hours)
        theirs = self._wall(zone, service.hours) if zone is not None else None
        edges = sorted({*starts, *(theirs[0] if theirs else ()), self.high})
        for begin, end in pairwise(edges):
            here = walls[bisect_right(starts, begin) - 1]
            there = theirs[1][bisect_right(theirs[0], begin) - 1] if theirs else None
            state = (here, there)
            if state not in known:
                person = responder(zone or UTC, *there) if there is not None else {}
                known[state] = facts.holds(when, variables(facts, *here) | person)[0]
            if known[state]:
                found.append((begin, end))
        return united(found)

    def _wall(self, zone: str, hours: tuple[Restriction, ...]) -> tuple[Sequence[int], Sequence[_Wall]]:
        """From which instants on the wall shows what."""
        if (zone, hours) not in self._walls:
            low, high = self.low, self.high
            first = wallclock.local(zone, low) // HOUR * HOUR
            working = windows(hours, zone, low, high)
            edges = {
                *wallclock.instants(zone, list(range(first, wallclock.local(zone, high) + 2 * HOUR, HOUR))),
                *(start for start, _ in wallclock.spans(zone, low, high)),
                *(edge for span in working for edge in span),
            }
            starts = [low, *sorted(edge for edge in edges if low < edge < high)]
            begins = [begin for begin, _ in working]
            walls = []
            for start in starts:
                local = wallclock.local(zone, start)
                index = bisect_right(begins, start) - 1
                at_work = index >= 0 and start < working[index][1]
                # the first of January 1970 was a Thursday
                walls.append(_Wall(local // HOUR % 24, (local // DAY + 3) % 7 + 1, at_work))
            self._walls[zone, hours] = starts, walls
        return self._walls[zone, hours]
