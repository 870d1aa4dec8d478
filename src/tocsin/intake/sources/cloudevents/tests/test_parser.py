"""What the samples do not show of CloudEvents."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request
from tocsin.intake.sources.cloudevents import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def structured(**changes: Any) -> Request:
    headers = {"content-type": "application/cloudevents+json"}
    return Request(msgspec.json.encode(EVENT | changes), now=NOW, headers=headers)


def test_data_may_come_encoded_or_as_text() -> None:
    data = {"title": "coded"}
    encoded = base64.b64encode(msgspec.json.encode(data)).decode()
    assert parser.parse(structured(data_base64=encoded), {}).signals[0].title == "coded"
    text = structured(datacontenttype="application/json", data='{"title": "text"}')
    assert parser.parse(text, {}).signals[0].title == "text"
    with pytest.raises(ParseError, match="'data_base64' is not base64"):
        parser.parse(structured(data_base64="?"), {})


def test_binary_data_that_is_not_json_is_kept() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "x.down",
        "content-type": "image/png",
    }
    signal = parser.parse(Request(b"\x89PNG", now=NOW, headers=headers), {}).signals[0]
    assert signal.action == "trigger"
    assert signal.details["data"] == {"data_base64": base64.b64encode(b"\x89PNG").decode()}


@pytest.mark.parametrize(
    ("media", "status"), [("application/cloudevents+xml", 415), ("application/json", 415), ("", 415)]
)
def test_what_is_no_cloudevent_is_refused(media: str, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        parser.parse(Request(b"{}", now=NOW, headers={"content-type": media}), {})
    assert caught.value.status == status


def test_an_empty_batch_is_fine() -> None:
    request = Request(b"[]", now=NOW, headers={"content-type": "application/cloudevents-batch+json"})
    assert parser.parse(request, {}).signals == []


def test_a_version_of_another_world_is_named() -> None:
    with pytest.raises(ParseError, match=r"'specversion' must be 1\.0"):
        parser.parse(structured(specversion="0.3"), {})
