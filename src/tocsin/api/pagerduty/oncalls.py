"""Who is on call at every level of every policy."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tocsin.api.pagerduty import policies, rendering, schedules, users
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.escalation import queries as escalation
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules
from tocsin.people import queries as people
from tocsin.platform import clock

LONGEST = timedelta(days=90)


class OnCall(NamedTuple):
    """Somebody at a level of a policy; without a beginning and an end always."""

    level: int
    start: datetime | None
    end: datetime | None
    policy_id: int
    user_id: int
    schedule_id: int | None


def _window(asked: Asked) -> rendering.Window:
    since = asked.moment("since") or clock.now()
    until = asked.moment("until") or since + timedelta(microseconds=1)
    if not timedelta() < until - since <= LONGEST:
        raise Refused(400, [f"until must be after since, by {LONGEST.days} days at most"], code=2005)
    return rendering.Window(since, until)


def _found(asked: Asked) -> tuple[list[OnCall], dict[int, str], dict[int, str]]:
    """Who is on call, and the names of policies and schedules."""
    rows = escalation.policies(asked.actor)
    if asked.many("escalation_policy_ids"):
        rows = rows.filter(pk__in=asked.numbers("escalation_policy_ids", "escalation_policy"))
    found = list(rows)
    of = [(row, step.position + 1, target) for row in found for step in row.steps.all() for target in step.targets]
    window = _window(asked)
    only = set(asked.numbers("schedule_ids", "schedule")) if asked.many("schedule_ids") else None
    wanted = {one["id"] for _, _, one in of if one["kind"] == "schedule" and (only is None or one["id"] in only)}
    shifts = {key: _shifts(loaded, window) for key, loaded in rendering.load(asked, wanted, window).items()}
    members = people.members_of({one["id"] for _, _, one in of if one["kind"] == "team"})
    entries: list[OnCall] = []
    for row, level, target in of:
        if target["kind"] == "schedule":
            entries += [
                OnCall(level, one.start, one.end, row.pk, one.user_id, target["id"])
                for one in shifts.get(target["id"], ())
            ]
        elif only is None and target["kind"] == "user":
            entries.append(OnCall(level, None, None, row.pk, target["id"], None))
        elif only is None and target["kind"] == "team":
            entries += [OnCall(level, None, None, row.pk, user, None) for user in members.get(target["id"], ())]
    names = {row.pk: row.name for row in found}
    return entries, names, oncall.names(wanted)


def _shifts(loaded: rules.Schedule, window: rendering.Window) -> list[rules.Shift]:
    """Shifts at their whole length that touch the window."""
    return oncall.whole_shifts(loaded, *window)


def listed(asked: Asked) -> Answer:
    """One entry for each level, person and shift: by level, then by beginning."""
    entries, names, schedule_names = _found(asked)
    if asked.many("user_ids"):
        only = set(asked.numbers("user_ids", "user"))
        entries = [one for one in entries if one.user_id in only]
    active = people.names({one.user_id for one in entries})
    entries = [one for one in entries if one.user_id in active]
    begin = datetime.min.replace(tzinfo=clock.now().tzinfo)
    entries = sorted(set(entries), key=lambda one: (one.level, one.start or begin, one.policy_id, one.user_id))
    if asked.flag("earliest"):
        first: dict[tuple[int, int, int], OnCall] = {}
        for one in entries:
            first.setdefault((one.policy_id, one.level, one.user_id), one)
        entries = list(first.values())
    at = rendering.Clock(asked)

    def shown(page: Any) -> list[dict[str, Any]]:
        ids = {one.user_id for one in page}
        told = users.by_id(asked, ids) if asked.includes("users") else users.references_by_id(asked, ids)
        whole_policies, whole_schedules = {}, {}
        if asked.includes("escalation_policies"):
            whole_policies = policies.by_id(asked, {one.policy_id for one in page})
        if asked.includes("schedules"):
            whole_schedules = schedules.by_id(asked, {one.schedule_id for one in page if one.schedule_id})
        return [
            {
                "escalation_policy": whole_policies.get(one.policy_id)
                or policies.reference(asked, one.policy_id, names[one.policy_id]),
                "escalation_level": one.level,
                "schedule": whole_schedules.get(one.schedule_id or 0)
                or schedules.reference(asked, one.schedule_id, schedule_names.get(one.schedule_id or 0, "")),
                "user": told[one.user_id],
                "start": at(one.start),
                "end": at(one.end),
            }
            for one in page
        ]

    return asked.listed("oncalls", entries, shown)


ROUTES = (("GET", "/oncalls", listed),)
