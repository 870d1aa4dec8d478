"""A replay of what the real engine decided, under the same configuration, decides the same, signal for signal.

Random signals, rules, groupings and maintenance go through the inbox, triage and escalation on the real tables, on a
clock that stands still between shifts; nobody answers. Then the stored signals are replayed.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection

from tests.invariants.test_engine_as_foretold import START, travel
from tocsin.catalogue.models import Dependency, Service
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Run
from tocsin.incidents.models import Incident
from tocsin.people.models import User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, remember
from tocsin.platform.actor import SYSTEM
from tocsin.project.config.reading import File
from tocsin.project.replay import loading, replay
from tocsin.project.replay.comparing import compare
from tocsin.project.replay.machine import Recording, Replay
from tocsin.triage.actions import absorb, next_due, release
from tocsin.triage.actions.config import save_rule, save_window
from tocsin.triage.models import Signal
from tocsin.triage.rules import RuleSpec, WindowSpec
from tocsin.triage.tests.world import Company, arrive, company

pytestmark = pytest.mark.django_db

WORLDS = int(os.environ.get("WORLDS", "12"))
NEVER = 1e9


@pytest.fixture(autouse=True)
def _a_clock_that_stands_still() -> Iterator[None]:
    remember.forget_everything()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION tocsin_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS"
            f" $$ SELECT '{START.isoformat()}'::timestamptz"
            " + coalesce((SELECT shift FROM platform_clock WHERE id = 1), interval '0') $$"
        )
        cursor.execute("ALTER TABLE intake_inbox ALTER COLUMN received_at SET DEFAULT tocsin_now()")
    yield
    remember.forget_everything()


def random_company(random: Random) -> Company:
    by = random.choice(["alert", "service", "fields", "dependency"])
    grouping: dict[str, Any] = {"by": by, "window_s": random.choice([0, 0, 600]), "reopen_s": random.choice([0, 900])}
    if by == "fields":
        grouping["fields"] = ["zone"]
    made = company(**grouping)
    other = Service.objects.create(
        name="Database", slug="database", policy=made.policy, tier=2, created_at=START,
        grouping={"by": random.choice(["alert", "dependency"])},
    )  # fmt: skip
    Dependency.objects.create(service=made.service, needs=other)
    if random.random() < 0.6:
        save_rule(
            RuleSpec("quiet", "suppress", 'signal.severity == "info" && signal.labels.zone == "b"'), actor=made.actor
        )
    if random.random() < 0.6:
        save_rule(RuleSpec("worse", "severity", 'signal.key == "k1"', severity="critical"), actor=made.actor)
    if random.random() < 0.5:
        save_rule(RuleSpec("routed", "route", 'signal.key == "k2"', to_service="database"), actor=made.actor)
    if random.random() < 0.5:
        start = START + timedelta(minutes=random.randint(5, 60))
        mode = random.choice(["hold", "drop"])
        lasts, condition = random.randint(5, 40) * 60, random.choice(["", "signal.severity != 'critical'"])
        spec = WindowSpec("work", ["checkout"], start, lasts, mode=mode, condition=condition)
        save_window(spec, actor=made.actor)
    return made


def live(random: Random, made: Company) -> None:
    """Two hours of signals, decided as they come; time passes for windows, flapping and escalation."""
    end = START + timedelta(hours=2)
    coming = START + timedelta(minutes=1)
    while True:
        due = [moment for moment in (next_due(), Run.objects.filter(state="waiting").order_by("due_at").values_list(
            "due_at", flat=True).first()) if moment is not None and moment <= coming]  # fmt: skip
        moment = min([*due, coming])
        if moment >= end:
            break
        travel(moment)
        if moment == coming:
            key = f"k{random.randint(1, 4)}"
            burst = random.randint(1, 2) if random.random() < 0.9 else 9
            for number in range(burst):
                action = "resolve" if (number % 2 if burst == 9 else random.random() < 0.3) else "trigger"
                zone = random.choice("ab")
                severity = random.choice(["critical", "warning", "info"])
                arrive(
                    made.source, {"action": action, "dedup_key": key, "severity": severity, "labels": {"zone": zone}}
                )
            coming += timedelta(seconds=random.choice([20, 45, 90, 200, 400]))
        while absorb():
            pass
        release()
        while runs.run_due():
            pass
    travel(end)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_a_replay_decides_as_the_engine_did(seed: int) -> None:
    random = Random(seed)
    made = random_company(random)
    live(random, made)
    until = clock.now()
    recorded = loading.recording(START, until)
    silent = Recording(recorded.signals, recorded.since, recorded.ends, {}, NEVER)
    played = Replay(loading.configuration(START, until), silent, until)
    decided: dict[int, str] = {}
    note = played._note
    played._note = lambda signal, decision: (
        decided.setdefault(signal.id, decision.outcome.value),
        note(signal, decision),
    )  # type: ignore[assignment, func-returns-value, misc]
    outcome = played.run()

    stored = dict(Signal.objects.values_list("id", "outcome"))
    assert decided == stored
    pages = Page.objects.filter(user__isnull=False, at__lt=until).order_by("at", "id")
    assert sorted((page.at, page.user_id) for page in outcome.pages()) == sorted(pages.values_list("at", "user_id"))
    assert compare(outcome, outcome, {}).missed == []


def test_what_a_change_would_have_done(django_assert_max_num_queries: Any) -> None:
    made = company()
    for minute, key in ((0, "disk"), (10, "cpu"), (20, "disk")):
        travel(START + timedelta(minutes=minute))
        arrive(made.source, {"dedup_key": key, "severity": "warning" if key == "cpu" else "critical"})
        absorb()
        while runs.run_due():
            pass
    travel(START + timedelta(hours=1))
    rule = "triage_rules:\n  - {name: quiet, kind: suppress, condition: 'signal.severity == \"warning\"'}\n"
    policy = (
        "policies:\n  - {name: Payments, team: payments, steps: [{targets: ['user:bob@example.org'], wait_s: 600}]}\n"
    )
    found = replay([File("f.yaml", rule)], since=timedelta(hours=1), actor=SYSTEM).to_json()
    assert found["signals"] == 3
    assert (found["before"]["incidents"], found["after"]["incidents"]) == (2, 1)
    assert [row["title"] for row in found["missed"]["items"]] == ["Disk full"]
    assert found["missed"]["items"][0]["service"] == "Checkout"
    assert found["pages_saved"] > 0
    # whoever may not read the incident hears that there is a difference, not where
    Incident.objects.update(confidential=True)
    User.objects.filter(pk=made.bob.pk).update(role="manager")
    manager = actor_of(User.objects.get(pk=made.bob.pk))
    hidden = replay([File("f.yaml", rule)], since=timedelta(hours=1), actor=manager).to_json()["missed"]
    assert [(row["title"], row["service"]) for row in hidden["items"]] == [("Confidential", "")]
    Incident.objects.update(confidential=False)
    assert found["later"]["count"] == 0
    empty = "services:\n  - {name: Checkout, team: payments, policy: payments, tier: 1}\n"
    later = (
        "schedules:\n  - {name: None, layers: []}\n"
        "policies:\n  - {name: Payments, team: payments, steps: ["
        "{targets: ['schedule:none'], wait_s: 300}, {targets: ['user:bob@example.org'], wait_s: 600}]}\n"
    )
    assert replay([File("f.yaml", policy)], since=timedelta(hours=1), actor=SYSTEM).difference.missed == []
    assert replay([File("f.yaml", empty)], since=timedelta(hours=1), actor=SYSTEM).difference.missed == []
    # the first step finds nobody and there is no fallback of its own: the team is paged instead, at once
    assert replay([File("f.yaml", later)], since=timedelta(hours=1), actor=SYSTEM).difference.later == []
    assert Service.objects.count() == 1
