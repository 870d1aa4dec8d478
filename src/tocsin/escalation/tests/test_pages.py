"""What people do with policies in the browser, without script."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.escalation.models import Policy
from tocsin.people.models import ContactMethod
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


def test_policies_are_read_as_sentences(dana: Client) -> None:
    page = dana.get("/policies/").content.decode()
    assert "First page whoever is on call in Shop primary." in page
    assert "No such policy" in dana.get("/policies/?q=nothing").content.decode()


def test_simulator_says_who_when_how_and_what_follows(dana: Client, made: dict[str, Any]) -> None:
    path = f"/policies/{made['policy'].pk}/"
    page = dana.get(f"{path}?priority=P1&at=2026-11-29T03:10&length=14400&answer=&service=").content.decode()
    assert "+5 min" in page
    assert "nobody answered, so the fallback" in page
    assert "Priya Raman" in page
    answered = dana.get(f"{path}?priority=P1&at=2026-11-29T03:10&length=14400&answer=2&service=").content.decode()
    assert "acknowledged it" in answered
    assert "so the fallback" not in answered.split('id="outcome"')[1]


@pytest.mark.parametrize(
    "query", ["at=x", "at=2026-11-29T03:10&priority=P9", "at=0001-01-01T00:00&priority=P1&length=1"]
)
def test_simulator_answers_nonsense_with_words(dana: Client, made: dict[str, Any], query: str) -> None:
    assert dana.get(f"/policies/{made['policy'].pk}/?{query}").status_code == 200


def test_a_gap_is_seen_on_the_ladder(dana: Client, made: dict[str, Any]) -> None:
    Policy.objects.filter(pk=made["policy"].pk).update(fallback=[])
    page = dana.get(f"/policies/{made['policy'].pk}/").content.decode()
    assert "None: silence after the last step" in page


def test_policy_is_made_changed_and_removed_without_script(dana: Client, made: dict[str, Any]) -> None:
    user = made["users"][1].email
    form: dict[str, Any] = {
        "name": "Night",
        "team": "shop",
        "description": "",
        "repeats": "1",
        "ack_timeout_s": "30",
        "wait": ["5"],
        "targets-0": ["schedule:shop-primary", ""],
        "fallback": [f"user:{user}", ""],
    }
    more = dana.post("/policies/new/", form | {"do": "add"}).content.decode()
    assert "Step 2" in more
    assert 'value="schedule:shop-primary" selected' in more
    assert dana.post("/policies/new/", form).status_code == 303
    row = Policy.objects.get(name="Night")
    assert row.ack_timeout_s == 1800
    assert row.steps.get().wait_s == 300
    wrong = dana.post(f"/policies/{row.pk}/edit/", form | {"wait": ["-1", "2"], "targets-1": [""]})
    assert wrong.status_code == 422
    assert "Step 2" in wrong.content.decode()
    changed = form | {"wait": ["5", "0.5"], "targets-1": ["team:shop"]}
    assert dana.post(f"/policies/{row.pk}/edit/", changed).status_code == 303
    row.refresh_from_db()
    assert [step.wait_s for step in row.steps.all()] == [300, 30]
    assert row.version == 2
    assert dana.post(f"/policies/{row.pk}/delete/").status_code == 303
    assert dana.post(f"/policies/{made['policy'].pk}/delete/").status_code == 409


def test_a_responder_may_read_only(made: dict[str, Any]) -> None:
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    page = client.get(f"/policies/{made['policy'].pk}/")
    assert page.status_code == 200
    assert b"/edit/" not in page.content
    assert client.get("/policies/new/").status_code == 403
    assert client.post(f"/policies/{made['policy'].pk}/edit/", {"name": "x"}).status_code == 403


def test_the_proof_says_where_it_fails_and_leads_to_the_mending(dana: Client, made: dict[str, Any]) -> None:
    key = made["schedule"].pk
    ContactMethod.objects.update(verified_at=None)
    bad = dana.get("/on-call/proof/?months=1").content.decode()
    assert "Not proven" in bad
    assert "nobody at all" in bad
    assert "has no verified contact method" in bad
    assert f"/on-call/{key}/override/?start=" in bad
    told = dana.get("/on-call/proof/?months=1&format=json").json()
    assert {line["step"] for line in told["items"]} >= {0}
    ContactMethod.objects.update(verified_at=clock.now(), disabled_at=None)
    better = dana.get("/on-call/proof/?months=nonsense").content.decode()
    assert "has no verified contact method" not in better


def test_everything_a_step_can_say_is_typed_kept_and_shown(dana: Client, made: dict[str, Any]) -> None:
    form: dict[str, Any] = {
        "name": "Day",
        "team": "shop",
        "description": "",
        "repeats": "0",
        "ack_timeout_s": "",
        "wait": ["5", "10"],
        "targets-0": ["owner"],
        "when-0": "working_hours",
        "tier-0": "L1",
        "warn-0": "30",
        "urgency-0": "low",
        "rotate-0": "on",
        "targets-1": ["manager:schedule:shop-primary"],
        "fallback": ["team:shop"],
        "executives": ["manager:team:shop"],
        "executive_priorities": ["P1", "P2"],
        "acks-1": "all",
        "tier-1": "boss",
        "tier-name": ["boss", ""],
        "tier-when": ["incident.minutes >= 30", ""],
    }
    refused = dana.post("/policies/new/", form | {"tier-name": ["cellar"], "tier-when": ["responder.working"]})
    assert refused.status_code == 422
    assert "no step is in this one" in refused.content.decode()
    assert "Step 1: 1 in a step" in dana.post("/policies/new/", form | {"acks-0": "2"}).content.decode()
    wrong = dana.post("/policies/new/", form | {"when-1": "hours > 3"})
    assert wrong.status_code == 422
    assert "unknown variable &#x27;hours&#x27;" in wrong.content.decode()
    assert 'value="working_hours"' in wrong.content.decode()
    swapped = dana.post("/policies/new/", form | {"do": "up-1"}).content.decode()
    assert 'name="when-1" value="working_hours"' in swapped
    assert 'name="rotate-1" checked' in swapped
    assert dana.post("/policies/new/", form).status_code == 303
    row = Policy.objects.get(name="Day")
    first, second = row.steps.all()
    assert (first.when, first.tier, first.warn_s, first.urgency, first.rotate) == (
        "working_hours",
        "L1",
        1800,
        "low",
        True,
    )
    assert (second.when, second.tier, second.warn_s, second.urgency, second.rotate) == ("", "boss", None, "", False)
    assert (first.acks, second.acks) == (1, 0)
    assert row.tiers == [{"name": "boss", "when": "incident.minutes >= 30"}]
    assert row.executive_priorities == ["P1", "P2"]
    shown = dana.get(f"/policies/{row.pk}/").content.decode()
    for text in (
        "incident.minutes &gt;= 30",
        "until all of them have acknowledged",
        "L1",
        "working_hours",
        "in turn",
        "managers are warned after",
        "Executives",
        "The owning team",
    ):
        assert text in shown
    again = dana.get(f"/policies/{row.pk}/edit/").content.decode()
    assert 'value="owner" selected' in again
    assert 'value="manager:team:shop" selected' in again
