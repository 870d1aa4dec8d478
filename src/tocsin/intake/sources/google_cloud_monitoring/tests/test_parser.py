"""What the samples do not show of Google Cloud's webhook."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.google_cloud_monitoring import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(("state", "action"), [("open", "trigger"), ("OPEN", "trigger"), ("closed", "resolve")])
def test_states(state: str, action: str) -> None:
    assert parse({"incident": {"incident_id": "0.a", "state": state}})[0].action == action


def test_no_severity_is_an_error() -> None:
    signal = parse({"incident": {"incident_id": "0.a", "state": "open", "severity": "No severity"}})[0]
    assert (signal.severity, signal.title) == ("error", "Incident 0.a")


def test_a_state_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match=r"'incident\.state' is invalid"):
        parse({"incident": {"incident_id": "0.a", "state": "ajar"}})
