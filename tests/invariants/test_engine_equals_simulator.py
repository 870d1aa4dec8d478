"""The simulator promises what the engine does: a thousand random worlds, page for page.

All worlds live in one database and open their incident in one batch; the clock is moved from due moment to due moment
and the real engine runs. Then each incident's pages must be those that the simulator foretold for its service.
"""

import heapq
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.invariants.escalation_world import ACKS, ENTRIES, URGENCIES, WHEN
from tocsin.catalogue.models import Service
from tocsin.delivery.models import Webhook
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Policy, PolicyStep
from tocsin.escalation.simulator import Answer, Like, simulate
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.intake.models import Source
from tocsin.oncall.models import Layer, LayerMember, Override, Schedule
from tocsin.people.models import ContactMethod, Membership, NotificationRule, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.tests.world import arrive

WORLDS = 1_000
WINDOW = timedelta(hours=3)
SEED = 20261123

pytestmark = pytest.mark.django_db


def people(rng: random.Random, now: datetime) -> list[User]:
    """Forty people: some without any contact method, some with a disabled one, some with delayed rules, some gone."""
    found = []
    for number in range(40):
        user = User.objects.create(
            email=f"p{number}@example.org", name=f"Person {number}", created_at=now, is_active=number % 13 != 12,
            zone=rng.choice(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
            manager=rng.choice(found) if found and rng.random() < 0.6 else None,
        )  # fmt: skip
        found.append(user)
        for channel in rng.sample(["pocket", "email", "webhook"], rng.choice([0, 1, 1, 2, 3])):
            method = ContactMethod.objects.create(
                user=user, channel=channel, address=f"{channel}-{number}",
                disabled_at=now if rng.random() < 0.15 else None,
            )  # fmt: skip
            if rng.random() < 0.6:
                for urgency in rng.choice([["high"], ["low"], ["high", "low"]]):
                    position = user.notification_rules.filter(urgency=urgency).count()
                    NotificationRule.objects.create(
                        user=user, urgency=urgency, position=position, contact_method=method,
                        delay_s=rng.choice([0, 0, 60, 180]),
                    )  # fmt: skip
    return found


def schedules(rng: random.Random, users: list[User], now: datetime) -> list[Schedule]:
    """Thirty schedules with hand-offs on half hours inside the window, restrictions, gaps and overrides."""
    found = []
    hour = now.replace(minute=0, second=0, microsecond=0)
    for number in range(30):
        zone = rng.choice(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])
        schedule = Schedule.objects.create(name=f"Schedule {number}", slug=f"schedule-{number}", zone=zone)
        found.append(schedule)
        for position in range(rng.choice([0, 1, 1, 2])):
            layer = Layer.objects.create(
                schedule=schedule, position=position, name=f"Layer {position}",
                unit=rng.choice(["hour", "day", "week"]),
                length=rng.choice([1, 2]), anchor=hour - timedelta(days=rng.randint(0, 20), minutes=30),
                ends_at=hour + timedelta(minutes=90) if rng.random() < 0.15 else None,
            )  # fmt: skip
            for place, user in enumerate(rng.sample(users, rng.randint(1, 4))):
                LayerMember.objects.create(layer=layer, position=place, user=user)
        if rng.random() < 0.4:
            begin = hour + timedelta(minutes=30 * rng.randint(-2, 4))
            Override.objects.create(
                schedule=schedule, user=rng.choice(users), starts_at=begin, ends_at=begin + timedelta(hours=1),
                created_at=now,
            )  # fmt: skip
    return found


