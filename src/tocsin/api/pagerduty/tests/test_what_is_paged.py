"""Policies, services, integrations and maintenance windows, over PagerDuty's REST API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.conftest import PagerDuty
from tocsin.catalogue import actions as catalogue
from tocsin.catalogue import queries as catalogue_queries
from tocsin.catalogue.rules import ServiceSpec
from tocsin.escalation import actions as escalation
from tocsin.escalation import queries as escalation_queries
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.incidents import actions as incidents
from tocsin.intake import actions as intake
from tocsin.intake import queries as intake_queries
from tocsin.oncall import actions as oncall
from tocsin.oncall.rules import ScheduleSpec
from tocsin.people.tests.named import Named
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.rules import WindowSpec

AskAs = Callable[..., PagerDuty]


@pytest.fixture
def ask(people: Named, ask_as: AskAs) -> PagerDuty:
    return ask_as(people.alice)


def at(kind: str, row: Any) -> str:
    return ids.write(kind, row if isinstance(row, int) else row.pk)


def refer(kind: str, row: Any) -> dict[str, str]:
    return {"id": at(kind, row), "type": f"{kind}_reference"}


def told(answer: Any) -> list[str]:
    return list(answer.json()["error"].get("errors", []))


def policy_body(people: Named, **more: object) -> dict[str, Any]:
    rule = {"escalation_delay_in_minutes": 30, "targets": [refer("user", people.alice)]}
    return {"escalation_policy": {"type": "escalation_policy", "name": "Pay", "escalation_rules": [rule]} | more}


# -- policies ----------------------------------------------------------------------------------------------------------


def test_a_policy_comes_changes_and_goes(ask: PagerDuty, people: Named) -> None:
    rota = oncall.save_schedule(ScheduleSpec("Rota"), actor=SYSTEM)
    plainly = {"id": at("schedule", rota), "type": "schedule"}
    rules = [
        {"escalation_delay_in_minutes": 5, "targets": [refer("user", people.alice), plainly]},
        {"escalation_delay_in_minutes": 10, "targets": [refer("user", people.bob)],
         "escalation_rule_assignment_strategy": {"type": "round_robin"}},
    ]  # fmt: skip
    made = ask("POST", "/escalation_policies", policy_body(people, escalation_rules=rules, num_loops=2,
                                                           teams=[refer("team", people.core)]))  # fmt: skip
    policy = made.json()["escalation_policy"]
    assert (made.status_code, policy["num_loops"], policy["teams"][0]["summary"]) == (201, 2, "Core")
    assert [one["escalation_delay_in_minutes"] for one in policy["escalation_rules"]] == [5, 10]
    assert [one["type"] for one in policy["escalation_rules"][0]["targets"]] == ["user_reference", "schedule_reference"]
    assert [one["escalation_rule_assignment_strategy"]["type"] for one in policy["escalation_rules"]] == [
        "assign_to_everyone", "round_robin",
    ]  # fmt: skip
    spec = escalation_queries.export_policies()[0]
    assert (spec.repeats, spec.team, spec.steps[0].targets, spec.steps[0].wait_s, spec.steps[1].rotate) == (
        2, "core", ["user:alice@example.org", "schedule:rota"], 300, True,
    )  # fmt: skip
    where = f"/escalation_policies/{policy['id']}"
    assert ask("PUT", where, {"escalation_policy": policy}).json()["escalation_policy"] == policy
    assert escalation_queries.export_policies()[0] == spec
    changed = ask("PUT", where, {"escalation_policy": {"name": "Payments"}}).json()["escalation_policy"]
    assert (changed["name"], changed["escalation_rules"]) == ("Payments", policy["escalation_rules"])
    assert ask("DELETE", where).status_code == 204
    assert ask("GET", where).json()["error"]["code"] == 5001


def test_a_rule_that_comes_back_keeps_what_pagerduty_has_no_word_for(ask: PagerDuty, people: Named) -> None:
    steps = [
        StepSpec(["user:alice@example.org", "owner"], 90, tier="L1", when="severity == 'critical'", urgency="low"),
        StepSpec(["team:core"], 60, acks=2),
    ]
    row = escalation.save_policy(PolicySpec("Pay", steps, ack_timeout_s=900), actor=SYSTEM)
    where = f"/escalation_policies/{at('escalation_policy', row)}"
    shown = ask("GET", where).json()["escalation_policy"]
    assert [[one["type"] for one in rule["targets"]] for rule in shown["escalation_rules"]] == [
        ["user_reference"], ["team_reference"],
    ]  # fmt: skip
    assert shown["escalation_rules"][0]["escalation_delay_in_minutes"] == 2
    before = escalation_queries.export_policies()[0]
    ask("PUT", where, {"escalation_policy": shown})
    assert escalation_queries.export_policies()[0] == before
    shown["escalation_rules"][0]["targets"] = [refer("user", people.bob)]
    shown["escalation_rules"].reverse()
    ask("PUT", where, {"escalation_policy": shown})
    after = escalation_queries.export_policies()[0]
    assert after.steps == [steps[1], StepSpec(
        ["user:bob@example.org", "owner"], 90, tier="L1", when="severity == 'critical'", urgency="low"
    )]  # fmt: skip
    assert after.ack_timeout_s == 900


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"escalation_rules": []}, "escalation_rules"),
        ({"escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": []}]}, "escalation_rules.0.targets"),
        ({"escalation_rules": [{"escalation_delay_in_minutes": 0, "targets": []}]}, "escalation_rules.0.targets"),
        ({"num_loops": 99}, "num_loops"),
        ({"on_call_handoff_notifications": "never"}, "on_call_handoff_notifications"),
        ({"name": " "}, "name"),
        ({"teams": [{"id": "Q", "type": "team_reference"}]}, "teams"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_name(
    ask: PagerDuty, people: Named, more: dict[str, Any], field: str
) -> None:
    answer = ask("POST", "/escalation_policies", policy_body(people, **more))
    assert answer.status_code == 400
    assert told(answer)[0].startswith(field)


def test_policies_are_found_by_people_and_teams(ask: PagerDuty, people: Named) -> None:
    ask("POST", "/escalation_policies", policy_body(people, teams=[refer("team", people.core)]))
    for query, count in (
        (f"user_ids[]={at('user', people.alice)}", 1),
        (f"user_ids[]={at('user', people.bob)}", 0),
        (f"team_ids[]={at('team', people.core)}", 1),
        (f"team_ids[]={at('team', people.shop)}", 0),
        ("query=pay&sort_by=name:desc", 1),
        ("include[]=targets&include[]=services&include[]=teams", 1),
    ):
        assert len(ask("GET", f"/escalation_policies?{query}").json()["escalation_policies"]) == count, query


# -- services ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def policy(people: Named) -> Any:
    spec = PolicySpec("Pay", [StepSpec(["user:alice@example.org"])], team="core")
    return escalation.save_policy(spec, actor=SYSTEM)


def service_body(policy: Any, **more: object) -> dict[str, Any]:
    return {
        "service": {"type": "service", "name": "Shop", "escalation_policy": refer("escalation_policy", policy)} | more
    }


def test_a_service_comes_changes_and_goes(ask: PagerDuty, policy: Any) -> None:
    made = ask("POST", "/services", service_body(
        policy, description="Sells", acknowledgement_timeout=600, auto_resolve_timeout=None,
        alert_creation="create_alerts_and_incidents",
    ))  # fmt: skip
    service = made.json()["service"]
    assert (made.status_code, service["status"], service["acknowledgement_timeout"]) == (201, "active", 600)
    assert (service["auto_resolve_timeout"], service["teams"][0]["summary"]) == (None, "Core")
    assert service["escalation_policy"]["type"] == "escalation_policy_reference"
    where = f"/services/{service['id']}"
    spec = catalogue_queries.export_services()[0]
    assert ask("PUT", where, {"service": service}).json()["service"] == service
    assert catalogue_queries.export_services()[0] == spec
    changed = ask("PUT", where, {"service": {"status": "disabled", "auto_resolve_timeout": 3600}}).json()["service"]
    assert (changed["status"], changed["auto_resolve_timeout"], changed["description"]) == ("disabled", 3600, "Sells")
    assert told(ask("POST", "/services", service_body(policy))) == ["Name has already been taken"]
    assert ask("DELETE", where).status_code == 204
    assert ask("GET", where).json()["error"]["code"] == 5002


def test_an_acknowledgement_timeout_is_the_policys(ask: PagerDuty, policy: Any) -> None:
    first = ask("POST", "/services", service_body(policy, acknowledgement_timeout=600)).json()["service"]
    assert escalation_queries.export_policies()[0].ack_timeout_s == 600
    assert ask("POST", "/services", service_body(policy, name="B", acknowledgement_timeout=600)).status_code == 201
    refused = ask("PUT", f"/services/{first['id']}", {"service": {"acknowledgement_timeout": 700, "description": "x"}})
    assert (refused.status_code, told(refused)[0].split(":")[0]) == (400, "acknowledgement_timeout")
    assert catalogue_queries.services(SYSTEM).filter(description="x").count() == 0


def test_what_other_dials_say_of_a_service(ask: PagerDuty, policy: Any) -> None:
    hours = {
        "type": "fixed_time_per_day", "time_zone": "Europe/Zurich", "days_of_week": [1, 2, 3],
        "start_time": "09:00:00", "end_time": "17:30:00",
    }  # fmt: skip
    grouping = {"type": "content_based", "config": {"aggregate": "all", "fields": ["title"], "time_window": 900}}
    made = ask("POST", "/services", service_body(policy, support_hours=hours, alert_grouping_parameters=grouping))
    service = made.json()["service"]
    assert service["support_hours"] == hours
    assert service["alert_grouping_parameters"] == grouping
    spec = catalogue_queries.export_services()[0]
    assert (spec.zone, spec.grouping) == ("Europe/Zurich", {"by": "fields", "fields": ["title"], "window_s": 900})
    where = f"/services/{service['id']}"
    by_time = {"alert_grouping_parameters": {"type": "time", "config": {"timeout": 5}}, "support_hours": None}
    service = ask("PUT", where, {"service": by_time}).json()["service"]
    assert (service["alert_grouping"], service["alert_grouping_timeout"], service["support_hours"]) == ("time", 5, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("escalation_policy", None),
        ("escalation_policy", {"id": "Q", "type": "escalation_policy_reference"}),
        ("incident_urgency_rule", {"type": "use_support_hours"}),
        ("incident_urgency_rule", {"type": "constant", "urgency": "low"}),
        ("scheduled_actions", [{}]),
        ("response_play", {"id": "Q"}),
        ("alert_creation", "create_incidents"),
        ("auto_pause_notifications_parameters", {"enabled": True, "timeout": 120}),
        ("alert_grouping_parameters", {"type": "intelligent"}),
        ("auto_resolve_timeout", 5),
        ("acknowledgement_timeout", "soon"),
        ("support_hours", {"days_of_week": [9]}),
        ("status", "critical"),
        ("name", "x" * 121),
    ],
)
def test_a_service_that_cannot_be_is_refused_by_name(ask: PagerDuty, policy: Any, field: str, value: object) -> None:
    answer = ask("POST", "/services", service_body(policy, **{field: value}))
    assert answer.status_code == 400
    assert told(answer)[0].startswith(field) or answer.json()["error"]["code"] == 1014
    assert not catalogue_queries.export_services()


def test_the_state_of_a_service_is_that_of_its_incidents(ask: PagerDuty, people: Named, policy: Any) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    number = ids.read("service", service["id"]) or 0
    where = f"/services/{service['id']}"
    incident = incidents.declare("Down", number, actor=people.actor(people.alice))
    assert ask("GET", where).json()["service"]["status"] == "critical"
    incidents.acknowledge([incident.pk], actor=people.actor(people.alice))
    assert ask("GET", where).json()["service"]["status"] == "warning"
    assert ask("GET", where).json()["service"]["last_incident_timestamp"] is not None
    refused = ask("DELETE", where)
    assert (refused.status_code, told(refused)[0].split(":")[0]) == (400, "shop")


@pytest.mark.parametrize(("condition", "status"), [("", "maintenance"), ("signal.severity == 'info'", "active")])
def test_a_service_is_in_maintenance_when_it_is_wholly_quiet(
    ask: PagerDuty, policy: Any, condition: str, status: str
) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    slug = catalogue_queries.service(SYSTEM, ids.read("service", service["id"]) or 0).slug
    spec = WindowSpec("Disks", [slug], clock.now() - timedelta(minutes=1), 3600, condition=condition)
    triage.save_window(spec, actor=SYSTEM)
    assert ask("GET", f"/services/{service['id']}").json()["service"]["status"] == status


def test_an_integration_has_a_key_that_opens_the_door(
    ask: PagerDuty, policy: Any, people: Named, ask_as: AskAs
) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    where = f"/services/{service['id']}/integrations"
    made = ask("POST", where, {"integration": {"type": "events_api_v2_inbound_integration", "name": "ev2"}})
    one = made.json()["integration"]
    assert (made.status_code, one["type"], len(one["integration_key"])) == (
        201,
        "events_api_v2_inbound_integration",
        32,
    )
    assert intake_queries.source_of_key(one["integration_key"], "pagerduty") is not None
    assert ask("GET", f"{where}/{one['id']}").json()["integration"] == one
    renamed = ask("PUT", f"{where}/{one['id']}", {"integration": one | {"name": "Events"}}).json()["integration"]
    assert renamed == one | {"name": "Events", "summary": "Events"}
    assert (
        ask("PUT", f"{where}/{one['id']}", {"integration": {"type": "nagios_inbound_integration"}}).status_code == 400
    )
    # who may not configure the service sees everything but the key
    seen = ask_as(people.charlie)("GET", f"{where}/{one['id']}").json()["integration"]
    assert (seen["integration_key"], seen["name"]) == (None, "Events")
    listed = ask("GET", "/services?include[]=integrations&include[]=escalation_policies&include[]=teams").json()
    assert listed["services"][0]["integrations"][0]["integration_key"] == one["integration_key"]
    assert listed["services"][0]["escalation_policy"]["name"] == "Pay"


def test_vendors_are_the_kinds_of_sources(ask: PagerDuty, policy: Any) -> None:
    vendors = ask("GET", "/vendors?limit=100").json()["vendors"]
    datadog = next(one for one in vendors if one["name"] == "Datadog")
    assert ask("GET", f"/vendors/{datadog['id']}").json()["vendor"] == datadog
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    body = {"integration": {"type": "service_integration", "vendor": {"id": datadog["id"], "type": "vendor_reference"}}}
    one = ask("POST", f"/services/{service['id']}/integrations", body).json()["integration"]
    assert (one["type"], one["vendor"]["summary"]) == ("event_transformer_api_inbound_integration", "Datadog")
    assert one["integration_url"].endswith(f"/in/datadog/{one['integration_key']}")
    for kind in ("generic_email_inbound_integration", "pingdom_inbound_integration"):
        refused = ask("POST", f"/services/{service['id']}/integrations", {"integration": {"type": kind}})
        assert (refused.status_code, told(refused)[0].split(":")[0]) == (400, "type")


def test_pages_cost_the_same_however_many(ask: PagerDuty, policy: Any, people: Named) -> None:
    def add(number: int) -> None:
        row = catalogue.save_service(ServiceSpec(f"S{number}", policy="pay", team="core"), actor=SYSTEM)
        intake.create_source(row.pk, "pagerduty", actor=SYSTEM)
        rota = oncall.save_schedule(ScheduleSpec(f"R{number}"), actor=SYSTEM)
        steps = [StepSpec(["user:bob@example.org", f"schedule:{rota.slug}"])]
        escalation.save_policy(PolicySpec(f"P{number}", steps, team="core"), actor=SYSTEM)
        window_of([row.pk], f"W{number}")

    def window_of(services: list[int], name: str) -> None:
        start = clock.now() + timedelta(hours=1)
        ask("POST", "/maintenance_windows", {"maintenance_window": {
            "start_time": start.isoformat(), "end_time": (start + timedelta(hours=1)).isoformat(),
            "description": name, "services": [refer("service", one) for one in services],
        }})  # fmt: skip

    def counts() -> list[int]:
        found = []
        for path in (
            "/services?include[]=integrations&include[]=escalation_policies&include[]=teams",
            "/escalation_policies?include[]=services&include[]=targets&include[]=teams",
            "/maintenance_windows?include[]=services&include[]=users",
            "/schedules?include[]=final_schedule&include[]=schedule_layers&since=2026-11-01&until=2026-11-08",
            "/oncalls?include[]=users&include[]=schedules&include[]=escalation_policies",
        ):
            with CaptureQueriesContext(connection) as queries:
                assert ask("GET", path).status_code == 200, path
            found.append(len(queries))
        return found

    add(0)
    counts()
    few = counts()
    for number in range(1, 5):
        add(number)
    assert counts() == few


# -- maintenance windows -----------------------------------------------------------------------------------------------


def test_a_window_comes_changes_and_goes(ask: PagerDuty, policy: Any) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    begin = clock.now().replace(microsecond=0) + timedelta(hours=1)
    body = {
        "type": "maintenance_window",
        "start_time": begin.isoformat(),
        "end_time": (begin + timedelta(hours=2)).isoformat(),
        "description": "Disks",
        "services": [{"id": service["id"], "type": "service_reference"}],
    }
    made = ask("POST", "/maintenance_windows", {"maintenance_window": body}, From="alice@example.org")
    window = made.json()["maintenance_window"]
    assert (made.status_code, window["description"], window["created_by"]["summary"]) == (201, "Disks", "Alice")
    assert window["start_time"] == begin.strftime("%Y-%m-%dT%H:%M:%SZ")
    where = f"/maintenance_windows/{window['id']}"
    assert ask("PUT", where, {"maintenance_window": window}).json()["maintenance_window"] == window
    later = (begin + timedelta(hours=3)).isoformat()
    changed = ask("PUT", where, {"maintenance_window": {"end_time": later, "description": "Disks\nall"}})
    assert changed.json()["maintenance_window"]["description"] == "Disks\nall"
    for query, count in (
        ("filter=future", 1), ("filter=open", 1), ("filter=ongoing", 0), ("filter=past", 0), ("query=disk", 1),
        (f"service_ids[]={service['id']}", 1), ("team_ids[]=QX", 0),
    ):  # fmt: skip
        assert len(ask("GET", f"/maintenance_windows?{query}").json()["maintenance_windows"]) == count, query
    assert ask("DELETE", where).status_code == 204
    assert ask("GET", where).json()["error"]["code"] == 5001


def test_a_running_window_ends_and_a_past_one_stays(ask: PagerDuty, policy: Any) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    now = clock.now()
    body = {
        "start_time": (now - timedelta(hours=1)).isoformat(),
        "end_time": (now + timedelta(hours=2)).isoformat(),
        "services": [{"id": service["id"], "type": "service_reference"}],
    }
    window = ask("POST", "/maintenance_windows", {"maintenance_window": body}).json()["maintenance_window"]
    where = f"/maintenance_windows/{window['id']}"
    assert ask("GET", f"/services/{service['id']}").json()["service"]["status"] == "maintenance"
    assert ask("DELETE", where).status_code == 204
    assert ask("GET", f"/services/{service['id']}").json()["service"]["status"] == "active"
    over = ask("DELETE", where)
    assert (over.status_code, over.json()["error"]["code"]) == (405, 5003)
    assert ask("PUT", where, {"maintenance_window": {"description": "x"}}).status_code == 405


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_time", "soon"),
        ("end_time", "2020-01-01T00:00:00Z"),
        ("services", []),
        ("end_time", "2999-01-01T00:00:00Z"),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_name(ask: PagerDuty, policy: Any, field: str, value: object) -> None:
    service = ask("POST", "/services", service_body(policy)).json()["service"]
    now = clock.now()
    body = {
        "start_time": now.isoformat(),
        "end_time": (now + timedelta(hours=1)).isoformat(),
        "services": [{"id": service["id"], "type": "service_reference"}],
    } | {field: value}
    answer = ask("POST", "/maintenance_windows", {"maintenance_window": body})
    assert (answer.status_code, told(answer)[0].split(":")[0]) == (400, field)
