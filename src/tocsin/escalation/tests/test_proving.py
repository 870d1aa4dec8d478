"""The proof that somebody reachable is always paged: what it finds, and that it agrees with asking every quarter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import QuerySet
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.catalogue.models import Service
from tocsin.delivery.actions import claim
from tocsin.delivery.contract import Message, Method
from tocsin.delivery.models import Delivery, Notice
from tocsin.delivery.queries import compose
from tocsin.escalation.actions import proofs
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import KnownGap
from tocsin.escalation.proving import prove
from tocsin.escalation.queries import condition
from tocsin.escalation.rules import (
    OFFICE_HOURS,
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
from tocsin.escalation.rules.holding import Case
from tocsin.escalation.rules.proving import Away, Prover, World
from tocsin.oncall import rules as oncall
from tocsin.oncall.actions import add_override, save_schedule
from tocsin.oncall.models import Absence
from tocsin.oncall.models import Schedule as ScheduleRow
from tocsin.oncall.rules import Layer, LayerSpec, Override, Restriction, Schedule, ScheduleSpec
from tocsin.oncall.rules.wallclock import to_us
from tocsin.people.models import ContactMethod, Membership, Team, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid
from tocsin.platform.models import Setting

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=360)
ADA, BEN, CLEO = 1, 2, 3
PEOPLE = {ADA: "Ada Lovelace", BEN: "Ben Okri", CLEO: "Cleo"}


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def layer(*members: int, **more: object) -> Layer:
    groups = tuple((one,) for one in members)
    return Layer(1, "week", more.pop("position", 0), "week", 1, SINCE, groups, **more)  # type: ignore[arg-type]


def policy(*steps: Target, fallback: tuple[Target, ...] = ()) -> PolicySnapshot:
    return PolicySnapshot(1, "Payments", 1, tuple(Step((one,), 300) for one in steps), fallback=fallback)


PRIMARY = Target("schedule", 7, "Primary")


def world(schedule: Schedule, away: dict[int, list[Away]] | None = None) -> World:
    return World(
        {7: schedule},
        {9: [BEN, CLEO]},
        PEOPLE,
        {(user, "high"): found for user, found in (away or {}).items()},
    )


def sentences(schedule: Schedule, snapshot: PolicySnapshot, away: dict[int, list[Away]] | None = None) -> list[str]:
    return [gap.sentence for gap in Prover(world(schedule, away), SINCE, UNTIL).gaps(snapshot, "high")]


def test_a_schedule_without_gaps_is_proven() -> None:
    schedule = Schedule(7, "Primary", "Europe/Berlin", (layer(ADA, BEN),))
    assert sentences(schedule, policy(PRIMARY, Target("user", CLEO, "Cleo"))) == []


def test_one_missing_hour_at_a_clock_change_is_found() -> None:
    """The night ends at 01:00 UTC in winter and the day begins at 03:00 local: an hour apart on October 25 alone."""
    schedule = Schedule(
        7,
        "Primary",
        "Europe/Berlin",
        (
            layer(ADA, ends_at=at("2026-10-25T00:00")),  # written down as 02:00 summer time ...
            layer(BEN, position=1, starts_at=at("2026-10-25T02:00+01:00")),  # ... and as 02:00 winter time
        ),
    )
    assert sentences(schedule, policy(PRIMARY)) == [
        "Sun 25 Oct 2026 02:00 CEST to 02:00 CET Europe/Berlin (1 hour), Payments, any step and its fallback, finds "
        "nobody who can be reached: nobody is on call in Primary."
    ]
    assert sentences(schedule, policy(PRIMARY), {}) != []


def test_hours_of_two_zones_part_for_the_weeks_between_their_clock_changes() -> None:
    """Berlin and New York hand over at each other's 15:00 and 09:00, which is one moment, but not in March."""
    every = oncall.ALL_DAYS
    day, night = Restriction(every, 3 * 60, 15 * 60), Restriction(every, 9 * 60, 21 * 60)
    schedule = Schedule(
        7,
        "Primary",
        "Europe/Berlin",
        (layer(ADA, restrictions=(day,)), layer(BEN, position=1, restrictions=(night,), zone="America/New_York")),
    )
    (gap,) = Prover(world(schedule), SINCE, UNTIL).gaps(policy(PRIMARY), "high")
    # from 8 March New York is an hour earlier: its night ends at 02:00 in Berlin, a missing hour until 03:00
    assert (gap.start, gap.end) == (at("2026-03-09T01:00"), at("2026-03-09T02:00"))
    assert gap.total_s == (gap.more + 1) * 3600


