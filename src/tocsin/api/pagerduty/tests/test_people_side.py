"""Teams, people and how they are reached, over PagerDuty's REST API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.conftest import PagerDuty
from tocsin.people import actions
from tocsin.people.models import NotificationRule, User
from tocsin.people.rules import NotificationRuleSpec, UserSpec
from tocsin.people.tests.named import Named
from tocsin.platform.actor import SYSTEM

AskAs = Callable[..., PagerDuty]


@pytest.fixture
def ask(people: Named, ask_as: AskAs) -> PagerDuty:
    return ask_as(people.alice)


def at(kind: str, row: Any) -> str:
    return ids.write(kind, row.pk)


def told(answer: Any) -> list[str]:
    return list(answer.json()["error"].get("errors", []))


def test_a_team_comes_changes_and_goes(ask: PagerDuty) -> None:
    made = ask("POST", "/teams", {"team": {"type": "team", "name": "Payments", "description": "Money"}})
    team = made.json()["team"]
    assert (made.status_code, team["name"], team["description"], team["type"]) == (201, "Payments", "Money", "team")
    assert team["self"] == f"http://testserver/pd/teams/{team['id']}"
    twice = ask("POST", "/teams", {"team": {"type": "team", "name": "Payments"}})
    assert (twice.status_code, told(twice)) == (400, ["Name has already been taken"])
    changed = ask("PUT", f"/teams/{team['id']}", {"team": {"description": "All money"}}).json()["team"]
    assert (changed["name"], changed["description"]) == ("Payments", "All money")
    assert [one["name"] for one in ask("GET", "/teams?query=pay").json()["teams"]] == ["Payments"]
    assert ask("DELETE", f"/teams/{team['id']}").status_code == 204
    gone = ask("GET", f"/teams/{team['id']}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, 6001)


@pytest.mark.parametrize(
    ("field", "value"), [("parent", {"id": "QX", "type": "team"}), ("default_role", "none"), ("name", ""), ("name", 7)]
)
def test_what_a_team_cannot_be_is_refused_by_name(ask: PagerDuty, field: str, value: object) -> None:
    answer = ask("POST", "/teams", {"team": {"name": "Payments", field: value}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2001)
    assert told(answer)[0].startswith(field)


def test_members_have_roles(ask: PagerDuty, people: Named) -> None:
    core = at("team", people.core)
    found = ask("GET", f"/teams/{core}/members").json()["members"]
    assert [(one["user"]["summary"], one["role"]) for one in found] == [("Alice", "responder"), ("Bob", "manager")]
    assert ask("PUT", f"/teams/{core}/users/{at('user', people.alice)}", {"role": "manager"}).status_code == 204
    refused = ask("PUT", f"/teams/{core}/users/{at('user', people.alice)}", {"role": "observer"})
    assert (refused.status_code, told(refused)[0].split(":")[0]) == (400, "role")
    assert ask("PUT", f"/teams/{core}/users/{at('user', people.charlie)}", {"role": "observer"}).status_code == 204
    whole = ask("GET", f"/teams/{core}/members?include[]=users").json()["members"]
    assert [(one["user"]["email"], one["role"]) for one in whole] == [
        ("alice@example.org", "manager"),
        ("bob@example.org", "manager"),
        ("charlie@example.org", "observer"),
    ]
    assert ask("DELETE", f"/teams/{core}/users/{at('user', people.charlie)}").status_code == 204
    assert ask("DELETE", f"/teams/{core}/users/{at('user', people.charlie)}").status_code == 404


def test_a_person_comes_changes_and_goes(ask: PagerDuty) -> None:
    body = {
        "type": "user",
        "name": "Dora",
        "email": "dora@example.org",
        "role": "limited_user",
        "time_zone": "Asia/Tokyo",
    }
    made = ask("POST", "/users", {"user": body}, From="alice@example.org")
    user = made.json()["user"]
    assert (made.status_code, user["role"], user["time_zone"]) == (201, "limited_user", "Asia/Tokyo")
    assert [one["type"] for one in user["contact_methods"]] == ["email_contact_method_reference"]
    assert told(ask("POST", "/users", {"user": body})) == ["Email has already been taken"]
    changed = ask("PUT", f"/users/{user['id']}", {"user": {"role": "observer"}}).json()["user"]
    assert (changed["role"], changed["name"], changed["time_zone"]) == ("observer", "Dora", "Asia/Tokyo")
    whole = ask("GET", f"/users/{user['id']}?include[]=contact_methods&include[]=notification_rules").json()["user"]
    assert whole["contact_methods"][0]["address"] == "dora@example.org"
    assert {one["urgency"] for one in whole["notification_rules"]} == {"high", "low"}
    assert ask("DELETE", f"/users/{user['id']}").status_code == 204
    assert ask("GET", f"/users/{user['id']}").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"), [("role", "owner"), ("role", "king"), ("time_zone", "Mars"), ("email", "no"), ("name", None)]
)
def test_who_somebody_cannot_be_is_refused_by_name(ask: PagerDuty, field: str, value: object) -> None:
    body = {"name": "Dora", "email": "dora@example.org"} | {field: value}
    answer = ask("POST", "/users", {"user": body})
    assert (answer.status_code, told(answer)[0].split(":")[0]) == (400, field)


def test_me_is_whose_key_it_is(people: Named, ask_as: AskAs) -> None:
    assert ask_as(people.bob)("GET", "/users/me").json()["user"]["email"] == "bob@example.org"


def test_only_administrators_make_people(people: Named, ask_as: AskAs) -> None:
    body = {"user": {"name": "Dora", "email": "dora@example.org"}}
    assert ask_as(people.bob)("POST", "/users", body).status_code == 403
    assert ask_as(people.bob)("DELETE", f"/users/{at('user', people.charlie)}").status_code == 403


def test_people_are_filtered_by_team_and_text(ask: PagerDuty, people: Named) -> None:
    found = ask("GET", f"/users?team_ids[]={at('team', people.core)}").json()["users"]
    assert [one["name"] for one in found] == ["Alice", "Bob"]
    assert [one["name"] for one in ask("GET", "/users?query=char").json()["users"]] == ["Charlie"]


def test_contact_methods_keep_pagerdutys_numbers(ask: PagerDuty, people: Named) -> None:
    where = f"/users/{at('user', people.bob)}/contact_methods"
    phone = {"type": "phone_contact_method", "label": "Mobile", "address": "79 123 45 67", "country_code": 41}
    made = ask("POST", where, {"contact_method": phone})
    method = made.json()["contact_method"]
    assert (made.status_code, method["address"], method["country_code"]) == (201, "791234567", 41)
    assert people.bob.contact_methods.get(channel="voice").address == "+41791234567"
    assert told(ask("POST", where, {"contact_method": phone})) == ["User Contact method must be unique"]
    text = ask("POST", where, {"contact_method": phone | {"type": "sms_contact_method"}}).json()["contact_method"]
    assert people.bob.contact_methods.get(channel="sms").address == "+41791234567"
    changed = ask("PUT", f"{where}/{method['id']}", {"contact_method": {"address": "791234568", "enabled": False}})
    method = changed.json()["contact_method"]
    assert (method["address"], method["label"], method["enabled"]) == ("791234568", "Mobile", False)
    assert [one["type"] for one in ask("GET", where).json()["contact_methods"]] == [
        "email_contact_method", "phone_contact_method", "sms_contact_method",
    ]  # fmt: skip
    assert ask("DELETE", f"{where}/{text['id']}").status_code == 204
    assert ask("GET", f"{where}/{text['id']}").status_code == 404


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "whats_app_contact_method", "address": "1", "country_code": 1}, "type"),
        ({"type": "push_notification_contact_method", "address": "1"}, "type"),
        ({"type": "phone_contact_method", "address": "1", "country_code": 41}, "address"),
        ({"type": "email_contact_method", "address": "x@example.org", "send_short_email": True}, "send_short_email"),
        ({"type": "email_contact_method"}, "address"),
    ],
)
def test_what_no_contact_method_can_be_is_refused_by_name(
    ask: PagerDuty, people: Named, given: dict[str, Any], field: str
) -> None:
    answer = ask("POST", f"/users/{at('user', people.bob)}/contact_methods", {"contact_method": given})
    assert (answer.status_code, told(answer)[0].split(":")[0]) == (400, field)


def test_addresses_are_for_their_person_and_administrators(people: Named, ask_as: AskAs) -> None:
    where = f"/users/{at('user', people.alice)}"
    for path in (f"{where}/contact_methods", f"{where}?include[]=contact_methods"):
        body = ask_as(people.bob)("GET", path).json()
        method = (body.get("contact_methods") or body["user"]["contact_methods"])[0]
        assert method["address"] == "a…@example.org"
    assert (
        ask_as(people.bob)("PUT", f"{where}/contact_methods/{method['id']}", {"contact_method": {}}).status_code == 403
    )


def test_rules_keep_their_id_when_others_change(ask: PagerDuty, people: Named) -> None:
    where = f"/users/{at('user', people.bob)}/notification_rules"
    mail = people.bob.contact_methods.get()
    rule = {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": 5,
        "contact_method": {"id": at("contact_method", mail), "type": "email_contact_method_reference"},
        "urgency": "high",
    }
    made = ask("POST", where, {"notification_rule": rule})
    first = made.json()["notification_rule"]
    assert (made.status_code, first["start_delay_in_minutes"], first["urgency"]) == (201, 5, "high")
    second = ask("POST", where, {"notification_rule": rule | {"start_delay_in_minutes": 0}}).json()["notification_rule"]
    changed = ask("PUT", f"{where}/{second['id']}", {"notification_rule": {"start_delay_in_minutes": 9}})
    assert changed.json()["notification_rule"]["id"] == second["id"]
    assert ask("GET", f"{where}/{first['id']}").json()["notification_rule"] == first
    kept = [
        NotificationRuleSpec(one.urgency, "email", "bob@example.org", one.delay_s)
        for one in people.bob.notification_rules.order_by("urgency", "position")
    ]
    actions.set_notification_rules(people.bob.pk, kept, actor=SYSTEM)  # what says the same keeps its number
    found = ask("GET", f"{where}?urgency=all&include[]=contact_methods").json()["notification_rules"]
    assert [one["start_delay_in_minutes"] for one in found if one["urgency"] == "high"] == [0, 5, 9]
    assert found[0]["contact_method"]["address"] == "bob@example.org"
    assert ask("DELETE", f"{where}/{first['id']}").status_code == 204
    assert ask("GET", f"{where}/{second['id']}").status_code == 200
    assert NotificationRule.objects.filter(user=people.bob, urgency="high").count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("start_delay_in_minutes", -1), ("urgency", "loud"), ("contact_method", None), ("start_delay_in_minutes", 99_999)],
)
def test_a_rule_that_cannot_be_is_refused_by_name(ask: PagerDuty, people: Named, field: str, value: object) -> None:
    mail = {"id": at("contact_method", people.bob.contact_methods.get()), "type": "email_contact_method_reference"}
    rule = {"start_delay_in_minutes": 0, "contact_method": mail, "urgency": "high"} | {field: value}
    answer = ask("POST", f"/users/{at('user', people.bob)}/notification_rules", {"notification_rule": rule})
    assert answer.status_code == 400
    assert told(answer)[0].startswith(field)


def test_a_page_of_people_costs_the_same_however_many(ask: PagerDuty) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            path = "/users?limit=100&include[]=contact_methods&include[]=notification_rules&include[]=teams"
            assert ask("GET", path).status_code == 200
        return len(queries)

    count()  # notes when the key was used
    few = count()
    for number in range(12):
        actions.save_user(UserSpec(f"p{number}@example.org", f"P{number}"), actor=SYSTEM)
    assert count() == few
    assert User.objects.count() == 15
