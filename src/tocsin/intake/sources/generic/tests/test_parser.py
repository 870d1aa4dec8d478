"""What the samples do not show of any JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.generic import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None) -> list[Signal]:
    return parser.parse(Request(msgspec.json.encode(body), now=NOW), config or {}).signals


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"status": "firing"}, "trigger"), ({"state": "OK"}, "resolve"), ({"action": "ack"}, "acknowledge"),
        ({"message_type": "RECOVERY"}, "resolve"), ({"status": 200}, "trigger"), ({}, "trigger"),
        ({"status": "strange"}, "trigger"), ({"event_type": "deployment"}, "change"),
    ],
)  # fmt: skip
def test_actions_are_guessed(body: dict[str, Any], action: str) -> None:
    assert parse(body)[0].action == action


def test_without_a_key_the_title_and_the_origin_are_the_identity() -> None:
    one, two, three = (
        parse(body)[0].dedup_key
        for body in (
            {"title": "x", "host": "a", "n": 1},
            {"title": "x", "host": "a", "n": 2},
            {"title": "x", "host": "b"},
        )
    )
    assert one == two != three


def test_an_unknown_action_is_taken_as_trigger_with_a_remark() -> None:
    signal = parse({"title": "x"}, {"action": "'explode'"})[0]
    assert signal.action == "trigger"
    assert signal.remarks == ["action 'explode' is not known, taken as trigger"]


def test_labels_must_be_a_map() -> None:
    signal = parse({"title": "x"}, {"labels": "[1, 2]"})[0]
    assert signal.labels == {}
    assert signal.remarks == ["labels must be a map; they were left out"]


def test_too_many_at_once_are_refused() -> None:
    with pytest.raises(ParseError, match="at most 10000"):
        parse([{}] * 10_001)
