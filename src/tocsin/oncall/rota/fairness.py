"""How evenly burden is spread, and the plain rotation that a rota is compared with. Pure."""

from collections.abc import Sequence
from itertools import cycle, islice
from statistics import pstdev

from tocsin.oncall.rota.burden import POINT
from tocsin.oncall.rota.checks import count_broken
from tocsin.oncall.rota.shapes import Fairness, RotaSpec, Rule, Share
from tocsin.oncall.rota.table import Table, table

Chosen = Sequence[Sequence[int]]
"""For every slot the numbers of the people who have it."""


def gini(values: Sequence[float]) -> float:
    """The Gini coefficient: 0 when all are equal, towards 1 when one has everything; 0 when there is nothing.

    Half of the relative mean difference: the sum over all pairs of |x - y|, divided by 2 n^2 times the mean (C. Gini,
    1912; A. Sen, On Economic Inequality, 1973, section 2.8), here over sorted values, which is the same sum.
    """
    ordered = sorted(values)
    total = sum(ordered)
    if total <= 0:
        return 0.0
    count = len(ordered)
    return sum((2 * place - count - 1) * value for place, value in enumerate(ordered, 1)) / (count * total)


def unfairness(loads: Sequence[int]) -> int:
    """What is minimised first: spread times people, plus the sum of distances to the median."""
    ordered = sorted(loads)
    middle = ordered[len(ordered) // 2]
    return (ordered[-1] - ordered[0]) * len(ordered) + sum(abs(load - middle) for load in ordered)


def loads(problem: Table, chosen: Chosen) -> list[int]:
    """Everybody's load in hundredths of points: what they carried before and what they get, by their weight."""
    found = list(problem.carried)
    for slot, people in enumerate(chosen):
        for person in people:
            found[person] += problem.loads[person][slot]
    return found


def wishes(problem: Table, chosen: Chosen) -> int:
    """What local nights and days not wished for cost; see ``table``."""
    return sum(problem.costs[person][slot] for slot, people in enumerate(chosen) for person in people)


def handoffs(problem: Table, chosen: Chosen) -> int:
    """How often somebody has a slot without having had the one of its kind before."""
    return sum(
        len(set(people) - set(chosen[before]))
        for people, before in zip(chosen, problem.before, strict=True)
        if before is not None
    )


def fairness(problem: Table, chosen: Chosen) -> Fairness:
    """The figures of a rota."""
    own: list[list[int]] = [[] for _ in problem.spec.people]
    for slot, people in enumerate(chosen):
        for person in people:
            own[person].append(slot)
    shares = tuple(_share(problem, person, some) for person, some in enumerate(own))
    values = [share.load for share in shares]
    return Fairness(max(values) - min(values), pstdev(values), gini(values), shares, handoffs(problem, chosen))


def _share(problem: Table, number: int, own: Sequence[int]) -> Share:
    person = problem.spec.people[number]
    felt = [problem.burdens[number][slot] for slot in own]
    points = sum(one.points for one in felt) / POINT
    return Share(
        person.key,
        len(own),
        points,
        (person.history + points) / person.weight,
        sum(one.total for one in felt) / 60,
        sum(one.night is not None for one in felt),
        sum(one.weekend_time for one in felt) / 60,
        sum(one.holiday_time for one in felt) / 60,
        sum((one.day + 6) % 7 + 1 in person.unwanted for one in felt),
    )


def rotation(problem: Table) -> list[list[int]]:
    """Who has which slot in plain rotation: one after the other in the order given, whatever the rules say."""
    turn = cycle(range(len(problem.spec.people)))
    return [list(islice(turn, slot.kind.people)) for slot in problem.slots]


def naive(spec: RotaSpec) -> tuple[Fairness, dict[Rule, int]]:
    """The plain rotation of the same people: its figures, and how many of its assignments break which rule."""
    problem = table(spec)
    chosen = rotation(problem)
    return fairness(problem, chosen), count_broken(problem, chosen)
