"""``python -m bench.rota``: the fair rota generator on a half-year of three continents, beside plain rotation."""

import argparse
import time
from datetime import date, timedelta

from tocsin.oncall.rota import Absence, Fairness, Person, Rota, RotaSpec, Rules, ShiftKind, generate, problems

PLACES = (("Europe/Berlin", "DE-BE"), ("America/New_York", "US-NY"), ("Asia/Tokyo", "JP"))
NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jun", "Kim", "Lea")


def big(pattern: str = "day-night", weeks: int = 26) -> RotaSpec:
    """12 people in 3 zones over half a year: rest, nights in a row, absences, weighted holidays, history, part time.

    ``pattern``: ``day-night`` (12 hours each, of one zone) or ``follow-the-sun`` (8 hours in each of the zones).
    """
    start = date(2026, 1, 5)
    people = []
    for number, name in enumerate(NAMES):
        zone, region = PLACES[number % 3]
        first = start + timedelta(days=9 * number + 5)
        second = start + timedelta(days=100 + 6 * number)
        people.append(
            Person(
                f"{name.lower()}@example.org",
                name,
                zone=zone,
                region=region,
                skills=frozenset({"database"} if number % 2 == 0 else {"network"}),
                absences=(
                    Absence(first, first + timedelta(days=13)),
                    Absence(second, second + timedelta(days=6)),
                ),
                weight=(1.0, 0.8, 1.0, 0.5)[number % 4],
                unwanted=frozenset({number % 7 + 1}),
                history=float(17 * number % 60),
                max_per_week=(None, 4)[number % 2],
            )
        )
    shifts: tuple[ShiftKind, ...]
    if pattern == "day-night":
        shifts = (ShiftKind("day", "08:00", "20:00"), ShiftKind("night", "20:00", "08:00"))
    else:
        shifts = (
            ShiftKind("Europe", "08:00", "16:00", zone="Europe/Berlin"),
            ShiftKind("America", "10:00", "18:00", zone="America/New_York"),
            ShiftKind("Asia", "08:00", "16:00", zone="Asia/Tokyo"),
        )
    return RotaSpec(start, weeks, "Europe/Berlin", shifts, tuple(people), Rules(hours_in_7_days=48))


def shown(rota: Rota, seconds: float) -> str:
    """The figures as a table: the generated rota and plain rotation side by side."""
    made, plain = rota.fairness, rota.naive
    lines = [
        f"{len(rota.assignments)} assignments in {seconds:.1f} s; method {rota.method}, "
        f"proven {rota.proven}, repeatable {rota.repeatable}",
        rota.verdict,
        "",
        f"{'':24}{'generated':>12}{'rotation':>12}",
    ]
    figures = [
        ("spread, points", made.spread, plain.spread),
        ("standard deviation", made.deviation, plain.deviation),
        ("Gini coefficient", made.gini, plain.gini),
        ("nights, max - min", gap(made), gap(plain)),
        ("shifts on unwanted days", unwanted(made), unwanted(plain)),
        ("hand-offs", made.handoffs, plain.handoffs),
        ("broken rules", 0, sum(rota.naive_broken.values())),
    ]
    lines += [f"{name:24}{ours:12.4g}{theirs:12.4g}" for name, ours, theirs in figures]
    lines += [f"  {rule:22}{0:12}{count:12}" for rule, count in rota.naive_broken.items()]
    lines += ["", f"{'person':24}{'load':>9}{'shifts':>8}{'nights':>8}{'weekend':>9}{'holiday':>9}   rotation: load"]
    for one, other in zip(made.shares, plain.shares, strict=True):
        lines.append(
            f"{one.key:24}{one.load:9.1f}{one.shifts:8}{one.nights:8}{one.weekend_hours:8.0f}h{one.holiday_hours:8.0f}h"
            f"{other.load:17.1f}"
        )
    return "\n".join(lines)


def gap(fairness: Fairness) -> int:
    """The most nights that anybody has, less the fewest."""
    nights = [share.nights for share in fairness.shares]
    return max(nights) - min(nights)


def unwanted(fairness: Fairness) -> int:
    """Shifts on days that their people would rather not have."""
    return sum(share.unwanted_days for share in fairness.shares)


def main() -> None:
    """Make both rotas and print what they are worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="the solver's limit")
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--pattern", choices=("day-night", "follow-the-sun"), nargs="*")
    asked = parser.parse_args()
    for pattern in asked.pattern or ("day-night", "follow-the-sun"):
        spec = big(pattern, asked.weeks)
        if problems(spec):
            parser.error(str(problems(spec)))
        began = time.perf_counter()
        rota = generate(spec, asked.seconds)
        print(f"== {pattern}, {asked.weeks} weeks, {len(spec.people)} people")
        print(shown(rota, time.perf_counter() - began), "\n")


if __name__ == "__main__":
    main()
