"""A policy as people write it and read it: specs by natural keys, what is wrong with them, sentences."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.escalation.rules.planning import KINDS, PolicySnapshot, Target, TargetKind, duration

MAX_STEPS = 50
MAX_TARGETS = 50
MAX_REPEATS = 20
MAX_WAIT_S = 7 * 86400
MIN_ACK_TIMEOUT_S = 60
MAX_ACK_TIMEOUT_S = 30 * 86400


@dataclass
class StepSpec:
    """One step as people write it: ``user:EMAIL``, ``schedule:SLUG``, ``team:SLUG``; seconds to wait after it."""

    targets: list[str]
    wait_s: int = 300


@dataclass
class PolicySpec:
    """A policy as people write it, by natural keys. ``team`` is a slug or empty; ``slug`` empty: made from the name."""

    name: str
    steps: list[StepSpec]
    slug: str = ""
    team: str = ""
    description: str = ""
    repeats: int = 0
    ack_timeout_s: int | None = None
    fallback: list[str] = field(default_factory=list)


def split_target(text: str) -> tuple[TargetKind, str]:
    """``schedule:payments`` -> (``schedule``, ``payments``). Raises ValueError that says what would be right."""
    kind, colon, key = text.partition(":")
    kind, key = kind.strip().lower(), key.strip()
    if not colon or kind not in KINDS or not key:
        raise ValueError("write user:EMAIL, schedule:SLUG or team:SLUG")
    return kind, key.lower()


def problems(spec: PolicySpec) -> dict[str, str]:
    """What is wrong with a policy as written, by field, and what would be right. Whether names exist is not asked."""
    wrong: dict[str, str] = {}
    if not spec.name.strip() or len(spec.name) > 120:
        wrong["name"] = "1 to 120 characters"
    if spec.slug and not re.fullmatch(r"[-a-z0-9_]{1,120}", spec.slug):
        wrong["slug"] = "small letters, digits, hyphens and underscores, 120 at most"
    if not 1 <= len(spec.steps) <= MAX_STEPS:
        wrong["steps"] = f"1 to {MAX_STEPS} steps"
    if not 0 <= spec.repeats <= MAX_REPEATS:
        wrong["repeats"] = f"0 to {MAX_REPEATS}"
    if spec.ack_timeout_s is not None and not MIN_ACK_TIMEOUT_S <= spec.ack_timeout_s <= MAX_ACK_TIMEOUT_S:
        wrong["ack_timeout_s"] = f"empty (never), or {MIN_ACK_TIMEOUT_S} to {MAX_ACK_TIMEOUT_S} seconds"
    for index, step in enumerate(spec.steps):
        if not 1 <= len(step.targets) <= MAX_TARGETS:
            wrong[f"steps.{index}.targets"] = f"1 to {MAX_TARGETS} targets"
        if not 0 <= step.wait_s <= MAX_WAIT_S:
            wrong[f"steps.{index}.wait_s"] = f"0 to {MAX_WAIT_S} seconds"
        wrong |= _target_problems(f"steps.{index}.targets", step.targets)
    return wrong | _target_problems("fallback", spec.fallback)


def _target_problems(where: str, targets: Sequence[str]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    seen = set()
    for index, text in enumerate(targets):
        try:
            target = split_target(text)
        except ValueError as error:
            wrong[f"{where}.{index}"] = str(error)
            continue
        if target in seen:
            wrong[f"{where}.{index}"] = "named twice"
        seen.add(target)
    return wrong


def sentence(snapshot: PolicySnapshot, names: Mapping[tuple[str, int], str] | None = None) -> list[str]:
    """The policy read aloud, one sentence a step. ``names`` by (kind, id) go before the names in the snapshot.

    "First page whoever is on call in Payments primary." "After 5 minutes without an answer page Ada Lovelace." ...
    """

    def people(targets: Sequence[Target]) -> str:
        words = [Target(t.kind, t.id, (names or {}).get((t.kind, t.id), t.name)).words() for t in targets] or ["nobody"]
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]

    lines = []
    wait = 0
    for index, step in enumerate(snapshot.steps):
        when = "First" if index == 0 else f"After {duration(wait)} without an answer" if wait else "At the same time"
        lines.append(f"{when} page {people(step.targets)}.")
        wait = step.wait_s
    if snapshot.steps and snapshot.repeats:
        times = {1: "once more", 2: "twice more"}.get(snapshot.repeats, f"{snapshot.repeats} more times")
        lines.append(f"After {duration(wait)} without an answer repeat all steps {times}.")
    if snapshot.fallback:
        lines.append(f"When a step finds nobody, and when nobody answered at all, page {people(snapshot.fallback)}.")
    else:
        lines.append("There is no fallback: when nobody answered, nothing more follows.")
    if snapshot.ack_timeout_s is not None:
        lines.append(f"An acknowledged incident pages again after {duration(snapshot.ack_timeout_s)}.")
    return lines
