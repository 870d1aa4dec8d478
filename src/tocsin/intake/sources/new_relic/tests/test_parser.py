"""What the samples do not show of New Relic's workflows."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.new_relic import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(
    ("state", "action"),
    [("CREATED", "trigger"), ("ACTIVATED", "trigger"), ("ACKNOWLEDGED", "acknowledge"), ("CLOSED", "resolve")],
)
def test_states(state: str, action: str) -> None:
    assert parse({"issueId": "1", "issueTitle": "x", "state": state})[0].action == action


def test_a_state_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match="'state' is invalid"):
        parse({"id": "1", "title": "x", "state": "MELTED"})
