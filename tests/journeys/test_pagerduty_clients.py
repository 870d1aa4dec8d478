"""PagerDuty's clients, as they are published, against Tocsin: incidents, and the events that open them.

Newer clients take only https and check that addresses in answers begin with the one they were given; so they speak to
the product over TLS, straight and through a proxy with a path prefix.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pagerduty import EventsApiV2Client, HttpError, RestApiV2Client

from tests import clients
from tests.journeys.tls import Authority, Front, SecureProduct
from tests.journeys.waiting import until
from tocsin.api.pagerduty import ids

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that it is not developed any more; scripts go on using it
    import pdpyras  # type: ignore[import-untyped]

pytestmark = pytest.mark.journey


@dataclass(frozen=True)
class Desk:
    """A service of its own with a source of PagerDuty's events, and what clients are told of it."""

    product: SecureProduct
    service: str  # its slug
    service_id: str  # PagerDuty's
    routing_key: str
    token: str
    email: str

    def incidents(self) -> list[dict[str, Any]]:
        """Its incidents, newest first."""
        return self.product.incidents(self.service)


@pytest.fixture
def desk(secure: SecureProduct) -> Desk:
    secure.teams["Pager desk"] += 1
    name = f"Pager desk {secure.teams['Pager desk']}"
    service = secure.tell("services", {"name": name, "slug": name.lower().replace(" ", "-")})
    source = secure.tell("sources", {"service": service["slug"], "kind": "pagerduty", "name": f"events of {name}"})
    token = secure.http.headers["Authorization"].removeprefix("Bearer ")
    email = secure.ask("me")["email"]
    number = secure.sql("SELECT id FROM catalogue_service WHERE slug = %s", service["slug"])[0][0]
    return Desk(secure, service["slug"], ids.write("service", number), source["key"], token, email)


# --- PyPI pagerduty -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["straight", "below a prefix"])
def test_the_python_client_works_on_incidents(desk: Desk, front: Front, authority: Authority, way: str) -> None:
    base = f"{desk.product.url if way == 'straight' else front.url}/pd"
    with RestApiV2Client(desk.token, default_from=desk.email, base_url=base, verify=authority.context()) as pd:
        incident = {"type": "incident", "title": "One", "service": {"id": desk.service_id, "type": "service_reference"}}
        one = pd.rpost("incidents", json=incident | {"urgency": "high", "incident_key": f"key of {way}"})
        assert (one["status"], one["urgency"], one["incident_key"]) == ("triggered", "high", f"key of {way}")
        assert one["self"].startswith(f"{base}/incidents/")
        two = pd.rpost("/incidents", json=incident | {"title": f"Two {way}"})
        with pytest.raises(HttpError) as refused:
            pd.rpost("incidents", json=incident | {"incident_key": f"key of {way}"})
        assert refused.value.response.json()["error"]["code"] == 2001

        listed = pd.list_all("incidents", params={"service_ids[]": [desk.service_id], "sort_by": "created_at:desc"})
        assert [found["id"] for found in listed] == [two["id"], one["id"]]
        assert pd.find("incidents", f"Two {way}", attribute="title")["id"] == two["id"]
        # by an address out of an answer: the client refuses those that do not begin with its own
        taken = pd.rput(one["self"], json={"type": "incident_reference", "status": "acknowledged"})
        assert taken["acknowledgements"][0]["acknowledger"]["type"] == "user_reference"
        note = pd.rpost(f"incidents/{one['id']}/notes", json={"content": "Looking"})
        assert note["content"] == "Looking"
        assert [found["content"] for found in pd.rget(f"incidents/{one['id']}/notes")] == ["Looking"]
        snoozed = pd.post(f"incidents/{one['id']}/snooze", json={"duration": 3600})
        assert (snoozed.status_code, snoozed.json()["incident"]["pending_actions"][0]["type"]) == (201, "unacknowledge")
        update = pd.rpost(f"incidents/{one['id']}/status_updates", json={"message": "Working on it"})
        assert update["message"] == "Working on it"

        low = next(found for found in pd.list_all("priorities") if found["name"] == "P4")
        assert pd.rput(one, json={"type": "incident", "priority": {"id": low["id"], "type": "priority_reference"}})[
            "urgency"
        ] == "low"  # fmt: skip
        sources = [{"id": two["id"], "type": "incident_reference"}]
        assert pd.put(f"incidents/{one['id']}/merge", json={"source_incidents": sources}).status_code == 200
        assert pd.rget(f"incidents/{two['id']}")["resolve_reason"]["incident"]["id"] == one["id"]
        kinds = [entry["type"] for entry in pd.iter_all(f"incidents/{one['id']}/log_entries")]
        assert kinds[-1] == "trigger_log_entry"
        assert {"snooze_log_entry", "acknowledge_log_entry", "annotate_log_entry"} <= set(kinds)

        number = desk.product.sql("SELECT id FROM people_user WHERE email = %s", desk.email)[0][0]
        target = {"responder_request_target": {"id": ids.write("user", number), "type": "user_reference"}}
        asked = {"requester_id": target["responder_request_target"]["id"], "message": "Help"}
        path = f"incidents/{one['id']}/responder_requests"
        answer = pd.post(path, json=asked | {"responder_request_targets": [target]})
        assert answer.json()["responder_request"]["message"] == "Help"
        assert [found["message"] for found in pd.rget(one["self"])["responder_requests"]] == ["Help"]
        filters = {"created_at_start": one["created_at"], "service_ids": [desk.service_id]}
        raw = pd.iter_analytics_raw_incidents(filters, order="asc", limit=1)
        assert [found["id"] for found in raw] == [one["id"], two["id"]]
        [figures] = pd.jpost("analytics/metrics/incidents/all", json={"filters": filters})["data"]
        assert figures["total_incident_count"] == 2

        [ended] = pd.rput("incidents", json=[{"id": one["id"], "type": "incident", "status": "resolved"}])
        assert ended["status"] == "resolved"
        again = pd.put(f"incidents/{one['id']}", json={"incident": {"type": "incident", "status": "resolved"}})
        assert (again.status_code, again.json()["error"]["code"]) == (400, 1001)
    assert [found["state"] for found in desk.incidents()] == ["resolved", "resolved"]


