"""What the samples do not show of Grafana's webhook."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from tocsin.intake.contract import ParseError, Request
from tocsin.intake.sources.grafana import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BODY = b'{"status":"firing","alerts":[{"labels":{"alertname":"X"}}]}'


def asked(headers: dict[str, str]) -> Request:
    return Request(BODY, now=NOW, headers=headers)


def digest(data: bytes, secret: str = "s3cret") -> str:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def test_a_signed_body_is_believed_and_another_is_not() -> None:
    config = {"secret": "s3cret"}
    assert parser.parse(asked({"x-grafana-alerting-signature": digest(BODY)}), config).signals
    for headers, why in (
        ({}, "is missing"),
        ({"x-grafana-alerting-signature": digest(BODY, "other")}, "does not match"),
        ({"x-grafana-alerting-signature": "é"}, "does not match"),
    ):
        with pytest.raises(ParseError, match=why) as caught:
            parser.parse(asked(headers), config)
        assert caught.value.status == 401


def test_the_moment_is_signed_when_a_header_is_named_for_it() -> None:
    config = {"secret": "s3cret", "signature_header": "X-Sign", "timestamp_header": "X-Moment"}
    headers = {"x-sign": digest(b"1777887000:" + BODY), "x-moment": "1777887000"}
    assert parser.parse(asked(headers), config).signals
    with pytest.raises(ParseError, match="does not match"):
        parser.parse(asked(headers | {"x-moment": "1777887001"}), config)
    with pytest.raises(ParseError, match="'X-Moment' is missing"):
        parser.parse(asked({"x-sign": headers["x-sign"]}), config)
