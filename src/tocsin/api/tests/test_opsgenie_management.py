"""Opsgenie's management API as clients see it: what is written can be read again, what cannot be kept is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.opsgenie import windows
from tocsin.api.opsgenie.names import KINDS, made_id, number_of
from tocsin.api.tests.opsgenie import JSON, Genie, World, token_of, world
from tocsin.intake.models import Source
from tocsin.oncall import actions as oncall
from tocsin.oncall import queries as shifts
from tocsin.oncall.rules import minutes
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid
from tocsin.triage import actions as triage

pytestmark = pytest.mark.django_db


@pytest.fixture
def w(db: None) -> World:
    return world()


def rotation(w: World, name: str, *people: JSON, **more: Any) -> JSON:
    """A daily rotation of these people."""
    return {
        "name": name,
        "type": "daily",
        "startDate": "2026-01-05T09:00:00Z",
        "participants": list(people or [w.bob]),
        **more,
    }


def test_a_schedule_is_read_as_it_was_written(w: World) -> None:
    hours = {"type": "weekday-and-time-of-day",
             "restrictions": [{"startDay": "monday", "startHour": 9, "startMin": 0,
                               "endDay": "friday", "endHour": 17, "endMin": 30}]}  # fmt: skip
    night = {"type": "time-of-day", "restriction": {"startHour": 22, "startMin": 0, "endHour": 6, "endMin": 0}}
    sent = {
        "name": "Search rota",
        "description": "who looks after search",
        "timezone": "Europe/Zurich",
        "ownerTeam": {"name": "Payments"},
        "rotations": [
            rotation(w, "Week", w.bob, w.alice, type="weekly", length=2, timeRestriction=hours),
            rotation(w, "Night", w.alice, timeRestriction=night, endDate="2036-01-05T09:00:00Z"),
        ],
    }
    made = w.genie("POST", "/v2/schedules", sent, 201)["data"]
    found = w.genie.data("/v2/schedules/Search%20rota", identifierType="name")
    assert found == w.genie.data(f"/v2/schedules/{made['id']}")
    assert {name: found[name] for name in ("name", "description", "timezone", "enabled")} == {
        "name": "Search rota", "description": "who looks after search", "timezone": "Europe/Zurich", "enabled": True,
    }  # fmt: skip
    assert found["ownerTeam"]["name"] == "Payments"
    week, late = found["rotations"]
    assert (week["type"], week["length"], week["timeRestriction"]) == ("weekly", 2, hours)
    assert [one["username"] for one in week["participants"]] == [w.bob["username"], w.alice["username"]]
    assert (late["timeRestriction"], late["endDate"]) == (night, "2036-01-05T09:00:00.000Z")
    assert week["startDate"] == "2026-01-05T09:00:00.000Z"
    names = [one["name"] for one in w.genie.data("/v2/schedules")]
    assert names == ["Payments rota", "Search rota"]


def test_a_rotation_keeps_its_id_when_it_or_those_before_it_change(w: World) -> None:
    path = f"/v2/schedules/{w.ids['schedules']}/rotations"
    first, second = w.ids["rotations"], w.genie("POST", path, rotation(w, "Second", w.alice), 201)["data"]["id"]
    told = w.genie("PATCH", f"{path}/{second}", {"name": "Renamed", "participants": [w.bob]}, 200)
    assert (told["result"], told["data"]["id"]) == ("Updated", second)
    w.genie("DELETE", f"{path}/{first}", status=200)
    (left,) = w.genie.data(path)
    assert (left["id"], left["name"], left["type"]) == (second, "Renamed", "daily")
    assert w.genie.data(f"{path}/{second}")["_parent"]["name"] == "Payments rota"
    w.genie("GET", f"{path}/{first}", status=404)
    w.genie("DELETE", f"{path}/{first}", status=404)
    assert len(w.genie.data(path)) == 1, "the other rotation was not meant"


def test_rotations_run_beside_each_other_and_overrides_before_them(w: World) -> None:
    schedule = f"/v2/schedules/{w.ids['schedules']}"
    w.genie("POST", f"{schedule}/rotations", rotation(w, "Second", w.alice), 201)
    who = w.genie.data(f"{schedule}/on-calls", flat="true")
    assert sorted(who["onCallRecipients"]) == sorted([w.alice["username"], w.bob["username"]])
    people = w.genie.data(f"{schedule}/on-calls")["onCallParticipants"]
    assert {one["type"] for one in people} == {"user"}
    tomorrow = (clock.now() + timedelta(days=1, hours=1)).isoformat()
    covered = w.genie.data(f"{schedule}/on-calls", flat="true", date=tomorrow)["onCallRecipients"]
    assert covered == [w.alice["username"]]
    following = w.genie.data(f"{schedule}/next-on-calls")
    assert [one["name"] for one in following["exactNextOnCallRecipients"]] == [w.alice["username"]]
    flat = w.genie.data(f"{schedule}/next-on-calls", flat="true")
    assert flat["nextOnCallParticipants"] == [w.alice["username"]]
    everywhere = w.genie.data("/v2/schedules/on-calls", flat="true")
    assert [one["_parent"]["name"] for one in everywhere] == ["Payments rota"]

    line = w.genie.data(f"{schedule}/timeline", interval="3", intervalUnit="days", expand="base,override")
    kinds = {one["name"]: {period["type"] for period in one["periods"]} for one in line["finalTimeline"]["rotations"]}
    assert kinds["Overrides"] == {"override"}
    assert "default" in kinds["Second"]
    assert {one["name"] for one in line["baseTimeline"]["rotations"]} == {"Rotation 1", "Second"}
    (only,) = line["overrideTimeline"]["rotations"]
    assert only["periods"][0]["recipient"]["name"] == w.alice["username"]


def test_overrides_by_their_alias(w: World) -> None:
    path = f"/v2/schedules/{w.ids['schedules']}/overrides"
    (cover,) = w.genie.data(path)
    assert (cover["alias"], cover["user"]["username"]) == ("cover/1", w.alice["username"])
    again = {"alias": "cover/1", "user": w.bob, "startDate": cover["startDate"], "endDate": cover["endDate"]}
    assert "alias" in w.genie("POST", path, again, 409)["errors"]
    now = clock.now()
    moved = {"user": w.bob, "startDate": now.isoformat(), "endDate": (now + timedelta(hours=1)).isoformat()}
    w.genie("PUT", f"{path}/cover%2F1", moved, 200)
    assert w.genie.data(f"{path}/cover%2F1")["user"]["username"] == w.bob["username"]
    w.genie("DELETE", f"{path}/cover%2F1", status=200)
    w.genie("GET", f"{path}/cover%2F1", status=404)
    w.genie("POST", path, again, 201)  # the alias is free again
    nobody = w.genie("POST", path, {**moved, "user": {"type": "none"}}, 201)["data"]["alias"]
    assert nobody.startswith("override-")
    assert w.genie.data(f"{path}/{nobody}")["user"] == {"type": "none"}


def test_an_escalation_is_read_as_it_was_written(w: World) -> None:
    schedule = {"type": "schedule", "id": w.ids["schedules"]}
    team = {"type": "team", "name": "Payments"}

    def rule(recipient: JSON, minutes: int, notify: str = "default") -> JSON:
        delay = {"timeAmount": minutes, "timeUnit": "minutes"}
        return {"condition": "if-not-acked", "notifyType": notify, "delay": delay, "recipient": recipient}

    sent = {
        "name": "Search escalation",
        "ownerTeam": {"id": w.ids["teams"]},
        "rules": [rule(schedule, 0), rule(w.bob, 5), rule(team, 5, "admins"), rule(team, 20, "all")],
        "repeat": {"waitInterval": 10, "count": 2, "resetRecipientStates": True, "closeAlertAfterAll": False},
    }
    made = w.genie("POST", "/v2/escalations", sent, 201)["data"]
    path = f"/v2/escalations/{made['id']}"
    found = w.genie.data(path)
    assert [one["delay"]["timeAmount"] for one in found["rules"]] == [0, 5, 5, 20]
    assert [one["recipient"]["type"] for one in found["rules"]] == ["schedule", "user", "team", "team"]
    assert found["rules"][2]["notifyType"] == "admins"
    assert (found["repeat"]["waitInterval"], found["repeat"]["count"]) == (10, 2)
    changed = {"rules": [rule(w.alice, 0)], "repeat": {"waitInterval": 0}, "description": "short"}
    w.genie("PATCH", path, changed, 200)
    found = w.genie.data(path)
    assert (len(found["rules"]), found["description"], "repeat" in found) == (1, "short", False)
    assert [one["name"] for one in w.genie.data(f"/v2/users/{w.ids['users']}/escalations")] == ["Payments"]
    w.genie("DELETE", path, status=200)
    w.genie("GET", path, status=404)


def test_people_and_their_contacts(w: World) -> None:
    eve = {"username": "eve@example.org", "fullName": "Eve", "role": {"name": "Observer"}, "timeZone": "Europe/Rome",
           "locale": "en_US"}  # fmt: skip
    made = w.genie("POST", "/v2/users", eve, 201)["data"]
    found = w.genie.data("/v2/users/eve@example.org", expand="contact")
    assert (found["id"], found["timeZone"], found["role"]["name"]) == (made["id"], "Europe/Rome", "Observer")
    assert [one["contactMethod"] for one in found["userContacts"]] == ["email"]
    w.genie("PATCH", f"/v2/users/{made['id']}", {"fullName": "Eve B", "role": {"id": "Admin"}}, 200)
    page = w.genie("GET", "/v2/users", status=200, limit="1", query="fullName: Eve")
    assert ([one["fullName"] for one in page["data"]], page["totalCount"]) == (["Eve B"], 1)
    assert set(w.genie("GET", "/v2/users", status=200, limit="1", offset="1")["paging"]) == {
        "first", "last", "prev", "next",
    }  # fmt: skip
    contacts = f"/v2/users/{made['id']}/contacts"
    phone = w.genie("POST", contacts, {"method": "voice", "to": "41-791234567"}, 201)["data"]["id"]
    assert w.genie.data(f"{contacts}/{phone}")["to"] == "41-791234567"
    w.genie("POST", f"{contacts}/{phone}/disable", status=200)
    assert w.genie.data(f"{contacts}/{phone}")["status"]["enabled"] is False
    w.genie("POST", f"{contacts}/{phone}/enable", status=200)
    w.genie("DELETE", f"{contacts}/{phone}", status=200)
    w.genie("DELETE", f"/v2/users/{made['id']}", status=200)
    assert not User.objects.filter(email="eve@example.org").exists()


def test_a_team_and_who_is_in_it(w: World) -> None:
    made = w.genie("POST", "/v2/teams", {"name": "Search", "members": [{"user": w.bob, "role": "admin"}]}, 201)["data"]
    path = f"/v2/teams/{made['id']}"
    w.genie("POST", f"{path}/members", {"user": w.alice}, 200)
    members = {one["user"]["username"]: one["role"] for one in w.genie.data(path)["members"]}
    assert members == {w.bob["username"]: "admin", w.alice["username"]: "user"}
    w.genie("DELETE", f"{path}/members/{w.alice['username']}", status=200)
    w.genie("DELETE", f"{path}/members/{w.alice['username']}", status=404)
    w.genie("PATCH", path, {"description": "finds"}, 200)
    found = w.genie.data("/v2/teams/search", identifierType="name")
    assert (found["description"], len(found["members"])) == ("finds", 1)
    assert {one["name"] for one in w.genie.data(f"/v2/users/{w.ids['users']}/teams")} == {"Payments", "Search"}


def test_a_heartbeat_that_is_missed_opens_what_it_was_told_to(w: World) -> None:
    beat = {"name": "backup", "description": "copies to tape", "interval": 1, "intervalUnit": "hours", "enabled": True,
            "alertMessage": "No backup", "alertPriority": "P2", "alertTags": ["tape", "db"],
            "ownerTeam": {"name": "Payments"}}  # fmt: skip
    made = w.genie("POST", "/v2/heartbeats", beat, 201)["data"]
    assert (made["description"], made["interval"], made["intervalUnit"]) == ("copies to tape", 1, "hours")
    source = Source.objects.get(name="backup")
    assert source.config == {
        "interval_s": 3600, "grace_s": 0, "description": "copies to tape", "message": "No backup", "priority": "P2",
        "tags": "tape,db",
    }  # fmt: skip
    w.genie("GET", "/v2/heartbeats/backup/ping", status=202)
    triage.absorb()
    assert "lastPingTime" in w.genie.data("/v2/heartbeats/backup")
    w.genie("POST", "/v2/heartbeats/backup/disable", status=200)
    w.genie("POST", "/v2/heartbeats/backup/ping", {}, 403)
    w.genie("PATCH", "/v2/heartbeats/backup", {"interval": 2, "intervalUnit": "days", "enabled": True}, 200)
    assert w.genie.data("/v2/heartbeats/backup")["interval"] == 2
    w.genie("DELETE", "/v2/heartbeats/backup", status=200)
    w.genie("GET", "/v2/heartbeats/backup", status=404)


def test_an_incident_is_declared_and_closed(w: World) -> None:
    sent = {"message": "Shop is down", "serviceId": w.ids["services"], "priority": "P1", "tags": ["x"], "note": "seen"}
    told = w.genie("POST", "/v1/incidents/create", sent, 202)
    status = w.genie.data(f"/v1/incidents/requests/{told['requestId']}")
    assert (status["success"], status["action"]) == (True, "Create")
    path = f"/v1/incidents/{status['incidentId']}"
    found = w.genie.data(path)
    assert (found["message"], found["priority"], found["status"]) == ("Shop is down", "P1", "open")
    w.genie("POST", f"{path}/close", {"note": "over"}, 202)
    assert w.genie.data(path)["status"] == "closed"
    again = w.genie("POST", f"{path}/close", {}, 202)
    assert w.genie.data(f"/v1/incidents/requests/{again['requestId']}")["success"] is False
    listed = w.genie.data("/v1/incidents", query="status: closed")
    assert [one["id"] for one in listed] == [status["incidentId"]]


def test_alerts_with_a_token_are_answered_in_the_persons_name(w: World) -> None:
    path = f"/v2/alerts/{w.ids['alerts']}"
    told = w.genie("POST", f"{path}/acknowledge", {}, 202)
    assert w.genie.data(f"/v2/alerts/requests/{told['requestId']}")["isSuccess"] is True
    found = w.genie.data(path)
    assert (found["acknowledged"], found["owner"]) == (True, w.alice["username"])
    told = w.genie("POST", "/v2/alerts/disk/close", {}, 202, identifierType="alias")
    triage.absorb()
    assert w.genie.data(f"/v2/alerts/requests/{told['requestId']}")["status"] == "Closed alert"
    assert w.genie.data(path)["status"] == "closed"
    Source.objects.filter(kind="opsgenie").update(enabled=False)
    assert "Authorization" in w.genie("POST", "/v2/alerts", {"message": "x"}, 422)["errors"]


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "/v2/schedules", {"name": "x", "enabled": False}, "enabled"),
        ("POST", "/v2/schedules", {"name": "x", "timezone": "Mars"}, "timezone"),
        ("POST", "/v2/schedules", {}, "name"),
        ("POST", "/v2/schedules", {"name": "x", "ownerTeam": {"name": "none"}}, "ownerTeam"),
        ("POST", "/v2/schedules", {"name": "x", "rotations": [{"type": "daily"}]}, "rotations.0.startDate"),
        ("POST", "{schedule}/rotations", {"type": "monthly", "startDate": "2026-01-05T09:00:00Z"}, "participants"),
        ("POST", "{schedule}/rotations",
         {"type": "daily", "startDate": "2026-01-05T09:00:00Z", "participants": [{"type": "team", "name": "Payments"}]},
         "participants.0.type"),
        ("POST", "{schedule}/overrides", {"user": {"type": "team", "id": "x"}}, "user.type"),
        ("POST", "{schedule}/overrides", {"user": {"username": "bob@example.org"}, "startDate": "soon"}, "startDate"),
        ("POST", "{schedule}/overrides", {"rotations": [{"id": "x"}]}, "rotations"),
        ("POST", "/v2/escalations", {"name": "x"}, "rules"),
        ("POST", "/v2/escalations", {"name": "x", "rules": [{"condition": "if-not-closed"}]}, "rules.0.condition"),
        ("POST", "/v2/escalations", {"name": "x", "repeat": {"closeAlertAfterAll": True}}, "repeat.closeAlertAfterAll"),
        ("POST", "/v2/teams", {"name": "x", "members": [{"user": {"username": "bob@example.org"}, "role": "boss"}]},
         "members.0.role"),
        ("POST", "/v2/teams", {"name": "Payments"}, "name"),
        ("POST", "/v2/users", {"username": "x@example.org", "fullName": "X", "role": {"name": "Pilot"}}, "role"),
        ("POST", "/v2/users", {"username": "x@example.org", "fullName": "X", "skypeUsername": "x"}, "skypeUsername"),
        ("POST", "/v2/users", {"username": "x@example.org", "fullName": "X", "locale": "de_CH"}, "locale"),
        ("POST", "/v2/users/bob@example.org/contacts", {"method": "mobile", "to": "x"}, "method"),
        ("POST", "/v2/users/bob@example.org/contacts", {"method": "sms", "to": "12"}, "to"),
        ("POST", "/v2/heartbeats", {"name": "x", "interval": 0, "intervalUnit": "minutes"}, "interval"),
        ("POST", "/v2/heartbeats", {"name": "x", "interval": 1, "intervalUnit": "years"}, "intervalUnit"),
        ("POST", "/v1/incidents/create", {"message": "x", "serviceId": "none"}, "serviceId"),
        ("POST", "/v1/incidents/create", {"message": "x", "responders": [{"type": "team"}]}, "responders"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_the_name_of_the_field(
    w: World, method: str, path: str, body: JSON, named: str
) -> None:
    problems = w.genie.problems(method, path.format(schedule=f"/v2/schedules/{w.ids['schedules']}"), body)
    assert named in problems, problems


def test_rules_are_not_written_over_what_opsgenie_cannot_say(w: World) -> None:
    w.company.policy.steps.update(when='incident.priority == "P1"')
    path = f"/v2/escalations/{w.ids['escalations']}"
    rule = {"condition": "if-not-acked", "delay": {"timeAmount": 0}, "recipient": w.bob}
    assert "rules" in w.genie.problems("PATCH", path, {"rules": [rule]})
    w.genie("PATCH", path, {"description": "kept"}, 200)
    assert set(w.company.policy.steps.values_list("when", flat=True)) == {'incident.priority == "P1"'}


def test_who_may_what(w: World) -> None:
    """A source's key manages nothing; a token does what its person and its scopes may."""
    source = Genie(w.key)
    for path in (
        "/v2/users",
        "/v2/schedules",
        "/v2/schedules/on-calls",
        "/v2/account",
        "/v1/incidents",
        "/v1/services",
    ):
        assert "Authorization" in source("GET", path, status=403)["errors"]
        Genie("")("GET", path, status=401)
        Genie("tocsin_wrong")("GET", path, status=401)
    source("POST", "/v2/heartbeats", {"name": "x"}, 403)
    source("DELETE", f"/v2/schedules/{w.ids['schedules']}", status=403)
    reader = Genie(token_of(w.company.alice, "read"))
    reader("GET", "/v2/users", status=200)
    responder = Genie(token_of(w.company.bob))
    team = {"name": "Mine"}
    for genie in (reader, responder):
        genie("POST", "/v2/teams", team, 403)
        genie("DELETE", f"/v2/schedules/{w.ids['schedules']}", status=403)
        genie("PATCH", f"/v2/users/{made_id('user', w.company.alice.pk)}", {"fullName": "X"}, 403)
        genie("POST", "/v2/heartbeats/nightly/disable", {}, 403)
    reader("POST", f"/v2/alerts/{w.ids['alerts']}/close", {}, 403)
    reader("POST", "/v2/alerts", {"message": "x"}, 403)
    reader("GET", "/v2/heartbeats/nightly/ping", status=403)
    contact = responder.data(f"/v2/users/{made_id('user', w.company.alice.pk)}/contacts")[1]
    assert contact["to"] == "a…@example.org"


