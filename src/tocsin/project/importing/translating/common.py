"""What all translators need: moments, windows of the week, turns, zones, and reading what may be missing."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.oncall.rules import known_zone
from tocsin.project.importing.shapes import Translation, clean

DAY = 24 * 60
WEEK = 7 * DAY
DAYS = {"monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6, "sunday": 7}
SHORT_DAYS = {"MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6, "SU": 7}
LEAST_SHIFT_LENGTH = {"hour": 60, "day": DAY, "week": WEEK}
# Ruby on Rails' names of zones, which some products' older accounts have
RAILS_ZONES = {
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Mountain Time (US & Canada)": "America/Denver",
    "Central Time (US & Canada)": "America/Chicago",
    "Eastern Time (US & Canada)": "America/New_York",
    "London": "Europe/London",
    "Berlin": "Europe/Berlin",
    "Tokyo": "Asia/Tokyo",
    "Sydney": "Australia/Sydney",
}


def items(value: Any) -> list[dict[str, Any]]:
    """The mappings in what should be a list of them."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """What should be a list of texts (ids, names); numbers as texts."""
    found = value if isinstance(value, list) else []
    return [str(one) for one in found if isinstance(one, str | int) and not isinstance(one, bool)]


def mapping(value: Any) -> dict[str, Any]:
    """What should be a mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def whole(value: Any, default: int = 0) -> int:
    """What should be a whole number."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def moment(text: Any) -> datetime | None:
    """A moment with its offset (none: UTC); also Go's form ``2017-09-01 10:00:00 +0000 UTC``, and milliseconds."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        try:
            return datetime.fromtimestamp(text / 1000 if text > 1e11 else text, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(text, str) or not text.strip():
        return None
    plain = re.sub(r"\s+([A-Z]{2,5})$", "", text.strip())
    plain = re.sub(r"\s+([+-]\d{2}):?(\d{2})$", r"\1:\2", plain)
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def iso(at: datetime | None) -> str | None:
    """A moment as specs have it in JSON: UTC."""
    return at.astimezone(UTC).isoformat() if at else None


def zone_of(text: Any, into: Translation, kind: str, name: str, id: str) -> str:
    """An IANA zone; UTC with a finding when it is not known."""
    wanted = str(text or "").strip()
    wanted = RAILS_ZONES.get(wanted, wanted)
    if not wanted:
        return "UTC"
    if known_zone(wanted):
        return wanted
    into.note("approximated", kind, name, id, f"the time zone {clean(wanted, 60)!r} is not known here: UTC instead")
    return "UTC"


def clock_text(minute: int) -> str:
    """Minutes of the day as ``HH:MM``."""
    return f"{minute // 60:02}:{minute % 60:02}"


def week_windows(spans: Iterable[tuple[int, int]]) -> list[dict[str, Any]]:
    """Windows of the week, each from and to in minutes since Monday 00:00, as restrictions.

    A window whose end is not after its start goes on over the week's end. Each is cut at midnight, and days with the
    same hours are put together.
    """
    pieces: dict[tuple[int, int], set[int]] = {}
    for start, end in spans:
        length = (end - start) % WEEK or WEEK
        at, left = start % WEEK, length
        while left > 0:
            day, minute = divmod(at, DAY)
            part = min(left, DAY - minute)
            pieces.setdefault((minute, minute + part), set()).add(day % 7 + 1)
            at, left = (at + part) % WEEK, left - part
    return [
        {"days": sorted(days), "start": clock_text(start), "end": clock_text(end)}
        for (start, end), days in sorted(pieces.items())
    ]


def daily_windows(start: int, length: int) -> list[dict[str, Any]]:
    """A window of every day, minutes; as restrictions."""
    if length >= DAY:
        return []
    return week_windows((day * DAY + start, day * DAY + start + length) for day in range(7))


def turn(seconds: int) -> tuple[str, int] | None:
    """The unit and number of a turn of so many seconds; None when no whole number of hours makes it."""
    for unit, size in (("week", 604_800), ("day", 86_400), ("hour", 3_600)):
        if seconds >= size and seconds % size == 0 and seconds // size <= 366:
            return unit, seconds // size
    return None


def hourly(layer: dict[str, Any], zone: str, into: Translation, about: tuple[str, str, str]) -> None:
    """Hours count on the line of time there and on the clock on the wall here: count them in UTC where that is the
    same otherwise, else say so."""
    if layer["unit"] != "hour" or zone == "UTC":
        return
    if layer.get("restrictions"):
        reason = "turns of hours with restrictions follow the clock on the wall here, so they move when clocks change"
        into.note("approximated", *about, reason)
    else:
        layer["zone"] = "UTC"


def in_zone(at: datetime, zone: str) -> datetime:
    """A moment as the clock on the wall shows it."""
    return at.astimezone(ZoneInfo(zone))


def phone(country: Any, number: Any) -> str:
    """A telephone number with its country, as ``+491701234567``; empty when there is none."""
    digits = re.sub(r"\D", "", str(number or ""))
    code = re.sub(r"\D", "", str(country or ""))
    return f"+{code}{digits}" if digits and code else f"+{digits}" if digits else ""


class Names:
    """Names that each stand once, in one section."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def free(self, name: str, limit: int = 120) -> str:
        """The name, with a number behind it when it is taken already."""
        base, number = clean(name, limit) or "Unnamed", 1
        found = base
        while found.lower() in self.taken:
            number += 1
            found = f"{base[: limit - 6]} {number}"
        self.taken.add(found.lower())
        return found


def reach(
    methods: list[tuple[str, str]], rules: list[tuple[str, str, str, int]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Contact methods (channel, address) and rules (urgency, channel, address, seconds), each once, as specs."""
    kept = list(dict.fromkeys(method for method in methods if method[1]))
    known = set(kept)
    ordered = sorted(
        {rule: None for rule in rules if (rule[1], rule[2]) in known}, key=lambda rule: (rule[0] != "high", rule[3])
    )
    return (
        [{"channel": channel, "address": address} for channel, address in kept],
        [
            {"urgency": urgency, "channel": channel, "address": address, "delay_s": min(max(delay, 0), 86_400)}
            for urgency, channel, address, delay in ordered
        ],
    )
