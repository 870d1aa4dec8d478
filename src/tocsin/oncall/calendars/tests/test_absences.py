"""Who is away: from calendars, from CSV files of many makes, with what is wrong told by row and column."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.oncall.calendars import Absence, Directory, Event, Person, from_csv, from_events, kind_of

ADA, BEN = 1, 2
KNOWN = Directory([Person(ADA, "Ada Lovelace", "ada@example.org"), Person(BEN, "Ben Okri", "ben@example.org")])
AT = datetime(2026, 4, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def event(summary: str, **more: object) -> Event:
    return Event("u1", AT, AT + DAY, summary, **more)  # type: ignore[arg-type]  # the test's own keywords


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Vacation", "vacation"),
        ("Ada: URLAUB (Kreta)", "vacation"),
        ("Out of Office", "away"),
        ("OOO - dentist", "away"),
        ("krank", "sick"),
        ("Sick leave", "sick"),
        ("Parental leave", "leave"),
        ("On leave", "leave"),
        ("Homesick blues", ""),
        ("Urlaubsplanung", ""),
        ("Team meeting", ""),
        ("", ""),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_one_persons_calendar() -> None:
    events = [event("Dentist"), event("Vacation"), event("Busy", busy="OOF"), event("x", categories=("Holiday",))]
    found = from_events(events, person="ada@example.org")
    assert found.problems == ()
    assert [(one.person, one.kind, one.note) for one in found.absences] == [
        ("ada@example.org", "vacation", "Vacation"),
        ("ada@example.org", "away", "Busy"),
        ("ada@example.org", "vacation", "x"),
    ]
    assert from_events(events, person=ADA, everything=True).absences[0].kind == "away"
    assert [one.kind for one in from_events(events[:1], person=ADA, words={"dentist": "health"}).absences] == ["health"]


def test_a_teams_calendar() -> None:
    events = [
        event("Vacation - Ada Lovelace"),
        event("Urlaub Ada Lovelace, Ben Okri"),
        event("Sick", attendees=("ben@example.org",)),
        event("OOO: Zoe"),
        event("Out of office"),
    ]
    found = from_events(events, known=KNOWN)
    assert [(one.person, one.kind) for one in found.absences] == [
        (ADA, "vacation"),
        (ADA, "vacation"),
        (BEN, "vacation"),
        (BEN, "sick"),
    ]
    assert [problem.text for problem in found.problems] == [
        "'Zoe' is nobody who is known",
        "'Out of office' names nobody",
    ]
    assert found.problems[0].uid == "u1"
    with pytest.raises(ValueError, match="person"):
        from_events(events)


def test_an_occurrence_keeps_its_name_when_it_moves() -> None:
    weekly = from_events([event("OOO", occurrence=AT)], person=ADA)
    moved = from_events([Event("u1", AT + DAY, AT + 2 * DAY, "OOO", occurrence=AT)], person=ADA)
    assert weekly.absences[0].uid == moved.absences[0].uid == "u1/20260406T000000Z"


def rows(body: str | bytes, zone: str = "Europe/Berlin", known: Directory | None = None) -> list[str]:
    found = from_csv(body, zone=zone, known=known)
    assert found.problems == ()
    return [f"{one.person} {one.start:%m-%dT%H:%M}/{one.end:%m-%dT%H:%M} {one.kind}" for one in found.absences]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("email,start,end\na@x.org,2026-03-28,2026-03-29\n", ["a@x.org 03-27T23:00/03-29T22:00 away"]),
        ("Name;Von;Bis;Art\nAda;28.3.2026;29.03.2026;Urlaub\n", ["Ada 03-27T23:00/03-29T22:00 vacation"]),
        ("who\tfrom\tuntil\ttype\nAda\t03/28/2026\t03/29/2026\tsick\n", ["Ada 03-27T23:00/03-29T22:00 sick"]),
        ("person|begin|to\nAda|2026-03-28|2026-03-28", ["Ada 03-27T23:00/03-28T23:00 away"]),
        ("sep=;\r\nemail;start;end\r\na;2026-03-28;\r\n", ["a 03-27T23:00/03-28T23:00 away"]),
        ("\n\nemail,start\na,2026-03-28\n\n", ["a 03-27T23:00/03-28T23:00 away"]),
        ("name,e-mail,start,end\nAda,a@x.org,2026-03-28,2026-03-28", ["a@x.org 03-27T23:00/03-28T23:00 away"]),
        ("Start Date,End Date,Employee\n2026-03-28 09:00,2026-03-28T17:30,Ada", ["Ada 03-28T08:00/03-28T16:30 away"]),
        ("email,start,end\na,2026-03-28T09:00Z,2026-03-28T17:00:00+02:00", ["a 03-28T09:00/03-28T15:00 away"]),
        ("email,start,end,zone\na,2026-03-28,2026-03-28,Asia/Tokyo", ["a 03-27T15:00/03-28T15:00 away"]),
        ("email,start,end,tz\na,2026-03-28,2026-03-28,Tokyo Standard Time", ["a 03-27T15:00/03-28T15:00 away"]),
        ("email,start,end\na,03/03/2026,03/04/2026", None),
        ('email,start,end,reason\na,2026-03-28,2026-03-28,"on\nleave"', ["a 03-27T23:00/03-28T23:00 leave"]),
        ("email,start,end\n\tb,2026-03-28,2026-03-28\n c,2026-03-29,2026-03-29",
         ["b 03-27T23:00/03-28T23:00 away", "c 03-28T23:00/03-29T22:00 away"]),
    ],
)  # fmt: skip
def test_files(body: str, expected: list[str] | None) -> None:
    if expected is None:
        assert [problem.column for problem in from_csv(body).problems] == ["end"]
        return
    assert rows(body) == expected
    assert rows(("\ufeff" + body).encode()) == expected
    assert rows(body.encode("utf-16")) == expected


def test_known_people() -> None:
    body = "who,start\nADA@example.org,2026-03-28\nOkri; Ben,2026-03-29\nada lovelace,2026-03-30\nZoe,2026-03-31\n"
    found = from_csv(body.replace(";", "").replace("Okri Ben", '"Okri, Ben"'), known=KNOWN)
    assert [one.person for one in found.absences] == [ADA, BEN, ADA]
    assert [(problem.row, problem.column, problem.text) for problem in found.problems] == [
        (5, "who", "'Zoe' is nobody who is known")
    ]


@pytest.mark.parametrize(
    ("row", "column", "text"),
    [
        (",2026-03-28,2026-03-29,", "E-Mail", "empty"),
        ("a,,2026-03-29,", "From", "empty"),
        ("a,03/04/2026,2026-03-29,", "From", "'03/04/2026' could be two days; 2026-03-04 or 2026-04-03"),
        ("a,2026-03-28,28/03/2026,", "To", "'28/03/2026' is no date"),
        ("a,2026-02-30,2026-03-01,", "From", "'2026-02-30' is no date"),
        ("a,28.3.26,2026-03-29,", "From", "'28.3.26' is no date"),
        ("a,46109,2026-03-29,", "From", "'46109' is no date"),
        ("a,2026-03-28 25:00,2026-03-29,", "From", "'2026-03-28 25:00' is no time"),
        ("a,2026-03-28 9am,2026-03-29,", "From", "'2026-03-28 9am' is no time"),
        ("a,2026-03-29,2026-03-28,", "To", "not after the start"),
        ("a,2026-03-28 09:00,,", "To", "no end"),
        ("a,2026-03-28,2026-03-29,Mars", "Zone", "'Mars' is no zone"),
        ("a,0001-01-01,2026-03-29,", "From", "'0001-01-01' is out of range"),
        ("a", "From", "empty"),
    ],
)
def test_problems_name_row_and_column(row: str, column: str, text: str) -> None:
    found = from_csv(f"E-Mail,From,To,Zone\nb,2026-01-01,2026-01-01,\n{row}\n")
    assert len(found.absences) == 1, "the other rows count"
    assert [(problem.row, problem.column) for problem in found.problems] == [(3, column)]
    assert found.problems[0].text.startswith(text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("a,2026-03-28\n", "no heading for person"),
        ("email,day\na,2026-03-28\n", "no heading for start: one of start, from"),
    ],
)
def test_files_without_a_head(body: str, text: str) -> None:
    found = from_csv(body)
    assert not found.absences
    assert found.problems[0].text.startswith(text)
    assert found.problems[0].row == 1


def test_bounds_are_told() -> None:
    body = "email,start\n" + "a,2026-03-28\n" * 5
    found = from_csv(body, max_rows=3)
    assert len(found.absences) == 3
    assert [(problem.row, problem.text) for problem in found.problems] == [
        (5, "more than 3 rows; the rest was not read")
    ]
    huge = from_csv("email,start\n" + "x" * 200_000 + ",2026-03-28\nb,2026-03-28\n")
    assert [problem.row for problem in huge.problems] == [2]
    assert len(huge.absences) == 1


def test_the_same_row_has_the_same_name_and_ids_are_kept() -> None:
    first = from_csv("email,start,end,id\na,2026-03-28,2026-03-29,77\nb,2026-03-28,2026-03-29,\n").absences
    again = from_csv("start,email\n2026-03-28,b\n").absences
    assert first[0] == Absence(
        "a", datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC), "away", "", "77"
    )
    assert first[1].uid == again[0].uid
