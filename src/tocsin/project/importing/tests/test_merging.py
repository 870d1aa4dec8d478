"""An import into what is there: merged, told, repeated, and taken back only when that harms nobody."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.oncall import actions as oncall
from tocsin.oncall.models import Override, Schedule
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people import actions as people
from tocsin.people.models import ContactMethod, Team, User
from tocsin.people.rules import ContactMethodSpec, UserSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid
from tocsin.platform.models import AuditEntry
from tocsin.project.config.planning import export
from tocsin.project.importing import packing, work
from tocsin.project.importing.models import Progress, Run, Step
from tocsin.project.importing.shapes import Export
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import NOW, Size

pytestmark = pytest.mark.django_db
TINY = Size(6, 4, 18)


@pytest.fixture
def named() -> Named:
    return named_people()


def data() -> dict[str, list[dict[str, Any]]]:
    return json.loads(json.dumps(company.pagerduty(TINY)))  # type: ignore[no-any-return]


def planned(found: dict[str, list[dict[str, Any]]]) -> Run:
    run = work.start(Export("pagerduty", "api.example.org", NOW, found), actor=SYSTEM)
    assert work.turn() == 1
    run.refresh_from_db()
    return run


def applied(found: dict[str, list[dict[str, Any]]]) -> Run:
    return do(planned(found), "apply")


def do(run: Run, what: str, **more: Any) -> Run:
    work.want(run.pk, what, actor=SYSTEM, **more)
    assert work.turn() == 1
    run.refresh_from_db()
    return run


def reasons(run: Run) -> str:
    return "\n".join(f"{one['kind']} {one['name']}: {one['reason']}" for one in run.findings)


def test_somebody_who_is_here_keeps_name_role_and_rules_and_gains_contact_methods(named: Named) -> None:
    found = data()
    found["users"][0] |= {"email": "ALICE@example.org", "name": "Another Name"}
    before = export(actor=SYSTEM)
    run = applied(found)
    alice = User.objects.get(email="alice@example.org")
    assert (alice.name, alice.role) == ("Alice", "admin")
    assert "+41790000000" in alice.contact_methods.values_list("address", flat=True)
    assert "somebody with this address is here already" in reasons(run)
    assert do(run, "rollback").state == "rolled back"
    assert export(actor=SYSTEM) == before


def test_contact_methods_that_are_imported_have_to_be_verified() -> None:
    applied(data())
    assert ContactMethod.objects.count() == TINY.people * 3
    assert not ContactMethod.objects.exclude(verified_at=None).exists()
    assert not ContactMethod.objects.filter(changed_at=None).exists()


def test_a_schedule_of_the_same_name_stays_as_it_is() -> None:
    mine = oncall.save_schedule(ScheduleSpec("Schedule 1", description="mine"), actor=SYSTEM)
    run = applied(data())
    mine.refresh_from_db()
    assert mine.description == "mine"
    assert Schedule.objects.filter(name="Schedule 1 (PagerDuty)", slug="schedule-1-pagerduty").exists()
    assert "this one is called 'Schedule 1 (PagerDuty)'" in reasons(run)


def test_an_import_again_takes_over_what_changed_there_but_no_names_and_nothing_that_changed_here() -> None:
    found = data()
    applied(found)
    here = Team.objects.get(name="Team 0")
    here.name = "Ours"
    here.save()
    found["teams"][0]["name"] = "Renamed there"
    found["schedules"][0]["name"] = "Renamed there too"
    again = planned(found)
    assert (again.counts["create"], again.counts["update"]) == (0, 0)
    assert "the name here stays" in reasons(again)

    found["services"][0]["auto_resolve_timeout"] = 7200
    found["schedules"][1]["description"] = "said there"
    schedule = Schedule.objects.get(name="Schedule 1")
    schedule.description = "said here"
    schedule.save()
    run = applied(found)
    assert [(one["kind"], list(one["fields"])) for one in run.changes] == [("service", ["auto_resolve_s"])]
    assert "description was changed there and here" in reasons(run)
    assert planned(found).counts["update"] == 0


def test_what_was_removed_here_stays_away() -> None:
    found = data()
    applied(found)
    user = User.objects.get(email="person5@example.org")
    ContactMethod.objects.filter(user=user).delete()
    Schedule.objects.all().delete()
    run = planned(found)
    assert run.counts["create"] == 0
    assert "removed here since: it stays away" in reasons(run)


def test_taking_back_is_refused_when_something_changed_since_and_done_when_forced() -> None:
    before = export(actor=SYSTEM)
    run = applied(data())
    user = User.objects.get(email="person1@example.org")
    people.save_user(UserSpec(user.email, "A new name"), actor=SYSTEM, id=user.pk)
    do(run, "rollback")
    assert run.state == "applied"
    assert "person person1@example.org: was changed since: name" in run.failure
    assert do(run, "rollback", force=True).state == "rolled back"
    assert export(actor=SYSTEM) == before


def test_taking_back_leaves_what_is_in_use_only_when_forced() -> None:
    run = applied(data())
    ada = User.objects.get(email="person1@example.org")
    oncall.save_schedule(
        ScheduleSpec("Mine", layers=[LayerSpec("One", NOW, [ada.email])]),
        actor=SYSTEM,
    )
    do(run, "rollback")
    assert run.state == "applied"
    assert "in the rota of the schedule Mine" in run.failure
    do(run, "rollback", force=True)
    assert list(User.objects.values_list("email", flat=True)) == [ada.email]
    assert "in the rota of the schedule Mine" in run.options["left"][0]


def test_imports_are_taken_back_in_the_order_in_which_they_came() -> None:
    first = applied(data())
    found = data()
    found["teams"].append({"id": "PT000099", "name": "Newer", "members": []})
    second = applied(found)
    assert "take that one back first" in do(first, "rollback").failure
    assert do(second, "rollback").state == do(first, "rollback").state == "rolled back"
    assert not Team.objects.exists()


def test_a_plan_that_no_longer_holds_is_not_applied() -> None:
    run = planned(data())
    oncall.save_schedule(ScheduleSpec("Schedule 1"), actor=SYSTEM)
    do(run, "apply", digest=run.digest)
    assert (run.state, Schedule.objects.count()) == ("planned", 1)
    assert "no longer what the plan said" in run.failure
    assert do(run, "plan").state == "planned"
    assert do(run, "apply", digest=run.digest).state == "applied"


def test_what_an_action_refuses_is_told_and_the_rest_goes_on() -> None:
    found = data()
    found["services"][0]["name"] = ""
    found["users"][1]["email"] = "no address"
    run = applied(found)
    assert run.state == "applied"
    assert "it was refused: email: an e-mail address" in reasons(run)
    assert User.objects.count() == TINY.people - 1
    assert "which is not here" in reasons(run)


def test_a_run_holds_no_export_once_it_is_applied_and_stores_it_encrypted_before() -> None:
    run = planned(data())
    assert run.export
    assert company.key(0) not in run.export
    do(run, "apply")
    assert run.export == ""
    assert not Step.objects.filter(after__icontains=company.key(0)).exists()
    entry = AuditEntry.objects.get(kind="import")
    assert entry.verb == "applied"


def test_only_administrators_import(named: Named) -> None:
    actor = named.actor(named.bob)
    for forbidden in (
        lambda: work.start(Export("pagerduty", "", NOW, {}), actor=actor),
        lambda: work.runs(actor=actor),
        lambda: work.reading("pagerduty", "x", actor=actor),
    ):
        with pytest.raises(Forbidden):
            forbidden()


def test_what_cannot_be_done_now_is_refused() -> None:
    run = planned(data())
    with pytest.raises(Conflict, match="cannot be rolled back"):
        work.want(run.pk, "rollback", actor=SYSTEM)
    with pytest.raises(Conflict, match="not the plan"):
        work.want(run.pk, "apply", actor=SYSTEM, digest="another")
    work.want(run.pk, "apply", actor=SYSTEM)
    with pytest.raises(Conflict, match="about to be applied"):
        work.want(run.pk, "apply", actor=SYSTEM)


def test_an_export_is_packed_and_unpacked(tmp_path: Path) -> None:
    export_ = Export("pagerduty", "x", NOW, data())
    assert packing.unpack(packing.pack(export_)) == export_
    for wrong in ("", "not base64!", "AAAA", packing.pack(export_)[:-20]):
        with pytest.raises(Invalid):
            packing.unpack(wrong)
    values: list[Any] = [
        [],
        {"format": "tocsin-import/1"},
        {"format": "tocsin-import/1", "product": "pagerduty", "data": {"a": 1}},
    ]
    for value in values:
        with pytest.raises(Invalid):
            packing.of_json(value)


def test_many_people_are_added_with_the_checks_of_one() -> None:
    specs = [UserSpec(f"p{n}@example.org", f"P{n}", contact_methods=[ContactMethodSpec("email", f"p{n}@example.org")])
             for n in range(3)]  # fmt: skip
    one = people.save_user(specs[0], actor=SYSTEM)
    two = people.add_users(specs[1:], actor=SYSTEM)
    assert [user.email for user in two] == ["p1@example.org", "p2@example.org"]
    rules = [list(user.notification_rules.values_list("urgency", "position", "delay_s")) for user in (one, two[0])]
    assert rules[0] == rules[1]
    entries = [AuditEntry.objects.get(kind="user", name=user.email).after or {} for user in (one, two[0])]
    assert entries[0].keys() == entries[1].keys() != set()
    with pytest.raises(Conflict):
        people.add_users(specs, actor=SYSTEM)
    with pytest.raises(Invalid, match="cannot be kept"):
        people.add_users([UserSpec("x@example.org", "", zone="Nowhere")], actor=SYSTEM)
    with pytest.raises(Invalid):
        people.add_users([UserSpec("y@example.org", "Y"), UserSpec("Y@example.org", "Y")], actor=SYSTEM)


def test_an_override_that_is_new_there_comes_and_goes_alone() -> None:
    found = data()
    applied(found)
    assert Override.objects.count() == 1
    found["schedules"][1]["overrides"].append(found["schedules"][0]["overrides"][0] | {"id": "PO000099"})
    run = applied(found)
    assert [(one["kind"], one["change"]) for one in run.changes] == [("override", "create")]
    assert Override.objects.count() == 2
    assert do(run, "rollback").state == "rolled back"
    assert Override.objects.count() == 1


def test_a_run_whose_reader_is_gone_is_given_up() -> None:
    run = work.reading("pagerduty", "api.example.org", actor=SYSTEM)
    assert work.get(run.pk, actor=SYSTEM).state == "reading"
    clock.shift(work.SILENCE + timedelta(minutes=1))
    Progress.objects.create(run=run.pk, stage="users", at=clock.now())
    assert work.get(run.pk, actor=SYSTEM).state == "reading"
    Progress.objects.all().delete()
    assert work.runs(actor=SYSTEM)[0].state == "failed"


def test_targets_that_are_not_in_the_export_are_told() -> None:
    found = data()
    found["escalation_policies"][0]["escalation_rules"][0]["targets"] = [
        {"id": "PX999999", "type": "schedule_reference"}
    ]
    run = applied(found)
    assert "a step pages nobody who is here and is left out" in reasons(run)
    assert "refers to the schedule PX999999, which is not here" in reasons(run)
