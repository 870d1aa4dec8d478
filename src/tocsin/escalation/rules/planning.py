"""Who must know next, and when. Pure: a policy, where its run stands and who is where in; pages and reasons out.

The words: a *policy* has *steps*; a *run* is one policy at work for one incident; all steps once are a *loop*. The
engine, the simulator, the policy page and the property tests all call ``plan``; nobody else decides who is paged.

What ``plan`` promises:

* A step pages everybody its targets name, each person once, and then waits ``wait_s`` for an answer.
* A step that finds nobody pages the fallback instead, and the gap is on record.
* When the fallback is nobody either, the gap is on record and the next step runs at once, unless no step of the policy
  finds anybody now: then the run keeps its waiting times, so that whoever comes on call in the meantime is found.
* After the last step the steps repeat ``repeats`` times; then the fallback is paged, "nobody answered", and the run is
  done.
* A step whose condition does not hold is passed over at once and needs nobody; when no step's condition holds, the
  last word is next. A condition that cannot be evaluated holds: loud rather than silent.
* A step that rotates pages one of the people it finds: the incident's number, and one more for each loop, modulo how
  many it finds. Nothing is remembered, so that any engine decides alike.
* A step that asks for several acknowledgements leaves the others alone when it has them; who has acknowledged is not
  paged again, and as many as any step so far has asked for are needed. Short of that the run goes on.
* A webhook is called beside the people of its step. It is nobody who could answer: a step of webhooks alone finds
  nobody and needs nobody.
* Every page, also the page to nobody, carries its whole reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tocsin.escalation.rules.facts import Facts, asks_responder
from tocsin.escalation.rules.reasons import PageReason
from tocsin.escalation.rules.shapes import ALL, PolicySnapshot, Step, StepUrgency, Target

MAX_SNOOZE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run does next: step and loop count from 0. ``step == len(steps)`` is the last word: "nobody answered"."""

    step: int = 0
    loop: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """One person whom a target stands for right now, and how: JSON-able facts of the shift, the team, the person.

    ``shadow``: comes along and is told, but nobody counts on them; shadows alone are nobody. ``zone``: in which the
    person lives; empty: UTC.
    """

    user_id: int
    via: dict[str, Any] = field(default_factory=dict)
    shadow: bool = False
    zone: str = field(default="", compare=False)


Named = tuple[Target, Mapping[str, Any], tuple[Mapping[str, Any], ...]]
Resolve = Callable[[Target, datetime], Sequence[Resolved]]
"""Given by the shell: who a target is at a moment. Nobody is an empty sequence."""


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """A page to write. ``user_id`` None: there was nobody to page, and that is on record.

    ``urgency``: by which of the person's notification rules; empty: as the incident's priority says.
    """

    user_id: int | None
    reason: PageReason
    urgency: StepUrgency = ""

    @property
    def webhook_id(self) -> int | None:
        """The webhook that it calls instead of paging somebody."""
        target = self.reason.target
        return target.id if target is not None and target.kind == "webhook" else None

    @property
    def gap(self) -> bool:
        """Whether it only says that there was nobody to page."""
        return self.user_id is None and self.reason.kind == "gap"


@dataclass(frozen=True, slots=True)
class Answers:
    """Who has acknowledged an incident so far, of which ``needed`` people have to."""

    by: frozenset[int] = frozenset()
    needed: int = 1