def test_the_python_client_sends_events_and_ends_their_alert(desk: Desk, authority: Authority) -> None:
    secure = authority.context()
    with EventsApiV2Client(desk.routing_key, base_url=desk.product.url, verify=secure) as events:
        key = events.trigger("Disk full", "db-1", severity="critical", custom_details={"free": "1 %"})
        [incident] = until("the event is an incident", desk.incidents)
        base = f"{desk.product.url}/pd"
        with RestApiV2Client(desk.token, default_from=desk.email, base_url=base, verify=secure) as pd:
            found = pd.rget(f"incidents/{incident['id']}")
            assert (found["incident_key"], found["alert_counts"]["triggered"]) == (key, 1)
            [alert] = pd.list_all(f"incidents/{found['id']}/alerts")
            assert (alert["alert_key"], alert["body"]["details"]) == (key, {"free": "1 %"})
            events.acknowledge(key)
            until("the event is acknowledged", lambda: pd.rget(f"incidents/{found['id']}")["status"] == "acknowledged")
            body = {"type": "alert", "status": "resolved"}
            assert pd.rput(f"incidents/{found['id']}/alerts/{alert['id']}", json=body)["status"] == "resolved"
            assert pd.rget(f"incidents/{found['id']}")["status"] == "resolved"
            events.submit("Deploy 7", "ci", timestamp="2026-01-01T12:00:00Z")
            until("the change is there", lambda: pd.rget(f"services/{desk.service_id}/change_events"))
            with pytest.raises(HttpError) as missing:
                pd.rget(f"incidents/{ids.write('incident', 10**9)}")
            assert missing.value.response.status_code == 404


# --- PyPI pdpyras -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_older_python_client_works_at_the_root(
    desk: Desk, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    pd = pdpyras.APISession(desk.token, default_from=desk.email)
    pd.url = desk.product.url
    incident = {"type": "incident", "title": "Old", "service": {"id": desk.service_id, "type": "service_reference"}}
    made = pd.rpost("incidents", json=incident)
    assert made["self"].startswith(f"{desk.product.url}/incidents/")
    assert [found["id"] for found in pd.iter_all("incidents", {"service_ids[]": [desk.service_id]})] == [made["id"]]
    assert pd.rput(made, json={"type": "incident", "status": "acknowledged"})["status"] == "acknowledged"
    assert pd.rpost(f"incidents/{made['id']}/notes", json={"content": "Old but well"})["content"] == "Old but well"
    assert pd.rput(made["self"], json={"type": "incident", "status": "resolved"})["status"] == "resolved"
    events = pdpyras.EventsAPISession(desk.routing_key)
    events.url = desk.product.url
    assert events.trigger("Disk full", "db-1", dedup_key="disk", severity="warning") == "disk"
    until("the event is an incident", lambda: len(desk.incidents()) == 2)
    assert events.resolve("disk") == "disk"
    until("it is over", lambda: all(found["state"] == "resolved" for found in desk.incidents()))
    pd.close()
    events.close()


# --- npm ----------------------------------------------------------------------------------------------------------


