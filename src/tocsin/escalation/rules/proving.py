"""Proof that somebody reachable is there at every step of a policy, at every moment; or the counter-example. Pure.

A step of a run may fall on any moment of the day, since an incident may. So a policy holds from one moment to another
when, at each moment between them, each of its steps finds somebody who can be reached. That is worked out on spans of
time, not sampled: shifts are exact to the microsecond, so an hour that a clock change opens is found as well as a
month without a rota.

A gap by intent (a schedule says that nobody needs to be on call) is no counter-example while another step, or the
fallback, finds somebody. A step whose condition does not hold needs nobody; where none holds, the fallback must be
reached. Of a step that rotates any of its people may have the turn, so that each of them must be reachable. A step that
asks for several acknowledgements needs as many people who can be reached. A webhook is nobody: a step that only calls
webhooks needs nobody and reaches nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from tocsin.escalation.rules.holding import Case, Conditions
from tocsin.escalation.rules.reaching import Urgency
from tocsin.escalation.rules.shapes import ALL, PolicySnapshot, Step, Target, duration
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
    """Everything that decides whom a target finds and whether they can be reached. ``away`` by person and urgency.

    ``managers``: of people who have one; ``leads``: the managers of teams; ``zones`` in which people live.
    """

    schedules: Mapping[int, oncall.Schedule]
    teams: Mapping[int, Sequence[int]]
    people: Mapping[int, str]
    away: Mapping[tuple[int, Urgency], Sequence[Away]] = field(default_factory=dict)
    managers: Mapping[int, int] = field(default_factory=dict)
    leads: Mapping[int, Sequence[int]] = field(default_factory=dict)
    zones: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """A counter-example: from ``start`` to ``end`` a step finds nobody who can be reached.

    step    1 ... steps; 0: no step does, nor the fallback
    more    how many further gaps this step has, and how long all are together
    zone    in which its moments are best told
    spans   all gaps of this step, in microseconds since 1970
    acks    how many acknowledgements the step asks for, where it finds somebody but too few (``ALL``: of everybody)
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
    acks: int = 1

    @property
    def sentence(self) -> str:
        """The counter-example in one sentence."""
        where = f"step {self.step} of {self.policy}" if self.step else f"{self.policy}, any step and its fallback,"
        if self.acks != 1:
            wanted = f"{self.acks} acknowledgements" if self.acks else "everybody's acknowledgement"
            return f"{self.when}, {where} asks for {wanted} and finds too few who can be reached: {self.why}."
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
        self._conditions = Conditions(to_us(start), to_us(end))

    def gaps(self, policy: PolicySnapshot, urgency: Urgency, cases: Sequence[Case | None] = (None,)) -> list[Gap]:
        """The counter-examples for a policy, the earliest of each step; empty: it is proven.

        ``cases``: the kinds of incidents for which it must hold, where its steps depend on that; a gap in any is one.
        """
        nobody: list[Span] = []
        empty: list[list[Span]] = [[] for _ in policy.steps]
        few: list[list[Span]] = [[] for _ in policy.steps]
        fallback = self._any(policy.fallback, urgency)
        for case in cases:
            active = [self._conditions.holding(step.conditions, case) for step in policy.steps]
            covered = [
                both(self._step(step, step.urgency or urgency, case), spans)
                for step, spans in zip(policy.steps, active, strict=True)
            ]
            anyone = united(span for spans in (*covered, fallback) for span in spans)
            nobody += without(self.all, anyone)
            for number, step in enumerate(policy.steps):
                missing = both(without(active[number], covered[number]), anyone)
                if step.people or not step.targets:
                    empty[number] += without(missing, self._meant(step.people))
                if step.acks != 1:
                    few[number] += without(covered[number], self._enough(step, step.urgency or urgency, case))
        found = []
        if alone := united(nobody):
            targets = tuple(target for step in policy.steps for target in step.people) + policy.fallback
            found.append(self._gap(policy, urgency, 0, targets, alone))
        for number, (step, spans, short) in enumerate(zip(policy.steps, empty, few, strict=True), 1):
            how_urgent = step.urgency or urgency
            if spans:
                found.append(self._gap(policy, how_urgent, number, step.people, united(spans), step))
            if missed := united(short):
                gap = self._gap(policy, how_urgent, number, step.people, missed, step)
                why = self._too_few(step, how_urgent, missed[0][0])
                found.append(replace(gap, acks=step.acks, why=why))
        return found

    def _step(self, step: Step, urgency: Urgency, case: Case | None) -> list[Span]:
        """When whomever a step pages can be reached, while its condition holds."""
        if not step.rotate and not step.when:
            return self._any(step.people, urgency)
        chosen = self._chosen(step, case)
        if not step.rotate:
            return united(
                span for user, spans in chosen.items() for span in both(spans, self._reachable(user, urgency))
            )
        missed = united(
            span for user, spans in chosen.items() for span in without(spans, self._reachable(user, urgency))
        )
        return without(united(span for spans in chosen.values() for span in spans), missed)

    def _chosen(self, step: Step, case: Case | None) -> dict[int, list[Span]]:
        """Whom a step finds, and when, whether or not they can be reached."""
        named: dict[int, list[Span]] = {}
        for target in step.people:
            for user, spans in self._named(target).items():
                named.setdefault(user, []).extend(spans)
        return {
            user: both(united(spans), self._conditions.choosing(step.when, case, self.world.zones.get(user, "")))
            for user, spans in named.items()
        }

    def _enough(self, step: Step, urgency: Urgency, case: Case | None) -> list[Span]:
        """When as many people as a step asks to acknowledge can be reached."""
        chosen = self._chosen(step, case)
        if step.acks == ALL:
            return without(
                self.all,
                united(
                    span for user, spans in chosen.items() for span in without(spans, self._reachable(user, urgency))
                ),
            )
        edges: list[tuple[int, int]] = []
        for user, spans in chosen.items():
            for begin, end in both(spans, self._reachable(user, urgency)):
                edges += [(begin, 1), (end, -1)]
        found: list[Span] = []
        count, since = 0, 0
        for at, change in sorted(edges):
            before, count = count, count + change
            if before < step.acks <= count:
                since = at
            elif count < step.acks <= before and since < at:
                found.append((since, at))
        return united(found)

    def _too_few(self, step: Step, urgency: Urgency, instant: int) -> str:
        now = [(instant, instant + 1)]
        there = [user for target in step.people for user, spans in self._named(target).items() if both(spans, now)]
        there = list(dict.fromkeys(there))
        if step.acks == ALL:
            missed = [user for user in there if not both(self._reachable(user, urgency), now)]
            return " and ".join(self._person(user, urgency, instant) for user in missed[:3])
        reached = [self.world.people[user] for user in there if both(self._reachable(user, urgency), now)]
        return f"only {' and '.join(reached[:3])} can be reached"

    def _any(self, targets: Sequence[Target], urgency: Urgency) -> list[Span]:
        return united(span for target in targets for span in self._reached(target, urgency))

    def _reached(self, target: Target, urgency: Urgency) -> list[Span]:
        """When a target finds somebody who can be reached."""
        key = (target, urgency)
        if key not in self._targets:
            self._targets[key] = united(
                span
                for user, spans in self._named(target).items()
                for span in both(spans, self._reachable(user, urgency))
            )
        return self._targets[key]

    def _named(self, target: Target) -> dict[int, list[Span]]:
        """Whom a target finds, and when."""
        kind, key = target.subject
        if target.kind == "manager" and kind == "team":
            return {user: self.all for user in self.world.leads.get(key, ()) if user in self.world.people}
        by_user: dict[int, list[Span]] = {}
        if kind == "user":
            by_user[key] = self.all
        elif kind == "team":
            by_user = dict.fromkeys(self.world.teams.get(key, ()), self.all)
        elif kind == "schedule":
            for shift in self._final(key):
                by_user.setdefault(shift.user_id, []).append((to_us(shift.start), to_us(shift.end)))
        if target.kind == "manager":
            above: dict[int, list[Span]] = {}
            for user, spans in by_user.items():
                # somebody who left is not on call, but whoever is named stands for their manager also then
                if user in self.world.managers and (user in self.world.people or kind == "user"):
                    above.setdefault(self.world.managers[user], []).extend(spans)
            by_user = above
        return {user: united(spans) for user, spans in by_user.items() if user in self.world.people}

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
        self,
        policy: PolicySnapshot,
        urgency: Urgency,
        number: int,
        targets: Sequence[Target],
        spans: list[Span],
        step: Step | None = None,
    ) -> Gap:
        (low, high), start = spans[0], from_us(spans[0][0])
        schedules = tuple(dict.fromkeys(target.id for target in targets if target.kind == "schedule"))
        zone = next((self.world.schedules[key].zone for key in schedules if key in self.world.schedules), "UTC")
        return Gap(
            policy_id=policy.policy_id,
            policy=policy.name,
            urgency=urgency,
            step=number,
            start=start,
            end=from_us(high),
            why=(self._why_not(step, urgency, low) if step else "") or self._why(targets, urgency, low),
            zone=zone,
            more=len(spans) - 1,
            total_s=sum(stop - begin for begin, stop in spans) // SECOND,
            schedule_ids=schedules,
            spans=tuple(spans),
        )

    def _why_not(self, step: Step, urgency: Urgency, instant: int) -> str:
        """Why a step with turns or a condition reaches nobody at an instant although its targets find somebody."""
        if not step.rotate and not step.when:
            return ""
        now = [(instant, instant + 1)]
        named = [user for target in step.people for user, spans in self._named(target).items() if both(spans, now)]
        missed = [user for user in dict.fromkeys(named) if not both(self._reachable(user, urgency), now)]
        if step.rotate and missed:
            return " and ".join(f"{self._person(user, urgency, instant)} and may have the turn" for user in missed[:3])
        return f"those who can be reached are not among those for whom {step.when}" if len(missed) < len(named) else ""

    def _why(self, targets: Sequence[Target], urgency: Urgency, instant: int) -> str:
        """Why the targets find nobody at an instant, each cause once."""
        causes: list[str] = []
        for target in targets:
            kind, key = target.subject
            name = target.name or f"{kind} {key}"
            if kind == "owner":
                causes.append("no team owns the service")
                continue
            if target.kind == "manager":
                above = [user for user, spans in self._named(target).items() if both(spans, [(instant, instant + 1)])]
                causes += [f"{self._person(user, urgency, instant)} (manager of {name})" for user in above]
                causes += [] if above else [f"nobody is on record as manager of {name}"]
                continue
            if target.kind == "schedule":
                on = [s.user_id for s in self._final(target.id) if to_us(s.start) <= instant < to_us(s.end)]
                if target.id not in self.world.schedules:
                    causes.append(f"there is no {name} any more")
                elif on:
                    causes += [f"{self._person(user, urgency, instant)} and is on call in {name}" for user in on]
                else:
                    causes.append(f"nobody is on call in {name}")
            elif kind == "team":
                members = self.world.teams.get(key, ())
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
