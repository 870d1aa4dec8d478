"""The priority matrix and the audit over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tocsin.incidents.rules import MATRIX
from tocsin.people.tests.named import Named

pytestmark = pytest.mark.django_db
CallAs = Callable[..., Any]


def test_the_matrix_is_read_by_all_and_changed_by_administrators(people: Named, call_as: CallAs) -> None:
    alice, charlie = call_as(people.alice), call_as(people.charlie)
    table = json.loads(charlie("GET", "/priority-matrix").content)["matrix"]
    assert table == {impact: dict(row) for impact, row in MATRIX.items()}
    table["high"]["low"] = "P5"
    assert charlie("PUT", "/priority-matrix", {"matrix": table}).status_code == 403
    assert json.loads(alice("PUT", "/priority-matrix", {"matrix": table}).content)["matrix"]["high"]["low"] == "P5"
    assert json.loads(charlie("GET", "/priority-matrix").content)["matrix"]["high"]["low"] == "P5"


def test_a_matrix_that_is_not_right_names_the_cells(people: Named, call_as: CallAs) -> None:
    alice = call_as(people.alice)
    table = {impact: dict(row) for impact, row in MATRIX.items()}
    table["high"]["low"] = "P9"
    table["extreme"] = {}
    table["low"]["never"] = "P5"
    answer = alice("PUT", "/priority-matrix", {"matrix": table})
    assert answer.status_code == 422
    assert set(json.loads(answer.content)["error"]["problems"]) == {"high.low", "extreme", "low.never"}


def test_the_audit_tells_who_changed_what(people: Named, call_as: CallAs) -> None:
    alice, charlie = call_as(people.alice), call_as(people.charlie)
    table = {impact: dict(row) for impact, row in MATRIX.items()}
    table["high"]["low"] = "P5"
    alice("PUT", "/priority-matrix", {"matrix": table})
    (entry,) = json.loads(alice("GET", "/audit?kind=priority+matrix").content)["items"]
    assert (entry["actor"], entry["verb"], entry["after"]["high"]["low"]) == ("Alice", "changed", "P5")
    newest, following = (json.loads(alice("GET", "/audit?limit=1").content)[name] for name in ("items", "next"))
    assert newest == [entry]
    assert entry["id"] not in [
        row["id"] for row in json.loads(alice("GET", f"/audit?cursor={following}").content)["items"]
    ]
    assert json.loads(alice("GET", "/audit?until=2020-01-01T00:00:00Z").content)["items"] == []
    assert alice("GET", "/audit?since=yesterday").status_code == 422
    assert charlie("GET", "/audit").status_code == 403
