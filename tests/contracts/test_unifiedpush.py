"""UnifiedPush beyond what every channel keeps: what the app reads, with and without keys, and what answers mean."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts import push_service
from tests.contracts.channel_servers import Seen
from tests.contracts.test_channels import BROWSER, BUNDLE, OURS, PAGE, RESOLVED, TEST, send
from tocsin.delivery.channels.unifiedpush.channel import channel, payload
from tocsin.delivery.contract import Accepted, Message, Rejected, Result

PUBLIC = push_service.text(OURS.public)


def plainly(behaviour: str = "created", message: Message = PAGE, **more: Any) -> tuple[Result, Seen]:
    """To an app that gave no keys."""
    return send("unifiedpush", channel, behaviour, message, secret="", config={}, **more)


@pytest.mark.parametrize("message", [PAGE, RESOLVED, BUNDLE, TEST], ids=["page", "resolved", "bundle", "test"])
def test_with_keys_only_the_app_reads_it(message: Message) -> None:
    _, seen = send("unifiedpush", channel, "created", message)
    assert seen.requests[0][1]["content-encoding"] == "aes128gcm"
    assert push_service.claims(seen.requests[0][1]["authorization"], OURS.public)["exp"]
    assert json.loads(seen.requests[0][2]) == json.loads(payload(message))  # as the app has opened it


def test_keys_without_a_key_of_ours_are_not_signed() -> None:
    result, seen = send("unifiedpush", channel, "created", config={})
    assert isinstance(result, Accepted)
    assert "authorization" not in seen.requests[0][1]
    assert json.loads(seen.requests[0][2])["title"] == PAGE.title


def test_without_keys_the_body_is_the_message() -> None:
    result, seen = plainly()
    line, headers, body = seen.requests[0]
    assert isinstance(result, Accepted)
    assert line == "POST /wp/abc HTTP/1.1"
    assert "content-encoding" not in headers
    assert "authorization" not in headers
    assert (headers["ttl"], headers["urgency"]) == ("14400", "high")
    said = json.loads(body)
    assert (said["kind"], said["number"], said["title"]) == ("page", "INC-12", PAGE.title)
    assert said["links"]["acknowledge"] == "http://t.example/a/AAA:1"


def test_no_message_is_longer_than_a_push_server_takes() -> None:
    long = replace(PAGE, body="ö" * 9000, title="ö" * 150)
    _, seen = plainly(message=long)
    assert 1 <= len(seen.requests[0][2]) <= 4096
    assert json.loads(seen.requests[0][2])["links"]["acknowledge"] == "http://t.example/a/AAA:1"


def test_what_answers_mean() -> None:
    for behaviour in ("gone", "not-found"):
        result, _ = plainly(behaviour)
        assert isinstance(result, Rejected)
        assert result.gone
    result, _ = plainly("too-large")
    assert isinstance(result, Rejected)
    assert "too large" in result.reason
    assert not result.gone


def test_what_makes_no_sense_is_refused_before_anything_is_sent() -> None:
    for secret in ("x", "AAAA.BBBB", f"{'A' * 87}.{'B' * 22}"):
        result, seen = send("unifiedpush", channel, "created", secret=secret)
        assert isinstance(result, Rejected)
        assert seen.requests == []
    result, seen = send("unifiedpush", channel, "created", config={"key": "of another house"})
    assert isinstance(result, Rejected)
    assert "not ours" in result.reason


def test_the_form_takes_what_apps_show() -> None:
    check = channel.descriptor.check
    url = "https://push.example.org/up/AbC"
    assert check(url) == {}
    assert check(url, BROWSER.secret, {"key": PUBLIC}) == {}
    assert set(check("push.example.org", "abc", {"key": "x"})) == {"address", "secret", "config.key"}
