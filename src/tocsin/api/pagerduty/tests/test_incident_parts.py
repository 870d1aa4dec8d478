"""What belongs to incidents: notes, status updates, alerts, log entries, responders, changes, notifications."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.log_entries import OVERVIEW, TYPES
from tocsin.api.pagerduty.tests.world import World, world
from tocsin.catalogue.models import Change, Dependency, Service
from tocsin.incidents import queries
from tocsin.incidents.pages.words import KINDS
from tocsin.people.models import ContactMethod, NotificationRule
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage import queries as alerts
from tocsin.triage.tests.world import arrive

pytestmark = pytest.mark.django_db


@pytest.fixture
def pd() -> World:
    return world()


# --- notes and status updates -------------------------------------------------------------------------------------


def test_a_note_is_200_and_listed(pd: World) -> None:
    path = f"/incidents/{pd.declare()['id']}/notes"
    note = pd.do("POST", path, {"note": {"content": "Looking"}})["note"]
    assert (note["content"], note["user"]["summary"]) == ("Looking", "Alice")
    assert ids.read("note", note["id"]) is not None
    pd.do("POST", path, {"note": {"content": "Found it"}})
    assert [one["content"] for one in pd.do("GET", path)["notes"]] == ["Found it", "Looking"]
    wrong: tuple[object, ...] = ({}, {"note": {}}, {"note": {"content": " "}}, {"note": "x"})
    for given in (*wrong, {"note": {"content": "x" * 20_001}}):
        assert pd.refused("POST", path, given)[0] == 2001


def test_notes_cannot_be_changed(pd: World) -> None:
    path = f"/incidents/{pd.declare()['id']}/notes"
    note = pd.do("POST", path, {"note": {"content": "Looking"}})["note"]
    assert pd.ask("PUT", f"{path}/{note['id']}", {"note": {"content": "x"}}).status_code == 404
    assert pd.ask("DELETE", f"{path}/{note['id']}").status_code == 404


def test_a_status_update_stands_on_the_timeline(pd: World) -> None:
    made = pd.declare()
    path = f"/incidents/{made['id']}/status_updates"
    told = pd.do("POST", path, {"message": "Half of it works", "subject": "Shop"})["status_update"]
    assert (told["message"], told["subject"], told["sender"]["summary"]) == ("Half of it works", "Shop", "Alice")
    [entry] = queries.timeline(SYSTEM, made["incident_number"], kinds=["status_update"])
    assert entry.data == {"text": "Half of it works", "subject": "Shop"}
    assert queries.verify_timeline(made["incident_number"]) == []
    assert pd.refused("POST", path, {"subject": "x"})[0] == 2001
    assert pd.refused("POST", path, {"message": "x", "subject": "x" * 501})[0] == 2001


# --- alerts -------------------------------------------------------------------------------------------------------


def test_alerts_of_an_incident(pd: World) -> None:
    pd.company.service.grouping = {"by": "service"}
    pd.company.service.save()
    link = {"href": "https://wiki.example/disk", "text": "Disk"}
    made = pd.alert(
        {"dedup_key": "disk", "title": "Disk full", "details": {"free": "1 %"}, "links": [link]},
        {"dedup_key": "cpu", "title": "CPU hot", "severity": "warning"},
    )
    assert made["incident_key"] == "disk"
    assert made["alert_counts"] == {"all": 2, "triggered": 2, "resolved": 0}
    path = f"/incidents/{made['id']}/alerts"
    disk, cpu = pd.do("GET", path)["alerts"]
    assert (disk["alert_key"], disk["severity"], disk["status"]) == ("disk", "critical", "triggered")
    assert disk["body"]["details"] == {"free": "1 %"}
    assert disk["body"]["contexts"] == [{"type": "link"} | link]
    assert disk["integration"]["summary"] == "Prometheus"
    assert disk["self"].endswith(f"{path}/{disk['id']}")
    assert [one["id"] for one in pd.do("GET", f"{path}?alert_key=cpu")["alerts"]] == [cpu["id"]]
    assert [one["id"] for one in pd.do("GET", f"{path}?sort_by=created_at:desc")["alerts"]] == [cpu["id"], disk["id"]]

    body = {"alert": {"type": "alert", "status": "resolved"}}
    assert pd.do("PUT", f"{path}/{disk['id']}", body)["alert"]["status"] == "resolved"
    assert [one["id"] for one in pd.do("GET", f"{path}?statuses[]=resolved")["alerts"]] == [disk["id"]]
    assert pd.do("GET", f"/incidents/{made['id']}")["incident"]["status"] == "triggered"
    again = {"alert": {"type": "alert", "status": "triggered"}}
    assert pd.refused("PUT", f"{path}/{disk['id']}", again)[0] == 1001
    many = {"alerts": [{"id": cpu["id"], "type": "alert", "status": "resolved"}]}
    assert [one["status"] for one in pd.do("PUT", path, many)["alerts"]] == ["resolved"]
    ended = pd.do("GET", f"/incidents/{made['id']}")["incident"]
    assert (ended["status"], ended["alert_counts"]["resolved"]) == ("resolved", 2)
    assert queries.verify_timeline(made["incident_number"]) == []


def test_an_ended_alert_comes_back_as_a_new_condition(pd: World) -> None:
    made = pd.alert({"dedup_key": "disk"})
    [alert] = pd.do("GET", f"/incidents/{made['id']}/alerts")["alerts"]
    body = {"alert": {"type": "alert", "status": "resolved"}}
    pd.do("PUT", f"/incidents/{made['id']}/alerts/{alert['id']}", body)
    assert pd.alert({"dedup_key": "disk"})["id"] != made["id"]


def test_an_alert_moves_to_another_incident(pd: World) -> None:
    made, other = pd.alert({"dedup_key": "disk"}), pd.declare("Other")
    [alert] = pd.do("GET", f"/incidents/{made['id']}/alerts")["alerts"]
    to = {"id": other["id"], "type": "incident_reference"}
    path = f"/incidents/{made['id']}/alerts/{alert['id']}"
    moved = pd.do("PUT", path, {"alert": {"type": "alert", "incident": to}})["alert"]
    assert moved["incident"]["id"] == other["id"]
    assert pd.ask("GET", path).status_code == 404
    assert pd.do("GET", f"/incidents/{other['id']}")["incident"]["alert_counts"]["triggered"] == 1
    arrive(pd.company.source, {"dedup_key": "disk", "action": "resolve"})
    triage.absorb()
    assert pd.do("GET", f"/incidents/{other['id']}")["incident"]["status"] == "resolved"
    late = pd.alert({"dedup_key": "late"})
    [one] = pd.do("GET", f"/incidents/{late['id']}/alerts")["alerts"]
    body = {"alert": {"type": "alert", "incident": to}}
    assert pd.refused("PUT", f"/incidents/{late['id']}/alerts/{one['id']}", body)[0] == 2001


def test_alerts_that_are_not_there(pd: World) -> None:
    made, other = pd.alert({"dedup_key": "disk"}), pd.alert({"dedup_key": "cpu"})
    [foreign] = pd.do("GET", f"/incidents/{other['id']}/alerts")["alerts"]
    path = f"/incidents/{made['id']}/alerts"
    many = {"alerts": [{"id": foreign["id"], "type": "alert", "status": "resolved"}]}
    assert pd.refused("PUT", path, many, status=404)[0] == 2100
    assert pd.refused("GET", f"{path}/{foreign['id']}", status=404)[0] == 2100
    assert pd.refused("GET", f"{path}/x", status=404)[0] == 2100
    assert pd.refused("GET", f"{path}?statuses[]=open")[0] == 1003
    assert alerts.alerts(SYSTEM, state=["open"]).count() == 2


# --- log entries --------------------------------------------------------------------------------------------------


def test_log_entries_tell_the_timeline_in_their_kinds(pd: World) -> None:
    made = pd.declare("Shop is down", body={"details": "Nobody can pay"})
    pd.put(made, status="acknowledged")
    pd.do("POST", f"/incidents/{made['id']}/notes", {"note": {"content": "Looking"}})
    pd.put(made, urgency="low", title="Shop is slow")
    pd.do("POST", f"/incidents/{made['id']}/snooze", {"duration": 60}, status=201)
    pd.put(made, assignments=[{"assignee": pd.user(pd.company.bob)}])
    pd.put(made, status="resolved")
    path = f"/incidents/{made['id']}/log_entries"
    found = pd.do("GET", f"{path}?include[]=channels")["log_entries"]
    kinds = [one["type"].removesuffix("_log_entry") for one in reversed(found)]
    assert kinds == [
        "trigger", "assign", "acknowledge", "annotate", "field_value_change", "urgency_change", "snooze", "assign",
        "assign", "resolve",
    ]  # fmt: skip
    first = found[-1]
    assert first["channel"]["details"] == "Nobody can pay"
    assert first["channel"]["type"] == "api"
    assert first["agent"]["summary"] == "Alice"
    assert first["incident"]["id"] == made["id"]
    assert found[-4]["channel"]["summary"] == "Looking"
    assert found[-7]["changed_actions"][0]["type"] == "unacknowledge"
    one = pd.do("GET", f"/log_entries/{found[0]['id']}?include[]=incidents&include[]=services")["log_entry"]
    assert (one["incident"]["type"], one["incident"]["status"]) == ("incident", "resolved")
    assert one["service"]["name"] == "Checkout"
    assert [one["id"] for one in pd.do("GET", "/log_entries")["log_entries"]] == [one["id"] for one in found]
    assert pd.do("GET", f"/log_entries?team_ids[]={ids.write('team', 99)}")["log_entries"] == []
    assert pd.do("GET", "/log_entries?until=2020-01-01")["log_entries"] == []
    assert pd.refused("GET", "/log_entries/QNOTHING", status=404)[0] == 2100
    overview = pd.do("GET", f"{path}?is_overview=true")["log_entries"]
    assert len(overview) == len(found)


def test_every_kind_of_the_timeline_is_known(pd: World) -> None:
    assert set(TYPES) <= set(KINDS)
    assert set(OVERVIEW) <= set(KINDS)


def test_log_entries_take_a_constant_number_of_queries(pd: World) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            pd.do("GET", "/log_entries?limit=100&include[]=incidents&include[]=teams&include[]=services")
        return len(asked)

    pd.put(pd.declare(), assignments=[{"assignee": pd.user(pd.company.bob)}])
    few = count()
    for _ in range(6):
        pd.put(pd.declare(), assignments=[{"assignee": pd.user(pd.company.bob)}], status="resolved")
    assert count() == few


# --- responders ---------------------------------------------------------------------------------------------------


def test_responders_are_paged_by_hand(pd: World) -> None:
    made = pd.declare()
    path = f"/incidents/{made['id']}/responder_requests"
    policy = {"id": ids.write("escalation_policy", pd.company.policy.pk), "type": "escalation_policy_reference"}
    targets = [{"responder_request_target": one} for one in (pd.user(pd.company.bob), policy)]
    body = {
        "requester_id": pd.user(pd.company.alice)["id"], "message": "Help", "responder_request_targets": targets
    }  # fmt: skip
    told = pd.do("POST", path, body)["responder_request"]
    assert told["message"] == "Help"
    paged = [one["responder_request_target"]["summary"] for one in told["responder_request_targets"]]
    assert paged == ["Bob", "Alice"]
    shown = pd.do("GET", f"/incidents/{made['id']}")["incident"]
    assert [one["user"]["summary"] for one in shown["incidents_responders"]] == ["Bob", "Alice"]
    assert shown["responder_requests"][0]["id"] == told["id"]
    wrong = body | {"responder_request_targets": [{"responder_request_target": {"id": "Q1", "type": "team_reference"}}]}
    assert pd.refused("POST", path, wrong)[0] == 2001
    nobody = [{"responder_request_target": {"id": ids.write("user", 99), "type": "user_reference"}}]
    assert pd.refused("POST", path, body | {"responder_request_targets": nobody})[0] == 2013
    none = [{"responder_request_target": policy | {"id": ids.write("escalation_policy", 99)}}]
    assert pd.refused("POST", path, body | {"responder_request_targets": none})[0] == 1014
    assert pd.refused("POST", path, body | {"message": ""})[0] == 2001
    assert pd.refused("POST", path, body | {"requester_id": ids.write("user", 99)})[0] == 1008
    pd.put(made, status="resolved")
    assert pd.refused("POST", path, body)[0] == 1001


def test_responders_are_called_off(pd: World) -> None:
    bob = pd.company.bob
    email = ContactMethod.objects.create(user=bob, channel="email", address=bob.email, verified_at=clock.now())
    NotificationRule.objects.create(user=bob, contact_method=email, urgency="high", position=1, delay_s=600)
    made = pd.declare()
    path = f"/incidents/{made['id']}/responder_requests"
    pd.do("POST", path, {"message": "Help", "responder_request_targets": [{"responder_request_target": pd.user(bob)}]})
    alice = pd.user(pd.company.alice)
    targets = [{"responder_request_target": pd.user(bob)}, {"responder_request_target": alice}]
    told = pd.do("PUT", f"{path}/cancel", {"requester_id": alice["id"], "responder_request_targets": targets})
    results = [(one["id"], one["result"]) for one in told["responder_request_targets"]]
    assert results == [(pd.user(bob)["id"], "cancelled"), (alice["id"], "not_found")]
    [late] = [one for one in pd.deliveries(made) if one.channel == "email"]
    assert (late.state, late.reason) == ("dropped", "called off")
    # the policy's own page of Alice, who was not asked by hand, goes on
    assert [one.state for one in pd.deliveries(made) if one.user_id == pd.company.alice.pk] == ["pending"]
    shown = pd.do("GET", f"/incidents/{made['id']}")["incident"]
    assert [one["state"] for one in shown["incidents_responders"]] == ["cancelled"]
    pd.do("POST", path, {"message": "Help", "responder_request_targets": [{"responder_request_target": pd.user(bob)}]})
    shown = pd.do("GET", f"/incidents/{made['id']}")["incident"]
    assert shown["incidents_responders"][-1]["state"] == "pending"


# --- changes ------------------------------------------------------------------------------------------------------


def test_changes_are_listed_and_related(pd: World) -> None:
    now = clock.now()
    base = Service.objects.create(name="Database", slug="database", created_at=now)
    Dependency.objects.create(service=pd.company.service, needs=base)
    made = pd.declare()
    before = now - timedelta(hours=1)
    own = Change.objects.create(
        service=pd.company.service, at=before, summary="Deploy 1", origin="ci", links=[{"href": "https://ci.example"}]
    )
    needed = Change.objects.create(service=base, at=before - timedelta(minutes=1), summary="Upgrade")
    Change.objects.create(service=base, at=before - timedelta(days=2), summary="Long ago")
    path = f"/incidents/{made['id']}/related_change_events"
    related = pd.do("GET", path)["change_events"]
    assert [one["id"] for one in related] == [ids.write("change_event", own.pk), ids.write("change_event", needed.pk)]
    assert [one["correlation_reason"]["reason"] for one in related] == ["most_recent", "related_service"]
    one = pd.do("GET", f"/change_events/{related[0]['id']}")["change_event"]
    assert (one["summary"], one["source"], one["links"][0]["href"]) == ("Deploy 1", "ci", "https://ci.example")
    assert next(one["summary"] for one in pd.do("GET", "/change_events")["change_events"]) == "Deploy 1"
    assert len(pd.do("GET", f"/services/{pd.service()['id']}/change_events")["change_events"]) == 1
    assert len(pd.do("GET", f"/change_events?until={(now - timedelta(days=1)).date()}")["change_events"]) == 1
    assert pd.refused("GET", "/change_events/QNOTHING", status=404)[0] == 2100
    assert pd.refused("GET", f"/services/{ids.write('service', 99)}/change_events", status=404)[0] == 2100


# --- the rest -----------------------------------------------------------------------------------------------------


def test_what_does_not_exist_here_is_an_empty_list(pd: World) -> None:
    path = f"/incidents/{pd.declare()['id']}"
    assert pd.do("GET", f"{path}/past_incidents")["past_incidents"] == []
    assert pd.do("GET", f"{path}/past_incidents")["more"] is False
    assert pd.do("GET", f"{path}/related_incidents") == {"related_incidents": []}
    assert pd.do("GET", f"{path}/outlier_incident") == {"outlier_incident": None}
    assert pd.do("GET", f"{path}/custom_fields/values") == {"custom_fields": []}
    assert pd.refused("GET", "/incidents/99999/past_incidents", status=404)[0] == 2100


def test_notifications_are_deliveries(pd: World) -> None:
    pd.declare()
    now = clock.now()
    window = f"since={(now - timedelta(days=1)).date()}&until={(now + timedelta(days=1)).date()}"
    [one] = pd.do("GET", f"/notifications?{window}&include[]=users")["notifications"]
    assert (one["type"], one["user"]["email"], one["address"]) == ("push_notification", "alice@example.org", "pocket")
    assert pd.do("GET", f"/notifications?{window}&filter=sms_notification")["notifications"] == []
    hidden = pd.of(pd.company.bob)("GET", f"/notifications?{window}").json()["notifications"]
    assert hidden[0]["address"] == "po…"
    assert pd.refused("GET", "/notifications")[0] == 2003
    assert pd.refused("GET", "/notifications?since=2020-01-01&until=2021-01-01")[0] == 2005
    assert pd.refused("GET", f"/notifications?{window}&filter=pigeon")[0] == 2001
