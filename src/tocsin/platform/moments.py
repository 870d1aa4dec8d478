"""Moments and spans in words. Pure; the browser's ``moment.js`` writes the same ones."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name; UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def span(seconds: float) -> str:
    """A length of time, at most two units: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    s = round(abs(seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min"
    if s < 86400:
        minutes = s % 3600 // 60
        return f"{s // 3600} h" + (f" {minutes} min" if minutes else "")
    hours = s % 86400 // 3600
    return f"{s // 86400} d" + (f" {hours} h" if hours and s < 7 * 86400 else "")


def relative(moment: datetime, now: datetime) -> str:
    """``3 min ago``, ``in 2 h``, ``now``."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 5:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(seconds)}"


def absolute(moment: datetime, zone_name: str, now: datetime | None = None, seconds: bool = True) -> str:
    """``Mon 23 Nov 2026 03:10:05 CET``; what is today's is left out when ``now`` is given."""
    local = moment.astimezone(zone(zone_name))
    clock = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    if now is not None:
        today = now.astimezone(local.tzinfo)
        if local.date() == today.date():
            return f"{clock} {local.tzname()}"
        if abs(today - local) < timedelta(days=180):
            return f"{local:%a} {local.day} {local:%b} {clock} {local.tzname()}"
    return f"{local:%a} {local.day} {local:%b %Y} {clock} {local.tzname()}"


_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)")


def localised(text: str, zone_name: str) -> str:
    """A text in which every ISO 8601 moment is written as people of a zone read it."""

    def there(found: re.Match[str]) -> str:
        try:
            return absolute(datetime.fromisoformat(found.group()), zone_name, seconds=False)
        except ValueError:
            return found.group()

    return _ISO.sub(there, text)
