"""A sweep: what it counts, and that it asks the same simulator as everybody."""

from datetime import UTC, datetime

import pytest

from tocsin.escalation import queries
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.rules import PolicySnapshot, PolicySpec, StepSpec
from tocsin.escalation.sweeping import Model, Spread, observed, sweep
from tocsin.oncall.actions import save_schedule
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid

SINCE = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot() -> PolicySnapshot:
    for name, zone in (("ada", "Europe/Berlin"), ("ben", "America/New_York"), ("cleo", "UTC")):
        user = User.objects.create(email=f"{name}@example.org", name=name.title(), zone=zone, created_at=clock.now())
        ContactMethod.objects.create(user=user, channel="pocket", address=name)
    days = RestrictionSpec([1, 2, 3, 4, 5], "09:00", "17:00")
    layers = [LayerSpec("office", SINCE, ["ada@example.org"], "week", restrictions=[days])]
    save_schedule(ScheduleSpec("Primary", layers=layers), actor=SYSTEM)
    spec = PolicySpec("P", [StepSpec(["schedule:primary"], 300), StepSpec(["user:ben@example.org"], 600)])
    row = save_policy(spec, actor=SYSTEM)
    return queries.snapshot([row.pk])[row.pk]


def test_somebody_who_always_answers_at_once(snapshot: PolicySnapshot) -> None:
    model = Model(median_s=60, spread=0, chance=1, chance_asleep=1)
    found = sweep(snapshot, "P1", SINCE, actor=SYSTEM, days=7, model=model)
    assert found.incidents == 168
    assert found.dead_ends == []
    ada, ben = (User.objects.get(name=name).pk for name in ("Ada", "Ben"))
    # in 40 of the 168 hours of a week Ada is there; else her step finds nobody and Ben's runs at once
    assert found.people[ada].acknowledged == 40
    assert found.people[ben].acknowledged == 128
    assert found.gaps == 128
    assert found.acknowledged.quantiles_s == [60, 60, 60]
    assert found.first_page.quantiles_s == [0, 0, 0]
    assert found.steps["step 1"].count == 40
    # Ben's night is 22:00 to 07:00 in New York: 03:00 to 12:00 UTC, less the hours in which Ada is there
    assert found.people[ben].woken == 7 * 9 - 5 * 3
    assert len(found.people[ben].nights) == 7
    assert found.people[ada].woken == 0


def test_nobody_who_ever_answers_is_a_dead_end(snapshot: PolicySnapshot) -> None:
    found = sweep(snapshot, "P1", SINCE, actor=SYSTEM, days=1, model=Model(chance=0, chance_asleep=0))
    assert len(found.dead_ends) == 24
    assert found.acknowledged == Spread(0, 24, [None, None, None])
    told = found.to_json()
    assert told["dead_ends"]["count"] == 24
    assert [row["name"] for row in told["people"]] == ["Ben", "Ada"]


def test_the_same_seed_is_the_same_year_and_slower_people_are_slower(snapshot: PolicySnapshot) -> None:
    first, again, other, slow = (
        sweep(snapshot, "P2", SINCE, actor=SYSTEM, days=10, model=model).acknowledged
        for model in (Model(), Model(), Model(seed=2), Model(median_s=1200))
    )
    assert first == again
    assert first != other
    assert first.quantiles_s[0] is not None
    assert slow.quantiles_s[0] is None or slow.quantiles_s[0] > first.quantiles_s[0]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"days": 0}, "days"),
        ({"every_s": 1}, "every_s"),
        ({"lasts_s": 1}, "lasts_s"),
        ({"model": Model(chance=2)}, "chance"),
        ({"model": Model(median_s=0)}, "median_s"),
    ],
)
def test_nonsense_is_refused(snapshot: PolicySnapshot, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        sweep(snapshot, "P1", SINCE, actor=SYSTEM, **wrong)  # type: ignore[arg-type]
    assert field in refused.value.problems


def test_without_a_past_the_model_is_the_stated_one() -> None:
    assert observed() == Model()


def test_quantiles_count_those_without_an_answer_as_never() -> None:
    assert Spread.over([10, 20, 30], 6).quantiles_s == [30, None, None]
    assert Spread.over([10, 20, 30], 6, never=False).quantiles_s == [20, 30, 30]
