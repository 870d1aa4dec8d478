"""PDUs: known ones, there and back, and read by somebody else's decoder."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.gateway.modem import pdu
from tocsin.gateway.tests.modem_emulator import decoded, deliver, report
from tocsin.platform import gsm

NUMBER = "+41791234567"
PLAIN = st.text(st.sampled_from(sorted(gsm.BASIC | gsm.EXTENDED)), max_size=500)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def parts_of(text: str) -> list[dict[str, Any]]:
    return [decoded(part.hex, part.length) for part in pdu.submits(NUMBER, text, 7)]


def test_a_known_submit() -> None:
    """The octets by hand: TS 23.040, 9.2.2.2, with the text of TS 23.038's example of packing."""
    [part] = pdu.submits("+46708251358", "hellohello", 0)
    assert part.hex == "00" + "3100" + "0B91" + "6407281553F8" + "0000" + "A7" + "0A" + "E8329BFD4697D9EC37"
    assert part.length == 23


def test_a_known_deliver() -> None:
    """From the documentation of the other decoder."""
    found = pdu.read_deliver("07916407058099F9040B916407950303F100008921222140140004D4E2940A")
    assert found == pdu.Deliver("+46705930301", "TEST", datetime(2098, 12, 22, 12, 4, 41, tzinfo=UTC))


@given(PLAIN)
def test_septets_there_and_back(text: str) -> None:
    codes = gsm.septets(text)
    assert gsm.text_of(codes) == text
    for fill in (0, 1, 6):
        assert pdu.unpacked(pdu.packed(codes, fill), len(codes), fill) == codes


@given(PLAIN)
def test_plain_texts_are_read_by_others(text: str) -> None:
    found = parts_of(text)
    for one, piece in zip(found, pdu.pieces(text), strict=True):
        # the other decoder counts characters where the length counts septets: it may see an @ in the filling
        extended = any(char in gsm.EXTENDED for char in piece)
        assert one["user_data"]["data"] in ((piece, f"{piece}@") if extended else (piece,))
    assert {one["dcs"]["encoding"] for one in found} == {"gsm"}
    places = len(gsm.septets(text))
    assert len(found) == 1 if places <= 160 else len(found) >= -(-places // 153)
    for one in found:
        assert one["header"]["srr"]
        assert one["recipient"]["number"] == NUMBER[1:]
        assert one["recipient"]["toa"] == {"ton": "international", "npi": "isdn"}
        assert one["validity-hours"] == 24


@given(ANY.filter(lambda text: not gsm.writable(text)))
def test_other_texts_are_read_by_others(text: str) -> None:
    found = parts_of(text)
    assert "".join(str(one["user_data"]["data"]) for one in found) == text
    assert {one["dcs"]["encoding"] for one in found} == {"ucs2"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3), ("ж" * 70, 1), ("ж" * 71, 2), ("ж" * 134, 2), ("ж" * 135, 3),
        ("ж" * 66 + "🔔" + "ж" * 66, 3),
    ],
)  # fmt: skip
def test_parts(text: str, parts: int) -> None:
    found = parts_of(text)
    assert len(found) == parts
    if parts > 1:
        joined = [one["user_data"]["header"]["elements"][0]["data"] for one in found]
        assert joined == [{"reference": 7, "parts_count": parts, "part_number": at} for at in range(1, parts + 1)]


def test_what_cannot_be_sent() -> None:
    for number in ("", "0791234567", "+", "+41abc", "+1234567890123456", "+4179²"):
        with pytest.raises(ValueError, match="country code"):
            pdu.submits(number, "a", 0)
    with pytest.raises(ValueError, match="takes 11 messages"):
        pdu.submits(NUMBER, "a" * (153 * 10 + 1), 0)
    assert pdu.submits(NUMBER, "\ud83d", 0), "half a character does no harm"


@given(st.text(max_size=60), st.sampled_from([NUMBER, "+1", "12345", "+441632960961"]))
def test_what_comes_is_read(text: str, sender: str) -> None:
    text = text.encode("utf-16-be", "replace").decode("utf-16-be")
    found = pdu.read_deliver(deliver(sender, text))
    assert (found.sender, found.text, found.part) == (sender, text, None)
    assert found.at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    joined = pdu.read_deliver(deliver(sender, text, part=(9, 3, 2)))
    assert (joined.text, joined.part) == (text, pdu.Part(9, 3, 2))


def test_a_name_as_sender_and_a_part_in_septets() -> None:
    named = "00040BD0CDE6DB5DCE0300006211328000000005E8329BFD06"
    assert pdu.read_deliver(named).sender == "MMoney"
    [first, second] = pdu.submits(NUMBER, "a" * 160 + "€b", 5)
    for part, said in ((first, "a" * 153), (second, "a" * 7 + "€b")):
        # the number, protocol, coding and user data of a submit, with a time stamp for its validity, make a deliver
        number, data = part.hex[6:22], part.hex[28:]
        found = pdu.read_deliver(f"0044{number}000062113280000000{data}")
        assert (found.sender, found.text) == (NUMBER, said)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0, "delivered"), (1, ""), (2, "delivered"), (0x20, ""), (0x3F, ""), (0x45, "failed"), (0x61, "failed"),
        (0xFF, "failed"),
    ],
)  # fmt: skip
def test_reports(status: int, state: str) -> None:
    found = pdu.read_report(report(17, NUMBER, status))
    assert (found.reference, found.recipient, found.status, found.state) == (17, NUMBER, status, state)


@given(st.binary(max_size=60))
def test_what_is_no_pdu_is_no_fault_of_ours(data: bytes) -> None:
    for read in (pdu.read_deliver, pdu.read_report):
        try:
            read(data.hex())
        except ValueError:
            continue


@pytest.mark.parametrize(("coding", "alphabet"), [(0, "gsm"), (4, "data"), (8, "ucs2"), (0x19, "ucs2"), (0xC8, "gsm"),
                                                  (0xE0, "ucs2"), (0xF0, "gsm"), (0xF5, "data")])  # fmt: skip
def test_codings(coding: int, alphabet: str) -> None:
    assert pdu._alphabet(coding) == alphabet
