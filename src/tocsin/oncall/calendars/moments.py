"""Dates, times, periods and durations as feeds write them: RFC 5545, sections 3.3.4 to 3.3.9. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tocsin.oncall.calendars import recurrence
from tocsin.oncall.calendars.content import Property
from tocsin.oncall.calendars.recurrence import Unreadable
from tocsin.oncall.calendars.zones import GREENWICH, Zone

_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_MAX_VALUES = 10_000


class When(NamedTuple):
    """A time on the wall of a zone. ``all_day``: a mere date, at midnight; ``end`` (UTC): where a period stops."""

    local: datetime
    zone: Zone
    all_day: bool = False
    end: datetime | None = None

    @property
    def instant(self) -> datetime:
        return self.zone.instant(self.local)


def whens(line: Property, floating: Zone, named: Callable[[str], Zone]) -> list[When]:
    """The values of a DTSTART, DTEND, EXDATE, RDATE or RECURRENCE-ID, at least one.

    ``floating`` is the zone of what names none, ``named`` finds one by its name. Raises Unreadable.
    """
    texts = line.value.strip().rstrip(",").split(",")
    if len(texts) > _MAX_VALUES:
        raise Unreadable(f"{line.name} with {len(texts)} values; {_MAX_VALUES} at most")
    zone = floating
    name = line.params.get("TZID", "")
    if name and not all(text.strip().endswith("Z") for text in texts):
        zone = named(name)
    return [_when(text.strip(), line.name, zone) for text in texts]


def _when(text: str, name: str, zone: Zone) -> When:
    text, _, until = text.partition("/")
    local = recurrence.local_time(text)
    if local is None:
        raise Unreadable(f"{name}:{text[:40]} is no date; 20260330, 20260330T090000 or 20260330T070000Z")
    when = When(local, GREENWICH if text.endswith("Z") else zone, len(text) <= 10 and "T" not in text)
    if not until:
        return when
    if until.lstrip("+-").startswith("P"):
        wall, exact = duration(until)
        return when._replace(end=when.zone.instant(local + wall) + exact)
    return when._replace(end=_when(until, name, zone).instant)


def duration(text: str) -> tuple[timedelta, timedelta]:
    """(weeks and days, which are counted on the clock on the wall; hours and less, which are exact).

    Raises Unreadable.
    """
    found = _DURATION.fullmatch(text.strip().upper())
    if found is None or len(text) > 40 or not any(found.groups()[1:]):
        raise Unreadable(f"DURATION:{text[:40]} is none; P1W, P1D or PT12H30M")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    sign = -1 if found[1] == "-" else 1
    try:
        wall = timedelta(weeks=weeks, days=days)
        return sign * wall, sign * timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as error:
        raise Unreadable(f"DURATION:{text[:40]} is too long") from error


def in_zone(zone: Zone, utc: datetime) -> datetime:
    """The time on the wall of a zone of a naive time in UTC."""
    return zone.local(utc.replace(tzinfo=UTC))
