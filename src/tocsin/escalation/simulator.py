"""What would happen: the production rules on virtual time, without touching data.

``rehearse`` is pure: a policy, a resolver and everybody's notification rules in; the pages that would go out, when, how
and why, out. ``simulate`` feeds it from the database. What the engine adds in real life is left out on purpose: send
failures, limits, maintenance windows, and the seconds that a provider takes.

Times are half-open: what would happen exactly at the end is not part of it. An answer at the very moment at which a
step is due comes before the step; steps that follow one another without waiting are one moment, and it comes after.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from tocsin.catalogue.models import Service
from tocsin.escalation import queries
from tocsin.escalation.rules import (
    Answers,
    Facts,
    NotifyRule,
    PageReason,
    PlannedDelivery,
    PolicySnapshot,
    Resolve,
    RunState,
    ServiceFacts,
    Urgency,
    ack_due,
    duration,
    notifications,
    page_urgency,
    plan,
    wait,
    woken,
)
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound

MAX_DURATION_S = 90 * 86400
MAX_PAGES = 5_000
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
SEVERITIES = ("critical", "error", "warning", "info")

RulesOf = Callable[[int], Iterable[NotifyRule]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Somebody answers the ``page``-th page to a person (from 1) ``after_s`` seconds after it went out.

    A snooze lasts ``for_s`` seconds. An answer that comes when there is nothing to answer changes nothing.
    """

    page: int
    after_s: int
    verb: Literal["acknowledge", "resolve", "snooze"] = "acknowledge"
    for_s: int = 0


@dataclass(frozen=True, slots=True)
class Like:
    """What the imagined incident is like, as far as conditions and turns ask.

    ``incident_id`` is its number, which decides who has the turn. ``service_id``: on whose clock a policy is tried.
    ``reasons``: of escalations by hand, as codes. ``confidential``: it follows the policy for confidential incidents.
    """

    severity: str = "critical"
    title: str = ""
    drill: bool = False
    incident_id: int = 0
    service_id: int | None = None
    reasons: tuple[str, ...] = ()
    confidential: bool = False


Reply = Callable[[int, datetime], Answer | None]
"""How a person answers a page at a moment; None: not at all. The answer's ``page`` is not looked at."""


@dataclass(frozen=True, slots=True)
class SimulatedDelivery:
    """A message that would be handed to a contact method."""

    at: datetime
    channel: str
    label: str
    contact_method_id: int
    position: int


@dataclass(frozen=True, slots=True)
class SimulatedPage:
    """A page that would be written. ``user_id`` None: a gap, or a webhook that would be called.

    ``step`` and ``loop`` from 1, as in ``reason``.

    ``urgency``: by which of the person's notification rules.

    ``notes``: which contact methods were skipped, and why nothing reaches the person if nothing does.
    """

    at: datetime
    user_id: int | None
    user: str
    step: int
    loop: int
    reason: PageReason
    generation: int = 1
    deliveries: tuple[SimulatedDelivery, ...] = ()
    notes: tuple[str, ...] = ()
    urgency: Urgency = "high"

    @property
    def gap(self) -> bool:
        """Whether there would be nobody to page."""
        return self.reason.kind == "gap"


@dataclass(frozen=True, slots=True)
class Line:
    """One message that would go out, or one page that reaches nobody: what the command line and the page list."""

    at: datetime
    user_id: int | None
    user: str
    channel: str
    label: str
    step: int
    loop: int
    kind: str
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "user_id": self.user_id,
            "user": self.user,
            "channel": self.channel,
            "label": self.label,
            "step": self.step,
            "loop": self.loop,
            "kind": self.kind,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that is no page: an answer (then ``user_id`` gave it), a time-out, the end of the run.

    ``partly``: an acknowledgement, but more people have to.
    """

    at: datetime
    text: str
    user_id: int | None = None
    partly: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would happen from ``at`` to ``until``. ``outcome`` says how it stands at the end, in words.

    ``next_at``: when the next step would run after ``until``; None: nothing more would happen.
    """

    policy: PolicySnapshot
    urgency: Urgency
    at: datetime
    until: datetime
    pages: tuple[SimulatedPage, ...]
    happenings: tuple[Happening, ...]
    outcome: str
    next_at: datetime | None = None
    service: str = ""
    priority: str = ""

    @property
    def gaps(self) -> list[SimulatedPage]:
        """The moments at which there would be nobody to page."""
        return [page for page in self.pages if page.gap]

    @property
    def lines(self) -> list[Line]:
        """All messages in order of time, with a line of its own for a gap and for a page that reaches nobody."""
        found = []
        for page in self.pages:
            why = " ".join((page.reason.text, *(f"{note[:1].upper()}{note[1:]}." for note in page.notes)))
            line = Line(page.at, page.user_id, page.user, "", "", page.step, page.loop, page.reason.kind, why)
            found += [replace(line, at=d.at, channel=d.channel, label=d.label) for d in page.deliveries]
            if not page.deliveries:
                found.append(line)
        return sorted(found, key=lambda line: line.at)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "priority": self.priority,
            "urgency": self.urgency,
            "policy": {"name": self.policy.name, "version": self.policy.version},
            "at": self.at.isoformat(),
            "until": self.until.isoformat(),
            "items": [line.to_json() for line in self.lines],
            "happenings": [{"at": one.at.isoformat(), "text": one.text} for one in self.happenings],
            "outcome": self.outcome,
            "next_at": self.next_at.isoformat() if self.next_at else None,
        }


