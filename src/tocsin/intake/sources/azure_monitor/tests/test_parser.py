"""What the samples do not show of Azure's common alert schema."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.azure_monitor import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


def body(**essentials: Any) -> dict[str, Any]:
    known = {"alertId": "/subscriptions/1/alerts/2", "alertRule": "r", "monitorCondition": "Fired", "severity": "Sev3"}
    return {"schemaId": parser.SCHEMA, "data": {"essentials": known | essentials}}


def test_severities_and_times() -> None:
    signal = parse(body(severity="Sev0", firedDateTime="2026-05-04T09:28:00.1234567Z"))[0]
    assert signal.severity == "critical"
    assert signal.occurred_at == datetime(2026, 5, 4, 9, 28, 0, 123456, tzinfo=UTC)


def test_another_schema_is_refused_with_advice() -> None:
    with pytest.raises(ParseError, match="switch the common alert schema on"):
        parse({"schemaId": "AzureMonitorMetricAlert", "data": {}})


def test_properties_may_be_absent() -> None:
    assert parse(body() | {"customProperties": None})[0].labels == {"rule": "r"}