class Command:
    """``pd`` of pagerduty-cli; its constant host is led to us by ``pagerduty-host.cjs``, over TLS."""

    def __init__(self, desk: Desk, authority: Authority, folder: Path) -> None:
        self.desk = desk
        config = folder / "pagerduty-cli" / "config.json"
        config.parent.mkdir(parents=True)
        account = {"alias": "tocsin", "subdomain": "tocsin", "user": {"email": desk.email}, "legacyToken": desk.token}
        config.write_text(json.dumps({"defaultSubdomain": "tocsin", "subdomains": [account]}))
        self.environment = {
            "XDG_CONFIG_HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "HOME": str(folder),
            "NODE_EXTRA_CA_CERTS": str(authority.file),
            "TOCSIN_TEST_HOST": f"127.0.0.1:{desk.product.port}",
        }

    def __call__(self, *words: str) -> str:
        """What it printed."""
        script = ("--require", "./pagerduty-host.cjs", "node_modules/pagerduty-cli/bin/run")
        done = clients.node(*script, *words, env=self.environment)
        assert done.returncode == 0, f"pd {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        assert "Failed" not in done.stderr, done.stderr
        return done.stdout.strip()


def test_pagerdutys_command_line_works_on_incidents(desk: Desk, authority: Authority, tmp_path: Path) -> None:
    pd = Command(desk, authority, tmp_path)

    def create(title: str, *more: str) -> str:
        words = ("--service_id", desk.service_id, "--title", title, "--from", desk.email, "--pipe", *more)
        return pd("incident", "create", *words)

    def shown(name: str) -> dict[str, Any]:
        found = json.loads(pd("rest", "get", "--endpoint", f"incidents/{name}"))
        incident: dict[str, Any] = found["incident"]
        return incident

    one, two = create("First", "--urgency", "low", "--details", "Slow", "--key", "k1"), create("Second")
    assert (shown(one)["urgency"], shown(one)["body"]["details"], shown(one)["incident_key"]) == ("low", "Slow", "k1")
    assert shown(create("Third", "--priority", "P2"))["priority"]["name"] == "P2"
    listed = json.loads(pd("incident", "list", "--statuses", "open", "--json"))
    assert {"First", "Second", "Third"} <= {found["title"] for found in listed}
    pd("incident", "ack", "--ids", one, "--from", desk.email)
    assert shown(one)["status"] == "acknowledged"
    pd("incident", "ack", "--ids", two, "--snooze", "1h", "--from", desk.email)
    assert [action["type"] for action in shown(two)["pending_actions"]] == ["unacknowledge"]
    pd("incident", "notes", "--id", one, "--note", "Looking", "--from", desk.email)
    assert "Looking" in pd("incident", "notes", "--id", one)
    pd("incident", "priority", "--ids", one, "--priority", "P1", "--from", desk.email)
    assert shown(one)["urgency"] == "high"
    pd("incident", "rename", "--ids", one, "--title", "Renamed", "--from", desk.email)
    assert shown(one)["title"] == "Renamed"
    pd("incident", "set", "--ids", one, "--key", "urgency", "--value", "low", "--from", desk.email)
    assert shown(one)["urgency"] == "low"
    figures = json.loads(pd("incident", "analytics", "--ids", one, "--json"))
    assert [(found["id"], found["acknowledgement_count"]) for found in figures] == [(one, 1)]
    pd("incident", "merge", "--ids", two, "--parent_id", one, "--from", desk.email)
    assert shown(two)["resolve_reason"]["incident"]["id"] == one
    assert "Renamed" in pd("incident", "log", "--ids", one, "--csv")
    pd("incident", "resolve", "--ids", one, "--from", desk.email)
    assert shown(one)["status"] == "resolved"


def test_pagerdutys_command_line_sends_events(desk: Desk, authority: Authority, tmp_path: Path) -> None:
    pd = Command(desk, authority, tmp_path)
    words = ("--endpoint", f"{desk.product.url}/v2/enqueue", "--routing_key", desk.routing_key, "--dedup_key", "cli")
    words = (*words, "--summary", "Disk full", "--source", "db-1", "--severity", "error")
    pd("event", "alert", "--action", "trigger", *words)
    [incident] = until("the event is an incident", desk.incidents)
    alerts = json.loads(pd("incident", "alerts", "--ids", ids.write("incident", incident["id"]), "--json"))
    assert [alert["alert_key"] for alert in alerts] == ["cli"]
    pd("event", "alert", "--action", "resolve", *words)
    until("it is over", lambda: desk.product.state(incident["id"]) == "resolved")


def test_pagerdutys_javascript_client(desk: Desk, authority: Authority) -> None:
    server = f"127.0.0.1:{desk.product.port}"
    done = clients.node(
        "pagerduty-pdjs.cjs", server, desk.token, desk.service_id, desk.routing_key,
        env={"NODE_EXTRA_CA_CERTS": str(authority.file)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["created"] == [201, "From pdjs", "triggered"]
    assert told["acknowledged"] == [200, "acknowledged"]
    assert told["note"] == [200, "Looking"]
    assert told["snoozed"] == [201, "unacknowledge"]
    assert told["listed"] == [told["id"]]
    assert told["resolved"] == [200, "resolved"]
    assert told["again"] == [400, 1001]
    assert told["triggered"] == [202, "success", "pdjs"]
    assert told["events"] == [202, 202]
    assert told["changed"] == 202
