"""What the samples do not show of Datadog's webhooks."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.datadog import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(
    ("transition", "action"),
    [
        ("Triggered", "trigger"), ("Re-Triggered", "trigger"), ("Warn", "trigger"), ("No Data", "trigger"),
        ("Renotify", "trigger"), ("Recovered", "resolve"),
    ],
)  # fmt: skip
def test_transitions(transition: str, action: str) -> None:
    assert parse({"title": "x", "alert_transition": transition})[0].action == action


def test_the_default_body_recovers_what_it_triggered() -> None:
    fired = parse({"id": "1", "title": "[Triggered on {host:db1}] CPU high"})[0]
    again = parse({"id": "2", "title": "[Re-Triggered on {host:db1}] CPU high"})[0]
    ended = parse({"id": "3", "title": "[Recovered on {host:db1}] CPU high"})[0]
    other = parse({"id": "4", "title": "[Recovered on {host:db2}] CPU high"})[0]
    assert [fired.action, again.action, ended.action] == ["trigger", "trigger", "resolve"]
    assert fired.dedup_key == again.dedup_key == ended.dedup_key != other.dedup_key


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"alert_priority": "P1"}, "critical"), ({"alert_priority": "P4"}, "info"),
        ({"alert_type": "warning"}, "warning"),
        ({"alert_transition": "Warn"}, "warning"), ({}, "error"),
        ({"alert_type": "success", "alert_transition": "Recovered"}, "error"),
    ],
)  # fmt: skip
def test_severities(fields: dict[str, str], severity: str) -> None:
    assert parse({"title": "x"} | fields)[0].severity == severity


def test_groups_of_a_monitor_are_told_apart_or_cycles_are() -> None:
    body = {"title": "x", "aggreg_key": "a", "scope": "host:1", "alert_cycle_key": "77"}
    assert parse(body)[0].dedup_key == "a/host:1"
    assert parse(body, {"identity": "cycle"})[0].dedup_key == "77"


def test_a_transition_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match="'alert_transition' is invalid"):
        parse({"title": "x", "alert_transition": "Exploded"})
