"""The planner by tables; what it promises in any world is in ``tests/invariants``."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.escalation import rules
from tocsin.escalation.rules import (
    NotifyRule,
    PageReason,
    Plan,
    PolicySnapshot,
    PolicySpec,
    Quiet,
    Resolved,
    RunState,
    Step,
    StepSpec,
    Target,
    notifications,
    plan,
)

AT = datetime(2026, 3, 29, 1, tzinfo=UTC)
ADA, BEN, CLEO = 1, 2, 3
PRIMARY, SECONDARY = Target("schedule", 10, "Primary"), Target("schedule", 11, "Secondary")
TEAM = Target("team", 20, "Payments")


def user(number: int) -> Target:
    return Target("user", number, {1: "Ada", 2: "Ben", 3: "Cleo"}[number])


def policy(*steps: tuple[tuple[Target, ...], int], **more: object) -> PolicySnapshot:
    made = tuple(Step(targets, wait_s) for targets, wait_s in steps)
    return PolicySnapshot(5, "Payments", 3, made, **more)  # type: ignore[arg-type]


def on_call(**who: list[int]) -> rules.Resolve:
    """Who the targets are: by kind and id, as in ``schedule10=[1]``; people are themselves."""

    def resolve(target: Target, at: datetime) -> list[Resolved]:
        if target.kind == "user" and f"user{target.id}" not in who:
            return [Resolved(target.id, {"kind": "user"})]
        return [Resolved(n, {"kind": target.kind}) for n in who.get(f"{target.kind}{target.id}", [])]

    return resolve


def paged(planned: Plan) -> list[tuple[int | None, str]]:
    return [(page.user_id, page.reason.kind) for page in planned.pages]


def test_a_step_pages_its_people_once_and_waits() -> None:
    planned = plan(policy(((PRIMARY, TEAM), 300)), RunState(), on_call(schedule10=[ADA], team20=[BEN, ADA]), AT)
    assert paged(planned) == [(ADA, "step"), (BEN, "step")]
    assert (planned.next, planned.next_due_s) == (RunState(1), 300)
    ada = planned.pages[0].reason
    assert ada.target == PRIMARY
    assert ada.also[0]["target"]["name"] == "Payments"


@pytest.mark.parametrize(
    ("state", "expected", "due"),
    [
        (RunState(0, 0), RunState(1, 0), 60),
        (RunState(1, 0), RunState(0, 1), 120),
        (RunState(0, 1), RunState(1, 1), 60),
        (RunState(1, 1), RunState(2, 1), 120),
        (RunState(2, 1), None, None),
    ],
)
def test_steps_and_loops_follow_one_another(state: RunState, expected: RunState | None, due: int | None) -> None:
    of = policy(((user(ADA),), 60), ((user(BEN),), 120), repeats=1, fallback=(user(CLEO),))
    planned = plan(of, state, on_call(), AT)
    assert (planned.next, planned.next_due_s) == (expected, due)


def test_nobody_on_call_pages_the_fallback_and_records_the_gap() -> None:
    planned = plan(policy(((PRIMARY,), 300), fallback=(user(CLEO),)), RunState(), on_call(), AT)
    assert paged(planned) == [(None, "gap"), (CLEO, "fallback")]
    assert planned.next_due_s == 300
    gap, cleo = (page.reason for page in planned.pages)
    assert gap.text == "Payments, version 3, step 1 of 1: nobody is on call in Primary."
    assert cleo.text == (
        "Payments, version 3, step 1 of 1: nobody is on call in Primary, so the fallback: named directly."
    )
    assert cleo.asked == (PRIMARY,)


def test_nobody_and_no_fallback_runs_the_next_step_at_once() -> None:
    of = policy(((PRIMARY,), 300), ((user(BEN),), 60))
    planned = plan(of, RunState(), on_call(), AT)
    assert paged(planned) == [(None, "gap")]
    assert (planned.next, planned.next_due_s) == (RunState(1), 0)
    assert "at once" in planned.note


def test_a_run_that_finds_nobody_anywhere_keeps_looking_at_its_pace() -> None:
    of = policy(((PRIMARY,), 300), ((SECONDARY,), 60), repeats=2)
    planned = plan(of, RunState(), on_call(), AT)
    assert (planned.next, planned.next_due_s) == (RunState(1), 300)


def test_the_last_word_pages_the_fallback_once() -> None:
    of = policy(((PRIMARY,), 300), fallback=(user(CLEO),))
    planned = plan(of, RunState(1), on_call(), AT)
    assert paged(planned) == [(CLEO, "fallback")]
    assert planned.next is None
    assert planned.pages[0].reason.text == "Payments, version 3: nobody answered, so the fallback: named directly."


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (policy(((PRIMARY,), 300)), "nobody answered, and it has no fallback"),
        (policy(((PRIMARY,), 300), fallback=(SECONDARY,)), "nobody answered, and its fallback finds nobody"),
    ],
)
def test_the_last_word_is_said_even_to_nobody(of: PolicySnapshot, why: str) -> None:
    planned = plan(of, RunState(1), on_call(), AT)
    assert paged(planned) == [(None, "gap")]
    assert planned.next is None
    assert planned.pages[0].reason.why == why


def test_a_policy_without_steps_pages_the_fallback() -> None:
    planned = plan(policy(fallback=(TEAM,)), RunState(), on_call(team20=[ADA, BEN]), AT)
    assert paged(planned) == [(ADA, "fallback"), (BEN, "fallback")]
    assert planned.pages[0].reason.why == "the policy has no steps"
    assert planned.next is None


def test_a_person_who_left_is_a_gap() -> None:
    planned = plan(policy(((user(ADA),), 300), fallback=(user(BEN),)), RunState(), on_call(user1=[]), AT)
    assert paged(planned) == [(None, "gap"), (BEN, "fallback")]
    assert planned.pages[0].reason.why == "Ada cannot be paged"


def test_when_no_message_comes_of_a_step_the_next_one_does_not_wait() -> None:
    planned = plan(policy(((user(ADA),), 300)), RunState(), on_call(), AT)
    assert rules.wait(planned, 2) == 300
    assert rules.wait(planned, 0) == 0
    gap = plan(policy(((PRIMARY,), 300)), RunState(), on_call(), AT)
    assert rules.wait(gap, 0) == 300


@pytest.mark.parametrize(
    ("via", "text"),
    [
        ({"layer": "weekly", "from": "A", "to": "B"}, "on call in Primary, layer weekly, A to B"),
        ({"override": "swap", "from": "A", "to": "B"}, "on call in Primary, by override (swap), A to B"),
        ({"override": ""}, "on call in Primary, by override"),
        ({}, "on call in Primary"),
    ],
)
def test_how_a_schedule_came_to_be_a_person(via: dict[str, str], text: str) -> None:
    assert rules.via_words(PRIMARY, via) == text
    assert rules.via_words(TEAM, {}) == "in team Payments"
    assert rules.via_words(Target("team", 20), {"team": "Payments"}) == "in team Payments"


def test_snapshots_and_reasons_survive_json() -> None:
    of = policy(((PRIMARY, user(ADA)), 60), repeats=2, ack_timeout_s=600, fallback=(TEAM,))
    assert PolicySnapshot.from_json(of.to_json()) == of
    assert PolicySnapshot.from_json(of.to_json()).steps[0].targets[0].name == "Primary"
    assert of.ids("schedule") == {10}
    assert of.ids("team") == {20}
    for state in (RunState(), RunState(1, 2)):
        for page in plan(of, state, on_call(), AT).pages:
            assert PageReason.from_json(page.reason.to_json()) == page.reason
    by_hand = PageReason(kind="manual", why="Ada asked for them")
    assert PageReason.from_json(by_hand.to_json()).text == "Ada asked for them"


@pytest.mark.parametrize("data", [{}, {"kind": "robot", "id": 1}, {"kind": "user", "id": "1"}])
def test_what_is_no_target(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a target"):
        Target.from_json(data)


@pytest.mark.parametrize(
    ("priority", "urgency"),
    [("P1", "high"), ("P2", "high"), ("P3", "high"), ("P4", "low"), ("P5", "low"), ("", "high")],
)
def test_urgency_of_a_page(priority: str, urgency: str) -> None:
    assert rules.page_urgency(priority) == urgency


def test_after_an_answer() -> None:
    assert rules.ack_due(policy(ack_timeout_s=600), AT) == AT + timedelta(minutes=10)
    assert rules.ack_due(policy(), AT) is None
    assert rules.snooze_due(AT + timedelta(hours=1), AT) == AT + timedelta(hours=1)
    for until in (AT, AT - timedelta(hours=1), AT + timedelta(days=31)):
        with pytest.raises(ValueError, match="snooze"):
            rules.snooze_due(until, AT)


def test_the_preview_counts_on_through_loops() -> None:
    of = policy(((user(ADA),), 60), ((user(BEN),), 120), repeats=1, fallback=(TEAM,))
    ahead = rules.preview(of, RunState(1, 0), 30)
    assert [(one.in_s, one.step, one.loop, one.last) for one in ahead] == [
        (30, 2, 1, False), (150, 1, 2, False), (210, 2, 2, False), (330, 3, 2, True),
    ]  # fmt: skip
    assert ahead[-1].targets == (TEAM,)
    assert len(rules.preview(of, RunState(), 0, limit=2)) == 2


def way(position: int, delay_s: int = 0, **more: object) -> NotifyRule:
    return NotifyRule(position, delay_s, 100 + position, "email", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "expected", "note"),
    [
        ([way(0), way(1, 300)], [(100, 0), (101, 300)], ""),
        ([way(1, 300), way(0)], [(100, 0), (101, 300)], ""),
        ([way(0, urgency="low"), way(1, 60)], [(101, 60)], ""),
        ([way(0, usable=False), way(1, 300), way(2, 600)], [(101, 0), (102, 600)], "takes its place"),
        ([way(0), way(1, 300, usable=False)], [(100, 0)], "is disabled"),
        ([way(0), way(1, implicit=True)], [(100, 0)], ""),
        ([way(0, usable=False), way(1, implicit=True)], [(101, 0)], "every rule's contact method is disabled"),
        ([way(0, implicit=True), way(1, implicit=True)], [(100, 0), (101, 0)], "no notification rule for high"),
        ([way(0, implicit=True, usable=False)], [], "no usable contact method"),
        ([way(0, usable=False)], [], "no usable contact method"),
        ([], [], "no usable contact method"),
    ],
)
def test_how_a_person_is_reached(how: list[NotifyRule], expected: list[tuple[int, int]], note: str) -> None:
    found = notifications(how, "high")
    assert [(one.contact_method_id, one.delay_s) for one in found] == expected
    assert len(found) == len(expected)
    assert note in "; ".join(found.notes)
    assert bool(found.notes) == bool(note)


def test_a_policy_reads_as_sentences() -> None:
    of = policy(
        ((PRIMARY,), 300), ((user(BEN), TEAM, user(ADA)), 0), ((SECONDARY,), 5400),
        repeats=1, ack_timeout_s=1800, fallback=(user(CLEO),),
    )  # fmt: skip
    assert rules.sentence(of, {("schedule", 11): "Second line"}) == [
        "First page whoever is on call in Primary.",
        "After 5 minutes without an answer page Ben, everybody in Payments and Ada.",
        "At the same time page whoever is on call in Second line.",
        "After 1 hour 30 minutes without an answer repeat all steps once more.",
        "When a step finds nobody, and when nobody answered at all, page Cleo.",
        "An acknowledged incident pages again after 30 minutes.",
    ]
    assert rules.sentence(policy(((user(ADA),), 60)))[-1] == (
        "There is no fallback: when nobody answered, nothing more follows."
    )


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 seconds"), (1, "1 second"), (90, "1 minute 30 seconds"), (90000, "1 day 1 hour")]
)
def test_durations(count: int, text: str) -> None:
    assert rules.duration(count) == text


@pytest.mark.parametrize("text", ["ada@example.org", "user:", ":x", "robot:x", "", "user"])
def test_what_is_no_target_as_written(text: str) -> None:
    assert "steps.0.targets.0" in rules.problems(PolicySpec("X", [StepSpec([text])]))
    assert rules.split_target(" Schedule : Payments-Primary ") == ("schedule", "payments-primary")


def test_a_policy_as_written_may_be_right() -> None:
    assert rules.problems(PolicySpec("X", [StepSpec(["user:a@b.c"], 0)], ack_timeout_s=60, fallback=["team:x"])) == {}


@pytest.mark.parametrize(
    ("hours", "zone", "at", "over"),
    [
        ((1320, 420), "Europe/Berlin", "2026-11-23T22:59:59+01:00", "2026-11-24T07:00:00+01:00"),
        ((1320, 420), "Europe/Berlin", "2026-11-23T21:59:59+01:00", None),
        ((1320, 420), "Europe/Berlin", "2026-11-24T06:59:59+01:00", "2026-11-24T07:00:00+01:00"),
        ((1320, 420), "Europe/Berlin", "2026-11-24T07:00:00+01:00", None),
        ((1320, 420), "Europe/Berlin", "2026-03-29T01:30:00+01:00", "2026-03-29T07:00:00+02:00"),  # clocks go forward
        ((1320, 420), "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T07:00:00+01:00"),  # and back
        ((0, 150), "Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),  # 02:30 is skipped
        ((720, 780), "Asia/Kathmandu", "2026-11-23T06:30:00+00:00", "2026-11-23T07:15:00+00:00"),
        ((720, 780), "Asia/Kathmandu", "2026-11-23T07:15:00+00:00", None),
        ((1, 0), "UTC", "2026-11-23T00:00:30+00:00", None),
        ((1, 0), "UTC", "2026-11-23T00:01:00+00:00", "2026-11-24T00:00:00+00:00"),
    ],
)
def test_quiet_hours(hours: tuple[int, int], zone: str, at: str, over: str | None) -> None:
    found = Quiet(*hours, zone).over(datetime.fromisoformat(at))
    assert found == (datetime.fromisoformat(over) if over else None)


def test_only_what_is_low_waits_for_the_end_of_quiet_hours() -> None:
    quiet = Quiet(22 * 60, 7 * 60, "UTC")
    both = [NotifyRule(0, 0, 1, "pocket", urgency=u, quiet=quiet) for u in ("high", "low")]
    both.append(NotifyRule(1, 3600, 2, "email", urgency="low", quiet=quiet))
    night, evening = datetime(2026, 11, 23, 23, tzinfo=UTC), datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
    assert [one.delay_s for one in notifications(both, "high", night)] == [0]
    held = notifications(both, "low", night)
    assert [one.delay_s for one in held] == [8 * 3600, 8 * 3600]
    assert held.notes == ("quiet hours until 07:00",)
    assert [one.delay_s for one in notifications(both, "low", evening)] == [0, 34_200]
    assert [one.delay_s for one in notifications(both, "low")] == [0, 3600]
