"""Time zones as feeds name them: IANA, Windows, addresses of zones, definitions inside the feed. Pure.

Local times become instants by RFC 5545, section 3.3.5: one that occurs twice is its first occurrence; one that does not
occur counts with the offset from before the gap.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from tocsin.oncall.calendars import recurrence
from tocsin.oncall.calendars.content import Component
from tocsin.oncall.rules.wallclock import known_zone

_UTC_NAMES = frozenset({"utc", "z", "gmt", "coordinated universal time", "tzone://microsoft/utc"})
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d):?(\d\d)?")
_WINDOWS = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}


class Zone(Protocol):
    """A zone by whatever rules: from the clock on its wall to instants (UTC) and back."""

    @property
    def name(self) -> str: ...

    def instant(self, local: datetime) -> datetime: ...

    def local(self, at: datetime) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Iana:
    """A zone that this machine knows. ``name`` must be known."""

    name: str

    def instant(self, local: datetime) -> datetime:
        return local.replace(tzinfo=ZoneInfo(self.name)).astimezone(UTC)

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.name)).replace(tzinfo=None, fold=0)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A zone as the feed defines it: its first offset, then (instant, offset from then on) in order."""

    name: str
    first: timedelta
    changes: tuple[tuple[datetime, timedelta], ...]

    def instant(self, local: datetime) -> datetime:
        offset = self.first
        wall = local.replace(tzinfo=UTC)
        for at, after in self.changes:
            if wall < at + max(offset, after):
                break
            offset = after
        return wall - offset

    def local(self, at: datetime) -> datetime:
        place = bisect_right(self.changes, at, key=lambda change: change[0])
        offset = self.changes[place - 1][1] if place else self.first
        return (at + offset).astimezone(UTC).replace(tzinfo=None)


GREENWICH = Iana("UTC")


def resolved(name: str, definitions: Mapping[str, Component], until: datetime, steps: recurrence.Steps) -> Zone | None:
    """The zone of this name: IANA, Windows, the IANA name at the end of an address, else as the feed defines it.

    Names that are known go before the feed's own definition: that one tends to hold the rules of one year only.
    ``definitions``: the feed's VTIMEZONE components by name, followed up to the instant ``until`` at the cost of
    ``steps``. None: nobody knows this zone.
    """
    name = name.strip().strip('"')
    if known := iana(name):
        return Iana(known)
    definition = definitions.get(name)
    if definition is None:
        return None
    if known := iana(definition.raw("X-LIC-LOCATION")):
        return Iana(known)
    return _embedded(name, definition, until, steps)


@lru_cache(maxsize=1024)
def iana(name: str) -> str:
    """The IANA name of a zone by its IANA or Windows name or an address that ends in one; empty when there is none."""
    if not name or len(name) > 200:
        return ""
    if name.casefold() in _UTC_NAMES:
        return "UTC"
    if known_zone(name):
        return name
    # with several definitions of one zone Outlook numbers them: "W. Europe Standard Time 1"
    for wanted in (name.casefold(), re.sub(r"\s+\d+$", "", name.casefold())):
        if known := _WINDOWS.get(wanted) or _by_small_letters().get(wanted):
            return known
    parts = name.split("/")
    tails = ("/".join(parts[-count:]) for count in (3, 2) if len(parts) > count)
    return next((tail for tail in tails if known_zone(tail)), "")


@lru_cache(maxsize=1)
def _by_small_letters() -> dict[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones())}


def _embedded(name: str, definition: Component, until: datetime, steps: recurrence.Steps) -> Zone | None:
    """RFC 5545, section 3.6.5: the onsets of STANDARD and DAYLIGHT, each at a local time of the offset before it."""
    changes: dict[datetime, tuple[timedelta, timedelta]] = {}
    for part in definition.children:
        before, after = _offset(part.raw("TZOFFSETFROM")), _offset(part.raw("TZOFFSETTO"))
        start = recurrence.local_time(part.raw("DTSTART"))
        if part.name not in ("STANDARD", "DAYLIGHT") or before is None or after is None or start is None:
            continue
        last = until.replace(tzinfo=None) + timedelta(days=366)
        onsets = {start}
        utc_to_wall = partial(_shifted, by=before)
        for rule in part.all("RRULE"):
            try:
                onsets |= set(recurrence.expanded(rule.value, start, start, last, utc_to_wall, steps))
            except recurrence.Unreadable:
                return None
        for more in part.all("RDATE"):
            found = [recurrence.local_time(text.split("/")[0]) for text in more.value.split(",")]
            onsets |= {at for at in found if at is not None}
        for onset in onsets:
            changes[onset.replace(tzinfo=UTC) - before] = (before, after)
    if not changes:
        return None
    ordered = sorted(changes.items())
    return Embedded(name, ordered[0][1][0], tuple((at, after) for at, (_, after) in ordered))


def _shifted(at: datetime, by: timedelta) -> datetime:
    return at + by


def _offset(text: str) -> timedelta | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    length = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))
    return -length if found[1] == "-" else length if length < timedelta(days=1) else None
