"""Tiers, executives, owners and managers on the real tables, and what people do by hand with its reasons."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tocsin.catalogue.models import Service
from tocsin.delivery.models import Delivery, Notice
from tocsin.escalation import actions, queries
from tocsin.escalation.actions import runs
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import Page, Policy, Run, TierWatch
from tocsin.escalation.proving import prove
from tocsin.escalation.queries.helping import escalations
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.incidents.pages import words
from tocsin.oncall.actions import save_schedule
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people.actions import delete_teams
from tocsin.people.models import ContactMethod, Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db


def person(name: str, manager: User | None = None, role: str = "responder") -> User:
    made = User.objects.create(
        email=f"{name}@example.org", name=name.title(), manager=manager, role=role, created_at=clock.now()
    )
    ContactMethod.objects.create(user=made, channel="pocket", address=name, verified_at=clock.now())
    return made


@pytest.fixture
def people() -> dict[str, User]:
    """Dora manages Cleo, who manages Ada; Ben has no manager. Cleo looks after the team Payments of Ada and Ben."""
    found = {"dora": person("dora")}
    found["cleo"] = person("cleo", found["dora"])
    found["ada"] = person("ada", found["cleo"])
    found["ben"] = person("ben")
    team = Team.objects.create(name="Payments", slug="payments")
    for name, role in (("ada", "member"), ("ben", "member"), ("cleo", "manager")):
        Membership.objects.create(team=team, user=found[name], role=role)
    rotation = LayerSpec("week", clock.now() - timedelta(days=3), ["ada@example.org"])
    save_schedule(ScheduleSpec("Primary", team="payments", layers=[rotation]), actor=SYSTEM)
    return found


def service(*steps: StepSpec, **more: Any) -> Service:
    spec = PolicySpec("Standard", list(steps), team="payments", fallback=["user:dora@example.org"], **more)
    policy = save_policy(spec, actor=SYSTEM)
    team = Team.objects.get(slug="payments")
    return Service.objects.create(name="Shop", slug="shop", policy=policy, team=team, created_at=clock.now())


def opened(of: Service, **more: Any) -> Incident:
    return incidents.declare("Disk full", of.pk, actor=SYSTEM, **more)


def paged(incident: Incident) -> list[str]:
    rows = Page.objects.filter(incident=incident).order_by("id").select_related("user")
    return [row.user.name if row.user else "nobody" for row in rows]


def kinds(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).order_by("seq").values_list("kind", flat=True))


def test_owners_and_managers_are_paged(people: dict[str, User]) -> None:
    of = service(
        StepSpec(["owner"], 60),
        StepSpec(["manager:schedule:primary"], 60),
        StepSpec(["manager:user:cleo@example.org"], 60),
        StepSpec(["manager:team:payments"], 60),
    )
    incident = opened(of)
    for _ in range(3):
        clock.shift(timedelta(seconds=60))
        runs.run_due()
    assert paged(incident) == ["Ada", "Ben", "Cleo", "Cleo", "Dora", "Cleo"]
    texts = [row.reason["text"] for row in Page.objects.order_by("id")]
    assert texts[0].endswith("in team Payments, which owns the service.")
    assert texts[3].endswith("manager of Ada, who is on call in Primary.")
    assert texts[4].endswith("manager of Cleo.")
    assert texts[5].endswith("manager of team Payments.")
    run = Run.objects.get()
    assert run.snapshot["steps"][0]["targets"][0]["kind"] == "owner"
    with pytest.raises(Conflict) as refused:
        delete_teams([Team.objects.get().pk], actor=SYSTEM)
    assert "Shop" in str(refused.value.problems)
    (spec,) = queries.export_policies()
    assert [step.targets for step in spec.steps] == [
        ["owner"],
        ["manager:schedule:primary"],
        ["manager:user:cleo@example.org"],
        ["manager:team:payments"],
    ]
    save_policy(spec, actor=SYSTEM, id=Policy.objects.get().pk)
    assert Policy.objects.get().version == 1


@pytest.mark.usefixtures("people")
def test_a_skipped_step_is_on_record_and_its_pages_have_their_urgency() -> None:
    of = service(StepSpec(["owner"], 600, when='priority == "P5"'), StepSpec(["schedule:primary"], 600, urgency="low"))
    incident = opened(of, priority="P1", priority_reason="try")
    assert paged(incident) == ["Ada"]
    assert Page.objects.get().urgency == "low"
    assert kinds(incident)[:3] == ["opened", "step_skipped", "paged"]
    entry = TimelineEntry.objects.get(kind="step_skipped")
    assert words.sentence("step_skipped", entry.data, {}) == (
        "passed over Standard, step 1 skipped: its condition does not hold"
    )


@pytest.mark.usefixtures("people")
def test_runs_that_are_alike_share_their_plan_and_others_do_not() -> None:
    of = service(StepSpec(["owner"], 600, rotate=True), repeats=1)
    turns = [paged(opened(of)) for _ in range(3)]
    assert sorted(turns) == [["Ada"], ["Ben"], ["Cleo"]]


def test_a_tier_that_lasts_is_warned_of_once(people: dict[str, User]) -> None:
    of = service(StepSpec(["schedule:primary"], 300, tier="L1", warn_s=1800), StepSpec(["owner"], 300, tier="L2"))
    incident, other = opened(of), opened(of)
    clock.shift(timedelta(minutes=2))
    incidents.acknowledge([incident.pk], actor=actor_of(people["ada"]))
    clock.shift(timedelta(minutes=3))
    runs.run_due()
    assert paged(other)[1:] == ["Ada", "Ben", "Cleo"]
    assert [row.incident_id for row in TierWatch.objects.all()] == [incident.pk]  # the other went on to L2
    clock.shift(timedelta(minutes=25))
    assert runs.next_due() is not None
    assert runs.run_due()
    notice = Notice.objects.get()
    assert notice.title == f"INC-{incident.pk} is in L1 for 30 minutes"
    assert [row.user_id for row in Delivery.objects.filter(kind="notice")] == [people["cleo"].pk]
    assert "tier_warned" in kinds(incident)
    incidents.unacknowledge([incident.pk], actor=SYSTEM)
    clock.shift(timedelta(minutes=31))
    runs.run_due()
    clock.shift(timedelta(minutes=31))
    runs.run_due()
    assert Notice.objects.count() == 1


def test_executives_are_told_once_of_what_is_opened_or_raised(people: dict[str, User]) -> None:
    of = service(StepSpec(["schedule:primary"], 300), executives=["manager:user:cleo@example.org"])
    quiet = opened(of, priority="P3", priority_reason="try")
    assert not Notice.objects.exists()
    incidents.set_priority([quiet.pk], priority="P1", reason="worse", actor=SYSTEM)
    assert Notice.objects.get().title == "P1: Disk full"
    assert [row.user_id for row in Delivery.objects.filter(kind="notice")] == [people["dora"].pk]
    incidents.set_priority([quiet.pk], priority="P2", reason="better", actor=SYSTEM)
    incidents.set_priority([quiet.pk], priority="P1", reason="worse again", actor=SYSTEM)
    assert Notice.objects.count() == 1
    assert kinds(quiet).count("executives_told") == 1
    opened(of, priority="P1", priority_reason="try")
    assert Notice.objects.count() == 2
    assert "Dora" not in paged(quiet)


@pytest.mark.usefixtures("people")
def test_an_escalation_needs_its_reason() -> None:
    incident = opened(service(StepSpec(["schedule:primary"], 300), StepSpec(["owner"], 300)))
    for code, text, field in (("", "", "reason_code"), ("because", "", "reason_code"), ("other", " ", "reason")):
        with pytest.raises(Invalid) as refused:
            actions.escalate_now(incident.pk, actor=SYSTEM, reason_code=code, reason=text)
        assert list(refused.value.problems) == [field]
    actions.escalate_now(incident.pk, actor=SYSTEM, reason_code="impact", reason="all of Europe")
    data = TimelineEntry.objects.get(kind="escalated").data
    assert data["reason_code"] == "impact"
    assert words.sentence("escalated", data, {}) == (
        "escalated it now, to step 2: it hurts more than it seemed; all of Europe"
    )
    assert words.sentence("escalated", {"step": 2, "reason": "of old"}, {}) == "escalated it now, to step 2: of old"
    observer = Actor(kind="user", id=1, name="Obs", role="observer")
    with pytest.raises(Forbidden):
        actions.escalate_up(incident.pk, actor=observer, reason_code="impact")


def test_a_team_is_brought_in_and_managers_are_paged_level_by_level(people: dict[str, User]) -> None:
    ada = actor_of(people["ada"])
    incident = opened(service(StepSpec(["schedule:primary"], 300)))
    net = Team.objects.create(name="Network", slug="network")
    with pytest.raises(Conflict):
        actions.page_team(incident.pk, net.pk, actor=ada, reason_code="departments")
    Membership.objects.create(team=net, user=people["ben"])
    assert actions.page_team(incident.pk, net.pk, actor=ada, reason_code="departments", reason="routers") == 1
    payments = Team.objects.get(slug="payments")
    assert actions.page_team(incident.pk, payments.pk, actor=ada, reason_code="complexity") == 1  # who is on call
    assert paged(incident) == ["Ada", "Ben", "Ada"]
    for name in ("Cleo", "Dora"):
        assert actions.escalate_up(incident.pk, actor=ada, reason_code="impact") == 1
        assert paged(incident)[-1] == name
    with pytest.raises(Conflict):
        actions.escalate_up(incident.pk, actor=ada, reason_code="impact")
    entry = TimelineEntry.objects.filter(kind="team_called").first()
    assert entry is not None
    assert words.sentence("team_called", entry.data, {people["ben"].pk: "Ben"}) == (
        "brought in the team Network: Ben: other departments are needed; routers"
    )
    counts = escalations(ada, clock.now() - timedelta(days=1))
    assert counts["kind", "team_called"] == counts["kind", "managers_called"] == 2
    assert (counts["reason", "impact"], counts["team", "payments"], counts["service", "shop"]) == (2, 4, 4)
    assert escalations(ada, clock.now() + timedelta(days=1)) == {}
    incidents.resolve([incident.pk], actor=ada)
    with pytest.raises(Conflict):
        actions.escalate_up(incident.pk, actor=ada, reason_code="impact")


@pytest.mark.usefixtures("people")
def test_a_run_that_cannot_be_read_keeps_no_other_from_paging() -> None:
    of = service(StepSpec(["schedule:primary"], 60), StepSpec(["owner"], 60))
    broken, well = opened(of), opened(of)
    Run.objects.filter(incident=broken).update(snapshot={"steps": [{"targets": [{"kind": "comet", "id": 1}]}]})
    clock.shift(timedelta(seconds=60))
    runs.run_due()
    assert paged(well) == ["Ada", "Ada", "Ben", "Cleo"]
    assert "could not be read" in Run.objects.get(incident=broken).reason


def test_the_proof_knows_conditions_turns_owners_and_managers(people: dict[str, User]) -> None:
    of = service(
        StepSpec(["owner"], 300, when="working_hours"),
        StepSpec(["manager:schedule:primary"], 300, when='priority == "P1"'),
    )
    assert prove(actor=SYSTEM, months=1).holds
    ContactMethod.objects.filter(user=people["cleo"]).update(verified_at=None)
    (bad,) = prove(actor=SYSTEM, months=1).counter_examples
    assert (bad.gap.step, bad.priorities) == (2, ("P1",))
    assert "Cleo has no verified contact method (manager of Primary)" in bad.gap.why
    # the fallback must be reached where no condition holds
    ContactMethod.objects.filter(user=people["dora"]).update(verified_at=None)
    found = prove(actor=SYSTEM, months=1).counter_examples
    nobody = [one for one in found if one.gap.step == 0]
    assert nobody
    low, high = (at.astimezone() for at in (nobody[0].gap.start, nobody[0].gap.end))
    assert high > low
    assert len({one.key for one in found}) == len(found)
    ContactMethod.objects.update(verified_at=clock.now())
    save_policy(
        PolicySpec("Standard", [StepSpec(["owner"], rotate=True)], fallback=["user:dora@example.org"]),
        actor=SYSTEM,
        id=of.policy_id,
    )
    assert prove(actor=SYSTEM, months=1).holds
    ContactMethod.objects.filter(user=people["ben"]).update(verified_at=None)
    (turn,) = prove(actor=SYSTEM, months=1).counter_examples
    assert "Ben has no verified contact method" in turn.gap.why


def test_by_hand_over_http_and_in_the_room(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(["schedule:primary"], 300)))
    client = Client()
    client.force_login(people["ada"], backend="allauth.account.auth_backends.AuthenticationBackend")
    room = client.get(f"/incidents/{incident.pk}/").content.decode()
    assert "Bring a team in" in room
    assert "Escalate to the managers" in room
    form = {"id": incident.pk, "sent": "1", "reason_code": "other", "reason": ""}
    assert client.post("/incidents/act/escalate-up/", form).status_code == 422
    assert client.post("/incidents/act/escalate-up/", form | {"reason": "so it is"}).status_code == 303
    team = Team.objects.get()
    assert client.post("/incidents/act/team/", form | {"reason_code": "security", "team": team.pk}).status_code == 303
    assert paged(incident)[1:] == ["Cleo", "Ada"]
    api = f"/api/v1/incidents/{incident.pk}"
    for verb, body in (("escalate", {}), ("escalate-up", {"reason_code": "x"}), ("page-team", {"team": "payments"})):
        answer = client.post(f"{api}/{verb}", body, content_type="application/json")
        assert answer.status_code == 422
        assert "reason_code" in answer.json()["error"]["problems"]
    good = client.post(
        f"{api}/page-team", {"team": "payments", "reason_code": "impact"}, content_type="application/json"
    )
    assert good.status_code == 200
    told = client.get("/api/v1/escalations/reasons").json()
    assert told["total"] == 3
    assert {"by": "reason", "key": "impact", "count": 1} in told["items"]
