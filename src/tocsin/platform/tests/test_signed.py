"""Signatures between Tocsin and its gateways."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.platform import signed

NOW = 1_800_000_000.0
SECRET = "a-secret-of-both-sides"


def test_the_form_that_is_written_down() -> None:
    digest = hmac.new(SECRET.encode(), b"1800000000\nstatus?h=1\n{}", hashlib.sha256).hexdigest()
    given_ = signed.signature(SECRET, "status?h=1", b"{}", NOW)
    assert given_ == f"t=1800000000,v1={digest}"
    assert signed.problem(SECRET, given_, "status?h=1", b"{}", NOW) == ""


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://10.0.0.5:8710/sms", "sms"),
        ("https://proxy.example/gateways/one/sms/", "sms"),
        ("/sms", "sms"),
        ("https://t.example/base/callbacks/main/voice?h=1%3Aab&n=2", "voice?h=1%3Aab&n=2"),
        ("https://t.example", ""),
    ],
)
def test_what_is_signed_of_an_address(url: str, target: str) -> None:
    assert signed.target_of(url) == target


@pytest.mark.parametrize(
    ("secret", "given_", "late", "says"),
    [
        (SECRET, "", 0, "there is no signature"),
        (SECRET, "t=1,v1=xyz", 0, "this is no signature"),
        (SECRET, "t=٣,v1=" + "0" * 64, 0, "this is no signature"),
        ("", "right", 0, "this is no signature"),
        ("another", "right", 0, "the secrets differ"),
        (SECRET, "right", 300, ""),
        (SECRET, "right", 302, "differ by 30"),
        (SECRET, "right", -301, "differ by 30"),
        ("another", "right", 9999, "the secrets differ"),
    ],
)
def test_what_is_not_believed(secret: str, given_: str, late: float, says: str) -> None:
    made = signed.signature(SECRET, "sms", b"{}", NOW) if given_ == "right" else given_
    found = signed.problem(secret, made, "sms", b"{}", NOW + late)
    assert says in found
    assert bool(found) == bool(says)


@given(st.binary(), st.binary(), st.text(max_size=20), st.text(max_size=20))
def test_another_body_or_address_is_not_believed(body: bytes, other: bytes, target: str, elsewhere: str) -> None:
    target, elsewhere = target.replace("\n", ""), elsewhere.replace("\n", "")
    made = signed.signature(SECRET, target, body, NOW)
    assert (signed.problem(SECRET, made, elsewhere, other, NOW) == "") == ((target, body) == (elsewhere, other))
