"""The shell of the API: one error shape, who may what, paging, idempotency, limits."""

import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from ninja import Schema

from tocsin.api import limits, middleware
from tocsin.api.main import api
from tocsin.api.models import IdempotencyKey
from tocsin.catalogue.models import Change, Service
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock

pytestmark = pytest.mark.django_db
CallAs = Callable[..., Any]


OPEN_TO_ALL = {"/config/schema.json"}


def routes() -> list[tuple[str, str]]:
    """Every method and path of the API that needs somebody, with numbers for its parameters."""
    schema = api.get_openapi_schema()
    found = []
    for path, methods in schema["paths"].items():
        filled = re.sub(r"\{[^}]+\}", "999999", path)
        found += [(method.upper(), filled.removeprefix("/api/v1")) for method in methods]
    return [route for route in found if route[1] not in OPEN_TO_ALL]


def test_no_two_shapes_share_a_name() -> None:
    """The description knows a shape by its name only: the second of the same name would stand for both."""
    found: dict[str, set[str]] = {}

    def walk(shape: type[Any]) -> None:
        for inner in shape.__subclasses__():
            if inner.__module__.startswith("tocsin.") and "tests" not in inner.__module__:
                found.setdefault(inner.__name__, set()).add(inner.__module__)
            walk(inner)

    walk(Schema)
    assert len(found) > 100
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def assert_shape(response: Any, status: int | None = None) -> dict[str, Any]:
    assert response["Content-Type"].startswith("application/json")
    body = json.loads(response.content)
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "problems"}
    assert error["code"]
    assert error["message"]
    assert all(isinstance(text, str) for text in error["problems"].values())
    if status is not None:
        assert response.status_code == status
    return error


def test_every_route_refuses_strangers_in_the_one_shape(people: Named, call_as: CallAs) -> None:
    stranger = call_as(None)
    for method, path in routes():
        error = assert_shape(stranger(method, path, {}), 401)
        assert error["code"] == "unauthorised"


