"""What the samples do not show of VictorOps' endpoint."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request
from tocsin.intake.sources.victorops import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def request(body: Any, path: str = "/in/victorops/K", tail: str = "") -> Request:
    return Request(msgspec.json.encode(body), now=NOW, path=path, tail=tail)


@pytest.mark.parametrize(
    ("path", "key", "routing_key"),
    [
        (f"{parser.ROOT}K1/shop", "K1", "shop"),
        (f"{parser.ROOT}K1/shop/", "K1", "shop"),
        (f"{parser.ROOT}K1", "K1", ""),
        (f"{parser.ROOT}K1/a%2Fb", "K1", "a/b"),
        (parser.ROOT, None, ""),
    ],
)
def test_the_address_holds_key_and_routing_key(path: str, key: str | None, routing_key: str) -> None:
    made = request({"message_type": "INFO"}, path)
    assert parser.key(made) == key
    assert parser.takes("POST", path, "") is (key is not None)
    (signal,) = parser.parse(made, {}).signals
    assert signal.labels.get("routing_key", "") == routing_key


def test_a_trigger_without_an_entity_gets_one_that_the_answer_names() -> None:
    one, two = (parser.parse(request({"message_type": "CRITICAL"}), {}) for _ in range(2))
    assert msgspec.json.decode(one.answer.body) == {"result": "success", "entity_id": one.signals[0].dedup_key}
    assert one.signals[0].dedup_key != two.signals[0].dedup_key


@pytest.mark.parametrize("kind", ["ACKNOWLEDGEMENT", "RECOVERY"])
def test_what_ends_something_must_say_what(kind: str) -> None:
    with pytest.raises(ParseError, match="entity_id"):
        parser.parse(request({"message_type": kind, "entity_id": ""}), {})


def test_many_fields_do_not_become_many_labels() -> None:
    body = {"message_type": "INFO", "entity_id": "e"} | {f"field{number}": "x" for number in range(200)}
    (signal,) = parser.parse(request(body), {}).signals
    assert len(signal.labels) == parser.MOST_LABELS
    assert len(signal.details) == 202
