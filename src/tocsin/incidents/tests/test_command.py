"""Roles, tasks, facts and decisions: who may, what stands on record, what others see."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from tocsin.api.tests.conftest import Caller, call_as  # noqa: F401 - a fixture
from tocsin.catalogue import actions as catalogue
from tocsin.catalogue.rules import ServiceSpec
from tocsin.delivery.models import Notice
from tocsin.incidents import actions, jobs, queries
from tocsin.incidents.models import Incident, Role, RoleHolder, Task, TimelineEntry
from tocsin.incidents.pages.briefing import briefing_of
from tocsin.incidents.rules import command
from tocsin.people.actions import save_user
from tocsin.people.rules import UserSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db: None) -> Named:
    return named_people()


@pytest.fixture
def incident(people: Named) -> Incident:
    service = catalogue.save_service(ServiceSpec("Cart", team="core"), actor=SYSTEM)
    made = actions.declare("Cart is down", service.pk, actor=people.actor(people.alice))
    return Incident.objects.get(pk=made.pk)


def kinds(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).order_by("seq").values_list("kind", flat=True))


def held(incident: Incident, role: str = "commander") -> str | None:
    row = RoleHolder.objects.filter(incident=incident, role__slug=role, state="held").select_related("user").first()
    return row.user.name if row else None


# --- roles --------------------------------------------------------------------------------------------------------


def test_six_roles_come_along(people: Named) -> None:
    assert [row.slug for row in queries.roles(people.actor(people.bob))] == [spec.slug for spec in command.BUILT_IN]


def test_a_role_is_taken_and_taken_over(people: Named, incident: Incident) -> None:
    alice, bob = people.actor(people.alice), people.actor(people.bob)
    actions.take_role(incident.pk, "commander", actor=alice)
    assert held(incident) == "Alice"
    with pytest.raises(Conflict, match="already"):
        actions.take_role(incident.pk, "Commander", actor=alice)
    holder = actions.take_role(incident.pk, "commander", actor=bob)
    assert held(incident) == "Bob"
    assert holder.previous is not None
    assert holder.previous.user == people.alice
    assert kinds(incident)[-2:] == ["role_taken", "role_taken"]
    assert queries.verify_timeline(incident.pk) == []


def test_who_is_asked_hears_of_it_and_nothing_changes_before_they_confirm(people: Named, incident: Incident) -> None:
    alice, bob = people.actor(people.alice), people.actor(people.bob)
    actions.take_role(incident.pk, "commander", actor=alice)
    asked = actions.ask_role(incident.pk, "commander", people.bob.pk, actor=alice, note="I sleep", briefing="All of it")
    assert held(incident) == "Alice"
    notice = Notice.objects.get(key=f"role:{asked.pk}")
    assert "Commander" in notice.title
    assert notice.path == f"/incidents/{incident.pk}/"
    with pytest.raises(Forbidden):
        actions.answer_role(asked.pk, True, actor=alice)
    actions.answer_role(asked.pk, True, actor=bob)
    assert held(incident) == "Bob"
    assert RoleHolder.objects.get(pk=asked.pk).briefing == "All of it"
    with pytest.raises(Conflict):
        actions.answer_role(asked.pk, False, actor=bob)


def test_declining_leaves_the_role_where_it_was(people: Named, incident: Incident) -> None:
    alice, bob = people.actor(people.alice), people.actor(people.bob)
    actions.take_role(incident.pk, "scribe", actor=alice)
    asked = actions.ask_role(incident.pk, "scribe", people.bob.pk, actor=alice)
    with pytest.raises(Conflict, match="asked already"):
        actions.ask_role(incident.pk, "scribe", people.bob.pk, actor=alice)
    actions.answer_role(asked.pk, False, actor=bob, note="on a train")
    assert held(incident, "scribe") == "Alice"
    entry = TimelineEntry.objects.filter(incident=incident, kind="role_declined").get()
    assert entry.data["reason"] == "on a train"


def test_a_role_can_be_left_and_observers_get_none(people: Named, incident: Incident) -> None:
    alice, charlie = people.actor(people.alice), people.actor(people.charlie)
    holder = actions.take_role(incident.pk, "deputy", actor=alice)
    with pytest.raises(Forbidden):
        actions.leave_role(holder.pk, actor=charlie)
    actions.leave_role(holder.pk, actor=alice)
    assert held(incident, "deputy") is None
    with pytest.raises(Forbidden):
        actions.take_role(incident.pk, "deputy", actor=charlie)
    with pytest.raises(Invalid, match="user"):
        actions.ask_role(incident.pk, "deputy", people.charlie.pk, actor=alice)
    with pytest.raises(Invalid, match="commander"):
        actions.take_role(incident.pk, "wizard", actor=alice)


def test_the_database_allows_one_holder(people: Named, incident: Incident) -> None:
    role = Role.objects.get(slug="commander")
    now = clock.now()
    common = {"incident": incident, "role": role, "state": "held", "asked_at": now}
    RoleHolder.objects.create(**common, user=people.alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleHolder.objects.create(**common, user=people.bob)


def test_a_role_on_record_stays(people: Named, incident: Incident) -> None:
    admin = people.actor(people.alice)
    made = actions.save_role(command.RoleSpec("Driver", duties=["Drive"]), actor=admin)
    assert (made.slug, made.duties) == ("driver", ["Drive"])
    with pytest.raises(Conflict, match="exists"):
        actions.save_role(command.RoleSpec("driver"), actor=admin)
    with pytest.raises(Forbidden):
        actions.save_role(command.RoleSpec("Other"), actor=people.actor(people.bob))
    actions.take_role(incident.pk, "driver", actor=admin)
    with pytest.raises(Conflict, match="record"):
        actions.delete_roles([made.pk], actor=admin)
    assert actions.delete_roles([Role.objects.get(slug="liaison").pk], actor=admin) == 1


def test_nothing_of_a_confidential_incident(people: Named, incident: Incident) -> None:
    alice = people.actor(people.alice)
    dora = save_user(UserSpec("dora@example.org", "Dora"), actor=SYSTEM)  # a responder whom nobody paged
    outsider = people.actor(dora)
    actions.make_confidential([incident.pk], actor=alice)
    task = actions.add_task(incident.pk, "Ask the bank", actor=alice)
    for do in (
        lambda: actions.take_role(incident.pk, "scribe", actor=outsider),
        lambda: actions.add_task(incident.pk, "x", actor=outsider),
        lambda: actions.end_task(task.pk, "done", actor=outsider),
        lambda: actions.pin_fact(incident.pk, "x", actor=outsider),
        lambda: actions.decide(incident.pk, "x", actor=outsider),
        lambda: queries.holders(outsider, incident.pk),
        lambda: queries.tasks(outsider, incident.pk),
        lambda: queries.facts(outsider, incident.pk),
        lambda: briefing_of(outsider, incident.pk, clock.now(), "UTC"),
    ):
        with pytest.raises(NotFound):
            do()
    asked = actions.ask_role(incident.pk, "scribe", dora.pk, actor=alice)
    assert "Cart is down" not in Notice.objects.get(key=f"role:{asked.pk}").body
    assert [one.user.name for one in queries.holders(outsider, incident.pk)] == ["Dora"]  # let in by being asked


# --- tasks, facts, decisions, the briefing --------------------------------------------------------------------------


def test_a_task_from_open_to_done(people: Named, incident: Incident) -> None:
    bob = people.actor(people.bob)
    due = clock.now() + timedelta(minutes=20)
    task = actions.add_task(incident.pk, "  Restart\n it ", owner=people.alice.pk, due_at=due, actor=bob)
    assert task.title == "Restart it"
    actions.change_task(task.pk, title="Restart both", owner=None, due_at=None, actor=bob)
    actions.end_task(task.pk, "done", actor=bob)
    actions.end_task(task.pk, "open", actor=bob)
    actions.end_task(task.pk, "dropped", actor=bob)
    assert Task.objects.get(pk=task.pk).ended_at is not None
    assert kinds(incident)[-5:] == ["task_added", "task_changed", "task_done", "task_reopened", "task_dropped"]
    with pytest.raises(Invalid, match="state"):
        actions.end_task(task.pk, "asleep", actor=bob)
    with pytest.raises(Invalid, match="title"):
        actions.add_task(incident.pk, " ", actor=bob)
    with pytest.raises(Forbidden):
        actions.add_task(incident.pk, "x", actor=people.actor(people.charlie))


def test_an_overdue_task_is_told_of_once(people: Named, incident: Incident) -> None:
    alice, past = people.actor(people.alice), clock.now() - timedelta(minutes=1)
    mine = actions.add_task(incident.pk, "Mine", owner=people.bob.pk, due_at=past, actor=alice)
    actions.add_task(incident.pk, "Of nobody, and nobody commands", due_at=past, actor=alice)
    later = clock.now() + timedelta(hours=1)
    actions.add_task(incident.pk, "Later", owner=people.bob.pk, due_at=later, actor=alice)
    assert jobs.next_due() == past
    assert jobs.remind_due() == 2
    assert jobs.remind_due() == 0
    assert jobs.next_due() == later
    assert [one.title for one in Notice.objects.filter(key__startswith="task:")] == [
        f"Your task in INC-{incident.pk} is overdue"
    ]
    actions.take_role(incident.pk, "commander", actor=alice)
    actions.change_task(mine.pk, title="Mine", due_at=past - timedelta(minutes=1), actor=alice)
    assert jobs.remind_due() == 1
    assert Notice.objects.filter(title__startswith="A task that nobody has").count() == 1
    actions.resolve([incident.pk], actor=alice)
    assert jobs.next_due() is None


def test_the_briefing_says_what_there_is(people: Named, incident: Incident) -> None:
    alice = people.actor(people.alice)
    actions.take_role(incident.pk, "commander", actor=alice)
    actions.add_task(incident.pk, "Call the supplier", owner=people.bob.pk, actor=alice)
    actions.pin_fact(incident.pk, "Only card payments fail", actor=alice)
    actions.decide(incident.pk, "Roll back", rationale="safest", actor=alice)
    text = briefing_of(alice, incident.pk, clock.now(), "Europe/Zurich", note="Mind the cache")
    for words in (
        f"INC-{incident.pk}", "Cart is down", "Mind the cache", "Only card payments fail", "Roll back",
        "because safest", "Call the supplier (Bob)", "Commander: Alice", "decided: Roll back",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(("led", "told"), [(0, False), (7, False), (8, True)])
def test_the_span_of_control(led: int, told: bool) -> None:
    assert bool(command.span_hint(led)) is told


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (command.RoleSpec(""), "name"),
        (command.RoleSpec("x" * 101), "name"),
        (command.RoleSpec("x", summary="x" * 301), "summary"),
        (command.RoleSpec("x", duties=[" "]), "duties"),
        (command.RoleSpec("x", duties=["x"] * 21), "duties"),
        (command.RoleSpec("x", position=-1), "position"),
    ],
)
def test_what_is_wrong_with_a_role(spec: command.RoleSpec, field: str) -> None:
    assert list(command.role_problems(spec)) == [field]


# --- pages and API --------------------------------------------------------------------------------------------------


def test_the_room_and_its_forms(people: Named, incident: Incident) -> None:
    client = Client()
    client.force_login(people.bob)
    at = f"/incidents/{incident.pk}/"
    assert "Nobody has a role yet" in client.get(at).content.decode()
    client.post(f"{at}roles/commander/take/")
    assert client.get(f"{at}roles/scribe/ask/").status_code == 200
    assert client.post(f"{at}roles/scribe/ask/", {"user": ""}).status_code == 422
    client.post(f"{at}roles/scribe/ask/", {"user": people.alice.pk, "note": "please"})
    client.post(f"{at}tasks/new/", {"title": "Look at the disk", "owner": people.bob.pk, "due_at": "2026-01-01T10:00"})
    client.post(f"{at}facts/new/", {"text": "The disk is full"})
    client.post(f"{at}decisions/new/", {"text": "Delete logs", "rationale": "fast"})
    page = client.get(at).content.decode()
    for words in ("Your duties", "Asked", "Look at the disk", "Overdue", "The disk is full", "decided: Delete logs"):
        assert words in page, words
    client.force_login(people.alice)
    page = client.get(at).content.decode()
    assert "asks you to be" in page
    asked = RoleHolder.objects.get(state="asked")
    assert "please" in client.get(f"/role-holders/{asked.pk}/briefing/").content.decode()
    client.post(f"/role-holders/{asked.pk}/accept/")
    assert held(incident, "scribe") == "Alice"
    task = Task.objects.get()
    client.post(f"/tasks/{task.pk}/done/")
    assert Task.objects.get().state == "done"
    assert client.get(f"/tasks/{task.pk}/").status_code == 200
    assert client.get(f"{at}briefing/").status_code == 200
    client.force_login(people.charlie)
    assert client.post(f"{at}roles/commander/take/").status_code == 403
    assert "I take it" not in client.get(at).content.decode()


def test_roles_in_the_settings(people: Named) -> None:
    client = Client()
    client.force_login(people.bob)
    assert "New role" not in client.get("/settings/roles/").content.decode()
    assert client.get("/settings/roles/new/").status_code == 403
    client.force_login(people.alice)
    assert client.post("/settings/roles/new/", {"name": "", "position": 0}).status_code == 422
    client.post("/settings/roles/new/", {"name": "Medic", "duties": "Look\n\nHelp", "position": 70})
    role = Role.objects.get(slug="medic")
    assert role.duties == ["Look", "Help"]
    client.post(f"/settings/roles/{role.pk}/", {"name": "Medic", "duties": "Help", "position": 70})
    assert Role.objects.get(slug="medic").duties == ["Help"]
    assert client.get(f"/settings/roles/{role.pk}/delete/").status_code == 200
    client.post(f"/settings/roles/{role.pk}/delete/")
    assert not Role.objects.filter(slug="medic").exists()


def test_command_over_http(people: Named, incident: Incident, call_as: Callable[..., Caller]) -> None:  # noqa: F811
    ask = call_as(people.bob, "respond")
    at = f"/incidents/INC-{incident.pk}"

    def done(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = ask(method, path, body)
        assert answer.status_code == status, answer.content
        return json.loads(answer.content)

    assert done("POST", f"{at}/roles", {"role": "commander"}, 201)["state"] == "held"
    asked = done("POST", f"{at}/roles", {"role": "scribe", "user": "alice@example.org", "note": "you write well"}, 201)
    assert asked["state"] == "asked"
    assert "you write well" in asked["briefing"]
    assert done("POST", f"/role-holders/{asked['id']}/leave")["state"] == "ended"
    assert [one["role"] for one in done("GET", f"{at}/roles")["items"]] == ["commander"]
    assert len(done("GET", f"{at}/roles?everybody=true")["items"]) == 2
    task = done("POST", f"{at}/tasks", {"title": "Look", "owner": "bob@example.org"}, 201)
    assert done("PUT", f"/tasks/{task['id']}", {"title": "Look twice"})["owner"] is None
    assert done("POST", f"/tasks/{task['id']}/done")["state"] == "done"
    fact = done("POST", f"{at}/facts", {"text": "It is DNS"}, 201)
    assert done("GET", f"{at}/facts")["items"][0]["text"] == "It is DNS"
    assert done("DELETE", f"/facts/{fact['id']}")["count"] == 1
    done("POST", f"{at}/decisions", {"text": "Wait", "rationale": "cheap"}, 201)
    assert "Wait" in done("GET", f"{at}/briefing?zone=Europe/Berlin")["text"]
    assert "zone" in done("GET", f"{at}/briefing?zone=Mars", status=422)["error"]["problems"]
    assert "role" in done("POST", f"{at}/roles", {"role": "wizard"}, 422)["error"]["problems"]
    done("PUT", "/roles/commander", {"name": "Commander"}, 403)
    assert done("GET", "/roles")["items"][0]["slug"] == "commander"
