"""What the samples do not show of Uptime Kuma's webhook."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.uptime_kuma import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(("status", "count"), [(0, 1), (1, 1), (2, 0), (3, 0)])
def test_only_down_and_up_are_reported(status: int, count: int) -> None:
    assert len(parse({"heartbeat": {"status": status}, "monitor": {"id": 1, "name": "x"}})) == count


def test_without_monitor_a_test_is_nothing_and_a_certificate_is_a_warning() -> None:
    assert parse({"heartbeat": None, "monitor": None, "msg": "Tocsin Testing"}) == []
    one, two = (
        parse({"heartbeat": None, "monitor": None, "msg": f"[shop] certificate expires in {days} days"})[0]
        for days in (14, 7)
    )
    assert (one.action, one.severity) == ("trigger", "warning")
    assert one.dedup_key == two.dedup_key


def test_a_status_that_does_not_exist_is_named() -> None:
    with pytest.raises(ParseError, match=r"'heartbeat\.status' is invalid"):
        parse({"heartbeat": {"status": 9}, "monitor": {"id": 1, "name": "x"}})