def worlds(rng: random.Random, now: datetime) -> list[Service]:
    """A service and a policy for each world, all different."""
    users = people(rng, now)
    teams = [Team.objects.create(name=f"Team {n}", slug=f"team-{n}") for n in range(10)]
    for team in teams[1:]:
        Membership.objects.bulk_create(
            [
                Membership(team=team, user=user, role=rng.choice(["member", "member", "manager"]))
                for user in rng.sample(users, rng.randint(1, 4))
            ]
        )
    plans = schedules(rng, users, now)

    def targets(most: int) -> list[dict[str, object]]:
        found = []
        for _ in range(rng.randint(1, most)):
            kind, of = rng.choice([("user", users), ("schedule", plans), ("schedule", plans), ("team", teams)])
            plain = {"kind": kind, "id": rng.choice(of).pk}
            above = {"kind": "manager", "of": kind, "id": plain["id"]}
            found.append(rng.choice([plain, plain, plain, plain, above, {"kind": "owner"}]))
        return found

    hook = Webhook.objects.create(name="Tickets", slug="tickets", url="https://tickets.example.org/new")
    policies = Policy.objects.bulk_create(
        [
            Policy(
                name=f"Policy {n}", slug=f"policy-{n}", repeats=rng.choice([0, 0, 1, 2]),
                tiers=[{"name": name, "when": rng.choice(ENTRIES)} for name in ("L1", "L2") if rng.random() < 0.3],
                ack_timeout_s=rng.choice([None, None, 600, 1800]),
                fallback=targets(2) if rng.random() < 0.4 else [],
            )
            for n in range(WORLDS)
        ]
    )  # fmt: skip
    PolicyStep.objects.bulk_create(
        [
            PolicyStep(
                policy=policy,
                position=n,
                targets=targets(2) + ([{"kind": "webhook", "id": hook.pk}] if rng.random() < 0.1 else []),
                acks=rng.choice(ACKS),
                wait_s=rng.choice([60, 120, 300, 600, 900]),
                when=rng.choice(WHEN) if rng.random() < 0.4 else "",
                urgency=rng.choice(URGENCIES),
                rotate=rng.random() < 0.2,
                tier=rng.choice(["", "L1", "L2"]),
            )
            for policy in policies
            for n in range(rng.choice([0, 1, 1, 2, 3, 4]))
        ]
    )
    return Service.objects.bulk_create(
        [
            Service(
                name=f"Service {n}", slug=f"service-{n}", policy=policy if rng.random() < 0.97 else None,
                team=rng.choice([None, *teams]), tier=rng.randint(1, 4), created_at=now,
                zone=rng.choice(["", "Europe/Berlin", "America/New_York"]),
                hours=rng.choice([[], [{"days": [7], "from": "01:00", "to": "02:30"}]]),
            )
            for n, policy in enumerate(policies)
        ]
    )  # fmt: skip