def test_what_is_meant_to_be_empty_is_no_counter_example_while_another_step_answers() -> None:
    office = Restriction(frozenset({1, 2, 3, 4, 5}), 9 * 60, 17 * 60)
    outside = (Restriction(frozenset({1, 2, 3, 4}), 17 * 60, 9 * 60), Restriction(frozenset({5, 6, 7}), 0, 1440))
    schedule = Schedule(7, "Primary", "UTC", (layer(ADA, restrictions=(office,)),), uncovered=outside)
    cleo = Target("user", CLEO, "Cleo")
    with_answer = sentences(schedule, policy(PRIMARY, cleo))
    assert with_answer == [
        "Mon 5 Jan 2026 00:00 to 09:00 UTC (9 hours), step 1 of Payments finds nobody who can be reached: nobody is "
        "on call in Primary."
    ]  # Sunday's window ends at midnight
    alone = sentences(schedule, policy(PRIMARY))
    assert len(alone) == 1
    assert "any step and its fallback" in alone[0]


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (
            {ADA: [Away(at("2026-02-02T10:00"), at("2026-02-02T12:30"), "is away (vacation)")]},
            "Mon 2 Feb 2026 11:00 to 13:30 Europe/Berlin (2 hours 30 minutes), step 1 of Payments finds nobody who can "
            "be reached: Ada Lovelace is away (vacation) and is on call in Primary.",
        ),
        (
            {ADA: [Away(SINCE, UNTIL, "has no verified contact method")]},
            "Mon 5 Jan 2026 01:00 to Thu 31 Dec 2026 01:00 Europe/Berlin (360 days), step 1 of Payments finds nobody "
            "who can be reached: Ada Lovelace has no verified contact method and is on call in Primary.",
        ),
    ],
)
def test_people_who_cannot_be_reached_are_nobody(away: dict[int, list[Away]], expected: str) -> None:
    schedule = Schedule(7, "Primary", "Europe/Berlin", (layer(ADA),))
    assert sentences(schedule, policy(PRIMARY, Target("team", 9, "Payments team")), away) == [expected]


