"""Who must know next, and when. Pure: a policy, where its run stands and who is where in; pages and reasons out.

The words: a *policy* has *steps*; a *run* is one policy at work for one incident; all steps once are a *loop*. The
engine, the simulator, the policy page and the property tests all call ``plan``; nobody else decides who is paged.

What ``plan`` promises:

* A step pages everybody its targets name, each person once, and then waits ``wait_s`` for an answer.
* A step that finds nobody pages the fallback instead, and the gap is on record.
* When the fallback is nobody either, the gap is on record and the next step runs at once, unless no step of the policy
  finds anybody now: then the run keeps its waiting times, so that whoever comes on call in the meantime is found.
* After the last step the steps repeat ``repeats`` times; then the fallback is paged, "nobody answered", and the run is
  done.
* Every page, also the page to nobody, carries its whole reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

TargetKind = Literal["user", "schedule", "team"]
KINDS: tuple[TargetKind, ...] = ("user", "schedule", "team")

MAX_SNOOZE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a step names: one person, whoever is on call in a schedule, or everybody in a team.

    ``name`` is only for reading (a person's, schedule's or team's name when the snapshot was taken).
    """

    kind: TargetKind
    id: int
    name: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": self.id, **({"name": self.name} if self.name else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Target":
        """Raises ValueError when it is no target."""
        if data.get("kind") not in KINDS or not isinstance(data.get("id"), int):
            raise ValueError(f"not a target: {data!r}")
        return cls(kind=data["kind"], id=data["id"], name=str(data.get("name", "")))

    def words(self) -> str:
        """As in "whoever is on call in Payments primary"."""
        name = self.name or f"{self.kind} {self.id}"
        if self.kind == "schedule":
            return f"whoever is on call in {name}"
        return f"everybody in {name}" if self.kind == "team" else name