def test_below_the_prefix_with_a_slash_and_by_the_wrong_method(w: World) -> None:
    prefixed = Genie(w.genie.key, prefix="/opsgenie")
    assert prefixed.data("/v2/schedules/") == w.genie.data("/v2/schedules")
    prefixed("GET", "/v2/nothing", status=404)
    prefixed("GET", "/", status=404)
    assert w.genie("PUT", "/v2/schedules", {}, 405)["message"]
    assert "body" in w.genie("POST", "/v2/teams", [1], 400)["errors"]


def test_history_is_not_rewritten_by_an_edit(w: World) -> None:
    row = shifts.schedules(SYSTEM).get()
    path = f"/v2/schedules/{w.ids['schedules']}"
    before = shifts.who(row.pk, clock.now() - timedelta(days=1))
    w.genie("PATCH", path, {"rotations": [rotation(w, "New", w.alice)]}, 200)
    assert [one.user_id for one in shifts.who(row.pk, clock.now() - timedelta(days=1))] == [
        one.user_id for one in before
    ]
    assert w.genie.data(f"{path}/on-calls", flat="true")["onCallRecipients"] == [w.alice["username"]]


def test_the_name_of_a_layer_outlives_edits_also_made_elsewhere(w: World) -> None:
    spec = shifts.export_schedules()[0]
    row = shifts.schedules(SYSTEM).get()
    spec.layers.insert(0, type(spec.layers[0])("Before", datetime(2026, 1, 1, tzinfo=UTC), [w.alice["username"]]))
    oncall.save_schedule(spec, actor=SYSTEM, id=row.pk)
    found = w.genie.data(f"/v2/schedules/{w.ids['schedules']}/rotations/{w.ids['rotations']}")
    assert found["name"] == "Rotation 1"