def test_a_team_is_somebody_while_one_of_it_can_be_reached() -> None:
    schedule = Schedule(7, "Primary", "UTC", (layer(ADA),))
    team = policy(Target("team", 9, "Crew"))
    always = {BEN: [Away(SINCE, UNTIL, "is away")]}
    assert sentences(schedule, team, always) == []
    assert "nobody in team Crew can be reached" in sentences(schedule, team, always | {CLEO: always[BEN]})[0]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, PolicySnapshot]:
    hour = st.integers(0, 24 * 12).map(lambda count: SINCE + timedelta(hours=count))
    layers = tuple(
        layer(
            *draw(st.lists(st.sampled_from([ADA, BEN]), min_size=1, max_size=3)),
            position=number,
            restrictions=tuple(
                Restriction(
                    frozenset(draw(st.sets(st.integers(1, 7), min_size=1))), 60 * draw(st.integers(0, 23)), 60 * 9
                )
                for _ in range(draw(st.integers(0, 1)))
            ),
            starts_at=draw(st.none() | hour),
        )
        for number in range(draw(st.integers(1, 2)))
    )
    overrides = []
    for number in range(draw(st.integers(0, 2))):
        start = draw(hour)
        user = draw(st.sampled_from([None, ADA, CLEO]))
        overrides.append(Override(number, user, start, start + timedelta(hours=draw(st.integers(1, 30)))))
    away = {}
    for user in PEOPLE:
        start = draw(hour)
        away[user] = [Away(start, start + timedelta(hours=draw(st.integers(1, 90))), "is away")]
    targets = st.sampled_from([PRIMARY, Target("user", CLEO, "Cleo"), Target("team", 9, "Crew"), Target("user", 99)])
    steps = draw(st.lists(targets, min_size=1, max_size=3))
    fallback = tuple(draw(st.lists(targets, max_size=1)))
    return world(Schedule(7, "Primary", "UTC", layers, tuple(overrides)), away), policy(*steps, fallback=fallback)


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_the_proof_agrees_with_asking_at_every_half_hour(made: tuple[World, PolicySnapshot]) -> None:
    here, snapshot = made
    until = SINCE + timedelta(days=14)
    gaps = {gap.step: gap for gap in Prover(here, SINCE, until).gaps(snapshot, "high")}

    def reached(target: Target, moment: datetime) -> bool:
        users = [target.id] if target.kind == "user" else here.teams.get(target.id, [])
        if target.kind == "schedule":
            users = [shift.user_id for shift in oncall.oncall_at(here.schedules[target.id], moment)]
        return any(
            user in here.people and not any(a.start <= moment < a.end for a in here.away.get((user, "high"), ()))
            for user in users
        )

    meant = [(one.start, one.end) for one in here.schedules[7].overrides if one.user_id is None]
    first: dict[int, datetime] = {}
    for half in range(14 * 48):
        moment = SINCE + half * timedelta(minutes=30)
        steps = [any(reached(target, moment) for target in step.targets) for step in snapshot.steps]
        if not any(steps) and not any(reached(target, moment) for target in snapshot.fallback):
            first.setdefault(0, moment)
            continue
        for number, (found, step) in enumerate(zip(steps, snapshot.steps, strict=True), 1):
            by_intent = all(one.kind == "schedule" for one in step.targets) and any(a <= moment < b for a, b in meant)
            if not found and not by_intent:
                first.setdefault(number, moment)
    assert {step: gap.start for step, gap in gaps.items()} == first


CONDITIONS = [
    "", "working_hours", "!working_hours", "hour >= 20 || hour < 6", "weekday == 7", 'priority == "P1"', "false",
    'service.tier == 1 && hour % 3 == 0', "responder.working", "responder.hour < 12", "hour / 0 == 1",
]  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")


@settings(max_examples=150, deadline=None)
@given(
    worlds(), st.data(), st.sampled_from(ZONES), st.sampled_from([SINCE, at("2026-03-26"), at("2026-10-22")]),
    st.sampled_from(["P1", "P4"]),
)  # fmt: skip
def test_the_proof_agrees_with_the_rules_whatever_the_conditions(
    made: tuple[World, PolicySnapshot], data: st.DataObject, zone: str, since: datetime, priority: str
) -> None:
    """Over changes of clocks too: at any moment, what the proof calls empty is what the plan finds nobody for."""
    here, plain = made
    here = replace(
        here, away={}, managers={ADA: CLEO, BEN: ADA}, leads={9: [BEN]},
        zones={user: data.draw(st.sampled_from(ZONES)) for user in PEOPLE},
    )  # fmt: skip
    above = [Target("manager", 7, "Primary", "schedule"), Target("manager", 9, "Crew", "team"), Target("owner")]
    steps = tuple(
        replace(
            step,
            targets=(data.draw(st.sampled_from([*step.targets, *above])),),
            when=data.draw(st.sampled_from(CONDITIONS)),
        )
        for step in plain.steps
    )
    snapshot = replace(plain, steps=steps)
    hours = data.draw(st.sampled_from([OFFICE_HOURS, (Restriction(frozenset({6, 7}), 22 * 60, 30),)]))
    facts = Facts(1, priority, "critical", ServiceFacts(1, "Shop", "shop", 1, "", zone, hours), condition)
    until = since + timedelta(days=5)
    prover = Prover(here, since, until)
    gaps = {gap.step: gap for gap in prover.gaps(snapshot, "high", [Case(facts)])}

    def resolve(target: Target, moment: datetime) -> list[Resolved]:
        found = prover._named(target)
        there = [user for user, spans in found.items() if any(a <= to_us(moment) < b for a, b in spans)]
        return [Resolved(user, zone=here.zones[user]) for user in there]

    for quarter in range(5 * 96):
        moment = since + quarter * timedelta(minutes=15)
        empty = {key for key, gap in gaps.items() if any(a <= to_us(moment) < b for a, b in gap.spans)}
        plans = [plan(snapshot, RunState(number), resolve, moment, facts) for number in range(len(steps))]
        bare = [not one.skipped and not any(page.reason.kind == "step" for page in one.pages) for one in plans]
        somebody = any(page.reason.kind == "step" for one in plans for page in one.pages) or any(
            resolve(target, moment) for target in snapshot.fallback
        )
        assert (0 in empty) == (not somebody)
        meant = prover._meant
        for number, step in enumerate(steps):
            intended = any(a <= to_us(moment) < b for a, b in meant(step.targets))
            assert (number + 1 in empty) == (bare[number] and somebody and not intended), (moment, step)


