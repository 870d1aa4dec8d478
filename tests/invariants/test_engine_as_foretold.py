"""The simulator and the real engine, on the real tables, produce the same pages and messages in random worlds.

The database's clock is replaced by one that stands still between shifts, so that times are equal to the microsecond.
``WORLDS=1000`` tries as many worlds, from ``FIRST_WORLD`` on; the default is a handful.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from django.db import connection, transaction

from tests.invariants.escalation_world import ENTRIES, URGENCIES, WHEN, random_answers
from tocsin.catalogue.models import Service
from tocsin.delivery import actions as delivery
from tocsin.delivery.actions.webhooks import save_webhook
from tocsin.delivery.contract import Delivered
from tocsin.delivery.models import Delivery
from tocsin.delivery.rules import Settled, WebhookSpec
from tocsin.escalation.actions import policies, runs
from tocsin.escalation.models import Page, Run
from tocsin.escalation.rules import PolicySpec, StepSpec, TierSpec
from tocsin.escalation.simulator import Answer, Like, Simulation, simulate
from tocsin.incidents import actions as incidents
from tocsin.oncall import actions as oncall
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.models import ContactMethod, Membership, NotificationRule, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, remember
from tocsin.platform.actor import SYSTEM, Actor

pytestmark = pytest.mark.django_db

FIRST = int(os.environ.get("FIRST_WORLD", "0"))
WORLDS = int(os.environ.get("WORLDS", "12"))
START = datetime(2026, 3, 28, 23, tzinfo=UTC)  # two hours before Berlin's clocks go forward
STATIC = [when for when in WHEN if when not in ("hour", "hour / 0 == 1")]  # which are refused when they are saved
Sent = tuple[datetime, int | None, int | None]


@pytest.fixture(autouse=True)
def _a_clock_that_stands_still() -> Iterator[None]:
    remember.forget_everything()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION tocsin_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS"
            f" $$ SELECT '{START.isoformat()}'::timestamptz"
            " + coalesce((SELECT shift FROM platform_clock WHERE id = 1), interval '0') $$"
        )
    yield
    remember.forget_everything()


def random_people(random: Random) -> list[User]:
    people = []
    for number in range(1, 6):
        user = User.objects.create(
            email=f"u{number}@example.org",
            name=f"User {number}",
            role="responder",
            zone=random.choice(["UTC", "Europe/Berlin", "America/New_York"]),
            manager=random.choice(people) if people and random.random() < 0.6 else None,
            is_active=random.random() < 0.85,
            created_at=START,
        )
        if random.random() < 0.4:  # they begin or end while the world is tried
            user.quiet_from, user.quiet_to = random.choice([(22 * 60, 30), (30, 150), (1, 0)])
            user.save()
        methods = [
            ContactMethod.objects.create(
                user=user,
                channel=channel,
                address=f"u{number}@example.org",
                disabled_at=START if random.random() < 0.2 else None,
            )
            for channel in random.sample(["email", "pocket", "webhook"], random.randint(0, 3))
        ]
        for urgency in ("high", "low"):
            for position in range(random.randint(0, 3) if methods else 0):
                NotificationRule.objects.create(
                    user=user,
                    urgency=urgency,
                    position=position,
                    delay_s=random.choice([0, 0, 60, 300]),
                    contact_method=random.choice(methods),
                )
        people.append(user)
    User.objects.create(email="admin@example.org", name="Admin", role="admin", created_at=START)
    return people


def random_schedule(random: Random, name: str, people: list[User]) -> None:
    windows = [RestrictionSpec([1, 2, 3, 4, 5, 6, 7], *random.choice([("22:00", "02:30"), ("00:30", "04:00")]))]
    layers = [
        LayerSpec(
            name=f"layer {number}",
            anchor=START - timedelta(days=3, minutes=random.choice([0, 5, 700])),
            members=[user.email for user in random.sample(people, random.randint(1, 3))],
            unit=random.choice(["hour", "day"]),
            length=random.randint(1, 3),
            restrictions=windows if random.random() < 0.5 else [],
        )
        for number in range(random.randint(0, 2))
    ]
    row = oncall.save_schedule(ScheduleSpec(name=name, zone="Europe/Berlin", layers=layers), actor=SYSTEM)
    active = [user for user in people if user.is_active]
    for _ in range(random.randint(0, 2) if active else 0):
        start = START + timedelta(minutes=random.randint(-60, 120))
        end = start + timedelta(minutes=random.randint(1, 90))
        oncall.add_override(row.pk, random.choice(active).pk, start, end, "swap", actor=SYSTEM)


def random_service(random: Random) -> Service:
    people = random_people(random)
    random_schedule(random, "first", people)
    random_schedule(random, "second", people)
    team = Team.objects.create(name="Team", slug="team")
    for user in random.sample(people, random.randint(0, 3)):
        Membership.objects.create(team=team, user=user, role=random.choice(["member", "manager"]))
    targets = [f"user:{user.email}" for user in people] + ["schedule:first", "schedule:second", "team:team"]
    targets += ["owner", "manager:schedule:first", "manager:team:team", f"manager:user:{people[-1].email}"]
    save_webhook(WebhookSpec("Tickets", "https://tickets.example.org/new"), actor=SYSTEM)

    def step() -> StepSpec:
        rotate = random.random() < 0.3
        named = random.sample([*targets, "webhook:tickets"], random.randint(1, 2))
        return StepSpec(
            named,
            random.choice([0, 60, 300, 600]),
            when=random.choice(STATIC) if random.random() < 0.4 else "",
            urgency=random.choice(URGENCIES),
            rotate=rotate,
            tier=random.choice(["", "L1"]),
            acks=1 if rotate or named == ["webhook:tickets"] else random.choice([1, 1, 2, 3, "all"]),
        )

    steps = [step() for _ in range(random.randint(1, 3))]
    tiers = [TierSpec("L1", random.choice(ENTRIES))] if any(step.tier for step in steps) else []
    policy = policies.save_policy(
        PolicySpec(
            name="Any",
            steps=steps,
            repeats=random.choice([0, 0, 1, 2]),
            ack_timeout_s=random.choice([None, 60, 600]),
            fallback=random.sample(targets, random.randint(0, 2)),
            tiers=tiers,
        ),
        actor=SYSTEM,
    )
    return Service.objects.create(
        name="Service",
        slug="service",
        policy=policy if random.random() < 0.9 else None,
        team=team if random.random() < 0.5 else None,
        zone=random.choice(["", "Europe/Berlin"]),
        hours=random.choice([[], [{"days": [7], "from": "00:30", "to": "03:30"}]]),
        created_at=START,
    )


def travel(moment: datetime) -> None:
    now = clock.now()
    if moment > now:
        clock.shift(moment - now)
    assert clock.now() == max(moment, now)


def hand_out(sent: list[Sent]) -> None:
    """What the deliverer does, with a provider that takes everything."""
    while claimed := delivery.claim(100, 60):
        sent += [(clock.now(), one.user_id, one.contact_method_id) for one in claimed if one.kind == "page"]
        delivery.settle([Settled(one, Delivered(), 0.0, 0.0) for one in claimed])


def respond(incident_id: int, answer: Answer, actor: Actor) -> None:
    if answer.verb == "acknowledge":
        incidents.acknowledge([incident_id], actor=actor)
    elif answer.verb == "resolve":
        incidents.resolve([incident_id], actor=actor)
    else:
        incidents.snooze([incident_id], until=clock.now() + timedelta(seconds=answer.for_s), actor=actor)


def engine(incident_id: int, until: datetime, answers: list[Answer]) -> list[Sent]:
    """Let the engine work on virtual time; people answer by the script."""
    sent: list[Sent] = []
    heard: set[int] = set()
    while True:
        while runs.run_due():
            pass
        hand_out(sent)
        pages = list(Page.objects.filter(incident_id=incident_id, user__isnull=False).order_by("id"))
        coming = sorted(
            (pages[answer.page - 1].at + timedelta(seconds=answer.after_s), answer.page, number)
            for number, answer in enumerate(answers)
            if number not in heard and answer.page <= len(pages)
        )
        moments = [
            Delivery.objects.filter(state="pending").order_by("next_at").values_list("next_at", flat=True).first()
        ]
        moments.append(Run.objects.filter(state="waiting").order_by("due_at").values_list("due_at", flat=True).first())
        event = min((moment for moment in moments if moment is not None), default=None)
        if coming and coming[0][0] < until and (event is None or coming[0][0] <= event):
            moment = coming[0][0]
            travel(moment)
            for _, page, number in [one for one in coming if one[0] == moment]:
                heard.add(number)
                user = pages[page - 1].user
                assert user is not None
                respond(incident_id, answers[number], actor_of(user))
        elif event is not None and event < until:
            travel(event)
        else:
            return sent


def try_world(seed: int) -> tuple[int, int]:
    """How many pages and messages there were; they are as foretold."""
    random = Random(seed)
    service = random_service(random)
    answers = random_answers(random)
    priority = random.choice(["P1", "P2", "P3", "P4", "P5"])
    duration_s = random.choice([600, 3600, 3 * 3600])
    opened = incidents.declare("x", service.pk, priority=priority, priority_reason="as drawn", actor=SYSTEM)
    like = Like(opened.severity, opened.title, opened.drill, opened.pk)
    foretold: Simulation = simulate(service.pk, priority, START, duration_s, actor=SYSTEM, answers=answers, like=like)
    sent = engine(opened.pk, START + timedelta(seconds=duration_s), answers)

    pages = Page.objects.filter(incident_id=opened.pk).order_by("id")
    happened = [(page.at, page.user_id, page.reason["text"], page.urgency) for page in pages]
    expected = [(page.at, page.user_id, page.reason.text, page.urgency) for page in foretold.pages]
    assert happened == expected, f"world {seed}"
    messages = [(d.at, page.user_id, d.contact_method_id or None) for page in foretold.pages for d in page.deliveries]
    assert sorted(sent, key=repr) == sorted(messages, key=repr), f"world {seed}"
    return len(happened), len(sent)


def test_simulator_and_engine_do_the_same_in_random_worlds() -> None:
    pages = messages = 0
    for seed in range(FIRST, FIRST + WORLDS):
        point = transaction.savepoint()
        more, sent = try_world(seed)
        pages, messages = pages + more, messages + sent
        transaction.savepoint_rollback(point)
        remember.forget_everything()
    assert pages > 3 * WORLDS
    assert messages > WORLDS