def stop_the_clock(at: datetime) -> None:
    """Time goes on only when it is shifted, so that moments can be compared exactly; rolled back with the test."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET shift = interval '0'")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION tocsin_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT"
            f" '{at.isoformat()}'::timestamptz + (SELECT shift FROM platform_clock WHERE id = 1) $$"
        )


def test_engine_and_simulator_page_the_same_people_at_the_same_moments() -> None:
    rng = random.Random(SEED)
    stop_the_clock(datetime(2026, 3, 29, 0, 7, 30, tzinfo=UTC))  # Berlin changes its clocks within the window
    now = clock.now()
    User.objects.create(email="admin@example.org", name="Admin", role="admin", created_at=now)
    services = worlds(rng, now)
    sources = Source.objects.bulk_create(
        [
            Source(name="s", kind="generic", service=service, key_digest=f"{service.pk}", key_secret="", created_at=now)
            for service in services
        ]
    )
    for source in sources:
        arrive(source, {"severity": rng.choice(["critical", "error", "warning", "info"]), "dedup_key": "k"})
    while triage.absorb(5_000):
        pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what was learnt of these tables before this test may be that they are empty
    opened = {incident.service_id: incident for incident in Incident.objects.all()}
    assert len(opened) == WORLDS
    begun = min(incident.opened_at for incident in opened.values())
    answers = {
        incident.pk: [Answer(page, rng.choice([30, 90, 400, 1000])) for page in range(1, rng.choice([1, 1, 2, 3]) + 1)]
        for incident in opened.values()
        if rng.random() < 0.5
    }
    foretold = {}
    for service in services:
        incident = opened[service.pk]
        script = answers.get(incident.pk, [])
        foretold[incident.pk] = simulate(
            service.pk, incident.priority, incident.opened_at, int(WINDOW.total_seconds()), actor=SYSTEM,
            answers=script, like=Like(incident.severity, incident.title, incident.drill, incident.pk),
        )  # fmt: skip

    live(begun, answers)

    happened: dict[int, list[tuple[int | None, int, int, int, str]]] = {pk: [] for pk in foretold}
    by_incident = {incident.pk: incident for incident in opened.values()}
    for page in Page.objects.order_by("at", "id"):
        seconds = (page.at - by_incident[page.incident_id].opened_at).total_seconds()
        happened[page.incident_id].append((page.user_id, page.step + 1, page.loop + 1, round(seconds), page.urgency))
    differing = []
    for pk, simulation in foretold.items():
        told = [
            (p.user_id, p.step, p.loop, round((p.at - by_incident[pk].opened_at).total_seconds()), p.urgency)
            for p in simulation.pages
        ]
        if sorted(told, key=str) != sorted(happened[pk], key=str):
            differing.append((pk, told, happened[pk]))
    pages = sum(map(len, happened.values()))
    assert not differing, f"{len(differing)} of {WORLDS} worlds differ; the first: {differing[0]}"
    assert pages > 3 * WORLDS
    skipped = TimelineEntry.objects.filter(kind="step_skipped")
    assert skipped.count() > WORLDS / 10  # the worlds are worth trying
    assert Page.objects.filter(reason__turn__isnull=False).exists()
    assert Page.objects.filter(reason__kind="webhook").count() > WORLDS / 20
    partly = TimelineEntry.objects.filter(kind="partly_acknowledged").values_list("incident_id", flat=True)
    assert len(set(partly)) > WORLDS / 20
    assert TimelineEntry.objects.filter(kind="acknowledged", incident_id__in=partly).exists()
    assert {kind for kind in ("owner", "manager") if Page.objects.filter(reason__target__kind=kind).exists()} == {
        "owner", "manager"
    }  # fmt: skip
    # every reason that was written is the reason that was foretold
    sample = Page.objects.filter(user__isnull=False).order_by("id")[:300]
    for page in sample:
        reasons = {p.reason.text for p in foretold[page.incident_id].pages if p.user_id == page.user_id}
        assert page.reason["text"] in reasons


def live(begun: datetime, answers: dict[int, list[Answer]]) -> None:
    """Three hours of the engine, from due moment to due moment; people answer their pages when they do."""
    end = begun + WINDOW
    waiting: list[tuple[datetime, int, int, int]] = []  # when, which incident, which of its pages, whose
    paged: Counter[int] = Counter()
    seen = 0
    while True:
        for page in Page.objects.filter(pk__gt=seen, user__isnull=False).order_by("id"):
            seen = page.pk
            paged[page.incident_id] += 1
            for answer in answers.get(page.incident_id, ()):
                if answer.page == paged[page.incident_id]:
                    moment = page.at + timedelta(seconds=answer.after_s)
                    heapq.heappush(waiting, (moment, page.incident_id, answer.page, page.user_id or 0))
        due = min([m for m in (runs.next_due(), waiting[0][0] if waiting else None) if m], default=end)
        if due >= end:
            return
        ahead = due - clock.now()
        if ahead > timedelta(0):
            clock.shift(ahead)
        now = clock.now()
        while waiting and waiting[0][0] <= now:
            _, pk, _, user_id = heapq.heappop(waiting)
            incidents.acknowledge([pk], actor=actor_of(User.objects.get(pk=user_id)))
        while runs.run_due(5_000):
            pass
