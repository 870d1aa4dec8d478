"""Why each person has each shift, in a sentence. Pure."""

from bisect import bisect_left
from collections.abc import Sequence

from tocsin.oncall.rota.burden import POINT
from tocsin.oncall.rota.checks import Broken, broken, lacking
from tocsin.oncall.rota.fairness import Chosen
from tocsin.oncall.rota.shapes import Assignment
from tocsin.oncall.rota.table import Table


def explained(table: Table, chosen: Chosen) -> tuple[Assignment, ...]:
    """Every assignment with its reason: who else could have had it, whom which rule keeps from it, and the burden.

    The others are asked with the rest of the rota as it is: "could" means that this one shift alone could be theirs.
    """
    own: list[list[int]] = [[] for _ in table.spec.people]
    for slot, people in enumerate(chosen):
        for person in people:
            own[person].append(slot)
    so_far = list(table.carried)
    final = [start + sum(table.loads[n][slot] for slot in own[n]) for n, start in enumerate(so_far)]
    found = []
    for slot, people in enumerate(chosen):
        # who rules whom out is the same for all of the shift's people, but for skills
        ruled_out = {n: broken(table, n, slot, some) for n, some in enumerate(own) if n not in people}
        for person in people:
            why = _why(table, slot, people, person, ruled_out, so_far, final)
            found.append(Assignment(table.slots[slot], table.spec.people[person].key, why))
        for person in people:
            so_far[person] += table.loads[person][slot]
    return tuple(found)


def _why(
    table: Table,
    slot: int,
    team: Sequence[int],
    person: int,
    ruled_out: dict[int, list[Broken]],
    so_far: Sequence[int],
    final: Sequence[int],
) -> str:
    people = table.spec.people
    able, unable = [], []
    for other, wrong in ruled_out.items():
        how = [one.how for one in wrong]
        skills = lacking(table, slot, [other if one == person else one for one in team])
        if skills:
            how.insert(0, f"lacks {' and '.join(skills)}, which the shift needs")
        if how:
            unable.append(f"{people[other].name} {', '.join(how)}")
        else:
            able.append(other)
    name = people[person].name
    if able:
        names = ", ".join(people[other].name for other in able)
        text = f"{name} was chosen over {names}; {_standing(table, person, able, so_far, final)}"
    elif unable:
        text = f"{name} is the only one left; {_load(name, so_far[person], final[person])}"
    else:
        text = f"There is nobody beside {name}; {_load(name, so_far[person], final[person])}"
    return f"{text}. Ruled out: {'; '.join(unable)}." if unable else f"{text}."


def _load(name: str, now: int, then: int) -> str:
    return f"{name} carried {now / POINT:.1f} points before it and {then / POINT:.1f} by the end"


def _standing(table: Table, person: int, able: Sequence[int], so_far: Sequence[int], final: Sequence[int]) -> str:
    """How the burden stood among those who could have had the shift."""
    name = table.spec.people[person].name
    ranked = sorted([person, *able], key=lambda one: (so_far[one], one != person))
    place = bisect_left([so_far[one] for one in ranked], so_far[person]) + 1
    load = _load(name, so_far[person], final[person])
    if place == 1:
        return f"{load}, the least of those who could"
    low, high = min(final) / POINT, max(final) / POINT
    return f"{load}, number {place} of {len(ranked)} from the least, so that all end between {low:.1f} and {high:.1f}"
