"""What people do with incidents in the browser, without script."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.incidents import actions
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.incidents.pages import words
from tocsin.incidents.pages.verbs import VERBS
from tocsin.people import queries as people
from tocsin.platform import clock

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    client.force_login(made["users"][0], backend=BACKEND)
    return client


@pytest.fixture
def incident(made: dict[str, Any]) -> Incident:
    actor = people.actor_of(made["users"][1])
    return actions.declare("Checkout is down", made["services"][0].pk, actor=actor)


def state(incident: Incident) -> str:
    return Incident.objects.values_list("state", flat=True).get(pk=incident.pk)


def test_declare_pages_and_leads_into_the_room(dana: Client, made: dict[str, Any]) -> None:
    form = {"title": "It burns", "service": made["services"][3].pk, "urgency": "high", "priority": "P1"}
    answer = dana.post("/incidents/declare/", form)
    assert answer.status_code == 422
    assert b"needs its reason" in answer.content
    answer = dana.post("/incidents/declare/", form | {"priority_reason": "The board watches"})
    incident = Incident.objects.get()
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/incidents/{incident.pk}/"
    assert incident.priority == "P1"
    room = dana.get(answer.headers["Location"])
    assert b"It burns" in room.content
    assert b"The board watches" in room.content


def test_lists_show_filter_and_export(dana: Client, incident: Incident) -> None:
    assert b"Checkout is down" in dana.get("/incidents/").content
    assert b"Checkout is down" not in dana.get("/incidents/?q=warehouse").content
    assert b"Checkout is down" in dana.get(f"/incidents/?q=INC-{incident.pk}").content
    assert b"Checkout is down" not in dana.get("/incidents/?state=resolved").content
    rows = dana.get("/incidents/?format=json").json()["items"]
    assert [row["id"] for row in rows] == [incident.pk]
    assert dana.get("/incidents/?format=csv").content.startswith(b"id,title,state")


def test_pages_of_a_list_follow_one_another(dana: Client, made: dict[str, Any]) -> None:
    actor = people.actor_of(made["users"][1])
    for number in range(30):
        actions.declare(f"Number {number:02d}", made["services"][0].pk, actor=actor)
    first = dana.get("/incidents/?q=Number")
    following = first.context["part"].next
    assert "q=Number" in following
    second = dana.get(f"/incidents/{following}")
    seen = [one.pk for one in first.context["part"].items] + [one.pk for one in second.context["part"].items]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 30
    assert second.context["part"].next == ""


def test_acknowledge_then_resolve_with_a_note(dana: Client, incident: Incident) -> None:
    answer = dana.post("/incidents/act/acknowledge/", {"id": incident.pk, "next": "/"}, follow=True)
    assert f"INC-{incident.pk} acknowledged." in answer.content.decode()
    assert state(incident) == "acknowledged"
    asked = dana.post("/incidents/act/resolve/", {"id": incident.pk})
    assert b"What ended it" in asked.content
    assert state(incident) == "acknowledged"
    dana.post("/incidents/act/resolve/", {"id": incident.pk, "sent": "1", "note": "Rolled back"})
    assert state(incident) == "resolved"
    assert b"Rolled back" in dana.get(f"/incidents/{incident.pk}/").content


def test_a_dialog_is_told_to_close(dana: Client, incident: Incident) -> None:
    headers = {"HX-Request": "true", "X-Part": "dialog"}
    form = {"id": incident.pk, "sent": "1", "text": "Looking"}
    answer = dana.post("/incidents/act/note/", form, headers=headers)
    assert answer.status_code == 204
    assert "tocsin:done" in answer.headers["HX-Trigger"]
    wrong = dana.post("/incidents/act/note/", form | {"text": ""}, headers=headers)
    assert wrong.status_code == 422
    assert b"sheet-title" in wrong.content


def test_what_cannot_be_done_is_said(dana: Client, incident: Incident) -> None:
    answer = dana.post("/incidents/act/reopen/", {"id": incident.pk, "sent": "1"}, follow=True)
    assert "was left as it is: it is triggered, not resolved" in answer.content.decode()
    trouble = dana.post("/incidents/act/close/", {"id": 987654321}, headers={"HX-Request": "true"})
    assert trouble.status_code == 404
    assert trouble.headers["HX-Reswap"] == "none"


def test_every_verb_has_a_page(dana: Client, incident: Incident) -> None:
    for verb in VERBS:
        assert dana.get(f"/incidents/act/{verb}/?id={incident.pk}").status_code == 200


@pytest.mark.parametrize(
    ("verb", "form", "expected"),
    [("snooze", {"period": "60"}, "acknowledged"), ("snooze", {"period": "morning"}, "acknowledged"),
     ("mitigate", {}, "mitigated"), ("escalate", {"reason_code": "other", "reason": "stuck"}, "triggered"),
     ("priority", {"impact": "high", "urgency": "high"}, "triggered"), ("retitle", {"title": "Better"}, "triggered")],
)  # fmt: skip
def test_verbs_do_what_they_say(
    dana: Client, incident: Incident, verb: str, form: dict[str, str], expected: str
) -> None:
    answer = dana.post(f"/incidents/act/{verb}/", {"id": incident.pk, "sent": "1", **form})
    assert answer.status_code == 303
    assert state(incident) == expected
    assert TimelineEntry.objects.filter(incident=incident).count() >= 2
    assert dana.get(f"/incidents/{incident.pk}/").status_code == 200


def test_people_are_paged_and_given_incidents(dana: Client, incident: Incident, made: dict[str, Any]) -> None:
    tom = made["users"][4]
    answer = dana.post("/incidents/act/page/", {"id": incident.pk, "sent": "1", "users": [tom.pk], "message": "help"})
    assert answer.status_code == 303
    room = dana.get(f"/incidents/{incident.pk}/").content.decode()
    assert f"paged {tom.name}: help" in room
    dana.post("/incidents/act/reassign/", {"id": incident.pk, "sent": "1", "users": [tom.pk]})
    assert list(incident.assignees.all()) == [tom]


def test_incidents_merge(dana: Client, incident: Incident, made: dict[str, Any]) -> None:
    other = actions.declare("Also down", made["services"][1].pk, actor=people.actor_of(made["users"][0]))
    asked = dana.get(f"/incidents/act/merge/?id={incident.pk}&id={other.pk}")
    assert f'value="{other.pk}"' in asked.content.decode()
    form = {"id": [incident.pk, other.pk], "sent": "1", "target": incident.pk}
    assert dana.post("/incidents/act/merge/", form).status_code == 303
    assert state(other) == "resolved"
    assert f"INC-{incident.pk}".encode() in dana.get(f"/incidents/{other.pk}/").content


def test_observers_look_but_do_not_touch(client: Client, incident: Incident) -> None:
    client.force_login(world.person("Olga Bystrova", clock.now(), "observer"), backend=BACKEND)
    room = client.get(f"/incidents/{incident.pk}/")
    assert room.status_code == 200
    assert b"/incidents/act/" not in room.content.split(b'<main id="main"')[1].split(b"What happens next")[0]
    assert client.post("/incidents/act/acknowledge/", {"id": incident.pk}).status_code == 403
    assert client.get("/incidents/declare/").status_code == 403


def test_every_kind_of_entry_reads_as_a_sentence() -> None:
    for kind in words.KINDS:
        assert "_" not in words.sentence(kind, {}, {})
    assert words.sentence("paged", {"users": [1, 2], "policy": "Shop", "step": 1}, {1: "Dana", 2: "Tom"}) == (
        "paged Dana, Tom: Shop, step 1"
    )


def test_now_has_everything(dana: Client, incident: Incident) -> None:
    text = dana.get("/").content.decode()
    assert "You are on call" in text
    assert "Checkout is down" in text
    assert "Data nights" in text


def test_now_begins_with_what_nobody_answers_for(dana: Client, incident: Incident, made: dict[str, Any]) -> None:
    actor = people.actor_of(made["users"][1])
    newer = actions.declare("Checkout is slow", made["services"][0].pk, actor=actor)
    actions.acknowledge([newer.pk], actor=actor)
    text = dana.get("/").content.decode()
    assert newer.priority == incident.priority
    assert text.index("Checkout is down") < text.index("Checkout is slow")