NO_ANSWER = Answers()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a due run does now, and what it does next.

    ``next`` None: the run is done. Otherwise it is due again in ``next_due_s`` seconds; 0 means at once, in the same
    breath. ``note`` says in words what happened, for the timeline and the run's reason. ``skipped``: the step's
    condition does not hold, so that there are no pages. ``acks``: how many people the step asks to acknowledge.
    """

    pages: tuple[PlannedPage, ...]
    next: RunState | None
    next_due_s: int | None
    note: str
    skipped: bool = False
    acks: int = 1


def plan(
    snapshot: PolicySnapshot,
    state: RunState,
    resolve: Resolve,
    at: datetime,
    facts: Facts | None = None,
    answers: Answers = NO_ANSWER,
) -> Plan:
    """Decide the step that is due: whom to page and why, and when the run is due again.

    ``state`` beyond the last step of the last loop is the last word: the fallback, "nobody answered". Without ``facts``
    nothing is known of the incident: every condition holds, and who rotates begins with the first. ``answers``: who
    has acknowledged already, where several have to.
    """
    if state.step >= len(snapshot.steps):
        return _last_word(snapshot, state, resolve, at, facts, answers)
    step = snapshot.steps[state.step]
    after = _after(snapshot, state)
    known = _known(snapshot, state)
    named = f"step {state.step + 1} of {len(snapshot.steps)}"
    holds, problem = _condition(step, at, facts)
    if not holds:
        if not any(_condition(other, at, facts)[0] for other in snapshot.steps):
            # no time passes between steps that are passed over, so that whatever loops are left would come to the same
            after = RunState(len(snapshot.steps), snapshot.repeats)
        return Plan((), after, 0, f"step {state.step + 1} skipped: {_unmet(step, at, facts)}", skipped=True)
    doubt = f"; its condition could not be evaluated ({problem}), so it holds" if problem else ""
    found = finds(step, state, resolve, at, facts, answers.by)
    calls = _calls(step, known)
    called = f" and called {_webhooks(calls)}" if calls else ""
    if found.people:
        pages = _pages(found.people, step.urgency, {"kind": "step", "turn": found.turn, **known})
        acks = found.asked if step.acks == ALL else step.acks
        wanted = f"; {acks} acknowledgements are needed" if acks > 1 else ""
        note = f"{named} paged {_count(pages)}{called}{wanted}{doubt}{found.doubt}"
        return Plan((*pages, *calls), after, step.wait_s, note, acks=acks)
    if calls and not step.people:
        return Plan(calls, after, step.wait_s, f"{named} called {_webhooks(calls)}{doubt}")

    def anybody() -> bool:
        """Whether another step finds somebody now; then no time is lost on this one."""
        others = (one for one in snapshot.steps if _condition(one, at, facts)[0])
        return any(finds(one, state, resolve, at, facts, answers.by).people for one in others)

    if found.asked:
        note = f"{named} found nobody who has not acknowledged already{called}{doubt}"
        return Plan(calls, after, 0 if anybody() else step.wait_s, note)
    why = _nobody(step.people) if not found.passed else f"its condition holds for {_none_of(found.passed)}"
    gap = PlannedPage(None, PageReason(kind="gap", why=why, asked=step.people, **known), step.urgency)
    if people := _without(_people(snapshot.fallback, resolve, at), answers.by):
        pages = _pages(people, step.urgency, {"kind": "fallback", "why": why, "asked": step.people, **known})
        note = f"{named} found nobody; the fallback was paged{called}{doubt}"
        return Plan((gap, *pages, *calls), after, step.wait_s, note, acks=step.acks or 1)
    if anybody():
        note = f"{named} found nobody, nor did the fallback; the next step runs at once{called}{doubt}"
        return Plan((gap, *calls), after, 0, note)
    note = f"{named} found nobody; no step and no fallback finds anybody now{called}{doubt}"
    return Plan((gap, *calls), after, step.wait_s, note)


def _condition(step: Step, at: datetime, facts: Facts | None) -> tuple[bool, str]:
    """Whether a step is not passed over at a moment, and why that cannot be told."""
    doubt = ""
    if facts is not None and not step.plain:
        for one in step.conditions:
            if not asks_responder(one):
                holds, problem = facts.condition(one, at)
                if not holds:
                    return False, ""
                doubt = doubt or problem
    return True, doubt


def _unmet(step: Step, at: datetime, facts: Facts | None) -> str:
    if facts is not None and step.entry and not facts.condition(step.entry, at)[0]:
        return f"the entry criterion of {step.tier} is not met ({step.entry})"
    return "its condition does not hold"


def _calls(step: Step, known: Mapping[str, Any]) -> tuple[PlannedPage, ...]:
    return tuple(
        PlannedPage(None, PageReason(kind="webhook", target=target, **known), step.urgency) for target in step.webhooks
    )


def _webhooks(calls: Sequence[PlannedPage]) -> str:
    return "a webhook" if len(calls) == 1 else f"{len(calls)} webhooks"


def _without(people: Mapping[int, Named], answered: frozenset[int]) -> Mapping[int, Named]:
    return {user: named for user, named in people.items() if user not in answered} if answered else people


@dataclass(frozen=True, slots=True)
class Found:
    """The people whom a step pages, by id, with how each was named.

    turn      for one who has the turn: "2nd of 3 in turn"
    asked     how many there are besides shadows, those who have acknowledged already among them
    passed    how many its targets find for whom its condition does not hold
    doubt     why its condition could not be evaluated, for the note
    """

    people: Mapping[int, Named]
    turn: str = ""
    asked: int = 0
    passed: int = 0
    doubt: str = ""


def finds(
    step: Step,
    state: RunState,
    resolve: Resolve,
    at: datetime,
    facts: Facts | None = None,
    answered: frozenset[int] = frozenset(),
) -> Found:
    """Whom a step pages at a moment, whether or not its condition holds for the step as a whole.

    ``answered``: who has acknowledged already and is not paged again.
    """
    asked = resolve
    passed: set[int] = set()
    doubts: list[str] = []
    if facts is not None and asks_responder(step.when):
        of = facts

        def asked(target: Target, at: datetime) -> Sequence[Resolved]:
            kept = []
            for person in resolve(target, at):
                holds, problem = of.chosen(step.when, person.zone, at)
                doubts.extend([problem] if problem else [])
                if holds:
                    kept.append(person)
                elif not person.shadow:
                    passed.add(person.user_id)
            return kept

    everybody, along = _named(step.people, asked, at)
    count = min(len(everybody), 1) if step.rotate else len(everybody)
    people = _without(everybody, answered)
    turn = ""
    if step.rotate and len(people) > 1:
        index = ((facts.incident_id if facts else 0) + state.loop) % len(people)
        turn = f"{_ordinal(index + 1)} of {len(people)} in turn"
        people = dict([list(people.items())[index]])
    doubt = f"; its condition could not be evaluated ({doubts[0]}), so it holds" if doubts else ""
    return Found({**people, **_without(along, answered)} if people else {}, turn, count, len(passed), doubt)


def _pages(people: Mapping[int, Named], urgency: StepUrgency, known: Mapping[str, Any]) -> tuple[PlannedPage, ...]:
    return tuple(
        PlannedPage(user, PageReason(target=target, via=via, also=also, **known), urgency)
        for user, (target, via, also) in people.items()
    )


def wait(planned: Plan, reached: int) -> int:
    """Seconds until the run is due again, given how many messages the pages of the step became.

    People were paged but none has a usable contact method: the next step runs at once, since nobody can answer.
    """
    if not reached and any(page.user_id is not None for page in planned.pages):
        return 0
    return planned.next_due_s or 0


def _last_word(
    snapshot: PolicySnapshot,
    state: RunState,
    resolve: Resolve,
    at: datetime,
    facts: Facts | None,
    answers: Answers,
) -> Plan:
    """After all loops, or for a policy without steps: the fallback, once; then the run is done."""
    known = _known(snapshot, state)
    why = "nobody answered" if snapshot.steps else "the policy has no steps"
    if snapshot.steps and not any(_condition(step, at, facts)[0] for step in snapshot.steps):
        why = "the condition of no step holds"
    if answers.by:
        why = f"only {len(answers.by)} of {answers.needed} acknowledged"
    fallback = _without(_people(snapshot.fallback, resolve, at), answers.by)
    if pages := _pages(fallback, "", {"kind": "fallback", "why": why, **known}):
        return Plan(pages, None, None, f"{why}; the fallback was paged ({_count(pages)}); nothing more follows")
    more = " else" if answers.by else ""
    ending = f"its fallback finds nobody{more}" if snapshot.fallback else "it has no fallback"
    gap = PageReason(kind="gap", why=f"{why}, and {ending}", asked=snapshot.fallback, **known)
    return Plan((PlannedPage(None, gap),), None, None, f"{why}, and {ending}; nothing more follows")


def _known(snapshot: PolicySnapshot, state: RunState) -> dict[str, Any]:
    """What every reason of a step says."""
    return {
        "policy_id": snapshot.policy_id,
        "policy": snapshot.name,
        "version": snapshot.version,
        "step": state.step + 1,
        "steps": len(snapshot.steps),
        "loop": state.loop + 1,
        "loops": snapshot.repeats + 1,
        "tier": snapshot.steps[state.step].tier if state.step < len(snapshot.steps) else "",
    }


def _after(snapshot: PolicySnapshot, state: RunState) -> RunState:
    """Where a run stands after this step: the next step, the next loop, or the last word."""
    if state.step + 1 < len(snapshot.steps):
        return RunState(state.step + 1, state.loop)
    if state.loop < snapshot.repeats:
        return RunState(0, state.loop + 1)
    return RunState(len(snapshot.steps), state.loop)


def _people(targets: Iterable[Target], resolve: Resolve, at: datetime) -> dict[int, Named]:
    """Everybody the targets stand for at ``at``, each once, in order of naming, with all ways they were named.

    Shadows come last, and only with somebody to shadow.
    """
    found, along = _named(targets, resolve, at)
    return found | along if found else {}


def _named(targets: Iterable[Target], resolve: Resolve, at: datetime) -> tuple[dict[int, Named], dict[int, Named]]:
    """The people the targets stand for, and those who only come along with them."""
    found: dict[int, Named] = {}
    shadows: dict[int, Named] = {}
    for target in targets:
        for person in resolve(target, at):
            if person.shadow:
                shadows.setdefault(person.user_id, (target, person.via, ()))
            elif first := found.get(person.user_id):
                found[person.user_id] = (first[0], first[1], (*first[2], {**person.via, "target": target.to_json()}))
            else:
                found[person.user_id] = (target, person.via, ())
    return found, {user: named for user, named in shadows.items() if user not in found}


def _nobody(targets: Sequence[Target]) -> str:
    if not targets:
        return "the step names nobody"
    empty = {
        "schedule": "nobody is on call in {}",
        "team": "nobody in team {} can be paged",
        "user": "{} cannot be paged",
        "manager:user": "{} has no manager who can be paged",
        "manager:schedule": "nobody who is on call in {} has a manager who can be paged",
        "manager:team": "team {} has no manager who can be paged",
    }

    def words(target: Target) -> str:
        kind, key = target.subject
        if kind == "owner":
            return "no team owns the service"
        which = f"manager:{kind}" if target.kind == "manager" else kind
        return empty[which].format(target.name or f"{kind} {key}")

    return " and ".join(map(words, targets))


def _none_of(count: int) -> str:
    return "none of the people it finds" if count > 1 else "nobody it finds"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _count(pages: Sequence[PlannedPage]) -> str:
    return "1 person" if len(pages) == 1 else f"{len(pages)} people"


def ack_due(snapshot: PolicySnapshot, acknowledged_at: datetime) -> datetime | None:
    """When an acknowledged incident pages again unless somebody moves it on; None: never."""
    return None if snapshot.ack_timeout_s is None else acknowledged_at + timedelta(seconds=snapshot.ack_timeout_s)


def snooze_due(until: datetime, at: datetime) -> datetime:
    """When a snoozed incident pages again. Raises ValueError when ``until`` is not ahead or too far ahead."""
    if until <= at:
        raise ValueError("a snooze ends in the future")
    if until - at > MAX_SNOOZE:
        raise ValueError(f"a snooze lasts {MAX_SNOOZE.days} days at most")
    return until


def woken() -> RunState:
    """Where a run begins when an acknowledgement timed out or a snooze ended: at the beginning, all loops anew."""
    return RunState(0, 0)


@dataclass(frozen=True, slots=True)
class Ahead:
    """One step that a run has ahead. ``in_s`` seconds from now; step and loop from 1; ``last``: the last word."""

    in_s: int
    step: int
    loop: int
    targets: tuple[Target, ...]
    last: bool = False
    tier: str = ""


def preview(
    snapshot: PolicySnapshot,
    state: RunState,
    due_in: int,
    limit: int = 100,
    at: datetime | None = None,
    facts: Facts | None = None,
) -> list[Ahead]:
    """What a waiting run will do next if nobody answers, without asking who is on call; ``due_in`` seconds from now.

    Steps whose condition will not hold by then are left out, when ``at`` (now) and ``facts`` are given.
    """
    ahead: list[Ahead] = []
    wait_s = due_in
    while len(ahead) < limit:
        if state.step >= len(snapshot.steps):
            ahead.append(Ahead(wait_s, state.step + 1, state.loop + 1, snapshot.fallback, last=True))
            break
        step = snapshot.steps[state.step]
        if at is None or _condition(step, at + timedelta(seconds=wait_s), facts)[0]:
            ahead.append(Ahead(wait_s, state.step + 1, state.loop + 1, step.targets, tier=step.tier))
            wait_s += step.wait_s
        state = _after(snapshot, state)
    return ahead
