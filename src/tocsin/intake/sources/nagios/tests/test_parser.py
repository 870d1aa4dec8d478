"""What the samples do not show of Nagios' notifications."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.nagios import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


HOST = {"HOSTNAME": "web-1", "NOTIFICATIONTYPE": "PROBLEM", "HOSTSTATE": "DOWN"}


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("PROBLEM", "trigger"), ("CUSTOM", "trigger"), ("RECOVERY", "resolve"), ("ACKNOWLEDGEMENT", "acknowledge"),
        ("FLAPPINGSTART", None), ("DOWNTIMEEND", None),
    ],
)  # fmt: skip
def test_types(word: str, found: str | None) -> None:
    assert [signal.action for signal in parse(HOST | {"NOTIFICATIONTYPE": word})] == ([found] if found else [])


def test_names_of_the_environment_are_understood() -> None:
    signal = parse({f"NAGIOS_{name}": value for name, value in HOST.items()})[0]
    assert (signal.dedup_key, signal.title, signal.severity) == ("web-1", "web-1 is DOWN", "critical")


def test_hosts_and_their_services_are_told_apart() -> None:
    service = parse(HOST | {"SERVICEDESC": "HTTP", "SERVICESTATE": "UNKNOWN", "SERVICEOUTPUT": "no answer"})[0]
    assert (service.dedup_key, service.title, service.severity) == ("web-1/HTTP", "web-1/HTTP: no answer", "error")


def test_a_state_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match="'HOSTSTATE' is invalid"):
        parse(HOST | {"HOSTSTATE": "PURPLE"})
