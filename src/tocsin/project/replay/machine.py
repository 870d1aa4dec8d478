"""A replay: stored signals through triage and escalation on virtual time. Pure but for what it is given.

The rules are production's own (``triage.rules.decide``, ``escalation.rules.plan``); only what they write goes into
dictionaries. People answer as they did: whoever is paged first for an incident acknowledges it as long after as the
incident of that signal was acknowledged after its first page, and what people resolved by hand is resolved at that
moment.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tocsin.escalation.rules import (
    Answers,
    Facts,
    Holds,
    NotifyRule,
    PolicySnapshot,
    Resolve,
    RunState,
    ServiceFacts,
    Urgency,
    ack_due,
    notifications,
    page_urgency,
    plan,
    wait,
    woken,
)
from tocsin.incidents import rules as incidents
from tocsin.triage import rules as triage

MOST_KNOWN = 200_000
MOST_STEPS = 500  # of one incident: a policy that repeats for ever ends here


@dataclass(frozen=True, slots=True)
class Page:
    """One person paged for one incident; ``messages``: how many went out at once."""

    at: datetime
    user_id: int
    step: int
    urgency: Urgency
    messages: int


@dataclass(slots=True)
class Incident:
    """An incident as the replay knows it. ``signal_id`` opened it."""

    id: int
    service_id: int
    signal_id: int
    opened_at: datetime
    priority: str
    impact: str
    urgency: str
    severity: str
    title: str
    key: str | None = None
    until: datetime | None = None
    open_alerts: int = 1
    state: str = "triggered"
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    by_person: bool = False
    priority_reason: str = ""
    generation: int = 1
    steps: int = 0
    gaps: int = 0
    asked: set[int] = field(default_factory=set)  # whose answer is on its way
    acked: set[int] = field(default_factory=set)
    acks_needed: int = 1
    pages: list[Page] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.state in ("triggered", "acknowledged")

    def renew(self) -> None:
        """Who must know has changed: acknowledgements are counted anew."""
        self.generation += 1
        self.asked -= self.acked
        self.acked, self.acks_needed = set(), 1

    @property
    def first_page(self) -> datetime | None:
        return self.pages[0].at if self.pages else None


@dataclass(frozen=True)
class Configuration:
    """What decides: services, rules, windows as stretches of time, policies, people."""

    sources: Mapping[int, triage.Source]
    services: Mapping[int, triage.Service]
    rules: Sequence[triage.Rule]
    windows: Sequence[triage.Window]  # one for each occurrence; ``until`` is its end
    window_starts: Sequence[datetime]
    needs: Mapping[int, Sequence[int]]
    needed_by: Mapping[int, Sequence[int]]
    matrix: Mapping[str, Mapping[str, str]]
    policies: Mapping[int, PolicySnapshot]
    resolve: Resolve
    notify: Mapping[int, Sequence[NotifyRule]]
    facts: Mapping[int, ServiceFacts]
    condition: Holds


@dataclass(frozen=True)
class Recording:
    """What happened: signals in order, what people ended by hand, how long each signal's incident waited.

    ``signals`` gives them anew each time it is called, as many do not fit into memory at once.
    ``ends``: (moment, source, key) of alerts that people ended, in order. ``answers``: signal id -> seconds from the
    first page to the acknowledgement, for signals whose incident was acknowledged; ``usual``: seconds for all others.
    """

    signals: Callable[[], Iterable[triage.Signal]]
    since: datetime
    ends: Sequence[tuple[datetime, int, str]]
    answers: Mapping[int, float]
    usual: float


@dataclass
class Outcome:
    """What came of a replay."""

    incidents: list[Incident]
    outcomes: dict[str, int]
    incident_of: dict[int, int]  # signal -> incident

    def pages(self) -> list[Page]:
        """All pages in order."""
        return sorted((page for one in self.incidents for page in one.pages), key=lambda page: page.at)


class Replay:
    """One run of a recording through a configuration. ``triage.rules.Incidents`` for the rules."""

    def __init__(self, configuration: Configuration, recording: Recording, until: datetime) -> None:
        self.config = configuration
        self.recording = recording
        self.until = until
        self.incidents: list[Incident] = []
        self.by_group: dict[str, int] = {}
        self.by_service: dict[int, list[int]] = {}
        self.incident_of: dict[int, int] = {}
        self.outcomes: dict[str, int] = {}
        self._queue: list[tuple[datetime, int, int, Callable[[], None]]] = []
        self._count = 0
        self._alerts = 0
        self._signal: triage.Signal | None = None
        self._now = recording.since
        self._signals_of: dict[int, triage.Signal] = {}
        self._known: dict[tuple[object, ...], bool] = {}
        self._arming: dict[int, Incident] = {}
        self.world = triage.World(
            now=self._now,
            sources=configuration.sources,
            services=configuration.services,
            rules=[replace(rule, holds=partial(self._holds, rule)) for rule in configuration.rules],
            windows=(),
            incidents=self,
            alerts={},
            last={},
            new_id=self._new_alert,
            needs=configuration.needs,
            needed_by=configuration.needed_by,
        )

    def run(self, progress: Callable[[int], None] | None = None) -> Outcome:
        """Play everything; ``progress`` hears how many signals are done, now and then."""
        for start, window in zip(self.config.window_starts, self.config.windows, strict=True):
            self._at(start, self._look_at_windows, first=True)
            self._at(window.until, self._look_at_windows, first=True)
            self._at(window.until, self._release)
        ends, index = self.recording.ends, 0
        for number, signal in enumerate(self.recording.signals()):
            moment = signal.received_at
            while index < len(ends) and ends[index][0] < moment:
                self._advance(ends[index][0])
                self._ended_by_hand(*ends[index])
                index += 1
            self._advance(moment)
            self._decide(signal)
            if progress and number % 10_000 == 0:
                progress(number)
        for end in ends[index:]:
            if end[0] < self.until:
                self._advance(end[0])
                self._ended_by_hand(*end)
        self._advance(self.until)
        self._page_if_later(self.until + timedelta(microseconds=1))
        return Outcome(self.incidents, self.outcomes, self.incident_of)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _at(self, moment: datetime, what: Callable[[], None], *, first: bool = False) -> None:
        """Do something then: after the signals of that very moment, or before them when ``first``."""
        self._count += 1
        heapq.heappush(self._queue, (moment, 0 if first else 1, self._count, what))

    def _advance(self, moment: datetime) -> None:
        """Do what is due before a moment, and at it what comes first."""
        queue = self._queue
        while True:
            ahead = bool(queue) and (queue[0][0], queue[0][1]) < (moment, 1)
            if self._page_if_later(queue[0][0] if ahead else moment):
                continue  # what was paged may have something due in between
            if not ahead:
                break
            self._now, _, _, what = heapq.heappop(queue)
            what()
        self._now = moment

    def _page_if_later(self, moment: datetime) -> bool:
        """Page for what opened, unless more happens at the same moment: the engine decides that in one go too."""
        if not self._arming or moment <= self._now:
            return False
        arming, self._arming = self._arming, {}
        for incident in arming.values():
            if incident.key and incident.open:
                self._remember(incident.key, incident)  # of one that was reopened too
            self._arm(incident)
        return True

    def _look_at_windows(self) -> None:
        """The maintenance windows that are going on now."""
        self.world.windows = [
            window
            for start, window in zip(self.config.window_starts, self.config.windows, strict=True)
            if start <= self._now < window.until
        ]

    def _holds(self, rule: triage.Rule, variables: Mapping[str, Any]) -> bool:
        """A rule's condition; remembered, as a condition that goes on says the same again and again."""
        signal = self._signal
        if signal is None:
            return rule.holds(variables)
        said, service = variables["signal"], variables["service"]["slug"]
        key = (rule.id, signal.source_id, signal.text, said["key"], said["title"], said["severity"], service)
        if key not in self._known:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known[key] = rule.holds(variables)
        return self._known[key]

    # -- triage --------------------------------------------------------------------------------------------------------

    def _new_alert(self) -> int:
        self._alerts += 1
        return self._alerts

    def _decide(self, signal: triage.Signal) -> None:
        self._signal, self.world.now = signal, signal.received_at
        decision = triage.decide(signal, self.world)
        self._note(signal, decision)
        alert = self.world.alerts.get((signal.source_id, signal.dedup_key))
        if alert is not None:
            self._signals_of[alert.id] = signal
            if decision.outcome is triage.Outcome.FLAPPING and alert.flapping_until:
                self._at(alert.flapping_until, lambda: self._admit_again(alert))

    def _note(self, signal: triage.Signal, decision: triage.Decision) -> None:
        self.outcomes[decision.outcome.value] = self.outcomes.get(decision.outcome.value, 0) + 1
        if decision.incident_id is not None:
            self.incident_of[signal.id] = decision.incident_id

    def _release(self) -> None:
        """A window is over: what it held pages now."""
        going_on = {window.id for window in self.world.windows}
        for alert in [one for one in self.world.alerts.values() if one.held_by_id is not None]:
            if alert.held_by_id not in going_on:
                self._admit_again(alert)

    def _admit_again(self, alert: triage.Alert) -> None:
        key = (alert.source_id, alert.dedup_key)
        if self.world.alerts.get(key) is not alert or alert.incident_id is not None:
            return
        signal = replace(
            self._signals_of[alert.id],
            id=alert.last_signal_id,
            action="trigger",
            severity=alert.severity,
            title=alert.title,
            received_at=self._now,
        )
        service, source = self.config.services[alert.service_id], self.config.sources[alert.source_id]
        alert.held_by_id = alert.flapping_until = None
        alert.flips = []
        self._signal, self.world.now = signal, self._now
        how = triage.assess(signal, source, service, self.world.rules)
        decision = triage.admit(alert, signal, service, how, self.world)
        if decision.incident_id is not None:
            self.incident_of[signal.id] = decision.incident_id

    def _ended_by_hand(self, moment: datetime, source_id: int, key: str) -> None:
        """A person ended the alert then, if it is open here too."""
        alert = self.world.alerts.get((source_id, key))
        if alert is None or alert.first_at > moment:
            return
        incident = self.incidents[alert.incident_id - 1] if alert.incident_id is not None else None
        signal = triage.Signal(0, source_id, "resolve", key, alert.severity, alert.title, {}, None, moment)
        triage.decide(signal, self.world)
        if incident is not None and not incident.open:
            incident.by_person = True

    # -- incidents, as triage asks for them ----------------------------------------------------------------------------

    def open(
        self,
        alert: triage.Alert,
        service: triage.Service,
        how: triage.Assessment,
        key: str | None,
        until: datetime | None,
    ) -> int:
        impact = how.impact or service.impact or incidents.impact_of_tier(service.tier)
        urgency = how.urgency or incidents.URGENCY_OF_SEVERITY[how.severity]
        expected = incidents.priority_of(impact, urgency, self.config.matrix)
        priority, reason = triage.at_opening(how.priority, expected)
        incident = Incident(
            id=len(self.incidents) + 1,
            service_id=service.id,
            signal_id=self._signal.id if self._signal else 0,
            opened_at=self._now,
            priority=priority,
            priority_reason=reason,
            impact=impact,
            urgency=urgency,
            severity=how.severity,
            title=alert.title,
            key=key,
            until=until,
        )
        self.incidents.append(incident)
        if key:
            self._remember(key, incident)
        self._arming[incident.id] = incident
        return incident.id

    def _remember(self, key: str, incident: Incident) -> None:
        self.by_group[key] = incident.id
        if key.startswith("dependency:") and incident.id not in self.by_service.setdefault(incident.service_id, []):
            self.by_service[incident.service_id].append(incident.id)

    def _joinable(self, incident: Incident, at: datetime) -> bool:
        if not incident.open or incident.key is None:
            return False
        if incident.until is not None and at > incident.until:
            self.by_group.pop(incident.key, None)
            incident.key = None
            return False
        return True

    def by_key(self, key: str, at: datetime) -> int | None:
        found = self.by_group.get(key)
        return found if found is not None and self._joinable(self.incidents[found - 1], at) else None

    def of_services(self, service_ids: Sequence[int], at: datetime) -> int | None:
        for service in service_ids:  # those that ended are forgotten on the way
            kept = [key for key in self.by_service.get(service, ()) if self.incidents[key - 1].open]
            if service in self.by_service:
                self.by_service[service] = kept
        candidates = sorted(key for service in service_ids for key in self.by_service.get(service, ()))
        return next((key for key in candidates if self._joinable(self.incidents[key - 1], at)), None)

    def join(self, incident_id: int, alert: triage.Alert, service: triage.Service, how: triage.Assessment) -> None:
        self.incidents[incident_id - 1].open_alerts += 1
        self.worsened(incident_id, alert, how)

    def reopen(self, incident_id: int, alert: triage.Alert, within: timedelta) -> bool:
        incident = self.incidents[incident_id - 1]
        if incident.open or incident.resolved_at is None or incident.by_person:
            return False
        if self._now - incident.resolved_at > within:
            return False
        if incident.key in self.by_group:
            incident.key = None
        incident.state, incident.resolved_at = "triggered", None
        incident.open_alerts += 1
        incident.renew()
        self._arming[incident.id] = incident
        return True

    def worsened(self, incident_id: int, alert: triage.Alert, how: triage.Assessment) -> None:
        incident = self.incidents[incident_id - 1]
        incident.severity = incidents.worst([incident.severity, how.severity])
        urgency = how.urgency or incidents.URGENCY_OF_SEVERITY[how.severity]
        if not incident.open:
            return
        risen = incidents.LEVELS.index(urgency) < incidents.LEVELS.index(incident.urgency)
        before, incident.urgency = incident.priority, urgency if risen else incident.urgency
        expected = incidents.priority_of(incident.impact, incident.urgency, self.config.matrix)
        incident.priority, incident.priority_reason = triage.after_worse(
            before, incident.priority_reason, how.priority, expected, risen
        )
        louder = incidents.pages_loudly(incident.priority) and not incidents.pages_loudly(before)
        if louder and incident.state == "triggered" and incident_id not in self._arming:
            incident.renew()
            self._arming[incident_id] = incident

    def ended(self, incident_id: int, alert: triage.Alert, reason: str) -> bool:
        incident = self.incidents[incident_id - 1]
        incident.open_alerts = max(incident.open_alerts - 1, 0)
        if incident.open_alerts or not incident.open:
            return False
        incident.state, incident.resolved_at = "resolved", self._now
        incident.renew()
        if incident.key:
            self.by_group.pop(incident.key, None)
        return True

    def acknowledge(self, incident_id: int, source: triage.Source) -> str:
        self._acknowledged(self.incidents[incident_id - 1])
        return f"{source.name} acknowledged it."

    # -- escalation ----------------------------------------------------------------------------------------------------

    def _arm(self, incident: Incident) -> None:
        policy = self.config.policies.get(incident.service_id)
        if policy is not None:
            self._step(incident, policy, incident.generation, RunState())

    def _step(self, incident: Incident, policy: PolicySnapshot, generation: int, at: RunState) -> None:
        """Page the step that is due, unless the incident was answered meanwhile."""
        while incident.generation == generation and incident.state == "triggered" and incident.steps < MOST_STEPS:
            incident.steps += 1
            answers = Answers(frozenset(incident.acked), incident.acks_needed)
            planned = plan(policy, at, self.config.resolve, self._now, self._facts(policy, incident), answers)
            incident.acks_needed = max(incident.acks_needed, planned.acks)
            reached = 0
            for page in planned.pages:
                if page.user_id is None:
                    incident.gaps += page.gap
                    continue
                urgency = page.urgency or page_urgency(incident.priority)
                ways = notifications(self.config.notify.get(page.user_id, ()), urgency, self._now)
                reached += len(ways)
                at_once = sum(one.delay_s == 0 for one in ways)
                incident.pages.append(Page(self._now, page.user_id, at.step + 1, urgency, at_once))
                # one answers at a time, unless several have to
                if ways and page.user_id not in incident.asked and len(incident.asked) < incident.acks_needed:
                    incident.asked.add(page.user_id)
                    wait_s = self.recording.answers.get(incident.signal_id, self.recording.usual)
                    answer = partial(self._answer, incident, page.user_id, generation)
                    self._at(self._now + timedelta(seconds=wait_s), answer)
            if planned.next is None:
                return
            at = planned.next
            if due := wait(planned, reached):
                self._at(self._now + timedelta(seconds=due), partial(self._step, incident, policy, generation, at))
                return

    def _facts(self, policy: PolicySnapshot, incident: Incident) -> Facts | None:
        """What conditions of the policy may ask; None when it asks nothing."""
        if not policy.asks:
            return None
        service = self.config.facts.get(incident.service_id) or ServiceFacts(incident.service_id)
        return Facts(
            incident.id, incident.priority, incident.severity, service, self.config.condition, incident.title,
            opened_at=incident.opened_at,
        )  # fmt: skip

    def _answer(self, incident: Incident, user_id: int, generation: int) -> None:
        incident.asked.discard(user_id)
        if incident.generation == generation and len(incident.acked) + 1 < incident.acks_needed:
            incident.acked.add(user_id)
            incident.asked.add(user_id)  # and is not asked again
            return
        self._acknowledged(incident)

    def _acknowledged(self, incident: Incident) -> None:
        if incident.state != "triggered":
            return
        incident.state = "acknowledged"
        incident.acknowledged_at = incident.acknowledged_at or self._now
        incident.renew()
        policy, generation = self.config.policies.get(incident.service_id), incident.generation
        due = ack_due(policy, self._now) if policy is not None else None
        if due is not None:
            self._at(due, lambda: self._awake(incident, generation))

    def _awake(self, incident: Incident, generation: int) -> None:
        if incident.generation == generation and incident.state == "acknowledged":
            incident.state = "triggered"
            incident.renew()
            policy = self.config.policies[incident.service_id]
            self._step(incident, policy, incident.generation, woken())
