"""Web push beyond what every channel keeps: what is encrypted, signed and asked for, and what answers mean."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.contracts import push_service
from tests.contracts.test_channels import OURS, send
from tocsin.delivery.channels.webpush.channel import channel, payload
from tocsin.delivery.contract import Accepted, Link, Message, Rejected, TryLater
from tocsin.delivery.pushing import contact
from tocsin.delivery.rules import body_of_page, redacted, title_of_page
from tocsin.testing.channels import AT, BUNDLE, FACTS, NOTICE, PAGE, RESOLVED, TEST


def shown(message: Message) -> dict[str, Any]:
    _, seen = send("webpush", channel, "created", message)
    said: dict[str, Any] = json.loads(seen.requests[0][2])
    return said


def asked(message: Message) -> dict[str, str]:
    _, seen = send("webpush", channel, "created", message)
    return seen.requests[0][1]


def test_the_browser_of_the_tests_reads_what_the_standard_wrote() -> None:
    """RFC 8291, Appendix A: otherwise sender and reader could be wrong in the same way."""
    body = push_service.raw(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    key = int.from_bytes(push_service.raw("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    browser = push_service.Browser(
        push_service.Keys(ec.derive_private_key(key, ec.SECP256R1())), push_service.raw("BTBZMqHH6r4Tts7J_aSIgg")
    )
    assert browser.open(body) == b"When I grow up, I want to be a watermelon"


def test_a_page_says_what_a_person_needs_and_may_do() -> None:
    said = shown(PAGE)
    assert (said["kind"], said["title"], said["number"], said["tag"]) == ("page", PAGE.title, "INC-12", "INC-12")
    assert said["body"] == PAGE.body
    assert (said["url"], said["acknowledge"]) == ("/incidents/12/", "/a/AAA:1"), "by whatever name the browser knows us"
    assert (said["loud"], said["drill"]) == (True, False)


def test_what_the_push_service_is_asked_for() -> None:
    page = asked(PAGE)
    assert (page["urgency"], page["ttl"]) == ("high", "14400")
    assert asked(replace(PAGE, loud=False))["urgency"] == "normal"
    assert asked(RESOLVED)["topic"] == page["topic"], "a newer state replaces an older one that waits"
    assert asked(replace(PAGE, incidents=(replace(FACTS, id=13),)))["topic"] != page["topic"]
    assert len({asked(one)["topic"] for one in (PAGE, TEST, NOTICE, BUNDLE)}) == 4
    assert b"INC" not in urlsafe_b64decode(page["topic"] + "==")


def test_the_signature_is_for_this_service_and_for_a_while() -> None:
    _, seen = send("webpush", channel, "created")
    said = push_service.claims(seen.requests[0][1]["authorization"], OURS.public)
    assert said["aud"] == f"http://127.0.0.1:{seen.port}"
    assert said["exp"] == int((AT + timedelta(hours=12)).timestamp())
    assert said["sub"] == "mailto:tocsin@t.example"


@pytest.mark.parametrize(
    ("url", "sender", "expected"),
    [
        ("https://tocsin.example", "a@b.example", "https://tocsin.example"),
        ("https://tocsin.example:8443", "Tocsin <a@b.example>", "mailto:a@b.example"),
        ("http://tocsin.example", "a@b.example", "mailto:a@b.example"),
        ("https://localhost", "", "mailto:tocsin@localhost"),
    ],
)
def test_whom_the_service_may_ask(url: str, sender: str, expected: str) -> None:
    assert contact(url, sender) == expected


@pytest.mark.parametrize("letter", ["a", "ö", "\u0001", '"', "\N{FIRE}"])
def test_long_texts_are_cut_to_what_services_take(letter: str) -> None:
    long = replace(PAGE, body=letter * 9000, title=letter * 150)
    assert len(payload(long)) <= 3900
    said = shown(long)
    assert len(payload(long)) > 3700, "not more than needed"
    assert said["body"].endswith("…")
    assert said["acknowledge"] == "/a/AAA:1"
    assert len(payload(replace(long, title=letter * 9000))) <= 3900


def test_a_drill_says_so_first() -> None:
    assert shown(replace(PAGE, drill=True))["title"].startswith("[DRILL] ")


def test_a_confidential_incident_tells_its_number_only() -> None:
    facts = redacted(FACTS)
    page = replace(
        PAGE,
        incidents=(facts,),
        title=title_of_page(facts),
        body=body_of_page(facts, why="", others=()),
        why="",
        others=(),
    )
    said = json.dumps(shown(page))
    assert "INC-12" in said
    for secret in ("Checkout", "döwn", "d\\u00f6wn", "Shop"):
        assert secret not in said


def test_a_test_carries_what_proves_that_it_came() -> None:
    said = shown(replace(TEST, links=(Link("received", "It came", "http://t.example/v/XYZ"),)))
    assert (said["received"], said["confirm"]) == ("/v/XYZ", ""), "the device answers by itself"
    said = shown(replace(TEST, links=(Link("confirm", "It reaches me", "http://t.example/v/XYZ"),)))
    assert (said["received"], said["confirm"]) == ("", "/v/XYZ"), "only the person can say so"


def test_answers_of_a_push_service() -> None:
    def answered(behaviour: str) -> object:
        return send("webpush", channel, behaviour)[0]

    assert answered("created") == Accepted("https://push.example/m/1")
    for behaviour in ("gone", "not-found"):
        assert answered(behaviour) == Rejected("the browser has taken the subscription back", gone=True)
    for behaviour, words in (("too-large", "too large"), ("bad-request", "VapidMismatch"), ("forbidden", "our key")):
        result = answered(behaviour)
        assert isinstance(result, Rejected)
        assert not result.gone, "the subscription may live"
        assert words in result.reason
    assert isinstance(answered("error"), TryLater)


def test_a_subscription_that_makes_no_sense_is_refused() -> None:
    for secret in ("", "x", "AAAA.BBBB", f"{'A' * 87}.{'B' * 22}"):
        result, seen = send("webpush", channel, "created", secret=secret)
        assert isinstance(result, Rejected)
        assert seen.requests == []
    result, _ = send("webpush", channel, "created", config={"key": "of another house"})
    assert isinstance(result, Rejected)
    assert "not ours" in result.reason
