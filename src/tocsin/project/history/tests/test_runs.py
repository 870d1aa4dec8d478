"""A run from its file to its result and back: what it writes, what it leaves alone, who may, and what breaks it."""

import gzip
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.browser import world

from tocsin.catalogue.models import Service
from tocsin.delivery.models import Delivery
from tocsin.escalation.models import Page, Run
from tocsin.incidents import actions, queries
from tocsin.incidents.actions import history
from tocsin.incidents.models import HistoryImport, Imported, ImportPart, Incident, TimelineEntry
from tocsin.people.models import Team
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform import settings as platform_settings
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.project import ledger
from tocsin.project.history import runs, working
from tocsin.project.history.options import Options
from tocsin.project.history.tests.logs import service_desk

pytestmark = pytest.mark.django_db

HEADER = "Number,Short description,Opened,Resolved,Updated,State,Priority,Assignment group,Assigned to,Service\n"
ONE = "INC1,Mail is slow,2021-01-20 10:00,2021-01-20 12:00,2021-01-20 12:00,Resolved,2 - High,Desk,Alice,Mail\n"
TWO = "INC2,Printer on fire,2021-01-21 10:00,,2021-01-21 11:00,In Progress,1 - Critical,Desk,Zoe,Print\n"


@pytest.fixture
def people() -> Named:
    return named_people()


def looked_at(text: str | bytes, source: str = "desk", people: Named | None = None) -> HistoryImport:
    actor = people.actor(people.alice) if people else SYSTEM
    data = text.encode() if isinstance(text, str) else text
    row = runs.upload(source, "log.csv", [data], actor=actor)
    working.work_due()
    row.refresh_from_db()
    return row


def planned(text: str, options: Options | None = None, source: str = "desk") -> HistoryImport:
    row = looked_at(text, source)
    runs.set_options(row.pk, options or Options(zone="UTC"), actor=SYSTEM)
    runs.ask_plan(row.pk, actor=SYSTEM)
    working.work_due()
    row.refresh_from_db()
    assert row.state == "planned", row.problem
    return row


def applied(text: str, options: Options | None = None, source: str = "desk") -> HistoryImport:
    row = planned(text, options, source)
    runs.ask_apply(row.pk, actor=SYSTEM)
    working.work_due()
    row.refresh_from_db()
    assert row.state == "applied", row.problem
    return row


def rolled_back(row: HistoryImport) -> HistoryImport:
    runs.ask_rollback(row.pk, actor=SYSTEM)
    working.work_due()
    row.refresh_from_db()
    assert row.state == "rolled_back", row.problem
    return row


def counts(row: HistoryImport) -> tuple[int, int, int]:
    assert row.result is not None
    return row.result["created"], row.result["updated"], row.result["unchanged"]


def test_what_is_planned_is_what_is_written(people: Named) -> None:
    row = planned(HEADER + ONE + TWO)
    assert row.plan is not None
    assert not Incident.objects.exists()
    assert row.plan["counts"] == {"new": 2, "changed": 0, "unchanged": 0}
    assert row.plan["exact"] == 1
    assert [one["title"] for one in row.plan["first"]] == ["Mail is slow", "Printer on fire"]
    assert {one["code"] for one in row.plan["findings"]} == {"still_open", "person_unknown"}
    row = applied(HEADER + ONE + TWO)
    assert counts(row) == (2, 0, 0)
    mail = Incident.objects.get(title="Mail is slow")
    assert (mail.state, mail.priority, mail.service.name, mail.imported) == ("resolved", "P2", "Imported", True)
    assert [person.name for person in mail.assignees.all()] == ["Alice"]
    assert mail.imported_from.facts["person"] == "Alice"
    assert not ImportPart.objects.filter(run=row).exists()


def test_nobody_is_paged_and_nothing_counts_as_live(people: Named) -> None:
    applied(HEADER + ONE + TWO)
    for table in (Page, Run, Delivery):
        assert not table.objects.exists()
    assert sum(queries.counts_by_priority(SYSTEM).values()) == 0
    assert not queries.incidents(SYSTEM).exists()
    assert queries.incidents(SYSTEM, q="INC2", imported="yes").get().title == "Printer on fire"
    assert queries.incidents(SYSTEM, q="printer", imported="only").count() == 1
    [one] = queries.incidents(SYSTEM, q="mail", imported="only")
    done = actions.reopen([one.pk], actor=SYSTEM)
    assert "history" in done.skipped[one.pk]


def test_a_service_that_is_confidential_keeps_its_history_so(people: Named) -> None:
    Service.objects.create(name="Mail", slug="mail", confidential=True, created_at=clock.now())
    applied(HEADER + ONE)
    assert not queries.incidents(people.actor(people.bob), imported="only").exists()
    assert queries.imported_figures(people.actor(people.bob), "desk")["incidents"] == 0
    assert queries.incidents(people.actor(people.alice), imported="only").count() == 1


