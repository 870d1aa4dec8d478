"""Who is on call over a window, as PagerDuty renders it: entries with start, end and user."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tocsin.api.pagerduty import users
from tocsin.api.pagerduty.asking import Asked, told
from tocsin.api.pagerduty.errors import Refused
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules
from tocsin.platform import clock

AROUND = timedelta(days=62)  # what lies beside a window is looked at for so long, for shifts at their whole length
LONGEST = timedelta(days=366)
USUAL = timedelta(days=14)
AHEAD = timedelta(days=90)


class Stretch(NamedTuple):
    """Somebody's stretch."""

    user_id: int
    start: datetime
    end: datetime


class Window(NamedTuple):
    """From when to when is looked."""

    since: datetime
    until: datetime


EVER = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Draft:
    """A schedule that is not kept, with the fields that telling it needs."""

    pk: int | None
    name: str
    slug: str
    zone: str
    description: str
    team_id: int | None = None
    team: Any = None


class Clock:
    """Tells moments as the request wants them: in ``time_zone``, else in UTC."""

    def __init__(self, asked: Asked) -> None:
        name = asked.query.get("time_zone", "").strip()
        if name and not rules.known_zone(name):
            raise Refused(400, ["time_zone: an IANA time zone such as Europe/Berlin"], code=2002)
        self.zone = ZoneInfo(name) if name else None

    def __call__(self, at: datetime | None) -> str | None:
        if at is None or self.zone is None:
            return told(at)
        return at.astimezone(self.zone).isoformat(timespec="seconds")


def window_of(asked: Asked) -> Window | None:
    """``since`` and ``until``, of which one may be missing; None when neither is given. Raises Refused (2005)."""
    since, until = asked.moment("since"), asked.moment("until")
    if since is None and until is None:
        return None
    since = since or (until or clock.now()) - USUAL
    until = until or since + USUAL
    if not timedelta() < until - since <= LONGEST:
        raise Refused(400, [f"until must be after since, by {LONGEST.days} days at most"], code=2005)
    return Window(since, until)


def now() -> Window:
    """This very moment."""
    at = clock.now()
    return Window(at, at + timedelta(microseconds=1))


def load(asked: Asked, schedule_ids: Iterable[int], window: Window) -> dict[int, rules.Schedule]:
    """Schedules for the calculator, five queries however many."""
    return oncall.load(schedule_ids, window.since - AROUND, window.until + AROUND)


def people_in(loaded: Iterable[rules.Schedule]) -> set[int]:
    """Everybody whom schedules name."""
    found: set[int] = set()
    for schedule in loaded:
        found.update(user for layer in schedule.layers for group in layer.members for user in group)
        found.update(one.user_id for one in schedule.overrides if one.user_id is not None)
    return found


def _plain(shifts: Iterable[rules.Shift]) -> list[Stretch]:
    return sorted(
        (Stretch(one.user_id, one.start, one.end) for one in shifts), key=lambda one: (one.start, one.user_id)
    )


def of_all(schedule: rules.Schedule, window: Window, *, overflow: bool = False) -> list[Stretch]:
    """The final schedule; ``overflow``: shifts at both ends at their whole length."""
    if overflow:
        return _plain(oncall.whole_shifts(schedule, *window))
    return _plain(rules.final_schedule(schedule, *window))


def of_layer(schedule: rules.Schedule, position: int, window: Window, *, overflow: bool = False) -> list[Stretch]:
    """A layer alone, with the rows that stood at its place before it was changed."""
    since, until = (window.since - AROUND, window.until + AROUND) if overflow else window
    rows = [layer for layer in schedule.layers if layer.position == position]
    found = _plain(shift for layer in rows for shift in rules.rendered(schedule, layer, since, until))
    return [one for one in found if one.end > window.since and one.start < window.until]


def of_overrides(schedule: rules.Schedule, window: Window, *, overflow: bool = False) -> list[Stretch]:
    """Overrides that put somebody on call."""
    found = []
    for one in schedule.overrides:
        start, end = (one.start, one.end) if overflow else (max(one.start, window.since), min(one.end, window.until))
        touches = one.start < window.until and one.end > window.since
        if touches and one.user_id is not None and one.kind != "shadow":
            found.append(Stretch(one.user_id, start, end))
    return sorted(found, key=lambda one: (one.start, one.user_id))


def coverage(stretches: Sequence[Stretch], window: Window) -> float:
    """The part of the window, in percent, in which somebody is there."""
    covered, upto = timedelta(), window.since
    for one in sorted(stretches, key=lambda one: one.start):
        start, end = max(one.start, upto), min(one.end, window.until)
        if start < end:
            covered += end - start
            upto = end
    return round(covered / (window.until - window.since) * 100, 2)


def entries(
    asked: Asked, stretches: Sequence[Stretch], people: Mapping[int, dict[str, Any]], window: Window | None
) -> dict[str, Any]:
    """Entries with their people, and how much of the window they cover; without a window none and null."""
    at = Clock(asked)
    return {
        "rendered_schedule_entries": [
            {"start": at(one.start), "end": at(one.end), "user": people[one.user_id]}
            for one in stretches
            if one.user_id in people
        ],
        "rendered_coverage_percentage": coverage(stretches, window) if window else None,
    }


def next_shift(asked: Asked, schedule_id: int, person: Any) -> dict[str, Any] | None:
    """When a person is next on call in a schedule, within the next months; None: not soon."""
    window = Window(clock.now(), clock.now() + AHEAD)
    loaded = load(asked, [schedule_id], window)[schedule_id]
    mine = [one for one in of_all(loaded, window, overflow=True) if one.user_id == person.pk]
    if not mine:
        return None
    at = Clock(asked)
    return {"start": at(mine[0].start), "end": at(mine[0].end), "user": users.reference(asked, person)}
