"""Opsgenie's time restrictions as windows of a layer, and back. Pure.

Theirs are stretches of the week that may last for days; a window here begins on a day and lasts for one at most. So a
long stretch is written as a window for each day, and windows that adjoin are read as one stretch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tocsin.api.opsgenie.managing import parts, whole, wrong
from tocsin.oncall.rules import ALL_DAYS, RestrictionSpec, clock_text, minutes

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY, WEEK = 1440, 7 * 1440
MOST = 50


def read(value: Any, where: str) -> list[RestrictionSpec]:
    """The windows of ``timeRestriction``; empty: none was given. Raises Invalid."""
    if not value:
        return []
    if not isinstance(value, Mapping):
        raise wrong(where, "an object with type and restriction or restrictions")
    if value.get("type") == "time-of-day":
        given = value.get("restriction")
        if not isinstance(given, Mapping):
            raise wrong(f"{where}.restriction", "an object with startHour, startMin, endHour and endMin")
        start = _minute(given, "start", f"{where}.restriction")
        end = _minute(given, "end", f"{where}.restriction")
        return [RestrictionSpec(sorted(ALL_DAYS), clock_text(start % DAY), clock_text(end % DAY))]
    if value.get("type") != "weekday-and-time-of-day":
        raise wrong(f"{where}.type", "time-of-day or weekday-and-time-of-day")
    given_parts = parts(value, "restrictions", f"{where}.restrictions")
    if not 1 <= len(given_parts) <= MOST:
        raise wrong(f"{where}.restrictions", f"1 to {MOST} stretches")
    days: dict[tuple[int, int], set[int]] = {}
    for place, one in enumerate(given_parts):
        at = f"{where}.restrictions.{place}"
        start = _day(one, "startDay", at) * DAY + _minute(one, "start", at)
        end = _day(one, "endDay", at) * DAY + _minute(one, "end", at)
        for day, begin, stop in _daily(start, start + ((end - start) % WEEK or WEEK)):
            days.setdefault((begin, stop), set()).add(day)
    return [
        RestrictionSpec(sorted(found), clock_text(begin), clock_text(stop)) for (begin, stop), found in days.items()
    ]


def written(windows: Iterable[RestrictionSpec]) -> dict[str, Any] | None:
    """``timeRestriction`` of windows; None: always. Days of a month, months and holidays are not told."""
    known = list(windows)
    if len(known) == 1 and set(known[0].days) == ALL_DAYS:
        start, end = minutes(known[0].start), minutes(known[0].end) % DAY
        if start == end:
            return None
        return {"type": "time-of-day", "restriction": _clock("start", start) | _clock("end", end)}
    stretches = _united(known)
    if not known or stretches == [(0, WEEK)]:
        return None
    return {
        "type": "weekday-and-time-of-day",
        "restrictions": [
            {"startDay": DAYS[start // DAY % 7], "endDay": DAYS[end // DAY % 7]}
            | _clock("start", start % DAY)
            | _clock("end", end % DAY)
            for start, end in stretches
        ],
    }


def _daily(start: int, end: int) -> list[tuple[int, int, int]]:
    """(weekday, from, to) of a stretch of the week: one over midnight where it lasts less than a day, else by day."""
    if end - start <= DAY:
        return [(start // DAY % 7 + 1, start % DAY, end % DAY or DAY)]
    found = []
    while start < end:
        stop = min(end, (start // DAY + 1) * DAY)
        found.append((start // DAY % 7 + 1, start % DAY, stop % DAY or DAY))
        start = stop
    return found


def _united(windows: Iterable[RestrictionSpec]) -> list[tuple[int, int]]:
    """The stretches of the week that windows cover, in order; one that lasts over Sunday night ends after ``WEEK``."""
    spans = []
    for window in windows:
        start, end = minutes(window.start), minutes(window.end)
        length = (end - start) % DAY or DAY
        spans += [((day - 1) * DAY + start, (day - 1) * DAY + start + length) for day in window.days]
    # what reaches over the end of the week stands at its beginning, too
    spans = [*spans, *((0, end - WEEK) for _, end in spans if end > WEEK)]
    found: list[tuple[int, int]] = []
    for start, end in sorted((start, min(end, WEEK)) for start, end in spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    if len(found) > 1 and found[0][0] == 0 and found[-1][1] == WEEK:
        found[-1] = (found[-1][0], WEEK + found[0][1])
        del found[0]
    return found


def _minute(given: Mapping[str, Any], name: str, where: str) -> int:
    hour = whole(given, f"{name}Hour", 0, 0, 24, f"{where}.{name}Hour")
    past = whole(given, f"{name}Min", 0, 0, 59, f"{where}.{name}Min")
    if hour == 24 and past:
        raise wrong(f"{where}.{name}Hour", "0 to 23, or 24 with no minutes")
    return hour * 60 + past


def _day(given: Mapping[str, Any], name: str, where: str) -> int:
    day = str(given.get(name) or "").lower()
    if day not in DAYS:
        raise wrong(f"{where}.{name}", f"one of {', '.join(DAYS)}")
    return DAYS.index(day)


def _clock(name: str, minute: int) -> dict[str, int]:
    return {f"{name}Hour": minute // 60, f"{name}Min": minute % 60}
