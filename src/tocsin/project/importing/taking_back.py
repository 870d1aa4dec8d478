"""Taking an import back: what it made goes, what it changed is as it was before, unless something changed since."""

from collections import defaultdict
from typing import Any

from django.db import transaction

from tocsin.oncall import actions as oncall
from tocsin.people import actions as people
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, TocsinError
from tocsin.project.config.kinds import BY_SECTION, KINDS
from tocsin.project.config.planning import dumped
from tocsin.project.importing.merging import OVERRIDES
from tocsin.project.importing.models import Link, Run, Step
from tocsin.project.importing.shapes import Progress

MOST_PROBLEMS = 200


def take_back(run: Run, *, actor: Actor, force: bool, progress: Progress) -> list[str]:
    """Restore what was before the run, in the caller's transaction; what could not be restored, when it is forced.

    Raises Conflict, with every thing that changed or was used since, unless ``force``: then what changed since is
    restored all the same, and what is in use stays.
    """
    steps: dict[str, list[Step]] = defaultdict(list)
    for step in run.steps.order_by("id"):
        steps[step.section].append(step)
    problems, now = _changed_since(steps)
    if problems and not force:
        raise Conflict("Something changed since this import; look at it, or force it.", _cut(problems))
    total = sum(len(of) for of in steps.values())
    done = 0
    left: dict[str, str] = {}
    oncall.delete_overrides([step.object_id for step in steps[OVERRIDES]], actor=actor)
    for kind in reversed(KINDS):
        for step in steps[kind.section]:
            if step.before is None or step.object_id not in now[kind.section]:
                continue
            progress(f"{kind.word} {step.name}", done, total)
            done += 1
            if now[kind.section][step.object_id] == step.before:
                continue
            try:
                with transaction.atomic():
                    kind.save(kind.adapter.validate_python(step.before), actor=actor, id=step.object_id)
            except TocsinError as error:
                left[f"{kind.word} {step.name}"] = _words(error)
        made = [s.object_id for s in steps[kind.section] if s.before is None and s.object_id in now[kind.section]]
        if not made:
            continue
        progress(f"removing {len(made)}: {kind.section.replace('_', ' ')}", done, total)
        left |= _remove(kind.section, made, actor, force)
        done += len(made)
    if left and not force:
        raise Conflict("Some of what this import made is in use since; change that first, or force it.", _cut(left))
    _forget(run, steps)
    return [f"{name}: {text}" for name, text in left.items()]


def _changed_since(steps: dict[str, list[Step]]) -> tuple[dict[str, str], dict[str, dict[int, Any]]]:
    """(problems by thing, what is there now by section and id)."""
    problems: dict[str, str] = {}
    now: dict[str, dict[int, Any]] = defaultdict(dict)
    for kind in KINDS:
        if not steps.get(kind.section):
            continue
        wanted = {step.object_id for step in steps[kind.section]}
        now[kind.section] = {pk: dumped(kind, spec) for pk, spec in kind.stored().values() if pk in wanted}
        for step in steps[kind.section]:
            current = now[kind.section].get(step.object_id)
            if current is None:
                if step.before is not None:
                    problems[f"{kind.word} {step.name}"] = "was removed since"
            elif current != step.after:
                fields = sorted(name for name, value in current.items() if value != (step.after or {}).get(name))
                problems[f"{kind.word} {step.name}"] = f"was changed since: {', '.join(fields)}"
    return problems, now


def _remove(section: str, ids: list[int], actor: Actor, force: bool) -> dict[str, str]:
    """Remove what the run made, all at once; one by one when something stands in the way and it is forced."""
    remove = people.delete_users if section == "people" else None

    def away(some: list[int]) -> None:
        with transaction.atomic():
            if remove is not None:
                remove(some, actor=actor)
            else:
                BY_SECTION[section].remove(some, actor)

    word = BY_SECTION[section].word
    try:
        away(ids)
    except TocsinError as error:
        if not force:
            return {f"{word} {name}".strip(): text for name, text in (error.problems or {"": error.message}).items()}
        left = {}
        for one in ids:
            try:
                away([one])
            except TocsinError as single:
                left[f"{word} {one}"] = _words(single)
        return left
    return {}


def _forget(run: Run, steps: dict[str, list[Step]]) -> None:
    """Links as they were before the run."""
    for section, of in steps.items():
        gone = [step.external_id for step in of if step.link_before is None]
        Link.objects.filter(product=run.product, section=section, external_id__in=gone).delete()
        for step in of:
            if step.link_before is not None:
                Link.objects.filter(product=run.product, section=section, external_id=step.external_id).update(
                    theirs=step.link_before["theirs"], ours=step.link_before["ours"]
                )


def _words(error: TocsinError) -> str:
    return "; ".join(f"{name}: {text}" for name, text in error.problems.items()) or error.message


def _cut(problems: dict[str, str]) -> dict[str, str]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    kept = dict(list(problems.items())[:MOST_PROBLEMS])
    return kept | {"and": f"{len(problems) - MOST_PROBLEMS} more"}
