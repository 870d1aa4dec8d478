"""Alertmanager's API v2 over real HTTP: alerts, silences and what they keep quiet, as one client sees them."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.api.alertmanager.asking import Asked
from tocsin.api.alertmanager.operations import OPERATIONS
from tocsin.incidents.actions import make_confidential
from tocsin.incidents.models import Incident
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.intake.tests.factories import service as factory_service
from tocsin.people.actions import create_token
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.models import AuditEntry
from tocsin.project.tests.serving import Web
from tocsin.triage import actions as triage
from tocsin.triage import queries as triage_queries
from tocsin.triage.models import Alert, MaintenanceWindow, Silence
from tocsin.triage.rules import WindowSpec, parse_matcher
from tocsin.triage.tests.world import Company, company

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Client:
    """A client of an Alertmanager that knows nothing but an address and a header."""

    http: httpx.Client
    headers: dict[str, str]
    root: str = "/api/v2"

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        answer = self.http.request(method, self.root + path, json=body, params=query, headers=self.headers)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        if not answer.content:
            return None
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    def post(self, *labels: dict[str, str], **facts: Any) -> None:
        """Post alerts, and let them be decided."""
        assert self("POST", "/alerts", [{"labels": one, **facts} for one in labels]) is None
        triage.absorb()

    def alerts(self, **query: Any) -> dict[str, dict[str, Any]]:
        """Open alerts by their name."""
        return {one["labels"]["alertname"]: one for one in self("GET", "/alerts", **query)}


def silence(*matchers: str, hours: float = 1, delay: timedelta = timedelta(0), **more: Any) -> dict[str, Any]:
    """A silence as amtool writes it."""
    now = clock.now() + delay
    return {
        "matchers": [parse_matcher(text).to_json() for text in matchers],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=hours)).isoformat(),
        "createdBy": "ada",
        "comment": "the disk is replaced",
        **more,
    }


@pytest.fixture
def c(transactional_db: None) -> Company:
    return company()


@pytest.fixture
def client(c: Company, web: Web) -> Client:
    source = intake.create_source(c.service.slug, "alertmanager-api", actor=SYSTEM)
    return Client(web.client, {"Authorization": f"Bearer {sources.key_of(source)}"})


def person(web: Web, user_id: int, *scopes: str) -> Client:
    _, token = create_token(user_id, actor=SYSTEM, scopes=scopes or ("admin",))
    return Client(web.client, {"Authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()})


def test_alerts_as_an_alertmanager_shows_them(client: Client) -> None:
    client.post(
        {"alertname": "Broken", "team": "shop"},
        annotations={"summary": "It is broken"},
        generatorURL="http://prometheus/graph",
    )
    (alert,) = client("GET", "/alerts")
    moments = {name: datetime.fromisoformat(alert.pop(name)) for name in ("startsAt", "endsAt", "updatedAt")}
    assert abs(moments["endsAt"] - moments["startsAt"] - timedelta(minutes=5)) < timedelta(seconds=5)
    assert alert == {
        "annotations": {"summary": "It is broken"},
        "fingerprint": alert["fingerprint"],
        "generatorURL": "http://prometheus/graph",
        "labels": {"alertname": "Broken", "team": "shop"},
        "receivers": [{"name": "checkout"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
    }
    (group,) = client("GET", "/alerts/groups")
    incident = Incident.objects.get()
    assert group["labels"] == {"incident": f"INC-{incident.pk}"}
    assert group["receiver"] == {"name": "checkout"}
    assert [one["labels"] for one in group["alerts"]] == [alert["labels"]]
    assert client("GET", "/receivers") == [{"name": "checkout"}]
    status = client("GET", "/status")
    assert status["config"]["original"].startswith("route:\n  receiver: checkout\n")
    assert set(status) == {"cluster", "config", "uptime", "versionInfo"}


def test_filters_of_alerts(client: Client) -> None:
    client.post({"alertname": "One", "team": "shop"}, {"alertname": "Two", "team": "search"}, {"alertname": "Three"})
    assert set(client.alerts(filter='team="shop"')) == {"One"}
    assert set(client.alerts(filter=['team=~"s.*"', "alertname!=One"])) == {"Two"}
    assert set(client.alerts(filter="team=")) == {"Three"}
    assert set(client.alerts(filter='team!~"sho"')) == {"One", "Two", "Three"}
    assert set(client.alerts(receiver="check.*")) == {"One", "Two", "Three"}
    assert client.alerts(receiver="check") == client.alerts(active="false") == {}
    assert client("GET", "/alerts", status=400, filter="team") == "bad matcher format: team"
    assert client("GET", "/alerts", status=400, filter="team=~(").startswith("bad matcher format: ")
    assert client("GET", "/alerts", status=422, active="maybe")["code"] == 601


def test_a_silence_keeps_quiet_what_it_matches_and_nothing_else(client: Client) -> None:
    told = client("POST", "/silences", silence('alertname=~"Disk.*"', 'team!="search"'))
    made = UUID(told["silenceID"])
    client.post(
        {"alertname": "DiskFull", "team": "shop"},
        {"alertname": "DiskFull", "team": "search"},
        {"alertname": "Cpu", "team": "shop"},
    )
    assert Incident.objects.count() == 2
    shown = {(one["labels"]["alertname"], one["labels"]["team"]): one["status"] for one in client("GET", "/alerts")}
    quiet = shown.pop(("DiskFull", "shop"))
    assert quiet == {"state": "suppressed", "silencedBy": [str(made)], "inhibitedBy": [], "mutedBy": []}
    assert {status["state"] for status in shown.values()} == {"active"}
    assert len(client("GET", "/alerts", silenced="false")) == 2
    assert len(client("GET", "/alerts", active="false")) == 1

    assert client("DELETE", f"/silence/{made}") is None
    assert triage.release() == 1
    assert Incident.objects.count() == 3, "what is still open pages when the silence is over"
    after = client("GET", f"/silence/{made}")
    assert after["status"] == {"state": "expired"}
    assert datetime.fromisoformat(after["endsAt"]) <= clock.now()
    client("DELETE", f"/silence/{made}")  # a client that repeats it is told the same


def test_a_silence_reads_as_it_was_written(client: Client) -> None:
    asked = silence('alertname="A\\"B\\\\"', "team=~a|b", "job!=x", "env!~y.*", comment="line\nof “words”")
    made = client("POST", "/silences", asked)["silenceID"]
    told = client("GET", f"/silence/{made}")
    assert told["matchers"] == asked["matchers"]
    assert (told["createdBy"], told["comment"], told["status"]) == ("ada", "line\nof “words”", {"state": "active"})
    assert datetime.fromisoformat(told["endsAt"]) - datetime.fromisoformat(asked["endsAt"]) < timedelta(milliseconds=1)
    assert told["endsAt"].endswith("Z")
    assert len(told["endsAt"]) == len("2026-05-01T10:00:00.000Z")
    window = MaintenanceWindow.objects.get()
    assert window.name == f"Silence {made[:8]}: line of “words”"
    assert window.mode == "hold"
    assert AuditEntry.objects.filter(kind="maintenance window", verb="created", actor_kind="source").exists()


def test_silences_are_listed_active_first_and_found_by_matcher(client: Client) -> None:
    later = client("POST", "/silences", silence("team=search", delay=timedelta(hours=2)))["silenceID"]
    now = client("POST", "/silences", silence("team=shop"))["silenceID"]
    over = client("POST", "/silences", silence("team=old"))["silenceID"]
    client("DELETE", f"/silence/{over}")
    listed = client("GET", "/silences")
    assert [(one["id"], one["status"]["state"]) for one in listed] == [
        (now, "active"), (later, "pending"), (over, "expired"),
    ]  # fmt: skip
    assert [one["id"] for one in client("GET", "/silences", filter='team="shop"')] == [now]
    clock.shift(timedelta(days=5, minutes=1))
    assert [one["status"]["state"] for one in client("GET", "/silences")] == ["expired", "expired"]
    assert client("GET", f"/silence/{over}")["status"]["state"] == "expired"


def test_changing_a_silence(client: Client) -> None:
    first = client("POST", "/silences", silence("team=shop"))["silenceID"]
    told = client("GET", f"/silence/{first}")
    ends = datetime.fromisoformat(told["endsAt"]) + timedelta(hours=3)
    longer = told | {"endsAt": ends.isoformat(), "comment": "takes longer"}
    assert client("POST", "/silences", longer)["silenceID"] == first
    after = client("GET", f"/silence/{first}")
    assert (after["comment"], after["startsAt"]) == ("takes longer", told["startsAt"])
    assert timedelta(0) <= datetime.fromisoformat(after["endsAt"]) - ends <= timedelta(seconds=1)

    other = client("POST", "/silences", after | {"matchers": silence("team=search")["matchers"]})["silenceID"]
    assert other != first
    assert client("GET", f"/silence/{first}")["status"]["state"] == "expired"
    assert client("GET", f"/silence/{other}")["status"]["state"] == "active"
    again = client("POST", "/silences", silence("team=shop", id=first))["silenceID"]
    assert again not in (first, other), "what is over is not brought back under its old name"
    assert client("POST", "/silences", silence("team=shop", id=str(uuid4())), status=404) == "silence not found"
    assert client("POST", "/silences", silence("team=shop", id="x"), status=404) == "silence not found"


def test_an_incident_that_pages_already_is_snoozed_and_wakes(client: Client) -> None:
    client.post({"alertname": "Mine", "team": "shop"}, {"alertname": "Other", "team": "search"})
    mine = Alert.objects.get(title="Mine").incident
    made = client("POST", "/silences", silence("team=shop"))["silenceID"]
    states = dict(Incident.objects.values_list("title", "state"))
    assert states == {"Mine": "acknowledged", "Other": "triggered"}
    assert client.alerts()["Mine"]["status"]["silencedBy"] == [made]
    assert client.alerts()["Other"]["status"]["state"] == "active"
    client("DELETE", f"/silence/{made}")
    assert mine is not None
    mine.refresh_from_db()
    assert (mine.state, mine.snoozed_until) == ("triggered", None)


@pytest.mark.parametrize("how", [triage.end_windows, triage.delete_windows])
def test_a_silence_that_is_ended_on_its_page_wakes_what_it_put_to_sleep(
    client: Client, how: Callable[..., int]
) -> None:
    client.post({"alertname": "Mine", "team": "shop"})
    client("POST", "/silences", silence("team=shop"))
    assert Incident.objects.get().state == "acknowledged"
    assert how([MaintenanceWindow.objects.get().pk], actor=SYSTEM) == 1
    assert Incident.objects.get().state == "triggered"


def test_an_incident_that_is_covered_in_part_goes_on_paging(c: Company, client: Client) -> None:
    c.service.grouping = {"by": "service"}
    c.service.save()
    client.post({"alertname": "Mine", "team": "shop"}, {"alertname": "Other", "team": "search"})
    client("POST", "/silences", silence("team=shop"))
    assert Incident.objects.get().state == "triggered"
    assert client.alerts()["Mine"]["status"]["state"] == "active"


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"comment": None}, 422, "silence.comment in body is required"),
        ({"matchers": []}, 422, "silence.matchers in body should have at least 1 items"),
        ({"matchers": [{"name": "a", "value": "b"}]}, 422, "silence.matchers.0.isRegex in body is required"),
        ({"matchers": [{"name": "a-b", "value": "b", "isRegex": False}]}, 400, "invalid label name"),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, 400, "invalid regular expression"),
        ({"matchers": [{"name": "a", "value": ".*", "isRegex": True}]}, 400, "must not match the empty string"),
        ({"matchers": [{"name": "a", "value": "b", "isRegex": "no"}]}, 400, "must be true or false"),
        ({"matchers": [{"name": "a", "value": "b" * 4_001, "isRegex": False}]}, 400, "at most 4,000 characters"),
        ({"matchers": [{"name": "a", "value": "b" * 3_990, "isRegex": False}]}, 400, "too long"),
        ({"matchers": "a=b"}, 400, "matchers must be a list"),
        ({"endsAt": "soon"}, 400, "endsAt must be a moment"),
        ({"endsAt": "2020-01-01T00:00:00Z"}, 400, "Failed to create silence: start time must be before end time"),
        ({"startsAt": "2019-01-01T00:00:00Z", "endsAt": "2020-01-01T00:00:00Z"}, 400,
         "Failed to create silence: end time can't be in the past"),
        ({"endsAt": "2090-01-01T00:00:00Z"}, 400, "must end within 366 days"),
        ({"createdBy": 7}, 400, "createdBy must be text"),
    ],
)  # fmt: skip
def test_silences_that_make_no_sense(client: Client, changes: dict[str, Any], status: int, text: str) -> None:
    told = client("POST", "/silences", silence("team=shop") | changes, status=status)
    assert text in (told if isinstance(told, str) else told["message"])
    assert not Silence.objects.exists()
    assert not MaintenanceWindow.objects.exists()


def test_the_key_of_a_source_reaches_its_own_service_only(c: Company, web: Web, client: Client) -> None:
    elsewhere = factory_service("search")
    stranger = Client(
        web.client,
        {"Authorization": f"Bearer {sources.key_of(intake.create_source('search', 'alertmanager-api', actor=SYSTEM))}"},
    )
    mine = client("POST", "/silences", silence("team=shop"))["silenceID"]
    assert [one.pk for one in MaintenanceWindow.objects.get().services.all()] == [c.service.pk]
    assert stranger("GET", "/silences") == []
    stranger("GET", f"/silence/{mine}", status=404)
    stranger("DELETE", f"/silence/{mine}", status=404)
    stranger("POST", "/silences", silence("team=shop", id=mine), status=404)
    stranger.post({"alertname": "Broken", "team": "shop"})
    assert Incident.objects.get().service == elsewhere, "the silence of another service does not hold it"
    assert client.alerts() == {}
    assert set(stranger.alerts()) == {"Broken"}

    admin = person(web, c.alice.pk)
    wide = admin("POST", "/silences", silence("team=all"))["silenceID"]
    assert client("GET", f"/silence/{wide}")["id"] == wide
    assert "own service" in client("DELETE", f"/silence/{wide}", status=403)["message"]


def test_a_person_silences_what_the_person_may_configure(c: Company, web: Web, client: Client) -> None:
    admin, responder = person(web, c.alice.pk), person(web, c.bob.pk)
    reader = person(web, c.alice.pk, "read")
    made = admin("POST", "/silences", silence("team=shop"))["silenceID"]
    assert MaintenanceWindow.objects.get().created_by == c.alice
    client.post({"alertname": "Broken", "team": "shop"})
    assert responder.alerts()["Broken"]["status"]["silencedBy"] == [made]
    assert [one["id"] for one in reader("GET", "/silences")] == [made]
    for who in (responder, reader):
        who("POST", "/silences", silence("team=shop"), status=403)
        who("DELETE", f"/silence/{made}", status=403)
    admin("DELETE", f"/silence/{made}")


def test_confidential_incidents_stay_with_their_readers(c: Company, web: Web, client: Client) -> None:
    client.post({"alertname": "Broken"})
    make_confidential([Incident.objects.get().pk], actor=c.actor)
    assert client.alerts() == {}
    assert person(web, c.bob.pk).alerts() == {}
    assert set(person(web, c.alice.pk).alerts()) == {"Broken"}


def test_maintenance_and_rules_show_as_what_mutes(c: Company, client: Client) -> None:
    spec = WindowSpec("Upgrade", [c.service.slug], clock.now(), 3600)
    triage.save_window(spec, actor=SYSTEM)
    client.post({"alertname": "Broken"})
    status = client.alerts()["Broken"]["status"]
    assert (status["state"], status["silencedBy"], status["mutedBy"]) == ("suppressed", [], ["maintenance Upgrade"])
    assert client("GET", "/silences") == [], "a window without matchers is no silence"
    assert client.alerts(muted="false") == {}


def test_a_window_that_got_another_condition_is_no_silence_any_more(client: Client) -> None:
    made = client("POST", "/silences", silence("team=shop"))["silenceID"]
    MaintenanceWindow.objects.update(condition="signal.severity == 'critical'")
    client("GET", f"/silence/{made}", status=404)
    client("DELETE", f"/silence/{made}", status=404)


def test_silences_are_not_configuration(client: Client) -> None:
    client("POST", "/silences", silence("team=shop"))
    assert triage_queries.export_windows() == []


def addresses(key: str) -> Iterator[tuple[str, dict[str, str]]]:
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    yield "/api/v2/", {"Authorization": f"Bearer {key}"}
    yield "/alertmanager/api/v2/", {"Authorization": f"Basic {basic}"}
    yield f"/in/alertmanager-api/{key}/api/v2/", {}
    yield f"/in/prometheus/{key}/api/v2/", {}


def test_every_address_answers_alike(c: Company, web: Web) -> None:
    key = sources.key_of(intake.create_source(c.service.slug, "alertmanager-api", actor=SYSTEM))
    for root, headers in addresses(key):
        http = Client(web.client, headers, root.rstrip("/"))
        http.post({"alertname": "Broken"})
        for path in ("/alerts", "/alerts/", "/alerts/groups", "/receivers", "/silences", "/status"):
            assert http("GET", path) or path == "/silences"
        assert http("GET", "/rules", status=404)["code"] == 404
        assert http("PUT", "/alerts", status=405)["message"] == "method PUT is not allowed, but [GET,POST] are"
        assert http("GET", "/silence/x", status=422)["code"] == 601
        http("POST", "/silences", silence("team=shop"))
    assert len(web.client.get(f"/api/v2/alerts?token={key}").json()) == 1
    for path in ("/-/healthy", "/-/ready", "/alertmanager/-/healthy", f"/in/prometheus/{key}/-/ready"):
        assert web.client.get(path).text == "OK"


def test_who_is_unknown_is_turned_away(c: Company, web: Web) -> None:
    other = sources.key_of(intake.create_source(c.service.slug, "pagerduty", actor=SYSTEM))
    for said in ("", "Bearer x", "Bearer tocsin_x", "Basic ?", f"Bearer {other}"):
        answer = web.client.get("/api/v2/alerts", headers={"Authorization": said} if said else {})
        assert answer.status_code == 401, said
        assert answer.json()["code"] == 401
    assert web.client.get("/in/prometheus/nope/api/v2/alerts").status_code == 401


def test_a_database_that_is_away_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(asked: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(Asked, "alerts", away)
    assert client("GET", "/alerts", status=503)["code"] == 503


def test_the_list_of_operations_says_what_is_served(client: Client) -> None:
    made = client("POST", "/silences", silence("team=shop"))["silenceID"]
    bodies: dict[tuple[str, str], Any] = {
        ("POST", "/silences"): silence("team=shop"),
        ("POST", "/alerts"): [{"labels": {"alertname": "Broken"}}],
    }
    paths = {operation.path for operation in OPERATIONS}
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS) == 9
    for operation in OPERATIONS:
        path = operation.path.format(silenceID=made)
        wanted = 404 if operation.support == "missing" else 200
        client(operation.method, path, bodies.get((operation.method, operation.path)), status=wanted)
    for path in paths:
        served = {one.method for one in OPERATIONS if one.path == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - served:
            client(method, path.format(silenceID=made), status=405)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["matchers", "startsAt", "endsAt", "comment", "createdBy", "name", "value", "isRegex", "id"]
                ),
                inner,
                max_size=9,
            )
        ),
        max_leaves=12,
    ),
    words=st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
def test_whatever_is_sent_is_answered_properly(client: Client, body: Any, words: str) -> None:
    for method, path, query in (
        ("POST", "/silences", {}), ("GET", "/alerts", {"filter": words, "receiver": words}),
        ("GET", "/silences", {"filter": words}),
    ):  # fmt: skip
        sent = body if method == "POST" else None
        answer = client.http.request(method, "/api/v2" + path, json=sent, params=query, headers=client.headers)
        assert answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/json"
