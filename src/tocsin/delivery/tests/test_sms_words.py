"""Texts of SMS: two segments, whatever the title is made of."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery.channels.sms import words
from tocsin.delivery.contract import IncidentFacts, Link, Message
from tocsin.delivery.rules import bundle, code_message, redacted, title_of_page, trial_message
from tocsin.platform import gsm

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
URL = "https://tocsin.example/incidents/123/"
FACTS = IncidentFacts(123, "Payroll is down", "triggered", "P1", "high", "critical", 3, "Payroll", AT, AT, URL)
LINKS = (Link("view", "Open", URL), Link("acknowledge", "Acknowledge", "https://tocsin.example/a/AAA"))


def page(facts: IncidentFacts = FACTS, **changes: object) -> Message:
    made = Message("page", "page", "k", title_of_page(facts), "body", AT, incidents=(facts,), links=LINKS)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_page() -> None:
    text = words.text_of(page())
    assert text == (
        "P1 Payroll: Payroll is down (INC-123)\nReply ACK 123, RES 123 or ESC 123\nhttps://tocsin.example/incidents/123/"
    )
    assert words.segments(text) == 1


@pytest.mark.parametrize(
    ("text", "places", "segments"),
    [
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 307, 307, 3),
        ("{}", 4, 1),
        ("ü" * 160, 160, 1),
        ("č" * 70, 70, 1),
        ("č" * 71, 71, 2),
        ("🔥", 2, 1),
        ("", 0, 1),
    ],
)
def test_segments(text: str, places: int, segments: int) -> None:
    assert words.places(text) == places
    assert words.segments(text) == segments


def test_pretty_characters_do_not_cost_half_of_the_text() -> None:
    text = words.text_of(page(title="\u201cCheckout\u201d \u2013 it\u2019s down\u2026 \u2192 now (INC-123)"))
    assert gsm.writable(text)
    assert text.startswith('"Checkout" - it\'s down... -> now (INC-123)')


def test_of_a_confidential_incident_only_the_number() -> None:
    facts = redacted(FACTS)
    text = words.text_of(page(facts, title=title_of_page(facts)))
    assert "Payroll" not in text
    assert text.startswith("Confidential incident INC-123\nReply ACK 123")


def test_a_bundle_names_its_incidents() -> None:
    many = [page(replace(FACTS, id=number), key=str(number)) for number in range(100, 140)]
    made = bundle(many, key="b", url="https://tocsin.example/incidents/", acknowledge="https://tocsin.example/a/AAA")
    text = words.text_of(made)
    assert text.startswith("40 more incidents, worst P1: INC-100, INC-101,")
    assert "and 32 more\nReply ACK, RES or ESC and a number\n" in text
    assert words.segments(text) <= 2


def test_nothing_to_answer_when_there_is_nothing_to_do() -> None:
    assert "Reply" not in words.text_of(page(kind="resolved", about="resolved", links=LINKS[:1]))
    test = words.text_of(trial_message(key="t", at=AT, to="Ada", url="https://tocsin.example/"))
    assert "Test from Tocsin. This is a test." in test
    assert "Reply" not in test


def test_a_code_with_the_link_that_says_the_same() -> None:
    made = code_message(
        key="c", code="123456", minutes=15, at=AT, to="Ada", url="https://t.example/", confirm="https://t.example/v/X",
        delivery_id=1,
    )  # fmt: skip
    assert words.text_of(made) == "123456 is your Tocsin code\nhttps://t.example/v/X"


@given(st.text(min_size=1, max_size=400), st.booleans(), st.integers(0, 300))
def test_two_segments_always(title: str, drill: bool, length: int) -> None:
    url = f"https://tocsin.example/{'x' * length}/incidents/123/"
    made = page(title=title, drill=drill, links=(Link("view", "Open", url), LINKS[1]))
    text = words.text_of(made)
    assert words.segments(text) <= 2
    assert "Reply ACK 123" in text
    assert not drill or "DRILL" in text.upper()
