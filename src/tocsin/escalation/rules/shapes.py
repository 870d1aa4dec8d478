"""What a policy is made of: targets, steps, and the snapshot that a run carries. Plain values; JSON out and in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

TargetKind = Literal["user", "schedule", "team", "owner", "manager", "webhook"]
KINDS: tuple[TargetKind, ...] = ("user", "schedule", "team", "owner", "manager", "webhook")
Subject = Literal["user", "schedule", "team"]
Known = Subject | Literal["owner", "webhook"]
SUBJECTS: tuple[Subject, ...] = ("user", "schedule", "team")
StepUrgency = Literal["", "high", "low"]
MAJOR = ("P1",)
ALL = 0  # acknowledgements that a step asks for: of everybody whom it finds


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a step names: one person, whoever is on call in a schedule, everybody in a team; the team that owns the
    incident's service (``owner``); the managers of what ``of`` and ``id`` name (``manager``); or a webhook, which is
    called but is nobody who could answer.

    An owner's ``id`` is the owning team's once a service is known, 0 before that. ``name`` is only for reading (a
    person's, schedule's or team's name when the snapshot was taken).
    """

    kind: TargetKind
    id: int = 0
    name: str = field(default="", compare=False)
    of: Subject | Literal[""] = ""

    @property
    def subject(self) -> tuple[Known, int]:
        """The person, schedule, team or webhook that it is about, by kind and id; an owner without a service is
        ("owner", 0)."""
        if self.kind == "manager":
            return self.of or "user", self.id
        if self.kind == "owner":
            return ("team", self.id) if self.id else ("owner", 0)
        return self.kind, self.id

    @property
    def plain(self) -> "Target":
        """The target without what a manager or an owner makes of it: what is to be asked for its people."""
        kind, key = self.subject
        return self if kind == self.kind else Target(kind, key, self.name)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind}
        if self.kind == "manager":
            found["of"] = self.of
        if self.id or self.kind != "owner":
            found["id"] = self.id
        return found | ({"name": self.name} if self.name else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Target":
        """Raises ValueError when it is no target."""
        kind, key, of = data.get("kind"), data.get("id", 0 if data.get("kind") == "owner" else None), data.get("of", "")
        if kind not in KINDS or not isinstance(key, int) or (of in SUBJECTS) != (kind == "manager"):
            raise ValueError(f"not a target: {data!r}")
        return cls(kind=kind, id=key, name=str(data.get("name", "")), of=of)

    def words(self) -> str:
        """As in "whoever is on call in Payments primary"."""
        if self.kind == "owner":
            return f"everybody in the owning team{f' ({self.name})' if self.name else ''}"
        kind, key = self.subject
        name = self.name or f"{kind} {key}"
        if self.kind == "manager":
            return {
                "user": f"the manager of {name}",
                "schedule": f"the manager of whoever is on call in {name}",
                "team": f"the managers of {name}",
            }[kind]
        if self.kind == "webhook":
            return f"the webhook {name}"
        if self.kind == "schedule":
            return f"whoever is on call in {name}"
        return f"everybody in {name}" if self.kind == "team" else name


@dataclass(frozen=True, slots=True)
class Step:
    """Page the targets, then wait ``wait_s`` seconds for an answer before the next step.

    when      a condition (see ``facts``); while it does not hold the step is passed over at once. One that reads
              ``responder.`` chooses among the people of the step instead. Empty: always, everybody
    tier      what people call it: L1, L2, manager, executive
    warn_s    its managers are warned when an incident has been in this tier for so long without an end; None: never
    urgency   of its pages, instead of what the priority says
    rotate    one of the people it finds, in turn from incident to incident, instead of all
    acks      how many people have to acknowledge before the others are left alone; ``ALL``: everybody it finds
    entry     the entry criterion of its tier, a condition too
    """

    targets: tuple[Target, ...]
    wait_s: int
    when: str = ""
    tier: str = ""
    warn_s: int | None = None
    urgency: StepUrgency = ""
    rotate: bool = False
    acks: int = 1
    entry: str = ""

    @property
    def conditions(self) -> tuple[str, ...]:
        """What has to hold for it to run; one that asks for each responder chooses among people instead."""
        return tuple(one for one in (self.entry, self.when) if one)

    @property
    def plain(self) -> bool:
        """Whether it does the same for every incident."""
        return not (self.when or self.entry or self.rotate)

    @property
    def people(self) -> tuple[Target, ...]:
        """The targets that name people, who can answer."""
        return tuple(target for target in self.targets if target.kind != "webhook")

    @property
    def webhooks(self) -> tuple[Target, ...]:
        """The webhooks that it calls."""
        return tuple(target for target in self.targets if target.kind == "webhook")

    def to_json(self) -> dict[str, Any]:
        more = {"when": self.when, "tier": self.tier, "warn_s": self.warn_s, "urgency": self.urgency,
                "rotate": self.rotate, "entry": self.entry}  # fmt: skip
        kept = {name: value for name, value in more.items() if value} | ({"acks": self.acks} if self.acks != 1 else {})
        return {"targets": [target.to_json() for target in self.targets], "wait_s": self.wait_s} | kept

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Step":
        """The inverse of ``to_json``; what an older version did not write is as it was then."""
        return cls(
            tuple(Target.from_json(target) for target in data["targets"]),
            data["wait_s"],
            data.get("when", ""),
            data.get("tier", ""),
            data.get("warn_s"),
            data.get("urgency", ""),
            data.get("rotate", False),
            data.get("acks", 1),
            data.get("entry", ""),
        )


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """A policy as it was when a run began; an edit never changes a running page.

    ``executives`` are told quietly of incidents of ``executive_priorities``. ``asks``: whether what a step does depends
    on the incident, so that runs of one policy that are due together need not have the same plan. ``warns``: whether a
    step warns of incidents that stay in its tier.
    """

    policy_id: int | None
    name: str
    version: int
    steps: tuple[Step, ...]
    repeats: int = 0
    ack_timeout_s: int | None = None
    fallback: tuple[Target, ...] = ()
    executives: tuple[Target, ...] = ()
    executive_priorities: tuple[str, ...] = MAJOR
    asks: bool = field(init=False, compare=False, repr=False)
    warns: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # asked once per run in a storm of thousands
        object.__setattr__(self, "asks", not all(step.plain for step in self.steps))
        object.__setattr__(self, "warns", any(step.warn_s is not None for step in self.steps))

    @property
    def targets(self) -> frozenset[Target]:
        """All targets that any step, the fallback or the notice to executives names; what a resolver must know."""
        return frozenset(self.fallback).union(self.executives, *(step.targets for step in self.steps))

    def ids(self, kind: Known) -> set[int]:
        """Ids of the people, schedules, teams or webhooks that its targets are about."""
        return {key for of, key in (target.subject for target in self.targets) if of == kind}

    @property
    def upwards(self) -> bool:
        """Whether a target asks for managers."""
        return any(target.kind == "manager" for target in self.targets)

    def owned_by(self, team: int, name: str) -> "PolicySnapshot":
        """The policy for services that this team owns."""
        if not any(target.kind == "owner" for target in self.targets):
            return self

        def bound(targets: tuple[Target, ...]) -> tuple[Target, ...]:
            return tuple(Target("owner", team, name) if target.kind == "owner" else target for target in targets)

        steps = tuple(replace(step, targets=bound(step.targets)) for step in self.steps)
        return replace(self, steps=steps, fallback=bound(self.fallback), executives=bound(self.executives))

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "policy_id": self.policy_id,
            "name": self.name,
            "version": self.version,
            "steps": [step.to_json() for step in self.steps],
            "repeats": self.repeats,
            "ack_timeout_s": self.ack_timeout_s,
            "fallback": [target.to_json() for target in self.fallback],
        }
        if self.executives:
            found["executives"] = [target.to_json() for target in self.executives]
            found["executive_priorities"] = list(self.executive_priorities)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PolicySnapshot":
        """The inverse of ``to_json``. Raises KeyError or ValueError on anything else."""
        return cls(
            policy_id=data["policy_id"],
            name=data["name"],
            version=data["version"],
            steps=tuple(Step.from_json(step) for step in data["steps"]),
            repeats=data["repeats"],
            ack_timeout_s=data["ack_timeout_s"],
            fallback=tuple(Target.from_json(target) for target in data["fallback"]),
            executives=tuple(Target.from_json(target) for target in data.get("executives", ())),
            executive_priorities=tuple(data.get("executive_priorities", MAJOR)),
        )


def duration(seconds: int) -> str:
    """Seconds as people say them: "5 minutes", "1 hour 30 minutes", "0 seconds"."""
    parts = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
