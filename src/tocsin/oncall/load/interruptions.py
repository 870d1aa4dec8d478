"""What pages do to people's sleep: interruptions, bad nights, a budget, and relief on the morning after. Pure.

Only pages within a person's night (``Habits.night``, by their own clock, weekends and holidays too) disturb sleep.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from tocsin.oncall.load.hours import KINDS, Habits, HourKind, kind_at, night_of
from tocsin.oncall.rules.shapes import Shift
from tocsin.oncall.rules.wallclock import local_instant

TOGETHER = timedelta(minutes=30)
LONG = timedelta(minutes=60)
SEVERAL = 2
RELIEF_UNTIL = 13 * 60


class Paged(NamedTuple):
    """A page as it reached somebody. ``answered_at``: when they answered it; None: they did not."""

    user_id: int
    at: datetime
    incident_id: int
    answered_at: datetime | None = None
    urgency: str = "high"


@dataclass(frozen=True, slots=True)
class Interruption:
    """Pages of one night so near to each other that they woke the person once, from the first to the last answer.

    ``night``: the local day on which that night began.
    """

    user_id: int
    night: date
    start: datetime
    end: datetime
    pages: tuple[Paged, ...]

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class BadNight:
    """A night without rest, and why, in words."""

    user_id: int
    night: date
    interruptions: tuple[Interruption, ...]
    why: str

    @property
    def end(self) -> datetime:
        """When the last interruption ended."""
        return max(one.end for one in self.interruptions)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of what a person may bear was used from ``start`` to ``end``.

    ``exceeded_at``: when the first interruption beyond it began; None: not.
    """

    user_id: int
    start: datetime
    end: datetime
    allowed: int
    used: int
    exceeded_at: datetime | None

    @property
    def left(self) -> int:
        return max(0, self.allowed - self.used)


@dataclass(frozen=True, slots=True)
class Relief:
    """A proposal: somebody else takes this schedule from ``start`` to ``end`` so that the person can sleep."""

    user_id: int
    schedule_id: int
    start: datetime
    end: datetime
    why: str


def pages_by_kind(pages: Iterable[Paged], habits: Mapping[int, Habits]) -> dict[int, dict[HourKind, int]]:
    """How many pages reached each person in which kind of hour, by user id; all kinds."""
    found: dict[int, dict[HourKind, int]] = {}
    for page in pages:
        counts = found.setdefault(page.user_id, dict.fromkeys(KINDS, 0))
        counts[kind_at(page.at, habits.get(page.user_id) or Habits())] += 1
    return dict(sorted(found.items()))


def interruptions_of(
    pages: Iterable[Paged],
    habits: Mapping[int, Habits],
    together: timedelta = TOGETHER,
    urgencies: Collection[str] | None = None,
) -> list[Interruption]:
    """The interruptions of sleep, by start and user.

    A page at most ``together`` after the one before it belongs to the same interruption. ``urgencies``: only pages of
    these wake anybody; None: all. A page that was not answered took no longer than its own moment.
    """
    nights: dict[tuple[int, date], list[Paged]] = defaultdict(list)
    for page in pages:
        if urgencies is None or page.urgency in urgencies:
            night = night_of(page.at, habits.get(page.user_id) or Habits())
            if night is not None:
                nights[page.user_id, night].append(page)
    found: list[Interruption] = []
    for (user, night), own in nights.items():
        own.sort(key=lambda page: (page.at, page.incident_id))
        near: list[Paged] = []
        for page in own:
            if near and page.at - near[-1].at > together:
                found.append(_interruption(user, night, near))
                near = []
            near.append(page)
        found.append(_interruption(user, night, near))
    return sorted(found, key=lambda one: (one.start, one.user_id))


def _interruption(user: int, night: date, near: Sequence[Paged]) -> Interruption:
    end = max(max(page.at, page.answered_at or page.at) for page in near)
    return Interruption(user, night, near[0].at, end, tuple(near))


def bad_nights(found: Iterable[Interruption], several: int = SEVERAL, long: timedelta = LONG) -> list[BadNight]:
    """Nights with ``several`` interruptions or more, or with one longer than ``long``; by night and user."""
    nights: dict[tuple[date, int], list[Interruption]] = defaultdict(list)
    for one in found:
        nights[one.night, one.user_id].append(one)
    bad = []
    for (night, user), own in sorted(nights.items()):
        longest = max(one.length for one in own)
        why = []
        if len(own) >= several:
            why.append(f"woken {len(own)} times" if len(own) > 1 else "woken once")
        if longest > long:
            why.append(f"awake for {longest // timedelta(minutes=1)} min at a stretch")
        if why:
            bad.append(BadNight(user, night, tuple(own), ", ".join(why)))
    return bad


def budget(
    found: Iterable[Interruption],
    user_id: int,
    at: datetime,
    allowed: int,
    weeks: Literal[1, 4] = 1,
    each: Literal["interruption", "page"] = "interruption",
) -> Budget:
    """How much of ``allowed`` interruptions (or pages) at night a person used up in the ``weeks`` before ``at``.

    The weeks slide: 168 hours each, back from ``at``. Raises ValueError for a negative ``allowed``.
    """
    if allowed < 0:
        raise ValueError("allowed: 0 or more")
    start = at - timedelta(weeks=weeks)
    own = [one for one in found if one.user_id == user_id]
    moments = [one.start for one in own] if each == "interruption" else [page.at for one in own for page in one.pages]
    used = sorted(moment for moment in moments if start <= moment < at)
    return Budget(user_id, start, at, allowed, len(used), used[allowed] if len(used) > allowed else None)


def relief(
    bad: Iterable[BadNight], shifts: Iterable[Shift], habits: Mapping[int, Habits], until: int = RELIEF_UNTIL
) -> list[Relief]:
    """Who should be covered after a bad night: from its last interruption's end until minute ``until`` of the morning.

    By the person's own clock, for each schedule that they are on call for then; nothing for others. By start.
    """
    bad = list(bad)
    found: list[Relief] = []
    for shift in shifts:
        if shift.override is not None and shift.override.kind == "shadow":
            continue
        for night in bad:
            if night.user_id != shift.user_id:
                continue
            theirs = habits.get(night.user_id) or Habits()
            morning = night.night + timedelta(days=1 if theirs.night[1] <= theirs.night[0] else 0)
            noon = datetime(morning.year, morning.month, morning.day) + timedelta(minutes=until)  # noqa: DTZ001 - local
            start, end = max(shift.start, night.end), min(shift.end, local_instant(theirs.zone, noon))
            if start < end:
                found.append(Relief(night.user_id, shift.schedule_id, start, end, night.why))
    return sorted(found, key=lambda one: (one.start, one.user_id, one.schedule_id))