@dataclass
class _Page:
    """A page on its way into the result: what it plans is cut when an answer comes."""

    at: datetime
    user_id: int | None
    reason: PageReason
    generation: int
    planned: list[PlannedDelivery]
    notes: tuple[str, ...]
    urgency: Urgency
    quiet_from: datetime | None = None  # when the person answered, and others still had to


def rehearse(
    snapshot: PolicySnapshot,
    resolve: Resolve,
    rules_of: RulesOf,
    urgency: Urgency,
    at: datetime,
    duration_s: int,
    answers: Iterable[Answer] = (),
    names: Mapping[int, str] | None = None,
    reply: Reply | None = None,
    facts: Facts | None = None,
) -> Simulation:
    """Run a policy on virtual time from ``at`` for ``duration_s`` seconds. Pure; ends early after ``MAX_PAGES``.

    ``reply`` is asked for every page that becomes a message, beside the scripted ``answers``. ``facts``: what the
    policy's conditions ask about; without them all conditions hold.
    """
    until = at + timedelta(seconds=duration_s)
    script: dict[int, list[tuple[int, Answer]]] = {}
    for number, answer in enumerate(answers):
        script.setdefault(answer.page, []).append((number, answer))
    pages: list[_Page] = []
    ended: dict[int, datetime] = {}
    happenings: list[Happening] = []
    coming: list[tuple[datetime, int, int, Answer, int]] = []  # answers under way: when, page, number, what, who
    state: Literal["triggered", "acknowledged", "snoozed", "resolved"] = "triggered"
    due: tuple[datetime, RunState] | None = (at, RunState())
    generation, paged, outcome, at_once = 1, 0, "", False
    acked, needed = frozenset[int](), 1

    while len(pages) < MAX_PAGES:
        if coming and not at_once and (due is None or coming[0][0] <= due[0]):
            moment, _, _, answer, who = heapq.heappop(coming)
            if moment >= until:
                continue
            if state == "resolved" or (state == "acknowledged" and answer.verb == "acknowledge"):
                continue
            name = (names or {}).get(who, f"user {who}")
            # what was due at the moment of a step went out with the step; an answer at that moment came after it
            came = moment if pages[-1].at < moment else moment + timedelta(microseconds=1)
            if state == "triggered" and answer.verb == "acknowledge" and who not in acked and len(acked) + 1 < needed:
                acked |= {who}
                for sent in pages:
                    if sent.user_id == who and sent.generation == generation:
                        sent.quiet_from = came
                outcome = f"{name} acknowledged it, {len(acked)} of {needed}"
                happenings.append(Happening(moment, outcome, who, partly=True))
                continue
            if answer.verb == "acknowledge" and who in acked:
                continue
            if state == "triggered":
                ended[generation] = came
            generation, acked, needed = generation + 1, frozenset(), 1
            due, state, outcome = _answered(snapshot, answer, moment, name)
            happenings.append(Happening(moment, outcome, who))
            continue
        if due is None or due[0] >= until:
            break
        moment, step = due
        if state != "triggered":
            text = "the snooze ended" if state == "snoozed" else "the acknowledgement timed out"
            happenings.append(Happening(moment, f"{text}; the policy begins anew"))
            state, generation = "triggered", generation + 1
        decided, reached = plan(snapshot, step, resolve, moment, facts, Answers(acked, needed)), 0
        needed = max(needed, decided.acks)
        if decided.skipped:
            happenings.append(Happening(moment, decided.note))
        for page in decided.pages:
            planned: list[PlannedDelivery] = []
            notes: tuple[str, ...] = ()
            how_urgent = page.urgency or urgency
            if page.user_id is not None:
                how = notifications(rules_of(page.user_id), how_urgent, moment)
                planned, notes = list(how.deliveries), how.notes
                paged, reached = paged + 1, reached + len(planned)
                given = reply(page.user_id, moment) if reply and planned else None
                for number, answer in [*script.get(paged, ()), *([(-1, given)] if given else [])]:
                    back = moment + timedelta(seconds=answer.after_s)
                    heapq.heappush(coming, (back, paged, number, answer, page.user_id))
            pages.append(_Page(moment, page.user_id, page.reason, generation, planned, notes, how_urgent))
        outcome = decided.note
        if decided.next is None:
            happenings.append(Happening(moment, decided.note))
            due, at_once = None, False
        else:
            at_once = not wait(decided, reached)
            due = (moment + timedelta(seconds=wait(decided, reached)), decided.next)

    return Simulation(
        policy=snapshot,
        urgency=urgency,
        at=at,
        until=until,
        pages=tuple(
            _simulated(page, page.quiet_from or ended.get(page.generation), until, names or {}) for page in pages
        ),
        happenings=tuple(happenings),
        outcome=outcome,
        next_at=due[0] if due else None,
    )


