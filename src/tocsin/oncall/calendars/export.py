"""Shifts as an iCalendar text (RFC 5545) that other calendars subscribe to. Pure; the same values give the same bytes.

Times are written in UTC, so that no client needs our zones. Adjoining shifts stay apart: each is a hand-off.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event
from icalendar.prop import vCalAddress, vDuration, vText, vUri

from tocsin.oncall.rules.shapes import Shift

PRODUCT = "-//Tocsin//On call//EN"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Names:
    """What people and schedules are called, by id; who is missing is told by number.

    ``emails``: whoever is in it stands in the event as its attendee, by which other tools know them; RFC 5546 has none
    in published calendars, so leave it empty for clients that mind. ``urls``: the page of a schedule.
    """

    people: Mapping[int, str] = field(default_factory=dict)
    schedules: Mapping[int, str] = field(default_factory=dict)
    emails: Mapping[int, str] = field(default_factory=dict)
    urls: Mapping[int, str] = field(default_factory=dict)

    def person(self, user_id: int) -> str:
        return self.people.get(user_id) or f"person {user_id}"

    def schedule(self, schedule_id: int) -> str:
        return self.schedules.get(schedule_id) or f"schedule {schedule_id}"


@dataclass(frozen=True, slots=True)
class Options:
    """How the calendar is written.

    refresh         how often clients are asked to look again; most have their own mind
    transparent     shifts do not make the person busy
    alarm_minutes   remind so many minutes before each shift; None: not
    domain          what stands behind the @ of each UID: the host of this installation
    zone            which the client may show the calendar in; empty: its own
    """

    refresh: timedelta = timedelta(hours=1)
    transparent: bool = False
    alarm_minutes: int | None = None
    domain: str = "tocsin"
    zone: str = ""


DEFAULT = Options()


def for_person(
    shifts: Iterable[Shift], user_id: int, names: Names, stamped: datetime, options: Options = DEFAULT
) -> bytes:
    """One person's shifts among ``shifts``, of whatever schedules; see ``calendar``."""
    own = [shift for shift in shifts if shift.user_id == user_id]
    return calendar(own, f"On call: {names.person(user_id)}", names, stamped, options)


def for_schedule(
    shifts: Iterable[Shift], schedule_id: int, names: Names, stamped: datetime, options: Options = DEFAULT
) -> bytes:
    """One schedule's shifts among ``shifts``; see ``calendar``."""
    own = [shift for shift in shifts if shift.schedule_id == schedule_id]
    return calendar(own, f"On call: {names.schedule(schedule_id)}", names, stamped, options)


def for_team(shifts: Iterable[Shift], team: str, names: Names, stamped: datetime, options: Options = DEFAULT) -> bytes:
    """All ``shifts``, which are those of a team's schedules; see ``calendar``."""
    return calendar(shifts, f"On call: {team}", names, stamped, options)


def calendar(shifts: Iterable[Shift], title: str, names: Names, stamped: datetime, options: Options = DEFAULT) -> bytes:
    """An .ics text (UTF-8, CRLF, lines of 75 octets at most) of shifts, sorted by start.

    ``stamped`` (aware) is its DTSTAMP: when the shifts were worked out. Give whole shifts, not ones cut to a window: an
    event's UID is made of schedule, person and start, so that clients update it when its end changes.
    """
    made = Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    # as text, or the package takes what it does not know as it is
    made.add("x-wr-calname", vText(_one_line(title)))
    made.add("name", vText(_one_line(title)))
    if options.zone:
        made.add("x-wr-timezone", vText(_one_line(options.zone)))
    refresh = vDuration(options.refresh)
    refresh.params["VALUE"] = "DURATION"
    made.add("refresh-interval", refresh)
    made.add("x-published-ttl", vDuration(options.refresh))
    for shift in sorted(shifts, key=lambda one: (one.start, one.schedule_id, one.user_id, one.end)):
        made.add_component(_event(shift, names, stamped, options))
    text: bytes = made.to_ical(sorted=False)
    return text


def uid(shift: Shift, domain: str = DEFAULT.domain) -> str:
    """What a shift is called in calendars, for as long as it begins when it does."""
    start = shift.start.astimezone(UTC)
    exact = f".{start.microsecond:06}" if start.microsecond else ""
    return f"{shift.schedule_id}-{shift.user_id}-{start:%Y%m%dT%H%M%S}{exact}Z@{domain}"


def _event(shift: Shift, names: Names, stamped: datetime, options: Options) -> Event:
    along = shift.override is not None and shift.override.kind == "shadow"
    schedule, person = names.schedule(shift.schedule_id), names.person(shift.user_id)
    summary = _clean(f"{'Along on call' if along else 'On call'}: {schedule} ({person})")
    made = Event()
    made.add("uid", uid(shift, options.domain))
    made.add("dtstamp", stamped.astimezone(UTC))
    made.add("dtstart", shift.start.astimezone(UTC))
    made.add("dtend", shift.end.astimezone(UTC))
    made.add("summary", summary)
    made.add("description", _clean(_description(shift)))
    if url := names.urls.get(shift.schedule_id):
        made.add("url", vUri(_one_line(url)))
    made.add("categories", ["On call", "Override"] if shift.override else ["On call"])
    made.add("status", "CONFIRMED")
    made.add("transp", "TRANSPARENT" if options.transparent else "OPAQUE")
    if email := names.emails.get(shift.user_id):
        attendee = vCalAddress(f"mailto:{_one_line(email)}")
        attendee.params["CN"] = vText(_one_line(person).replace('"', "'"))
        made.add("attendee", attendee)
    if options.alarm_minutes is not None:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", summary)
        alarm.add("trigger", -timedelta(minutes=options.alarm_minutes))
        made.add_component(alarm)
    return made


def _description(shift: Shift) -> str:
    """Which layer or override put the person there, and why."""
    override = shift.override
    if override is None:
        return f"Layer: {shift.layer.name}" if shift.layer else ""
    kinds = {"instead": "Override", "beside": "Override, beside whom the layers name", "shadow": "Comes along"}
    return f"{kinds[override.kind]}: {override.reason}" if override.reason else kinds[override.kind]


def _clean(text: str) -> str:
    """Without control characters, which RFC 5545 has no way to write; line ends as line feeds."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _one_line(text: str) -> str:
    return _clean(text).replace("\n", " ")
