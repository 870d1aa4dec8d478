"""What makes a service valid, and how far its trouble spreads. Pure: plain values in, plain values out."""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

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
    ``impact`` empty: by tier. ``auto_resolve_s`` ends an incident nobody touches after that many seconds.
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
    return problems


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
