"""Feeds in the form of each vendor, then edge cases one by one, then anything at all."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall.calendars import NotACalendar, Reading, read

FEEDS = Path(__file__).parent / "feeds"
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def feed(name: str) -> Reading:
    return read((FEEDS / f"{name}.ics").read_bytes(), START, END)


def one(lines: str, zone: str = "UTC", top: str = "", start: datetime = START, end: datetime = END) -> Reading:
    event = f"BEGIN:VEVENT\nUID:u1\nSUMMARY:s\n{lines.strip()}\nEND:VEVENT\n" if lines else ""
    return read(f"BEGIN:VCALENDAR\n{top}{event}END:VCALENDAR\n", start, end, zone=zone)


def spans(reading: Reading) -> list[str]:
    return [f"{event.start:%m-%dT%H:%M}/{event.end:%m-%dT%H:%M}" for event in reading.events]


def whys(reading: Reading) -> list[str]:
    return [skipped.why for skipped in reading.skipped]


def test_pagerduty() -> None:
    reading = feed("pagerduty")
    assert reading.name == "On Call Schedule: Payments"
    assert reading.complete
    assert not reading.skipped
    assert spans(reading) == ["03-02T08:00/03-09T08:00", "03-09T08:00/03-16T08:00"]
    assert [event.attendees for event in reading.events] == [("ada@example.org",), ("ben@example.org",)]
    assert reading.events[0].url == "https://example.pagerduty.example/schedules#P1"


def test_google_keeps_local_time_over_the_change_of_clocks() -> None:
    reading = feed("google")
    assert reading.zone == "Europe/Berlin"
    assert spans(reading) == [
        "03-09T08:00/03-09T16:00",  # CET
        "03-16T08:00/03-16T16:00",
        "03-27T23:00/03-29T22:00",  # all day: of 47 hours, the clocks go forward on the 29th
        "03-30T07:00/03-30T15:00",  # CEST
        "04-07T08:00/04-07T16:00",  # moved from the 6th; the 13th is cancelled
        "04-20T07:00/04-20T15:00",  # the last before UNTIL
    ]
    assert [event.summary for event in reading.events if event.summary == "Ben Okri"] == ["Ben Okri"]
    moved = reading.events[4]
    assert moved.occurrence == datetime(2026, 4, 6, 7, tzinfo=UTC)
    weekend = reading.events[2]
    assert weekend.all_day
    assert weekend.occurrence is None
    assert weekend.description == "Line one\nline two, with a comma and a very long text that is folded here"
    assert whys(reading) == ["cancelled"]


def test_outlook_with_windows_zones_and_ones_of_its_own() -> None:
    reading = feed("outlook")
    assert spans(reading) == [
        "03-20T16:00/03-23T08:00",
        "04-01T07:00/04-01T08:00",
        "04-06T00:00/04-11T00:00",
        "04-17T15:00/04-20T07:00",
    ]
    weekend = reading.events[0]
    assert weekend.attendees == ("ben@example.org",), "who declined and rooms are nobody"
    assert weekend.organizer == "cleo@example.org"
    assert reading.events[2].busy == "OOF"
    assert [(skipped.summary, skipped.why.split(";")[0]) for skipped in reading.skipped] == [
        ("Somewhere", "zone 'Middle Earth Standard Time' is not known")
    ]


def test_apple_with_floating_times_and_nominal_durations() -> None:
    reading = feed("apple")
    # 22:00 in New York for a day on the wall and eight hours; the clocks go forward on March 8
    assert spans(reading) == [
        "03-08T03:00/03-09T10:00",
        "03-10T03:00/03-10T12:00",
        "03-11T03:00/03-11T12:00",
        "03-15T02:00/03-16T10:00",
        "03-22T02:00/03-23T10:00",
    ]
    assert reading.events[0].attendees == ("cleo@example.org",)
    assert reading.events[0].organizer == "ada@example.org"
    assert whys(reading) == ["1 VTODO: only events are read"]


NINE = "DTSTART;TZID=Europe/Berlin:20260327T090000\nDTEND;TZID=Europe/Berlin:20260327T100000\n"
UTC_NINE = "DTSTART:20260327T090000Z\nDTEND:20260327T100000Z\n"


@pytest.mark.parametrize(
    ("lines", "starts"),
    [
        (NINE + "RRULE:FREQ=DAILY;COUNT=4", ["03-27T08", "03-28T08", "03-29T07", "03-30T07"]),
        (NINE + "RRULE:FREQ=WEEKLY;COUNT=3;BYDAY=FR,TU", ["03-27T08", "03-31T07", "04-03T07"]),
        # DTSTART, a Friday, counts although the rule names Mondays
        (NINE + "RRULE:FREQ=WEEKLY;COUNT=3;BYDAY=MO", ["03-27T08", "03-30T07", "04-06T07"]),
        (NINE + "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["03-27T08", "04-24T07"]),
        (NINE + "RRULE:FREQ=WEEKLY;INTERVAL=3", ["03-27T08", "04-17T07"]),
        # UNTIL is included: in UTC, local, a date
        (NINE + "RRULE:FREQ=DAILY;UNTIL=20260329T070000Z", ["03-27T08", "03-28T08", "03-29T07"]),
        (NINE + "RRULE:FREQ=DAILY;UNTIL=20260329T065959Z", ["03-27T08", "03-28T08"]),
        (NINE + "RRULE:FREQ=DAILY;UNTIL=20260329T090000", ["03-27T08", "03-28T08", "03-29T07"]),
        (NINE + "RRULE:FREQ=DAILY;UNTIL=20260328", ["03-27T08", "03-28T08"]),
        (NINE + "RRULE:FREQ=DAILY;UNTIL=20250101T000000Z", ["03-27T08"]),
        # left out: at the instant, however it is written; as a date; several in a line
        (NINE + "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260328T080000Z", ["03-27T08", "03-29T07"]),
        (NINE + "RRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260328", ["03-27T08", "03-29T07"]),
        (NINE + "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260327T090000,20260329T090000", ["03-28T08"]),
        (NINE + "RRULE:FREQ=DAILY;COUNT=3\nEXRULE:FREQ=DAILY;INTERVAL=2", ["03-28T08"]),
        (NINE + "RDATE;TZID=America/New_York:20260401T090000", ["03-27T08", "04-01T13"]),
        (NINE + "RRULE:FREQ=HOURLY;INTERVAL=12;COUNT=3", ["03-27T08", "03-27T20", "03-28T08"]),
        # from long ago, with and without a count
        ("DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=20", ["03-08T09", "03-28T09", "04-17T09"]),
        ("DTSTART:19900101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=13210", ["03-01T09", "03-02T09"]),
        # local times that occur never (the offset from before) and twice (the first)
        ("DTSTART;TZID=Europe/Berlin:20260328T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
         ["03-28T01", "03-29T01", "03-30T00"]),
        # zones by other names
        ("DTSTART;TZID=\"Pacific Standard Time\":20260327T090000\nDURATION:PT1H", ["03-27T16"]),
        ("DTSTART;TZID=europe/berlin:20260327T090000\nDURATION:PT1H", ["03-27T08"]),
        ("DTSTART;TZID=/mozilla.org/20050126_1/America/Argentina/Buenos_Aires:20260327T090000\nDURATION:PT1H",
         ["03-27T12"]),
        ("DTSTART;TZID=W. Europe Standard Time 1:20260327T090000\nDURATION:PT1H", ["03-27T08"]),
        ("DTSTART;TZID=tzone://Microsoft/Utc:20260327T090000\nDURATION:PT1H", ["03-27T09"]),
        ("DTSTART;TZID=Nowhere:20260327T090000Z\nDURATION:PT1H", ["03-27T09"]),
    ],
)  # fmt: skip
def test_recurrence(lines: str, starts: list[str]) -> None:
    reading = one(lines)
    assert [f"{event.start:%m-%dT%H}" for event in reading.events] == starts
    assert not reading.skipped


@pytest.mark.parametrize(
    ("lines", "span"),
    [
        ("DTSTART;VALUE=DATE:20260329", "03-28T23:00/03-29T22:00"),
        ("DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260329", "03-28T23:00/03-29T22:00"),
        ("DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260331", "03-28T23:00/03-30T22:00"),
        ("DTSTART;VALUE=DATE:20260329\nDURATION:P2D", "03-28T23:00/03-30T22:00"),
        ("DTSTART:20260328T090000\nDURATION:P1D", "03-28T08:00/03-29T07:00"),
        ("DTSTART:20260328T090000\nDURATION:PT24H", "03-28T08:00/03-29T08:00"),
        ("DTSTART:20260328T090000\nDURATION:P1W", "03-28T08:00/04-04T07:00"),
        ("DTSTART:20260328T090000\nDTEND:20260328T180000Z", "03-28T08:00/03-28T18:00"),
        ("DTSTART:20260328T0900\nDTEND:2026-03-28T1000", "03-28T08:00/03-28T09:00"),
        ("RDATE;VALUE=PERIOD:20260301T000000Z/PT1H\nDTSTART:20200101T090000\nDURATION:PT2H", "03-01T00:00/03-01T01:00"),
        ("RDATE;VALUE=PERIOD:20260301T000000Z/20260301T030000Z\nDTSTART:20200101T090000\nDURATION:PT2H",
         "03-01T00:00/03-01T03:00"),
    ],
)  # fmt: skip
def test_lengths(lines: str, span: str) -> None:
    assert spans(one(lines, zone="Europe/Berlin")) == [span]


def test_a_weekly_shift_ends_at_its_local_time_although_a_week_has_167_hours() -> None:
    lines = "DTSTART;TZID=Europe/Berlin:20260316T090000\nDTEND;TZID=Europe/Berlin:20260323T090000\nRRULE:FREQ=WEEKLY"
    events = one(lines + ";COUNT=3").events
    assert [event.end - event.start for event in events] == [timedelta(hours=hours) for hours in (168, 167, 168)]
    assert all(earlier.end == later.start for earlier, later in pairwise(events))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("SUMMARY:x", "no DTSTART"),
        ("DTSTART:yesterday", "DTSTART:yesterday is no date"),
        ("DTSTART:20260231T090000Z", "DTSTART:20260231T090000Z is no date"),
        ("DTSTART:20260327T090000Z", "it has no length"),
        ("DTSTART:20260327T090000Z\nDTEND:20260327T080000Z", "it has no length"),
        ("DTSTART:20260327T090000Z\nDURATION:soon", "DURATION:soon is none"),
        ("DTSTART:20260327T090000Z\nDURATION:P99999999999W", "DURATION:P99999999999W is too long"),
        (UTC_NINE + "STATUS:CANCELLED", "cancelled"),
        (UTC_NINE + "RRULE:FREQ=SECONDLY", "RRULE FREQ=SECONDLY: FREQ must be one of"),
        (UTC_NINE + "RRULE:BYDAY=MO", "RRULE BYDAY=MO: FREQ must be one of"),
        (UTC_NINE + "RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL=0: a number"),
        (UTC_NINE + "RRULE:FREQ=DAILY;COUNT=-1", "COUNT=-1: a number"),
        (UTC_NINE + "RRULE:FREQ=DAILY;BYDAY=XX", "RRULE FREQ=DAILY;BYDAY=XX"),
        (UTC_NINE + "RRULE:FREQ=DAILY;UNTIL=later", "UNTIL=LATER"),
        (UTC_NINE + "RRULE:FREQ=YEARLY;BYMONTHDAY=" + ",".join(["1"] * 600), "an RRULE of"),
        (
            UTC_NINE + "RRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5,6;BYMINUTE=" + ",".join(map(str, range(20))),
            "RRULE FREQ=DAILY",
        ),
        ("DTSTART;TZID=Asia/Tokyo:00010101T000000\nDURATION:PT1H", "a date beyond what calendars can count"),
    ],
)
def test_what_is_skipped_says_why(lines: str, why: str) -> None:
    reading = one(lines)
    assert not reading.events
    assert [skipped.why[: len(why)] for skipped in reading.skipped] == [why]
    assert reading.skipped[0].uid == "u1"


def test_rules_that_cost_too_much_are_left_out_and_told() -> None:
    reading = one("DTSTART:00010101T000000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY;COUNT=999999")
    assert not reading.events
    assert not reading.complete
    assert whys(reading) == [
        "more recurrence than is followed in one calendar; rules were left out",
        "RRULE FREQ=HOURLY;COUNT=999999: too many steps until the window; a later DTSTART",
    ]


def test_an_impossible_rule_ends() -> None:
    assert spans(one(UTC_NINE + "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")) == ["03-27T09:00/03-27T10:00"]


def test_changed_occurrences() -> None:
    def changed(summary: str, sequence: int, lines: str) -> str:
        return f"BEGIN:VEVENT\nUID:u1\nSEQUENCE:{sequence}\nSUMMARY:{summary}\n{lines}\nEND:VEVENT\n"

    text = (
        "BEGIN:VCALENDAR\n"
        # an old one and a new one, in the wrong order, by a date, and in another zone
        + changed("new", 2, "RECURRENCE-ID:20260328T080000Z\nDTSTART:20260401T080000Z\nDURATION:PT1H")
        + changed("old", 1, "RECURRENCE-ID:20260328T080000Z\nDTSTART:20260402T080000Z\nDURATION:PT1H")
        + changed("by date", 1, "RECURRENCE-ID;VALUE=DATE:20260330\nDTSTART:20260330T120000Z\nDURATION:PT1H")
        + changed("rule", 0, NINE + "RRULE:FREQ=DAILY;COUNT=5")
        + changed(
            "on", 1, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260331T070000Z\nDTSTART:20260331T070000Z\nDURATION:PT2H"
        )
        + changed("alone", 1, "RECURRENCE-ID:20260310T080000Z\nDTSTART:20260310T090000Z\nDURATION:PT1H")
        + "END:VCALENDAR\n"
    )
    reading = read(text, START, END)
    assert [(event.summary, f"{event.start:%m-%dT%H}") for event in reading.events] == [
        ("alone", "03-10T09"),
        ("rule", "03-27T08"),
        ("rule", "03-29T07"),
        ("by date", "03-30T12"),
        ("on", "03-31T07"),
        ("new", "04-01T08"),
    ]
    assert whys(reading) == ["RANGE=THISANDFUTURE is not followed: this occurrence only"]


def test_all_day_that_recurs_without_some_days() -> None:
    rule = "DTSTART;VALUE=DATE:20260327\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20260328\nEXDATE:20260329T000000"
    assert spans(one(rule, zone="Europe/Berlin")) == ["03-26T23:00/03-27T23:00", "03-29T22:00/03-30T22:00"]


EMBEDDED = """BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:20251025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RDATE:20261025T030000
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20250330T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;UNTIL=20300101T000000Z
END:DAYLIGHT
END:VTIMEZONE
"""


@pytest.mark.parametrize("name", ["(UTC+01:00) Amsterdam, Berlin", '"(UTC+01:00) Amsterdam, Berlin"'])
@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("20260328T120000", "03-28T11:00"),
        ("20260329T013000", "03-29T00:30"),
        ("20260329T023000", "03-29T01:30"),  # never on the wall
        ("20260329T033000", "03-29T01:30"),
        ("20260401T120000", "04-01T10:00"),
        ("20261025T023000", "10-25T00:30"),  # twice
        ("20261025T030000", "10-25T02:00"),
        ("20240101T120000", "01-01T11:00"),  # before anything that it defines
    ],
)
def test_zones_that_the_feed_defines(name: str, local: str, utc: str) -> None:
    lines = f"DTSTART;TZID={name}:{local}\nDURATION:PT1H"
    top = EMBEDDED.format(name="(UTC+01:00) Amsterdam, Berlin")
    reading = one(lines, top=top, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))
    assert [f"{event.start:%m-%dT%H:%M}" for event in reading.events] == [utc]
    assert not one(lines).events, "no other feed knows it"


def test_the_calendar_zone() -> None:
    assert spans(one("DTSTART:20260401T090000\nDURATION:PT1H", top="X-WR-TIMEZONE:Asia/Tokyo\n")) == [
        "04-01T00:00/04-01T01:00"
    ]
    odd = one("DTSTART:20260401T090000\nDURATION:PT1H", zone="Asia/Tokyo", top="X-WR-TIMEZONE:Mars\n")
    assert spans(odd) == ["04-01T00:00/04-01T01:00"]
    assert whys(odd)[0].startswith("X-WR-TIMEZONE: zone 'Mars' is not known")


def test_the_window_is_half_open_and_events_keep_their_length() -> None:
    lines = "DTSTART:20260228T120000Z\nDURATION:P1D"
    assert len(one(lines).events) == 1
    assert one(lines).events[0].start < START
    assert not one("DTSTART:20260228T120000Z\nDURATION:PT12H").events
    assert not one("DTSTART:20260501T000000Z\nDURATION:PT12H").events


def test_bounds_are_told() -> None:
    event = "BEGIN:VEVENT\nUID:{}\nDTSTART:20260401T000000Z\nDURATION:PT1H\n{}END:VEVENT\n"
    text = "BEGIN:VCALENDAR\n" + "".join(event.format(n, "") for n in range(10)) + "END:VCALENDAR\n"
    few = read(text, START, END, max_events=3)
    assert (len(few.events), few.complete) == (3, False)
    assert whys(few) == ["more than 3 events; the rest was not read"]
    short = read(text, START, END, max_bytes=300)
    assert not short.complete
    assert len(short.events) == 4
    assert whys(short)[0] == f"the calendar has {len(text)} bytes; only the first 300 were read"
    often = "BEGIN:VCALENDAR\n" + event.format("u", "RRULE:FREQ=DAILY\n") + "END:VCALENDAR\n"
    many = read(often, START, END, max_occurrences=5)
    assert (len(many.events), many.complete) == (5, False)
    assert whys(many) == ["more than 5 occurrences; the rest was left out"]
    assert read(often, START, END, max_occurrences=30).complete


def test_a_text_that_breaks_off_is_not_complete() -> None:
    text = (FEEDS / "pagerduty.ics").read_text()
    reading = read(text[: text.rindex("SUMMARY")], START, END)
    assert len(reading.events) == 1
    assert not reading.complete
    assert whys(reading) == ["the calendar breaks off before END:VCALENDAR", "breaks off before END:VEVENT"]


@pytest.mark.parametrize(
    ("body", "right"),
    [
        (b"", "this is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "this is a web page"),
        (b'{"events": []}', "this begins with"),
        (b"BEGIN:VCARD\nEND:VCARD\n", "this begins with"),
        (b"\x00\xff\xfe", "this begins with"),
    ],
)
def test_what_is_no_calendar(body: bytes, right: str) -> None:
    with pytest.raises(NotACalendar) as caught:
        read(body, START, END)
    assert right in caught.value.problems["calendar"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Jürgen Müß\r\n ig\r\nDTSTART:20260401T000000Z\r\nDURATION:PT1H\r\n"
    )
    reading = read((text + "END:VEVENT\r\nEND:VCALENDAR\r\n").encode(encoding), START, END)
    assert [event.summary for event in reading.events] == ["Jürgen Müßig"]


def test_folding_within_a_character() -> None:
    body = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:ü\nDTSTART:20260401T000000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR"
    )
    cut = body.encode().replace(b"\xc3\xbc", b"\xc3\r\n \xbc")
    assert read(cut, START, END).events[0].summary == "ü"


LINES = st.sampled_from(
    [line for path in sorted(FEEDS.glob("*.ics")) for line in path.read_text().splitlines()]
    + ["BEGIN:VEVENT", "END:VEVENT", "RRULE:FREQ=HOURLY;BYMINUTE=1,2,3", "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYSETPOS=-1"]
    + ["DTSTART:99991231T235959Z", "DURATION:P9999999D", "EXDATE:99991231", "DTEND:00010101T000000", "RDATE:x/y"]
    + ["DTSTART;TZID=Customized Time Zone:99991231T235959", "TZOFFSETFROM:+9999", "X-WR-TIMEZONE:Customized Time Zone"]
)


@given(st.sampled_from(["apple", "google", "outlook"]), st.lists(st.tuples(st.integers(0, 99), LINES), max_size=20))
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_lines_raises(name: str, others: list[tuple[int, str]]) -> None:
    lines = (FEEDS / f"{name}.ics").read_text().splitlines()
    for place, line in others:
        lines[1 + place % (len(lines) - 1)] = line
    if lines[1][:1] in (" ", "\t"):
        return  # it goes on with the first line, and then there is no calendar any more
    reading = read("\n".join(lines), START, END)
    assert list(reading.events) == sorted(reading.events, key=lambda event: event.start)
    assert all(event.start < END and event.end > START and event.start < event.end for event in reading.events)


@given(st.binary(max_size=300), st.integers(18, 2000))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise(noise: bytes, at: int) -> None:
    body = (FEEDS / "google.ics").read_bytes()
    read(body[:at] + noise + body[at:], START, END)
