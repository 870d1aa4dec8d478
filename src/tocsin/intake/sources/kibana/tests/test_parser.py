"""What the samples do not show of Kibana's connector."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.kibana import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


def body(**changes: Any) -> dict[str, Any]:
    return {"rule": {"id": "r", "name": "n"}, "alert": {"id": "a", "actionGroup": "default"}} | changes


def test_a_tag_of_the_rule_or_a_field_is_the_severity() -> None:
    assert parse(body(rule={"id": "r", "tags": "team:a,severity:critical"}))[0].severity == "critical"
    assert parse(body(severity="warning"))[0].severity == "warning"


def test_what_names_the_condition_is_needed() -> None:
    with pytest.raises(ParseError) as caught:
        parse({"rule": {"name": "n"}, "alert": {}})
    assert caught.value.errors == ["'rule.id' is missing", "'alert.id' is missing", "'alert.actionGroup' is missing"]
