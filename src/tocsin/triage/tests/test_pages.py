"""Alerts and the chain of reasons in the browser."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.escalation.models import Page
from tocsin.incidents.models import Incident
from tocsin.platform import clock
from tocsin.triage.models import Alert, Signal

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def incidents(client: Client) -> list[Incident]:
    made: dict[str, Any] = world.company(clock.now())
    client.force_login(made["users"][0], backend=BACKEND)
    return world.trouble(made, 8)


def test_alerts_are_shown_filtered_and_exported(client: Client, incidents: list[Incident]) -> None:
    alert = Alert.objects.order_by("id")[0]
    assert alert.title in client.get("/alerts/").content.decode()
    assert alert.title not in client.get("/alerts/?q=certificate").content.decode()
    assert client.get("/alerts/?quiet=1").status_code == 200
    ids = {row["id"] for row in client.get("/alerts/?format=json&state=").json()["items"]}
    assert ids == set(Alert.objects.values_list("pk", flat=True))


def test_one_alert_shows_signals_and_the_raw_one(client: Client, incidents: list[Incident]) -> None:
    alert = Alert.objects.order_by("id")[0]
    text = client.get(f"/alerts/{alert.pk}/").content.decode()
    assert "A new alert that opened" in text
    assert "HighErrorRate" in text
    assert "https://grafana.example.org/d/1" in text
    assert client.get("/alerts/987654/").status_code == 404


def test_links_of_strange_kinds_are_not_shown(client: Client, incidents: list[Incident]) -> None:
    alert = Alert.objects.order_by("id")[0]
    alert.data = {"links": [{"href": "javascript:alert(1)", "text": "x"}, "odd", {"href": 3}], "labels": ["odd"]}
    alert.save(update_fields=["data"])
    answer = client.get(f"/alerts/{alert.pk}/")
    assert answer.status_code == 200
    assert b'href="javascript' not in answer.content


def test_why_was_this_page_sent(client: Client, incidents: list[Incident]) -> None:
    page = Page.objects.filter(incident=incidents[0], user__isnull=False).order_by("id")[0]
    text = client.get(f"/why/page/{page.pk}/").content.decode().split('<ol class="chain">')[1]
    places = [
        text.index(word)
        for word in ("Signal ", "Outcome: opened", "Alert ", f"INC-{incidents[0].pk}</a>", "Policy Shop, version",
                     "Step 1 of 2", "Schedule Shop primary", "Weekly", "Contact methods and attempts")
    ]  # fmt: skip
    assert places == sorted(places)


def test_why_was_nobody_woken(client: Client, incidents: list[Incident]) -> None:
    Page.objects.all().delete()
    text = client.get(f"/why/incident/{incidents[3].pk}/").content.decode()
    assert "Nobody was woken" in text
    gap = Incident.objects.filter(pk=incidents[0].pk)
    gap.update(suppressed_by="maintenance “Moving house”")
    assert (
        "Nobody was woken: maintenance “Moving house”."
        in client.get(f"/why/incident/{incidents[0].pk}/").content.decode()
    )


def test_why_of_a_signal(client: Client, incidents: list[Incident]) -> None:
    signal = Signal.objects.order_by("id")[0]
    text = client.get(f"/why/signal/{signal.pk}/").content.decode()
    assert "A new alert that opened" in text
    assert client.get("/why/signal/987654321/").status_code == 404
    assert client.get("/signals/?outcome=opened").status_code == 200
