"""Settings of the organisation, and first steps from nothing to a page."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.catalogue.models import Service
from tocsin.delivery.models import IncomingMail
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident
from tocsin.intake.models import Inbox, Source
from tocsin.people.models import User
from tocsin.platform import clock, nodes
from tocsin.platform.models import AuditEntry
from tocsin.triage.actions import absorb

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    client.force_login(made["users"][0], backend=BACKEND)
    return client


@pytest.mark.parametrize("path", ["", "matrix/", "channels/", "audit/", "health/"])
def test_settings_can_be_read(dana: Client, path: str) -> None:
    assert dana.get(f"/settings/{path}").status_code == 200


def test_the_matrix_is_changed_and_put_back(dana: Client, made: dict[str, Any]) -> None:
    form = {
        f"{impact}-{urgency}": "P2" for impact in ("high", "medium", "low") for urgency in ("high", "medium", "low")
    }
    assert dana.post("/settings/matrix/", form | {"high-high": "P9"}).status_code == 422
    assert dana.post("/settings/matrix/", form).status_code == 303
    assert incidents.matrix()["low"]["low"] == "P2"
    entry = AuditEntry.objects.get(kind="priority matrix")
    assert "Priority matrix" in dana.get("/settings/audit/?q=matrix").content.decode()
    assert dana.get(f"/settings/audit/{entry.pk}/").status_code == 200
    dana.post("/settings/matrix/", {"do": "default"})
    assert incidents.matrix()["high"]["high"] == "P1"
    ines = Client()
    ines.force_login(made["users"][1], backend=BACKEND)
    assert ines.post("/settings/matrix/", form).status_code == 403
    assert ines.get("/settings/audit/").status_code == 403


def test_health_tells_of_a_missing_engine(dana: Client) -> None:
    assert "No engine is running" in dana.get("/settings/health/").content.decode()
    nodes.report("engine")
    assert "No engine is running" not in dana.get("/settings/health/").content.decode()


def test_health_tells_of_mail_that_comes_in(dana: Client, settings: Any) -> None:
    assert "cannot be answered by replying" in dana.get("/settings/health/").content.decode()
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"mail_domain": "in.example.org"})
    shown = dana.get("/settings/health/").content.decode()
    assert "Nobody takes it in" in shown
    assert "No process takes mail in" in shown, "the light says it too"
    nodes.report("mail", {"refused": 3})
    now = clock.now()
    IncomingMail.objects.create(
        key="1", kind="reply", token="x", size=1, received_at=now, outcome="automatic", handled_at=now
    )
    shown = dana.get("/settings/health/").content.decode()
    assert "Taken in" in shown
    assert "3 recipients" in shown
    assert "1 written by a machine, nothing done" in shown
    assert "No process takes mail in" not in shown


def test_health_tells_of_syslog_that_comes_in(dana: Client, settings: Any) -> None:
    assert "Syslog in" not in dana.get("/settings/health/").content.decode()
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"syslog_listen": "127.0.0.1:5514"})
    shown = dana.get("/settings/health/").content.decode()
    assert "Nobody takes it in" in shown
    assert "No process takes syslog in" in shown, "the light says it too"
    nodes.report("syslog", {"messages": 12, "signals": 3, "left_out": 7, "limited": 2})
    shown = dana.get("/settings/health/").content.decode()
    assert "12 since the listeners began; 3 became signals" in shown
    assert "over a limit" in shown
    assert "No process takes syslog in" not in shown


def test_first_steps_lead_from_nothing_to_a_page(client: Client) -> None:
    user = User.objects.create_user("admin@example.org", None, name="Ada", role="admin", created_at=clock.now())
    client.force_login(user, backend=BACKEND)
    assert client.get("/welcome/").context["at"] == 1
    assert client.post("/welcome/phone/").status_code == 303
    assert client.post("/welcome/phone/").status_code == 303, "twice is once"
    assert user.contact_methods.count() == 1
    assert client.get("/welcome/").context["at"] == 2
    assert client.post("/welcome/source/", {"kind": "generic"}).status_code == 409
    assert client.post("/welcome/service/", {"name": " "}).status_code == 422
    assert client.post("/welcome/service/", {"name": "Web shop"}).status_code == 303
    assert Service.objects.get().policy is not None
    assert client.post("/welcome/source/", {"kind": "nonsense"}).status_code == 422
    assert client.post("/welcome/source/", {"kind": "generic"}).status_code == 303
    assert Source.objects.get().service.name == "Web shop"
    assert client.get("/welcome/").context["at"] == 4
    assert client.post("/welcome/signal/").status_code == 303
    assert Inbox.objects.count() == 1
    absorb()
    incident = Incident.objects.get()
    page = client.get("/welcome/")
    assert page.context["at"] == 5
    assert f"INC-{incident.pk}" in page.content.decode()
    assert incident.pages.get().user == user
    client.post(f"/incidents/act/acknowledge/?id={incident.pk}", {"id": incident.pk})
    assert client.get("/welcome/").context["at"] == 6


def test_a_responder_is_told_who_can_go_on(made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    assert "needs a manager or an administrator" in client.get("/welcome/").content.decode()
    assert client.post("/welcome/service/", {"name": "x"}).status_code == 403
