"""The rules of a rota as linear rows over yes-or-no variables, each with the rule and the person it stands for. Pure.

Variable ``person * slots + slot`` is 1 when the person has the slot. Variables after those are 1 when any of several
others is (a day on which somebody works); they exist only where one person can have two of these slots.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tocsin.oncall.rota.shapes import Rule
from tocsin.oncall.rota.table import Table
from tocsin.oncall.rules.wallclock import DAY

Terms = tuple[tuple[int, int], ...]
"""(coefficient, variable)"""


class Row(NamedTuple):
    """low <= sum of the terms <= high. ``who`` is a person's number or a skill, None where it concerns everybody.

    Without a rule it holds by nature: nobody is in two places, and "any of" means what it says.
    """

    rule: Rule | None
    who: int | str | None
    terms: Terms
    low: int
    high: int


@dataclass(slots=True)
class Rows:
    """All rows of a rota, and for every variable that stands for "any of" which ones they are."""

    table: Table
    rows: list[Row] = field(default_factory=list)
    any_of: dict[int, tuple[int, ...]] = field(default_factory=dict)
    exact: bool = False
    _known: dict[tuple[int, ...], int] = field(default_factory=dict)

    @property
    def plain(self) -> int:
        """The number of variables that stand for person and slot."""
        return len(self.table.slots) * len(self.table.spec.people)

    def var(self, person: int, slot: int) -> int:
        return person * len(self.table.slots) + slot

    def any(self, person: int, several: Sequence[int]) -> list[tuple[int, int]]:
        """Terms whose sum is 1 when the person has any of several slots, and else 0.

        Where nobody can have two of them the sum over them will do; with ``exact`` only when they run at one time, so
        that it stays true when the rest between shifts is not asked.
        """
        apart = self.table.overlap if self.exact else self.table.clash
        members = tuple(self.var(person, slot) for slot in several)
        if all(apart(one, other) for n, one in enumerate(several) for other in several[n + 1 :]):
            return [(1, member) for member in members]
        known = self._known.get(members)
        if known is not None:
            return [(1, known)]
        new = self._known[members] = self.plain + len(self.any_of)
        self.any_of[new] = members
        self.rows += [Row(None, person, ((1, member), (-1, new)), -1, 0) for member in members]
        self.rows.append(Row(None, person, ((1, new), *((-1, member) for member in members)), -len(members), 0))
        return [(1, new)]


def rows(table: Table, *, exact: bool = False, slots: range | None = None) -> Rows:
    """The rows of all rules, of all slots or a stretch of them. ``exact``: for asking what holds without some rule."""
    made = Rows(table, exact=exact)
    chosen = range(len(table.slots)) if slots is None else slots
    made.rows += _cover(made, chosen)
    for person in range(len(table.spec.people)):
        made.rows += _alone(made, person, chosen)
        made.rows += _week(made, person, chosen)
        _runs(made, person, chosen)
    return made


def _cover(made: Rows, chosen: range) -> Iterator[Row]:
    people = made.table.spec.people
    for slot in chosen:
        kind = made.table.slots[slot].kind
        everybody = tuple((1, made.var(person, slot)) for person in range(len(people)))
        yield Row("people", None, everybody, kind.people, kind.people)
        for skill, count in sorted(kind.demanded.items()):
            able = tuple((1, made.var(n, slot)) for n, person in enumerate(people) if skill in person.skills)
            yield Row("skill", skill, able, count, len(people))


def _alone(made: Rows, person: int, chosen: range) -> Iterator[Row]:
    """Absences, two places at once, and rest: at the begin of a slot at most one is running or rested from."""
    table = made.table
    open_: list[int] = []
    for slot in chosen:
        if table.absent[person][slot]:
            yield Row("absence", person, ((1, made.var(person, slot)),), 0, 0)
        open_ = [earlier for earlier in open_ if table.clash(earlier, slot)]
        running = [earlier for earlier in open_ if table.overlap(earlier, slot)]
        if open_:
            terms = tuple((1, made.var(person, one)) for one in (*open_, slot))
            yield Row("rest" if len(running) < len(open_) else None, person, terms, 0, 1)
        if running and len(running) < len(open_):
            yield Row(None, person, tuple((1, made.var(person, one)) for one in (*running, slot)), 0, 1)
        open_.append(slot)


def _week(made: Rows, person: int, chosen: range) -> Iterator[Row]:
    table, rules = made.table, made.table.spec.rules
    most = table.spec.people[person].max_per_week
    if most is not None:
        by_week: dict[int, list[int]] = defaultdict(list)
        for slot in chosen:
            by_week[table.weeks[slot]].append(slot)
        for some in by_week.values():
            yield Row("shifts a week", person, tuple((1, made.var(person, one)) for one in some), 0, most)
    if rules.hours_in_7_days is not None:
        limit = round(rules.hours_in_7_days * 60)
        for slot in chosen:
            within = range(slot, min(chosen.stop, bisect_left(table.begins, table.begins[slot] + 7 * DAY)))
            terms = tuple((table.burdens[person][one].total, made.var(person, one)) for one in within)
            yield Row("hours", person, terms, 0, limit)


def _runs(made: Rows, person: int, chosen: range) -> None:
    """Nights in a row, shifts in a row and days off between."""
    rules = made.table.spec.rules
    nights, days, weeks = periods(made.table, person, chosen)
    limits: tuple[tuple[Rule, int | None, dict[int, list[int]]], ...] = (
        ("nights", rules.nights_in_a_row, nights),
        ("shifts in a row", rules.shifts_in_a_row, days),
        ("shifts in a row", rules.shifts_in_a_row, weeks),
    )
    for rule, most, by_period in limits:
        if most is None:
            continue
        terms: dict[int, list[tuple[int, int]]] = {}
        for window in _windows(sorted(by_period), most + 1):
            for period in window:
                if period not in terms:
                    terms[period] = made.any(person, by_period[period])
            together = tuple(term for period in window for term in terms[period])
            made.rows.append(Row(rule, person, together, 0, most))
    if rules.days_off > 1:
        terms = {day: made.any(person, some) for day, some in days.items()}
        for day in sorted(days):
            for free in range(1, rules.days_off):
                after = day + free + 1
                if after in days:
                    between = [(-1, var) for one in range(day + 1, after) for _, var in terms.get(one, ())]
                    made.rows.append(Row("days off", person, (*terms[day], *between, *terms[after]), -len(between), 1))


def periods(
    table: Table, person: int, chosen: Iterable[int]
) -> tuple[dict[int, list[int]], dict[int, list[int]], dict[int, list[int]]]:
    """Slots by the person's local nights, by local days on which they begin, and weekly ones by weeks of the rota."""
    nights: dict[int, list[int]] = defaultdict(list)
    days: dict[int, list[int]] = defaultdict(list)
    weeks: dict[int, list[int]] = defaultdict(list)
    for slot in chosen:
        one = table.burdens[person][slot]
        if one.night is not None:
            nights[one.night].append(slot)
        if table.slots[slot].kind.unit == "week":
            weeks[table.weeks[slot]].append(slot)
        else:
            days[one.day].append(slot)
    return dict(nights), dict(days), dict(weeks)


def _windows(sorted_periods: Sequence[int], length: int) -> Iterator[Sequence[int]]:
    """Stretches of so many periods without a hole."""
    if length == 1:
        yield from ([one] for one in sorted_periods)
        return
    run: list[int] = list(sorted_periods[:1])
    for earlier, later in pairwise(sorted_periods):
        run = [*run[-(length - 1) :], later] if later == earlier + 1 else [later]
        if len(run) == length:
            yield run
