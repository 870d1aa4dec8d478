from datetime import UTC, datetime, timedelta

import pytest

from tocsin.catalogue.models import Service
from tocsin.escalation import queries
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import Page, Run
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.escalation.simulator import Answer, simulate
from tocsin.oncall.actions import add_override, save_schedule
from tocsin.oncall.models import Schedule
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.models import ContactMethod, NotificationRule, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid, NotFound

pytestmark = pytest.mark.django_db

AT = datetime(2026, 1, 6, 16, 50, tzinfo=UTC)  # a Tuesday; office hours end at 17:00
MINUTE = timedelta(minutes=1)


def person(name: str) -> User:
    made = User.objects.create(email=f"{name}@example.org", name=name.title(), created_at=clock.now())
    mail = ContactMethod.objects.create(user=made, channel="email", address=made.email, label="work")
    pocket = ContactMethod.objects.create(user=made, channel="pocket", address=name, label="phone")
    for urgency, delay_s, method in (("high", 0, pocket), ("high", 120, mail), ("low", 0, mail)):
        position = NotificationRule.objects.filter(user=made, urgency=urgency).count()
        NotificationRule.objects.create(
            user=made, urgency=urgency, delay_s=delay_s, contact_method=method, position=position
        )
    return made


@pytest.fixture
def service() -> Service:
    for name in ("ada", "ben", "cleo"):
        person(name)
    office = LayerSpec(
        "office",
        datetime(2026, 1, 5, tzinfo=UTC),
        ["ada@example.org", "ben@example.org"],
        unit="day",
        restrictions=[RestrictionSpec([1, 2, 3, 4, 5], "09:00", "17:00")],
    )
    save_schedule(ScheduleSpec(name="Primary", layers=[office]), actor=SYSTEM)
    policy = save_policy(
        PolicySpec(
            name="Payments",
            steps=[StepSpec(["schedule:primary"], 600), StepSpec(["user:ada@example.org"], 300)],
            repeats=1,
            ack_timeout_s=1800,
            fallback=["user:cleo@example.org"],
        ),
        actor=SYSTEM,
    )
    return Service.objects.create(name="Checkout", slug="checkout", policy=policy, created_at=clock.now())


def lines(found: object) -> list[tuple[int, str, str, str]]:
    return [
        (int((line.at - AT) / MINUTE), line.user, line.channel, line.kind)
        for line in found  # type: ignore[attr-defined]
    ]


def test_what_goes_out_when_nobody_answers(service: Service) -> None:
    found = simulate(service.pk, "P1", AT, 4 * 3600, actor=actor_of(User.objects.get(name="Ada")))
    assert lines(found) == [
        (0, "Ben", "pocket", "step"),
        (2, "Ben", "email", "step"),
        (10, "Ada", "pocket", "step"),
        (12, "Ada", "email", "step"),
        (15, "nobody", "", "gap"),
        (15, "Cleo", "pocket", "fallback"),
        (17, "Cleo", "email", "fallback"),
        (25, "Ada", "pocket", "step"),
        (27, "Ada", "email", "step"),
        (30, "Cleo", "pocket", "fallback"),
        (32, "Cleo", "email", "fallback"),
    ]
    first = next(iter(found))
    assert first.why == (
        "Payments, version 1, step 1 of 2, loop 1 of 2: "
        "on call in Primary, layer office, 2026-01-06T09:00:00Z to 2026-01-06T17:00:00Z."
    )
    assert first.label == "phone"
    assert found.outcome == "nobody answered; the fallback was paged (1 person); nothing more follows"
    assert found.next_at is None
    assert [gap.reason.why for gap in found.gaps] == ["nobody is on call in Primary"]
    assert found.to_json()["items"][0]["user"] == "Ben"
    assert not Page.objects.exists()
    assert not Run.objects.exists()


def test_an_answer_stops_everything_older_and_the_time_out_begins_anew(service: Service) -> None:
    found = simulate(service.pk, "P2", AT, 3600, actor=SYSTEM, answers=[Answer(page=1, after_s=60)])
    assert lines(found) == [(0, "Ben", "pocket", "step"), (31, "nobody", "", "gap"), (31, "Cleo", "pocket", "fallback"),
                            (33, "Cleo", "email", "fallback"), (41, "Ada", "pocket", "step"),
                            (43, "Ada", "email", "step"), (46, "nobody", "", "gap"), (46, "Cleo", "pocket", "fallback"),
                            (48, "Cleo", "email", "fallback"), (56, "Ada", "pocket", "step"),
                            (58, "Ada", "email", "step")]  # fmt: skip
    assert [one.text for one in found.happenings] == [
        "Ben acknowledged it; it pages again in 30 minutes",
        "the acknowledgement timed out; the policy begins anew",
    ]
    assert found.next_at == AT + 61 * MINUTE


def test_low_urgency_follows_the_rules_for_it(service: Service) -> None:
    found = simulate(service.pk, "P5", AT, 60, actor=SYSTEM)
    assert lines(found) == [(0, "Ben", "email", "step")]
    assert found.urgency == "low"


def test_a_resolved_incident_is_silent(service: Service) -> None:
    found = simulate(service.pk, "P1", AT, 7200, actor=SYSTEM, answers=[Answer(1, 30, "resolve"), Answer(1, 60)])
    assert lines(found) == [(0, "Ben", "pocket", "step")]
    assert found.outcome == "Ben resolved it"


def test_somebody_who_cannot_be_reached_is_said_and_passed_over(service: Service) -> None:
    ContactMethod.objects.filter(user__name="Ben").update(disabled_at=clock.now())
    found = simulate(service.pk, "P1", AT, 60, actor=SYSTEM)
    assert lines(found) == [(0, "Ben", "", "step"), (0, "Ada", "pocket", "step")]
    assert next(iter(found)).why.endswith("No usable contact method.")


def test_a_policy_alone_can_be_simulated(service: Service) -> None:
    assert service.policy is not None
    snapshot = queries.snapshot([service.policy.pk])[service.policy.pk]
    assert len(simulate(snapshot, "P1", AT, 60, actor=SYSTEM)) == 1


def test_a_service_without_a_policy_falls_back_as_in_the_engine(service: Service) -> None:
    Service.objects.update(policy=None)
    User.objects.filter(name="Cleo").update(role="admin")
    found = simulate(service.pk, "P1", AT, 60, actor=SYSTEM)
    assert lines(found) == [(0, "Cleo", "pocket", "fallback")]


def test_what_makes_no_sense(service: Service) -> None:
    with pytest.raises(Invalid) as refused:
        simulate(service.pk, "P9", AT.replace(tzinfo=None), 0, actor=SYSTEM)
    assert set(refused.value.problems) == {"priority", "at", "for"}
    with pytest.raises(NotFound):
        simulate(999_999, "P1", AT, 60, actor=SYSTEM)


def test_a_shadow_is_told_with_whoever_is_on_call_and_never_alone(service: Service) -> None:
    person("dee")
    dee = User.objects.get(name="Dee")
    add_override(Schedule.objects.get().pk, dee.pk, AT, AT + timedelta(days=1), actor=SYSTEM, kind="shadow")
    found = simulate(service.pk, "P1", AT, 4 * 3600, actor=SYSTEM)
    told = [(int((page.at - AT) / MINUTE), page.reason.text) for page in found.pages if page.user == "Dee"]
    # at 17:05 nobody is on call any more, so that there is nobody to come along with
    assert told == [(0, "Payments, version 1, step 1 of 2, loop 1 of 2: comes along as a shadow in Primary.")]
    assert [page.reason.why for page in found.gaps] == ["nobody is on call in Primary"]
