"""What the samples do not show of Sentry's webhooks."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.sentry import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("created", "trigger"),
        ("unresolved", "trigger"),
        ("resolved", "resolve"),
        ("assigned", None),
        ("archived", None),
    ],
)
def test_actions_on_issues(action: str, found: str | None) -> None:
    signals = parse({"action": action, "data": {"issue": {"id": "1", "title": "x"}}}, sentry_hook_resource="issue")
    assert [signal.action for signal in signals] == ([found] if found else [])


def test_an_event_and_its_issue_are_the_same_condition() -> None:
    fired = parse({"action": "triggered", "data": {"event": {"issue_id": "77", "title": "x"}}})[0]
    ended = parse({"action": "resolved", "data": {"issue": {"id": "77"}}})[0]
    assert fired.dedup_key == ended.dedup_key


def test_other_hooks_are_heard() -> None:
    assert parse({"action": "created", "data": {"installation": {}}}, sentry_hook_resource="installation") == []


def test_the_older_plugin_is_understood() -> None:
    body = {"id": "5", "project": "front", "message": "It broke", "level": "fatal", "url": "https://s.example/5"}
    signal = parse(body)[0]
    assert (signal.dedup_key, signal.title, signal.severity) == ("5", "It broke", "critical")


def test_a_wrong_signature_is_refused() -> None:
    with pytest.raises(ParseError, match="does not match") as caught:
        parse({"action": "created", "data": {}}, {"secret": "s"}, sentry_hook_signature="00")
    assert caught.value.status == 401
