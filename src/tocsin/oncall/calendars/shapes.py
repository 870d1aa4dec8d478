"""What reading a calendar gives: events, what was left out, and the one error."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tocsin.platform.errors import Invalid


class NotACalendar(Invalid):
    """What was given is no iCalendar text at all; ``problems`` says what would be right."""


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence from ``start`` to ``end`` (UTC, half-open), at its whole length.

    ``attendees``: e-mail addresses in small letters of people who have not declined; ``organizer`` likewise or empty.
    ``occurrence``: of something that recurs, when this would have begun by its rule; else None. ``busy``: Outlook's
    word for the time (``BUSY``, ``FREE``, ``TENTATIVE``, ``OOF``, ``WORKINGELSEWHERE``), or empty.
    """

    uid: str
    start: datetime
    end: datetime
    summary: str = ""
    description: str = ""
    attendees: tuple[str, ...] = ()
    organizer: str = ""
    all_day: bool = False
    occurrence: datetime | None = None
    categories: tuple[str, ...] = ()
    busy: str = ""
    url: str = ""


class Skipped(NamedTuple):
    """What was left out of the feed, and why; ``uid`` and ``summary`` where there are any."""

    uid: str
    summary: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a feed holds within a window: events by start, what was left out, the calendar's own name and zone.

    ``complete``: False when a bound was met or the text breaks off; what is read is then not all there is, and nobody
    should be taken off call for not being in it.
    """

    events: tuple[Event, ...]
    skipped: tuple[Skipped, ...] = ()
    name: str = ""
    zone: str = ""
    complete: bool = True
