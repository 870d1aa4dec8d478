"""Conditions, tiers, turns, urgencies, owners and managers: what the rules make of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.escalation import queries, rules
from tocsin.escalation.rules import (
    Facts,
    PolicySnapshot,
    PolicySpec,
    Resolved,
    RunState,
    ServiceFacts,
    Step,
    StepSpec,
    Target,
    plan,
)
from tocsin.escalation.rules.facts import working
from tocsin.oncall.rules import Restriction

AT = datetime(2026, 1, 6, 12, tzinfo=UTC)  # a Tuesday
NIGHT = datetime(2026, 1, 6, 2, tzinfo=UTC)
ADA, BEN, CLEO = 1, 2, 3
TEAM, PRIMARY = Target("team", 20, "Payments"), Target("schedule", 10, "Primary")
ZONES = {ADA: "UTC", BEN: "America/New_York", CLEO: "Asia/Tokyo"}
TEAMS = {20: [ADA, BEN, CLEO], 10: [ADA]}


def resolve(target: Target, at: datetime) -> Sequence[Resolved]:
    _, key = target.subject
    return [Resolved(user, {"kind": target.kind}, zone=ZONES[user]) for user in TEAMS.get(key, ())]


def facts(**more: Any) -> Facts:
    service = ServiceFacts(1, "Checkout", "checkout", 1, "payments", "Europe/Berlin")
    return replace(Facts(7, "P1", "critical", service, queries.condition, "Disk full"), **more)


def policy(*steps: Step, **more: Any) -> PolicySnapshot:
    return PolicySnapshot(1, "Payments", 1, steps, fallback=(PRIMARY,), **more)


@pytest.mark.parametrize(
    ("when", "at", "holds"),
    [
        ('priority == "P1" && urgency == "high"', AT, True),
        ('priority in ["P2", "P3"]', AT, False),
        ('severity == "critical" && incident.title.contains("Disk") && !incident.drill', AT, True),
        ('service.tier == 1 && service.team == "payments" && service.slug == "checkout"', AT, True),
        ("hour == 13 && weekday == 2", AT, True),  # in Berlin
        ("working_hours", AT, True),
        ("working_hours", NIGHT, False),
        ("working_hours", AT + timedelta(days=4), False),  # a Saturday
    ],
)
def test_a_step_is_passed_over_while_its_condition_does_not_hold(when: str, at: datetime, holds: bool) -> None:
    of = policy(Step((TEAM,), 300, when=when), Step((PRIMARY,), 300))
    planned = plan(of, RunState(), resolve, at, facts())
    assert planned.skipped != holds
    if not holds:
        assert planned.pages == ()
        assert (planned.next, planned.next_due_s) == (RunState(1), 0)
        assert planned.note == "step 1 skipped: its condition does not hold"
    assert len(plan(of, RunState(), resolve, at).pages) == 3  # without facts every condition holds


@pytest.mark.parametrize("when", ["hour / 0 == 1", "incident.nothing", "hour"])
def test_a_condition_that_cannot_be_evaluated_holds_and_that_is_noted(when: str) -> None:
    planned = plan(policy(Step((TEAM,), 300, when=when)), RunState(), resolve, AT, facts())
    assert len(planned.pages) == 3
    assert "its condition could not be evaluated (" in planned.note
    assert planned.note.endswith("so it holds")


def test_when_no_condition_holds_the_fallback_is_next() -> None:
    of = policy(Step((TEAM,), 300, when="false"), Step((TEAM,), 300, when="hour > 23"), repeats=3)
    first = plan(of, RunState(), resolve, AT, facts())
    assert (first.skipped, first.next, first.next_due_s) == (True, RunState(2, 3), 0)
    assert first.next is not None
    last = plan(of, first.next, resolve, AT, facts())
    assert [page.user_id for page in last.pages] == [ADA]
    assert last.pages[0].reason.why == "the condition of no step holds"
    assert last.next is None


def test_a_condition_that_reads_the_responder_chooses_among_the_people() -> None:
    awake = Step((TEAM,), 300, when="responder.hour >= 6 && responder.hour < 20")
    assert [page.user_id for page in plan(policy(awake), RunState(), resolve, AT, facts()).pages] == [ADA, BEN]
    early = AT.replace(hour=3)
    assert [page.user_id for page in plan(policy(awake), RunState(), resolve, early, facts()).pages] == [CLEO]
    at_work = Step((TEAM,), 300, when='responder.working && responder.zone != "UTC"')
    planned = plan(policy(at_work), RunState(), resolve, AT, facts())
    assert [page.user_id for page in planned.pages] == [None, ADA]  # nobody: the gap, and the fallback
    assert planned.pages[0].reason.why == "its condition holds for none of the people it finds"


def test_people_take_turns_from_incident_to_incident_and_on_repeats() -> None:
    of = policy(Step((TEAM,), 300, rotate=True), repeats=2)
    turns = [
        [page.user_id for page in plan(of, RunState(0, loop), resolve, AT, facts(incident_id=incident)).pages]
        for incident in (6, 7, 8, 9)
        for loop in (0, 1)
    ]
    assert turns == [[ADA], [BEN], [BEN], [CLEO], [CLEO], [ADA], [ADA], [BEN]]
    reason = plan(of, RunState(), resolve, AT, facts(incident_id=7)).pages[0].reason
    assert reason.turn == "2nd of 3 in turn"
    assert reason.text.endswith("in team Payments, 2nd of 3 in turn.")
    assert rules.PageReason.from_json(reason.to_json()) == reason


def test_the_tier_is_in_the_reason_and_the_urgency_on_the_page() -> None:
    planned = plan(policy(Step((TEAM,), 300, tier="L1", urgency="low")), RunState(), resolve, AT, facts())
    assert {page.urgency for page in planned.pages} == {"low"}
    assert planned.pages[0].reason.text == "Payments, version 1, step 1 of 1 (L1): in team Payments."


@pytest.mark.parametrize(
    ("zone", "at", "expected"),
    [("UTC", AT, True), ("America/New_York", AT, False), ("Asia/Tokyo", AT, False), ("Asia/Tokyo", NIGHT, True)],
)
def test_working_hours_are_meant_on_the_clock_of_the_zone(zone: str, at: datetime, expected: bool) -> None:
    assert working(rules.OFFICE_HOURS, zone, at) is expected


def test_working_hours_may_go_over_midnight() -> None:
    night = (Restriction(frozenset({1}), 22 * 60, 6 * 60),)
    assert working(night, "UTC", NIGHT)
    assert not working(night, "UTC", NIGHT + timedelta(days=1))


def test_targets_are_written_stored_and_read() -> None:
    owner, manager = Target("owner"), Target("manager", 3, "Primary", "schedule")
    assert owner.to_json() == {"kind": "owner"}
    assert manager.to_json() == {"kind": "manager", "of": "schedule", "id": 3, "name": "Primary"}
    for one in (owner, manager, Target("owner", 4, "Payments")):
        assert Target.from_json(one.to_json()) == one
    assert manager.words() == "the manager of whoever is on call in Primary"
    bad: list[Mapping[str, Any]] = [
        {"kind": "manager", "id": 3},
        {"kind": "user"},
        {"kind": "team", "of": "user", "id": 1},
    ]
    for wrong in bad:
        with pytest.raises(ValueError, match="not a target"):
            Target.from_json(wrong)
    assert rules.split_target("Owner") == ("owner", "")
    assert rules.split_target("manager:Team: Core") == ("manager", "team:core")
    assert rules.target_key("manager:user:a@b.c") == ("user", "a@b.c")
    for text in ("owner:x", "manager:core", "manager:owner:x", "manager:team:"):
        with pytest.raises(ValueError, match="owner, manager:user:EMAIL"):
            rules.split_target(text)


def test_a_snapshot_of_before_stays_readable_and_says_no_more_than_it_must() -> None:
    old = {
        "policy_id": 1, "name": "Payments", "version": 2, "repeats": 1, "ack_timeout_s": None,
        "steps": [{"targets": [{"kind": "team", "id": 20}], "wait_s": 60}], "fallback": [],
    }  # fmt: skip
    read = PolicySnapshot.from_json(old)
    assert read.to_json() == old
    assert not read.asks
    assert not read.warns
    new = replace(
        read,
        steps=(Step((Target("owner"),), 60, "hour < 9", "L1", 600, "low", True),),
        executives=(TEAM,),
        executive_priorities=("P1", "P2"),
    )
    assert PolicySnapshot.from_json(new.to_json()) == new
    assert new.asks
    assert new.warns
    bound = new.owned_by(4, "Core")
    assert bound.steps[0].targets == (Target("owner", 4),)
    assert bound.ids("team") == {4, 20}


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (StepSpec(["owner"], when="hour >"), "when"),
        (StepSpec(["owner"], when="hours > 3"), "when"),
        (StepSpec(["owner"], when="hour + 1"), "when"),
        (StepSpec(["owner"], when="size(responder) > 0"), "when"),
        (StepSpec(["owner"], tier="x" * 41), "tier"),
        (StepSpec(["owner"], urgency="loud"), "urgency"),
        (StepSpec(["owner"], tier="L1", warn_s=5), "warn_s"),
        (StepSpec(["owner"], warn_s=600), "warn_s"),
    ],
)
def test_what_makes_no_sense_in_a_step_is_named(step: StepSpec, field: str) -> None:
    assert list(rules.problems(PolicySpec("X", [StepSpec(["owner"]), step]))) == [f"steps.1.{field}"]


def test_priorities_of_executives_are_priorities() -> None:
    for wrong in (["P9"], []):
        spec = PolicySpec("X", [StepSpec(["owner"])], executives=["team:x"], executive_priorities=wrong)
        assert list(rules.problems(spec)) == ["executive_priorities"]


def test_a_policy_with_everything_is_read_aloud() -> None:
    steps = (
        Step((Target("owner"),), 300, tier="L1", rotate=True, warn_s=1800),
        Step((Target("manager", 10, "Primary", "schedule"),), 300, when="!working_hours", urgency="high"),
        Step((TEAM,), 0, when="responder.working", urgency="low"),
    )
    assert rules.sentence(policy(*steps, executives=(TEAM,), executive_priorities=("P1", "P2"))) == [
        "First page in turn one of everybody in the owning team (L1).",
        "After 5 minutes without an answer page the manager of whoever is on call in Primary loudly, if "
        "!working_hours.",
        "After 5 minutes without an answer page everybody in Payments quietly, of them those for whom "
        "responder.working.",
        "When a step finds nobody, and when nobody answered at all, page whoever is on call in Primary.",
        "Of P1 and P2 incidents tell everybody in Payments, quietly.",
        "After 30 minutes in L1 warn those who look after the policy.",
    ]


def test_what_lies_ahead_leaves_out_what_will_not_hold() -> None:
    steps = (Step((TEAM,), 600, tier="L1"), Step((TEAM,), 600, when="!working_hours"), Step((PRIMARY,), 600, tier="L2"))
    before = datetime(2026, 1, 6, 15, 45, tzinfo=UTC)  # 16:45 in Berlin
    ahead = rules.preview(policy(*steps), RunState(), 0, 10, before, facts())
    assert [(one.in_s, one.step, one.tier) for one in ahead] == [(0, 1, "L1"), (600, 3, "L2"), (1200, 4, "")]
    later = rules.preview(policy(*steps), RunState(), 600, 10, before, facts())
    assert [one.step for one in later] == [1, 2, 3, 4]
