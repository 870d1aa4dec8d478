"""Opsgenie's own clients for Python and Node, unmodified, on the running product.

Both know alerts, heartbeats, incidents and users or the account, and nothing of schedules, escalations and teams: those
are asked for over the Python client's own transport, as scripts do that go beyond it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from opsgenie_sdk import (  # type: ignore[import-untyped]
    AccountApi,
    AcknowledgeAlertPayload,
    AddNoteToAlertPayload,
    AlertApi,
    ApiClient,
    CloseAlertPayload,
    CloseIncidentPayload,
    Configuration,
    CreateAlertPayload,
    CreateHeartbeatPayload,
    CreateIncidentPayload,
    HeartbeatApi,
    IncidentApi,
    UpdateHeartbeatPayload,
)
from opsgenie_sdk.exceptions import OpenApiException  # type: ignore[import-untyped]

from tests.clients import node
from tests.journeys.company import Team, team
from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = [
    pytest.mark.journey,
    # the client is of 2020 and speaks to its own time
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture(scope="module")
def people(product: Product) -> Team:
    """The team whose alerts, shifts and heartbeats these are."""
    return team(product, "genie")


@pytest.fixture(scope="module")
def key(product: Product, people: Team) -> str:
    """The key of the team's source."""
    source = product.tell("sources", {"service": people.service, "kind": "opsgenie", "name": "genie"})
    return str(source["key"])


@pytest.fixture
def alone(product: Product, people: Team, key: str) -> Iterator[None]:
    """The team's source is the only one of its kind that is on: other journeys have theirs on the same product."""
    kept = [one["id"] for one in product.ask("sources")["items"] if one["kind"] == "opsgenie" and one["enabled"]]
    others = [one for one in kept if product.ask(f"sources/{one}")["service"] != people.service]
    for one in others:
        product.tell(f"sources/{one}", {"enabled": False}, "PATCH")
    yield
    for one in others:
        product.tell(f"sources/{one}", {"enabled": True}, "PATCH")


@pytest.fixture(scope="module")
def token(product: Product) -> str:
    """An administrator's API token."""
    return product.http.headers["Authorization"].removeprefix("Bearer ")


def client(product: Product, key: str) -> Any:
    """The Python client, told nothing but an address and a key."""
    configuration = Configuration()
    configuration.host = product.url
    configuration.api_key = {"Authorization": key}  # the client shares one among all
    configuration.api_key_prefix = {"Authorization": "GenieKey"}
    return ApiClient(configuration=configuration)


def ask(api: Any, method: str, path: str, body: Any = None, **query: str) -> Any:
    """What the client's transport is answered, decoded; for what it has no functions for."""
    found = api.call_api(
        path, method, query_params=list(query.items()), header_params={"Content-Type": "application/json"},
        body=body, auth_settings=["GenieKey"], response_type="object", _return_http_data_only=True,
    )  # fmt: skip
    assert {"took", "requestId"} <= set(found)
    return found.get("data", found)


def status_of(error: Any) -> int:
    """The status that an error of the client tells."""
    return int(error.status)


def outcome(alerts: Any, told: Any) -> Any:
    """What became of a request, as soon as that is known: before, the client raises."""
    found: list[Any] = []

    def known() -> bool:
        with suppress(OpenApiException):
            found.append(alerts.get_request_status(told.request_id).data)
        return bool(found)

    until("the request is decided", known)
    return found[0]


def test_alerts_of_a_sender_with_its_key(product: Product, people: Team, key: str) -> None:
    alerts = AlertApi(api_client=client(product, key))
    told = alerts.create_alert(CreateAlertPayload(message="Disk is full", alias="genie/disk", priority="P1"))
    alert = outcome(alerts, told)
    assert (alert.is_success, alert.alias) == (True, "genie/disk")
    (incident,) = product.incidents(people.service)
    note = AddNoteToAlertPayload(note="looking", user="kim")
    alerts.add_note(identifier=alert.alert_id, add_note_to_alert_payload=note)
    acknowledge = AcknowledgeAlertPayload(user="kim")
    alerts.acknowledge_alert(identifier=alert.alert_id, acknowledge_alert_payload=acknowledge)
    until("acknowledged", lambda: product.state(incident["id"]) == "acknowledged")
    alerts.close_alert(identifier="genie/disk", identifier_type="alias", close_alert_payload=CloseAlertPayload())
    until("resolved", lambda: product.state(incident["id"]) == "resolved")
    with pytest.raises(OpenApiException) as refused:
        HeartbeatApi(api_client=client(product, key)).create_heartbeat(
            CreateHeartbeatPayload(name="x", interval=1, interval_unit="minutes", enabled=True)
        )
    assert status_of(refused.value) == 403


