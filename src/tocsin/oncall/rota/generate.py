"""A fair rota from beginning to end."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tocsin.oncall.rota.burden import POINT
from tocsin.oncall.rota.checks import count_broken
from tocsin.oncall.rota.conflicts import at_a_glance, conflict
from tocsin.oncall.rota.fairness import fairness, loads, rotation, unfairness
from tocsin.oncall.rota.reasons import explained
from tocsin.oncall.rota.rows import rows
from tocsin.oncall.rota.search import search
from tocsin.oncall.rota.shapes import Impossible, Rota, RotaError, RotaSpec
from tocsin.oncall.rota.solver import Problem, engine
from tocsin.oncall.rota.table import table
from tocsin.oncall.rota.writing import problems

SECONDS = 20.0


class Row(NamedTuple):
    """One stretch of one person, as an override says it: the key of the person, instants, the reason."""

    key: str
    start: datetime
    end: datetime
    reason: str


def generate(spec: RotaSpec, seconds: float = SECONDS) -> Rota:
    """The fairest rota that is found within ``seconds`` and keeps all rules.

    The same input gives the same rota unless the clock cut the search (``repeatable``). Building and explaining take a
    second or two more for a half-year. Raises ValueError for a spec with ``problems``; SolverMissing; Impossible with
    the rules that cannot hold together; Undecided when the time was too short to tell.
    """
    wrong = problems(spec)
    if wrong:
        raise ValueError("; ".join(f"{field}: {text}" for field, text in wrong.items()))
    engine()
    problem = Problem(rows(table(spec)))
    numbers = problem.table
    if glance := at_a_glance(numbers):
        raise glance
    try:
        found = search(problem, seconds)
    except Impossible:
        raise conflict(numbers, seconds) from None
    if count_broken(numbers, found.chosen):
        raise RotaError("The solver's rota does not keep its rules: please report this as a fault")
    plain = rotation(numbers)
    return Rota(
        explained(numbers, found.chosen),
        fairness(numbers, found.chosen),
        fairness(numbers, plain),
        count_broken(numbers, plain),
        unfairness(loads(numbers, found.chosen)) / POINT,
        found.bound / POINT,
        found.proven,
        found.settled,
        not found.cut,
        "whole" if found.whole else "blocks",
    )


def to_overrides(rota: Rota) -> list[Row]:
    """The rota as rows (key, start, end, reason), by start: one per assignment.

    Stored over an empty schedule each is an override ``beside``, so that the people of one shift, and shifts of several
    kinds that run at one time, do not displace each other; over a schedule with layers, ``instead``.
    """
    ordered: Sequence[Row] = [Row(key, slot.start, slot.end, why) for slot, key, why in rota.assignments]
    return sorted(ordered, key=lambda row: row.start)
