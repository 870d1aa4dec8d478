"""The list of what is served says the truth: every address of it is asked."""

import re

import pytest

from tocsin.api.compatibility import Operation
from tocsin.api.pagerduty import ids, routes
from tocsin.api.pagerduty.operations import OPERATIONS, SENDERS
from tocsin.api.pagerduty.tests.world import World, world
from tocsin.intake.sources.pagerduty.source import source

SERVED = [one for one in OPERATIONS if one.support != "missing" and one not in SENDERS]
MISSING = [one for one in OPERATIONS if one.support == "missing" and one not in SENDERS]


def name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def made_up(path: str) -> str:
    """The path with ids of nothing."""
    return re.sub(r"\{[^}]*\}", ids.write("incident", 999_999), path)


@pytest.fixture
def pd(db: None) -> World:
    return world()


def test_each_operation_is_listed_once() -> None:
    listed = [name(one) for one in OPERATIONS]
    assert len(set(listed)) == len(listed)
    assert {f"{method} {path}" for method, path, _ in routes.ROUTES} <= set(listed)


@pytest.mark.parametrize("operation", SERVED, ids=name)
def test_what_is_served_has_its_address(operation: Operation) -> None:
    found = routes.find(operation.method, made_up(operation.path))
    assert found is not None
    assert found.handler is not None


@pytest.mark.parametrize("operation", MISSING, ids=name)
def test_what_is_missing_has_none(operation: Operation) -> None:
    found = routes.find(operation.method, made_up(operation.path))
    assert found is None or found.handler is None


def test_what_is_served_answers(pd: World) -> None:
    made = pd.declare()
    for operation in SERVED:
        path = operation.path.replace("/incidents/{id}", f"/incidents/{made['id']}")
        answer = pd.ask(operation.method, made_up(path), None if operation.method == "GET" else {})
        assert answer.status_code in (200, 400, 402, 404), name(operation)
        if "{" not in path:
            assert answer.status_code != 404, name(operation)


def test_what_is_missing_says_so(pd: World) -> None:
    made = pd.declare()
    for operation in MISSING:
        path = operation.path.replace("/incidents/{id}", f"/incidents/{made['id']}")
        answer = pd.ask(operation.method, made_up(path), None if operation.method == "GET" else {})
        assert answer.status_code in (404, 405), name(operation)
        assert answer.json()["error"]["code"] in (2100, 2015), name(operation)


def test_events_have_the_addresses_of_their_source() -> None:
    served = {one.path for one in SENDERS if one.support != "missing"}
    assert served == set(source.paths)