stretches = st.lists(
    st.fixed_dictionaries({
        "startDay": st.sampled_from(windows.DAYS), "endDay": st.sampled_from(windows.DAYS),
        "startHour": st.integers(0, 23), "startMin": st.integers(0, 59),
        "endHour": st.integers(0, 23), "endMin": st.integers(0, 59),
    }),
    min_size=1, max_size=5,
)  # fmt: skip


def covered(found: JSON | None) -> set[int]:
    """The minutes of the week that a restriction covers, straight from its own words."""
    if found is None:
        return set(range(windows.WEEK))
    minutes_of: set[int] = set()
    if found["type"] == "time-of-day":
        one = found["restriction"]
        parts = [one | {"startDay": day, "endDay": day, "daily": True} for day in windows.DAYS]
    else:
        parts = found["restrictions"]
    for one in parts:
        start, end = (
            windows.DAYS.index(one[f"{side}Day"]) * 1440 + one[f"{side}Hour"] * 60 + one[f"{side}Min"]
            for side in ("start", "end")
        )
        length = (end - start) % (1440 if one.get("daily") else windows.WEEK)
        length = length or (1440 if one.get("daily") else windows.WEEK)
        minutes_of |= {minute % windows.WEEK for minute in range(start, start + length)}
    return minutes_of


