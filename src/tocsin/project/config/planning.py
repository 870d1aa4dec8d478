"""Plan and apply.

A plan is an apply that is taken back: the same actions run with the same checks in a transaction, what there is
before and after is compared, and the transaction is rolled back. So a plan can neither promise nor refuse anything
that apply would not.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

import yaml
from django.db import transaction

from tocsin.escalation import proving as escalation
from tocsin.escalation.proving import MONTHS, Proof
from tocsin.oncall.rules.spans import without
from tocsin.people.rules import Deed, may, require
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Invalid, TocsinError
from tocsin.project.config.kinds import BY_SECTION, KINDS, Kind
from tocsin.project.config.reading import File, Item, Wanted, at, read

# what decides whether somebody can be paged
REACHING = {"people", "teams", "schedules", "policies", "services"}
Stored = dict[str, dict[str, tuple[int, Any]]]


@dataclass(frozen=True)
class Change:
    """What happens to one thing. ``fields`` maps what differs to its value before and after."""

    kind: str
    name: str
    change: str  # create, update, delete
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class Plan:
    """What an apply would do, or did. ``digest`` names exactly this plan.

    ``gaps``: new counter-examples to "somebody reachable is always paged", each a sentence; ``closed``: how many of
    those that there were are gone.
    """

    changes: list[Change]
    counts: dict[str, int]
    digest: str
    applied: bool
    gaps: list[str] = field(default_factory=list)
    closed: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def plan(files: Sequence[File], *, actor: Actor, prune: bool = False) -> Plan:
    """What applying these files would do. Raises Invalid (all problems, each with file and line), Forbidden."""
    return _run(files, actor=actor, prune=prune, keep=False, digest="")


def apply(files: Sequence[File], *, actor: Actor, prune: bool = False, digest: str = "") -> Plan:
    """Make it so, all of it or nothing; what was done.

    ``digest``: only if that is still exactly what the plan said. ``prune``: what the files' sections do not name goes
    away (people are not deleted, but lose access). Raises Invalid, Forbidden, Conflict.
    """
    return _run(files, actor=actor, prune=prune, keep=True, digest=digest)


def prove(files: Sequence[File], *, actor: Actor, prune: bool = False, months: int = MONTHS) -> Proof:
    """The proof as it would be after applying these files; nothing is kept. Raises as ``plan`` does."""
    found: list[Proof] = []
    look(files, actor=actor, prune=prune, at=lambda: found.append(escalation.prove(actor=actor, months=months)))
    return found[0]


def look(files: Sequence[File], *, actor: Actor, prune: bool = False, at: Callable[[], None]) -> None:
    """Call ``at`` while these files are applied; then take them back. Raises as ``plan`` does."""
    _run(files, actor=actor, prune=prune, keep=False, digest="", look=at)


def _run(
    files: Sequence[File],
    *,
    actor: Actor,
    prune: bool,
    keep: bool,
    digest: str,
    look: Callable[[], None] | None = None,
) -> Plan:
    require(actor, Deed.READ)
    wanted = read(files)
    kinds = [kind for kind in KINDS if kind.section in wanted.sections]
    _require_for(actor, kinds)
    reaching = look is None and any(kind.section in REACHING for kind in kinds)
    with transaction.atomic():
        before = _stored(kinds)
        was = escalation.prove(actor=SYSTEM) if reaching else None
        problems = _save(wanted, before, actor)
        if prune and not problems:
            problems = _prune(wanted, before, actor)
        if problems:
            raise Invalid("This configuration cannot be applied.", problems)
        made = _compared(kinds, before, _stored(kinds), wanted, applied=keep)
        if digest and digest != made.digest:
            raise Conflict("This is no longer what the plan said; look at a new plan.", {"digest": made.digest})
        if was is not None and made.changes:
            made = _with_gaps(made, was)
        if look is not None:
            look()
        if not keep:
            transaction.set_rollback(True)
    return made


def _with_gaps(made: Plan, was: Proof) -> Plan:
    """The plan with what it does to the proof that somebody is always paged."""
    before = {one.key: one.gap.spans for one in was.counter_examples}
    after = {one.key: one for one in escalation.prove(actor=SYSTEM).counter_examples}
    new = [one.sentence for key, one in after.items() if without(one.gap.spans, before.get(key, ()))]
    return replace(made, gaps=new, closed=len(before.keys() - after.keys()))


def _require_for(actor: Actor, kinds: Iterable[Kind]) -> None:
    """People need an administrator at once: a plan of theirs shows addresses. The rest is checked thing by thing."""
    for kind in kinds:
        if kind.section == "people":
            require(actor, Deed.ADMINISTER)


def _stored(kinds: Iterable[Kind]) -> Stored:
    return {kind.section: kind.stored() for kind in kinds}


def dumped(kind: Kind, spec: Any) -> dict[str, Any]:
    """A spec as JSON, without what is secret."""
    value: dict[str, Any] = kind.adapter.dump_python(spec, mode="json")
    for method in value.get("contact_methods") or ():
        method.pop("secret", None)
    return value


def _in_order(items: list[Item]) -> list[Item]:
    """Things of one kind, those that others name before them; a circle keeps the order of the file."""
    by_name = {item.name: item for item in items}
    done: dict[str, Item] = {}
    waiting: set[str] = set()

    def visit(start: Item) -> None:
        stack = [(start, iter(start.kind.before(start.spec)))]
        waiting.add(start.name)
        while stack:
            item, ahead = stack[-1]
            following = next((n for n in ahead if n in by_name and n not in done and n not in waiting), None)
            if following is None:
                stack.pop()
                done[item.name] = item
            else:
                waiting.add(following)
                stack.append((by_name[following], iter(by_name[following].kind.before(by_name[following].spec))))

    for item in items:
        if item.name not in waiting:
            visit(item)
    return list(done.values())


def _save(wanted: Wanted, before: Stored, actor: Actor) -> dict[str, str]:
    problems: dict[str, str] = {}
    for kind in KINDS:
        stored = before.get(kind.section, {})
        for item in _in_order([item for item in wanted.items if item.kind is kind]):
            known = stored.get(item.name)
            if known is not None and _same(kind, item.spec, known[1]):
                continue
            try:
                with transaction.atomic():
                    kind.save(item.spec, actor=actor, id=known[0] if known else None)
            except TocsinError as error:
                for name, text in (error.problems or {"": error.message}).items():
                    problems[at(kind, item.name, name, item.places)] = text
    return problems


def _same(kind: Kind, wanted: Any, stored: Any) -> bool:
    want, have = dumped(kind, wanted), dumped(kind, stored)
    if any(method.secret for method in getattr(wanted, "contact_methods", None) or ()):
        return False  # whether a secret differs is for the action to find out
    return all(value == have.get(name) for name, value in want.items() if value is not None or have.get(name) is None)


def _prune(wanted: Wanted, before: Stored, actor: Actor) -> dict[str, str]:
    problems: dict[str, str] = {}
    named = {(item.kind.section, item.name) for item in wanted.items}
    for kind in reversed(KINDS):
        ended = kind.ended()
        for name, (key, _) in before.get(kind.section, {}).items():
            if (kind.section, name) in named or name in ended:
                continue
            try:
                with transaction.atomic():
                    kind.remove([key], actor)
            except TocsinError as error:
                for field_name, text in (error.problems or {"": error.message}).items():
                    problems[f"prune {kind.section}[{name}]{f'.{field_name}' if field_name else ''}"] = text
    return problems


def _compared(kinds: Iterable[Kind], before: Stored, after: Stored, wanted: Wanted, *, applied: bool) -> Plan:
    places = {(item.kind.section, item.name): str(item.place()) for item in wanted.items}
    changes: list[Change] = []
    unchanged = 0
    for kind in kinds:
        had, has = before[kind.section], after[kind.section]
        for name in sorted(had.keys() | has.keys()):
            old = dumped(kind, had[name][1]) if name in had else {}
            new = dumped(kind, has[name][1]) if name in has else {}
            if old == new:
                unchanged += 1
                continue
            change = "update" if old and new else "create" if new else "delete"
            differs = {
                key: {"from": old.get(key), "to": new.get(key)} for key in new or old if old.get(key) != new.get(key)
            }
            changes.append(Change(kind.word, name, change, differs, places.get((kind.section, name), "")))
    counts = {verb: sum(one.change == verb for one in changes) for verb in ("create", "update", "delete")}
    text = json.dumps([asdict(one) for one in changes], sort_keys=True)
    return Plan(changes, counts | {"unchanged": unchanged}, hashlib.sha256(text.encode()).hexdigest(), applied)


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and quotes what only looks like something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def export(*, actor: Actor, sections: Sequence[str] = ()) -> str:
    """What there is, as YAML that ``apply`` finds nothing to change in. Secrets and keys are left out.

    People are included for administrators only: addresses are theirs. Raises Forbidden, Invalid (``sections``).
    """
    require(actor, Deed.READ)
    if set(sections) - BY_SECTION.keys():
        raise Invalid("There is no such section.", {"sections": f"some of {', '.join(BY_SECTION)}"})
    found: dict[str, Any] = {"version": 1}
    for kind in KINDS:
        if sections and kind.section not in sections:
            continue
        if kind.section == "people" and not may(actor, Deed.ADMINISTER):
            continue
        ended = kind.ended()
        things = sorted((item for item in kind.stored().items() if item[0] not in ended), key=lambda item: item[0])
        found[kind.section] = [_without_defaults(kind, dumped(kind, spec)) for _, (_, spec) in things]
    text: str = yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _without_defaults(kind: Kind, value: dict[str, Any]) -> dict[str, Any]:
    """Without the fields whose value is the one they have when left out."""
    kept = dict(value)
    for one in fields(kind.spec):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if default is not MISSING and value.get(one.name) == default:
            kept.pop(one.name, None)
    return kept
