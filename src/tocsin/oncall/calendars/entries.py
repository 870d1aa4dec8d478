"""One VEVENT and the occurrences that it stands for. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain

from tocsin.oncall.calendars import recurrence, zones
from tocsin.oncall.calendars.content import Component, Property, plain
from tocsin.oncall.calendars.moments import When, duration, in_zone, whens
from tocsin.oncall.calendars.recurrence import Unreadable
from tocsin.oncall.calendars.shapes import Event

MAX_TEXT = 10_000
MAX_ATTENDEES = 1000
_DAY = timedelta(days=1)
_NO_PEOPLE = frozenset({"ROOM", "RESOURCE"})


@dataclass(slots=True)
class Feed:
    """What is shared while one VCALENDAR is read: its zones, the window (UTC), the steps that rules may still take."""

    definitions: Mapping[str, Component]
    zone: zones.Zone
    start: datetime
    end: datetime
    steps: recurrence.Steps
    seen: dict[str, zones.Zone | None] = field(default_factory=dict)

    def named(self, name: str) -> zones.Zone:
        """Raises Unreadable for a zone that nobody knows."""
        if name not in self.seen:
            self.seen[name] = zones.resolved(name, self.definitions, self.end, self.steps)
        found = self.seen[name]
        if found is None:
            raise Unreadable(f"zone {name[:80]!r} is not known; an IANA or Windows name, or its VTIMEZONE in the feed")
        return found


@dataclass(slots=True)
class Entry:
    """A VEVENT. ``replaces``: it is a changed occurrence, namely of this time by the rule."""

    component: Component
    uid: str
    sequence: int
    start: When
    cancelled: bool
    replaces: When | None

    @property
    def from_now_on(self) -> bool:
        """Whether it would change all later occurrences, too."""
        line = self.component.first("RECURRENCE-ID")
        return line is not None and line.params.get("RANGE", "").upper() == "THISANDFUTURE"


def entry(component: Component, feed: Feed) -> Entry:
    """Raises Unreadable."""
    if not component.closed:
        raise Unreadable("breaks off before END:VEVENT")
    started, replaced = component.first("DTSTART"), component.first("RECURRENCE-ID")
    if started is None:
        raise Unreadable("no DTSTART")
    start = whens(started, feed.zone, feed.named)[0]
    sequence = component.raw("SEQUENCE")
    return Entry(
        component,
        # without a UID, which the RFC demands, each stands for itself
        component.text("UID")[:MAX_TEXT] or f"{start.local:%Y%m%dT%H%M%S}-{component.text('SUMMARY')[:200]}",
        int(sequence) if sequence.isdecimal() and len(sequence) < 10 else 0,
        start,
        component.raw("STATUS").upper() == "CANCELLED",
        whens(replaced, start.zone, feed.named)[0] if replaced else None,
    )


class Gone:
    """Which occurrences are not there (any more): by instant, or by local day where only a date is given."""

    def __init__(self, whens: Iterable[When] = ()) -> None:
        self.instants: set[datetime] = set()
        self.days: set[date] = set()
        self._in_zones: dict[zones.Zone, set[date]] = {}
        for when in whens:
            if when.all_day:
                self.days.add(when.local.date())
            else:
                self.instants.add(when.instant)

    def has(self, begin: datetime, local: datetime, of: When) -> bool:
        """Whether the occurrence at ``begin``, ``local`` on the wall, of what first begins at ``of``, is gone."""
        if begin in self.instants or local.date() in self.days:
            return True
        if not (of.all_day and self.instants):
            return False
        if of.zone not in self._in_zones:
            self._in_zones[of.zone] = {of.zone.local(at).date() for at in self.instants}
        return local.date() in self._in_zones[of.zone]


def occurrences(of: Entry, gone: Gone, feed: Feed) -> Iterator[Event]:
    """The occurrences within the feed's window, without those that are ``gone``. Raises Unreadable."""
    zone, component = of.start.zone, of.component
    length = _length(component, of.start, feed)
    recurs = of.replaces is None and any(component.all(name) for name in ("RRULE", "RDATE"))
    times: dict[datetime, datetime | None] = {of.start.local: length.end_of_first}
    left_out = Gone()
    if recurs:
        times = _times(of, length, feed)
        left_out = Gone(chain.from_iterable(whens(line, zone, feed.named) for line in component.all("EXDATE")))
    like = _told(of)
    for local in sorted(times):
        begin = zone.instant(local)
        end = times[local] or length.end(local, begin, zone)
        if end <= begin:
            raise Unreadable("it has no length; a DTEND after its DTSTART, or a DURATION")
        if gone.has(begin, local, of.start) or left_out.has(begin, local, of.start):
            continue
        if begin < feed.end and end > feed.start:
            by_rule = of.replaces.instant if of.replaces else begin if recurs else None
            yield replace(like, start=begin, end=end, occurrence=by_rule)


