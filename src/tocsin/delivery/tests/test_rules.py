"""Order, patience, bundling, words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery import rules
from tocsin.delivery.contract import (
    Accepted,
    Delivered,
    IncidentFacts,
    Message,
    Rejected,
    Result,
    TryLater,
    result_of_status,
)
from tocsin.delivery.rules import Again, Over, after, after_unknown, bundle, bundles, cut, rank_of, why_of

AT = datetime(2026, 11, 23, 8, 5, tzinfo=UTC)


def facts(title: str = "Disk full", priority: str = "P2", drill: bool = False, **more: object) -> IncidentFacts:
    return IncidentFacts(
        7, title, "triggered", priority, "high", "critical", 3, "Checkout", AT, AT, "http://t/7", drill=drill, **more  # type: ignore[arg-type]
    )  # fmt: skip


def message(priority: str = "P2", drill: bool = False, about: str = "page") -> Message:
    incident = facts(priority=priority, drill=drill)
    title = rules.title_of_page(incident)
    return Message(
        about, about, f"key-{priority}", title, "body", AT, incidents=(incident,), drill=drill, delivery_ids=(1,)
    )


def test_first_pages_come_before_everything_else() -> None:
    first = [rank_of(priority, first=True) for priority in rules.PRIORITIES]
    later = [rank_of(priority, first=False) for priority in rules.PRIORITIES]
    assert first == sorted(first)
    assert later == sorted(later)
    assert max(first) < rules.TEST_RANK < min(later)
    assert max(later) < rules.RESOLVED_RANK


@pytest.mark.parametrize(
    ("result", "number", "urgency", "expected"),
    [
        (Delivered("x"), 1, "high", Over("delivered")),
        (Accepted("x"), 9, "low", Over("accepted")),
        (Rejected("no"), 1, "high", Over("failed", "no")),
        (TryLater(None, "busy"), 5, "high", Over("failed", "given up after 5 attempts: busy")),
        (TryLater(61, "busy"), 1, "high", Over("failed", "asked to wait 61 s, which is too long: busy")),
        (TryLater(40, "busy"), 1, "high", Again(40)),
        (TryLater(4000, "busy"), 1, "low", Again(4000)),
        (TryLater(30000, "busy"), 1, "low", Over("failed", "asked to wait 30000 s, which is too long: busy")),
    ],
)
def test_after(result: Result, number: int, urgency: str, expected: Again | Over) -> None:
    assert after(result, number=number, urgency=urgency) == expected


@given(
    st.sampled_from(["high", "low", "unheard of"]),
    st.integers(1, 2**40),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.booleans(),
)
def test_patience_ends(urgency: str, delivery: int, asked: float | None, unknown: bool) -> None:
    """Whatever a provider answers, a delivery ends after as many attempts as the schedule has."""
    total = 0.0
    for number in range(1, 20):
        if unknown:
            verdict = after_unknown(number=number, urgency=urgency)
        else:
            verdict = after(TryLater(asked, "busy"), number=number, urgency=urgency, delivery_id=delivery)
        if isinstance(verdict, Over):
            assert verdict.state == "failed"
            assert number <= len(rules.BACK_OFF.get(urgency, rules.BACK_OFF["high"])) + 1
            break
        assert unknown or verdict.after_s >= (asked or 0)
        total += verdict.after_s
    else:
        pytest.fail("never ends")
    if urgency == "high" and asked is None:
        assert total <= 60, "the next contact method waits for the verdict"


@given(st.integers(0, 20_000), st.integers(1, 500), st.booleans())
def test_bundles_lose_nothing(count: int, size: int, alone: bool) -> None:
    parts = bundles(count, size=size, alone_first=alone)
    assert sum(parts) == count
    assert all(0 < part <= size for part in parts)
    if alone and count:
        assert parts[0] == 1
    assert len(parts) <= count // size + 2


def test_words_of_a_page() -> None:
    incident = facts(alert_count=3)
    assert rules.title_of_page(incident) == "P2 Checkout: Disk full (INC-7)"
    body = rules.body_of_page(incident, why="Shop, step 1", others=["Ada", "Grace"])
    assert body.split("\n") == [
        "Disk full",
        "P2 on Checkout, 3 alerts, since 08:05 UTC.",
        "You are paged because: Shop, step 1.",
        "Also paged: Ada, Grace.",
    ]
    why = "Shop, step 1: shift of Ada, 2026-02-03T06:00:00Z to 2026-02-04T06:00:00Z"
    told = rules.body_of_page(incident, why=why, others=[], zone="Europe/Berlin").split("\n")
    assert told[1].endswith("since 09:05 CET.")
    assert told[2].endswith("shift of Ada, Tue 3 Feb 2026 07:00 CET to Wed 4 Feb 2026 07:00 CET.")
    assert "and 2 more" in rules.body_of_page(incident, why="", others=list("abcdefg"))


def test_a_drill_says_so_everywhere() -> None:
    incident = facts(drill=True)
    assert rules.title_of_page(incident).startswith("[DRILL] ")
    assert rules.title_of_resolved(incident).startswith("[DRILL] ")
    assert rules.body_of_page(incident, why="", others=[]).startswith("This is a drill.")
    assert rules.body_of_resolved(incident).startswith("This is a drill.")
    assert bundle([message(drill=True), message(drill=True)], key="k", url="u").title.startswith("[DRILL] ")
    mixed = bundle([message(drill=True), message()], key="k", url="u")
    assert "1 of them a drill" in mixed.title
    assert not mixed.drill


@given(st.text(max_size=2000), st.sampled_from(rules.PRIORITIES), st.booleans())
def test_titles_fit_on_one_line(title: str, priority: str, drill: bool) -> None:
    made = rules.title_of_page(facts(title=title, priority=priority, drill=drill))
    assert len(made) <= rules.TITLE_LENGTH
    assert made == " ".join(made.split())


@given(st.text(max_size=50), st.integers(1, 20))
def test_cut(text: str, length: int) -> None:
    assert len(cut(text, length)) <= length


def test_bundle() -> None:
    made = bundle([message("P3"), message("P1")], key="k", url="http://t/", acknowledge="http://t/a/x")
    assert (made.kind, made.about, made.title) == ("bundle", "page", "2 more incidents, worst P1")
    assert made.body.split("\n") == ["P3 Checkout: Disk full (INC-7)", "P1 Checkout: Disk full (INC-7)"]
    assert made.link("acknowledge") == "http://t/a/x"
    assert made.delivery_ids == (1, 1)
    assert bundle([message(about="resolved")] * 30, key="k", url="u").body.endswith("... and 10 more")


@given(
    st.one_of(
        st.none(), st.text(), st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text()))
    )
)
def test_a_reason_that_cannot_be_read_stops_no_page(reason: object) -> None:
    assert isinstance(why_of(reason), str)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Accepted),
        (204, Accepted),
        (301, Rejected),
        (400, Rejected),
        (401, Rejected),
        (404, Rejected),
        (408, TryLater),
        (413, Rejected),
        (425, TryLater),
        (429, TryLater),
        (500, TryLater),
        (599, TryLater),
    ],
)
def test_status(status: int, kind: type) -> None:
    assert isinstance(result_of_status(status, {}), kind)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("Mon, 23 Nov 2026 08:00:10 GMT", 10.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 08:00:10 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    result = result_of_status(429, {"retry-after": header, "date": "Mon, 23 Nov 2026 08:00:00 GMT"})
    assert isinstance(result, TryLater)
    assert result.after_s == seconds
