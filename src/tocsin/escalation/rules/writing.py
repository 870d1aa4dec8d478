"""A policy as people write it and read it: specs by natural keys, what is wrong with them, sentences."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.escalation.rules.facts import SAMPLE, asks_responder
from tocsin.escalation.rules.shapes import KINDS, SUBJECTS, PolicySnapshot, Step, Target, TargetKind, duration
from tocsin.platform import cel

MAX_STEPS = 50
MAX_TARGETS = 50
MAX_REPEATS = 20
MAX_WAIT_S = 7 * 86400
MIN_ACK_TIMEOUT_S = 60
MAX_ACK_TIMEOUT_S = 30 * 86400
MAX_TIER = 40
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
MAX_ACKS = 20
MAX_TIERS = 10
TARGETS = (
    "user:EMAIL, schedule:SLUG, team:SLUG, owner, manager:user:EMAIL, manager:schedule:SLUG, manager:team:SLUG"
    " or webhook:SLUG"
)


@dataclass
class StepSpec:
    """One step as people write it, its targets as ``split_target`` takes them; seconds to wait after it.

    ``when``: a condition, see ``facts``. ``tier``: L1, L2, manager, executive or a name of your own. ``warn_s``: the
    policy's managers are warned when an incident has been in the tier for so long. ``urgency``: high or low; empty: as
    the priority says. ``rotate``: one of the people it finds, in turn from incident to incident. ``acks``: how many
    people have to acknowledge before the others are left alone, or ``all`` that the step finds.
    """

    targets: list[str]
    wait_s: int = 300
    when: str = ""
    tier: str = ""
    warn_s: int | None = None
    urgency: str = ""
    rotate: bool = False
    acks: int | str = 1


@dataclass
class TierSpec:
    """The entry criterion of a tier, by the name that steps give: a condition, see ``facts``; empty: always."""

    name: str
    when: str = ""


@dataclass
class PolicySpec:
    """A policy as people write it, by natural keys. ``team`` is a slug or empty; ``slug`` empty: made from the name.

    ``executives`` are targets too: they are told, quietly and once, of an incident of ``executive_priorities``.
    ``tiers``: when an incident may enter the tiers that the steps name; a tier that is not listed is always open.
    ``confidential``: slug of the policy that confidential incidents follow instead.
    """

    name: str
    steps: list[StepSpec]
    slug: str = ""
    team: str = ""
    description: str = ""
    repeats: int = 0
    ack_timeout_s: int | None = None
    fallback: list[str] = field(default_factory=list)
    executives: list[str] = field(default_factory=list)
    executive_priorities: list[str] = field(default_factory=lambda: ["P1"])
    tiers: list[TierSpec] = field(default_factory=list)
    confidential: str = ""


def split_target(text: str) -> tuple[TargetKind, str]:
    """``schedule:payments`` -> (``schedule``, ``payments``), ``owner`` -> (``owner``, ````), ``manager:team:core`` ->
    (``manager``, ``team:core``). Raises ValueError that says what would be right."""
    kind, _, key = (part.strip().lower() for part in text.partition(":"))
    if kind == "owner" and not key:
        return "owner", ""
    if kind == "manager":
        of, _, whose = (part.strip() for part in key.partition(":"))
        if of in SUBJECTS and whose:
            return "manager", f"{of}:{whose}"
    elif kind in KINDS and kind != "owner" and key:
        return kind, key
    raise ValueError(f"write {TARGETS}")


def target_key(text: str) -> tuple[str, str]:
    """The kind and natural key of what a target is about: ``manager:team:core`` -> (``team``, ``core``).

    Raises ValueError that says what would be right.
    """
    kind, key = split_target(text)
    if kind != "manager":
        return kind, key
    of, _, whose = key.partition(":")
    return of, whose


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
        at = f"steps.{index}"
        if not 1 <= len(step.targets) <= MAX_TARGETS:
            wrong[f"{at}.targets"] = f"1 to {MAX_TARGETS} targets"
        wrong |= {f"{at}.{name}": text for name, text in _step_problems(step).items()}
        wrong |= _target_problems(f"{at}.targets", step.targets)
    wrong |= _tier_problems(spec)
    for name in ("executives", "fallback"):
        for index, text in enumerate(getattr(spec, name)):
            if text.strip().lower().startswith("webhook:"):
                wrong[f"{name}.{index}"] = "people: a webhook is nobody who could hear of it"
    if not set(spec.executive_priorities) <= set(PRIORITIES) or (spec.executives and not spec.executive_priorities):
        wrong["executive_priorities"] = f"one or more of {', '.join(PRIORITIES)}"
    if len(spec.executives) > MAX_TARGETS:
        wrong["executives"] = f"{MAX_TARGETS} targets at most"
    return wrong | _target_problems("executives", spec.executives) | _target_problems("fallback", spec.fallback)


def _step_problems(step: StepSpec) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not 0 <= step.wait_s <= MAX_WAIT_S:
        wrong["wait_s"] = f"0 to {MAX_WAIT_S} seconds"
    if len(step.tier) > MAX_TIER or not step.tier.isprintable():
        wrong["tier"] = f"up to {MAX_TIER} characters, such as L1"
    if step.urgency not in ("", "high", "low"):
        wrong["urgency"] = "high, low or empty (as the priority says)"
    if step.warn_s is not None and not 60 <= step.warn_s <= MAX_ACK_TIMEOUT_S:
        wrong["warn_s"] = f"empty (never), or 60 to {MAX_ACK_TIMEOUT_S} seconds"
    elif step.warn_s is not None and not step.tier.strip():
        wrong["warn_s"] = "only in a step that names its tier"
    if step.acks != "all" and not (isinstance(step.acks, int) and 1 <= step.acks <= MAX_ACKS):
        wrong["acks"] = f"1 to {MAX_ACKS}, or all"
    elif step.acks != 1 and step.rotate:
        wrong["acks"] = "1 in a step that pages one person in turn"
    elif step.acks != 1 and all(text.strip().lower().startswith("webhook:") for text in step.targets):
        wrong["acks"] = "1 in a step that pages nobody: a webhook does not acknowledge"
    if problem := _condition_problem(step.when):
        wrong["when"] = problem
    elif "responder" in step.when and not asks_responder(step.when):
        wrong["when"] = "responder.hour, .weekday, .zone or .working"
    return wrong


def _tier_problems(spec: PolicySpec) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if len(spec.tiers) > MAX_TIERS:
        wrong["tiers"] = f"{MAX_TIERS} tiers at most"
    used = {step.tier.strip() for step in spec.steps}
    seen: set[str] = set()
    for index, tier in enumerate(spec.tiers):
        name = tier.name.strip()
        if not name or len(name) > MAX_TIER or not name.isprintable():
            wrong[f"tiers.{index}.name"] = f"1 to {MAX_TIER} characters, such as L1"
        elif name in seen:
            wrong[f"tiers.{index}.name"] = "named twice"
        elif name not in used:
            wrong[f"tiers.{index}.name"] = "the tier of a step: no step is in this one"
        seen.add(name)
        if problem := _condition_problem(tier.when):
            wrong[f"tiers.{index}.when"] = problem
        elif "responder" in tier.when:
            wrong[f"tiers.{index}.when"] = "about the incident: a tier is entered or not, whoever is there"
    return wrong


def _condition_problem(when: str) -> str:
    """What is wrong with a condition; empty: nothing."""
    if not when.strip():
        return ""
    try:
        outcome = cel.check(when, SAMPLE)
    except cel.CelError as error:
        return str(error)
    if outcome is not None and not isinstance(outcome, bool):
        return f"a condition that gives true or false, not {outcome!r}"
    return ""


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
    """The policy read aloud, one sentence a step. ``names`` by ``Target.subject`` go before those in the snapshot.

    "First page whoever is on call in Payments primary." "After 5 minutes without an answer page Ada Lovelace." ...
    """

    def people(targets: Sequence[Target]) -> str:
        words = [Target(t.kind, t.id, (names or {}).get(t.subject, t.name), t.of).words() for t in targets] or [
            "nobody"
        ]
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]

    lines = []
    wait = 0
    for index, step in enumerate(snapshot.steps):
        when = "First" if index == 0 else f"After {duration(wait)} without an answer" if wait else "At the same time"
        doing = f"page {_manner(step, people(step.people))}" if step.people else ""
        if step.webhooks:
            doing += f"{', and ' if doing else ''}call {people(step.webhooks)}"
            doing += "" if step.people else _only_if(step)
        lines.append(f"{when} {doing or 'page nobody'}.")
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
    if snapshot.executives:
        which = " and ".join(snapshot.executive_priorities)
        lines.append(f"Of {which} incidents tell {people(snapshot.executives)}, quietly.")
    lines += [
        f"After {duration(step.warn_s)} in {step.tier} warn those who look after the policy."
        for step in snapshot.steps
        if step.warn_s is not None
    ]
    entries = {step.tier: step.entry for step in snapshot.steps if step.entry}
    lines += [f"An incident enters {tier} only if {entry}." for tier, entry in entries.items()]
    return lines


def _manner(step: Step, people: str) -> str:
    """The people of a step with how, and under which condition, they are paged."""
    words = f"in turn one of {people}" if step.rotate else people
    if step.acks != 1:
        words += f" until {step.acks or 'all of them'} have acknowledged"
    if step.urgency:
        words += " loudly" if step.urgency == "high" else " quietly"
    if step.tier:
        words += f" ({step.tier})"
    if asks_responder(step.when):
        return f"{words}, of them those for whom {step.when}"
    return words + _only_if(step)


def _only_if(step: Step) -> str:
    return f", if {step.when}" if step.when else ""