def test_services_and_teams_are_made_on_wish_switched_off() -> None:
    row = applied(HEADER + ONE + TWO, Options(zone="UTC", services="create", teams=True))
    found = {service.name: service for service in Service.objects.all()}
    assert set(found) == {"Mail", "Print"}
    assert not any(service.enabled for service in found.values())
    assert {service.team.name for service in found.values() if service.team} == {"Desk"}
    result = rolled_back(row).result
    assert result is not None
    assert result["gone"] == {"services": 2, "teams": 1}
    assert not Service.objects.exists()
    assert not Team.objects.exists()


def test_the_same_file_again_changes_nothing() -> None:
    applied(service_desk(40))
    before = list(TimelineEntry.objects.order_by("pk").values_list("hash", flat=True))
    row = applied(service_desk(40))
    assert counts(row) == (0, 0, 40)
    assert list(TimelineEntry.objects.order_by("pk").values_list("hash", flat=True)) == before
    assert counts(applied(service_desk(40), source="other")) == (40, 0, 0)


def test_a_newer_file_updates_and_its_rollback_brings_back() -> None:
    first = applied(HEADER + ONE + TWO)
    two = Incident.objects.get(title="Printer on fire")
    old = {name: getattr(two, name) for name in ("state", "resolved_at", "seq", "head", "priority")}
    newer = TWO.replace(
        ",,2021-01-21 11:00,In Progress,1 - Critical", ",2021-01-21 15:00,2021-01-21 15:00,Closed,2 - High"
    )
    row = applied(HEADER + ONE + newer)
    assert counts(row) == (0, 1, 1)
    two.refresh_from_db()
    assert (two.state, two.priority, two.resolved_at.hour if two.resolved_at else 0) == ("closed", "P2", 15)
    kinds = list(two.timeline.order_by("seq").values_list("kind", flat=True))
    assert kinds[-2:] == ["resolved", "import_updated"] or kinds[-3:] == ["resolved", "closed", "import_updated"]
    assert queries.verify_timeline(two.pk) == []
    result = rolled_back(row).result
    assert result is not None
    assert (result["removed"], result["restored"]) == (0, 1)
    two.refresh_from_db()
    assert {name: getattr(two, name) for name in old} == old
    assert queries.verify_timeline(two.pk) == []
    assert two.imported_from.fingerprint == Imported.objects.get(number="INC2").fingerprint
    assert counts(applied(HEADER + ONE + TWO)) == (0, 0, 2)
    rolled_back(first)
    assert not Incident.objects.exists()


def test_a_rollback_takes_away_all_but_what_somebody_worked_on() -> None:
    row = applied(service_desk(30))
    one = Incident.objects.order_by("pk")[3]
    actions.add_note([one.pk], text="This came back last week.", actor=SYSTEM)
    for _ in range(2):
        ledger.seal_due()
    result = rolled_back(row).result
    assert result is not None
    assert (result["removed"], result["kept"]) == (29, [one.imported_from.number])
    assert list(Incident.objects.all()) == [one]
    assert not TimelineEntry.objects.exclude(incident_id=one.pk).exists()
    assert queries.verify_timeline(one.pk) == []
    assert ledger.verify(actor=SYSTEM).problems == []
    with pytest.raises(Conflict, match="on record"):
        runs.discard(row.pk, actor=SYSTEM)


def test_a_run_that_died_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    row = planned(service_desk(30))
    runs.ask_apply(row.pk, actor=SYSTEM)
    monkeypatch.setattr(working, "PORTION", 10)
    real, calls = history.import_history, []

    def dying(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the machine lost its power")
        return real(*args, **more)

    monkeypatch.setattr(history, "import_history", dying)
    working.work_due()
    row.refresh_from_db()
    assert (row.state, Incident.objects.count()) == ("failed", 10)
    HistoryImport.objects.filter(pk=row.pk).update(state="applying")
    working.work_due()
    row.refresh_from_db()
    assert counts(row) == (30, 0, 0)
    assert Incident.objects.count() == 30


def test_an_order_that_nothing_decides_is_asked_for() -> None:
    text = HEADER + ONE.replace("2021-01-20", "3/4/2021") + TWO.replace("2021-01-21", "4/4/2021")
    row = looked_at(text)
    runs.set_options(row.pk, Options(zone="UTC"), actor=SYSTEM)
    with pytest.raises(Invalid) as caught:
        runs.ask_plan(row.pk, actor=SYSTEM)
    assert list(caught.value.problems) == ["order"]
    row = applied(text, Options(zone="UTC", order="M/D/Y"))
    assert Incident.objects.earliest("opened_at").opened_at.month == 3


def test_a_zone_that_is_not_said_is_asked_for() -> None:
    row = looked_at(HEADER + ONE)
    assert set(runs.asked(row)) == {"zone"}
    zoned = (HEADER + ONE).replace("2021-01-20 10:00", "2021-01-20T10:00:00Z").replace("12:00", "12:00+02:00")
    assert runs.asked(looked_at(zoned)) == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x01\x02\x00rubbish" * 50, "no text"),
        (gzip.compress(b"a,b\n1,2\n" * 500)[:-30], "broken"),
        (b"\n\n\n", "empty"),
    ],
)
def test_a_file_that_is_none_fails_with_its_reason(data: bytes, words: str) -> None:
    row = looked_at(data)
    assert row.state == "failed"
    assert words in row.problem
    runs.discard(row.pk, actor=SYSTEM)
    assert not ImportPart.objects.exists()


