"""Why no rota is possible: which rules cannot hold together, for whom and when, in sentences.

First what can be seen at a glance: a shift that too few people can take. Else the shortest stretch of shifts that
cannot be filled is searched, the solver names rules that clash in it, and every one of them is left out once: whatever
is not needed for the clash is not blamed. What stays is a smallest set in the sense that each of them is needed.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from tocsin.oncall.rota.burden import away
from tocsin.oncall.rota.rows import Rows, rows
from tocsin.oncall.rota.search import Budget
from tocsin.oncall.rota.shapes import RULES, Impossible, Rule
from tocsin.oncall.rota.solver import Aim, Limits, Problem, core
from tocsin.oncall.rota.table import Table
from tocsin.oncall.rules.wallclock import SECOND, from_us

Group = tuple[Rule, int | str | None]
"""A rule that can be left out alone: for everybody, or one person's absences or weekly limit, or a skill."""
_EACH: frozenset[Rule] = frozenset({"absence", "shifts a week", "skill"})
_MOST = 5


def at_a_glance(table: Table) -> Impossible | None:
    """Shifts that too few people can take whatever else is asked; None when there is none."""
    reasons: list[str] = []
    found: set[Rule] = set()
    for slot, one in enumerate(table.slots):
        reason = _too_few(table, slot) or _too_long(table, slot)
        if reason:
            reasons.append(f"{one} ({one.start:%d %b %H:%M} UTC): {reason[1]}")
            found |= reason[0]
    if not reasons:
        return None
    if len(reasons) > _MOST:
        reasons[_MOST:] = [f"{len(reasons) - _MOST} more shifts cannot be filled either."]
    return Impossible(tuple(reasons), _sorted(found))


def _too_few(table: Table, slot: int) -> tuple[set[Rule], str] | None:
    people = table.spec.people
    kind = table.slots[slot].kind
    asked: list[tuple[str, int]] = [*sorted(kind.demanded.items()), ("", kind.people)]
    for skill, count in asked:
        able = [n for n, person in enumerate(people) if not skill or skill in person.skills]
        there = [n for n in able if not table.absent[n][slot]]
        if len(there) >= count:
            continue
        rules: set[Rule] = {"skill"} if skill else {"people"}
        what = f"{_people(count)} with the skill {skill}" if skill else _people(count)
        text = f"needs {what}, and {_people(len(able))} {'has' if len(able) == 1 else 'have'} it" if skill else ""
        text = text or f"needs {what}, and there are {len(able)}"
        if gone := [people[n].name for n in able if n not in there]:
            rules.add("absence")
            text += f", of whom {', '.join(gone)} {'is' if len(gone) == 1 else 'are'} absent"
        return rules, text + "."
    return None


def _too_long(table: Table, slot: int) -> tuple[set[Rule], str] | None:
    limit = table.spec.rules.hours_in_7_days
    hours = table.burdens[0][slot].total / 60
    if limit is None or hours <= limit:
        return None
    return {"hours"}, f"lasts {hours:g} h, and nobody may have more than {limit:g} h within 7 days."


def _people(count: int) -> str:
    return {0: "nobody", 1: "1 person"}.get(count, f"{count} people")


def conflict(table: Table, seconds: float) -> Impossible:
    """Why a rota that was shown to be impossible is."""
    glance = at_a_glance(table)
    if glance:
        return glance
    budget = Budget(seconds)
    stretch = _stretch(table, budget)
    made = rows(table, exact=True, slots=stretch)
    groups = _groups(made)
    blamed: Sequence[Group] = core(made, groups, budget.limits(budget.work)) or list(groups)
    for group in list(blamed):
        if group not in blamed:
            continue
        fewer = {one: groups[one] for one in blamed if one != group}
        others = [number for one, numbers in groups.items() if one not in fewer for number in numbers]
        smaller = core(made, fewer, budget.limits(budget.work), leave_out=others)
        if smaller is not None:
            blamed = smaller
    return Impossible((_sentence(table, stretch, blamed),), _sorted({rule for rule, _ in blamed}))


def _stretch(table: Table, budget: Budget) -> range:
    """The shortest stretch of slots that ends with the first that cannot be filled, begun as late as can be."""
    count = len(table.slots)

    def impossible(slots: range) -> bool:
        problem = Problem(rows(table, slots=slots))
        free = problem.free(range(len(table.spec.people)), slots)
        return problem.solve(free, (), Aim(), Limits(budget.work, max(budget.seconds, 1.0))).status == "impossible"

    end = _first(1, count, lambda stop: impossible(range(stop)))
    back = _first(1, end, lambda length: impossible(range(end - length, end)))
    return range(end - back, end)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number from ``low`` to ``high`` for which something holds that goes on holding, as for ``high``."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _groups(made: Rows) -> dict[Group, list[int]]:
    found: dict[Group, list[int]] = defaultdict(list)
    for number, row in enumerate(made.rows):
        if row.rule is not None and row.rule != "people":
            found[row.rule, row.who if row.rule in _EACH else None].append(number)
    return dict(found)


def _sorted(found: set[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule in found)


def _sentence(table: Table, stretch: range, blamed: Sequence[Group]) -> str:
    first, last = table.slots[stretch[0]], table.slots[stretch[-1]]
    one = len(stretch) == 1
    where = (
        f"{first} cannot be filled" if one else f"The {len(stretch)} shifts from {first} to {last} cannot all be filled"
    )
    count = len(table.spec.people)
    if not blamed:
        return f"{where} by {_people(count)}: nobody can be in two places at once."
    all_of_it = "; ".join(_said(table, stretch, one) for one in blamed)
    return f"{where} by {_people(count)} while all of this holds: {all_of_it}."


def _said(table: Table, stretch: range, group: Group) -> str:
    rule, who = group
    rules = table.spec.rules
    if rule == "absence" and isinstance(who, int):
        return f"{table.spec.people[who].name} is absent ({_away(table, stretch, who)})"
    if rule == "shifts a week" and isinstance(who, int):
        return f"{table.spec.people[who].name} takes {table.spec.people[who].max_per_week} shifts a week at most"
    if rule == "skill":
        able = [person.name for person in table.spec.people if who in person.skills]
        return f"the skill {who} is needed, which {', '.join(able)} {'has' if len(able) == 1 else 'have'}"
    weekly = all(table.slots[slot].kind.unit == "week" for slot in stretch)
    texts: dict[Rule, str] = {
        "rest": f"at least {rules.rest_hours:g} h of rest between shifts",
        "nights": f"at most {rules.nights_in_a_row} nights in a row",
        "shifts in a row": f"shifts on at most {rules.shifts_in_a_row} {'weeks' if weekly else 'days'} in a row",
        "hours": f"at most {rules.hours_in_7_days:g} h within 7 days" if rules.hours_in_7_days is not None else "",
        "days off": f"at least {rules.days_off} days off between runs of shifts",
    }
    return texts.get(rule, rule)


def _away(table: Table, stretch: range, who: int) -> str:
    """The person's absences that touch a stretch of slots, as local days of theirs."""
    person = table.spec.people[who]
    zone = ZoneInfo(person.zone)
    found = []
    for begin, end in away(person):
        if any(begin < table.ends[slot] and end > table.begins[slot] for slot in stretch):
            # midnight at the end is not another day
            first, last = from_us(begin).astimezone(zone), from_us(end - SECOND).astimezone(zone)
            one_day = first.date() == last.date()
            found.append(f"{last:%d %b %Y}" if one_day else f"{first:%d %b} to {last:%d %b %Y}")
    return ", ".join(found)