@dataclass(frozen=True, slots=True)
class Step:
    """Page the targets, then wait ``wait_s`` seconds for an answer before the next step."""

    targets: tuple[Target, ...]
    wait_s: int


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """A policy as it was when a run began; an edit never changes a running page."""

    policy_id: int | None
    name: str
    version: int
    steps: tuple[Step, ...]
    repeats: int = 0
    ack_timeout_s: int | None = None
    fallback: tuple[Target, ...] = ()

    @property
    def targets(self) -> frozenset[Target]:
        """All targets that any step or the fallback names; what a resolver must know."""
        return frozenset(self.fallback).union(*(step.targets for step in self.steps))

    def ids(self, kind: TargetKind) -> set[int]:
        """Ids of the targets of one kind."""
        return {target.id for target in self.targets if target.kind == kind}

    def to_json(self) -> dict[str, Any]:
        return {
            "policy_id": self.policy_id,
            "name": self.name,
            "version": self.version,
            "steps": [
                {"targets": [target.to_json() for target in step.targets], "wait_s": step.wait_s} for step in self.steps
            ],
            "repeats": self.repeats,
            "ack_timeout_s": self.ack_timeout_s,
            "fallback": [target.to_json() for target in self.fallback],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PolicySnapshot":
        """The inverse of ``to_json``. Raises KeyError or ValueError on anything else."""
        return cls(
            policy_id=data["policy_id"],
            name=data["name"],
            version=data["version"],
            steps=tuple(
                Step(tuple(Target.from_json(target) for target in step["targets"]), step["wait_s"])
                for step in data["steps"]
            ),
            repeats=data["repeats"],
            ack_timeout_s=data["ack_timeout_s"],
            fallback=tuple(Target.from_json(target) for target in data["fallback"]),
        )


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run does next: step and loop count from 0. ``step == len(steps)`` is the last word: "nobody answered"."""

    step: int = 0
    loop: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """One person whom a target stands for right now, and how: JSON-able facts of the shift, the team, the person.

    ``shadow``: comes along and is told, but nobody counts on them; shadows alone are nobody.
    """

    user_id: int
    via: dict[str, Any] = field(default_factory=dict)
    shadow: bool = False


Resolve = Callable[[Target, datetime], Sequence[Resolved]]
"""Given by the shell: who a target is at a moment. Nobody is an empty sequence."""


@dataclass(frozen=True, slots=True)
class PageReason:
    """Why a person was paged, or why nobody was.

    kind      ``step`` (the step names them), ``fallback`` (instead of nobody, or nobody answered), ``gap`` (there was
              nobody to page), ``manual`` (a person paged them by hand)
    step      1 ... ``steps``; ``steps`` + 1 is the last word after all loops
    loop      1 ... ``loops``
    target    what named the person; None for a gap
    via       how the target came to be this person: schedule, layer or override, shift start and end; team
    also      other ways in which the same step named the same person
    asked     for a fallback or a gap: the targets that found nobody
    why       for a fallback, a gap or a page by hand: the cause in words
    """

    kind: Literal["step", "fallback", "gap", "manual"]
    policy_id: int | None = None
    policy: str = ""
    version: int = 0
    step: int = 0
    steps: int = 0
    loop: int = 0
    loops: int = 0
    target: Target | None = None
    via: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[Mapping[str, Any], ...] = ()
    asked: tuple[Target, ...] = ()
    why: str = ""

    @property
    def text(self) -> str:
        """The reason as a sentence without the person's name."""
        if self.kind == "manual":
            return self.why
        where = f"{self.policy}, version {self.version}"
        if self.step <= self.steps:
            where += f", step {self.step} of {self.steps}"
            where += f", loop {self.loop} of {self.loops}" if self.loops > 1 else ""
        if self.kind == "gap":
            return f"{where}: {self.why}."
        how = via_words(self.target, self.via)
        return f"{where}: {how}." if self.kind == "step" else f"{where}: {self.why}, so the fallback: {how}."

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "policy": {"id": self.policy_id, "name": self.policy, "version": self.version},
            "step": self.step,
            "steps": self.steps,
            "loop": self.loop,
            "loops": self.loops,
            "target": self.target.to_json() if self.target else None,
            "via": dict(self.via),
            "also": [dict(via) for via in self.also],
            "asked": [target.to_json() for target in self.asked],
            "why": self.why,
            "text": self.text,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PageReason":
        """The inverse of ``to_json``; missing facts are empty, so that old rows stay readable."""
        policy = data.get("policy") or {}
        target = data.get("target")
        return cls(
            kind=data["kind"],
            policy_id=policy.get("id"),
            policy=policy.get("name", ""),
            version=policy.get("version", 0),
            step=data.get("step", 0),
            steps=data.get("steps", 0),
            loop=data.get("loop", 0),
            loops=data.get("loops", 0),
            target=Target.from_json(target) if target else None,
            via=data.get("via") or {},
            also=tuple(data.get("also") or ()),
            asked=tuple(Target.from_json(asked) for asked in data.get("asked") or ()),
            why=data.get("why", ""),
        )


def via_words(target: Target | None, via: Mapping[str, Any]) -> str:
    """How a target came to be a person, in words."""
    if target is None:
        return "named directly"
    name = target.name or str(via.get(target.kind) or f"{target.kind} {target.id}")
    if target.kind == "team":
        return f"in team {name}"
    if target.kind == "user":
        return "named directly"
    if via.get("shadow"):
        return f"comes along as a shadow in {name}"
    by = f"by override ({via['override']})" if via.get("override") else ""
    by = by or ("by override" if "override" in via else f"layer {via['layer']}" if via.get("layer") else "")
    shift = f", {via['from']} to {via['to']}" if via.get("from") and via.get("to") else ""
    return f"on call in {name}" + (f", {by}" if by else "") + shift


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """A page to write. ``user_id`` None: there was nobody to page, and that is on record."""

    user_id: int | None
    reason: PageReason


@dataclass(frozen=True, slots=True)
class Plan:
    """What a due run does now, and what it does next.

    ``next`` None: the run is done. Otherwise it is due again in ``next_due_s`` seconds; 0 means at once, in the same
    breath. ``note`` says in words what happened, for the timeline and the run's reason.
    """

    pages: tuple[PlannedPage, ...]
    next: RunState | None
    next_due_s: int | None
    note: str


def plan(snapshot: PolicySnapshot, state: RunState, resolve: Resolve, at: datetime) -> Plan:
    """Decide the step that is due: whom to page and why, and when the run is due again.

    ``state`` beyond the last step of the last loop is the last word: the fallback, "nobody answered".
    """
    if state.step >= len(snapshot.steps):
        return _last_word(snapshot, state, resolve, at)
    step = snapshot.steps[state.step]
    after = _after(snapshot, state)
    facts = _facts(snapshot, state)
    named = f"step {state.step + 1} of {len(snapshot.steps)}"
    if people := _people(step.targets, resolve, at):
        pages = tuple(
            PlannedPage(user, PageReason(kind="step", target=target, via=via, also=also, **facts))
            for user, (target, via, also) in people.items()
        )
        return Plan(pages, after, step.wait_s, f"{named} paged {_count(pages)}")
    why = _nobody(step.targets)
    gap = PlannedPage(None, PageReason(kind="gap", why=why, asked=step.targets, **facts))
    if people := _people(snapshot.fallback, resolve, at):
        pages = tuple(
            PlannedPage(
                user,
                PageReason(kind="fallback", target=target, via=via, also=also, why=why, asked=step.targets, **facts),
            )
            for user, (target, via, also) in people.items()
        )
        return Plan((gap, *pages), after, step.wait_s, f"{named} found nobody; the fallback was paged")
    if any(_people(other.targets, resolve, at) for other in snapshot.steps):
        return Plan((gap,), after, 0, f"{named} found nobody, nor did the fallback; the next step runs at once")
    return Plan((gap,), after, step.wait_s, f"{named} found nobody; no step and no fallback finds anybody now")


def wait(planned: Plan, reached: int) -> int:
    """Seconds until the run is due again, given how many messages the pages of the step became.

    People were paged but none has a usable contact method: the next step runs at once, since nobody can answer.
    """
    if not reached and any(page.user_id is not None for page in planned.pages):
        return 0
    return planned.next_due_s or 0


def _last_word(snapshot: PolicySnapshot, state: RunState, resolve: Resolve, at: datetime) -> Plan:
    """After all loops, or for a policy without steps: the fallback, once; then the run is done."""
    facts = _facts(snapshot, state)
    why = "nobody answered" if snapshot.steps else "the policy has no steps"
    people = _people(snapshot.fallback, resolve, at)
    pages = tuple(
        PlannedPage(user, PageReason(kind="fallback", target=target, via=via, also=also, why=why, **facts))
        for user, (target, via, also) in people.items()
    )
    if pages:
        return Plan(pages, None, None, f"{why}; the fallback was paged ({_count(pages)}); nothing more follows")
    ending = "its fallback finds nobody" if snapshot.fallback else "it has no fallback"
    gap = PageReason(kind="gap", why=f"{why}, and {ending}", asked=snapshot.fallback, **facts)
    return Plan((PlannedPage(None, gap),), None, None, f"{why}, and {ending}; nothing more follows")


def _facts(snapshot: PolicySnapshot, state: RunState) -> dict[str, Any]:
    return {
        "policy_id": snapshot.policy_id,
        "policy": snapshot.name,
        "version": snapshot.version,
        "step": state.step + 1,
        "steps": len(snapshot.steps),
        "loop": state.loop + 1,
        "loops": snapshot.repeats + 1,
    }


def _after(snapshot: PolicySnapshot, state: RunState) -> RunState:
    """Where a run stands after this step: the next step, the next loop, or the last word."""
    if state.step + 1 < len(snapshot.steps):
        return RunState(state.step + 1, state.loop)
    if state.loop < snapshot.repeats:
        return RunState(0, state.loop + 1)
    return RunState(len(snapshot.steps), state.loop)


Named = tuple[Target, Mapping[str, Any], tuple[Mapping[str, Any], ...]]


def _people(targets: Iterable[Target], resolve: Resolve, at: datetime) -> dict[int, Named]:
    """Everybody the targets stand for at ``at``, each once, in order of naming, with all ways they were named.

    Shadows come last, and only with somebody to shadow.
    """
    found: dict[int, Named] = {}
    shadows: dict[int, Named] = {}
    for target in targets:
        for person in resolve(target, at):
            if person.shadow:
                shadows.setdefault(person.user_id, (target, person.via, ()))
            elif first := found.get(person.user_id):
                found[person.user_id] = (first[0], first[1], (*first[2], {**person.via, "target": target.to_json()}))
            else:
                found[person.user_id] = (target, person.via, ())
    return found | {user: named for user, named in shadows.items() if found and user not in found}


def _nobody(targets: Sequence[Target]) -> str:
    if not targets:
        return "the step names nobody"
    empty = {
        "schedule": "nobody is on call in {}",
        "team": "nobody in team {} can be paged",
        "user": "{} cannot be paged",
    }
    return " and ".join(empty[target.kind].format(target.name or f"{target.kind} {target.id}") for target in targets)


def _count(pages: Sequence[PlannedPage]) -> str:
    return "1 person" if len(pages) == 1 else f"{len(pages)} people"


def ack_due(snapshot: PolicySnapshot, acknowledged_at: datetime) -> datetime | None:
    """When an acknowledged incident pages again unless somebody moves it on; None: never."""
    return None if snapshot.ack_timeout_s is None else acknowledged_at + timedelta(seconds=snapshot.ack_timeout_s)


def snooze_due(until: datetime, at: datetime) -> datetime:
    """When a snoozed incident pages again. Raises ValueError when ``until`` is not ahead or too far ahead."""
    if until <= at:
        raise ValueError("a snooze ends in the future")
    if until - at > MAX_SNOOZE:
        raise ValueError(f"a snooze lasts {MAX_SNOOZE.days} days at most")
    return until


def woken() -> RunState:
    """Where a run begins when an acknowledgement timed out or a snooze ended: at the beginning, all loops anew."""
    return RunState(0, 0)


@dataclass(frozen=True, slots=True)
class Ahead:
    """One step that a run has ahead. ``in_s`` seconds from now; step and loop from 1; ``last``: the last word."""

    in_s: int
    step: int
    loop: int
    targets: tuple[Target, ...]
    last: bool = False


def preview(snapshot: PolicySnapshot, state: RunState, due_in: int, limit: int = 100) -> list[Ahead]:
    """What a waiting run will do next if nobody answers, without asking who is on call; ``due_in`` seconds from now."""
    ahead: list[Ahead] = []
    at = due_in
    while len(ahead) < limit:
        if state.step >= len(snapshot.steps):
            ahead.append(Ahead(at, state.step + 1, state.loop + 1, snapshot.fallback, last=True))
            break
        step = snapshot.steps[state.step]
        ahead.append(Ahead(at, state.step + 1, state.loop + 1, step.targets))
        at += step.wait_s
        state = _after(snapshot, state)
    return ahead


def duration(seconds: int) -> str:
    """Seconds as people say them: "5 minutes", "1 hour 30 minutes", "0 seconds"."""
    parts = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
