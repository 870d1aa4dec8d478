"""Incidents in PagerDuty's words: a page of them at once, with a constant number of queries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tocsin.api.pagerduty import ids, references
from tocsin.api.pagerduty.asking import Asked
from tocsin.api.pagerduty.basics import priority_reference
from tocsin.api.pagerduty.references import Teller, Thing
from tocsin.api.pagerduty.urgency import urgency_of
from tocsin.escalation import queries as escalation
from tocsin.incidents import queries
from tocsin.incidents import rules as incident_rules
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.triage import queries as triage

STATUS = {
    "triggered": "triggered", "acknowledged": "acknowledged", "mitigated": "acknowledged", "resolved": "resolved",
    "closed": "resolved",
}  # fmt: skip
# kinds of the timeline after which the status may be another one
CHANGES = (
    "opened", "acknowledged", "unacknowledged", "mitigated", "resolved", "reopened", "snoozed", "merged",
    "snooze_ended", "acknowledgement_timed_out",
)  # fmt: skip
RELATED = ("service__policy__team", "service__policy__confidential", "merged_into")


@dataclass(slots=True)
class _Around:
    """What a page of incidents needs beside its rows."""

    opened: dict[int, Any] = field(default_factory=dict)
    changed: dict[int, Any] = field(default_factory=dict)
    given_at: dict[int, datetime] = field(default_factory=dict)
    called_off: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    asked_for: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    paged: dict[int, list[tuple[int, datetime]]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[int, Any] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)


def with_related(rows: Any) -> Any:
    """A query for incidents with everything of theirs that is told."""
    return rows.select_related(*RELATED).prefetch_related("assignees", "acknowledgements__user")


def _around(asked: Asked, rows: Sequence[Any]) -> _Around:
    found = _Around()
    numbers = [row.pk for row in rows]
    for entry in queries.last_entries(asked.actor, numbers, (*CHANGES, "reassigned")):
        if entry.kind == "opened":
            found.opened[entry.incident_id] = entry
        if entry.kind == "reassigned":
            found.given_at[entry.incident_id] = entry.at
        else:
            found.changed[entry.incident_id] = entry  # they come in their order: the last one stays
    by_hand = queries.entries(asked.actor, kinds=["paged_by_hand", "called_off"]).filter(incident_id__in=numbers)
    for entry in by_hand.order_by("id"):
        users = entry.data.get("users") or ()
        if entry.kind == "called_off":
            found.called_off[entry.incident_id].update(users)
        else:
            found.called_off[entry.incident_id].difference_update(users)
            found.asked_for[entry.incident_id].append(entry)
    for number, user, at in escalation.paged_now(numbers):
        found.paged[number].append((user, at))
    found.runs = {run.incident_id: run for run in escalation.waiting(asked.actor, numbers)}
    alerts = triage.alerts(asked.actor).filter(incident_id__in=numbers).order_by("incident_id", "id")
    found.keys = dict(alerts.distinct("incident_id").values_list("incident_id", "dedup_key"))
    wanted = {user for pairs in found.paged.values() for user, _ in pairs}
    wanted |= {entry.actor_id for entry in found.changed.values() if _personal(entry)}
    for entries in found.asked_for.values():
        for entry in entries:
            wanted |= {entry.actor_id} | set(entry.data.get("users") or ())
    found.users = people.users(asked.actor).prefetch_related(None).in_bulk([one for one in wanted if one])
    return found


def _personal(entry: Any) -> bool:
    return entry.actor_kind in ("user", "token", "link") and entry.actor_id is not None


def agent(asked: Asked, entry: Any, service: Any) -> Thing | None:
    """Who did what an entry tells: a person, a source (an integration), or for Tocsin itself the service."""
    if _personal(entry):
        return references.user(asked, entry.actor_id, entry.actor_name)
    if entry.actor_kind == "source" and entry.actor_id is not None and entry.actor_id >= 0:
        return {
            "id": ids.write("integration", entry.actor_id),
            "type": "inbound_integration_reference",
            "summary": entry.actor_name,
            "self": None,
            "html_url": None,
        }
    return references.service(asked, service)


class Incidents:
    """Shapes incidents for one request; ``include[]`` is heeded."""

    def __init__(self, asked: Asked, *, include: Iterable[str] | None = None) -> None:
        self.asked = asked
        self.tell = Teller(asked)
        self.include = set(asked.many("include") if include is None else include)

    def __call__(self, rows: Sequence[Any]) -> list[Thing]:
        """Incidents of ``with_related``, whole."""
        around = _around(self.asked, rows)
        return [self._one(row, around) for row in rows]

    def _person(self, number: int, around: _Around, include: str, row: Any = None) -> Thing | None:
        known = row or around.users.get(number)
        whole = known if {include, "users"} & self.include else None
        return references.user(self.asked, number, known.name if known else "", more=whole)

    def _one(self, row: Any, around: _Around) -> Thing:
        asked, tell = self.asked, self.tell
        opened, changed = around.opened.get(row.pk), around.changed.get(row.pk)
        data = opened.data if opened is not None else {}
        followed = _policy(row)
        shape = asked.thing("incident", row.pk, f"[#{row.pk}] {row.title}", page=f"/incidents/{row.pk}/") | {
            "incident_number": row.pk,
            "title": row.title,
            "description": row.title,
            "created_at": tell(row.opened_at),
            "updated_at": tell(row.updated_at),
            "status": STATUS[row.state],
            "incident_key": data.get("key") or around.keys.get(row.pk) or f"INC-{row.pk}",
            "service": references.service(asked, row.service, whole="services" in self.include),
            "assignments": self._assignments(row, around),
            "assigned_via": "direct_assignment" if around.given_at.get(row.pk) else "escalation_policy",
            "acknowledgements": self._acknowledgements(row, around),
            "last_status_change_at": tell(changed.at if changed is not None else row.opened_at),
            "last_status_change_by": self._changed_by(row, changed, around),
            "resolved_at": tell(row.resolved_at),
            "first_trigger_log_entry": self._first(row, opened),
            "alert_counts": {
                "all": row.alert_count,
                "triggered": row.open_alert_count,
                "resolved": max(row.alert_count - row.open_alert_count, 0),
            },
            "is_mergeable": row.state in incident_rules.OPEN,
            "incident_type": {"name": "incident_default"},
            "escalation_policy": references.policy(asked, followed, whole="escalation_policies" in self.include),
            "teams": references.teams(asked, row.service.team, whole="teams" in self.include),
            "pending_actions": self._pending(row, around),
            "alert_grouping": None,
            "priority": priority_reference(asked, row.priority),
            "urgency": urgency_of(row.priority),
            "resolve_reason": None,
            "conference_bridge": None,
            "incidents_responders": [],
            "responder_requests": [],
            "subscriber_requests": [],
        }
        if row.merged_into_id is not None:
            merged = row.merged_into
            title = "" if merged.confidential else merged.title  # whoever reads this one need not read that one
            shape["resolve_reason"] = {
                "type": "merge_resolve_reason", "incident": references.incident(asked, merged.pk, title),
            }  # fmt: skip
        for entry in around.asked_for.get(row.pk, ()):
            request = self.responder_request(row, entry, around.users, around.called_off[row.pk])
            shape["responder_requests"].append(request)
            for target in request["responder_request_targets"]:
                shape["incidents_responders"] += target["responder_request_target"]["incidents_responders"]
        if "body" in self.include or data.get("details"):
            shape["body"] = {"type": "incident_body", "details": data.get("details") or ""}
        if "custom_fields" in self.include:
            shape["custom_fields"] = []
        return shape

    def _assignments(self, row: Any, around: _Around) -> list[Thing]:
        if row.state not in incident_rules.OPEN:
            return []
        given = sorted(row.assignees.all(), key=lambda user: user.pk)
        at = around.given_at.get(row.pk, row.opened_at)
        found: list[tuple[int, datetime, Any]]
        if given:
            found = [(user.pk, at, user) for user in given]
        elif row.acknowledged_by_id is not None:
            found = [(row.acknowledged_by_id, row.acknowledged_at or row.opened_at, row.acknowledged_by)]
        else:
            found = [(user, at, None) for user, at in around.paged.get(row.pk, ())]
        return [
            {"at": self.tell(at), "assignee": self._person(user, around, "assignees", known)}
            for user, at, known in found
        ]

    def _acknowledgements(self, row: Any, around: _Around) -> list[Thing]:
        several = queries.acknowledgements(row) if row.state in incident_rules.OPEN else []
        found = [(one.user_id, one.at, one.user) for one in several]
        if not found and row.state in ("acknowledged", "mitigated") and row.acknowledged_by_id is not None:
            found = [(row.acknowledged_by_id, row.acknowledged_at, row.acknowledged_by)]
        return [
            {"at": self.tell(at), "acknowledger": self._person(user, around, "acknowledgers", known)}
            for user, at, known in found
        ]

    def _changed_by(self, row: Any, entry: Any, around: _Around) -> Thing | None:
        if entry is None:
            return references.service(self.asked, row.service)
        if _personal(entry) and "agents" in self.include:
            return self._person(entry.actor_id, around, "agents")
        return agent(self.asked, entry, row.service)

    def _first(self, row: Any, entry: Any) -> Thing | None:
        if entry is None:
            return None
        shape = self.asked.thing("log_entry", entry.pk, f"Triggered by {entry.actor_name}")
        shape |= {"type": "trigger_log_entry_reference", "html_url": f"{self.asked.pages}/incidents/{row.pk}/"}
        if "first_trigger_log_entries" in self.include:
            shape |= {
                "type": "trigger_log_entry",
                "created_at": self.tell(entry.at),
                "agent": agent(self.asked, entry, row.service),
                "channel": {"type": "api", "summary": row.title},
                "service": references.service(self.asked, row.service),
                "incident": references.incident(self.asked, row.pk, row.title),
                "teams": references.teams(self.asked, row.service.team),
                "contexts": [],
                "event_details": {"description": row.title},
            }
        return shape

    def _pending(self, row: Any, around: _Around) -> list[Thing]:
        run = around.runs.get(row.pk)
        if run is None or row.state not in incident_rules.OPEN:
            return []
        return [{"type": "escalate" if run.purpose == "escalate" else "unacknowledge", "at": self.tell(run.due_at)}]

    def responder_request(
        self, row: Any, entry: Any, users: dict[int, User], called_off: Collection[int] = ()
    ) -> Thing:
        """People whom somebody asked for by hand, as the timeline's entry tells it."""
        asked, at = self.asked, self.tell(entry.at)
        incident = references.incident(asked, row.pk, row.title)
        requester = agent(asked, entry, row.service)
        message = str(entry.data.get("message") or "")
        targets = []
        for number in entry.data.get("users") or ():
            person = references.user(asked, number, users[number].name if number in users else "") or {}
            answered = row.acknowledged_by_id == number
            responder = {
                "state": "joined" if answered else "cancelled" if number in called_off else "pending",
                "user": person,
                "incident": incident,
                "updated_at": at,
                "message": message,
                "requester": requester,
                "requested_at": at,
            }
            targets.append({"responder_request_target": person | {"incidents_responders": [responder]}})
        return {
            "id": ids.write("responder_request", entry.pk),
            "incident": incident,
            "requester": requester,
            "requested_at": at,
            "message": message,
            "responder_request_targets": targets,
        }


def _policy(row: Any) -> Any:
    """The policy that an incident follows: that for confidential ones where its service has one."""
    policy = row.service.policy
    return policy.confidential if policy is not None and row.confidential and policy.confidential else policy
