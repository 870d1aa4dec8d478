"""Circuits, order, limits and late news: tables."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery import numbers
from tocsin.delivery.contract import Accepted, Rejected, TryLater
from tocsin.delivery.provider_contract import Account, Unfit
from tocsin.delivery.rules import providers as rules
from tocsin.delivery.rules import replies
from tocsin.delivery.rules.providers import Candidate, Circuit, Outcome, Record
from tocsin.delivery.rules.replies import Command

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = TryLater(None, "HTTP 503")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("open_until", "now", "expected"),
    [(None, NOW, "closed"), (at(1), NOW, "open"), (NOW, NOW, "probe"), (at(-1), NOW, "probe")],
)
def test_standing(open_until: datetime | None, now: datetime, expected: str) -> None:
    assert rules.standing(Circuit(3, open_until), now) == expected


@pytest.mark.parametrize(
    ("circuit", "outcome", "probe", "expected"),
    [
        (Circuit(), Accepted("1"), False, Circuit()),
        (Circuit(2, None, "x"), Accepted("1"), False, Circuit()),
        (Circuit(2, None, "x"), Rejected("no such number"), False, Circuit()),
        (Circuit(), LATER, False, Circuit(1, None, "HTTP 503")),
        (Circuit(1), LATER, False, Circuit(2, None, "HTTP 503")),
        (Circuit(2), LATER, False, Circuit(3, at(30), "HTTP 503")),
        # what was under way when it opened changes nothing; the probe does
        (Circuit(3, at(20), "x"), LATER, False, Circuit(3, at(20), "x")),
        (Circuit(3, at(40), "x"), LATER, True, Circuit(4, at(60), "HTTP 503")),
        (Circuit(3, at(40), "x"), Accepted("1"), True, Circuit()),
        (Circuit(30, NOW, "x"), LATER, False, Circuit(31, at(600), "HTTP 503")),
        # a wrong credential and a limit of the provider's need no three tries
        (Circuit(), Unfit("HTTP 401"), False, Circuit(1, at(300), "HTTP 401")),
        (Circuit(), TryLater(7.0, "HTTP 429"), False, Circuit(1, at(7), "HTTP 429")),
        (Circuit(2), TryLater(7.0, "HTTP 429"), False, Circuit(3, at(30), "HTTP 429")),
        (Circuit(), TryLater(1e9, "HTTP 429"), False, Circuit(1, at(3600), "HTTP 429")),
    ],
)
def test_circuit_after(circuit: Circuit, outcome: Outcome, probe: bool, expected: Circuit) -> None:
    assert rules.circuit_after(circuit, outcome, NOW, probe=probe) == expected


@given(st.lists(st.sampled_from([Accepted("1"), LATER, Unfit("x"), Rejected("x"), TryLater(5.0, "x")]), max_size=30))
def test_a_circuit_never_stays_open_without_end(outcomes: list[Outcome]) -> None:
    circuit, now = Circuit(), NOW
    for outcome in outcomes:
        probe = rules.standing(circuit, now) == "probe"
        circuit = rules.circuit_after(circuit, outcome, now, probe=probe)
        assert circuit.open_until is None or circuit.open_until - now <= timedelta(hours=1)
        now += timedelta(seconds=20)
    assert rules.standing(circuit, now + timedelta(hours=1)) != "open"


def candidate(id: int, position: int = 0, countries: tuple[str, ...] = (), good: int = 0, bad: int = 0) -> Candidate:
    return Candidate(id, "twilio", Account("a", "A"), position, countries, record=Record(good, bad))


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([candidate(1, 2), candidate(2, 1)], [2, 1]),
        ([candidate(1, 1, good=1, bad=3), candidate(2, 2)], [1, 2]),  # four tries say nothing
        ([candidate(1, 1, good=4, bad=6), candidate(2, 2, good=8, bad=2), candidate(3, 3, good=10)], [3, 2, 1]),
        ([candidate(1, 1, good=95, bad=5), candidate(2, 2, good=100)], [1, 2]),
        ([candidate(1, 1, good=92, bad=8), candidate(2, 1, good=100)], [2, 1]),
        ([candidate(1, 1, ("+49",)), candidate(2, 2, ("+41", "+43")), candidate(3, 3, ("+417",))], [2, 3]),
        ([], []),
    ],
)
def test_order(candidates: list[Candidate], expected: list[int]) -> None:
    assert [one.id for one in rules.in_order(candidates, "+41791234567")] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], 0.0),
        ([0, 0, 0, 0], 0.0),
        ([0, 0, 0, 0, 0], 55.0),
        ([-60, -50, -40, -30, -20], 35.0),
        ([-600, -599, -1, -1, -1], 0.0),
        ([-300, -240, -180, -120, -60], 0.0),
    ],
)
def test_wait_for_number(sent: list[float], expected: float) -> None:
    assert rules.wait_for_number([at(one) for one in sent], NOW) == expected


@pytest.mark.parametrize(
    ("state", "news", "newest", "expected"),
    [
        ("accepted", "delivered", True, "delivered"),
        ("accepted", "failed", True, "failed"),
        ("accepted", "failed", False, "failed"),
        ("accepted", "sent", True, None),
        ("sending", "delivered", False, "delivered"),
        ("sending", "failed", True, "failed"),
        ("sending", "failed", False, None),
        ("pending", "delivered", False, "delivered"),
        ("pending", "failed", True, None),
        ("delivered", "failed", True, None),
        ("delivered", "delivered", True, None),
        ("failed", "delivered", True, None),
        ("dropped", "delivered", True, None),
        ("dropped", "failed", True, None),
    ],
)
def test_late_news_moves_nothing_backwards(state: str, news: str, newest: bool, expected: str | None) -> None:
    assert rules.delivery_after(state, news, newest=newest) == expected


@pytest.mark.parametrize(
    ("state", "news", "expected"),
    [
        ("begun", "delivered", "delivered"),
        ("accepted", "failed", "failed"),
        ("accepted", "sent", None),
        ("delivered", "failed", None),
        ("failed", "delivered", None),
        ("refused", "delivered", None),
    ],
)
def test_handover_after(state: str, news: str, expected: str | None) -> None:
    assert rules.handover_after(state, news) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ACK 123", Command("acknowledge", 123)),
        ("ack inc-123.", Command("acknowledge", 123)),
        (" Ack  #7 ", Command("acknowledge", 7)),
        ("ack123", Command("acknowledge", 123)),
        ("RES12!", Command("resolve", 12)),
        ("a", Command("acknowledge")),
        ("4", Command("acknowledge")),
        ("5 12", Command("escalate", 12)),
        ("6", Command("resolve")),
        ("Escalate 9", Command("escalate", 9)),
        ("who", Command("who")),
        ("Who 12?", Command("who", 12)),
        ("NOTE 12 Restarting it", Command("note", 12, "Restarting it")),
        ("note: INC-12, 3 disks failed", Command("note", 12, "3 disks failed")),
        ("note it is DNS", Command("note", None, "it is DNS")),
        ("note 12", Command("", 12)),
        ("notebooks burn", Command("")),
        ("ACK twelve", Command("")),  # never "the newest one"
        ("ACK 12 13", Command("")),
        ("ACK -1", Command("")),
        ("ACK " + "9" * 30, Command("")),
        ("stop", Command("stop")),
        ("Unsubscribe", Command("stop")),
        ("START", Command("start")),
        ("help", Command("help")),
        ("?", Command("help")),
        ("stop it", Command("")),
        ("", Command("")),
        ("I am on it", Command("")),
        ("\x00ack", Command("")),
    ],
)
def test_replies(text: str, expected: Command) -> None:
    assert replies.read(text) == expected


@given(st.text(max_size=200))
def test_any_reply_can_be_read(text: str) -> None:
    assert replies.read(text).verb in (*replies.VERBS, "who", "note", "stop", "start", "help", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+41 79 123 45 67", "+41791234567"),
        ("0041 (0)79 123 45 67", "+41791234567"),
        (" +1 (415) 555-2671 ", "+14155552671"),
        ("+49 1512 3456789", "+4915123456789"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert numbers.problem(text) == ""
    assert numbers.normal(text) == numbers.normal(expected) == expected


@pytest.mark.parametrize(
    "text", ["079 123 45 67", "+41", "", "+41 79", "ada", "+41791234567 ext. 5", "+" + "1" * 60, "112"]
)
def test_no_numbers(text: str) -> None:
    assert numbers.problem(text) == numbers.HINT


@given(st.text(max_size=50))
def test_any_text_can_be_asked_about(text: str) -> None:
    numbers.problem(text)
    assert numbers.country(text).startswith("+")
    assert numbers.normal(numbers.normal(text)) == numbers.normal(text)
