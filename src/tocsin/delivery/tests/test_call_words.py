"""What a call says."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery.channels.voice.words import script_of, spoken
from tocsin.delivery.rules import bundle, code_message, redacted, title_of_page, trial_message
from tocsin.delivery.tests.test_sms_words import AT, FACTS, page


def test_a_page() -> None:
    script = script_of(page())
    assert script.text == "This is Tocsin. Incident 123, priority 1, on Payroll. Payroll is down."
    assert script.machine.startswith(script.text)
    assert "Nobody has acknowledged it. This recording takes no answer." in script.machine
    assert script.verbs == ("acknowledge",)


def test_of_a_confidential_incident_only_the_number() -> None:
    facts = redacted(FACTS)
    script = script_of(page(facts, title=title_of_page(facts)))
    assert "Payroll" not in script.text + script.machine
    assert "Incident 123, priority 1. It is confidential" in script.text


def test_a_bundle_and_a_drill() -> None:
    many = [page(replace(FACTS, id=number, drill=True), key=str(number), drill=True) for number in (7, 8)]
    script = script_of(bundle(many, key="b", url="https://t.example/", acknowledge="https://t.example/a/A"))
    assert script.text.startswith("This is Tocsin. This is a drill. 2 incidents wait for you. The worst: Incident 7,")
    assert script.verbs == ("acknowledge",)


def test_a_test_asks_for_nothing() -> None:
    script = script_of(trial_message(key="t", at=AT, to="Ada", url="https://t.example/"))
    assert script.verbs == ()
    assert "This is a test." in script.text


def test_a_code_is_for_the_person_only() -> None:
    made = code_message(
        key="c", code="123456", minutes=15, at=AT, to="Ada", url="https://t.example/", confirm="https://t.example/v/X",
        delivery_id=1,
    )  # fmt: skip
    script = script_of(made)
    assert "1, 2, 3, 4, 5, 6 is your Tocsin code" in script.text
    assert "1" not in script.machine


@given(st.text(max_size=500))
def test_whatever_a_title_holds_can_be_spoken(text: str) -> None:
    said = spoken(text)
    assert len(said) <= 160
    assert not set("<>&{}[]|\\\n\r\x00").intersection(said) - {"&"}
