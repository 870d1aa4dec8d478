"""What the samples do not show of Alertmanager's API."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import Parsed, ParseError, Request
from tocsin.intake.sources.alertmanager_api import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(alerts: Any, config: dict[str, Any] | None = None) -> Parsed:
    return parser.parse(Request(msgspec.json.encode(alerts), now=NOW), config or {})


@pytest.mark.parametrize(
    ("ends", "action", "expires"),
    [
        (None, "trigger", 300), ("0001-01-01T00:00:00Z", "trigger", 300), ("2026-05-04T09:30:01Z", "trigger", 1),
        ("2026-05-04T09:30:00Z", "resolve", None), ("2020-01-01T00:00:00.123456789Z", "resolve", None),
        ("rubbish", "trigger", 300),
    ],
)  # fmt: skip
def test_the_end_decides(ends: str | None, action: str, expires: int | None) -> None:
    alert = {"labels": {"a": "b"}} | ({} if ends is None else {"endsAt": ends})
    signal = parse([alert]).signals[0]
    assert signal.action == action
    assert signal.expires_at == (None if expires is None else NOW + timedelta(seconds=expires))


def test_the_timeout_is_the_sources() -> None:
    assert parse([{"labels": {"a": "b"}}], {"resolve_timeout_s": 60}).signals[0].expires_at == NOW + timedelta(
        seconds=60
    )


def test_empty_labels_do_not_count_and_order_does_not_matter() -> None:
    one, two = parse([{"labels": {"a": "1", "b": "2", "c": ""}}, {"labels": {"b": "2", "a": "1"}}]).signals
    assert one.dedup_key == two.dedup_key


def test_an_empty_batch_is_fine_and_no_list_is_not() -> None:
    assert parse([]).answer.status == 200
    assert parse([]).answer.body == b""
    with pytest.raises(ParseError, match="'alerts' must be a list"):
        parse({"labels": {}})


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({"authorization": "Bearer K1"}, "", "K1"),
        ({"authorization": "bearer  K1 "}, "", "K1"),
        ({"authorization": "Basic " + base64.b64encode(b"u:K1:x").decode()}, "", "K1:x"),
        ({}, "token=K1", "K1"),
        ({}, "a=b", None),
        ({}, "", None),
    ],
)
def test_where_the_key_may_be(headers: dict[str, str], query: str, key: str | None) -> None:
    assert parser.key(Request(b"", now=NOW, headers=headers, query=query)) == key


def test_a_broken_basic_header_is_refused() -> None:
    with pytest.raises(ParseError, match="'Authorization'"):
        parser.key(Request(b"", now=NOW, headers={"authorization": "Basic ???"}))


def test_shapes_of_refusals() -> None:
    assert parser.refuse(400, ["at least one label pair required"], "event") == b'"at least one label pair required"'
    assert msgspec.json.decode(parser.refuse(422, ["0.labels in body is required"], "event")) == {
        "code": 602, "message": "0.labels in body is required",
    }  # fmt: skip
    assert msgspec.json.decode(parser.refuse(400, ["x"], "json"))["message"].startswith("parsing alerts body from")