def test_a_file_that_is_too_large_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_settings.get(), "import_max_size", 2048)
    with pytest.raises(Invalid, match="larger than") as caught:
        runs.upload("desk", "log.csv", [b"x" * 1500, b"y" * 1500], actor=SYSTEM)
    assert "TOCSIN_IMPORT_MAX_SIZE" in caught.value.problems["file"]
    assert not HistoryImport.objects.exists()


def test_only_administrators(people: Named) -> None:
    bob = people.actor(people.bob)
    with pytest.raises(Forbidden):
        runs.begin("desk", "log.csv", actor=bob)
    row = looked_at(HEADER + ONE, people=people)
    with pytest.raises(Forbidden):
        runs.run(bob, row.pk)
    for ask in (runs.finish, runs.ask_plan, runs.ask_apply, runs.ask_rollback, runs.discard):
        with pytest.raises(Forbidden):
            ask(row.pk, actor=bob)
    with pytest.raises(NotFound):
        runs.run(SYSTEM, row.pk + 1000)


def test_who_lost_the_right_meanwhile_writes_nothing(people: Named) -> None:
    row = looked_at(HEADER + ONE, people=people)
    runs.set_options(row.pk, Options(zone="UTC"), actor=SYSTEM)
    runs.ask_plan(row.pk, actor=SYSTEM)
    people.alice.role = "observer"
    people.alice.save()
    working.work_due()
    row.refresh_from_db()
    assert (row.state, "may not" in row.problem) == ("failed", True)


@pytest.mark.parametrize("step", ["plan", "apply", "rollback"])
def test_stations_cannot_be_passed_over(step: str) -> None:
    row = runs.begin("desk", "log.csv", actor=SYSTEM)
    ask = {"plan": runs.ask_plan, "apply": runs.ask_apply, "rollback": runs.ask_rollback}[step]
    with pytest.raises(Conflict):
        ask(row.pk, actor=SYSTEM)


def test_the_whole_way_by_links_and_forms_alone(client: Client) -> None:
    made = world.company(clock.now())
    client.force_login(made["users"][0], backend="allauth.account.auth_backends.AuthenticationBackend")
    here = "/settings/import/history/"
    assert client.post(here, {"source": "desk"}).status_code == 422
    file = SimpleUploadedFile("log.csv", service_desk(25).encode(), "text/csv")
    place = client.post(here, {"source": "desk", "file": file}).headers["Location"]
    assert b"waits for an engine" in client.get(place).content
    working.work_due()
    shown = client.get(place).content.decode()
    assert "ident_state" in shown
    row = HistoryImport.objects.get()
    assert row.profile is not None
    taken = {column: field for field, column in row.options["mapping"].items()}
    form = {f"column-{at}": taken.get(one["name"], "") for at, one in enumerate(row.profile["columns"])}
    twice = client.post(place, form | {"column-1": "number", "do": "plan", "zone": "UTC"})
    assert twice.status_code == 422
    assert b"choose one" in twice.content
    assert client.post(place, form | {"do": "plan", "zone": "Mars"}).status_code == 422
    assert client.post(place, form | {"do": "plan", "zone": "UTC", "value-priority-0": "P1"}).status_code == 303
    working.work_due()
    assert b"25 incidents" in client.get(place).content
    assert client.post(place, {"do": "apply"}).status_code == 303
    working.work_due()
    assert b"Take it away again" in client.get(place).content
    listed = client.get("/incidents/?state=&imported=only").content
    assert b"Imported" in listed
    assert b"INC0000001" in client.get("/search/?q=INC0000001").content
    one = Incident.objects.filter(imported=True)[0]
    room = client.get(f"/incidents/{one.pk}/").content
    assert b"Imported from desk" in room
    assert b"act/reopen" not in room
    assert client.get(f"/why/incident/{one.pk}/").status_code == 200
    assert client.post(place, {"do": "rollback"}).status_code == 303
    working.work_due()
    assert not Incident.objects.filter(imported=True).exists()
    assert client.post(place, {"do": "discard"}).headers["Location"] == here
    client.force_login(made["users"][1], backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(here).status_code == 403
