"""What the samples do not show of Alertmanager's webhook."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import Parsed, ParseError, Request
from tocsin.intake.sources.alertmanager import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(alerts: Any, config: dict[str, Any] | None = None, **changes: Any) -> Parsed:
    body = {"version": "4", "status": "firing", "groupKey": "g", "alerts": alerts} | changes
    return parser.parse(Request(msgspec.json.encode(body), now=NOW), config or {})


def test_without_a_fingerprint_labels_are_the_identity() -> None:
    one, two, three = (
        parse([{"labels": labels}]).signals[0].dedup_key
        for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1"})
    )
    assert one == two != three


def test_severity_comes_from_the_label_that_the_source_names() -> None:
    alerts = [{"labels": {"level": "page"}}, {"labels": {"severity": "critical"}}, {"labels": {"level": "odd"}}]
    config = {"severity_label": "level", "default_severity": "warning"}
    assert [signal.severity for signal in parse(alerts, config).signals] == ["critical", "warning", "warning"]


def test_an_absent_alert_is_not_resolved_and_an_empty_group_is_fine() -> None:
    assert parse([], truncatedAlerts=4).signals == []


def test_labels_of_other_types_become_text() -> None:
    signal = parse([{"labels": {"alertname": "X", "shard": 4, "empty": ""}, "annotations": None}]).signals[0]
    assert signal.labels == {"alertname": "X", "shard": "4"}


def test_a_state_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match=r"'alerts\[0\].status' is invalid"):
        parse([{"labels": {"a": "b"}, "status": "pending"}])


def test_a_group_resolves_as_one() -> None:
    config = {"identity": "group"}
    alerts = [{"labels": {"alertname": "X"}}]
    fired = parse(alerts, config).signals
    resolved = parse(alerts, config, status="resolved").signals
    assert [signal.action for signal in (*fired, *resolved)] == ["trigger", "resolve"]
    assert fired[0].dedup_key == resolved[0].dedup_key
