"""Triage rules and maintenance windows in the browser, without script."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.models import MaintenanceWindow, Rule
from tocsin.triage.rules import SilenceSpec, parse_matcher

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    client.force_login(made["users"][0], backend=BACKEND)
    return client


RULE = {
    "name": "Staging is quiet",
    "kind": "suppress",
    "condition": 'signal.labels.env == "staging"',
    "position": "10",
    "enabled": "on",
}


@pytest.mark.parametrize(
    ("condition", "words"), [("signal.", "ERROR"), ("nobody.x", "unknown variable"), ("1 + 1", "true or false")]
)
def test_a_condition_is_checked_before_it_is_kept(dana: Client, condition: str, words: str) -> None:
    answer = dana.post("/settings/rules/new/", RULE | {"condition": condition})
    assert answer.status_code == 422
    assert answer.context["form"].errors["condition"]
    assert not Rule.objects.exists()


def test_a_rule_is_made_switched_changed_and_removed(dana: Client) -> None:
    assert "No rule yet" in dana.get("/settings/rules/").content.decode()
    assert dana.post("/settings/rules/new/", RULE).status_code == 303
    row = Rule.objects.get()
    assert "pages nobody" in dana.get("/settings/rules/").content.decode()
    dana.post("/settings/rules/switch/", {"id": row.pk, "enabled": "off"})
    row.refresh_from_db()
    assert not row.enabled
    severity = RULE | {"kind": "severity", "severity": "info"}
    assert dana.post(f"/settings/rules/{row.pk}/", severity).status_code == 303
    assert "severity info" in dana.get("/settings/rules/").content.decode()
    route = dana.post(f"/settings/rules/{row.pk}/", RULE | {"kind": "route"})
    assert route.status_code == 422
    assert dana.post(f"/settings/rules/{row.pk}/delete/").status_code == 303
    assert not Rule.objects.exists()


def test_a_window_is_planned_ended_and_removed(dana: Client, made: dict[str, Any]) -> None:
    now = clock.now()
    form = {
        "name": "Database move",
        "services": ["checkout"],
        "starts_at": f"{now:%Y-%m-%dT%H:%M}",
        "duration_s": "90",
        "zone": "UTC",
        "rrule": "",
        "mode": "hold",
        "note": "",
    }
    assert dana.post("/settings/maintenance/new/", form | {"rrule": "FREQ=SOMETIMES"}).status_code == 422
    assert dana.post("/settings/maintenance/new/", form | {"services": []}).status_code == 422
    assert dana.post("/settings/maintenance/new/", form).status_code == 303
    row = MaintenanceWindow.objects.get()
    assert row.duration_s == 5400
    assert "End now" in dana.get("/settings/maintenance/").content.decode()
    assert "Database move" in dana.get(f"/services/{made['services'][0].pk}/").content.decode()
    assert dana.get(f"/settings/maintenance/{row.pk}/").status_code == 200
    assert dana.post(f"/settings/maintenance/{row.pk}/end/").status_code == 303
    assert dana.post(f"/settings/maintenance/{row.pk}/end/").status_code == 409
    assert dana.post(f"/settings/maintenance/{row.pk}/delete/").status_code == 303


def test_a_silence_stands_among_the_windows_as_what_it_matches(dana: Client, made: dict[str, Any]) -> None:
    now = clock.now()
    matchers = [parse_matcher('alertname=~"Disk.*"'), parse_matcher("team!=<b>shop")]
    ends = now + timedelta(hours=1)
    triage.save_silence(SilenceSpec(matchers, now, ends, "<i>ada", "replaced"), actor=SYSTEM)
    row = MaintenanceWindow.objects.get()
    listed = dana.get("/settings/maintenance/").content.decode()
    assert "alertname=~&quot;Disk.*&quot;, team!=&quot;&lt;b&gt;shop&quot;" in listed
    shown = dana.get(f"/settings/maintenance/{row.pk}/").content.decode()
    assert str(row.silence.pk) in shown
    assert "by &lt;i&gt;ada" in shown
    row.condition = "signal.severity == 'info'"
    row.save()
    assert str(row.silence.pk) not in dana.get(f"/settings/maintenance/{row.pk}/").content.decode()
    assert "signal.severity == &#x27;info&#x27;" in dana.get("/settings/maintenance/").content.decode()


def test_a_responder_may_look_but_not_touch(made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    assert client.get("/settings/rules/").status_code == 200
    assert client.post("/settings/rules/new/", RULE).status_code == 403
    assert client.get("/settings/maintenance/new/").status_code == 403