@given(restrictions=stretches)
def test_restrictions_cover_the_same_minutes_here_and_when_told_again(restrictions: list[JSON]) -> None:
    sent = {"type": "weekday-and-time-of-day", "restrictions": restrictions}
    kept = windows.read(sent, "timeRestriction")
    here: set[int] = set()
    for window in kept:
        start, end = minutes(window.start), minutes(window.end)
        for day in window.days:
            begin = (day - 1) * 1440 + start
            here |= {one % windows.WEEK for one in range(begin, begin + ((end - start) % 1440 or 1440))}
    assert here == covered(sent)
    assert covered(windows.written(kept)) == here


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"type": "x"}, "t.type"), ("x", "t"), ({"type": "time-of-day"}, "t.restriction"),
        ({"type": "time-of-day", "restriction": {"startHour": 25}}, "t.restriction.startHour"),
        ({"type": "weekday-and-time-of-day", "restrictions": []}, "t.restrictions"),
        ({"type": "weekday-and-time-of-day", "restrictions": [{"startDay": "someday"}]}, "t.restrictions.0.startDay"),
    ],
)  # fmt: skip
def test_a_restriction_that_makes_no_sense_is_refused_by_its_place(value: Any, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        windows.read(value, "t")
    assert set(refused.value.problems) == {named}


@given(kind=st.sampled_from(KINDS), number=st.integers(0, 2**47))
def test_an_id_means_one_thing_of_one_kind(kind: str, number: int) -> None:
    name = made_id(kind, number)
    assert {other: number_of(other, name) for other in KINDS} == dict.fromkeys(KINDS) | {kind: number}
