"""Two replays side by side: pages saved, incidents missed, minutes later. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.project.replay.machine import Incident, Outcome

NIGHT = (22, 7)  # local hours of the person from which and until which a page is one at night
MOST = 50


@dataclass(frozen=True)
class Side:
    """What one configuration made of the recording."""

    incidents: int
    pages: int
    messages: int
    at_night: int
    gaps: int
    unpaged: int
    outcomes: Mapping[str, int]
    pages_by_user: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Shifted:
    """An incident whose first page comes earlier or later: ``minutes`` above zero is later."""

    signal_id: int
    service_id: int
    title: str
    opened_at: datetime
    minutes: float


@dataclass(frozen=True)
class Missed:
    """An incident that nobody would be paged for any more, or only now would be (``new``)."""

    signal_id: int
    service_id: int
    title: str
    priority: str
    opened_at: datetime


@dataclass(frozen=True)
class Difference:
    """What changes. ``missed``: in the first only; ``new``: in the second only; ``joined``: now part of another."""

    before: Side
    after: Side
    missed: Sequence[Missed]
    new: Sequence[Missed]
    joined: int
    later: Sequence[Shifted]
    earlier: Sequence[Shifted]
    later_quantiles: Sequence[float] = ()

    def to_json(self) -> dict[str, Any]:
        def side(one: Side) -> dict[str, Any]:
            return {
                "incidents": one.incidents,
                "pages": one.pages,
                "messages": one.messages,
                "at_night": one.at_night,
                "gaps": one.gaps,
                "unpaged": one.unpaged,
                "outcomes": dict(one.outcomes),
            }

        def missed(rows: Sequence[Missed]) -> dict[str, Any]:
            shown = [
                {"signal": m.signal_id, "service_id": m.service_id, "title": m.title, "priority": m.priority,
                 "at": m.opened_at.isoformat()}
                for m in rows[:MOST]
            ]  # fmt: skip
            return {"count": len(rows), "items": shown}

        def shifted(rows: Sequence[Shifted]) -> dict[str, Any]:
            shown = [
                {"signal": s.signal_id, "service_id": s.service_id, "title": s.title, "at": s.opened_at.isoformat(),
                 "minutes": round(s.minutes, 1)}
                for s in rows[:MOST]
            ]  # fmt: skip
            return {"count": len(rows), "items": shown}

        return {
            "before": side(self.before),
            "after": side(self.after),
            "pages_saved": self.before.pages - self.after.pages,
            "night_pages_saved": self.before.at_night - self.after.at_night,
            "missed": missed(self.missed),
            "new": missed(self.new),
            "joined": self.joined,
            "later": shifted(self.later) | {"quantiles_min": [round(value, 1) for value in self.later_quantiles]},
            "earlier": shifted(self.earlier),
        }


def compare(before: Outcome, after: Outcome, zones: Mapping[int, str]) -> Difference:
    """What the second configuration changes. ``zones``: of people, for what is night to them.

    An incident is the same as one of the other side when the signal that opened it belongs to it there too. It is
    missed when nobody is paged for that signal's incident, or the signal belongs to none.
    """
    second = {one.id: one for one in after.incidents}
    first = {one.id: one for one in before.incidents}
    missed: list[Missed] = []
    later: list[Shifted] = []
    earlier: list[Shifted] = []
    joined = 0
    for one in before.incidents:
        if one.first_page is None:
            continue
        other = second.get(after.incident_of.get(one.signal_id, 0))
        if other is None or other.first_page is None:
            missed.append(_missed(one))
            continue
        if other.signal_id != one.signal_id:
            joined += 1
        # who joins an incident that was paged for already is heard at once
        minutes = (max(other.first_page, one.opened_at) - one.first_page).total_seconds() / 60
        if abs(minutes) >= 0.5:
            (later if minutes > 0 else earlier).append(
                Shifted(one.signal_id, one.service_id, one.title, one.opened_at, minutes)
            )
    new = []
    for one in after.incidents:
        other = first.get(before.incident_of.get(one.signal_id, 0))
        if one.first_page is not None and (other is None or other.first_page is None):
            new.append(_missed(one))
    later.sort(key=lambda s: -s.minutes)
    earlier.sort(key=lambda s: s.minutes)
    spread = quantiles([s.minutes for s in later], n=20) if len(later) > 1 else []
    return Difference(
        _side(before, zones),
        _side(after, zones),
        missed,
        new,
        joined,
        later,
        earlier,
        (spread[9], spread[18]) if spread else (),
    )


def _missed(one: Incident) -> Missed:
    return Missed(one.signal_id, one.service_id, one.title, one.priority, one.opened_at)


def _side(outcome: Outcome, zones: Mapping[int, str]) -> Side:
    pages = outcome.pages()
    known = {user: ZoneInfo(zone) for user, zone in zones.items()}
    utc = ZoneInfo("UTC")
    night = 0
    for page in pages:
        hour = page.at.astimezone(known.get(page.user_id, utc)).hour
        night += page.urgency == "high" and (hour >= NIGHT[0] or hour < NIGHT[1])
    return Side(
        incidents=len(outcome.incidents),
        pages=len(pages),
        messages=sum(page.messages for page in pages),
        at_night=night,
        gaps=sum(one.gaps for one in outcome.incidents),
        unpaged=sum(not one.pages for one in outcome.incidents),
        outcomes=dict(sorted(outcome.outcomes.items())),
        pages_by_user=Counter(page.user_id for page in pages),
    )
