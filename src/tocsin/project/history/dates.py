"""Moments as exports write them: which order of day and month a column has, and what a value means in a zone. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ORDERS = ("D/M/Y", "M/D/Y", "Y/M/D")
# the first three letters that name a month in English, German, French and Spanish exports
MONTHS = {
    "jan": 1, "ene": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "mär": 3, "mrz": 3, "apr": 4, "avr": 4, "abr": 4,
    "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8, "aoû": 8, "aou": 8, "ago": 8, "sep": 9, "oct": 10, "okt": 10,
    "nov": 11, "dec": 12, "dez": 12, "déc": 12, "dic": 12,
}  # fmt: skip
_TIME = (
    r"(?:[T\s,]+(?:at\s+)?(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_NUMBERS = re.compile(r"(?P<a>\d{1,4})[/.-](?P<b>\d{1,2})[/.-](?P<c>\d{4}|\d{2})" + _TIME)
_NAMED = re.compile(r"(?P<a>\d{1,2})[\s/.-]+(?P<month>[^\W\d_]{3,12})\.?[\s/.,-]+(?P<c>\d{4}|\d{2})" + _TIME)
_NAMED_FIRST = re.compile(r"(?P<month>[^\W\d_]{3,12})\.?\s+(?P<a>\d{1,2}),?\s+(?P<c>\d{4})" + _TIME)
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?")


@dataclass(slots=True)
class Evidence:
    """What the values of a column say about the order of day and month: how many admit only one."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0
    plain: int = 0  # moments that can be read in one way only, whatever the order
    odd: int = 0  # no moments
    bare: int = 0  # moments without a zone

    def see(self, value: str) -> None:
        """Count one value."""
        kind = _kind(value)
        setattr(self, kind, getattr(self, kind) + 1)
        self.bare += kind != "odd" and _bare(value)

    @property
    def moments(self) -> int:
        return self.day_first + self.month_first + self.either + self.plain


UTC_ZONE = ZoneInfo("UTC")


@lru_cache(maxsize=262_144)
def _kind(value: str) -> str:
    """Which of the counts of ``Evidence`` a value belongs to."""
    found = _NUMBERS.fullmatch(value)
    if found is None or len(found["a"]) > 2:
        return "odd" if moment(value, "Y/M/D", UTC_ZONE) is None else "plain"
    first, second = int(found["a"]), int(found["b"])
    if first > 12:
        return "day_first" if second <= 12 else "odd"
    return "month_first" if second > 12 else "either"


@lru_cache(maxsize=262_144)
def _bare(value: str) -> bool:
    """Whether a moment says nothing of its zone."""
    if _EPOCH.fullmatch(value):
        return False
    found = _NUMBERS.fullmatch(value) or _NAMED.fullmatch(value) or _NAMED_FIRST.fullmatch(value)
    return found is not None and not found["zone"]


def order_of(seen: Iterable[Evidence]) -> str:
    """The order in which the columns of one file write day and month; empty when nothing decides, or they differ."""
    columns = list(seen)
    day = sum(one.day_first for one in columns)
    month = sum(one.month_first for one in columns)
    either = sum(one.either for one in columns)
    if day and month:
        return ""
    if day:
        return "D/M/Y"
    if month:
        return "M/D/Y"
    return "" if either else "Y/M/D"


@lru_cache(maxsize=65_536)
def moment(value: str, order: str, zone: ZoneInfo) -> datetime | None:
    """The moment that a value names, in UTC; a date alone is its midnight in the zone. None: it is no moment.

    Of the two moments that a clock shows twice in autumn, the earlier one.
    """
    if _EPOCH.fullmatch(value):
        return datetime.fromtimestamp(int(value[:10]), UTC)
    found = _NUMBERS.fullmatch(value)
    if found:
        a, b, c = int(found["a"]), int(found["b"]), int(found["c"])
        if len(found["a"]) == 4:
            year, month, day = a, b, c
        elif len(found["a"]) == 3:
            return None
        elif order == "M/D/Y":
            year, month, day = c, a, b
        elif order == "D/M/Y":
            year, month, day = c, b, a
        else:
            return None
    else:
        found = _NAMED.fullmatch(value) or _NAMED_FIRST.fullmatch(value)
        if found is None or (number := MONTHS.get(found["month"].lower()[:3])) is None:
            return None
        year, month, day = int(found["c"]), number, int(found["a"])
    if year < 100 and len(found["c"]) == 2:
        year += 2000
    if not 1970 <= year <= 9000:
        return None
    return _made(year, month, day, found, zone)


def _made(year: int, month: int, day: int, found: re.Match[str], zone: ZoneInfo) -> datetime | None:
    hour = int(found["hour"] or 0)
    if half := (found["half"] or "").lower()[:1]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        local = datetime(year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0), tzinfo=zone)
        said = found["zone"] or ""
        if said in ("Z", "UTC", "GMT"):
            local = local.replace(tzinfo=UTC)
        elif said:
            sign = -1 if said[0] == "-" else 1
            away = timedelta(hours=int(said[1:3]), minutes=int(said[-2:]))
            return (local.replace(tzinfo=UTC) - sign * away).astimezone(UTC)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
