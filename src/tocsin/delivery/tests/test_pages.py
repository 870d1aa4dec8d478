"""The pocket phone, the page behind an action link, what was sent."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.delivery import queries, rules
from tocsin.delivery.models import Delivery, PocketMessage
from tocsin.escalation.models import Page
from tocsin.incidents import actions
from tocsin.incidents.models import Incident
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
    return actions.declare("Checkout is <b>down</b>", made["services"][0].pk, actor=actor)


def link(incident: Incident, made: dict[str, Any], verb: str, hours: float = 24) -> str:
    url = queries.action_url(incident.pk, made["users"][0].pk, verb, 0, clock.now() + timedelta(hours=hours))
    return "/a/" + url.rpartition("/a/")[2]


@pytest.fixture
def message(incident: Incident, made: dict[str, Any]) -> PocketMessage:
    user = made["users"][0]
    method = user.contact_methods.get(channel="pocket")
    now = clock.now()
    delivery = Delivery.objects.create(
        key="k",
        kind="page",
        incident=incident,
        user=user,
        contact_method=method,
        channel="pocket",
        address=method.address,
        state="delivered",
        attempts=1,
        created_at=now,
        ended_at=now,
    )
    links = [{"verb": "view", "text": "Open", "href": f"http://elsewhere/incidents/{incident.pk}/"}]
    links += [
        {"verb": verb, "text": rules.LINK_TEXT[verb], "href": f"http://elsewhere{link(incident, made, verb)}"}
        for verb in rules.LINK_VERBS
    ]
    return PocketMessage.objects.create(
        user=user,
        delivery=delivery,
        incident=incident,
        title="P1 Checkout: down",
        body="down\nsince 03:10",
        links=links,
        at=now,
    )


def state(incident: Incident) -> str:
    return Incident.objects.values_list("state", flat=True).get(pk=incident.pk)


def test_a_link_acts_by_its_button_without_sign_in(incident: Incident, made: dict[str, Any]) -> None:
    stranger = Client(enforce_csrf_checks=True)
    path = link(incident, made, "acknowledge")
    for _ in range(2):  # mail scanners follow links
        page = stranger.get(path)
        assert page.status_code == 200
        assert f"Acknowledge INC-{incident.pk}" in page.content.decode()
        assert "&lt;b&gt;down" in page.content.decode()
    assert state(incident) == "triggered"
    answer = stranger.post(path)
    assert "Thank you, Dana Reyes" in answer.content.decode()
    assert state(incident) == "acknowledged"
    again = stranger.post(path).content.decode()
    assert "acknowledged already by Dana Reyes" in again
    assert "<form" not in again


def test_a_link_that_cannot_be_used_says_why(incident: Incident, made: dict[str, Any]) -> None:
    stranger = Client()
    for path, words in (
        (link(incident, made, "resolve", hours=-1), "expired"),
        ("/a/nonsense", "not complete"),
        (link(incident, made, "resolve")[:-3], "not complete"),
    ):
        for answer in (stranger.get(path), stranger.post(path)):
            assert answer.status_code == 422
            assert words in answer.content.decode()
    assert state(incident) == "triggered"


def test_a_link_is_not_kept_by_caches_nor_told_to_others(incident: Incident, made: dict[str, Any]) -> None:
    page = Client().get(link(incident, made, "acknowledge"))
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_the_phone_acknowledges_by_clicking_only(dana: Client, message: PocketMessage, incident: Incident) -> None:
    page = dana.get("/pocket/")
    assert "since 03:10" in page.content.decode()
    (note,) = page.context["notes"]
    assert [button.verb for button in note.buttons] == ["acknowledge", "resolve", "escalate", "view"]
    assert note.buttons[0].post.startswith("/a/"), "under whatever name this browser knows us"
    answer = dana.post(note.buttons[0].post, {"next": "/pocket/"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/pocket/"
    assert state(incident) == "acknowledged"
    page = dana.get("/pocket/")
    assert "Thank you" in page.content.decode()
    assert [button.verb for button in page.context["notes"][0].buttons] == ["resolve", "escalate", "view"]
    dana.post("/pocket/read/")
    message.refresh_from_db()
    assert message.read_at is not None


def test_a_phone_belongs_to_its_owner(message: PocketMessage, made: dict[str, Any], settings: Any) -> None:
    ines = Client()
    ines.force_login(made["users"][1], backend=BACKEND)
    path = f"/pocket/{message.user_id}/"
    assert ines.get(path).status_code == 403
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"demo": True})
    page = ines.get(path)
    assert page.status_code == 200
    assert "Dana Reyes" in page.content.decode()


def test_messages_are_listed_with_their_attempts(dana: Client, message: PocketMessage, made: dict[str, Any]) -> None:
    page = dana.get(f"/messages/?person={message.user_id}")
    assert f"INC-{message.incident_id}" in page.content.decode()
    assert dana.get("/messages/?state=failed").context["part"].items == []
    assert dana.get(f"/messages/{message.delivery_id}/").status_code == 200
    assert dana.get("/messages/99999/").status_code == 404
    assert dana.get("/messages/?format=csv").status_code == 200
    ines = Client()
    ines.force_login(made["users"][1], backend=BACKEND)
    Delivery.objects.update(channel="email", address="private@elsewhere.example")
    assert "private@elsewhere.example" not in ines.get("/messages/").content.decode()


def test_a_test_message_is_sent_from_a_contact_method(dana: Client, made: dict[str, Any]) -> None:
    method = made["users"][0].contact_methods.get(channel="pocket")
    answer = dana.post(f"/contact-methods/{method.pk}/test/")
    assert answer.status_code == 303
    row = Delivery.objects.get(kind="test")
    assert answer.headers["Location"] == f"/messages/{row.pk}/"
    ines = Client()
    ines.force_login(made["users"][1], backend=BACKEND)
    assert ines.post(f"/contact-methods/{method.pk}/test/").status_code == 403


def test_pages_whose_person_or_way_is_gone_can_still_be_read(
    made: dict[str, Any], dana: Client, incident: Incident
) -> None:
    """Nothing in the database ties them together: a person removed in the very moment of a page leaves such rows."""
    delivery = Delivery.objects.filter(incident=incident).exclude(contact_method=None).order_by("id").first()
    assert delivery is not None
    assert delivery.page_id is not None
    Delivery.objects.filter(pk=delivery.pk).update(contact_method_id=10**9, user_id=10**9)
    Page.objects.filter(pk=delivery.page_id).update(user_id=10**9)
    for path in (
        f"/incidents/{incident.pk}/",
        "/",
        "/messages/",
        f"/messages/{delivery.pk}/",
        f"/why/incident/{incident.pk}/",
        f"/why/page/{delivery.page_id}/",
        f"/api/v1/incidents/{incident.pk}/pages",
        f"/api/v1/incidents/{incident.pk}/deliveries",
        f"/api/v1/deliveries/{delivery.pk}",
        f"/api/v1/why/incident/{incident.pk}",
        f"/api/v1/why/page/{delivery.page_id}",
    ):
        assert dana.get(path).status_code == 200, path
