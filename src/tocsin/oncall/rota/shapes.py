"""What a fair rota is made from and what comes out of it: plain values, instants, keys of people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NamedTuple

ALL_DAYS = frozenset(range(1, 8))
Unit = Literal["day", "week"]
Rule = Literal[
    "people", "skill", "absence", "overlap", "rest", "nights", "shifts in a row", "hours", "days off", "shifts a week"
]
RULES: tuple[Rule, ...] = (
    "people", "skill", "absence", "overlap", "rest", "nights", "shifts in a row", "hours", "days off", "shifts a week"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShiftKind:
    """A shift that comes again: local times ``HH:MM`` of ``zone`` (empty: the rota's) on ``days`` (1 Monday ... 7).

    ``end`` not after ``start`` is on the next day; equal times are 24 hours by the wall. With unit ``week`` the shift
    lasts from ``start`` on one of its days until ``start`` on the next of them, and ``end`` is not asked.

    people   how many at a time
    skills   each must be there, by one person or so many: names, or name -> count
    """

    name: str
    start: str = "08:00"
    end: str = "20:00"
    days: frozenset[int] = ALL_DAYS
    zone: str = ""
    unit: Unit = "day"
    people: int = 1
    skills: tuple[str, ...] | Mapping[str, int] = ()

    @property
    def demanded(self) -> dict[str, int]:
        """Skill -> how many people with it."""
        return dict(self.skills) if isinstance(self.skills, Mapping) else dict.fromkeys(self.skills, 1)


@dataclass(frozen=True, slots=True)
class Absence:
    """Away from ``start`` to ``end``. Dates are whole local days of the person, the last one included.

    Moments without an offset are local time of the person's zone; ``end`` is not included then.
    """

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who takes shifts.

    weight        share of full time, 0.1 to 1: half of it means half of the burden
    preferred     weekdays (1 ... 7) they would rather have; empty: they do not mind. A wish, not a rule
    unwanted      weekdays they would rather not have. A wish, not a rule
    history       points carried so far, before this rota; not yet divided by the weight
    max_per_week  most shifts that begin in a week of the rota; None: no limit of their own
    region        of public holidays: ``DE``, ``DE-BY``, ``US-CA``; empty: none
    """

    key: str
    name: str
    zone: str = "UTC"
    skills: frozenset[str] = frozenset()
    absences: tuple[Absence, ...] = ()
    weight: float = 1.0
    preferred: frozenset[int] = frozenset()
    unwanted: frozenset[int] = frozenset()
    history: float = 0.0
    max_per_week: int | None = None
    region: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What must hold for everybody, and what an hour weighs.

    rest_hours         between the end of a shift and the begin of the next. 11 is the daily rest of Directive
                       2003/88/EC, article 3
    nights_in_a_row    most nights in a row; None: no limit. A shift is a night when three of its hours or more lie in
                       the night of the person's own zone (article 2 (4) of the directive). Not asked of weekly shifts
    shifts_in_a_row    most days in a row on which a shift begins (weeks in a row for weekly shifts); None: no limit
    hours_in_7_days    most hours of shifts that begin within any 7 times 24 hours; None: no limit
    days_off           fewest days without a shift between two runs of days with one. Not asked of weekly shifts
    night_start, night_end   local time; 23:00 to 06:00 are the seven hours that article 2 (3) asks for
    night_weight, weekend_weight, holiday_weight   what an hour counts; see ``burden``
    weekend            weekdays
    tolerance          points by which the spread may grow again to spare people unwanted days, nights and hand-offs
    """

    rest_hours: float = 11.0
    nights_in_a_row: int | None = 4
    shifts_in_a_row: int | None = 6
    hours_in_7_days: float | None = None
    days_off: int = 0
    night_start: str = "23:00"
    night_end: str = "06:00"
    night_weight: float = 1.5
    weekend_weight: float = 1.5
    holiday_weight: float = 2.0
    weekend: frozenset[int] = frozenset({6, 7})
    tolerance: float = 1.0


@dataclass(frozen=True, slots=True)
class RotaSpec:
    """A rota to be made: shifts that begin on the ``weeks`` times 7 local days of ``zone`` from ``start`` on."""

    start: date
    weeks: int
    zone: str
    shifts: tuple[ShiftKind, ...]
    people: tuple[Person, ...]
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Slot:
    """One shift to be filled: a kind on a local day, from instant to instant (UTC)."""

    kind: ShiftKind
    day: date
    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.kind.name} on {self.day:%a %d %b %Y}"


class Assignment(NamedTuple):
    """One person on one shift, and the sentence that says why."""

    slot: Slot
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one person carries: ``points`` of this rota, ``load`` = (history + points) / weight, hours by kind."""

    key: str
    shifts: int
    points: float
    load: float
    hours: float
    nights: int
    weekend_hours: float
    holiday_hours: float
    unwanted_days: int


@dataclass(frozen=True, slots=True)
class Fairness:
    """How evenly a rota is spread: of all loads the spread (max - min), standard deviation and Gini coefficient.

    ``handoffs``: how often a shift goes to somebody who did not have the one of its kind before.
    """

    spread: float
    deviation: float
    gini: float
    shares: tuple[Share, ...]
    handoffs: int


@dataclass(frozen=True, slots=True)
class Rota:
    """A rota that keeps all rules.

    unfairness  what was minimised first, in points: spread times people, plus the sum of all distances to the median
    bound       no rota can have less unfairness than this
    proven      whether ``bound`` was reached: a fairer rota can only be fairer by what ``tolerance`` gave away
    settled     whether, so fair, no rota spares people more unwanted days, nights and hand-offs either
    repeatable  whether the same input gives the same rota anywhere; not when the time limit cut the search
    method      ``whole``: one search over everything; ``blocks``: block by block, then improved part by part
    """

    assignments: tuple[Assignment, ...]
    fairness: Fairness
    naive: Fairness
    naive_broken: Mapping[Rule, int]
    unfairness: float
    bound: float
    proven: bool
    settled: bool
    repeatable: bool
    method: Literal["whole", "blocks"]

    @property
    def verdict(self) -> str:
        """How good it is, in a sentence."""
        if self.proven:
            best = f"As fair as these rules let it be (unfairness {self.unfairness:.2f} points, least {self.bound:.2f})"
        else:
            best = f"The fairest found (unfairness {self.unfairness:.2f} points; none can be under {self.bound:.2f})"
        return f"{best}; the spread is {self.fairness.spread:.2f} points, in plain rotation {self.naive.spread:.2f}."


class RotaError(Exception):
    """No rota; the text says why."""


class SolverMissing(RotaError):
    """The optional solver is not installed."""


class Undecided(RotaError):
    """The time ran out before a rota was found or shown to be impossible."""


class Impossible(RotaError):
    """No rota keeps all rules. ``reasons``: sentences; ``rules``: those that cannot hold together."""

    def __init__(self, reasons: tuple[str, ...], rules: tuple[Rule, ...]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons
        self.rules = rules
