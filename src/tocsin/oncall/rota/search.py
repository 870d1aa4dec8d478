"""The search for a fair rota: whole when it is small, else block by block and then improved part by part.

A large rota is solved in three passes. *Blocks*: a few weeks after each other, each with the loads and the borders of
those before it. *Fair*: parts with their surroundings held (some people in a stretch of weeks; everybody in a few
days), chosen at random around those who carry most and least, each solved for the least unfairness of everything
(large neighbourhood search; P. Shaw, Using Constraint Programming and Local Search Methods to Solve Vehicle Routing
Problems, 1998). *Kind*: the same for wishes and hand-offs, with fairness held.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tocsin.oncall.rota.burden import POINT
from tocsin.oncall.rota.fairness import handoffs, loads, unfairness, wishes
from tocsin.oncall.rota.shapes import Impossible, Undecided
from tocsin.oncall.rota.solver import SEED, WORKERS, Aim, Answer, Limits, Problem
from tocsin.oncall.rota.table import Table

WHOLE = 900
"""Up to so many variables one search over everything is tried for a proof."""
WORK_PER_SECOND = 0.5
"""Deterministic time that is planned for a second of the limit; a slow machine does so much with some to spare."""
BLOCK_WEEKS = 2
BLOCK_VARS = 800
"""A block is shorter where it would have more variables; a week at least."""
_PART_WORK = 0.03
_BLOCK_WORK = 0.12
_BLOCKS_SHARE = 0.2
_ALONE_WORK = 1.5
_ANY_WORK = 3.0
"""For any rota at all, when the plan is used up: there the clock alone decides."""
_OVERHEAD = 0.02
"""What building a part is counted for, so that the plan does not outlast the clock on many small ones."""
_WISH = 20
_STALE = 200
"""So many parts in a row without gain end a pass."""


@dataclass(frozen=True, slots=True)
class Found:
    """For every slot the people who have it; what was proven; ``bound`` in hundredths."""

    chosen: tuple[tuple[int, ...], ...]
    bound: int
    proven: bool
    settled: bool
    cut: bool
    whole: bool


class Budget:
    """What is left: deterministic work, and the clock as a stop. Says whether the clock struck first."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds  # not the product's clock: nothing depends on when, only on how long
        self.work = seconds * WORK_PER_SECOND
        self.cut = False

    @property
    def seconds(self) -> float:
        return self._until - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the clock has struck."""
        self.cut = self.cut or self.seconds <= 0
        return self.cut

    def spend(self, answer: Answer) -> None:
        """Count what a search has taken."""
        self.work -= answer.work + _OVERHEAD
        self.cut = self.cut or answer.cut

    def limits(self, work: float, workers: int = 1) -> Limits:
        return Limits(max(work, 0.001), max(self.seconds, 0.05), workers)


def chosen_of(problem: Problem, taken: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """Variables as people by slot."""
    found: list[list[int]] = [[] for _ in problem.table.slots]
    for var in sorted(taken):
        person, slot = problem.person_slot(var)
        found[slot].append(person)
    return tuple(tuple(people) for people in found)


def search(problem: Problem, seconds: float) -> Found:
    """A rota in about ``seconds`` at most. Raises Impossible without reasons, Undecided, SolverMissing."""
    table = problem.table
    people, slots = range(len(table.spec.people)), range(len(table.slots))
    budget = Budget(seconds)
    everything = problem.free(people, slots)
    whole = len(everything) <= WHOLE
    proven = settled = False
    bound = floor(table)
    if whole:
        answer = _at_once(problem, everything, frozenset(), Aim("fair"), budget, budget.work * 0.5)
        if answer.status == "undecided":
            answer = _at_once(problem, everything, frozenset(), Aim(), budget, max(budget.work, _ANY_WORK))
        _must(answer)
        taken = answer.taken
        bound = max(bound, round(answer.bound))
    else:
        taken = _blocks(problem, budget)
    state = _State(problem, taken, random.Random(SEED))  # noqa: S311 - to be repeated, not to be secret
    proven = proven or state.unfair <= bound
    if not proven:
        state.improve(budget, "fair", budget.work * 0.6)
        proven = state.unfair <= bound
    bound = state.unfair if proven else min(bound, state.unfair)
    if whole and not budget.over:
        answer = _at_once(problem, everything, state.taken, state.aim, budget, budget.work)
        settled = answer.status == "optimal"
        if answer.status in ("optimal", "found"):
            state.take(answer.taken)
    if not settled:
        state.improve(budget, "kind", budget.work)
    return Found(chosen_of(problem, state.taken), bound, proven, settled and proven, budget.cut, whole)


def _at_once(
    problem: Problem, free: Sequence[int], taken: frozenset[int], aim: Aim, budget: Budget, work: float
) -> Answer:
    """Everything in one search: one worker first, which is soonest done where little is to do, then several."""
    answer = problem.solve(free, taken, aim, budget.limits(min(work * 0.3, _ALONE_WORK)))
    budget.spend(answer)
    if answer.status in ("optimal", "impossible") or budget.over:
        return answer
    hint = answer.taken if answer.status == "found" else taken
    again = problem.solve(free, hint, aim, budget.limits(work - answer.work, WORKERS))
    budget.spend(again)
    return answer if again.status == "undecided" else again


def _must(answer: Answer) -> None:
    if answer.status == "impossible":
        raise Impossible((), ())
    if answer.status == "undecided":
        raise Undecided("No rota was found in the time given, nor shown to be impossible: give it more time")


def _blocks(problem: Problem, budget: Budget) -> frozenset[int]:
    """Block after block. One that cannot be filled is solved again together with those before it, twice as many."""
    table = problem.table
    people = range(len(table.spec.people))
    long = max(1, min(BLOCK_WEEKS, BLOCK_VARS * table.spec.weeks // (len(people) * max(1, len(table.slots)))))
    count = -(-table.spec.weeks // long)
    each = min(_BLOCK_WORK, budget.work * _BLOCKS_SHARE / count)
    taken: frozenset[int] = frozenset()
    for block in range(count):
        back = 1
        while True:
            first = max(0, block + 1 - back)
            weeks = range(first * long, (block + 1) * long)
            free = problem.free(people, [slot for slot, week in enumerate(table.weeks) if week in weeks])
            answer = problem.solve(free, taken, Aim("fair", wish=_WISH), budget.limits(each * back))
            budget.spend(answer)
            if answer.status == "undecided":
                answer = problem.solve(free, taken, Aim(), budget.limits(max(budget.work, _ANY_WORK)))
                budget.spend(answer)
            if answer.status in ("optimal", "found"):
                taken = answer.taken
                break
            if first == 0:
                _must(answer)
            back *= 2
    return taken


class _State:
    """The rota so far, and what it is worth."""

    def __init__(self, problem: Problem, taken: frozenset[int], rng: random.Random) -> None:
        self.problem, self.rng = problem, rng
        self.limit = self.spread_limit = 0
        self.take(taken)

    def take(self, taken: frozenset[int]) -> None:
        table = self.problem.table
        self.taken = taken
        chosen = chosen_of(self.problem, taken)
        self.loads = loads(table, chosen)
        self.unfair = unfairness(self.loads)
        self.worth = (wishes(table, chosen), handoffs(table, chosen))

    @property
    def spread(self) -> int:
        return max(self.loads) - min(self.loads)

    @property
    def aim(self) -> Aim:
        """Wishes, with fairness held as it is when this is first asked, but for the tolerance."""
        if not self.limit:
            give = round(self.problem.table.spec.rules.tolerance * POINT)
            self.limit, self.spread_limit = self.unfair + give * len(self.loads), self.spread + give
        return Aim("kind", self.limit, self.spread_limit)

    def improve(self, budget: Budget, what: Literal["fair", "kind"], work: float) -> None:
        """Solve part after part while there is work left, and keep what is no worse."""
        aim = Aim("fair") if what == "fair" else self.aim
        until, stale = budget.work - work, 0
        while budget.work > until and stale < _STALE and not budget.over and (what == "kind" or self.unfair):
            free = self._part(fair=what == "fair")
            before = (self.unfair, 0) if what == "fair" else self.worth
            answer = self.problem.solve(free, self.taken, aim, budget.limits(_PART_WORK))
            budget.spend(answer)
            stale += 1
            if answer.status not in ("optimal", "found"):
                continue
            kept = self.taken
            self.take(answer.taken)
            after = (self.unfair, 0) if what == "fair" else self.worth
            if after > before:  # the part's time ran out before it came back to where it had begun
                self.take(kept)
            elif after < before:
                stale = 0

    def _part(self, *, fair: bool) -> list[int]:
        """Variables to choose anew: two to four people's shifts within some weeks, now and then everybody's of days."""
        table, rng = self.problem.table, self.rng
        people = len(self.loads)
        if people < 3 or rng.random() < 0.15:
            return self._days()
        some: set[int] = set()
        if fair:
            order = sorted(range(people), key=lambda person: (self.loads[person], person))
            some = {order[rng.randrange(min(3, people))], order[-1 - rng.randrange(min(3, people))]}
        size = min(people, rng.choice((2, 2, 3, 3, 4)))
        while len(some) < size:
            some.add(rng.randrange(people))
        length = min(table.spec.weeks, rng.choice((3, 6, 9)))
        first = rng.randrange(table.spec.weeks - length + 1)
        rows_ = self.problem.rows
        slots = [
            slot
            for slot, week in enumerate(table.weeks)
            if first <= week < first + length and any(rows_.var(person, slot) in self.taken for person in some)
        ]
        return self.problem.free(sorted(some), slots)

    def _days(self) -> list[int]:
        slots = len(self.problem.table.slots)
        people = len(self.loads)
        length = min(slots, max(8, 160 // people))
        first = self.rng.randrange(slots - length + 1)
        return self.problem.free(range(people), range(first, first + length))


def floor(table: Table) -> int:
    """An unfairness, in hundredths, that none can be under, from sums alone.

    The highest load is no less than anything carried already, and than the level to which the fewest points there are
    to give fill everybody up. The lowest is no more than the level of the most points, and than anybody's load with
    all shifts they are there for, each rounded by less than one. The distances to the median are together no less
    than the spread.
    """
    people, slots = range(len(table.spec.people)), range(len(table.slots))
    least = most = 0
    for slot in slots:
        points = sorted(table.burdens[person][slot].points for person in people)
        need = table.slots[slot].kind.people
        least += sum(points[:need])
        most += sum(points[-need:])
    all_theirs = min(
        table.carried[person] + sum(table.loads[person][slot] for slot in slots if not table.absent[person][slot])
        for person in people
    )
    high = max(max(table.carried), _level(table, least))
    low = min(_level(table, most), all_theirs)
    return max(0, int((high - low - len(slots) - 2) * (len(people) + 1)))


def _level(table: Table, points: int) -> float:
    """The load to which so many hundredths fill those who carry least, each by their weight."""
    order = sorted((carried, person.weight) for carried, person in zip(table.carried, table.spec.people, strict=True))
    weight = 0.0
    left = float(points)
    for place, (carried, own) in enumerate(order):
        weight += own
        up = order[place + 1][0] - carried if place + 1 < len(order) else left / weight
        if left <= up * weight:
            return carried + left / weight
        left -= up * weight
    return order[-1][0] + left / weight
