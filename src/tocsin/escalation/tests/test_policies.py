from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.catalogue.models import Service
from tocsin.escalation import queries
from tocsin.escalation.actions.policies import delete_policies, save_policy
from tocsin.escalation.models import Policy
from tocsin.escalation.rules import PolicySpec, RunState, StepSpec, Target, notifications, plan
from tocsin.oncall.actions import delete_schedules, save_schedule
from tocsin.oncall.models import Schedule
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people.models import ContactMethod, Membership, NotificationRule, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

pytestmark = pytest.mark.django_db

AT = datetime(2026, 1, 6, 12, tzinfo=UTC)


def person(name: str, role: str = "responder") -> User:
    return User.objects.create(email=f"{name}@example.org", name=name.title(), role=role, created_at=clock.now())


@pytest.fixture
def world() -> dict[str, User]:
    people = {name: person(name) for name in ("ada", "ben", "cleo")}
    team = Team.objects.create(name="Payments", slug="payments")
    Membership.objects.create(team=team, user=people["ben"])
    Membership.objects.create(team=team, user=people["cleo"], role="manager")
    layer = LayerSpec("weekly", datetime(2026, 1, 5, 9, tzinfo=UTC), ["ada@example.org", "ben@example.org"])
    save_schedule(ScheduleSpec(name="Primary", layers=[layer]), actor=SYSTEM)
    return people


def spec(**more: Any) -> PolicySpec:
    written = PolicySpec(
        name="Payments first",
        steps=[
            StepSpec(["schedule:primary"], 300),
            StepSpec(["team:payments", "user:ada@example.org"], 600),
        ],
        repeats=1,
        ack_timeout_s=1800,
        fallback=["user:cleo@example.org"],
    )
    return replace(written, **more)