def _answered(
    snapshot: PolicySnapshot, answer: Answer, moment: datetime, name: str
) -> tuple[tuple[datetime, RunState] | None, Literal["acknowledged", "snoozed", "resolved"], str]:
    """When the run is due again after an answer, what the incident is now, and that in words."""
    if answer.verb == "resolve":
        return None, "resolved", f"{name} resolved it"
    if answer.verb == "snooze":
        again = moment + timedelta(seconds=max(1, answer.for_s))
        return (again, woken()), "snoozed", f"{name} snoozed it for {duration(max(1, answer.for_s))}"
    back = ack_due(snapshot, moment)
    text = f"{name} acknowledged it"
    if back is None:
        return None, "acknowledged", text
    return (back, woken()), "acknowledged", f"{text}; it pages again in {duration(snapshot.ack_timeout_s or 0)}"


def _simulated(page: _Page, ended: datetime | None, until: datetime, names: Mapping[int, str]) -> SimulatedPage:
    """The page with the messages that go out before the end and before the answer that stops them."""
    deliveries = []
    for one in page.planned:
        moment = page.at + timedelta(seconds=one.delay_s)
        stopped = ended is not None and one.delay_s > 0 and moment >= ended
        if moment < until and not stopped:
            deliveries.append(SimulatedDelivery(moment, one.channel, one.label, one.contact_method_id, one.position))
    user = "" if page.user_id is None else names.get(page.user_id, f"user {page.user_id}")
    if page.reason.kind == "webhook" and page.reason.target is not None:
        user = page.reason.target.words()
        deliveries = [SimulatedDelivery(page.at, "webhook", page.reason.target.name, 0, 0)]
    return SimulatedPage(
        at=page.at,
        user_id=page.user_id,
        user=user or "nobody",
        step=page.reason.step,
        loop=page.reason.loop,
        reason=page.reason,
        generation=page.generation,
        deliveries=tuple(deliveries),
        notes=page.notes,
        urgency=page.urgency,
    )


def simulate(
    service: int | PolicySnapshot,
    priority: str,
    at: datetime,
    duration_s: int,
    *,
    actor: Actor,
    answers: Iterable[Answer] = (),
    like: Like | None = None,
) -> Simulation:
    """What would go out if an incident opened on a service (by id), or under a policy, at a moment. Writes nothing.

    A policy by itself stands for a service that no team owns, of tier 3, with office hours in UTC, unless ``like``
    names one. Raises Forbidden, NotFound, Invalid (``priority``, ``severity``, ``at``, ``for``).
    """
    require(actor, Deed.READ)
    like = like or Like()
    problems = {}
    if priority not in PRIORITIES:
        problems["priority"] = "one of " + ", ".join(PRIORITIES)
    if like.severity not in SEVERITIES:
        problems["severity"] = "one of " + ", ".join(SEVERITIES)
    if not 1 <= duration_s <= MAX_DURATION_S:
        problems["for"] = f"1 to {MAX_DURATION_S} seconds ({MAX_DURATION_S // 86400} days)"
    if at.tzinfo is None or not 1971 <= at.year <= 9000:
        problems["at"] = "a moment with its offset, as in 2026-01-31T09:00:00+01:00"
    if problems:
        raise Invalid("This cannot be simulated.", problems)
    until = at + timedelta(seconds=duration_s)
    urgency = page_urgency(priority)
    name = ""
    of = service if isinstance(service, int) else like.service_id
    if isinstance(service, PolicySnapshot):
        snapshot = service
        if of is not None and (team := queries.owner_of(of)):
            snapshot = snapshot.owned_by(*team)
    else:
        name, snapshot = _policy_of(service, like.confidential)
    known_service = queries.service_facts([of])[of] if of is not None else ServiceFacts()
    facts = Facts(
        like.incident_id, priority, like.severity, known_service, queries.condition, like.title, like.drill, at,
        like.reasons,
    )  # fmt: skip
    resolve = queries.resolver_for([snapshot], at, until)
    known: dict[int, list[NotifyRule]] = {}

    def rules_of(user_id: int) -> list[NotifyRule]:
        if user_id not in known:
            known.update(queries.notify_rules([user_id]))
        return known[user_id]

    names = dict(User.objects.values_list("pk", "name"))
    found = rehearse(snapshot, resolve, rules_of, urgency, at, duration_s, answers, names, facts=facts)
    return replace(found, service=name, priority=priority)


def _policy_of(service_id: int, confidential: bool) -> tuple[str, PolicySnapshot]:
    """A service's name and what a run on it would follow: its policy with its fallback, as the engine arms it."""
    name = Service.objects.filter(pk=service_id).values_list("name", flat=True).first()
    if name is None:
        raise NotFound("There is no such service.")
    return name, queries.snapshots_of_services([service_id], confidential=confidential)[service_id]
