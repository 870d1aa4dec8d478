"""The list of Opsgenie's operations says what the addresses do: each is asked, with one of everything there."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from tocsin.api.compatibility import Operation
from tocsin.api.opsgenie.operations import OPERATIONS
from tocsin.api.opsgenie.routes import ROUTES
from tocsin.api.tests.opsgenie import World, world
from tocsin.platform import clock

pytestmark = pytest.mark.django_db
SERVED = [one for one in OPERATIONS if one.support != "missing"]
MISSING = [one for one in OPERATIONS if one.support == "missing"]
# these are used by something in the world: that they are refused for it shows that they are served
IN_USE = {"/v2/teams/{identifier}", "/v2/users/{identifier}", "/v2/escalations/{identifier}", "/v1/services/{id}"}


def name(one: Operation) -> str:
    return f"{one.method} {one.path}"


def address(w: World, path: str) -> str:
    """The address of an operation, with what is there for its placeholders."""
    words = path.split("/")
    for place, word in enumerate(words):
        for key in re.findall(r"\{(\w+)\}", word):
            found = w.ids.get(key) or w.ids.get(words[place - 1], "nothing")
            words[place] = word.replace(f"{{{key}}}", found)
    return "/".join(words)


def body(w: World, one: Operation) -> Any:
    """A body that the operation takes."""
    now = clock.now()
    stretch = {"startDate": now.isoformat(), "endDate": (now + timedelta(hours=8)).isoformat()}
    rotation = {"type": "daily", "startDate": now.isoformat(), "participants": [w.alice]}
    rule = {"condition": "if-not-acked", "delay": {"timeAmount": 0}, "recipient": w.bob}
    bodies: dict[str, Any] = {
        "POST /v2/alerts": {"message": "New"},
        "POST /v2/alerts/{identifier}/assign": {"owner": w.bob},
        "POST /v2/alerts/{identifier}/details": {"details": {"a": "b"}},
        "POST /v2/alerts/{identifier}/notes": {"note": "x"},
        "POST /v2/alerts/{identifier}/snooze": {"endTime": stretch["endDate"]},
        "POST /v2/alerts/{identifier}/tags": {"tags": ["x"]},
        "PUT /v2/alerts/{identifier}/description": {"description": "x"},
        "PUT /v2/alerts/{identifier}/message": {"message": "x"},
        "PUT /v2/alerts/{identifier}/priority": {"priority": "P1"},
        "POST /v2/teams": {"name": "Search", "members": [{"user": w.bob, "role": "admin"}]},
        "POST /v2/teams/{identifier}/members": {"user": w.alice, "role": "admin"},
        "POST /v2/users": {"username": "eve@example.org", "fullName": "Eve", "role": {"name": "User"}},
        "POST /v2/users/{identifier}/contacts": {"method": "sms", "to": "41-791234567"},
        "PATCH /v2/users/{identifier}/contacts/{contactId}": {"to": "bob2@example.org"},
        "POST /v2/schedules": {"name": "New", "rotations": [rotation]},
        "POST /v2/schedules/{identifier}/rotations": rotation,
        "POST /v2/schedules/{identifier}/overrides": {"user": w.alice, **stretch},
        "PUT /v2/schedules/{identifier}/overrides/{alias}": {"user": w.alice, **stretch},
        "POST /v2/escalations": {"name": "New", "rules": [rule]},
        "POST /v2/heartbeats": {"name": "hourly", "interval": 1, "intervalUnit": "hours", "enabled": True},
        "PATCH /v2/heartbeats/{name}": {"interval": 1, "intervalUnit": "hours"},
        "POST /v1/incidents/create": {"message": "New", "serviceId": w.ids["services"]},
        "POST /v1/incidents/{identifier}/notes": {"note": "x"},
        "POST /v1/services": {"name": "New"},
    }
    return bodies.get(name(one))


@pytest.mark.parametrize("one", SERVED, ids=name)
def test_what_is_served_answers(one: Operation) -> None:
    w = world()
    found = w.genie(one.method, address(w, one.path), body(w, one))
    good = {200, 201, 202} | ({409} if one.method == "DELETE" and one.path in IN_USE else set())
    assert found["status_code"] in good, found
    assert set(found) & {"data", "result", "message"}


def test_what_is_missing_says_so_and_what_to_do_instead() -> None:
    w = world()
    for one in MISSING:
        found = w.genie(one.method, address(w, one.path), {} if one.method != "GET" else None)
        assert found["status_code"] in (404, 422), (one, found)
        assert "not served" in found["message"], (one, found)
        assert found["errors"], (one, found)


ODD: list[Any] = [
    None, True, 2**70, "\x00", "\ud83d", "x" * 40_000, [], [None], {}, {"id": 1}, {"type": []}, "9999-12-31T23:59:60Z",
]  # fmt: skip


@pytest.mark.parametrize("one", [one for one in SERVED if one.method in ("POST", "PUT", "PATCH")], ids=name)
def test_nothing_odd_in_a_body_breaks_it(one: Operation) -> None:
    w = world()
    path, usual = address(w, one.path), body(w, one) or {}
    more = {"/v2/schedules": ["rotations", "ownerTeam"], "/v2/escalations": ["rules", "repeat"]}
    for field in sorted({*usual, "name", *more.get("/".join(path.split("/")[:3]), [])}):
        for value in (*ODD, *([[odd] for odd in ODD] if field in ("rotations", "rules") else [])):
            with transaction.atomic():
                found = w.genie(one.method, path, {**usual, field: value})
                transaction.set_rollback(True)
            assert found["status_code"] < 500, (field, value, found)


def test_the_list_is_whole_and_agrees_with_what_answers() -> None:
    told = [(one.method, one.path) for one in OPERATIONS]
    assert len(told) == len(set(told))
    managed = {(one.method, one.path) for one in SERVED if not one.path.startswith("/v2/alerts")}
    assert managed == set(ROUTES)
