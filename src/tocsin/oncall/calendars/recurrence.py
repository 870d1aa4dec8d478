"""When something recurs: RRULE on the clock of a zone's wall, bounded. Pure; local times in, local times out.

A rule is followed in local time, so that what recurs at 09:00 stays at 09:00 over clock changes. DTSTART is always the
first occurrence and counts as such, also when the rule would not name it (RFC 5545, section 3.8.5.3).
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dateutil.rrule import rrule, rruleset, rrulestr

MAX_STEPS = 300_000  # some seconds at worst; some 600 daily or 2,400 weekly rules over a year
MAX_RULE = 1000
MAX_TIMES = 100
_YIELDS_A_STEP = 8
_PART = re.compile(r"[A-Z-]+=[-+A-Z0-9,]+")
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d):?(\d\d)?(?:\.\d+)?)?Z?")
# (length, what one step costs); no rotation changes hands by the minute, but such rules cost without limit
_UNITS = {
    "HOURLY": (timedelta(hours=1), 1),
    "DAILY": (timedelta(days=1), 1),
    "WEEKLY": (timedelta(weeks=1), 2),
    "MONTHLY": (timedelta(days=28), 8),
    "YEARLY": (timedelta(days=365), 30),
}


class Unreadable(Exception):
    """What cannot be followed; the text says why and what would be right."""


@dataclass(slots=True)
class Steps:
    """How much following all the rules of one feed may still cost, in steps of a day or an hour.

    ``short``: a rule was left out because it asked for more than was left.
    """

    left: int = MAX_STEPS
    short: bool = False

    def take(self, steps: int, rule: str) -> None:
        """Raises Unreadable when there are no more."""
        if steps > self.left:
            self.short = True
            raise Unreadable(f"RRULE {rule[:80]}: too many steps until the window; a later DTSTART")
        self.left -= steps


def local_time(text: str) -> datetime | None:
    """``20260330T090000`` or ``20260330`` (midnight), with or without a Z, which is not looked at; None for others."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        # a leap second is the second before it
        return datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - local time
    except ValueError:
        return None


def expanded(
    text: str, start: datetime, low: datetime, high: datetime, from_utc: Callable[[datetime], datetime], steps: Steps
) -> list[datetime]:
    """The local times of RRULE ``text`` from ``start`` on that lie between ``low`` and ``high``, both included.

    ``from_utc`` makes of a time in UTC one on the wall, for an UNTIL that ends in Z. ``steps`` are taken from. Raises
    Unreadable.
    """
    parts = _parts(text)
    if parts.get("FREQ") not in _UNITS:
        raise Unreadable(f"RRULE {text[:80]}: FREQ must be one of {', '.join(_UNITS)}")
    unit, cost = _UNITS[parts["FREQ"]]
    count, interval = _number(parts.pop("COUNT", ""), "COUNT"), _number(parts.get("INTERVAL", ""), "INTERVAL") or 1
    last = min(high, _until(parts.pop("UNTIL", ""), from_utc) or high)
    found = {start} if low <= start <= high else set()
    if last < start:
        return sorted(found)
    first = start
    if count is None and parts["FREQ"] in ("HOURLY", "DAILY", "WEEKLY") and low > start:
        # whole intervals may be left out: what comes after is the same
        first += max(0, (low - start) // (unit * interval) - 1) * unit * interval
    steps.take(cost * (1 + (last - first) // (unit * interval)), text)
    rule = _rule(parts, first, last)
    try:
        for done, at in enumerate(_counted(rule, start, count)):
            steps.take(done % _YIELDS_A_STEP == 0, text)
            if low <= at <= high:
                found.add(at)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise Unreadable(f"RRULE {text[:80]}: {error}") from error
    return sorted(found)


def _counted(rule: rrule, start: datetime, count: int | None) -> Iterator[datetime]:
    if count is None:
        yield from rule
        return
    for done, at in enumerate(rule):
        if done == 0 and at != start:
            count -= 1  # DTSTART is the first occurrence although the rule does not name it
        if done >= count:
            return
        yield at


def _parts(text: str) -> dict[str, str]:
    text = text.strip().upper().rstrip(";")
    if len(text) > MAX_RULE:
        raise Unreadable(f"an RRULE of {len(text)} characters; {MAX_RULE} at most")
    parts: dict[str, str] = {}
    for piece in text.split(";"):
        name, _, value = piece.partition("=")
        if not _PART.fullmatch(piece) or name in parts:
            raise Unreadable(f"RRULE {text[:80]}: parts such as FREQ=WEEKLY;BYDAY=MO, each once")
        parts[name] = value
    if math.prod(parts.get(name, "").count(",") + 1 for name in ("BYHOUR", "BYMINUTE", "BYSECOND")) > MAX_TIMES:
        raise Unreadable(f"RRULE {text[:80]}: more than {MAX_TIMES} times a day")
    return parts


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not text.isdigit() or not 0 < len(text) < 7 or int(text) == 0:
        raise Unreadable(f"{name}={text[:20]}: a number from 1 to 999999")
    return int(text)


def _until(text: str, from_utc: Callable[[datetime], datetime]) -> datetime | None:
    if not text:
        return None
    at = local_time(text)
    if at is None:
        raise Unreadable(f"UNTIL={text[:20]}: a date such as 20261231 or a time such as 20261231T235959Z")
    if "T" not in text:
        return at + timedelta(days=1, microseconds=-1)  # the whole of that day
    return from_utc(at) if text.endswith("Z") else at


def _rule(parts: dict[str, str], first: datetime, last: datetime) -> rrule:
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        made = rrulestr(text, dtstart=first)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise Unreadable(f"RRULE {text[:80]}: {error}") from error
    if isinstance(made, rruleset):
        raise Unreadable(f"RRULE {text[:80]}: one rule a line")
    return made.replace(until=last)