def test_a_condition_on_the_title_is_proven_both_ways() -> None:
    schedule = Schedule(7, "Primary", "UTC", (layer(ADA),))
    cleo = Target("user", 99, "Nobody")
    facts = Facts(1, "P1", "critical", ServiceFacts(), condition)
    steps = (
        Step((PRIMARY,), 300, 'incident.title.contains("disk")'),
        Step((cleo,), 300, '!incident.title.contains("x")'),
    )
    snapshot = PolicySnapshot(1, "Payments", 1, steps)
    found = Prover(world(schedule), SINCE, UNTIL).gaps(snapshot, "high", [Case(facts, True), Case(facts, False)])
    assert [gap.step for gap in found] == [0, 2]


@pytest.fixture
def service() -> Service:
    now = clock.now()
    for name in ("ada", "ben"):
        user = User.objects.create(email=f"{name}@example.org", name=name.title(), created_at=now)
        ContactMethod.objects.create(user=user, channel="pocket", address=name, verified_at=now)
    rotation = LayerSpec("week", now - timedelta(days=30), ["ada@example.org", "ben@example.org"])
    save_schedule(ScheduleSpec("Primary", layers=[rotation]), actor=SYSTEM)
    kept = save_policy(
        PolicySpec("Payments", [StepSpec(["schedule:primary"])], fallback=["user:ben@example.org"]), actor=SYSTEM
    )
    return Service.objects.create(name="Checkout", slug="checkout", policy=kept, created_at=now)


@pytest.mark.django_db
def test_absences_and_contact_methods_count(service: Service) -> None:
    assert prove(actor=SYSTEM).holds
    now = clock.now()
    ada = User.objects.get(name="Ada")
    Absence.objects.create(
        user=ada, starts_at=now + timedelta(days=40), ends_at=now + timedelta(days=55), kind="vacation", created_at=now
    )
    (away,) = prove(actor=SYSTEM).counter_examples
    assert away.gap.step == 1
    assert away.sentence.startswith("Checkout, P1 to P5: ")
    assert "Ada is away (vacation) and is on call in Primary" in away.sentence
    assert prove(actor=SYSTEM, months=1).holds
    Absence.objects.all().delete()

    methods = ContactMethod.objects.filter(user=ada)
    methods.update(expires_at=now + timedelta(days=100))
    (expired,) = prove(actor=SYSTEM).counter_examples
    assert "expired by then" in expired.gap.why
    assert expired.gap.start >= now + timedelta(days=100)
    methods.update(expires_at=None, verified_at=None)
    (unproven,) = prove(actor=SYSTEM).counter_examples
    assert "Ada has no verified contact method" in unproven.gap.why
    methods.update(disabled_at=now)
    assert "no usable contact method" in prove(actor=SYSTEM).counter_examples[0].gap.why


@pytest.mark.django_db
def test_a_service_without_a_policy_is_told(service: Service) -> None:
    Service.objects.update(policy=None)
    proof = prove(actor=SYSTEM)
    assert not proof.holds  # no team, no administrator
    assert proof.counter_examples[0].gap.step == 0
    assert "Checkout" in proof.notes[0]
    with pytest.raises(Invalid):
        prove(actor=SYSTEM, months=99)


