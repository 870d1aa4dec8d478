"""What the samples do not show of Healthchecks' webhook."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.healthchecks import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


def test_what_the_template_leaves_out_is_taken_from_the_check() -> None:
    signal = parse({"check": {"unique_key": "u1", "name": "Backup", "status": "down", "tags": "db env:prod"}})[0]
    assert (signal.action, signal.dedup_key, signal.title) == ("trigger", "u1", "Backup")
    assert signal.labels == {"db": "true", "env": "prod", "check": "Backup"}


@pytest.mark.parametrize("status", ["paused", "", 5, {"is": "down"}])
def test_a_status_that_does_not_exist_is_named(status: Any) -> None:
    with pytest.raises(ParseError, match="'status'"):
        parse({"code": "x", "status": status})
