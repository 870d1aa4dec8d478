"""What an update may change of an incident, each through the room's own verb."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tocsin.api.pagerduty.asking import Asked, number_of
from tocsin.api.pagerduty.basics import priority_named
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.urgency import ASKED_PRIORITY, levels_for, urgency_named, urgency_of
from tocsin.escalation import actions as escalation
from tocsin.incidents import actions, rules
from tocsin.incidents.actions import Done, use_book
from tocsin.people import queries as people
from tocsin.platform.errors import Conflict, Invalid

SNOOZE_SECONDS = 604_800
STATUSES = ("triggered", "acknowledged", "resolved")
ESCALATED = "asked for through PagerDuty's API"


@dataclass(slots=True)
class Ends:
    """The statuses that updates ask for: incidents with the same one are brought there together."""

    acknowledged: list[int] = field(default_factory=list)
    unacknowledged: list[int] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)
    resolved: dict[str, list[int]] = field(default_factory=dict)  # by resolution

    def act(self, asked: Asked) -> None:
        """Bring all incidents to their status, in the caller's transaction. Raises Refused."""
        if self.acknowledged:
            actions.acknowledge(self.acknowledged, actor=asked.actor, via="api")
        for resolution, numbers in self.resolved.items():
            actions.resolve(numbers, actor=asked.actor, via="api", note=resolution)
        if self.unacknowledged:
            actions.unacknowledge(self.unacknowledged, actor=asked.actor, reason=ESCALATED)
        if self.reopened:
            done = actions.reopen(self.reopened, actor=asked.actor, reason=ESCALATED)
            if done.skipped:
                raise Refused(400, list(done.skipped.values()), code=1001)


def apply(asked: Asked, row: Any, given: Mapping[str, Any], ends: Ends, *, alone: bool) -> None:
    """Do what an update asks for to one incident, in the caller's transaction; its status is put into ``ends``.

    ``alone``: it was the only one, so that resolving what is resolved is an error (1001) rather than nothing to do.
    Raises Refused.
    """
    status = given.get("status")
    if status is not None and status not in STATUSES:
        raise Refused(400, [f"Status must be one of {', '.join(STATUSES)}"], code=1003)
    resolution = given.get("resolution")
    if resolution is not None and not isinstance(resolution, str):
        raise Refused(400, ["Resolution must be text"])
    if given.get("assignments") and (given.get("escalation_policy") or given.get("escalation_level") is not None):
        raise Refused(400, ["Assignments cannot be given together with an escalation policy or level"])
    is_open = row.state in rules.OPEN
    if not is_open and (status == "acknowledged" or (status == "resolved" and alone)):
        raise Refused(400, ["Incident Already Resolved"], code=1001)
    _words_and_levels(asked, row, given)
    _people(asked, row, given, is_open)
    if given.get("duration") is not None and status == "acknowledged":
        snooze(asked, row.pk, given["duration"])  # as ``pd incident ack --snooze`` sends it
    elif status == "acknowledged":
        ends.acknowledged.append(row.pk)
    elif status == "resolved":
        ends.resolved.setdefault((resolution or "")[:20_000], []).append(row.pk)
    elif status == "triggered":
        (ends.unacknowledged if is_open else ends.reopened).append(row.pk)


def snooze(asked: Asked, number: int, duration: object) -> None:
    """Snooze an incident for so many seconds, 1 to 604,800. Raises Refused (1001, 1013)."""
    seconds = _whole(duration)
    if seconds is None or not 1 <= seconds <= SNOOZE_SECONDS:
        raise Refused(400, [f"Duration must be a whole number of seconds, 1 to {SNOOZE_SECONDS}"], code=1013)
    with use_book() as book:
        _done(actions.snooze([number], until=book.now + timedelta(seconds=seconds), actor=asked.actor))


def _whole(value: object) -> int | None:
    """A whole number, also as text, as ``pd incident set`` sends it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words_and_levels(asked: Asked, row: Any, given: Mapping[str, Any]) -> None:
    title = given.get("title")
    if title is not None:
        if not isinstance(title, str) or not title.strip():
            raise Refused(400, ["Title cannot be empty"])
        actions.retitle([row.pk], title=title, actor=asked.actor)
    urgency = urgency_named(given["urgency"]) if given.get("urgency") is not None else ""
    if given.get("priority"):
        priority = priority_named(given["priority"])
        actions.set_priority([row.pk], priority=priority, reason=ASKED_PRIORITY, actor=asked.actor)
    elif "priority" in given and row.priority_reason:
        # none of its own: back to what impact and urgency give
        actions.set_priority([row.pk], impact=row.impact, urgency=row.urgency, actor=asked.actor)
    elif urgency and urgency != urgency_of(row.priority):
        levels = levels_for(urgency, row.impact, actions.matrix())
        actions.set_priority(
            [row.pk], urgency=levels.urgency, priority=levels.priority, reason=levels.reason, actor=asked.actor
        )


def _people(asked: Asked, row: Any, given: Mapping[str, Any], is_open: bool) -> None:
    if given.get("service") and number_of("service", given["service"], "Service") != row.service_id:
        raise Refused(400, ["An incident stays with its service here; merge it into one of the other service"])
    if given.get("escalation_policy"):
        require_policy(asked, row.service, given["escalation_policy"])
    users = assignees(asked, given.get("assignments"))
    if users:
        _done(actions.reassign([row.pk], user_ids=users, actor=asked.actor))
    if given.get("escalation_level") is None:
        return
    level = _whole(given["escalation_level"])
    if level is None or level < 1:
        raise Refused(400, ["Escalation level must be a whole number, 1 or more"], code=1006)
    if not is_open:
        raise Refused(400, ["Incident Already Resolved"], code=1001)
    try:
        escalation.escalate_now(
            row.pk, actor=asked.actor, reason_code="other", reason=ESCALATED, via="api", step=level - 1
        )
    except (Invalid, Conflict) as error:
        raise Refused(400, [f"Escalation level {level} does not exist in the incident's policy"], code=1006) from error


def _done(done: Done) -> None:
    if done.skipped:
        raise Refused(400, ["Incident Already Resolved"], code=1001)


def assignees(asked: Asked, given: object) -> list[int]:
    """The people of ``assignments``; none when nothing was given. Raises Refused (1007)."""
    if not given:
        return []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Refused(400, ['Assignments must be a list: [{"assignee": {...}}]'])
    numbers = []
    for one in given:
        person = one.get("assignee", one)
        if isinstance(person, dict) and str(person.get("type", "user")).startswith("escalation_policy"):
            raise Refused(400, ["An assignee must be a user"], code=1007)
        numbers.append(number_of("user", person, "Assignee"))
    known = people.names(numbers)
    if any(number not in known for number in numbers):
        raise Refused(400, ["Assignee Not Found"], code=1007)
    return list(dict.fromkeys(numbers))


def require_policy(asked: Asked, service: Any, given: object) -> None:
    """Refuse a policy that is not the service's own: incidents follow the policy of their service here."""
    if number_of("escalation_policy", given, "Escalation policy") != service.policy_id:
        raise Refused(
            400,
            ["An incident follows the escalation policy of its service; use assignments or responder_requests"],
            code=1014,
        )