def _times(of: Entry, length: "_Length", feed: Feed) -> dict[datetime, datetime | None]:
    """Local starts by RRULE, RDATE and EXRULE around the window, each with its end where that is given (UTC)."""
    zone = of.start.zone
    low = zone.local(feed.start) - length.longest - 2 * _DAY
    high = zone.local(feed.end) + 2 * _DAY
    from_utc: Callable[[datetime], datetime] = partial(in_zone, zone)

    def by_rule(line: Property) -> list[datetime]:
        return recurrence.expanded(line.value, of.start.local, low, high, from_utc, feed.steps)

    times: dict[datetime, datetime | None] = {}
    for rule in of.component.all("RRULE"):
        times |= dict.fromkeys(by_rule(rule))
    for more in of.component.all("RDATE"):
        for when in whens(more, zone, feed.named):
            times[zone.local(when.instant)] = when.end
    times[of.start.local] = length.end_of_first
    for rule in of.component.all("EXRULE"):
        for local in by_rule(rule):
            times.pop(local, None)
    return times


@dataclass(frozen=True, slots=True)
class _Length:
    """How long each occurrence is: so much on the clock on the wall, then so much by the stopwatch."""

    wall: timedelta
    exact: timedelta = timedelta()
    end_of_first: datetime | None = None

    @property
    def longest(self) -> timedelta:
        return max(self.wall + self.exact, timedelta())

    def end(self, local: datetime, begin: datetime, zone: zones.Zone) -> datetime:
        end = zone.instant(local + self.wall) + self.exact
        # not after its begin: both are within the hour that a change of clocks leaves out or repeats
        return end if end > begin else begin + self.wall + self.exact


def _length(component: Component, start: When, feed: Feed) -> _Length:
    if ended := component.first("DTEND"):
        at = whens(ended, start.zone, feed.named)[0].instant
        if start.all_day and at <= start.instant:
            return _Length(_DAY)  # some write the last day instead of the day after it
        return _Length(start.zone.local(at) - start.local, timedelta(), at)
    if lasting := component.raw("DURATION"):
        return _Length(*duration(lasting))
    return _Length(_DAY if start.all_day else timedelta())


def _told(of: Entry) -> Event:
    """The event without its times."""
    component = of.component
    people = (_address(line) for line in component.all("ATTENDEE")[:MAX_ATTENDEES] if _comes(line))
    organizer = component.first("ORGANIZER")
    words = chain.from_iterable(line.value.split(",") for line in component.all("CATEGORIES"))
    return Event(
        of.uid,
        start=of.start.instant,
        end=of.start.instant,
        summary=component.text("SUMMARY")[:MAX_TEXT],
        description=component.text("DESCRIPTION")[:MAX_TEXT],
        attendees=tuple(dict.fromkeys(address for address in people if address)),
        organizer=_address(organizer) if organizer else "",
        all_day=of.start.all_day or component.raw("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE",
        categories=tuple(word for word in (plain(word).strip()[:200] for word in words) if word),
        busy=component.raw("X-MICROSOFT-CDO-BUSYSTATUS").upper()[:40],
        url=component.raw("URL")[:MAX_TEXT],
    )


def _comes(line: Property) -> bool:
    declined = line.params.get("PARTSTAT", "").upper() == "DECLINED"
    return not declined and line.params.get("CUTYPE", "").upper() not in _NO_PEOPLE


def _address(line: Property) -> str:
    """``mailto:Ada@example.org`` -> ``ada@example.org``; Apple hides it in a parameter. Empty when there is none."""
    value = line.value.strip()
    for text in (value[7:] if value[:7].lower() == "mailto:" else value, line.params.get("EMAIL", "")):
        if "@" in text and not any(letter in text for letter in " /<>"):
            return text.strip().lower()[:320]
    return ""
