"""Random worlds for escalation, and a small model of the engine's shell around the pure planner.

The model keeps what the real shell keeps in tables: an incident with its state and generation, runs, pages, and an
outbox whose rows are checked against the generation when they are handed out. It shares ``plan`` and ``notifications``
with the product and nothing else: the simulator must foretell exactly what it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from tocsin.escalation.queries import condition
from tocsin.escalation.rules import (
    OFFICE_HOURS,
    Answers,
    Facts,
    NotifyRule,
    PageReason,
    PolicySnapshot,
    Quiet,
    Resolved,
    RunState,
    ServiceFacts,
    Step,
    Target,
    Urgency,
    ack_due,
    notifications,
    page_urgency,
    plan,
    wait,
    woken,
)
from tocsin.escalation.simulator import Answer
from tocsin.oncall.rules import Restriction

START = datetime(2026, 3, 29, tzinfo=UTC)
PEOPLE = range(1, 7)


# conditions that hold, that do not, that change within hours, that choose people, that cannot be evaluated
WHEN = [
    'priority == "P1"', 'urgency == "high"', 'severity == "critical"', "service.tier == 1", "working_hours",
    "!working_hours", "hour < 2", "hour % 2 == 0", "weekday == 7", "incident.drill", "false",
    "hour / 0 == 1", "hour", "24 / hour > 30",
    "responder.working", "responder.hour >= 1 && responder.hour < 5", 'responder.zone == "UTC" || !working_hours',
]  # fmt: skip
ENTRIES = ["", "", "", 'priority == "P1"', "incident.minutes >= 5", "incident.minutes < 60", "false"]
ACKS = [1, 1, 1, 1, 2, 3, 0]  # 0: everybody that the step finds
URGENCIES: list[Literal["", "high", "low"]] = ["", "", "", "high", "low"]
HOURS = [OFFICE_HOURS, (Restriction(frozenset({7}), 60, 150),), (Restriction(frozenset({6, 7}), 23 * 60, 90),)]


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass
class World:
    """A policy and everything it may ask about."""

    policy: PolicySnapshot
    facts: Facts
    shifts: dict[int, list[tuple[datetime, int | None]]]  # by schedule: from when on, who (None: a gap), ascending
    teams: dict[int, list[int]]
    inactive: set[int]
    rules: dict[int, list[NotifyRule]]
    managers: dict[int, int]
    zones: dict[int, str]

    @property
    def urgency(self) -> Urgency:
        return page_urgency(self.facts.priority)

    def resolve(self, target: Target, at: datetime) -> Sequence[Resolved]:
        kind, key = target.subject
        if kind == "webhook":
            return []
        if kind == "user":
            found = [key]
        elif kind == "team":
            found = self.teams.get(key, [])
        else:
            who = [user for start, user in self.shifts.get(key, []) if start <= at][-1:]
            found = [user for user in who if user is not None]
        if target.kind == "manager":
            found = list(dict.fromkeys(self.managers[user] for user in found if user in self.managers))
        return [Resolved(user, {"kind": kind}, zone=self.zones[user]) for user in found if user not in self.inactive]

    def rules_of(self, user: int) -> list[NotifyRule]:
        return self.rules.get(user, [])


def random_world(random: Random) -> World:
    """Any world: gaps in schedules, empty teams, people who left, disabled contact methods, waits of nothing."""
    shifts = {}
    for schedule in (10, 11):
        at, pieces = START, []
        for _ in range(random.randint(1, 12)):
            pieces.append((at, random.choice([None, *PEOPLE])))
            at += seconds(random.choice([30, 300, 900, 3600]))
        shifts[schedule] = pieces
    teams = {20: random.sample(list(PEOPLE), random.randint(1, 3)), 21: []}
    targets = [Target("user", user) for user in PEOPLE] + [Target("team", 20), Target("team", 21)]
    targets += [Target("schedule", 10), Target("schedule", 11), Target("schedule", 12)]
    targets += [Target("owner", random.choice([0, 20]), "Owners"), Target("manager", 10, of="schedule")]
    targets += [Target("manager", 20, of="team"), Target("manager", random.choice(PEOPLE), of="user")]
    hooks = [Target("webhook", 30, "Tickets"), Target("webhook", 31, "Light")]

    def some(least: int, most: int, of: Sequence[Target] = targets) -> tuple[Target, ...]:
        return tuple(random.sample(of, random.randint(least, most)))

    def step() -> Step:
        rotate = random.random() < 0.3
        return Step(
            some(1, 3, targets + hooks),
            random.choice([0, 30, 60, 300, 300, 600]),
            when=random.choice(WHEN) if random.random() < 0.5 else "",
            tier=random.choice(["", "L1", "L2"]),
            urgency=random.choice(URGENCIES),
            rotate=rotate,
            acks=1 if rotate else random.choice(ACKS),
            entry=random.choice(ENTRIES),
        )

    policy = PolicySnapshot(
        policy_id=1,
        name="Any",
        version=random.randint(1, 9),
        steps=tuple(step() for _ in range(random.choice([0, 1, 2, 2, 3, 4]))),
        repeats=random.choice([0, 0, 1, 2, 3]),
        ack_timeout_s=random.choice([None, None, 60, 600, 1800]),
        fallback=some(0, 2),
    )
    return World(
        policy=policy,
        facts=Facts(
            incident_id=random.randint(1, 50),
            priority=random.choice(["P1", "P2", "P4"]),
            severity=random.choice(["critical", "warning"]),
            service=ServiceFacts(
                1, "Checkout", "checkout", random.randint(1, 2), "payments",
                random.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"]), random.choice(HOURS),
            ),
            holds=condition,
            title="Disk full",
            opened_at=START,
        ),
        shifts=shifts,
        teams=teams,
        inactive={user for user in PEOPLE if random.random() < 0.15},
        rules={user: _random_rules(random, user) for user in PEOPLE},
        managers={
            user: random.choice([one for one in PEOPLE if one != user]) for user in PEOPLE if random.random() < 0.6
        },
        zones={user: random.choice(["UTC", "Europe/Berlin", "America/New_York"]) for user in PEOPLE},
    )  # fmt: skip


def _random_rules(random: Random, user: int) -> list[NotifyRule]:
    quiet = random.choice([None, None, Quiet(22 * 60, 90, "UTC"), Quiet(150, 240, "Europe/Berlin"), Quiet(0, 1, "UTC")])
    return [
        NotifyRule(
            position=position,
            delay_s=random.choice([0, 0, 60, 300]),
            contact_method_id=user * 10 + position,
            channel=random.choice(["email", "pocket", "ntfy"]),
            usable=random.random() < 0.8,
            urgency=random.choice(["high", "high", "low"]),
            implicit=random.random() < 0.3,
            quiet=quiet,
        )
        for position in range(random.randint(0, 4))
    ]


def random_answers(random: Random) -> list[Answer]:
    verbs = ["acknowledge", "acknowledge", "resolve", "snooze"]
    return [
        Answer(
            page=random.randint(1, 8),
            after_s=random.choice([0, 1, 60, 299, 300, 301, 1000]),
            verb=random.choice(verbs),  # type: ignore[arg-type]
            for_s=random.choice([60, 900]),
        )
        for _ in range(random.randint(0, 6))
    ]


@dataclass
class Run:
    generation: int
    purpose: str
    due: datetime | None
    at: RunState = field(default_factory=RunState)
    snapshot: PolicySnapshot | None = None

    @property
    def live(self) -> bool:
        return self.due is not None


@dataclass(frozen=True)
class Page:
    at: datetime
    user: int | None
    generation: int
    state: RunState
    reason: PageReason


@dataclass(frozen=True)
class Message:
    due: datetime
    user: int
    method: int
    generation: int


class Shell:
    """One incident and what the engine does for it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = START
        self.state = "triggered"
        self.generation = 1
        self.acked: set[int] = set()
        self.needed = 1
        self.runs: list[Run] = []
        self.pages: list[Page] = []
        self.outbox: list[Message] = []
        self.sent: list[tuple[datetime, Message]] = []
        self.dropped: list[Message] = []
        self.done: list[tuple[int, RunState]] = []  # (generation, step) of everything planned, in order
        self.arm()

    # -- what the real actions do ------------------------------------------------------------------------------------

    def arm(self, first: tuple[Target, ...] = ()) -> None:
        policy = self.world.policy
        if first:
            wait_s = policy.steps[0].wait_s if policy.steps else 300
            policy = PolicySnapshot(
                None, policy.name, policy.version, (Step(first, wait_s), *policy.steps), policy.repeats,
                policy.ack_timeout_s, policy.fallback,
            )  # fmt: skip
        self.stop()
        self.runs.append(Run(self.generation, "escalate", self.now, snapshot=policy))
        self.work()

    def stop(self) -> None:
        for run in self.runs:
            run.due = None

    def _move_on(self, state: str) -> None:
        """An answer: a new generation, and every older run stops, in one breath."""
        self.state = state
        self._renew()
        self.stop()

    def _renew(self) -> None:
        self.generation += 1
        self.acked, self.needed = set(), 1

    def acknowledge(self, user: int | None) -> None:
        if self.state not in ("triggered", "snoozed"):
            return
        if self.state == "triggered" and user is not None:
            if user in self.acked:
                return
            if len(self.acked) + 1 < self.needed:
                self.acked.add(user)
                mine = [message for message in self.outbox if message.user == user]
                self.outbox = [message for message in self.outbox if message.user != user]
                self.dropped += mine
                return
        self._move_on("acknowledged")
        if back := ack_due(self.world.policy, self.now):
            self.runs.append(Run(self.generation, "ack_timeout", back))

    def snooze(self, for_s: int) -> None:
        if self.state == "resolved":
            return
        self._move_on("snoozed")
        self.runs.append(Run(self.generation, "snooze", self.now + seconds(for_s)))

    def resolve(self) -> None:
        if self.state != "resolved":
            self._move_on("resolved")

    def retrigger(self) -> None:
        if self.state != "triggered":
            self._move_on("triggered")
            self.arm()

    def reassign(self, users: Sequence[int]) -> None:
        if self.state != "resolved":
            self._move_on("triggered")
            self.arm(tuple(Target("user", user) for user in users))

    # -- time --------------------------------------------------------------------------------------------------------

    def live(self) -> list[Run]:
        return [run for run in self.runs if run.live]

    def next_event(self) -> datetime | None:
        moments = [message.due for message in self.outbox] + [run.due for run in self.runs if run.due is not None]
        return min(moments, default=None)

    def work(self) -> None:
        """Everything that is due now."""
        while run := next((run for run in self.runs if run.due is not None and run.due <= self.now), None):
            if run.purpose != "escalate":
                run.due = None
                self._renew()
                self.state = "triggered"
                self.runs.append(Run(self.generation, "escalate", self.now, woken(), self.world.policy))
                continue
            assert run.snapshot is not None
            self.done.append((run.generation, run.at))
            answers = Answers(frozenset(self.acked), self.needed)
            decided = plan(run.snapshot, run.at, self.world.resolve, self.now, self.world.facts, answers)
            self.needed = max(self.needed, decided.acks)
            reached = 0
            for page in decided.pages:
                self.pages.append(Page(self.now, page.user_id, run.generation, run.at, page.reason))
                if page.user_id is not None:
                    urgency = page.urgency or self.world.urgency
                    for how in notifications(self.world.rules_of(page.user_id), urgency, self.now):
                        due = self.now + seconds(how.delay_s)
                        self.outbox.append(Message(due, page.user_id, how.contact_method_id, run.generation))
                        reached += 1
            if decided.next is None:
                run.due = None
            else:
                run.at, run.due = decided.next, self.now + seconds(wait(decided, reached))
            self.hand_out()
        self.hand_out()

    def hand_out(self) -> None:
        """Hand due messages out; the generation is checked here once more, and the stale ones are dropped."""
        for message in [message for message in self.outbox if message.due <= self.now]:
            self.outbox.remove(message)
            if message.generation == self.generation and self.state == "triggered":
                self.sent.append((self.now, message))
            else:
                self.dropped.append(message)

    def until(self, end: datetime, *, inclusive: bool = True) -> None:
        """Let time pass, event by event."""
        while (at := self.next_event()) is not None and (at < end or (inclusive and at == end)):
            self.now = max(self.now, at)
            self.work()
        self.now = max(self.now, end)


def perform(world: World, duration_s: int, answers: Sequence[Answer]) -> Shell:
    """What the model of the shell does from ``START`` for a while, with people answering by the script."""
    shell = Shell(world)
    end = START + seconds(duration_s)
    heard: set[int] = set()
    while True:
        paged = [page for page in shell.pages if page.user is not None]
        coming = sorted(
            (paged[answer.page - 1].at + seconds(answer.after_s), shell.pages.index(paged[answer.page - 1]), index)
            for index, answer in enumerate(answers)
            if index not in heard and answer.page <= len(paged)
        )
        event = shell.next_event()
        if coming and coming[0][0] < end and (event is None or coming[0][0] <= event):
            at, place, index = coming[0]
            heard.add(index)
            shell.now = max(shell.now, at)
            answer = answers[index]
            if answer.verb == "acknowledge":
                shell.acknowledge(shell.pages[place].user)
            elif answer.verb == "resolve":
                shell.resolve()
            else:
                shell.snooze(answer.for_s)
        elif event is not None and event < end:
            shell.now = max(shell.now, event)
            shell.work()
        else:
            return shell
