"""What escalation promises, tried on any world and at any instant. See ``escalation_world`` for the model."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.invariants.escalation_world import (
    PEOPLE,
    START,
    Shell,
    World,
    perform,
    random_answers,
    random_world,
    seconds,
)
from tocsin.escalation.queries import condition
from tocsin.escalation.rules import PolicySnapshot, RunState, Step, plan, preview
from tocsin.escalation.simulator import rehearse

WAITS = st.sampled_from([1, 29, 30, 59, 60, 299, 300, 301, 600, 3600])
FOREVER = timedelta(days=30)


def all_steps(policy: PolicySnapshot) -> list[RunState]:
    """Every step of every loop, then the last word."""
    steps = [RunState(step, loop) for loop in range(policy.repeats + 1) for step in range(len(policy.steps))]
    return [*steps, RunState(len(policy.steps), policy.repeats if policy.steps else 0)]


def in_order(ran: list[RunState], policy: PolicySnapshot) -> bool:
    """Whether a run went step by step; where no step's condition holds, the last word is next."""
    steps = all_steps(policy)
    return ran == steps[: len(ran)] or (ran[-1] == steps[-1] and ran[:-1] == steps[: len(ran) - 1])


def foretold(world: World, duration_s: int, answers: list) -> tuple[list, list]:  # type: ignore[type-arg]
    simulation = rehearse(
        world.policy, world.resolve, world.rules_of, world.urgency, START, duration_s, answers, facts=world.facts
    )
    pages = [(page.at, page.user_id, page.generation, page.reason) for page in simulation.pages]
    sent = [
        (one.at, page.user_id, one.contact_method_id, page.generation)
        for page in simulation.pages
        for one in page.deliveries
        if page.user_id is not None
    ]
    return pages, sorted(sent, key=repr)


def done(world: World, duration_s: int, answers: list) -> tuple[list, list]:  # type: ignore[type-arg]
    shell = perform(world, duration_s, answers)
    pages = [(page.at, page.user, page.generation, page.reason) for page in shell.pages]
    sent = [(at, message.user, message.method, message.generation) for at, message in shell.sent]
    return pages, sorted(sent, key=repr)


def test_the_simulator_foretells_what_the_engine_does_in_a_thousand_worlds() -> None:
    answered = gaps = 0
    for seed in range(1000):
        random = Random(seed)
        world, answers = random_world(random), random_answers(random)
        duration_s = random.choice([1, 300, 3600, 6 * 3600])
        expected = done(world, duration_s, answers)
        assert foretold(world, duration_s, answers) == expected, f"world {seed}"
        answered += len({generation for _, _, generation, _ in expected[0]}) > 1
        gaps += any(reason.kind == "gap" for *_, reason in expected[0])
    assert answered > 50  # the worlds are worth trying: people answer, and there are gaps
    assert gaps > 200


@given(st.randoms(use_true_random=False), st.integers(1, 6 * 3600))
def test_the_simulator_foretells_what_the_engine_does_in_any_world(random: Random, duration_s: int) -> None:
    world, answers = random_world(random), random_answers(random)
    assert foretold(world, duration_s, answers) == done(world, duration_s, answers)


@given(st.randoms(use_true_random=False))
def test_every_step_runs_when_nobody_answers(random: Random) -> None:
    world = random_world(random)
    shell = Shell(world)
    shell.until(START + FOREVER)
    ran = [state for _, state in shell.done]
    assert in_order(ran, world.policy)
    assert ran[-1] == all_steps(world.policy)[-1]
    assert not shell.live()
    assert not shell.outbox
    assert not shell.dropped


@given(st.randoms(use_true_random=False))
def test_nobody_on_call_is_never_silence(random: Random) -> None:
    """Every step leaves a page; one without people leaves the gap and the fallback, and no one is paged twice.

    Only a step whose condition is known not to hold leaves none, and the next one follows at once.
    """
    world = random_world(random)
    for state in all_steps(world.policy):
        at = START + seconds(random.randint(0, 7200))
        decided = plan(world.policy, state, world.resolve, at, world.facts)
        last = state.step == len(world.policy.steps)
        step = Step((), 0) if last else world.policy.steps[state.step]
        asked = [one for one in step.conditions if "responder" not in one]
        holds = all(condition(one, world.facts.variables(at))[0] for one in asked)
        assert decided.skipped != holds
        if decided.skipped:
            assert not decided.pages
            assert (decided.next is not None, decided.next_due_s) == (True, 0)
            continue
        assert decided.pages
        paged = [page.user_id for page in decided.pages if page.user_id is not None]
        gap = any(page.gap for page in decided.pages)
        calls = [page.webhook_id for page in decided.pages if page.webhook_id is not None]
        assert calls == [target.id for target in step.webhooks]
        assert len(paged) == len(set(paged))
        assert not set(paged) & world.inactive
        assert gap or paged or calls
        named = {
            person.user_id
            for target in step.people
            for person in world.resolve(target, at)
            if "responder" not in step.when or world.facts.chosen(step.when, person.zone, at)[0]
        }
        if step.rotate and named:
            assert len(paged) == 1
            assert paged[0] in named
            named = set(paged)
        fallback = {person.user_id for target in world.policy.fallback for person in world.resolve(target, at)}
        if calls and not step.people:
            assert not paged  # nobody is asked for
            assert not gap
        else:
            assert set(paged) == (named or fallback)
            assert gap == (not fallback if last else not named)
        if named:
            assert decided.acks == (step.acks or len(named))
        for page in decided.pages:
            assert page.reason.text
            assert page.reason.policy == "Any"
            assert page.urgency == step.urgency
            assert page.reason.tier == step.tier
            assert (page.reason.kind in ("gap", "webhook")) == (page.user_id is None)


