"""What is written: the form that RFC 5545 asks for, names that last, and that reading it back gives the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.oncall.calendars import Names, Options, calendar, for_person, for_schedule, for_team, read, uid
from tocsin.oncall.rules import Layer, Override, OverrideKind, Shift

ADA, BEN = 1, 2
PAYMENTS, SEARCH = 7, 8
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKLY = Layer(3, "Weekly", 0, "week", 1, START, ((ADA,), (BEN,)))
NAMES = Names(
    {ADA: "Ada Lovelace", BEN: "Ben Okri"},
    {PAYMENTS: "Payments primary", SEARCH: "Search"},
    {ADA: "ada@example.org"},
    {PAYMENTS: "https://tocsin.example/oncall/payments?a=1,2;b"},
)


def swap(user: int, kind: OverrideKind = "instead", reason: str = "Swap, as agreed; thanks") -> Shift:
    override = Override(5, user, START + 7 * DAY, START + 8 * DAY, reason, kind)
    return Shift(user, override.start, override.end, PAYMENTS, None, override)


SHIFTS = [
    swap(BEN),
    Shift(ADA, START, START + 7 * DAY, PAYMENTS, WEEKLY),
    Shift(BEN, START, START + DAY, SEARCH, WEEKLY),
]


def lines(body: bytes) -> list[str]:
    return body.replace(b"\r\n ", b"").decode().split("\r\n")


def test_the_text_of_one_shift() -> None:
    body = for_person(SHIFTS, ADA, NAMES, NOW, Options(alarm_minutes=30, transparent=True, domain="tocsin.example"))
    assert lines(body) == [
        "BEGIN:VCALENDAR",
        "PRODID:-//Tocsin//On call//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "X-WR-CALNAME:On call: Ada Lovelace",
        "NAME:On call: Ada Lovelace",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
        "BEGIN:VEVENT",
        "UID:7-1-20260302T080000Z@tocsin.example",
        "DTSTAMP:20260301T120000Z",
        "DTSTART:20260302T080000Z",
        "DTEND:20260309T080000Z",
        "SUMMARY:On call: Payments primary (Ada Lovelace)",
        "DESCRIPTION:Layer: Weekly",
        "URL:https://tocsin.example/oncall/payments?a=1,2;b",
        "CATEGORIES:On call",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        'ATTENDEE;CN="Ada Lovelace":mailto:ada@example.org',
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "DESCRIPTION:On call: Payments primary (Ada Lovelace)",
        "TRIGGER:-PT30M",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


def test_whose_shifts() -> None:
    def found(body: bytes) -> list[str]:
        return [line.split(":", 1)[1] for line in lines(body) if line.startswith("SUMMARY")]

    ada, ben = "On call: Payments primary (Ada Lovelace)", "On call: Payments primary (Ben Okri)"
    search = "On call: Search (Ben Okri)"
    assert found(for_person(SHIFTS, BEN, NAMES, NOW)) == [search, ben]
    assert found(for_schedule(SHIFTS, PAYMENTS, NAMES, NOW)) == [ada, ben]
    assert found(for_team(SHIFTS, "Money", NAMES, NOW)) == [ada, search, ben]
    assert "X-WR-CALNAME:On call: Money" in lines(for_team(SHIFTS, "Money", NAMES, NOW))
    assert found(for_person(SHIFTS, BEN, Names(), NOW))[0] == "On call: schedule 8 (person 2)"
    assert found(for_person([], BEN, NAMES, NOW)) == []


@pytest.mark.parametrize(
    ("shift", "summary", "description"),
    [
        (swap(BEN), "On call: Payments primary (Ben Okri)", r"Override: Swap\, as agreed\; thanks"),
        (swap(BEN, reason=""), "On call: Payments primary (Ben Okri)", "Override"),
        (swap(BEN, "shadow", "new"), "Along on call: Payments primary (Ben Okri)", "Comes along: new"),
        (swap(BEN, "beside", "sale"), "On call: Payments primary (Ben Okri)",
         r"Override\, beside whom the layers name: sale"),
    ],
)  # fmt: skip
def test_what_put_somebody_there(shift: Shift, summary: str, description: str) -> None:
    written = lines(calendar([shift], "x", NAMES, NOW))
    assert f"SUMMARY:{summary}" in written
    assert f"DESCRIPTION:{description}" in written


def test_an_event_keeps_its_name_when_its_end_moves_and_in_any_zone() -> None:
    shift = Shift(ADA, START, START + DAY, PAYMENTS, WEEKLY)
    assert uid(shift) == uid(shift._replace(end=START + 2 * DAY, layer=None))
    assert uid(shift) == uid(shift._replace(start=START.astimezone()))
    assert len({uid(shift), uid(shift._replace(user_id=BEN)), uid(shift._replace(schedule_id=SEARCH))}) == 3
    assert uid(shift) != uid(shift._replace(start=START + timedelta(microseconds=1)))


def test_the_same_values_give_the_same_bytes() -> None:
    assert calendar(SHIFTS, "x", NAMES, NOW) == calendar(reversed(SHIFTS), "x", NAMES, NOW)


def test_names_cannot_break_out() -> None:
    evil = 'A"\r\nEND:VEVENT\r\nX:\x00\u2028\x0b;,\\'
    names = Names({ADA: evil}, {PAYMENTS: evil}, {ADA: f"a@b{evil}"}, {PAYMENTS: f"https://x/{evil}"})
    body = calendar([Shift(ADA, START, START + DAY, PAYMENTS)], evil, names, NOW)
    assert body.count(b"END:VEVENT\r\n") == 1
    assert lines(body).count("END:VEVENT") == 1
    assert read(body, START, START + DAY).name == 'A" END:VEVENT X:\u2028;,\\'
    plain = 'A"\nEND:VEVENT\nX:\u2028;,\\'
    assert read(body, START, START + DAY).events[0].summary == f"On call: {plain} ({plain})"


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=90)
moments = st.integers(365 * 86400, 130 * 365 * 86400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
shifts = st.builds(
    lambda user, start, minutes, schedule: Shift(user, start, start + timedelta(minutes=minutes), schedule, WEEKLY),
    st.integers(1, 4),
    moments,
    st.integers(1, 60_000),
    st.integers(1, 3),
)


@given(st.lists(shifts, max_size=12, unique_by=uid), text, text)
def test_reading_what_was_written_gives_the_same(given: list[Shift], person: str, schedule: str) -> None:
    names = Names({1: person}, {1: schedule}, {1: "ada@example.org"})
    body = calendar(given, schedule, names, NOW, Options(alarm_minutes=5))
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert body.replace(b"\r\n", b"").count(b"\n") == 0
    reading = read(body, datetime(1970, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC))
    assert (reading.complete, reading.skipped) == (True, ())
    assert sorted((event.start, event.end, event.uid) for event in reading.events) == sorted(
        (shift.start, shift.end, uid(shift)) for shift in given
    )
    by_uid = {uid(shift): shift for shift in given}
    for event in reading.events:
        shift = by_uid[event.uid]
        assert event.summary == f"On call: {names.schedule(shift.schedule_id)} ({names.person(shift.user_id)})"
        assert event.attendees == (("ada@example.org",) if shift.user_id == 1 else ())
