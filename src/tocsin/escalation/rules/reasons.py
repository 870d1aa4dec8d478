"""Why somebody was paged, or why nobody was: as facts that are kept with the page, and as a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tocsin.escalation.rules.shapes import Target


@dataclass(frozen=True, slots=True)
class PageReason:
    """Why a person was paged, or why nobody was.

    kind      ``step`` (the step names them), ``fallback`` (instead of nobody, or nobody answered), ``gap`` (there was
              nobody to page), ``manual`` (a person paged them by hand), ``webhook`` (the step calls it, and pages
              nobody by that)
    step      1 ... ``steps``; ``steps`` + 1 is the last word after all loops
    loop      1 ... ``loops``
    target    what named the person; None for a gap
    via       how the target came to be this person: schedule, layer or override, shift start and end; team
    also      other ways in which the same step named the same person
    asked     for a fallback or a gap: the targets that found nobody
    why       for a fallback, a gap or a page by hand: the cause in words
    tier      what people call the step: L1, manager
    turn      for a step that rotates: "2nd of 3 in turn"
    """

    kind: Literal["step", "fallback", "gap", "manual", "webhook"]
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
    tier: str = ""
    turn: str = ""

    @property
    def text(self) -> str:
        """The reason as a sentence without the person's name."""
        if self.kind == "manual":
            return self.why
        where = f"{self.policy}, version {self.version}"
        if self.step <= self.steps:
            where += f", step {self.step} of {self.steps}" + (f" ({self.tier})" if self.tier else "")
            where += f", loop {self.loop} of {self.loops}" if self.loops > 1 else ""
        if self.kind == "gap":
            return f"{where}: {self.why}."
        if self.kind == "webhook":
            return f"{where}: calls {self.target.words() if self.target else 'a webhook'}."
        how = via_words(self.target, self.via) + (f", {self.turn}" if self.turn else "")
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
            **({"tier": self.tier} if self.tier else {}),
            **({"turn": self.turn} if self.turn else {}),
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
            tier=data.get("tier", ""),
            turn=data.get("turn", ""),
        )


def via_words(target: Target | None, via: Mapping[str, Any]) -> str:
    """How a target came to be a person, in words."""
    if target is None:
        return "named directly"
    if target.kind == "manager":
        whose = str(via.get("manager_of") or "somebody")
        if target.of == "user":
            return f"manager of {target.name or whose}"
        name = target.name or str(via.get(target.of) or f"{target.of} {target.id}")
        return f"manager of team {name}" if target.of == "team" else f"manager of {whose}, who is on call in {name}"
    name = target.name or str(via.get(target.kind) or f"{target.kind} {target.id}")
    if target.kind == "owner":
        return f"in team {target.name or via.get('team') or target.id}, which owns the service"
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
