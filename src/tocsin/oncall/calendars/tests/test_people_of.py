"""Whom an event means: found by what is written, told when it is not clear, never guessed."""

from datetime import UTC, datetime

import pytest

from tocsin.oncall.calendars import Ambiguous, Directory, Event, Match, Person, level_of, meant

ADA, BEN, CLEO, JOSE, ADA2, SMITH1, SMITH2 = 1, 2, 3, 4, 5, 6, 7
KNOWN = Directory(
    [
        Person(ADA, "Ada Lovelace", "ada@example.org"),
        Person(BEN, "Ben Okri", "b.okri@example.org"),
        Person(CLEO, "Cleo", "cleo.dane@example.org"),
        Person(JOSE, "José Müller-Lüdenscheidt", "jose@example.org"),
        Person(SMITH1, "Sam Smith", "sam1@example.org"),
        Person(SMITH2, "Sam Smith", "sam2@example.org"),
        Person(ADA2, "Ada King", "ada.king@example.com"),
    ]
)
AT = datetime(2026, 3, 1, tzinfo=UTC)


def event(summary: str, description: str = "", attendees: tuple[str, ...] = ()) -> Event:
    return Event("u", AT, AT, summary, description, attendees)


@pytest.mark.parametrize(
    ("summary", "people", "level", "unknown"),
    [
        ("On Call - Ada Lovelace - Payments", [ADA], None, []),
        ("On Call - Payments - Ada Lovelace", [ADA], None, []),
        ("On Call \u2013 Ada Lovelace \u2014 Payments", [ADA], None, []),
        ("[L1] ada", [ADA], 1, []),
        ("[l0]ADA", [ADA], 0, []),
        (" [L9] @b.okri, cleo ", [BEN, CLEO], 9, []),
        ("[L12] ada", [ADA], None, []),  # no level, so a part like any other
        ("Ada Lovelace, Ben Okri", [ADA, BEN], None, []),
        ("Ben Okri & Ada Lovelace and Cleo", [BEN, ADA, CLEO], None, []),
        ("ada / b.okri", [ADA, BEN], None, []),
        ("Lovelace, Ada", [ADA], None, []),
        ("Primary: Ada Lovelace", [ADA], None, []),
        ("Ada Lovelace on call", [ADA], None, []),
        ("Payments (Ada Lovelace)", [ADA], None, []),
        ("On call: Payments primary (Ada Lovelace)", [ADA], None, []),
        ("jose muller-ludenscheidt", [JOSE], None, []),
        ("ada lovelace", [ADA], None, []),
        ("Ada  Lovelace,Ada Lovelace", [ADA], None, []),
        # never guessed
        ("Ada Lovelace King", [], None, ["Ada Lovelace King"]),
        ("Ada Lovelace-King", [], None, ["Ada Lovelace-King"]),
        ("Ben", [], None, ["Ben"]),
        ("Okri", [], None, ["Okri"]),
        ("Ada Lovelace, Zoe", [ADA], None, ["Zoe"]),
        ("On call - nobody", [], None, ["nobody"]),
        ("", [], None, []),
        # by address
        ("Payments: ada@example.org", [ADA], None, []),
        ("On call <B.Okri@Example.org>, zoe@example.org", [BEN], None, ["zoe@example.org"]),
        ("ada@example.net", [], None, ["ada@example.net"]),
    ],
)
def test_summaries(summary: str, people: list[int], level: int | None, unknown: list[str]) -> None:
    found = meant(event(summary), KNOWN)
    assert (list(found.people), found.level, list(found.unknown), found.ambiguous) == (people, level, unknown, ())


def test_attendees_go_before_addresses_and_these_before_names() -> None:
    assert meant(event("Ben Okri", "cleo.dane@example.org", ("ada@example.org",)), KNOWN) == Match(
        (ADA,), by="attendee"
    )
    assert meant(event("Ben Okri", "or cleo.dane@example.org."), KNOWN) == Match((CLEO,), by="address")
    assert meant(event("Ben Okri", "dial-in: help@example.org"), KNOWN) == Match((BEN,), by="name")
    mixed = meant(event("Ben Okri", attendees=("zoe@example.org", "ada@example.org")), KNOWN)
    assert mixed == Match((ADA,), by="attendee", unknown=("zoe@example.org",))
    stranger = meant(event("[L3] Ben Okri", attendees=("zoe@example.org",)), KNOWN)
    assert stranger == Match((BEN,), 3, "name", ("zoe@example.org",))


def test_who_could_be_several_is_told() -> None:
    both = Ambiguous("Sam Smith", (SMITH1, SMITH2))
    assert meant(event("On Call - Sam Smith - Payments"), KNOWN) == Match(ambiguous=(both,))
    assert meant(event("Ada Lovelace, Sam Smith"), KNOWN) == Match((ADA,), by="name", ambiguous=(both,))
    twins = Directory(
        [Person(1, "A", "x@example.org"), Person(2, "B", "X@example.org"), Person(3, "x", "c@example.org")]
    )
    assert meant(event("", attendees=("x@example.org",)), twins).ambiguous == (Ambiguous("x@example.org", (1, 2)),)
    assert meant(event("x"), twins).ambiguous == (Ambiguous("x", (1, 2, 3)),)


def test_further_words_may_stand_beside_a_name() -> None:
    assert not meant(event("Urlaub Ada Lovelace"), KNOWN).people
    assert meant(event("Urlaub Ada Lovelace"), KNOWN, frozenset({"urlaub"})).people == (ADA,)


@pytest.mark.parametrize(
    ("summary", "level", "rest"),
    [("[L2] a", 2, "a"), ("[ L3 ]b", 3, "b"), ("L1 a", None, "L1 a"), ("a [L1]", None, "a [L1]")],
)
def test_levels(summary: str, level: int | None, rest: str) -> None:
    assert level_of(summary) == (level, rest)


def test_long_texts_cost_little() -> None:
    meant(event(" " * 9000 + "-" * 1000 + "@" * 1000, "a" * 10_000), KNOWN)
