"""What people do with services in the browser, without script."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.catalogue.models import Service
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


FORM = {
    "name": "Loyalty points",
    "description": "Earn and spend",
    "team": "shop",
    "policy": "shop",
    "tier": "2",
    "impact": "",
    "depends_on": ["payments-api"],
    "by": "fields",
    "fields_of": "cluster, alertname",
    "window_s": "10",
    "reopen_s": "",
    "auto_resolve_s": "",
    "runbook_url": "https://wiki.example.org/loyalty",
    "enabled": "on",
}


def test_services_are_listed_filtered_and_exported(dana: Client) -> None:
    assert b"Payments API" in dana.get("/services/").content
    assert b"Payments API" not in dana.get("/services/?q=search").content
    assert b"No such service" in dana.get("/services/?tier=4&q=zzz").content
    assert len(dana.get("/services/?format=json").json()["items"]) == 6


def test_a_service_is_made_and_shown_among_its_neighbours(dana: Client, made: dict[str, Any]) -> None:
    answer = dana.post("/services/new/", FORM)
    assert answer.status_code == 303
    row = Service.objects.get(name="Loyalty points")
    assert row.grouping == {"by": "fields", "fields": ["cluster", "alertname"], "window_s": 600}
    page = dana.get(f"/services/{row.pk}/").content.decode()
    assert "Alerts with the same cluster, alertname are one incident." in page
    assert "It has no source" in page
    other = dana.get(f"/services/{made['services'][1].pk}/").content.decode()
    assert "Loyalty points" in other, "what is hurt when it fails"


def test_a_circle_of_dependencies_is_refused_by_name(dana: Client, made: dict[str, Any]) -> None:
    payments = made["services"][1]
    form = FORM | {"name": payments.name, "depends_on": ["checkout"]}
    answer = dana.post(f"/services/{payments.pk}/edit/", form)
    assert answer.status_code == 422
    assert "circle" in answer.content.decode()


def test_a_service_is_switched_off_and_removed(dana: Client, made: dict[str, Any]) -> None:
    key = made["services"][5].pk
    dana.post(f"/services/{key}/switch/", {"enabled": "off"})
    assert not Service.objects.get(pk=key).enabled
    assert "switched off" in dana.get(f"/services/{key}/").content.decode()
    assert dana.post(f"/services/{key}/delete/").status_code == 303


def test_permission_is_the_actions(made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    key = made["services"][0].pk
    assert f"/services/{key}/edit/" not in client.get(f"/services/{key}/").content.decode()
    assert client.post(f"/services/{key}/edit/", FORM).status_code == 403
    assert client.post(f"/services/{key}/switch/", {"enabled": "off"}).status_code == 403
    assert client.get("/services/new/").status_code == 403
    assert Client().get("/services/").status_code == 302


def test_incidents_of_a_service_are_made_confidential(dana: Client, made: dict[str, Any]) -> None:
    key = made["services"][5].pk
    form = FORM | {"name": made["services"][5].name}
    dana.post(f"/services/{key}/edit/", form | {"confidential": "on"})
    assert Service.objects.get(pk=key).confidential
    assert "only those who are called see them" in dana.get(f"/services/{key}/").content.decode()
    dana.post(f"/services/{key}/edit/", form)
    assert not Service.objects.get(pk=key).confidential
