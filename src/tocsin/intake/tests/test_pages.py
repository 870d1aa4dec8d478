"""What people do with sources in the browser, without script."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.intake import actions, queries
from tocsin.intake.models import Inbox, Refusal, Source
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
def source(made: dict[str, Any]) -> Source:
    return actions.create_source("search", "pagerduty", actor=people.actor_of(made["users"][0]))


@pytest.mark.parametrize(
    "kind", ["pagerduty", "alertmanager", "alertmanager-api", "cloudevents", "generic", "heartbeat"]
)
def test_every_kind_has_a_form_a_page_and_a_guide(dana: Client, kind: str) -> None:
    assert f"kind={kind}" in dana.get("/sources/new/").content.decode()
    form = dana.get(f"/sources/new/?kind={kind}")
    wanted = {bound.name: bound.value() or "" for bound in form.context["form"]}
    answer = dana.post(f"/sources/new/?kind={kind}", wanted | {"service": "checkout", "name": "Made here"})
    assert answer.status_code == 303, answer.content.decode()[:2000]
    row = Source.objects.get(name="Made here")
    page = dana.get(f"/sources/{row.pk}/").content.decode()
    assert queries.key_of(row) in page
    assert "How to connect it" in page
    assert dana.get(f"/sources/{row.pk}/edit/").status_code == 200


def test_what_the_kind_refuses_is_told_at_its_field(dana: Client) -> None:
    answer = dana.post(
        "/sources/new/?kind=generic", {"service": "checkout", "limit_per_minute": "10", "config-title": "1 +"}
    )
    assert answer.status_code == 422
    assert answer.context["form"].errors.get("config-title")


def test_a_test_signal_goes_into_the_inbox(dana: Client, source: Source) -> None:
    assert dana.post(f"/sources/{source.pk}/test/").status_code == 303
    row = Inbox.objects.get()
    assert (row.source_id, row.action, row.severity) == (source.pk, "trigger", "critical")
    dana.post(f"/sources/{source.pk}/switch/", {"enabled": "off"})
    assert dana.post(f"/sources/{source.pk}/test/").status_code == 409


MAIL = "From: nas@x.example\nSubject: Disk {}\n\nLook at it.\n"


def test_a_payload_is_tried_out_and_nothing_is_stored(dana: Client, made: dict[str, Any]) -> None:
    actor = people.actor_of(made["users"][0])
    row = actions.create_source("search", "email", actor=actor, config={"rules": "ignore subject spam"})
    page = f"/sources/{row.pk}/try/"
    assert page in dana.get(f"/sources/{row.pk}/").content.decode()
    assert dana.get(page).status_code == 200
    shown = dana.post(page, {"payload": MAIL.format("<full>")}).content.decode()
    assert "Disk &lt;full&gt;" in shown
    assert "disk &lt;full&gt;" in shown, "the key"
    assert "line 1: ignore subject spam" in dana.post(page, {"payload": MAIL.format("spam")}).content.decode()
    assert "the body is no mail" in dana.post(page, {"payload": "x"}).content.decode()
    assert dana.post(page, {"payload": ""}).status_code == 422
    for kind in ("pagerduty", "opsgenie", "syslog", "aws-sns"):
        other = actions.create_source("search", kind, actor=actor)
        assert dana.post(f"/sources/{other.pk}/try/", {"payload": "{}"}).status_code == 200
    assert not Inbox.objects.exists()
    assert not Refusal.objects.exists()
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    assert client.get(page).status_code == 403


def test_the_key_is_shown_only_to_who_may_configure(dana: Client, source: Source, made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    page = client.get(f"/sources/{source.pk}/").content.decode()
    assert queries.key_of(source) not in page
    assert client.post(f"/sources/{source.pk}/key/").status_code == 403
    assert client.get("/sources/new/?kind=generic").status_code == 403
    before = queries.key_of(source)
    assert dana.post(f"/sources/{source.pk}/key/").status_code == 303
    source.refresh_from_db()
    assert queries.key_of(source) != before


def test_a_source_is_changed_and_removed(dana: Client, source: Source) -> None:
    form = {"name": "Renamed", "service": "checkout", "limit_per_minute": "100", "config-severity": "lenient"}
    assert dana.post(f"/sources/{source.pk}/edit/", form).status_code == 303
    source.refresh_from_db()
    assert (source.name, source.config["severity"]) == ("Renamed", "lenient")
    assert dana.post(f"/sources/{source.pk}/delete/").status_code == 303
    assert not Source.objects.filter(pk=source.pk).exists()


def test_refused_requests_are_inspected(dana: Client, source: Source) -> None:
    assert "Nothing was refused" in dana.get("/sources/refused/").content.decode()
    row = Refusal.objects.create(
        at=clock.now(),
        reason="malformed",
        status=400,
        path="/v2/enqueue",
        source=source,
        remote="10.0.0.1",
        errors=["payload.summary: needed"],
        excerpt="<script>alert(1)</script>",
    )
    assert "payload.summary: needed" in dana.get("/sources/refused/?reason=malformed").content.decode()
    page = dana.get(f"/sources/refused/{row.pk}/").content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert dana.get("/sources/refused/?reason=limited").status_code == 200
    assert dana.get("/sources/refused/99999/").status_code == 404