def test_every_route_refuses_wrong_tokens(people: Named) -> None:
    client = Client()
    for token in ("tocsin_" + "x" * 40, "nonsense", ""):
        for method, path in routes()[:5]:
            response = client.generic(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
            assert_shape(response, 401)


def test_every_route_has_the_shape_for_what_is_not_there_or_not_right(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    for method, path in routes():
        if "999999" in path or method in ("POST", "PUT", "PATCH"):
            response = alice(method, path, {"zonk": 1} if method != "GET" else None)
            assert response.status_code < 500, (method, path, response.content)
            if response.status_code >= 400:
                assert_shape(response)


def test_no_scope_may_nothing_and_observers_change_nothing(people: Named, call_as: CallAs) -> None:
    charlie = call_as(people.charlie)
    for method, path in routes():
        if method != "GET":
            response = charlie(method, path, {"zonk": 1})
            assert response.status_code in (403, 404, 409, 422), (method, path, response.content)


@pytest.mark.parametrize(
    ("who", "scopes", "method", "path", "body", "status"),
    [
        ("bob", ["read"], "GET", "/services", None, 200),
        ("charlie", ["read"], "GET", "/users", None, 200),
        ("alice", ["read"], "POST", "/services", {"name": "X"}, 403),
        ("alice", ["respond"], "POST", "/services", {"name": "X"}, 403),
        ("alice", ["configure"], "POST", "/services", {"name": "X"}, 201),
        ("bob", ["admin"], "POST", "/services", {"name": "X"}, 403),
        ("bob", ["configure"], "POST", "/services", {"name": "X", "team": "core"}, 201),
        ("charlie", ["admin"], "POST", "/services", {"name": "X", "team": "shop"}, 403),
        ("alice", ["configure"], "POST", "/users", {"email": "d@example.org", "name": "D"}, 403),
        ("alice", ["admin"], "POST", "/users", {"email": "d@example.org", "name": "D"}, 201),
        ("bob", ["admin"], "POST", "/users", {"email": "d@example.org", "name": "D"}, 403),
        ("bob", ["respond"], "POST", "/changes", {"summary": "Deploy 1"}, 201),
        ("charlie", ["respond"], "POST", "/changes", {"summary": "Deploy 1"}, 403),
        ("alice", ["admin"], "POST", "/tokens", {"user": "bob@example.org"}, 201),
        ("bob", ["configure"], "POST", "/tokens", {}, 403),
        ("bob", ["admin"], "POST", "/tokens", {"scopes": ["read"]}, 201),
        ("bob", ["admin"], "POST", "/tokens", {"user": "alice@example.org"}, 403),
    ],
)
def test_what_role_and_scopes_allow(
    people: Named, call_as: CallAs, who: str, scopes: list[str], method: str, path: str, body: Any, status: int
) -> None:
    response = call_as(getattr(people, who), *scopes)(method, path, body)
    assert response.status_code == status, response.content
    if status >= 400:
        assert_shape(response)


def test_errors_name_the_field(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    cases: list[tuple[str, str, Any, set[str]]] = [
        ("POST", "/users", {"name": "D"}, {"email"}),
        ("POST", "/users", {"email": "x", "name": "D", "zone": "Mars"}, {"email", "zone"}),
        ("POST", "/users", {"email": "d@example.org", "name": "D", "zonk": 1}, {"zonk"}),
        ("POST", "/services", {"name": "D", "tier": "x"}, {"tier"}),
        ("POST", "/services", {"name": "D", "tier": 9}, {"tier"}),
        ("POST", "/services", {"name": "D\x00"}, {"name"}),
        ("POST", "/services", '{"name": "\\ud800"}', {"name"}),
        ("POST", "/tokens", {"days": -1}, {"days"}),
        ("PUT", "/users/bob@example.org/rules", [{"urgency": "high", "channel": "x"}], {"rules.0.address"}),
        ("GET", "/users?limit=0", None, {"limit"}),
        ("GET", "/users?cursor=zonk", None, {"cursor"}),
    ]
    for method, path, body, fields in cases:
        error = assert_shape(alice(method, path, body), 422)
        assert set(error["problems"]) == fields, (path, error)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing/here", None, 404),
        ("GET", "/", None, 404),
        ("GET", "", None, 404),
        ("PATCH", "/services", {}, 405),
        ("POST", "/services", "{", 400),
        ("POST", "/services", "NaN", 400),
        ("POST", "/services", "[" * 100_000, 400),
        ("GET", "/services?q=%00", None, 400),
        ("GET", "/services/" + "9" * 5000, None, 404),
        ("GET", "/services/99999999999999999999", None, 404),
    ],
)
def test_what_django_refuses_has_the_shape_too(
    people: Named, call_as: CallAs, method: str, path: str, body: Any, status: int
) -> None:
    assert_shape(call_as(people.alice)(method, path, body), status)


def test_a_fault_of_ours_has_the_shape_and_tells_nothing(
    people: Named, call_as: CallAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("tocsin.catalogue.api.queries.services", broken)
    response = call_as(people.alice)("GET", "/services")
    assert "secret" not in response.content.decode()
    assert assert_shape(response, 500)["code"] == "internal"


def test_a_body_that_is_too_large(people: Named, call_as: CallAs, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = {"name": "x" * 200}
    assert_shape(call_as(people.alice)("POST", "/services", body), 413)
    assert_shape(call_as(people.alice)("POST", "/services", body, Idempotency_Key="k"), 413)


def test_a_session_works_and_needs_the_csrf_token(people: Named) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/api/v1/me").json()["email"] == "alice@example.org"
    refused = client.post("/api/v1/services", {"name": "X"}, content_type="application/json")
    assert_shape(refused, 403)
    client.cookies["csrftoken"] = "a" * 32
    allowed = client.post(
        "/api/v1/services", {"name": "X"}, content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    )
    assert allowed.status_code == 201, allowed.content


def test_a_wrong_token_is_not_covered_by_a_session(people: Named) -> None:
    client = Client()
    client.force_login(people.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert_shape(client.get("/api/v1/me", headers={"Authorization": "Bearer tocsin_wrong"}), 401)


def test_pages_hold_everything_once(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    for number in range(7):
        alice("POST", "/services", {"name": f"S{number % 2} {number}"})
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        answer = alice("GET", f"/services?limit=3&cursor={cursor}").json()
        seen += [item["name"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == 7
    changes = [alice("POST", "/changes", {"summary": f"c{n}"}).status_code for n in range(5)]
    assert changes == [201] * 5
    first = alice("GET", "/changes?limit=2").json()
    second = alice("GET", f"/changes?limit=10&cursor={first['next']}").json()
    assert [c["summary"] for c in first["items"] + second["items"]] == ["c4", "c3", "c2", "c1", "c0"]


def test_a_key_makes_a_request_safe_to_repeat(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    body = {"name": "Cart"}
    first = alice("POST", "/services", body, Idempotency_Key="one")
    again = alice("POST", "/services", body, Idempotency_Key="one")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Service.objects.count() == 1
    other = alice("POST", "/services", {"name": "Other"}, Idempotency_Key="one")
    assert assert_shape(other, 409)["code"] == "idempotency_key_reused"
    # somebody else's key is another key
    assert call_as(people.bob)("POST", "/changes", {"summary": "x"}, Idempotency_Key="one").status_code == 201
    clock.shift(timedelta(hours=25))
    assert alice("POST", "/services", {"name": "Later"}, Idempotency_Key="one").status_code == 201
    assert IdempotencyKey.objects.count() == 1


def test_a_refused_request_does_not_use_its_key_up(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    assert_shape(alice("POST", "/services", {"name": ""}, Idempotency_Key="two"), 422)
    assert alice("POST", "/services", {"name": "Cart"}, Idempotency_Key="two").status_code == 201
    assert_shape(alice("POST", "/services", {}, Idempotency_Key="x" * 300), 400)


def test_too_many_requests_are_told_when_to_come_back(
    people: Named, call_as: CallAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "limiter", limits.Limiter(per_minute=2))
    alice = call_as(people.alice)
    assert alice("GET", "/me")["X-RateLimit-Remaining"] == "1"
    assert alice("GET", "/me").status_code == 200
    refused = alice("GET", "/me")
    assert_shape(refused, 429)
    assert 0 < int(refused["Retry-After"]) <= 61
    assert call_as(people.bob)("GET", "/me").status_code == 200


def test_the_description_of_the_api_is_there(db: None) -> None:
    client = Client()
    schema = client.get("/api/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/services/{ref}" in schema["paths"]
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert b"cdn" not in page.content.lower()


def test_people_and_catalogue_over_http(people: Named, call_as: CallAs) -> None:
    alice, bob = call_as(people.alice), call_as(people.bob)
    me = bob("GET", "/me").json()
    assert (me["email"], me["may"], me["teams"]) == (
        "bob@example.org",
        ["read", "respond", "override"],
        {"core": "manager"},
    )
    made = bob(
        "POST",
        "/users/bob@example.org/contact-methods",
        {"channel": "ntfy", "address": "https://ntfy.example/topic", "secret": "tk_abc"},
    )
    assert made.json()["has_secret"] is True
    assert "secret" not in made.json()
    assert (
        alice("GET", "/users/BOB@example.org").json()["contact_methods"][1]["address"] == "https://ntfy.example/topic"
    )
    assert call_as(people.charlie)("GET", "/users/bob@example.org").json()["rules"][0]["address"] == "b…@example.org"
    changed = bob(
        "PUT", f"/contact-methods/{made.json()['id']}", {"channel": "ntfy", "address": "https://ntfy.example/other"}
    )
    assert changed.json()["address"] == "https://ntfy.example/other"
    assert bob("DELETE", f"/contact-methods/{made.json()['id']}").json() == {"count": 1}
    rule = {"urgency": "low", "channel": "email", "address": "bob@example.org", "delay_s": 60}
    assert [r["delay_s"] for r in bob("PUT", "/users/bob@example.org/rules", [rule]).json()["items"]] == [60]
    team = alice("PUT", "/teams/core", {"name": "Core team", "members": {"bob@example.org": "member"}}).json()
    assert (team["slug"], team["members"]) == ("core", {"bob@example.org": "member"})
    alice("POST", "/services", {"name": "Data base", "team": "core"})
    alice("POST", "/services", {"name": "Cart", "depends_on": ["data-base"]})
    detail = alice("GET", "/services/Data base").json()
    assert [row["slug"] for row in detail["blast_radius"]] == ["cart"]
    assert alice("DELETE", "/teams/core").status_code == 409
    assert alice("DELETE", "/services/cart").json() == {"count": 1}
    token = alice("POST", "/tokens", {"name": "ci", "scopes": ["read"], "days": 3}).json()
    assert alice("GET", "/tokens").json()["items"][0]["prefix"] == token["token"][:12]
    assert alice("DELETE", f"/tokens/{token['id']}").json() == {"count": 1}


def test_an_incident_is_declared_with_a_key_and_given_to_somebody(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    alice("POST", "/services", {"name": "Cart"})
    body = {"title": "Down", "service": "cart", "key": "k1", "users": ["bob@example.org"]}
    answer = alice("POST", "/incidents", body)
    assert (answer.status_code, answer.json()["assignees"]) == (201, ["bob@example.org"])
    kinds = [row["kind"] for row in alice("GET", f"/incidents/{answer.json()['id']}/timeline").json()["items"]]
    assert kinds[:3] == ["opened", "reassigned", "paged"]
    assert alice("POST", "/incidents", body).status_code == 409
    assert alice("POST", "/incidents", body | {"key": "x" * 256}).json()["error"]["problems"].keys() == {"key"}
    assert alice("POST", "/incidents", body | {"key": "", "users": ["nobody@example.org"]}).status_code == 404


def test_a_list_takes_the_same_few_queries_however_long(
    people: Named, call_as: CallAs, django_assert_max_num_queries: Any
) -> None:
    alice = call_as(people.alice)
    for number in range(12):
        alice(
            "POST", "/users", {"email": f"p{number}@example.org", "name": f"P {number}", "manager": "bob@example.org"}
        )
        alice("POST", "/teams", {"name": f"Team {number}", "members": {"bob@example.org": "member"}})
        alice("POST", "/services", {"name": f"Service {number}", "team": "core"})
        alice("POST", "/incidents", {"title": "Down", "service": f"service-{number}"})
        steps = [{"targets": ["user:bob@example.org"]}]
        alice("POST", "/policies", {"name": f"Policy {number}", "team": "core", "steps": steps})
        layer = {"name": "L", "anchor": "2026-01-05T09:00:00", "members": ["bob@example.org"]}
        alice("POST", "/schedules", {"name": f"Schedule {number}", "team": "core", "layers": [layer]})
    for path in ("/users", "/teams", "/services", "/incidents", "/schedules", "/policies", "/changes", "/tokens"):
        alice("GET", path)  # what is looked up once a minute is looked up now
        with django_assert_max_num_queries(12):
            answer = alice("GET", path)
        assert answer.status_code == 200
        assert path in ("/tokens", "/changes") or len(answer.json()["items"]) >= 12


@pytest.mark.django_db(transaction=True)
def test_two_requests_with_one_key_at_once_act_once(transactional_db: None, call_as: CallAs) -> None:
    people = named_people()
    alice = call_as(people.alice)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(alice("POST", "/changes", {"summary": "Deploy"}, Idempotency_Key="same"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert Change.objects.count() == 1
    assert sum("Idempotent-Replayed" in answer for answer in answers) == 3
