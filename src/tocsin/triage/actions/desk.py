"""What triage does to incidents, written through the incident book."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from tocsin.incidents import queries as incident_queries
from tocsin.incidents import rules as incident_rules
from tocsin.incidents.actions import Book, matrices
from tocsin.platform import bulk, events
from tocsin.platform.actor import Actor
from tocsin.platform.canary import is_canary
from tocsin.triage import rules


def source_actor(source: rules.Source) -> Actor:
    """The source as the one who acts."""
    return Actor(kind="source", id=source.id, name=source.name, role="responder")


class Desk:
    """``triage.rules.Incidents`` for one batch. ``publish`` tells, at the end, what happened."""

    def __init__(self, book: Book, sources: dict[int, rules.Source], most: int) -> None:
        self.book = book
        self.sources = sources
        self.matrix = matrices.one(book.config, None)
        self._by_key: dict[str, int] = {}
        self._grouped: dict[int, list[int]] = {}
        self._ids: list[int] = []
        self._taken = 0
        self._most = max(most, 1)
        self._opened: dict[int, None] = {}
        self._reopened: dict[int, None] = {}
        self._resolved: dict[int, None] = {}
        self._acknowledged: dict[int, None] = {}
        self._louder: dict[int, None] = {}
        self._raised: dict[int, None] = {}
        self._confidential: dict[int, None] = {}

    def load_groups(self, service_ids: Sequence[int]) -> None:
        """Read and guard the open groups of these services: no other engine opens a group on them meanwhile."""
        if not service_ids:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(7001, s) FROM (SELECT unnest(%s::int[]) AS s ORDER BY 1) AS ordered",
                [sorted(service_ids)],
            )
            cursor.execute(
                "SELECT id, group_key, service_id FROM incidents_incident WHERE service_id = ANY(%s)"
                " AND group_key IS NOT NULL AND state IN ('triggered', 'acknowledged', 'mitigated') ORDER BY id",
                [list(service_ids)],
            )
            for key, group, service in cursor.fetchall():
                self._remember(key, group, service)

    def _remember(self, incident_id: int, group: str, service_id: int) -> None:
        self._by_key[group] = incident_id
        if group.startswith("dependency:"):
            self._grouped.setdefault(service_id, []).append(incident_id)

    def _next_id(self) -> int:
        # taken in growing handfuls: a storm needs thousands, a grouped one a single number
        if not self._ids:
            handful = min(max(self._taken, 1), self._most)
            self._ids = list(reversed(bulk.next_ids("incidents_incident", handful)))
            self._taken += handful
        return self._ids.pop()

    def open(
        self,
        alert: rules.Alert,
        service: rules.Service,
        how: rules.Assessment,
        key: str | None,
        until: datetime | None,
    ) -> int:
        impact = how.impact or service.impact or incident_rules.impact_of_tier(service.tier)
        urgency = how.urgency or incident_rules.URGENCY_OF_SEVERITY[how.severity]
        expected = incident_rules.priority_of(impact, urgency, self.matrix)
        priority, reason = rules.at_opening(how.priority, expected)
        canary = is_canary(service.id)
        state = incident_rules.State(
            id=-alert.first_signal_id if canary else self._next_id(),
            service_id=service.id,
            title=alert.title[:1024],
            state="triggered",
            impact=impact,
            urgency=urgency,
            priority=priority,
            priority_reason=reason,
            severity=how.severity,
            opened_at=self.book.now,
            updated_at=self.book.now,
            group_key=key,
            group_until=until,
            alert_count=1,
            open_alert_count=1,
            confidential=service.confidential,
            drill=canary,
        )
        self.book.add([state])
        facts = {"how": "alert", "alert": alert.id, "severity": how.severity, "priority": state.priority,
                 "impact": impact, "urgency": urgency}  # fmt: skip
        if how.rule:
            facts["rule"] = how.rule
        if service.confidential:
            facts["confidential"] = True
        self.book.write(state, "opened", source_actor(self.sources[alert.source_id]), facts)
        if key:
            self._remember(state.id, key, service.id)
        self._opened[state.id] = None
        return state.id

    def by_key(self, key: str, at: datetime) -> int | None:
        found = self._by_key.get(key)
        return found if found is not None and self._joinable(found, at) else None

    def of_services(self, service_ids: Sequence[int], at: datetime) -> int | None:
        candidates = sorted(key for service in service_ids for key in self._grouped.get(service, ()))
        return next((key for key in candidates if self._joinable(key, at)), None)

    def _joinable(self, incident_id: int, at: datetime) -> bool:
        state = self.book.lock([incident_id]).get(incident_id)
        if state is None or not state.open or state.group_key is None:
            return False
        if state.group_until is not None and at > state.group_until:
            # its window is over: the key is free for the next incident
            self._by_key.pop(state.group_key, None)
            state.group_key = None
            self.book.touch(state)
            return False
        return True

    def join(self, incident_id: int, alert: rules.Alert, service: rules.Service, how: rules.Assessment) -> None:
        state = self.book.lock([incident_id])[incident_id]
        if service.confidential and not state.confidential:
            # what must not be read by everybody must not become so by company: the group keeps the secret
            state.confidential = True
            told = {"reason": f"an alert of {service.name} joined it"}
            self.book.write(state, "made_confidential", source_actor(self.sources[alert.source_id]), told)
            self._confidential[incident_id] = None
        state.alert_count += 1
        state.open_alert_count += 1
        # the first hundred alerts are told one by one; a storm is a number
        if state.alert_count <= 100:
            facts = {"alert": alert.id, "title": alert.title[:300], "severity": how.severity}
            self.book.write(state, "alert_joined", source_actor(self.sources[alert.source_id]), facts)
        else:
            self.book.touch(state)
        self.worsened(incident_id, alert, how)

    def reopen(self, incident_id: int, alert: rules.Alert, within: timedelta) -> bool:
        state = self.book.lock([incident_id]).get(incident_id)
        if state is None or state.state != "resolved" or state.resolved_at is None:
            return False
        if self.book.now - state.resolved_at > within or incident_queries.ended_by_person(incident_id):
            return False
        if incident_rules.reopen(state):
            return False
        if state.group_key in self._by_key:
            state.group_key = None
        state.alert_count += 1
        state.open_alert_count += 1
        actor = source_actor(self.sources[alert.source_id])
        self.book.write(state, "reopened", actor, {"reason": "the alert came back", "alert": alert.id})
        self._resolved.pop(incident_id, None)
        self._reopened[incident_id] = None
        return True

    def worsened(self, incident_id: int, alert: rules.Alert, how: rules.Assessment) -> None:
        state = self.book.lock([incident_id])[incident_id]
        state.severity = incident_rules.worst([state.severity, how.severity])
        urgency = how.urgency or incident_rules.URGENCY_OF_SEVERITY[how.severity]
        if not state.open:
            return
        risen = incident_rules.LEVELS.index(urgency) < incident_rules.LEVELS.index(state.urgency)
        before, state.urgency = state.priority, urgency if risen else state.urgency
        expected = incident_rules.priority_of(state.impact, state.urgency, self.matrix)
        state.priority, state.priority_reason = rules.after_worse(
            before, state.priority_reason, how.priority, expected, risen
        )
        if not risen and state.priority == before:
            return
        actor = source_actor(self.sources[alert.source_id])
        facts = {"from": before, "to": state.priority, "impact": state.impact, "urgency": state.urgency,
                 "reason": f"an alert became {how.severity}", "alert": alert.id}  # fmt: skip
        self.book.write(state, "priority_changed", actor, facts)
        if state.priority < before and incident_id not in self._opened:
            self._raised[incident_id] = None
        louder = incident_rules.pages_loudly(state.priority) and not incident_rules.pages_loudly(before)
        if louder and state.state == "triggered" and incident_id not in self._opened:
            incident_rules.renew(state)
            self._louder[incident_id] = None

    def ended(self, incident_id: int, alert: rules.Alert, reason: str) -> bool:
        state = self.book.lock([incident_id]).get(incident_id)
        if state is None:
            return False
        state.open_alert_count = max(state.open_alert_count - 1, 0)
        self.book.touch(state)
        if state.open_alert_count or not state.open:
            return False
        incident_rules.resolve(state, self.book.now)
        if state.group_key:
            self._by_key.pop(state.group_key, None)
        actor = source_actor(self.sources[alert.source_id])
        self.book.write(state, "resolved", actor, {"note": reason, "via": "alert", "alert": alert.id})
        self._resolved[incident_id] = None
        return True

    def acknowledge(self, incident_id: int, source: rules.Source) -> str:
        state = self.book.lock([incident_id]).get(incident_id)
        if state is None:
            return "Its incident is gone."
        skip = incident_rules.acknowledge(state, self.book.now, None)
        if isinstance(skip, incident_rules.Skip):
            return f"INC-{incident_id} stays as it is: {skip.why}."
        self.book.write(state, "acknowledged", source_actor(source), {"via": "source"})
        self._acknowledged[incident_id] = None
        return f"{source.name} acknowledged INC-{incident_id}."

    def publish(self) -> None:
        """Tell what happened, in the order in which it matters for pages."""
        told: list[object] = []
        if self._confidential:
            told.append(incident_rules.IncidentsMadeConfidential(tuple(self._confidential)))
        if self._opened:
            told.append(incident_rules.IncidentsOpened(tuple(self._opened)))
        if self._reopened:
            told.append(incident_rules.IncidentsReopened(tuple(self._reopened)))
        if self._louder:
            told.append(incident_rules.UrgencyRaised(tuple(self._louder)))
        if self._raised:
            told.append(incident_rules.PriorityRaised(tuple(self._raised)))
        if self._acknowledged:
            told.append(incident_rules.IncidentsAcknowledged(tuple(self._acknowledged)))
        if self._resolved:
            told.append(incident_rules.IncidentsResolved(tuple(self._resolved), by_person=False))
        events.publish(told)