@pytest.mark.usefixtures("alone")
def test_heartbeats_incidents_alerts_and_the_account_with_a_token(
    product: Product, people: Team, key: str, token: str
) -> None:
    api = client(product, token)
    assert AccountApi(api_client=api).get_info().data.plan.name == "Tocsin"

    beats = HeartbeatApi(api_client=api)
    named = CreateHeartbeatPayload(
        name="genie backup", description="to tape", interval=10, interval_unit="minutes", enabled=True,
        owner_team={"name": "Genie"}, alert_message="No backup", alert_priority="P2",
    )  # fmt: skip
    made = beats.create_heartbeat(named).data
    assert (made.name, made.interval, made.interval_unit, made.enabled) == ("genie backup", 10, "minutes", True)
    beats.ping("genie backup")
    until("checked in", lambda: beats.get_heartbeat("genie backup").data.last_ping_time is not None)
    assert beats.disable_heartbeat("genie backup").data.enabled is False
    assert beats.enable_heartbeat("genie backup").data.enabled is True
    change = UpdateHeartbeatPayload(interval=2, interval_unit="hours")
    beats.update_heartbeat("genie backup", update_heartbeat_payload=change)
    assert [one.interval_unit for one in beats.list_heart_beats().data.heartbeats if one.name == "genie backup"] == [
        "hours"
    ]
    beats.delete_heartbeat("genie backup")

    (service,) = [one for one in ask(api, "GET", "/v1/services") if one["name"] == "genie shop"]
    incidents = IncidentApi(api_client=api)
    declared = incidents.create_incident(
        CreateIncidentPayload(message="Shop is down", service_id=service["id"], priority="P1", description="all of it")
    )
    status = incidents.get_incident_request_status(declared.request_id).data
    assert status.success is True
    assert incidents.get_incident(status.incident_id).data.message == "Shop is down"
    assert status.incident_id in [one.id for one in incidents.list_incidents("status: open").data]
    incidents.close_incident(status.incident_id, close_incident_payload=CloseIncidentPayload(note="over"))
    assert incidents.get_incident(status.incident_id).data.status == "closed"

    alerts = AlertApi(api_client=api)
    told = alerts.create_alert(CreateAlertPayload(message="Queue grows", alias="genie queue"))
    alert = outcome(alerts, told)
    acknowledge = AcknowledgeAlertPayload()
    alerts.acknowledge_alert(identifier=alert.alert_id, acknowledge_alert_payload=acknowledge)
    assert alerts.get_alert(identifier=alert.alert_id).data.acknowledged is True
    assert "genie queue" in [one.alias for one in alerts.list_alerts(query="status: open").data]
    closing = CloseAlertPayload()
    alerts.close_alert(identifier=alert.alert_id, close_alert_payload=closing)
    until("closed", lambda: alerts.get_alert(identifier=alert.alert_id).data.status == "closed")


