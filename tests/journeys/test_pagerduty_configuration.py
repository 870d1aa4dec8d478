"""PagerDuty's clients, as they are published, set Tocsin up: from a team to a page that its schedule decides."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pagerduty import EventsApiV2Client, HttpError, RestApiV2Client

from tests.journeys.test_pagerduty_clients import Command, Desk, desk  # noqa: F401 - a fixture
from tests.journeys.tls import Authority
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey


def reference(thing: dict[str, Any]) -> dict[str, str]:
    return {"id": thing["id"], "type": f"{thing['type']}_reference"}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_company_is_set_up_paged_and_taken_down(desk: Desk, authority: Authority) -> None:  # noqa: F811
    base, secure = f"{desk.product.url}/pd", authority.context()
    now = datetime.now(UTC).replace(microsecond=0)
    with RestApiV2Client(desk.token, default_from=desk.email, base_url=base, verify=secure) as pd:
        team = pd.rpost("teams", json={"type": "team", "name": "Pumps", "description": "Water"})
        ada = pd.rpost("users", json={"type": "user", "name": "Ada Pump", "email": "ada.pump@example.org"})
        bo = pd.rpost("users", json={"type": "user", "name": "Bo Pump", "email": "bo.pump@example.org"})
        assert pd.find("users", "bo.pump@example.org", attribute="email")["id"] == bo["id"]
        with pytest.raises(HttpError) as refused:
            pd.rpost("users", json={"type": "user", "name": "Ada", "email": "ada.pump@example.org"})
        assert "Email has already been taken" in refused.value.response.text
        for person in (ada, bo):
            assert pd.put(f"teams/{team['id']}/users/{person['id']}", json={"role": "responder"}).status_code == 204
        assert {found["user"]["id"] for found in pd.iter_all(f"teams/{team['id']}/members")} == {ada["id"], bo["id"]}

        contact = {"type": "email_contact_method", "label": "Home", "address": "ada.at.home@example.org"}
        home = pd.rpost(f"users/{ada['id']}/contact_methods", json=contact)
        rule = {
            "type": "assignment_notification_rule", "start_delay_in_minutes": 2, "urgency": "high",
            "contact_method": {"id": home["id"], "type": "email_contact_method_reference"},
        }  # fmt: skip
        pd.rpost(f"users/{ada['id']}/notification_rules", json=rule)
        delays = [found["start_delay_in_minutes"] for found in pd.rget(f"users/{ada['id']}/notification_rules")]
        assert 2 in delays

        layer = {
            "name": "Days", "start": stamp(now - timedelta(days=1)), "rotation_turn_length_seconds": 7 * 86_400,
            "rotation_virtual_start": stamp(now - timedelta(days=1)),
            "users": [{"user": reference(ada)}, {"user": reference(bo)}],
        }  # fmt: skip
        body = {"type": "schedule", "name": "Pumps on call", "time_zone": "Europe/Zurich", "schedule_layers": [layer]}
        schedule = pd.rpost("schedules", json=body)
        # what was is not changed: an override that begins before it is made begins when it is made
        window = {"since": stamp(now + timedelta(minutes=5)), "until": stamp(now + timedelta(hours=2))}
        final = pd.rget(f"schedules/{schedule['id']}", params=window)["final_schedule"]
        assert [entry["user"]["id"] for entry in final["rendered_schedule_entries"]] == [ada["id"]]
        override = {"start": stamp(now), "end": stamp(now + timedelta(hours=1)), "user": reference(bo)}
        [put] = pd.post(f"schedules/{schedule['id']}/overrides", json={"overrides": [override]}).json()
        assert put["status"] == 201
        final = pd.rget(f"schedules/{schedule['id']}", params=window)["final_schedule"]
        assert [entry["user"]["id"] for entry in final["rendered_schedule_entries"]] == [bo["id"], ada["id"]]

        target = {"id": schedule["id"], "type": "schedule_reference"}
        rules = [{"escalation_delay_in_minutes": 5, "targets": [target]}]
        rules.append({"escalation_delay_in_minutes": 10, "targets": [reference(ada)]})
        body = {"type": "escalation_policy", "name": "Pumps", "num_loops": 2, "escalation_rules": rules}
        policy = pd.rpost("escalation_policies", json=body)
        levels = [(found["escalation_level"], found["user"]["id"]) for found in pd.iter_all(
            "oncalls", params={"escalation_policy_ids[]": [policy["id"]]}
        )]  # fmt: skip
        assert levels == [(1, bo["id"]), (2, ada["id"])]

        body = {"type": "service", "name": "Main pump", "escalation_policy": reference(policy)}
        service = pd.rpost("services", json=body)
        integration = pd.rpost(
            f"services/{service['id']}/integrations",
            json={"type": "events_api_v2_inbound_integration", "name": "Sensors"},
        )
        assert len(integration["integration_key"]) == 32
        with EventsApiV2Client(integration["integration_key"], base_url=desk.product.url, verify=secure) as events:
            until("the door knows the key", lambda: sent(events))
        listed = {"service_ids[]": [service["id"]]}
        [incident] = until("the event is an incident", lambda: pd.list_all("incidents", params=listed))
        assert [found["assignee"]["id"] for found in incident["assignments"]] == [bo["id"]]
        assert pd.rget(f"services/{service['id']}")["status"] == "critical"

        body = {
            "type": "maintenance_window", "start_time": stamp(now - timedelta(minutes=1)),
            "end_time": stamp(now + timedelta(hours=1)), "description": "Seals", "services": [reference(service)],
        }  # fmt: skip
        quiet = pd.rpost("maintenance_windows", json=body)
        asked = {"filter": "ongoing", "service_ids[]": [service["id"]]}
        assert [found["id"] for found in pd.iter_all("maintenance_windows", params=asked)] == [quiet["id"]]
        assert pd.delete(f"maintenance_windows/{quiet['id']}").status_code == 204

        assert pd.rput(schedule["self"], json=pd.rget(schedule["self"]))["id"] == schedule["id"]
        pd.rput("incidents", json=[{"id": incident["id"], "type": "incident", "status": "resolved"}])
        assert pd.delete(f"users/{ada['id']}/contact_methods/{home['id']}").status_code in (204, 400)
        assert pd.delete(f"schedules/{schedule['id']}").status_code == 400  # the policy needs it


def sent(events: EventsApiV2Client) -> bool:
    """Whether an event was taken."""
    try:
        return bool(events.trigger("Pressure lost", "pump-1", dedup_key="pressure", severity="critical"))
    except HttpError:
        return False


def test_pagerdutys_command_line_lists_what_is_set_up(
    desk: Desk,  # noqa: F811 - a fixture
    authority: Authority,
    tmp_path: Path,
) -> None:
    base = f"{desk.product.url}/pd"
    with RestApiV2Client(desk.token, default_from=desk.email, base_url=base, verify=authority.context()) as pd:
        person = reference(pd.find("users", desk.email, attribute="email"))
        pd.rpost("teams", json={"type": "team", "name": "Listed"})
        rules = [{"escalation_delay_in_minutes": 5, "targets": [person]}]
        pd.rpost("escalation_policies", json={"type": "escalation_policy", "name": "Listed", "escalation_rules": rules})
        now = stamp(datetime.now(UTC))
        layer = {"start": now, "rotation_virtual_start": now, "rotation_turn_length_seconds": 86_400}
        layers = [layer | {"users": [{"user": person}]}]
        body = {"type": "schedule", "name": "Listed", "time_zone": "UTC", "schedule_layers": layers}
        pd.rpost("schedules", json=body)
    run = Command(desk, authority, tmp_path)
    services = json.loads(run("service", "list", "--json"))
    assert desk.service_id in {found["id"] for found in services}
    people = json.loads(run("user", "list", "--json"))
    assert desk.email in {found["email"] for found in people}
    for noun in ("ep", "schedule", "team"):
        assert "Listed" in {found["name"] for found in json.loads(run(noun, "list", "--json"))}, noun