@pytest.fixture
def owned(service: Service) -> Service:
    """Ben looks after the team that owns the service; his quiet way is the pocket."""
    team = Team.objects.create(name="Payments", slug="payments")
    Membership.objects.create(team=team, user=User.objects.get(name="Ben"), role="manager")
    Membership.objects.create(team=team, user=User.objects.get(name="Ada"), role="member")
    service.team = team
    service.save()
    return service


@pytest.mark.django_db
def test_a_new_gap_is_told_once_to_those_who_look_after_the_team(owned: Service) -> None:
    first = proofs.reprove()
    assert first.holds
    assert not Notice.objects.exists()
    now = clock.now()
    schedule = ScheduleRow.objects.get()
    add_override(schedule.pk, None, now + timedelta(days=3), now + timedelta(days=3, hours=1), actor=SYSTEM)
    # nobody is on call then by intent, and the policy's fallback answers: nothing to tell
    assert proofs.reprove(first.until).holds
    Absence.objects.create(
        user=User.objects.get(name="Ben"),
        starts_at=now + timedelta(days=3),
        ends_at=now + timedelta(days=4),
        created_at=now,
    )
    found = proofs.reprove(first.until)
    assert found.counter_examples[0].gap.step == 0
    notices = list(Notice.objects.order_by("id"))
    assert notices[0].title.startswith("Nobody to page: ")
    told = Delivery.objects.filter(kind="notice", key__startswith=f"notice:{notices[0].pk}:")
    assert [row.user_id for row in told] == [User.objects.get(name="Ben").pk]
    count = Notice.objects.count()
    proofs.reprove(first.until)
    assert Notice.objects.count() == count
    ((message, _),) = compose_all(told)
    assert (message.kind, message.title) == ("notice", notices[0].title)
    assert message.link("view").endswith("/on-call/proof/")
    Absence.objects.all().delete()
    assert proofs.reprove(first.until).holds
    assert not KnownGap.objects.exists()


def compose_all(rows: QuerySet[Delivery]) -> list[tuple[Message, Method]]:
    rows.model.objects.filter(pk__in=rows).update(next_at=clock.now())
    return compose([one for one in claim() if one.kind == "notice"])


@pytest.mark.django_db
def test_the_proof_is_renewed_after_changes_have_settled_and_every_night(owned: Service) -> None:
    assert not proofs.reprove_due()  # a change was seen; more may follow
    clock.shift(timedelta(seconds=31))
    assert proofs.reprove_due()
    assert proofs.reprove_due()
    Membership.objects.all().delete()
    save_schedule(ScheduleSpec("Another"), actor=SYSTEM)
    assert not proofs.reprove_due()
    clock.shift(timedelta(seconds=31))
    assert proofs.reprove_due()
    before = Setting.objects.get(name="escalation.proof").value["at"]
    clock.shift(timedelta(hours=25))
    assert proofs.reprove_due()
    assert Setting.objects.get(name="escalation.proof").value["at"] > before


@pytest.mark.django_db
def test_where_nobody_verifies_anything_that_is_no_news(owned: Service) -> None:
    ContactMethod.objects.update(verified_at=None)
    assert proofs.reprove().holds
    assert not prove(actor=SYSTEM).holds  # whoever asks is told
    assert not Notice.objects.exists()
    ContactMethod.objects.filter(user__name="Ben").update(verified_at=clock.now())
    assert not proofs.reprove().holds
    assert Notice.objects.exists()


@pytest.mark.django_db
def test_whoever_has_just_given_an_address_has_a_week_to_verify_it(owned: Service) -> None:
    ContactMethod.objects.filter(user__name="Ada").update(verified_at=None, changed_at=clock.now())
    assert proofs.reprove().holds
    assert not prove(actor=SYSTEM).holds  # whoever asks is told
    clock.shift(timedelta(days=6))
    assert proofs.reprove().holds
    assert not Notice.objects.exists()
    clock.shift(timedelta(days=1, minutes=1))
    assert not proofs.reprove().holds
    assert "Ada has no verified contact method" in Notice.objects.earliest("id").body