def test_who_is_on_call_and_everything_around_it_with_a_token(product: Product, people: Team, token: str) -> None:
    api = client(product, token)
    user = ask(api, "GET", f"/v2/users/{people.second}")
    rotation = {
        "name": "Week", "type": "weekly", "startDate": "2026-01-05T09:00:00Z",
        "participants": [{"type": "user", "username": people.oncall}, {"type": "user", "id": user["id"]}],
    }  # fmt: skip
    sent = {
        "name": "Genie nights",
        "timezone": "Europe/Zurich",
        "ownerTeam": {"name": "Genie"},
        "rotations": [rotation],
    }
    schedule = ask(api, "POST", "/v2/schedules", sent)
    path = f"/v2/schedules/{schedule['id']}"
    who = ask(api, "GET", f"{path}/on-calls", flat="true")["onCallRecipients"]
    assert len(who) == 1
    assert who == [one["email"] for one in product.ask("schedules/genie-nights/who")["oncall"]]
    assert ask(api, "GET", f"{path}/next-on-calls")["exactNextOnCallRecipients"][0]["name"] != who[0]
    now = product.now()
    cover = {"alias": "genie cover", "user": {"type": "user", "username": people.boss},
             "startDate": now.isoformat(), "endDate": (now + timedelta(hours=2)).isoformat()}  # fmt: skip
    ask(api, "POST", f"{path}/overrides", cover)
    assert ask(api, "GET", "/v2/schedules/Genie%20nights/on-calls", flat="true", scheduleIdentifierType="name")[
        "onCallRecipients"
    ] == [people.boss]
    ask(api, "DELETE", f"{path}/overrides/genie%20cover")
    assert ask(api, "GET", f"{path}/on-calls", flat="true")["onCallRecipients"] == who

    rules = [
        {"condition": "if-not-acked", "notifyType": "default", "delay": {"timeAmount": minutes, "timeUnit": "minutes"},
         "recipient": recipient}
        for minutes, recipient in ((0, {"type": "schedule", "id": schedule["id"]}),
                                   (5, {"type": "user", "username": people.boss}))
    ]  # fmt: skip
    escalation = ask(api, "POST", "/v2/escalations", {"name": "Genie nights", "rules": rules})
    steps = product.ask("policies/genie-nights")["steps"]
    assert [step["targets"] for step in steps] == [["schedule:genie-nights"], [f"user:{people.boss}"]]
    with pytest.raises(OpenApiException) as used:
        ask(api, "DELETE", path)
    assert status_of(used.value) == 409
    ask(api, "DELETE", f"/v2/escalations/{escalation['id']}")
    ask(api, "DELETE", path)
    names = {one["name"] for one in ask(api, "GET", f"/v2/users/{people.oncall}/teams")}
    assert names == {"Genie"}


def drive(product: Product, key: str, *steps: list[Any]) -> list[dict[str, Any]]:
    """What the Node client was answered at each step; none may be refused."""
    environment = {"OPSGENIE_HOST": product.url, "OPSGENIE_KEY": key}
    done = node("opsgenie.cjs", json.dumps(steps), env=environment)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    refused = [(step, answer["error"]) for step, answer in zip(steps, answers, strict=True) if answer["error"]]
    assert not refused
    return [answer["result"] for answer in answers]


def test_the_client_for_node_sends_and_ends_alerts(product: Product, people: Team, key: str) -> None:
    alert = {"identifier": "genie node", "identifierType": "alias"}
    (told,) = drive(product, key, ["alertV2", "create", {"message": "From Node", "alias": "genie node"}])
    assert told["result"] == "Request will be processed"

    def opened() -> list[Any]:
        return [one for one in product.incidents(people.service) if one["title"] == "From Node"]

    until("the incident is there", opened)
    number = opened()[0]["id"]
    drive(product, key, ["alertV2", "addNote", alert, {"note": "looking", "user": "kim"}],
          ["alertV2", "acknowledge", alert, {"user": "kim"}])  # fmt: skip
    until("acknowledged", lambda: product.state(number) == "acknowledged")
    (found,) = drive(product, key, ["alertV2", "get", alert])
    assert found["data"]["acknowledged"] is True
    drive(product, key, ["alertV2", "close", alert, {"note": "done"}])
    until("resolved", lambda: product.state(number) == "resolved")


def test_the_client_for_node_manages_with_a_token(product: Product, people: Team, token: str) -> None:
    beat = {
        "name": "genie-node",
        "interval": 5,
        "intervalUnit": "minutes",
        "enabled": True,
        "ownerTeam": {"name": "Genie"},
    }
    named = {"identifier": "genie-node", "identifierType": "name"}
    eve = {"username": "eve.genie@example.org", "fullName": "Eve", "role": {"name": "User"}}
    made, found, disabled, _, user = drive(
        product, token, ["heartbeat", "create", beat], ["heartbeat", "get", named], ["heartbeat", "disable", named],
        ["heartbeat", "delete", named], ["userV2", "create", eve],
    )  # fmt: skip
    assert made["data"]["name"] == found["data"]["name"] == "genie-node"
    assert disabled["data"]["enabled"] is False
    known, _ = drive(
        product, token, ["userV2", "get", {"identifier": user["data"]["id"], "identifierType": "id"}],
        ["userV2", "delete", {"identifier": "eve.genie@example.org", "identifierType": "username"}],
    )  # fmt: skip
    assert known["data"]["username"] == "eve.genie@example.org"
