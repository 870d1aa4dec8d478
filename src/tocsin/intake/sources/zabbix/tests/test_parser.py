"""What the samples do not show of Zabbix."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.zabbix import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"value": "1"}, "trigger"), ({"value": 0}, "resolve"),
        ({"value": "1", "update": "1", "ack": "Yes"}, "acknowledge"),
        ({"value": "1", "update": "1", "ack": "No"}, "trigger"),
        ({"value": "0", "update": "1", "ack": "Yes"}, "resolve"),
        ({"state": "alerting"}, "trigger"),
    ],
)  # fmt: skip
def test_actions(fields: dict[str, Any], action: str) -> None:
    assert parse({"eventid": "1", "name": "x"} | fields)[0].action == action


@pytest.mark.parametrize(
    ("number", "severity"),
    [(0, "info"), ("2", "warning"), ("4", "error"), ("5", "critical"), ("Disaster", "critical"), (None, "error")],
)
def test_severities(number: Any, severity: str) -> None:
    assert parse({"eventid": "1", "name": "x", "value": "1", "severity": number})[0].severity == severity


@pytest.mark.parametrize("macro", ["{EVENT.ID}", "*UNKNOWN*", "{$NAME}"])
def test_a_macro_that_was_not_expanded_is_missing(macro: str) -> None:
    with pytest.raises(ParseError, match="'eventid' is missing"):
        parse({"eventid": macro, "name": "x", "value": "1"})
