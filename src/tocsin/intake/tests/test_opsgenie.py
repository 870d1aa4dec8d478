"""Opsgenie's Alert API over real HTTP: the door, the reads and the verbs, as one client sees them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.api.opsgenie import names
from tocsin.incidents.actions import make_confidential
from tocsin.incidents.models import Incident
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.intake.models import Inbox
from tocsin.intake.tests.factories import service as factory_service
from tocsin.intake.tests.test_door import eventually
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.project.tests.serving import Web
from tocsin.triage import actions as triage
from tocsin.triage.models import Alert
from tocsin.triage.tests.world import Company, company

pytestmark = pytest.mark.django_db(transaction=True)

ALIAS = "orders/queue: growing"
QUOTED = "orders%2Fqueue%3A%20growing"


class Sender:
    """A client of Opsgenie that knows nothing but a host and a key."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"GenieKey {key}"}

    def __call__(self, method: str, path: str, body: Any = None, status: int = 202, **query: str) -> dict[str, Any]:
        answer = self.client.request(method, f"/v2/alerts{path}", json=body, params=query, headers=self.headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("application/json")
        found: dict[str, Any] = answer.json()
        assert set(found) >= {"took", "requestId"}
        assert found.get("result") == ("Request will be processed" if status == 202 else None)
        return found

    def outcome(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What became of a request, after triage."""
        triage.absorb()
        found: dict[str, Any] = self("GET", f"/requests/{answer['requestId']}", status=200)["data"]
        assert found["success"] is found["isSuccess"]
        return found


@pytest.fixture
def c(transactional_db: None) -> Company:
    return company()


@pytest.fixture
def sender(c: Company, web: Web) -> Sender:
    source = intake.create_source(c.service.slug, "opsgenie", actor=SYSTEM)
    return Sender(web.client, sources.key_of(source))


def create(sender: Sender, alias: str = ALIAS, **facts: Any) -> dict[str, Any]:
    """An alert that is decided; as a client reads it."""
    told = sender.outcome(sender("POST", "", {"message": "Queue is growing", "alias": alias, **facts}))
    assert told["status"] == "Created alert"
    assert told["alias"] == alias
    found: dict[str, Any] = sender("GET", f"/{told['alertId']}", status=200)["data"]
    return found


def test_an_alert_from_its_creation_to_its_end(sender: Sender) -> None:
    pending = sender("POST", "", {"message": "Queue is growing", "alias": ALIAS, "priority": "P2", "tags": ["a"],
                                  "details": {"depth": 3}, "entity": "q-7", "source": "w"})  # fmt: skip
    early = sender("GET", f"/requests/{pending['requestId']}", status=404)
    assert early["message"] == "Request not found. It might not be processed, yet."
    told = sender.outcome(pending)
    assert (told["action"], told["isSuccess"]) == ("Create", True)
    alert = sender("GET", f"/{told['alertId']}", status=200)["data"]
    assert (alert["alias"], alert["priority"], alert["status"], alert["count"]) == (ALIAS, "P2", "open", 1)
    assert (alert["details"], alert["entity"], alert["tags"]) == ({"depth": "3"}, "q-7", ["a"])
    assert sender("GET", f"/{QUOTED}", status=200, identifierType="alias")["data"] == alert
    assert sender("GET", f"/{alert['tinyId']}", status=200, identifierType="tiny")["data"] == alert
    incident = Incident.objects.get()
    assert incident.priority == "P2"

    again = sender.outcome(sender("POST", "", {"message": "Queue is growing", "alias": ALIAS}))
    assert (again["alertId"], again["status"]) == (told["alertId"], "Deduplicated alert")

    answer = sender("POST", f"/{QUOTED}/acknowledge", {"user": "kim"}, identifierType="alias")
    assert sender.outcome(answer)["status"] == "Acknowledged alert"
    assert sender("GET", f"/{told['alertId']}", status=200)["data"]["acknowledged"] is True
    twice = sender.outcome(sender("POST", f"/{told['alertId']}/acknowledge"))
    assert (twice["isSuccess"], twice["status"]) == (False, "Alert is already acknowledged")

    closed = sender.outcome(sender("POST", f"/{told['alertId']}/close", {"note": "drained"}))
    assert (closed["action"], closed["status"]) == ("Close", "Closed alert")
    incident.refresh_from_db()
    assert incident.state == "resolved"
    assert sender("GET", f"/{told['alertId']}", status=200)["data"]["status"] == "closed"
    late = sender.outcome(sender("POST", f"/{QUOTED}/close", identifierType="alias"))
    assert late["isSuccess"] is False
    assert late["status"].startswith("There is no open alert")
    assert create(sender)["id"] != told["alertId"]
    stale = sender.outcome(sender("POST", f"/{told['alertId']}/close"))
    assert stale["isSuccess"] is False, "the newer alert of this alias is not meant"
    assert Alert.objects.filter(state="open").count() == 1


def test_what_is_no_signal_acts_on_the_incident(sender: Sender, c: Company) -> None:
    alert = create(sender)
    path = f"/{alert['id']}"

    def done(method: str, what: str, body: Any) -> dict[str, Any]:
        return sender.outcome(sender(method, f"{path}/{what}", body))

    assert done("POST", "notes", {"note": "looking", "user": "kim"})["isSuccess"]
    assert done("POST", "tags", {"tags": ["x", "y"]})["action"] == "AddTags"
    assert done("POST", "details", {"details": {"a": 1}})["isSuccess"]
    assert done("PUT", "description", {"description": "long story"})["isSuccess"]
    notes = sender("GET", f"{path}/notes", status=200, order="asc")["data"]
    assert [note["note"].split("\n")[0] for note in notes] == [
        "looking", "Tags: x, y", "Details:", "Description: long story",
    ]  # fmt: skip
    assert done("PUT", "message", {"message": "Queue is full"})["isSuccess"]
    assert done("PUT", "priority", {"priority": "P5"})["isSuccess"]
    assert not done("PUT", "priority", {"priority": "P5"})["isSuccess"]
    until = (clock.now() + timedelta(hours=1)).isoformat()
    assert done("POST", "snooze", {"endTime": until, "note": "later"})["action"] == "Snooze"
    shown = sender("GET", path, status=200)["data"]
    assert (shown["snoozed"], shown["priority"]) == (True, "P5")
    assert done("POST", "unacknowledge", {})["isSuccess"]
    assert done("POST", "assign", {"owner": {"username": c.bob.email}})["isSuccess"]
    incident = Incident.objects.get()
    assert (incident.title, incident.state) == ("Queue is full", "triggered")
    assert list(incident.assignees.all()) == [c.bob]
    kinds = {entry["log"] for entry in sender("GET", f"{path}/logs", status=200, limit="100")["data"]}
    assert kinds >= {"opened", "note", "retitled", "priority changed", "snoozed", "unacknowledged", "reassigned"}


@pytest.mark.parametrize(
    ("method", "what", "body", "named"),
    [
        ("POST", "notes", {}, "note"), ("POST", "snooze", {"endTime": "soon"}, "endTime"),
        ("POST", "snooze", {"endTime": "2019-01-01T00:00:00Z"}, "endTime"),
        ("POST", "assign", {"owner": {"username": "who@example.org"}}, "owner"), ("POST", "assign", {}, "owner"),
        ("PUT", "priority", {"priority": "P7"}, "priority"), ("POST", "tags", {"tags": []}, "tags"),
        ("POST", "details", {"details": "x"}, "details"), ("POST", "escalate", {"escalation": {"id": "x"}}, "action"),
        ("POST", "responders", {}, "action"), ("DELETE", "tags", None, "action"), ("POST", "actions/x", {}, "action"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(sender: Sender, method: str, what: str, body: Any, named: str) -> None:
    alert = create(sender)
    before = Incident.objects.get().version
    assert named in sender(method, f"/{alert['id']}/{what}", body, status=422)["errors"]
    assert Incident.objects.get().version == before


def test_an_unknown_alert_is_told_in_the_status_of_the_request(sender: Sender) -> None:
    for what in ("close", "acknowledge", "notes"):
        told = sender.outcome(sender("POST", f"/nothing/{what}", {"note": "x"}))
        assert (told["isSuccess"], told["status"]) == (False, "Alert does not exist")
    assert sender("GET", "/nothing", status=404)["message"] == "Alert does not exist"
    assert sender("GET", "/requests/nothing", status=404)
    assert sender("GET", "/a/attachments", status=404)


def test_a_verb_waits_for_what_came_before(sender: Sender) -> None:
    sender("POST", "", {"message": "x", "alias": "a"})
    answer = sender("PUT", "/a/message", {"message": "y"}, status=503, identifierType="alias")
    assert "not yet decided" in answer["message"]


def test_lists_and_counts(sender: Sender) -> None:
    for number in range(5):
        create(sender, f"a{number}", priority="P1" if number else "P4")
    sender.outcome(sender("POST", "/a3/close", identifierType="alias"))
    page = sender("GET", "", status=200, limit="2", order="asc")
    assert [alert["alias"] for alert in page["data"]] == ["a0", "a1"]
    seen = []
    while "next" in page["paging"]:
        page = sender.client.get(page["paging"]["next"], headers=sender.headers).json()
        seen += [alert["alias"] for alert in page["data"]]
    assert seen == ["a2", "a3", "a4"]
    for query, count in [
        ("status: open", 4), ("status=closed", 1), ("priority: P1 AND status: open", 3), ("alias: a2", 1),
        ("growing", 5), ('message: "is growing"', 5), ("nothing", 0),
    ]:  # fmt: skip
        assert sender("GET", "/count", status=200, query=query)["data"]["count"] == count
    for wrong in ({"query": "createdAt > 5"}, {"query": "tag: x"}, {"limit": "101"}, {"offset": "-1"}, {"sort": "x"},
                  {"searchIdentifier": "x"}):  # fmt: skip
        assert sender("GET", "", status=422, **wrong)["errors"]


def test_a_source_sees_its_own_alerts_and_nothing_confidential(sender: Sender, c: Company, web: Web) -> None:
    alert = create(sender)
    other = intake.create_source(c.service.slug, "opsgenie", name="Another", actor=SYSTEM)
    stranger = Sender(web.client, sources.key_of(other))
    assert stranger("GET", "/count", status=200)["data"]["count"] == 0
    for name, kind in ((alert["id"], "id"), (alert["tinyId"], "tiny"), (QUOTED, "alias")):
        assert stranger("GET", f"/{name}", status=404, identifierType=kind)
        assert not stranger.outcome(stranger("POST", f"/{name}/notes", {"note": "x"}, identifierType=kind))["isSuccess"]
    forged = names.done_request_id(clock.now(), "AddNote", names.DONE, int(alert["tinyId"]))
    assert "alertId" not in stranger("GET", f"/requests/{forged}", status=200)["data"]
    make_confidential([Incident.objects.get().pk], actor=SYSTEM, why="a secret")
    assert sender("GET", f"/{alert['id']}", status=404)
    assert sender("GET", "/count", status=200)["data"]["count"] == 0
    assert not sender.outcome(sender("POST", f"/{alert['id']}/notes", {"note": "x"}))["isSuccess"]


def test_strangers_and_switched_off_sources_are_not_let_in(web: Web, c: Company, sender: Sender) -> None:
    for key in ("wrong", "x" * 500):
        stranger = Sender(web.client, key)
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/a/notes"), ("DELETE", "/a"), ("GET", "/requests/a")):
            found = stranger(method, path, {} if method == "POST" else None, status=401)
            assert found["message"] == "Could not authenticate"
    assert web.client.get("/v2/alerts").status_code == 401
    assert not Inbox.objects.exists()


def test_every_address_with_and_without_a_slash(sender: Sender) -> None:
    for root in ("/v2/alerts", "/jsm/ops/integration/v2/alerts", "/opsgenie/v2/alerts"):
        for end in ("", "/"):
            body = {"message": "x", "alias": f"{root}{end}"}
            answer = sender.client.post(f"{root}{end}", json=body, headers=sender.headers)
            assert answer.status_code == 202
            assert answer.headers["x-request-id"] == answer.json()["requestId"]
            assert sender.client.get(f"{root}/count{end}", headers=sender.headers).status_code == 200


def test_what_is_accepted_while_the_database_is_away_arrives(
    start_web: Callable[..., Web], sender: Sender, web: Web
) -> None:
    sender("POST", "", {"message": "first", "alias": "first"})
    web.lose_database()
    sender("POST", "", {"message": "second", "alias": "second"})
    sender("POST", "/first/close", identifierType="alias")
    web.regain_database()
    web.stop()
    start_web()
    eventually(lambda: Inbox.objects.count() == 3)
    triage.absorb()
    assert dict(Alert.objects.values_list("dedup_key", "state")) == {"first": "resolved", "second": "open"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
def test_a_ping_is_a_check_in(sender: Sender, c: Company, method: str) -> None:
    beat = intake.create_source(
        c.service.slug, "heartbeat", name="Night/backup", config={"interval_s": 7200}, actor=SYSTEM
    )
    fresh = sender.client.get("/v2/heartbeats/night%2Fbackup", headers=sender.headers).json()["data"]
    assert (fresh["interval"], fresh["intervalUnit"], fresh["expired"]) == (2, "hours", False)
    assert "lastPingTime" not in fresh
    answer = sender.client.request(method, "/v2/heartbeats/night%2Fbackup/ping", headers=sender.headers)
    assert (answer.status_code, answer.json()["result"]) == (202, "PONG - Heartbeat received")
    assert Inbox.objects.get().source_id == beat.pk
    triage.absorb()
    [listed] = sender.client.get("/v2/heartbeats/", headers=sender.headers).json()["data"]["heartbeats"]
    assert (listed["name"], "lastPingTime" in listed) == ("Night/backup", True)


def test_heartbeats_of_others_are_not_there_and_none_is_configured(sender: Sender, c: Company) -> None:
    intake.create_source(factory_service("elsewhere").slug, "heartbeat", name="theirs", actor=SYSTEM)
    beat = intake.create_source(c.service.slug, "heartbeat", name="ours", actor=SYSTEM)
    client, headers = sender.client, sender.headers
    for path in ("theirs/ping", "theirs", "nothing/ping"):
        assert client.get(f"/v2/heartbeats/{path}", headers=headers).status_code == 404
    for method, path in (("POST", ""), ("PATCH", "/ours"), ("DELETE", "/ours"), ("POST", "/ours/disable")):
        refused = client.request(method, f"/v2/heartbeats{path}", json={"name": "x"}, headers=headers)
        assert refused.status_code == 403
        assert "heartbeat" in refused.json()["errors"]
    assert client.get("/v2/heartbeats").status_code == 401
    intake.set_enabled([beat.pk], False, actor=SYSTEM)
    assert client.put("/v2/heartbeats/ours/ping", headers=headers).status_code == 403
    assert not Inbox.objects.exists()


def test_without_a_database_what_needs_it_is_to_be_repeated(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(sources, "source_of_key", away)
    for method, path in (("GET", ""), ("POST", "/a/notes"), ("POST", "/a/close")):
        answer = sender.client.request(method, f"/v2/alerts{path}", headers=sender.headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["message"] == "The database is away. Please retry."


WORDS = st.text(max_size=12).filter(lambda text: text not in (".", "..")) | st.sampled_from(
    ["id", "tiny", "alias", "%2F", "%00", "0", "9" * 30, "requests"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    what=st.sampled_from(["", "/notes", "/snooze", "/assign", "/tags", "/details", "/priority", "/message", "/close",
                          "/acknowledge", "/logs", "/x/y"]),
    name=WORDS,
    query=st.dictionaries(
        st.sampled_from(["identifierType", "query", "limit", "offset", "sort", "order"]), WORDS, max_size=3
    ),
    body=st.dictionaries(
        st.sampled_from(["message", "note", "endTime", "owner", "tags", "details", "priority", "alias", "user"]),
        VALUES, max_size=3,
    ) | VALUES,
)  # fmt: skip
def test_nothing_that_is_sent_breaks_it(
    sender: Sender, method: str, what: str, name: str, query: dict[str, str], body: Any
) -> None:
    triage.absorb()
    path = f"/v2/alerts/{name if name in ('%2F', '%00') else quote(name, safe='')}{what}"
    answer = sender.client.request(method, path, json=body, params=query, headers=sender.headers)
    assert answer.status_code < 500 or "not yet decided" in answer.text, answer.text
    assert answer.status_code not in (301, 302, 307, 308)
    assert answer.json()["requestId"]
