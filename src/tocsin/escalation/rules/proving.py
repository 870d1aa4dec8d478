"""Proof that somebody reachable is there at every step of a policy, at every moment; or the counter-example. Pure.

A step of a run may fall on any moment of the day, since an incident may. So a policy holds from one moment to another
when, at each moment between them, each of its steps finds somebody who can be reached. That is worked out on spans of
time, not sampled: shifts are exact to the microsecond, so an hour that a clock change opens is found as well as a
month without a rota.

A gap by intent (a schedule says that nobody needs to be on call) is no counter-example while another step, or the
fallback, finds somebody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from tocsin.escalation.rules.planning import PolicySnapshot, Target, duration
from tocsin.escalation.rules.reaching import Urgency
from tocsin.oncall import rules as oncall
from tocsin.oncall.rules.spans import both, united, without
from tocsin.oncall.rules.wallclock import Span, from_us, to_us

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Away:
    """When and why a person cannot be reached: ``is away (vacation)``, ``has no verified contact method``."""

    start: datetime
    end: datetime
    why: str


@dataclass(frozen=True)
class World:
    """Everything that decides whom a target finds and whether they can be reached. ``away`` by person and urgency."""

    schedules: Mapping[int, oncall.Schedule]
    teams: Mapping[int, Sequence[int]]
    people: Mapping[int, str]
    away: Mapping[tuple[int, Urgency], Sequence[Away]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """A counter-example: from ``start`` to ``end`` a step finds nobody who can be reached.

    step    1 ... steps; 0: no step does, nor the fallback
    more    how many further gaps this step has, and how long all are together
    zone    in which its moments are best told
    spans   all gaps of this step, in microseconds since 1970
    """

    policy_id: int | None
    policy: str
    urgency: Urgency
    step: int
    start: datetime
    end: datetime
    why: str
    zone: str
    more: int = 0
    total_s: int = 0
    schedule_ids: tuple[int, ...] = ()
    spans: tuple[Span, ...] = ()

    @property
    def sentence(self) -> str:
        """The counter-example in one sentence."""
        where = f"step {self.step} of {self.policy}" if self.step else f"{self.policy}, any step and its fallback,"
        return f"{self.when}, {where} finds nobody who can be reached: {self.why}."

    @property
    def when(self) -> str:
        """``Sun 29 Mar 2026 02:00 to 03:00 Europe/Berlin (1 hour)``."""
        low, high = (at.astimezone(ZoneInfo(self.zone)) for at in (self.start, self.end))
        until = f"{high:%H:%M}" if high.date() == low.date() else f"{high:%a} {high.day} {high:%b %Y %H:%M}"
        if low.utcoffset() != high.utcoffset() and high.date() == low.date():
            # clocks change in between: 02:00 to 02:00 may be an hour
            return f"{low:%a} {low.day} {low:%b %Y %H:%M %Z} to {until} {high:%Z} {self.zone} ({self._length})"
        return f"{low:%a} {low.day} {low:%b %Y %H:%M} to {until} {self.zone} ({self._length})"

    @property
    def _length(self) -> str:
        return duration(max(1, round((self.end - self.start).total_seconds() / 60)) * 60)


class Prover:
    """Proves policies in one world from ``start`` to ``end``; remembers what schedules and people cover."""

    def __init__(self, world: World, start: datetime, end: datetime) -> None:
        self.world = world
        self.start, self.end = start, end
        self.all: list[Span] = [(to_us(start), to_us(end))]
        self._people: dict[tuple[int, Urgency], list[Span]] = {}
        self._shifts: dict[int, list[oncall.Shift]] = {}
        self._targets: dict[tuple[Target, Urgency], list[Span]] = {}

    def gaps(self, policy: PolicySnapshot, urgency: Urgency) -> list[Gap]:
        """The counter-examples for a policy, the earliest of each step; empty: it is proven."""
        covered = [self._any(step.targets, urgency) for step in policy.steps]
        anyone = united(span for spans in (*covered, self._any(policy.fallback, urgency)) for span in spans)
        found = []
        if nobody := without(self.all, anyone):
            targets = tuple(target for step in policy.steps for target in step.targets) + policy.fallback
            found.append(self._gap(policy, urgency, 0, targets, nobody))
        for number, (step, spans) in enumerate(zip(policy.steps, covered, strict=True), 1):
            empty = without(both(without(self.all, spans), anyone), self._meant(step.targets))
            if empty:
                found.append(self._gap(policy, urgency, number, step.targets, empty))
        return found

    def _any(self, targets: Sequence[Target], urgency: Urgency) -> list[Span]:
        return united(span for target in targets for span in self._reached(target, urgency))

    def _reached(self, target: Target, urgency: Urgency) -> list[Span]:
        """When a target finds somebody who can be reached."""
        key = (target, urgency)
        if key not in self._targets:
            self._targets[key] = self._find(target, urgency)
        return self._targets[key]

    def _find(self, target: Target, urgency: Urgency) -> list[Span]:
        if target.kind == "user":
            return self._reachable(target.id, urgency)
        if target.kind == "team":
            return united(
                span for user in self.world.teams.get(target.id, ()) for span in self._reachable(user, urgency)
            )
        by_user: dict[int, list[Span]] = {}
        for shift in self._final(target.id):
            by_user.setdefault(shift.user_id, []).append((to_us(shift.start), to_us(shift.end)))
        return united(
            span for user, spans in by_user.items() for span in both(united(spans), self._reachable(user, urgency))
        )

    def _final(self, schedule_id: int) -> list[oncall.Shift]:
        if schedule_id not in self._shifts:
            schedule = self.world.schedules.get(schedule_id)
            self._shifts[schedule_id] = oncall.final_schedule(schedule, self.start, self.end) if schedule else []
        return self._shifts[schedule_id]

    def _reachable(self, user: int, urgency: Urgency) -> list[Span]:
        key = (user, urgency)
        if key not in self._people:
            away = [(to_us(one.start), to_us(one.end)) for one in self.world.away.get(key, ())]
            self._people[key] = without(self.all, united(away)) if user in self.world.people else []
        return self._people[key]

    def _meant(self, targets: Sequence[Target]) -> list[Span]:
        """When a step that names only schedules is meant to find nobody."""
        meant = self.all
        for target in targets:
            schedule = self.world.schedules.get(target.id) if target.kind == "schedule" else None
            meant = both(meant, oncall.meant_gaps(schedule, self.start, self.end)) if schedule else []
        return meant if targets else []

    def _gap(
        self, policy: PolicySnapshot, urgency: Urgency, step: int, targets: Sequence[Target], spans: list[Span]
    ) -> Gap:
        (low, high), start = spans[0], from_us(spans[0][0])
        schedules = tuple(dict.fromkeys(target.id for target in targets if target.kind == "schedule"))
        zone = next((self.world.schedules[key].zone for key in schedules if key in self.world.schedules), "UTC")
        return Gap(
            policy_id=policy.policy_id,
            policy=policy.name,
            urgency=urgency,
            step=step,
            start=start,
            end=from_us(high),
            why=self._why(targets, urgency, low),
            zone=zone,
            more=len(spans) - 1,
            total_s=sum(stop - begin for begin, stop in spans) // SECOND,
            schedule_ids=schedules,
            spans=tuple(spans),
        )

    def _why(self, targets: Sequence[Target], urgency: Urgency, instant: int) -> str:
        """Why the targets find nobody at an instant, each cause once."""
        causes: list[str] = []
        for target in targets:
            name = target.name or f"{target.kind} {target.id}"
            if target.kind == "schedule":
                on = [s.user_id for s in self._final(target.id) if to_us(s.start) <= instant < to_us(s.end)]
                if target.id not in self.world.schedules:
                    causes.append(f"there is no {name} any more")
                elif on:
                    causes += [f"{self._person(user, urgency, instant)} and is on call in {name}" for user in on]
                else:
                    causes.append(f"nobody is on call in {name}")
            elif target.kind == "team":
                members = self.world.teams.get(target.id, ())
                causes.append(f"nobody in team {name} can be reached" if members else f"team {name} has nobody")
            else:
                causes.append(self._person(target.id, urgency, instant))
        return ", ".join(dict.fromkeys(causes)) or "it names nobody"

    def _person(self, user: int, urgency: Urgency, instant: int) -> str:
        name = self.world.people.get(user)
        if name is None:
            return "somebody who left"
        for one in self.world.away.get((user, urgency), ()):
            if to_us(one.start) <= instant < to_us(one.end):
                return f"{name} {one.why}"
        return f"{name} can be reached"
