"""What a schedule is made of, as the calculator takes it: plain values, instants, ids of people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

Unit = Literal["hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
Holidays = Literal["", "only", "except"]
ALL_DAYS = frozenset(range(1, 8))
HORIZON = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A window of local time that begins on certain days, from minute ``start`` to minute ``end`` of the local day.

    A day must be of all the kinds that are given: ``days`` (1 Monday ... 7 Sunday), ``month_days`` (1 ... 31, or
    -1 ... -31 counted from the month's end; empty: all), ``months`` (1 ... 12; empty: all), and with ``holidays``
    ``only`` or ``except`` a public holiday of ``region`` (``DE``, ``DE-BY``) or none.
    """

    days: frozenset[int]
    start: int
    end: int
    month_days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    holidays: Holidays = ""
    region: str = ""

    @property
    def weekly(self) -> bool:
        """Whether it asks for weekdays only."""
        return not (self.month_days or self.months or self.holidays)


@dataclass(frozen=True, slots=True)
class Handoff:
    """A weekly moment of hand-off: weekday (1 Monday ... 7 Sunday) and minute of the local day."""

    day: int
    minute: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A rotation: ``members``, groups of user ids, in turn; ``length`` units each, from the anchor on.

    position        its place; a higher one goes before a lower one
    level           what goes before what when it is not the place: layers of one level run beside each other
    zone            in which its local times are meant; empty: the schedule's
    weekdays        (1 Monday ... 7 Sunday) for days only: the days that count; empty: all
    handoffs        for weeks only: a turn ends at each of these instead of after seven days
    shift_minutes   on call only for the first so many minutes of a turn, by the clock on the wall; None: all of it
    """

    id: int
    name: str
    position: int
    unit: Unit
    length: int
    anchor: datetime
    members: tuple[tuple[int, ...], ...]
    restrictions: tuple[Restriction, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    handoffs: tuple[Handoff, ...] = ()
    shift_minutes: int | None = None
    level: int | None = None
    zone: str = ""

    @property
    def precedence(self) -> int:
        return self.position if self.level is None else self.level


OverrideKind = Literal["instead", "beside", "shadow"]
OVERRIDE_KINDS: tuple[OverrideKind, ...] = ("instead", "beside", "shadow")


@dataclass(frozen=True, slots=True)
class Override:
    """A change to who is on call from ``start`` to ``end``, whatever the layers name.

    ``instead``  ``user_id`` instead of everybody, or of ``replaces`` alone while that person is on call; without a
                 ``user_id`` nobody instead: a gap by intent
    ``beside``   ``user_id`` as well
    ``shadow``   ``user_id`` comes along to learn or to help: is told, and is not on call
    """

    id: int
    user_id: int | None
    start: datetime
    end: datetime
    reason: str = ""
    kind: OverrideKind = "instead"
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Layers in any order; overrides in the order of their adding.

    ``left``: people who no longer count, and from when on. ``uncovered``: when nobody needs to be on call.
    """

    id: int
    name: str
    zone: str
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    slug: str = ""
    team_id: int | None = None
    left: Mapping[int, datetime] = field(default_factory=dict)
    uncovered: tuple[Restriction, ...] = ()


class Gap(NamedTuple):
    """A stretch in which nobody is on call; ``meant``: nobody needs to be."""

    start: datetime
    end: datetime
    meant: bool


class Shift(NamedTuple):
    """One person's stretch, and what put them there: a layer or an override."""

    user_id: int
    start: datetime
    end: datetime
    schedule_id: int
    layer: Layer | None = None
    override: Override | None = None
