"""Rows into CP-SAT and answers back: the only place that knows the solver, which is an optional extra.

A part of a rota is solved with everything else held as it is; the whole is the part of everything. Searches are bounded
by deterministic time, the solver's own count of its work, so that the same input gives the same answer on any machine.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tocsin.oncall.rota.rows import Row, Rows
from tocsin.oncall.rota.shapes import SolverMissing

Name = TypeVar("Name")
SEED = 20
WORKERS = 2
Status = Literal["optimal", "found", "impossible", "undecided"]


def engine() -> Any:
    """The solver's module. Raises SolverMissing when the extra is not installed."""
    try:
        from ortools.sat.python import cp_model  # optional, and slow to import
    except ImportError as error:
        raise SolverMissing(
            "Making a rota needs the solver OR-Tools, which is not installed: pip install 'tocsin[rota]'"
        ) from error
    return cp_model


@dataclass(frozen=True, slots=True)
class Limits:
    """``work``: deterministic time. ``seconds``: a stop by the clock, which ends repeatability when it strikes."""

    work: float
    seconds: float
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Aim:
    """What a part is solved for.

    ``fair``    least unfairness; ``wish`` hundredths of it are given for one of the cost of wishes
    ``kind``    least cost of wishes, among equals the fewest hand-offs, with at most ``unfair`` and ``spread``
    ``any``     any rota that keeps the rules
    """

    what: Literal["fair", "kind", "any"] = "any"
    unfair: int = 0
    spread: int = 0
    wish: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """``taken``: the variables (person and slot) that are 1, all of them and not only the part's."""

    status: Status
    taken: frozenset[int]
    value: float = 0.0
    bound: float = 0.0
    work: float = 0.0
    cut: bool = False


