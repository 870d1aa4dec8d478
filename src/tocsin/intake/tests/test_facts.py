"""Reading fields of strangers' JSON: what is missing is named, moments and tags come in many forms."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.intake.contract import Facts, ParseError, report, tags

AT = datetime(2026, 5, 4, 9, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-05-04T09:28:00Z", "2026-05-04T11:28:00+02:00", "2026-05-04 11:28:00 +0200", "2026-05-04 09:28:00 UTC",
        1777886880, "1777886880", "1777886880000", 1777886880000,
    ],
)  # fmt: skip
def test_moments(value: Any) -> None:
    assert Facts({"at": value}).when("nothing", "at") == AT


@pytest.mark.parametrize("value", [None, "", "soon", [], {}, True, "0001-01-01T00:00:00Z"])
def test_what_is_no_moment(value: Any) -> None:
    assert Facts({"at": value}).when("at") is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("env:prod,team=a,plain", {"env": "prod", "team": "a", "plain": "true"}), (["env:prod"], {"env": "prod"}),
        ([["env", "prod"]], {"env": "prod"}), ({"env": "prod", "empty": ""}, {"env": "prod"}),
        ("url:http://x:1", {"url": "http://x:1"}),
        (None, {}), (5, {}), ("", {}),
    ],
)  # fmt: skip
def test_tags(value: Any, found: dict[str, str]) -> None:
    assert tags(value) == found


def test_everything_that_is_wrong_is_named_with_its_place() -> None:
    facts = Facts({"a": {"b": [], "c": "odd"}, "d": 5})
    part = facts.needed_part("a")
    part.needed("b")
    part.one_of("c", {"up": 1, "down": 2})
    part.needed("e")
    facts.needed_part("d")
    with pytest.raises(ParseError) as caught:
        facts.refuse_if_wrong()
    assert caught.value.errors == [
        "'a.b' must be a string",
        "'a.c' is invalid (must be one of up, down)",
        "'a.e' is missing",
        "'d' must be an object",
    ]


def test_a_report_keeps_its_limits_and_plain_links() -> None:
    links = [("javascript:1", "no"), ("", "no"), ("https://x.example", "yes")]
    signal = report("trigger", "k" * 400, " a\n b ", links=links, origin="o" * 400)
    assert (signal.title, len(signal.dedup_key), len(signal.origin)) == ("a b", 255, 255)
    assert [link.text for link in signal.links] == ["yes"]
