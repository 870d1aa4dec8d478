"""Who asks and in whose name, ids, errors and headers, before any operation."""

from collections.abc import Callable

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.limits import Limiter
from tocsin.api.pagerduty import ids, views
from tocsin.api.pagerduty.asking import plural
from tocsin.api.pagerduty.tests.conftest import PagerDuty
from tocsin.people.tests.named import Named

AskAs = Callable[..., PagerDuty]


@given(st.sampled_from(ids.KINDS), st.integers(0, (1 << 59) - 1))
def test_an_id_can_be_read_back_by_its_kind_only(kind: str, number: int) -> None:
    name = ids.write(kind, number)
    assert len(name) == 14
    assert name[0] == "Q"
    assert name.isupper()
    assert ids.read(kind, name) == number
    assert [other for other in ids.KINDS if ids.read(other, name) is not None] == [kind]


@given(st.text(max_size=20))
def test_what_is_no_id_is_none(text: str) -> None:
    for kind in ids.KINDS:
        number = ids.read(kind, text)
        assert number is None or ids.write(kind, number) == text


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Token token=abc", "abc"),
        ('token token="abc"', "abc"),
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Token abc", ""),
        ("", ""),
    ],
)
def test_a_key_comes_in_two_ways(header: str, key: str) -> None:
    assert views.key_in(header) == key


@pytest.mark.parametrize(("kind", "name"), [("escalation_policy", "escalation_policies"), ("user", "users")])
def test_collections_have_their_plural(kind: str, name: str) -> None:
    assert plural(kind) == name


def test_without_a_key_nothing_is_told(people: Named, ask_as: AskAs) -> None:
    answer = ask_as(None)("GET", "/abilities")
    assert (answer.status_code, answer.json()) == (401, {"error": {"message": "Authentication failed", "code": 2006}})


def test_errors_are_json_in_one_shape(people: Named, ask_as: AskAs) -> None:
    ask = ask_as(people.alice)
    for method, path, status, code in (
        ("GET", "/nothing", 404, 2100),
        ("DELETE", "/abilities", 405, 2015),
        ("GET", "/priorities?limit=x", 400, 2002),
        ("GET", "/priorities?offset=9999", 400, 2002),
        ("GET", "/priorities?x=%00", 400, 2001),
        ("GET", "/abilities/flight", 402, 2014),
    ):
        answer = ask(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path
        assert answer["Content-Type"] == "application/json"


def test_an_ability_is_204_without_a_body(people: Named, ask_as: AskAs) -> None:
    answer = ask_as(people.alice)("GET", "/abilities/teams")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_list_echoes_its_page(people: Named, ask_as: AskAs) -> None:
    ask = ask_as(people.alice)
    whole = ask("GET", "/priorities").json()
    assert [one["name"] for one in whole["priorities"]] == ["P1", "P2", "P3", "P4", "P5"]
    assert (whole["limit"], whole["offset"], whole["more"], whole["total"]) == (25, 0, False, None)
    part = ask("GET", "/priorities?limit=2&offset=1&total=true").json()
    assert [one["name"] for one in part["priorities"]] == ["P2", "P3"]
    assert (part["limit"], part["offset"], part["more"], part["total"]) == (2, 1, True, 5)
    assert ask("GET", "/priorities?limit=500").json()["limit"] == 100


def test_self_begins_with_the_address_that_was_used(people: Named, key_of: Callable[..., str]) -> None:
    headers = {"Authorization": f"Token token={key_of(people.alice)}"}
    client = Client()
    below = client.get("/pd/priorities", headers=headers).json()["priorities"][0]
    assert below["self"] == f"http://testserver/pd/priorities/{below['id']}"
    root = client.get("/priorities", headers=headers).json()["priorities"][0]
    assert root["self"] == f"http://testserver/priorities/{root['id']}"


def test_a_browser_at_the_root_still_sees_tocsins_pages(people: Named) -> None:
    client = Client()
    client.force_login(people.alice)
    assert client.get("/services/")["Content-Type"].startswith("text/html")
    # a proxy that signs people in may add a bearer token of its own to every request
    proxied = client.get("/services/", headers={"Authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"})
    assert proxied["Content-Type"].startswith("text/html")


def test_every_answer_tells_what_is_left(people: Named, ask_as: AskAs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "limiter", Limiter(1))
    ask = ask_as(people.alice)
    assert ask("GET", "/abilities")["ratelimit-remaining"] == "0"
    answer = ask("GET", "/abilities")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, 2020)
    assert 0 < int(answer["ratelimit-reset"]) <= 61


def test_from_must_name_somebody(people: Named, ask_as: AskAs) -> None:
    answer = ask_as(people.alice)("GET", "/abilities", From="nobody@nowhere.example")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 1008)
    assert ask_as(people.alice)("GET", "/abilities", From=people.alice.email).status_code == 200
