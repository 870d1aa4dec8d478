"""When a maintenance window is going on. Repeats follow RFC 5545 RRULEs in the window's own zone, by the wall clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

# no repeat is looked for further away than this; a yearly window lies within it
HORIZON = timedelta(days=800)


def rrule_problem(text: str) -> str:
    """What is wrong with a repeat rule, or an empty text."""
    if not text:
        return ""
    try:
        parsed = rrulestr(text.removeprefix("RRULE:"), dtstart=datetime(2026, 1, 1))  # noqa: DTZ001 - wall clock
    except (ValueError, TypeError) as error:
        return f"is no RRULE: {error}"
    if isinstance(parsed, rruleset):
        return "must be a single RRULE"
    if parsed._freq > 4:  # type: ignore[attr-defined]  # dateutil offers no public name; 4 is HOURLY
        return "must not repeat more often than hourly"
    return ""


def going_on(
    starts_at: datetime, duration: timedelta, repeat: str, zone: str, at: datetime
) -> tuple[datetime, datetime] | None:
    """Start and end (UTC) of the occurrence that covers ``at``, or None. The end itself is outside."""
    if at < starts_at:
        return None
    if not repeat:
        end = starts_at + duration
        return (starts_at, end) if at < end else None
    local = ZoneInfo(zone)
    series = _series(starts_at, repeat, local)
    # one hour of slack: a wall-clock occurrence can lie an hour off at a change of the clocks
    found = series.before((at + timedelta(hours=1)).astimezone(local).replace(tzinfo=None), inc=True)
    while found is not None:
        start = found.replace(tzinfo=local).astimezone(UTC)
        if start <= at:
            return (start, start + duration) if at < start + duration else None
        found = series.before(found)
    return None


def next_start(starts_at: datetime, repeat: str, zone: str, after: datetime) -> datetime | None:
    """When the window next begins, strictly after a moment; UTC. None: not again within the horizon."""
    if not repeat:
        return starts_at if starts_at > after else None
    local = ZoneInfo(zone)
    found = _series(starts_at, repeat, local).after(after.astimezone(local).replace(tzinfo=None))
    if found is None or found.replace(tzinfo=local) > after + HORIZON:
        return None
    return found.replace(tzinfo=local).astimezone(UTC)


def _series(starts_at: datetime, repeat: str, zone: ZoneInfo) -> rrule:
    text = repeat.removeprefix("RRULE:")
    # an UNTIL in UTC is a wall-clock time for us too: the series is naive, in the window's zone
    series = rrulestr(_naive_until(text, zone), dtstart=starts_at.astimezone(zone).replace(tzinfo=None))
    if isinstance(series, rruleset):  # refused by ``rrule_problem`` before it was saved
        raise TypeError("a window repeats by a single RRULE")
    return series


def _naive_until(text: str, zone: ZoneInfo) -> str:
    parts = []
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.upper() == "UNTIL" and value.upper().endswith("Z"):
            moment = datetime.strptime(value.upper(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            part = f"UNTIL={moment.astimezone(zone):%Y%m%dT%H%M%S}"
        parts.append(part)
    return ";".join(parts)
