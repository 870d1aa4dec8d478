"""What the samples do not show of PagerDuty Events v2."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import TITLE_LIMIT, Parsed, ParseError, Request
from tocsin.intake.sources.pagerduty import events_v1, parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
KEY = "0123456789abcdefghijKLMNOPQRSTUV"


def parse(path: str = "/v2/enqueue", tail: str = "", **changes: Any) -> Parsed:
    event = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "s", "source": "x", "severity": "info"},
    } | changes
    return parser.parse(Request(msgspec.json.encode(event), now=NOW, path=path, tail=tail), {})


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("short", "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ("", "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ("-" * 32, "'routing_key' cannot contain non-alphanumeric characters."),
        ("é" * 32, "'routing_key' cannot contain non-alphanumeric characters."),
        (5, "'routing_key' must be a string"),
    ],
)
def test_keys_that_cannot_be_one(key: Any, error: str) -> None:
    with pytest.raises(ParseError) as caught:
        parser.key(Request(msgspec.json.encode({"routing_key": key}), now=NOW))
    assert caught.value.errors == [error]


def test_a_trigger_without_a_key_gets_one_of_its_own() -> None:
    first, second = parse(), parse()
    assert len(first.signals[0].dedup_key) == 32
    assert first.signals[0].dedup_key != second.signals[0].dedup_key
    assert first.signals[0].dedup_key.encode() in first.answer.body


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_others_need_a_key_but_no_payload(action: str) -> None:
    with pytest.raises(ParseError, match="'dedup_key' is missing"):
        parse(event_action=action, payload=None)
    assert parse(event_action=action, payload=None, dedup_key="k").signals[0].action == action


def test_what_is_too_long_is_cut_and_remarked() -> None:
    signal = parse(dedup_key="k" * 400, payload={"summary": "s" * 2000, "source": "x", "severity": "info"}).signals[0]
    assert len(signal.title) == TITLE_LIMIT
    assert len(signal.dedup_key) == 255
    assert signal.remarks == ["dedup_key cut at 255 characters", "summary cut at 1024 characters"]


def test_sloppy_optional_fields_do_not_lose_the_event() -> None:
    signal = parse(
        client=5, links="none", images=[{"alt": "x"}, 7],
        payload={"summary": "s", "source": "x", "severity": "info", "component": ["a"], "timestamp": "yesterday"},
    ).signals[0]  # fmt: skip
    assert signal.client == "5"
    assert signal.labels["component"] == '["a"]'
    assert signal.links == []
    assert signal.remarks == ["timestamp 'yesterday' is not ISO 8601; it was left out"]


def test_changes_have_an_address_of_their_own() -> None:
    assert parse("/v2/change/enqueue/").signals[0].action == "change"
    assert parse("/in/pagerduty/K/v2/change/enqueue", "v2/change/enqueue").signals[0].action == "change"
    with pytest.raises(ParseError, match="'payload' is missing"):
        parse("/v2/change/enqueue", payload=None)


def v1(**changes: Any) -> Request:
    event = {"service_key": KEY, "event_type": "trigger", "description": "It broke", "incident_key": "k"} | changes
    return Request(msgspec.json.encode(event), now=NOW, path=events_v1.PATH)


@pytest.mark.parametrize("action", ["trigger", "acknowledge", "resolve"])
def test_events_v1_act_by_their_incident_key(action: str) -> None:
    parsed = parser.parse(v1(event_type=action), {})
    assert [(signal.action, signal.dedup_key) for signal in parsed.signals] == [(action, "k")]
    assert parser.key(v1()) == KEY


def test_a_trigger_of_events_v1_without_a_key_gets_one_of_its_own() -> None:
    parsed = parser.parse(v1(incident_key=None), {})
    assert parsed.signals[0].dedup_key.encode() in parsed.answer.body


def test_a_service_key_of_another_length_is_refused() -> None:
    with pytest.raises(ParseError, match="'service_key' is the wrong length"):
        parser.key(v1(service_key="short"))
