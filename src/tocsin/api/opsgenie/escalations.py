"""Opsgenie's escalations: policies here. A rule's delay counts from the alert, a step's from the step before."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from django.db import transaction

from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    created,
    data,
    found,
    needed,
    owner_team,
    participant,
    parts,
    person_in,
    referred,
    speaking,
    team_meta,
    told,
    whole,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import made_id
from tocsin.escalation import actions
from tocsin.escalation import queries as escalation
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.oncall import queries as oncall
from tocsin.people import queries as people

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
LONGEST_S = 7 * 86_400
LAST_S = 300  # what the last step waits before the fallback, when nothing is repeated
FIELDS = {"steps": "rules", "targets": "recipient", "wait_s": "delay", "repeats": "repeat.count", "team": "ownerTeam",
          "slug": "name"}  # fmt: skip
NOTIFY = {
    ("user", "default"): "user:", ("schedule", "default"): "schedule:", ("team", "default"): "team:",
    ("team", "all"): "team:", ("team", "admins"): "manager:team:",
}  # fmt: skip


def _policy(call: Call, identifier: str) -> Any:
    return found(call, escalation.policies(call.actor), "escalation", identifier)


# -- telling -----------------------------------------------------------------------------------------------------------


def _recipient(call: Call, target: str, known: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    """(how they are notified, whom a target means); None: Opsgenie has no word for it."""
    if target not in known:
        kind, _, key = target.removeprefix("manager:").partition(":")
        recipient: dict[str, Any] = {}
        if kind == "user":
            user = people.users(call.actor).filter(email__iexact=key).first()
            recipient = participant(user) if user else {}
        elif kind == "schedule":
            row = oncall.schedules(call.actor).filter(slug=key).first()
            recipient = {"type": "schedule", "id": made_id("schedule", row.pk), "name": row.name} if row else {}
        elif kind == "team":
            team = people.teams(call.actor).filter(slug=key).first()
            recipient = {"type": "team", "id": made_id("team", team.pk), "name": team.name} if team else {}
        known[target] = recipient
    if not known[target] or (target.startswith("manager:") and not target.startswith("manager:team:")):
        return None
    return ("admins" if target.startswith("manager:") else "default"), known[target]


def shape(call: Call, row: Any) -> dict[str, Any]:
    """A policy in Opsgenie's words; targets that it has no word for are left out."""
    spec = escalation.export_policies([row.pk])[0]
    known: dict[str, dict[str, Any]] = {}
    rules: list[dict[str, Any]] = []
    after = 0
    for step in spec.steps:
        for target in step.targets:
            told_of = _recipient(call, target, known)
            if told_of is not None:
                notify, recipient = told_of
                rules.append(
                    {
                        "condition": "if-not-acked",
                        "notifyType": notify,
                        "delay": _duration(after),
                        "recipient": recipient,
                    }
                )
        after += step.wait_s
    shape: dict[str, Any] = {
        "id": made_id("escalation", row.pk),
        "name": row.name,
        "description": row.description,
        **team_meta(row.team),
        "rules": rules,
    }
    if spec.repeats:
        shape["repeat"] = {
            "waitInterval": -(-spec.steps[-1].wait_s // 60),
            "count": spec.repeats,
            "resetRecipientStates": False,
            "closeAlertAfterAll": False,
        }
    return shape


def _duration(seconds: int) -> dict[str, Any]:
    if seconds % 60:
        return {"timeAmount": seconds, "timeUnit": "seconds"}
    return {"timeAmount": seconds // 60, "timeUnit": "minutes"}


# -- from bodies -------------------------------------------------------------------------------------------------------


def _delay(rule: Mapping[str, Any], where: str) -> int:
    delay = rule.get("delay")
    if not isinstance(delay, Mapping):
        raise wrong(f"{where}.delay", "an object with timeAmount and timeUnit")
    unit = str(delay.get("timeUnit") or "minutes").lower()
    if unit not in SECONDS:
        raise wrong(f"{where}.delay.timeUnit", "seconds, minutes, hours or days")
    return whole(delay, "timeAmount", 0, 0, LONGEST_S, f"{where}.delay.timeAmount") * SECONDS[unit]


def _target(call: Call, rule: Mapping[str, Any], where: str) -> str:
    recipient = rule.get("recipient")
    kind = str(recipient.get("type") or "").lower() if isinstance(recipient, Mapping) else ""
    if kind not in ("user", "schedule", "team"):
        raise wrong(f"{where}.recipient.type", "user, schedule or team")
    notify = str(rule.get("notifyType") or "default").lower()
    if (kind, notify) not in NOTIFY:
        right = [able for of, able in NOTIFY if of == kind]
        raise wrong(f"{where}.notifyType", f"{' or '.join(right)} for a {kind}")
    at = f"{where}.recipient"
    if kind == "user":
        key = person_in(call, recipient, at).email
    elif kind == "schedule":
        key = str(referred(oncall.schedules(call.actor), "schedule", recipient, at).slug)
    else:
        key = referred(people.teams(call.actor), "team", recipient, at).slug
    return NOTIFY[kind, notify] + key


def _steps(call: Call, last_s: int) -> list[StepSpec]:
    """Steps of ``rules``: those of one delay are one step. Raises Invalid."""
    given = parts(call.body, "rules")
    if not given:
        raise wrong("rules", "at least one rule")
    by_delay: dict[int, list[str]] = {}
    for place, rule in enumerate(given):
        where = f"rules.{place}"
        if str(rule.get("condition") or "if-not-acked").lower() != "if-not-acked":
            raise wrong(f"{where}.condition", "if-not-acked: whoever has acknowledged is not paged again")
        targets = by_delay.setdefault(_delay(rule, where), [])
        target = _target(call, rule, where)
        if target not in targets:
            targets.append(target)
    delays = sorted(by_delay)
    if delays[0]:
        raise wrong("rules.0.delay", "0 for one of the rules: the first step of a policy pages at once")
    waits = [after - before for before, after in pairwise(delays)]
    return [StepSpec(by_delay[delay], wait) for delay, wait in zip(delays, [*waits, last_s], strict=True)]


def _repeat(call: Call, repeats: int, last_s: int) -> tuple[int, int]:
    """(how often everything is repeated, seconds that the last step waits before that). Raises Invalid."""
    repeat = call.body.get("repeat")
    if "repeat" not in call.body:
        return repeats, last_s
    if not repeat:
        return 0, last_s
    if not isinstance(repeat, Mapping):
        raise wrong("repeat", "an object with waitInterval and count")
    if repeat.get("closeAlertAfterAll"):
        raise wrong("repeat.closeAlertAfterAll", "false: nothing ends because nobody answered; the fallback is paged")
    count = whole(repeat, "count", 1, 0, 20, "repeat.count")
    wait = whole(repeat, "waitInterval", -(-last_s // 60), 0, LONGEST_S // 60, "repeat.waitInterval")
    return (count, wait * 60) if wait or count == 0 else (0, last_s)


# -- operations --------------------------------------------------------------------------------------------------------


def listed(call: Call) -> Answer:
    """Every escalation."""
    return data([shape(call, row) for row in escalation.policies(call.actor)])


def one(call: Call, identifier: str) -> Answer:
    """One escalation."""
    return data(shape(call, _policy(call, identifier)))


def create(call: Call) -> Answer:
    """Add an escalation."""
    repeats, last_s = _repeat(call, 0, LAST_S)
    spec = PolicySpec(
        name=needed(call.body, "name", limit=120),
        description=words(call.body, "description"),
        team=owner_team(call, call.body),
        steps=_steps(call, last_s),
        repeats=repeats,
    )
    with speaking(**FIELDS):
        row = actions.save_policy(spec, actor=call.actor)
    return created(id=made_id("escalation", row.pk), name=row.name)


def update(call: Call, identifier: str) -> Answer:
    """Change an escalation; rules that are given replace those that are there."""
    with transaction.atomic():
        row = _policy(call, identifier)
        list(escalation.policies(call.actor).select_for_update(of=("self",)).filter(pk=row.pk))
        spec = escalation.export_policies([row.pk])[0]
        repeats, last_s = _repeat(call, spec.repeats, spec.steps[-1].wait_s)
        steps = [*spec.steps[:-1], replace(spec.steps[-1], wait_s=last_s)]
        if call.body.get("rules") is not None:
            if any(_unsaid(step) for step in spec.steps):
                raise wrong(
                    "rules", "nothing: this policy has steps with conditions, tiers, turns or other targets, which"
                    " Opsgenie has no words for; change it on its own page"
                )  # fmt: skip
            steps = _steps(call, last_s)
        spec = replace(
            spec,
            name=words(call.body, "name", limit=120) or spec.name,
            description=words(call.body, "description", spec.description),
            team=owner_team(call, call.body, spec.team),
            steps=steps,
            repeats=repeats,
        )
        with speaking(**FIELDS):
            kept = actions.save_policy(spec, actor=call.actor, id=row.pk)
    return told("Updated", id=made_id("escalation", kept.pk), name=kept.name)


def _unsaid(step: StepSpec) -> bool:
    """Whether a step holds more than a rule of Opsgenie can say."""
    plain = replace(step, targets=[], wait_s=0) == StepSpec([], 0)
    kinds = [target.rpartition(":")[0] + ":" for target in step.targets]
    return not plain or any(kind not in NOTIFY.values() for kind in kinds)


def delete(call: Call, identifier: str) -> Answer:
    """Remove an escalation that no service uses; what it pages now goes on."""
    row = _policy(call, identifier)
    actions.delete_policies([row.pk], actor=call.actor)
    return told("Deleted")