class Problem:
    """The rows of a rota, with an index from variables to rows, to be solved in parts."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.table = rows.table
        self._of_var: dict[int, list[int]] = defaultdict(list)
        gone: set[int] = set()
        for number, row in enumerate(rows.rows):
            if row.rule == "absence":
                gone.add(row.terms[0][1])
            for _, var in row.terms:
                self._of_var[var].append(number)
        self.gone = frozenset(gone)
        self.in_any: dict[int, list[int]] = defaultdict(list)
        for var, members in rows.any_of.items():
            for member in members:
                self.in_any[member].append(var)
        self.after: dict[int, int] = {b: n for n, b in enumerate(self.table.before) if b is not None}

    def person_slot(self, var: int) -> tuple[int, int]:
        return divmod(var, len(self.table.slots))

    def free(self, people: Iterable[int], slots: Sequence[int]) -> list[int]:
        """The variables of some people and slots, without those that absences rule out."""
        return [var for p in people for slot in slots if (var := self.rows.var(p, slot)) not in self.gone]

    def solve(self, free: Sequence[int], taken: Collection[int], aim: Aim, limits: Limits) -> Answer:
        """Choose the ``free`` variables anew, with all others as in ``taken``, whose free ones are a hint."""
        cp = engine()
        part = _Part(self, cp.CpModel(), free, frozenset(taken))
        part.add_rows({number for var in part.vars for number in self._of_var[var]})
        if aim.what != "any":
            part.add_aim(aim)
        part.hint()
        solver = _solver(cp, limits)
        status = solver.solve(part.model)
        work, cut = solver.deterministic_time, solver.wall_time >= limits.seconds
        if status in (cp.OPTIMAL, cp.FEASIBLE):
            plain = self.rows.plain
            chosen = frozenset(v for v, made in part.vars.items() if v < plain and solver.boolean_value(made))
            value, bound = solver.objective_value, solver.best_objective_bound
            done: Status = "optimal" if status == cp.OPTIMAL else "found"
            return Answer(done, part.kept | chosen, value, bound, work, cut and done == "found")
        if status == cp.INFEASIBLE:
            return Answer("impossible", part.kept, work=work)
        return Answer("undecided", part.kept, work=work, cut=cut)


class _Part:
    """A model of some free variables; the rest are numbers."""

    def __init__(self, problem: Problem, model: Any, free: Sequence[int], taken: frozenset[int]) -> None:
        self.problem, self.model, self.taken = problem, model, taken
        self.vars: dict[int, Any] = {var: model.new_bool_var("") for var in free}
        self.kept = frozenset(var for var in taken if var not in self.vars)
        self._any: dict[int, int] = {}
        for var in free:
            for several in problem.in_any.get(var, ()):
                if several not in self.vars:
                    self.vars[several] = model.new_bool_var("")

    def _value(self, var: int) -> int:
        """What a variable is that is not free."""
        if var < self.problem.rows.plain:
            return int(var in self.kept)
        known = self._any.get(var)
        if known is None:
            known = self._any[var] = int(any(member in self.kept for member in self.problem.rows.any_of[var]))
        return known

    def _sum(self, terms: Iterable[tuple[int, int]]) -> tuple[list[Any], list[int], int]:
        made, weights, fixed = [], [], 0
        for weight, var in terms:
            one = self.vars.get(var)
            if one is None:
                fixed += weight * self._value(var)
            else:
                made.append(one)
                weights.append(weight)
        return made, weights, fixed

    def add_rows(self, numbers: Collection[int]) -> None:
        cp = engine()
        for number in sorted(numbers):
            row: Row = self.problem.rows.rows[number]
            made, weights, fixed = self._sum(row.terms)
            low, high = row.low - fixed, row.high - fixed
            least = sum(weight for weight in weights if weight < 0)
            most = sum(weight for weight in weights if weight > 0)
            if least >= low and most <= high:
                continue
            if low <= least and high == 1 and least == 0 and set(weights) == {1}:
                self.model.add_at_most_one(made)
            else:
                total = cp.LinearExpr.weighted_sum(made, weights)
                self.model.add_linear_constraint(total, low, high)

    def add_aim(self, aim: Aim) -> None:
        """Loads, their spread and their distances to a middle; wishes; hand-offs."""
        cp, table = engine(), self.problem.table
        people = range(len(table.spec.people))
        fixed = list(table.carried)
        for var in self.kept:
            person, slot = self.problem.person_slot(var)
            fixed[person] += table.loads[person][slot]
        terms: list[tuple[list[Any], list[int]]] = [([], []) for _ in people]
        wishes: tuple[list[Any], list[int]] = ([], [])
        for var, made in self.vars.items():
            if var < self.problem.rows.plain:
                person, slot = self.problem.person_slot(var)
                terms[person][0].append(made)
                terms[person][1].append(table.loads[person][slot])
                wishes[0].append(made)
                wishes[1].append(table.costs[person][slot])
        top = max(one + sum(weights) for one, (_, weights) in zip(fixed, terms, strict=True))
        low = min(fixed)
        highest, lowest, middle = (self.model.new_int_var(low, top, "") for _ in range(3))
        distances = []
        for person in people:
            load = cp.LinearExpr.weighted_sum(*terms[person]) + fixed[person]
            far = self.model.new_int_var(0, top - low, "")
            distances.append(far)
            self.model.add(load <= highest)
            self.model.add(load >= lowest)
            self.model.add(far >= load - middle)
            self.model.add(far >= middle - load)
        unfair = (highest - lowest) * len(people) + sum(distances)
        cost = cp.LinearExpr.weighted_sum(*wishes)
        if aim.what == "fair":
            self.model.minimize(unfair if not aim.wish else unfair + aim.wish * cost)
            return
        self.model.add(unfair <= aim.unfair)
        self.model.add(highest - lowest <= aim.spread)
        new = self._handoffs()
        self.model.minimize(cost * (len(new) + 1) + sum(new))

    def _handoffs(self) -> list[Any]:
        """A variable for every hand-off that the free variables decide: has it now and had not the one before."""
        rows, table, after = self.problem.rows, self.problem.table, self.problem.after
        pairs = set()
        for var in self.vars:
            if var < rows.plain:
                person, slot = self.problem.person_slot(var)
                before = table.before[slot]
                if before is not None:
                    pairs.add((rows.var(person, before), var))
                if slot in after:
                    pairs.add((var, rows.var(person, after[slot])))
        new = []
        for earlier, later in sorted(pairs):
            had, has = self.vars.get(earlier), self.vars.get(later)
            if has is None and had is not None:
                if self._value(later):
                    new.append(had.negated())
            elif had is None and has is not None:
                if not self._value(earlier):
                    new.append(has)
            elif had is not None and has is not None:
                begun = self.model.new_bool_var("")
                self.model.add(begun >= has - had)
                new.append(begun)
        return new

    def hint(self) -> None:
        if not self.taken:
            return
        for var, made in self.vars.items():
            if var < self.problem.rows.plain:
                self.model.add_hint(made, var in self.taken)
            else:
                self.model.add_hint(made, any(one in self.taken for one in self.problem.rows.any_of[var]))


def _solver(cp: Any, limits: Limits) -> Any:
    solver = cp.CpSolver()
    solver.parameters.random_seed = SEED
    solver.parameters.num_workers = limits.workers
    solver.parameters.interleave_search = limits.workers > 1  # the mode of several workers that is repeatable
    solver.parameters.max_deterministic_time = limits.work
    solver.parameters.max_time_in_seconds = limits.seconds
    return solver


def core(
    rows: Rows, groups: Mapping[Name, Collection[int]], limits: Limits, leave_out: Collection[int] = ()
) -> list[Name] | None:
    """Groups of rows (by their numbers) that cannot hold together; rows in no group always hold, but for ``leave_out``.

    None when they can, or when the time ran out: nothing is known then. Not yet the fewest.
    """
    cp = engine()
    model = cp.CpModel()
    made = [model.new_bool_var("") for _ in range(rows.plain + len(rows.any_of))]
    literals = {name: model.new_bool_var("") for name in groups}
    of_row = {number: name for name, numbers in groups.items() for number in numbers}
    left_out = frozenset(leave_out)
    for number, row in enumerate(rows.rows):
        if number in left_out:
            continue
        total = cp.LinearExpr.weighted_sum([made[var] for _, var in row.terms], [weight for weight, _ in row.terms])
        constraint = model.add_linear_constraint(total, row.low, row.high)
        if number in of_row:
            constraint.only_enforce_if(literals[of_row[number]])
    model.add_assumptions(list(literals.values()))
    solver = _solver(cp, limits)
    if solver.solve(model) != cp.INFEASIBLE:
        return None
    blamed = set(solver.sufficient_assumptions_for_infeasibility())
    return [name for name, literal in literals.items() if literal.index in blamed]
