"""What the samples do not show of Opsgenie's API."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tocsin.intake.contract import Parsed, ParseError, Request
from tocsin.intake.sources.opsgenie import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, path: str = "/v2/alerts", query: str = "", method: str = "POST", tail: str = "") -> Parsed:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return parser.parse(Request(raw, now=NOW, method=method, path=path, query=query, tail=tail), {})


@pytest.mark.parametrize(
    ("method", "path", "query", "taken"),
    [
        ("POST", "/v2/alerts", "", True), ("POST", "/v2/alerts/", "", True), ("GET", "/v2/alerts", "", False),
        ("POST", "/v2/alerts/a/close", "identifierType=alias", True),
        ("POST", "/v2/alerts/a/b/acknowledge/", "x=1&identifierType=ALIAS", True),
        ("POST", "/v2/alerts/a/close", "", False), ("POST", "/v2/alerts/a/close", "identifierType=tiny", False),
        ("POST", "/v2/alerts/a/notes", "identifierType=alias", False),
        ("POST", "/v2/alerts/a/actions/close", "identifierType=alias", True),  # the alias is "a/actions"
        ("GET", "/v2/alerts/a", "identifierType=alias", False),
        ("DELETE", "/v2/alerts/a", "identifierType=alias", True), ("DELETE", "/v2/alerts", "", False),
        ("DELETE", "/v2/alerts/a/tags", "identifierType=alias", False),
        ("POST", "/v2/alertsome", "", False), ("POST", "/jsm/ops/integration/v2/alerts", "", True),
    ],
)  # fmt: skip
def test_what_is_the_doors(method: str, path: str, query: str, taken: bool) -> None:
    assert parser.takes(method, path, query) is taken


@pytest.mark.parametrize(
    ("path", "name", "what"),
    [
        ("/v2/alerts/a/close", "a", "close"), ("/v2/alerts//var/log: full/notes/", "/var/log: full", "notes"),
        ("/v2/alerts/100% full", "100% full", ""), ("/v2/alerts/close", "close", ""),
        ("/v2/alerts/a/actions/Restart it", "a", "actions/Restart it"), ("/v2/alerts/a/b/nonsense", "a/b/nonsense", ""),
    ],
)  # fmt: skip
def test_names_may_hold_slashes(path: str, name: str, what: str) -> None:
    rest = parser.below(path)
    assert rest is not None
    assert parser.named(rest) == (name, what)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("GenieKey abc", "abc"), ("geniekey  abc ", "abc"), ("Bearer abc", "abc"), ("Basic abc", None), ("", None),
        ("GenieKey", None),
        ("GenieKey 01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef"),
    ],
)  # fmt: skip
def test_where_the_key_is(header: str, key: str | None) -> None:
    assert parser.key(Request(b"", now=NOW, headers={"authorization": header})) == key


def test_without_an_alias_each_is_an_alert_of_its_own() -> None:
    one, two = (parse({"message": "x"}).signals[0] for _ in range(2))
    assert one.dedup_key != two.dedup_key
    assert one.details["alias"] == one.dedup_key


def test_the_request_says_when_it_came() -> None:
    answer = msgspec.json.decode(parse({"message": "x"}).answer.body)
    assert answer["result"] == "Request will be processed"
    assert UUID(answer["requestId"]).version == 7
    assert UUID(answer["requestId"]).int >> 80 == NOW.timestamp() * 1000


@pytest.mark.parametrize(
    ("priority", "severity"),
    [("P1", "critical"), ("P2", "error"), ("P3", "warning"), (None, "warning"), ("P4", "info"), ("P5", "info")],
)
def test_priorities(priority: str | None, severity: str) -> None:
    signal = parse({"message": "x", "priority": priority}).signals[0]
    assert (signal.severity, signal.priority) == (severity, priority or "P3")


def test_long_aliases_that_begin_alike_stay_apart() -> None:
    keys = {parse({"message": "x", "alias": "a" * 600 + end}).signals[0].dedup_key for end in "bc"}
    assert len(keys) == 2
    alias = "a" * 300
    closed = parse(b"", f"/v2/alerts/{alias}/close", "identifierType=alias").signals[0]
    assert closed.dedup_key == parse({"message": "x", "alias": alias}).signals[0].dedup_key


def test_what_is_too_long_is_cut_and_remarked() -> None:
    signal = parse(
        {"message": "x", "description": "d" * 20_000, "tags": ["t" * 80] * 30, "details": {"k": "v" * 8_100}}
    ).signals[0]
    assert len(signal.details["description"]) == 15_000
    assert len(signal.details["tags"]) == 20
    assert len(signal.details["tags"][0]) == 50
    assert "details" not in signal.details
    assert [remark.split()[0] for remark in signal.remarks] == ["description", "tags", "details"]


@pytest.mark.parametrize(
    ("path", "tail", "query", "status"),
    [
        ("/in/opsgenie/K", "v2/alerts/a/close", "", 422),
        ("/in/opsgenie/K", "v2/alerts/a/notes", "identifierType=alias", 404),
    ],
)
def test_under_its_own_address_only_signals_are_taken(path: str, tail: str, query: str, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse({}, path, query, tail=tail)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["details", "tags", "alias", "responders"])
def test_wrong_types_are_named(name: str) -> None:
    value: Any = 5 if name != "alias" else {}
    with pytest.raises(ParseError) as caught:
        parse({"message": "x", name: value})
    assert caught.value.status == 422
    assert name in msgspec.json.decode(parser.refuse(422, caught.value.errors, "event"))["errors"]
