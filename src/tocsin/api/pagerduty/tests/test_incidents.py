"""Incidents through PagerDuty's REST API: what clients send, what they read, and the codes they look at."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.world import World, world
from tocsin.incidents import actions, queries
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def pd() -> World:
    return world()


def test_an_incident_has_what_clients_read(pd: World) -> None:
    made = pd.declare(urgency="high", incident_key="key-1", body={"type": "incident_body", "details": "Nobody can pay"})
    number = made["incident_number"]
    assert made["id"] == ids.write("incident", number)
    assert (made["type"], made["status"], made["urgency"]) == ("incident", "triggered", "high")
    assert made["summary"] == f"[#{number}] Shop is down"
    assert made["self"] == f"http://testserver/pd/incidents/{made['id']}"
    assert made["html_url"] == f"http://testserver/incidents/{number}/"
    assert made["incident_key"] == "key-1"
    assert made["body"] == {"type": "incident_body", "details": "Nobody can pay"}
    assert made["service"]["summary"] == "Checkout"
    assert made["escalation_policy"]["summary"] == "Payments"
    assert [team["summary"] for team in made["teams"]] == ["Payments"]
    assert [one["assignee"]["summary"] for one in made["assignments"]] == ["Alice"]
    assert made["assigned_via"] == "escalation_policy"
    assert [one["type"] for one in made["pending_actions"]] == ["escalate"]
    assert made["priority"]["name"] == "P1"
    assert made["first_trigger_log_entry"]["type"] == "trigger_log_entry_reference"
    assert made["last_status_change_by"]["summary"] == "Alice"
    assert made["alert_counts"] == {"all": 0, "triggered": 0, "resolved": 0}
    assert made["is_mergeable"] is True
    assert made["created_at"].endswith("Z")
    assert "." not in made["created_at"]
    by_number = pd.do("GET", f"/incidents/{number}")["incident"]
    assert by_number["id"] == made["id"]


def test_its_life_in_status(pd: World) -> None:
    made = pd.declare()
    taken = pd.put(made, status="acknowledged")
    assert taken["status"] == "acknowledged"
    assert [one["acknowledger"]["summary"] for one in taken["acknowledgements"]] == ["Alice"]
    assert pd.put(made, status="acknowledged")["status"] == "acknowledged"
    assert pd.put(made, status="triggered")["status"] == "triggered"
    ended = pd.put(made, status="resolved", resolution="Restarted")
    assert (ended["status"], ended["assignments"], ended["pending_actions"]) == ("resolved", [], [])
    assert ended["resolved_at"] is not None
    path, body = f"/incidents/{made['id']}", {"incident": {"type": "incident", "status": "resolved"}}
    assert pd.refused("PUT", path, body) == (1001, ["Incident Already Resolved"])
    body["incident"]["status"] = "acknowledged"
    assert pd.refused("PUT", path, body)[0] == 1001
    assert pd.put(made, status="triggered")["status"] == "triggered"
    [note] = [one for one in pd.do("GET", f"{path}/log_entries")["log_entries"] if one["type"] == "resolve_log_entry"]
    assert note["note"] == "Restarted"


def test_an_open_incident_keeps_its_key_to_itself(pd: World) -> None:
    first = pd.declare(incident_key="one")
    body = {"incident": {"type": "incident", "title": "Again", "service": pd.service(), "incident_key": "one"}}
    code, errors = pd.refused("POST", "/incidents", body)
    assert (code, errors) == (2001, ["Open incident with matching dedup key already exists on this service"])
    assert [one["id"] for one in pd.do("GET", "/incidents?incident_key=one")["incidents"]] == [first["id"]]
    pd.put(first, status="resolved")
    second = pd.declare(incident_key="one")
    pd.put(first, status="triggered")  # both are open now: the first one has given the key away, not its name
    assert second["incident_key"] == "one"
    assert len(pd.do("GET", "/incidents?incident_key=one")["incidents"]) == 2


@pytest.mark.parametrize("urgency", ["high", "low"])
@pytest.mark.parametrize("impact", ["high", "medium", "low"])
def test_an_urgency_that_was_given_is_read_back(pd: World, impact: str, urgency: str) -> None:
    pd.company.service.impact = impact
    pd.company.service.save()
    made = pd.declare(urgency=urgency)
    assert made["urgency"] == urgency
    other = "low" if urgency == "high" else "high"
    assert pd.put(made, urgency=other)["urgency"] == other
    assert pd.put(made, urgency=other)["urgency"] == other


def test_a_priority_is_set_and_taken_back(pd: World) -> None:
    [p1, *_, p4, _] = pd.do("GET", "/priorities")["priorities"]
    made = pd.declare(priority={"id": p4["id"], "type": "priority_reference"})
    assert (made["priority"]["name"], made["urgency"]) == ("P4", "low")
    assert pd.put(made, priority={"id": p1["id"], "type": "priority"})["priority"]["name"] == "P1"
    made = pd.put(made, priority=p4["id"])
    assert made["priority"]["name"] == "P4"
    assert pd.put(made, priority=None)["priority"]["name"] == "P1"
    wrong = {"incident": {"type": "incident", "priority": {"id": "QNONE", "type": "priority"}}}
    assert pd.refused("PUT", f"/incidents/{made['id']}", wrong)[0] == 1020


def test_assignments_page_those_people(pd: World) -> None:
    made = pd.declare(assignments=[{"assignee": pd.user(pd.company.bob)}])
    assert [one["assignee"]["summary"] for one in made["assignments"]] == ["Bob"]
    assert made["assigned_via"] == "direct_assignment"
    paged = [entry.data["users"] for entry in queries.timeline(SYSTEM, made["incident_number"], kinds=["paged"])]
    assert paged == [[pd.company.bob.pk]]  # and not the policy's Alice
    made = pd.put(made, assignments=[{"assignee": pd.user(pd.company.alice)}])
    assert [one["assignee"]["summary"] for one in made["assignments"]] == ["Alice"]
    nobody = {"incident": {"type": "incident", "assignments": [{"assignee": {"id": ids.write("user", 9999)}}]}}
    assert pd.refused("PUT", f"/incidents/{made['id']}", nobody)[0] == 1007


def test_an_escalation_level_pages_that_step(pd: World) -> None:
    made = pd.put(pd.declare(), escalation_level=2)
    assert [one["assignee"]["summary"] for one in made["assignments"]][-1] == "Bob"
    body = {"incident": {"type": "incident", "escalation_level": 3}}
    assert pd.refused("PUT", f"/incidents/{made['id']}", body)[0] == 1006


def test_only_the_services_policy_is_taken(pd: World) -> None:
    own = {"id": ids.write("escalation_policy", pd.company.policy.pk), "type": "escalation_policy_reference"}
    made = pd.declare(escalation_policy=own)
    other = {"incident": {"type": "incident", "escalation_policy": own | {"id": ids.write("escalation_policy", 99)}}}
    assert pd.refused("PUT", f"/incidents/{made['id']}", other)[0] == 1014
    both = {"title": "x", "service": pd.service(), "escalation_policy": own, "assignments": [{"assignee": {}}]}
    assert pd.refused("POST", "/incidents", {"incident": both})[0] == 2001


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"title": ""}, 2001),
        ({"title": 5}, 2001),
        ({"title": "x" * 1025}, 2001),
        ({"service": None}, 2001),
        ({"service": {"id": "P123456"}}, 2001),
        ({"urgency": "urgent"}, 2001),
        ({"incident_key": "x" * 256}, 2001),
        ({"body": {"details": {"a": 1}}}, 2001),
        ({"assignments": "Bob"}, 2001),
    ],
)
def test_what_makes_no_incident(pd: World, given: dict[str, Any], code: int) -> None:
    body = {"incident": {"type": "incident", "title": "x", "service": pd.service()} | given}
    assert pd.refused("POST", "/incidents", body)[0] == code
    assert not queries.incidents(SYSTEM).exists()


def test_many_are_updated_at_once_or_none(pd: World) -> None:
    first, second = pd.declare("One"), pd.declare("Two")
    body = {"incidents": [{"id": one["id"], "type": "incident", "status": "acknowledged"} for one in (second, first)]}
    told = pd.do("PUT", "/incidents", body)["incidents"]
    assert [(one["title"], one["status"]) for one in told] == [("Two", "acknowledged"), ("One", "acknowledged")]
    pd.put(first, status="resolved")
    assert pd.refused("PUT", "/incidents", body)[0] == 1001
    body["incidents"] = [{"id": one["id"], "type": "incident", "status": "resolved"} for one in (first, second)]
    assert [one["status"] for one in pd.do("PUT", "/incidents", body)["incidents"]] == ["resolved", "resolved"]
    body["incidents"] = [{"id": first["id"]}] * 251
    assert pd.refused("PUT", "/incidents", body, status=413)[0] == 2001
    body["incidents"] = [{"id": ids.write("incident", 12345), "status": "resolved"}]
    assert pd.refused("PUT", "/incidents", body, status=404)[0] == 2100


def test_merging(pd: World) -> None:
    target, source = pd.declare("Target"), pd.declare("Source")
    reference = [{"id": source["id"], "type": "incident_reference"}]
    told = pd.do("PUT", f"/incidents/{target['id']}/merge", {"source_incidents": reference})["incident"]
    assert told["id"] == target["id"]
    merged = pd.do("GET", f"/incidents/{source['id']}")["incident"]
    assert merged["status"] == "resolved"
    assert merged["resolve_reason"]["type"] == "merge_resolve_reason"
    assert merged["resolve_reason"]["incident"]["id"] == target["id"]
    path = f"/incidents/{target['id']}/merge"
    assert pd.refused("PUT", path, {"source_incidents": reference})[0] == 1019
    pd.put(target, status="resolved")
    assert pd.refused("PUT", path, {"source_incidents": reference})[0] == 1001


def test_snoozing_is_201_and_has_its_end(pd: World) -> None:
    made = pd.declare()
    path = f"/incidents/{made['id']}/snooze"
    told = pd.do("POST", path, {"duration": 604_800}, status=201)["incident"]
    assert told["status"] == "acknowledged"
    assert [one["type"] for one in told["pending_actions"]] == ["unacknowledge"]
    for duration in (0, 604_801, "soon", None, True):
        assert pd.refused("POST", path, {"duration": duration})[0] == 1013
    pd.put(made, status="resolved")
    assert pd.refused("POST", path, {"duration": 60})[0] == 1001


def test_lists_are_filtered_and_sorted(pd: World) -> None:
    loud, quiet = pd.declare("Loud"), pd.declare("Quiet", urgency="low")
    pd.put(loud, status="acknowledged")

    def titles(query: str) -> list[str]:
        return [one["title"] for one in pd.do("GET", f"/incidents?{query}")["incidents"]]

    assert titles("") == ["Loud", "Quiet"]
    assert titles("statuses[]=acknowledged") == ["Loud"]
    assert titles("statuses%5B%5D=triggered&statuses%5B%5D=resolved") == ["Quiet"]
    assert titles("urgencies[]=low") == ["Quiet"]
    assert titles("sort_by=created_at:desc") == ["Quiet", "Loud"]
    assert titles("sort_by=urgency:desc,incident_number:asc") == ["Quiet", "Loud"]
    assert titles(f"service_ids[]={pd.service()['id']}") == ["Loud", "Quiet"]
    assert titles(f"service_ids[]={ids.write('service', 999)}") == []
    assert titles(f"team_ids[]={ids.write('team', pd.company.team.pk)}&limit=1") == ["Loud"]
    assert titles(f"user_ids[]={ids.write('user', pd.company.alice.pk)}") == ["Loud", "Quiet"]
    assert titles(f"user_ids[]={ids.write('user', pd.company.bob.pk)}") == []
    assert titles("since=2020-01-01&until=2020-02-01") == []
    assert titles("since=2020-01-01&until=2020-02-01&date_range=all") == ["Loud", "Quiet"]
    assert pd.refused("GET", "/incidents?since=2020-02-01&until=2020-01-01")[0] == 2005
    assert pd.refused("GET", "/incidents?since=yesterday")[0] == 2004
    assert pd.refused("GET", "/incidents?statuses[]=open")[0] == 1003
    assert pd.refused("GET", "/incidents?sort_by=color")[0] == 2002
    assert pd.refused("GET", "/incidents?time_zone=Moon/Base")[0] == 2001
    told = pd.do("GET", f"/incidents/{quiet['id']}?time_zone=Asia/Tokyo")["incident"]
    assert told["created_at"].endswith("+09:00")


def test_the_usual_window_is_a_month_and_what_is_open(pd: World) -> None:
    old, over = pd.declare("Old"), pd.declare("Over")
    pd.put(over, status="resolved")
    queries.incidents(SYSTEM).order_by().update(opened_at=clock.now() - timedelta(days=40))
    assert [one["id"] for one in pd.do("GET", "/incidents")["incidents"]] == [old["id"]]
    assert len(pd.do("GET", "/incidents?date_range=all")["incidents"]) == 2
    assert pd.do("GET", "/incidents?date_range=all&total=true")["total"] == 2


def test_include_gives_more_than_references(pd: World) -> None:
    made = pd.put(pd.declare(), status="acknowledged")
    names = "users services teams escalation_policies first_trigger_log_entries acknowledgers body custom_fields"
    query = "&".join(f"include[]={name}" for name in names.split())
    told = pd.do("GET", f"/incidents/{made['id']}?{query}")["incident"]
    assert told["acknowledgements"][0]["acknowledger"]["email"] == "alice@example.org"
    assert told["acknowledgements"][0]["acknowledger"]["type"] == "user"
    assert (told["service"]["type"], told["service"]["name"]) == ("service", "Checkout")
    assert told["teams"][0]["name"] == "Payments"
    assert told["escalation_policy"]["name"] == "Payments"
    assert told["first_trigger_log_entry"]["agent"]["summary"] == "Alice"
    assert (told["body"]["details"], told["custom_fields"]) == ("", [])


def test_a_page_takes_as_many_queries_as_one(pd: World) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            pd.do("GET", "/incidents?limit=100&include[]=users&include[]=services&total=true")
        return len(asked)

    def fill(number: int) -> None:
        for index in range(number):
            one = pd.declare(f"Incident {index}", incident_key=f"k{number}-{index}")
            if index % 2:
                pd.put(one, status="acknowledged")
            target = {"responder_request_target": pd.user(pd.company.bob)}
            body = {"message": "help", "responder_request_targets": [target]}
            pd.do("POST", f"/incidents/{one['id']}/responder_requests", body)

    fill(2)
    few = count()
    fill(10)
    assert count() == few


def test_a_confidential_incident_is_not_there_for_others(pd: World) -> None:
    made = pd.declare("Secret")
    pd.do("POST", f"/incidents/{made['id']}/notes", {"note": {"content": "Quiet"}})
    actions.make_confidential([made["incident_number"]], actor=pd.company.actor)
    [entry] = pd.do("GET", f"/incidents/{made['id']}/log_entries?limit=1")["log_entries"]
    bob = pd.of(pd.company.bob)
    path = f"/incidents/{made['id']}"
    assert pd.do("GET", path)["incident"]["title"] == "Secret"
    assert bob("GET", "/incidents?date_range=all").json()["incidents"] == []
    assert bob("GET", "/log_entries").json()["log_entries"] == []
    assert bob("GET", f"/log_entries/{entry['id']}").status_code == 404
    for part in ("", "/notes", "/alerts", "/log_entries", "/related_change_events", "/custom_fields/values"):
        assert bob("GET", f"{path}{part}").status_code == 404, part
    for method, part, body in (
        ("PUT", "", {"incident": {"status": "resolved"}}),
        ("POST", "/notes", {"note": {"content": "x"}}),
        ("POST", "/snooze", {"duration": 60}),
        ("POST", "/status_updates", {"message": "x"}),
        ("PUT", "/merge", {"source_incidents": [{"id": made["id"]}]}),
    ):
        assert bob(method, f"{path}{part}", body).status_code == 404, part
    many = {"incidents": [{"id": made["id"], "status": "resolved"}]}
    assert bob("PUT", "/incidents", many).status_code == 404


def test_merging_into_a_secret_does_not_tell_its_title(pd: World) -> None:
    target, source = pd.declare("Very secret"), pd.declare("Open")
    pd.do("PUT", f"/incidents/{target['id']}/merge", {"source_incidents": [{"id": source["id"]}]})
    actions.make_confidential([target["incident_number"]], actor=pd.company.actor)
    answer = pd.of(pd.company.bob)("GET", f"/incidents/{source['id']}")
    assert answer.status_code == 200
    assert b"Very secret" not in answer.content


def test_who_may_only_read_changes_nothing(pd: World) -> None:
    made = pd.declare()
    reader = pd.of(pd.company.bob, "read")
    body = {"incident": {"type": "incident", "status": "resolved"}}
    answer = reader("PUT", f"/incidents/{made['id']}", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 2010)
    assert reader("GET", f"/incidents/{made['id']}").status_code == 200


def test_an_admins_key_acts_for_the_person_in_from(pd: World) -> None:
    made = pd.declare()
    body = {"incident": {"type": "incident", "status": "acknowledged"}}
    told = pd.do("PUT", f"/incidents/{made['id']}", body, From="bob@example.org")["incident"]
    assert [one["acknowledger"]["summary"] for one in told["acknowledgements"]] == ["Bob"]
