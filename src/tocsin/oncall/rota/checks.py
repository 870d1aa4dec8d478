"""What a slot would break for a person who has others already, asked directly and said in words. Pure.

Written apart from the rows that the solver keeps, so that a finished rota is checked by other code than made it.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

from tocsin.oncall.rota.shapes import Rule
from tocsin.oncall.rota.table import Table
from tocsin.oncall.rules.wallclock import DAY, HOUR


class Broken(NamedTuple):
    """A rule that does not hold, and how, to follow a person's name: "would have 4 h of rest ..."."""

    rule: Rule
    how: str


def broken(table: Table, person: int, slot: int, own: Sequence[int]) -> list[Broken]:
    """The rules that ``slot`` breaks for a person who has ``own`` (sorted, without it). Skills are not asked here."""
    near = _near(table, slot, own)
    found = []
    if table.absent[person][slot]:
        found.append(Broken("absence", "is absent"))
    found += _apart(table, slot, near)
    found += _weekly(table, person, slot, near)
    found += _runs(table, person, slot, near)
    return found


def _near(table: Table, slot: int, own: Sequence[int]) -> Sequence[int]:
    """Those of ``own`` that can matter: as far away as the longest run and the longest week."""
    rules = table.spec.rules
    unit = 7 if table.slots[slot].kind.unit == "week" else 1
    reach = (
        max(rules.nights_in_a_row or 0, rules.shifts_in_a_row or 0, rules.days_off, 8) + 2
    ) * unit * DAY + table.rest
    low, high = table.begins[slot] - reach, table.begins[slot] + reach
    return own[
        bisect_left(own, low, key=table.begins.__getitem__) : bisect_left(own, high, key=table.begins.__getitem__)
    ]


def _apart(table: Table, slot: int, near: Sequence[int]) -> list[Broken]:
    for other in near:
        if table.overlap(slot, other):
            return [Broken("overlap", f"has {table.slots[other]} at the same time")]
    for other in near:
        if table.clash(slot, other):
            first, second = min(slot, other), max(slot, other)
            rest = (table.begins[second] - table.ends[first]) / HOUR
            side = "after" if other < slot else "before"
            least = table.spec.rules.rest_hours
            return [Broken("rest", f"would have {rest:g} h of rest instead of {least:g} {side} {table.slots[other]}")]
    return []


def _weekly(table: Table, person: int, slot: int, near: Sequence[int]) -> list[Broken]:
    found = []
    most = table.spec.people[person].max_per_week
    if most is not None and 1 + sum(table.weeks[one] == table.weeks[slot] for one in near) > most:
        found.append(Broken("shifts a week", f"takes {most} shifts a week at most"))
    limit = table.spec.rules.hours_in_7_days
    if limit is not None:
        all_ = [*near]
        insort(all_, slot)
        longest = 0
        for first in all_:
            begin = table.begins[first]
            if begin <= table.begins[slot] < begin + 7 * DAY:
                within = (one for one in all_ if begin <= table.begins[one] < begin + 7 * DAY and one >= first)
                longest = max(longest, sum(table.burdens[person][one].total for one in within))
        if longest > round(limit * 60):
            found.append(Broken("hours", f"would have {longest / 60:g} h within 7 days instead of {limit:g} at most"))
    return found


def _runs(table: Table, person: int, slot: int, near: Sequence[int]) -> list[Broken]:
    rules, own = table.spec.rules, table.burdens[person]
    found = []
    night = own[slot].night
    if rules.nights_in_a_row is not None and night is not None:
        length = run(night, {at for one in near if (at := own[one].night) is not None})
        if length > rules.nights_in_a_row:
            found.append(Broken("nights", f"would have {length} nights in a row instead of {rules.nights_in_a_row}"))
    weekly = table.slots[slot].kind.unit == "week"
    same = [one for one in near if (table.slots[one].kind.unit == "week") == weekly]
    if weekly:
        here, others, unit = table.weeks[slot], {table.weeks[one] for one in same}, "weeks"
    else:
        here, others, unit = own[slot].day, {own[one].day for one in same}, "days"
    if rules.shifts_in_a_row is not None:
        length = run(here, others)
        if length > rules.shifts_in_a_row:
            how = f"would have shifts on {length} {unit} in a row instead of {rules.shifts_in_a_row} at most"
            found.append(Broken("shifts in a row", how))
    if rules.days_off > 1 and not weekly and here not in others and _short(here, others, rules.days_off):
        found.append(Broken("days off", f"would have fewer than {rules.days_off} days off between shifts"))
    return found


def _short(here: int, others: set[int], least: int) -> bool:
    """Whether the next day with a shift before or after ``here`` is neither beside it nor far enough away."""
    before = max((other for other in others if other < here), default=here - 1)
    after = min((other for other in others if other > here), default=here + 1)
    return 1 <= here - before - 1 < least or 1 <= after - here - 1 < least


def run(here: int, others: set[int]) -> int:
    """How many numbers in a row there are around ``here`` when it is added to the others."""
    first = last = here
    while first - 1 in others:
        first -= 1
    while last + 1 in others:
        last += 1
    return last - first + 1


def lacking(table: Table, slot: int, people: Sequence[int]) -> list[str]:
    """The skills of which too few are there when these people have the slot."""
    team = [table.spec.people[person].skills for person in people]
    demanded = table.slots[slot].kind.demanded
    return [skill for skill, count in sorted(demanded.items()) if sum(skill in own for own in team) < count]


def count_broken(table: Table, chosen: Sequence[Sequence[int]]) -> dict[Rule, int]:
    """How many assignments break which rule, each held against the person's earlier ones; a missing skill per shift.

    ``chosen``: for every slot the people who have it. Empty when all rules hold.
    """
    counts: dict[Rule, int] = {}
    own: list[list[int]] = [[] for _ in table.spec.people]
    for slot, people in enumerate(chosen):
        wrong: list[Rule] = ["skill"] * len(lacking(table, slot, people))
        if len(set(people)) != table.slots[slot].kind.people:
            wrong.append("people")
        for person in people:
            wrong += [one.rule for one in broken(table, person, slot, own[person])]
            own[person].append(slot)
        for rule in wrong:
            counts[rule] = counts.get(rule, 0) + 1
    return counts
