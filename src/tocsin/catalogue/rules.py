"""What makes a service valid, and how far its trouble spreads. Pure: plain values in, plain values out."""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tocsin.oncall.rules import RestrictionSpec, ScheduleSpec, known_zone
from tocsin.oncall.rules import problems as schedule_problems
from tocsin.platform.errors import Invalid

IMPACTS = ("high", "medium", "low")
TIERS = (1, 2, 3, 4)
MAX_AUTO_RESOLVE_S = 365 * 86_400
# a slug must not look like a primary key: both name a thing in addresses and on the command line
SLUG = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9_-]{0,118}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service as configuration; ``slug`` is the natural key, made from the name when empty.

    ``team``, ``policy`` and ``depends_on`` name others by slug or name; ``depends_on`` None: leave it as it is.
    ``impact`` empty: by tier. ``auto_resolve_s`` ends an incident nobody touches after that many seconds. ``hours``:
    when people work on it, in its ``zone`` (IANA; empty: UTC); empty: Monday to Friday, 09:00 to 17:00.
    ``confidential``: incidents that open on it are for those only whom they concern.
    """

    name: str
    slug: str = ""
    description: str = ""
    team: str = ""
    policy: str = ""
    tier: int = 3
    impact: str = ""
    grouping: dict[str, Any] = field(default_factory=dict)
    depends_on: list[str] | None = None
    auto_resolve_s: int | None = None
    enabled: bool = True
    runbook_url: str = ""
    zone: str = ""
    hours: list[RestrictionSpec] = field(default_factory=list)
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSpec:
    """A change to keep: ``service_id`` None means that it is not known which service it touched."""

    service_id: int | None
    at: datetime
    summary: str
    origin: str = ""
    links: list[Any] = field(default_factory=list)
    details: Any = None
    signal_id: int | None = None


def check_service(spec: ServiceSpec) -> dict[str, str]:
    """Problems of a service by field; empty when all is well. ``slug`` must be filled in already."""
    problems: dict[str, str] = {}
    if not spec.name.strip() or len(spec.name) > 120 or "\x00" in spec.name:
        problems["name"] = "1 to 120 characters"
    if not SLUG.fullmatch(spec.slug):
        problems["slug"] = "up to 120 small letters, digits, - and _, at least one letter"
    if isinstance(spec.tier, bool) or spec.tier not in TIERS:
        problems["tier"] = "1 (most important) to 4"
    if spec.impact and spec.impact not in IMPACTS:
        problems["impact"] = "high, medium, low or empty (by tier)"
    if spec.auto_resolve_s is not None and not 60 <= spec.auto_resolve_s <= MAX_AUTO_RESOLVE_S:
        problems["auto_resolve_s"] = f"60 to {MAX_AUTO_RESOLVE_S} seconds, or nothing"
    if spec.runbook_url and not is_web_address(spec.runbook_url):
        problems["runbook_url"] = "an http:// or https:// address of at most 1,000 characters"
    if "\x00" in spec.description:
        problems["description"] = "text without NUL characters"
    if spec.zone and not known_zone(spec.zone):
        problems["zone"] = "an IANA time zone such as Europe/Zurich, or empty (UTC)"
    # windows are what they are in schedules: what is wrong with one is said there
    for name, text in schedule_problems(ScheduleSpec(name="hours", uncovered=spec.hours)).items():
        if name.startswith("uncovered"):
            problems[name.replace("uncovered", "hours", 1)] = text
    return problems


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(
    r"(?P<days>[A-Za-z, -]*?)\s*(?P<start>\d\d:\d\d)\s*-\s*(?P<end>\d\d:\d\d)"
    r"(?:\s+(?P<holidays>except|only)\s+holidays\s+(?P<region>[A-Za-z-]+))?"
)
HOURS_HINT = "one window a line, such as Mon-Fri 09:00-17:00 or Sat 10:00-14:00 except holidays DE-BY"


def hours_text(hours: Iterable[RestrictionSpec]) -> str:
    """Working hours as people type them, one window a line; the inverse of ``hours_of``.

    What a line cannot say (days of a month, months) is left out: whoever has such hours keeps them as configuration.
    """
    lines = []
    for window in hours:
        days, runs = sorted(set(window.days)), list[list[int]]()
        for day in days:
            if runs and runs[-1][-1] == day - 1:
                runs[-1].append(day)
            else:
                runs.append([day])
        names = ",".join(
            f"{DAYS[run[0] - 1]}-{DAYS[run[-1] - 1]}" if len(run) > 1 else DAYS[run[0] - 1] for run in runs
        )
        line = f"{names} {window.start}-{window.end}"
        lines.append(line + (f" {window.holidays} holidays {window.region}" if window.holidays else ""))
    return "\n".join(lines)


def hours_of(text: str) -> list[RestrictionSpec]:
    """Working hours as people type them. Raises Invalid (``hours``) that names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _WINDOW.fullmatch(line.strip())
        days = _days(match["days"]) if match else None
        if match is None or days is None:
            raise Invalid("These are no working hours.", {"hours": f"line {number}: {HOURS_HINT}"})
        region = (match["region"] or "").upper()
        found.append(
            RestrictionSpec(days, match["start"], match["end"], holidays=match["holidays"] or "", region=region)
        )
    return found


def _days(text: str) -> list[int] | None:
    """``Mon-Wed, Fri`` -> [1, 2, 3, 5]; empty: every day; None: no days."""
    number = {name.lower(): index for index, name in enumerate(DAYS, 1)}
    found: set[int] = set()
    for part in text.replace(" ", "").lower().split(","):
        first, dash, last = part.partition("-")
        begin, end = number.get(first[:3]), number.get((last if dash else first)[:3])
        if not part:
            continue
        if begin is None or end is None:
            return None
        found.update((begin - 1 + count) % 7 + 1 for count in range((end - begin) % 7 + 1))
    return sorted(found or set(range(1, 8)))


def is_web_address(text: str) -> bool:
    """Whether this can stand behind a link: http or https with a host, and no control characters."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and len(text) <= 1000 and text.isprintable()


def cycle(needs: Mapping[int, Iterable[int]]) -> list[int]:
    """A cycle among dependencies, first service repeated at its end; empty when there is none.

    ``needs`` maps a service to those it needs. Depth first without recursion: a catalogue may be deep.
    """
    done: set[int] = set()
    for start in needs:
        if start in done:
            continue
        path: list[int] = [start]
        on_path = {start}
        ahead = [iter(needs.get(start, ()))]
        while path:
            following = next(ahead[-1], None)
            if following is None:
                ahead.pop()
                gone = path.pop()
                on_path.discard(gone)
                done.add(gone)
            elif following in on_path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                on_path.add(following)
                ahead.append(iter(needs.get(following, ())))
    return []


def require_no_cycle(needs: Mapping[int, Iterable[int]], names: Mapping[int, str]) -> None:
    """Raise Invalid, naming the cycle, when services need each other in a circle."""
    if found := cycle(needs):
        way = " needs ".join(names.get(service, str(service)) for service in found)
        raise Invalid("Services must not need each other in a circle.", {"depends_on": f"no circle: {way}"})


def reach(start: int, edges: Mapping[int, Iterable[int]]) -> dict[int, int]:
    """Everything that can be reached from ``start``, with the number of steps to it; ``start`` itself is left out.

    With edges from a service to those that need it, this is the blast radius.
    """
    distance = {start: 0}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for there in edges.get(here, ()):
            if there not in distance:
                distance[there] = distance[here] + 1
                waiting.append(there)
    del distance[start]
    return distance
