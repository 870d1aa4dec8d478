"""What the samples do not show of the formatted webhook."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.grafana_oncall import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(
    ("state", "action"),
    [("alerting", "trigger"), ("OK", "resolve"), (None, "trigger"), ("strange", "trigger"), ("ack", "acknowledge")],
)
def test_states(state: Any, action: str) -> None:
    assert parse({"alert_uid": "a", "title": "t", "state": state})[0].action == action


def test_without_a_uid_the_title_is_the_identity() -> None:
    one, two, three = (
        parse(body)[0].dedup_key
        for body in ({"title": "a", "message": "x"}, {"title": "a", "state": "ok"}, {"title": "b"})
    )
    assert one == two != three


def test_an_object_that_says_nothing_is_refused() -> None:
    with pytest.raises(ParseError, match="'title' is missing"):
        parse({"image_url": "https://x.example/i.png"})