@given(st.randoms(use_true_random=False))
def test_the_preview_is_what_happens_while_everybody_can_be_reached(random: Random) -> None:
    world = random_world(random)
    world.inactive.clear()
    world.managers = {user: user % 6 + 1 for user in PEOPLE}
    steps = tuple(
        replace(step, urgency="", when="" if "responder" in step.when else step.when) for step in world.policy.steps
    )
    world.policy = replace(world.policy, steps=steps).owned_by(20, "Owners")
    for pieces in world.shifts.values():
        pieces[:] = [(START, 1)]
    world.shifts[12], world.teams[21] = [(START, 2)], [3]
    for user in PEOPLE:
        world.rules[user] = [one for one in world.rules[user] if one.usable]
    expected = [(one.in_s, one.step, one.loop) for one in preview(world.policy, RunState(), 0, 500, START, world.facts)]
    shell = Shell(world)
    shell.until(START + FOREVER)
    reached = {message.user for _, message in shell.sent}
    if all(page.user in reached for page in shell.pages if page.user is not None):
        happened = list(
            dict.fromkeys(
                (int((p.at - START).total_seconds()), p.state.step + 1, p.state.loop + 1) for p in shell.pages
            )
        )
        assert happened == expected


class Escalation(RuleBasedStateMachine):
    """One incident whose people do anything at any instant."""

    @initialize(random=st.randoms(use_true_random=False))
    def begin(self, random: Random) -> None:
        self.shell = Shell(random_world(random))
        self.fences: list[tuple[datetime, int]] = []  # (when, the generation that was overtaken)
        self.quiet: list[tuple[datetime, int, int]] = []  # (when, in which generation, who acknowledged)

    def _overtaken(self, before: int) -> None:
        if self.shell.generation > before:
            self.fences.append((self.shell.now, before))

    @rule(by=WAITS)
    def time_passes(self, by: int) -> None:
        self.shell.until(self.shell.now + seconds(by))

    @rule()
    def until_just_before_the_next_event(self) -> None:
        if (at := self.shell.next_event()) is not None:
            self.shell.until(at, inclusive=False)

    @rule(user=st.none() | st.sampled_from(PEOPLE))
    def acknowledge(self, user: int | None) -> None:
        before, needed, given = self.shell.generation, self.shell.needed, self.shell.acked | {user}
        triggered = self.shell.state == "triggered"
        self.shell.acknowledge(user)
        self._overtaken(before)
        if triggered and user is not None:
            assert (self.shell.state == "acknowledged") == (len(given) >= needed)
            self.quiet.append((self.shell.now, before, user))

    @rule()
    def resolve(self) -> None:
        before = self.shell.generation
        self.shell.resolve()
        self._overtaken(before)

    @rule(for_s=WAITS)
    def snooze(self, for_s: int) -> None:
        before = self.shell.generation
        self.shell.snooze(for_s)
        self._overtaken(before)

    @rule()
    def retrigger(self) -> None:
        before = self.shell.generation
        self.shell.retrigger()
        self._overtaken(before)

    @rule(users=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True))
    def reassign(self, users: list[int]) -> None:
        before = self.shell.generation
        self.shell.reassign(users)
        self._overtaken(before)

    @invariant()
    def an_answer_stops_older_pages(self) -> None:
        if not hasattr(self, "shell"):
            return
        for when, generation in self.fences:
            assert all(m.generation > generation for at, m in self.shell.sent if at > when)
            assert all(page.generation > generation for page in self.shell.pages if page.at > when)

    @invariant()
    def who_has_acknowledged_is_left_alone(self) -> None:
        if not hasattr(self, "shell"):
            return
        for when, generation, user in self.quiet:
            assert not any(m.user == user and m.generation == generation and at > when for at, m in self.shell.sent)
            later = [page for page in self.shell.pages if page.generation == generation and page.at > when]
            assert not any(page.user == user for page in later)

    @invariant()
    def there_is_exactly_one_live_generation(self) -> None:
        if not hasattr(self, "shell"):
            return
        live = self.shell.live()
        assert len(live) <= 1
        assert all(run.generation == self.shell.generation for run in live)
        if self.shell.state == "triggered" and not live:
            # nothing more to do only when the last word was said, under this very generation
            generation, state = self.shell.done[-1]
            assert generation == self.shell.generation
            assert state.step >= len(self.shell.world.policy.steps)
        if self.shell.state == "resolved":
            assert not live

    @invariant()
    def steps_of_a_generation_run_in_order_and_once(self) -> None:
        if not hasattr(self, "shell"):
            return
        for run in self.shell.runs:
            if run.purpose == "escalate" and run.snapshot is not None:
                ran = [state for generation, state in self.shell.done if generation == run.generation]
                assert not ran or in_order(ran, run.snapshot)

    def teardown(self) -> None:
        """Left alone, a triggered incident reaches its last word."""
        if hasattr(self, "shell") and self.shell.state == "triggered":
            self.shell.until(self.shell.now + FOREVER)
            last = self.shell.runs[-1]
            assert last.snapshot is not None
            ran = [state for generation, state in self.shell.done if generation == last.generation]
            assert in_order(ran, last.snapshot)
            assert ran[-1] == all_steps(last.snapshot)[-1]


TestEscalation = Escalation.TestCase
TestEscalation.settings = settings(settings.default, deadline=None)