@pytest.mark.usefixtures("world")
def test_a_policy_is_kept_as_written_and_comes_back_the_same() -> None:
    row = save_policy(spec(), actor=SYSTEM)
    assert (row.slug, row.version) == ("payments-first", 1)
    (written,) = queries.export_policies()
    assert written == spec(slug="payments-first")
    save_policy(written, actor=SYSTEM, id=row.pk)
    assert Policy.objects.get().version == 1
    assert AuditEntry.objects.filter(kind="policy").count() == 1

    save_policy(replace(written, repeats=3), actor=SYSTEM, id=row.pk)
    assert Policy.objects.get().version == 2
    entry = AuditEntry.objects.latest("id")
    assert (entry.verb, entry.before, entry.after) == ("changed", {"repeats": 1}, {"repeats": 3})


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (spec(name=""), "name"),
        (spec(steps=[]), "steps"),
        (spec(steps=[StepSpec([])]), "steps.0.targets"),
        (spec(steps=[StepSpec(["ada@example.org"])]), "steps.0.targets.0"),
        (spec(steps=[StepSpec(["user:nobody@example.org"])]), "steps.0.targets.0"),
        (spec(steps=[StepSpec(["schedule:primary", "schedule:primary"])]), "steps.0.targets.1"),
        (spec(steps=[StepSpec(["schedule:primary"], -1)]), "steps.0.wait_s"),
        (spec(repeats=-1), "repeats"),
        (spec(ack_timeout_s=5), "ack_timeout_s"),
        (spec(fallback=["team:nobody"]), "fallback.0"),
        (spec(team="nobody"), "team"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(wrong: PolicySpec, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        save_policy(wrong, actor=SYSTEM)
    assert field in refused.value.problems
    assert not Policy.objects.exists()


@pytest.mark.usefixtures("world")
def test_a_policy_in_use_stays() -> None:
    row = save_policy(spec(), actor=SYSTEM)
    service = Service.objects.create(name="Checkout", slug="checkout", policy=row, created_at=clock.now())
    with pytest.raises(Conflict) as refused:
        delete_policies([row.pk], actor=SYSTEM)
    assert "Checkout" in refused.value.problems["payments-first"]
    service.delete()
    with pytest.raises(Conflict) as refused:
        delete_schedules([queries.snapshot([row.pk])[row.pk].steps[0].targets[0].id], actor=SYSTEM)
    assert "Payments first" in refused.value.problems["primary"]
    assert delete_policies([row.pk], actor=SYSTEM) == 1
    assert AuditEntry.objects.latest("id").verb == "deleted"


def test_who_may_configure(world: dict[str, User]) -> None:
    cleo = actor_of(world["cleo"])
    row = save_policy(spec(team="payments"), actor=cleo)
    with pytest.raises(Forbidden):
        save_policy(spec(team=""), actor=cleo, id=row.pk)
    with pytest.raises(Forbidden):
        save_policy(spec(team="payments"), actor=actor_of(world["ada"]), id=row.pk)
    with pytest.raises(NotFound):
        save_policy(spec(), actor=cleo, id=999_999)
    with pytest.raises(Conflict):
        save_policy(spec(team="payments"), actor=cleo)
    assert queries.policy(cleo, "payments-first") == queries.policy(cleo, row.pk) == row
    with pytest.raises(NotFound):
        queries.policy(cleo, "nothing")
    assert list(queries.policies(cleo, q="first")) == [row]


def test_a_snapshot_and_its_resolver_answer_for_many_runs_with_few_queries(
    world: dict[str, User], django_assert_max_num_queries: object
) -> None:
    rows = [save_policy(spec(name=f"Policy {n}"), actor=SYSTEM) for n in range(5)]
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        snapshots = queries.snapshot([row.pk for row in rows])
        resolve = queries.resolver_for(snapshots.values(), AT)
        plans = [plan(snapshot, RunState(), resolve, AT) for snapshot in snapshots.values()]
    assert [[page.user_id for page in one.pages] for one in plans] == [[world["ada"].pk]] * 5
    reason = plans[0].pages[0].reason
    assert reason.text == (
        "Policy 0, version 1, step 1 of 2, loop 1 of 2: "
        "on call in Primary, layer weekly, 2026-01-05T09:00:00Z to 2026-01-12T09:00:00Z."
    )
    second = plan(snapshots[rows[0].pk], RunState(1), resolve, AT)
    assert [page.user_id for page in second.pages] == [world[name].pk for name in ("ben", "cleo", "ada")]
    assert resolve(Target("schedule", 999_999), AT) == []
    later = AT + timedelta(days=7)
    assert resolve(snapshots[rows[0].pk].steps[0].targets[0], later)[0].user_id == world["ben"].pk


def test_nobody_who_left_is_paged(world: dict[str, User]) -> None:
    row = save_policy(spec(), actor=SYSTEM)
    User.objects.filter(pk__in=[world["ada"].pk, world["ben"].pk]).update(is_active=False)
    snapshot = queries.snapshot([row.pk])[row.pk]
    resolve = queries.resolver_for([snapshot], AT)
    assert [page.user_id for page in plan(snapshot, RunState(), resolve, AT).pages] == [None, world["cleo"].pk]
    assert [page.user_id for page in plan(snapshot, RunState(1), resolve, AT).pages] == [world["cleo"].pk]


def test_notification_rules_with_what_is_implied(world: dict[str, User]) -> None:
    ada, ben, cleo = (world[name] for name in ("ada", "ben", "cleo"))
    mail = ContactMethod.objects.create(user=ada, channel="email", address="ada@example.org", label="work")
    phone = ContactMethod.objects.create(user=ada, channel="pocket", address="ada")
    ContactMethod.objects.create(user=ben, channel="email", address="ben@example.org", disabled_at=clock.now())
    NotificationRule.objects.create(user=ada, urgency="high", position=0, delay_s=0, contact_method=phone)
    NotificationRule.objects.create(user=ada, urgency="high", position=1, delay_s=300, contact_method=mail)
    found = queries.notify_rules([ada.pk, ben.pk, cleo.pk])
    high = notifications(found[ada.pk], "high")
    assert [(d.contact_method_id, d.delay_s) for d in high] == [(phone.pk, 0), (mail.pk, 300)]
    low = notifications(found[ada.pk], "low")
    assert {(d.contact_method_id, d.delay_s) for d in low} == {(phone.pk, 0), (mail.pk, 0)}
    assert low.notes == ("no notification rule for low urgency: all usable contact methods at once",)
    assert notifications(found[ben.pk], "high").notes == ("no usable contact method",)
    assert len(notifications(found[cleo.pk], "high")) == 0


def test_a_schedule_that_only_managers_are_found_by_stays(world: dict[str, User]) -> None:
    made = save_policy(PolicySpec("Up", [StepSpec(["manager:schedule:primary"])]), actor=SYSTEM)
    schedule = Schedule.objects.get(slug="primary")
    with pytest.raises(Conflict) as refused:
        delete_schedules([schedule.pk], actor=SYSTEM)
    assert "Up" in refused.value.problems["primary"]
    Policy.objects.exclude(pk=made.pk).delete()
    with pytest.raises(Conflict):
        delete_schedules([schedule.pk], actor=SYSTEM)
