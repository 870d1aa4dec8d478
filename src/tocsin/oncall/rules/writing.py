"""A schedule as people write it and read it: specs by natural keys, and what is wrong with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tocsin.oncall.rules.calculator import ALL_DAYS, UNITS, Restriction
from tocsin.oncall.rules.wallclock import known_zone

MAX_LAYERS = 50
MAX_MEMBERS = 200
MAX_LENGTH = 366
MAX_RESTRICTIONS = 50
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass
class RestrictionSpec:
    """On call only then: weekdays (1 Monday ... 7 Sunday) on which the window begins, local times ``HH:MM``.

    ``end`` not after ``start`` is on the next day; equal times are a whole day.
    """

    days: list[int] = field(default_factory=lambda: sorted(ALL_DAYS))
    start: str = "00:00"
    end: str = "24:00"

    @classmethod
    def of(cls, window: Restriction) -> "RestrictionSpec":
        return cls(sorted(window.days), clock_text(window.start), clock_text(window.end))

    def to_json(self) -> dict[str, Any]:
        """As stored in the layer's row."""
        return {"days": sorted(set(self.days)), "from": self.start, "to": self.end}


@dataclass
class LayerSpec:
    """A rotation. ``anchor`` without an offset is the schedule's local time; ``members`` are e-mail addresses.

    ``weekdays`` (1 Monday ... 7 Sunday), for unit ``day``: only these count as days of a turn; empty: all.
    """

    name: str
    anchor: datetime
    members: list[str]
    unit: str = "week"
    length: int = 1
    restrictions: list[RestrictionSpec] = field(default_factory=list)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: list[int] = field(default_factory=list)


@dataclass
class ScheduleSpec:
    """A schedule. Layers from the lowest to the highest: at any moment the last that has somebody wins."""

    name: str
    slug: str = ""
    team: str = ""
    zone: str = "UTC"
    description: str = ""
    layers: list[LayerSpec] = field(default_factory=list)


@dataclass
class OverrideSpec:
    """``user`` (e-mail address) instead of whoever the layers of ``schedule`` (slug) name."""

    schedule: str
    user: str
    start: datetime
    end: datetime
    reason: str = ""


def minutes(text: str) -> int:
    """``17:30`` -> 1050. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("a local time as HH:MM, 00:00 to 24:00")
    hours, past = text.split(":")
    return int(hours) * 60 + int(past)


def clock_text(of_day: int) -> str:
    """The inverse of ``minutes``."""
    return f"{of_day // 60:02}:{of_day % 60:02}"


def restriction(window: Mapping[str, Any]) -> Restriction:
    """A layer's stored window for the calculator. Raises ValueError, KeyError on what no spec can have written."""
    return Restriction(frozenset(window["days"]), minutes(window["from"]), minutes(window["to"]))


def problems(spec: ScheduleSpec) -> dict[str, str]:
    """What is wrong with a schedule as written, by field, and what would be right. Whether names exist is not asked."""
    wrong: dict[str, str] = {}
    if not spec.name.strip() or len(spec.name) > 120:
        wrong["name"] = "1 to 120 characters"
    if spec.slug and not re.fullmatch(r"[-a-z0-9_]{1,120}", spec.slug):
        wrong["slug"] = "small letters, digits, hyphens and underscores, 120 at most"
    if not known_zone(spec.zone):
        wrong["zone"] = "an IANA time zone such as Europe/Berlin"
    if len(spec.layers) > MAX_LAYERS:
        wrong["layers"] = f"{MAX_LAYERS} layers at most"
    for index, layer in enumerate(spec.layers):
        wrong |= {f"layers.{index}.{name}": text for name, text in _layer_problems(layer).items()}
    return wrong


def _layer_problems(layer: LayerSpec) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not layer.name.strip() or len(layer.name) > 120:
        wrong["name"] = "1 to 120 characters"
    if layer.unit not in UNITS:
        wrong["unit"] = "one of " + ", ".join(UNITS)
    if not 1 <= layer.length <= MAX_LENGTH:
        wrong["length"] = f"1 to {MAX_LENGTH}"
    if not set(layer.weekdays) <= ALL_DAYS:
        wrong["weekdays"] = "numbers from 1 (Monday) to 7 (Sunday)"
    elif layer.weekdays and layer.unit != "day":
        wrong["weekdays"] = "empty, unless the unit is day"
    if not 1 <= len(layer.members) <= MAX_MEMBERS:
        wrong["members"] = f"1 to {MAX_MEMBERS} people; the same person may stand more than once"
    for name, moment in (("anchor", layer.anchor), ("starts_at", layer.starts_at), ("ends_at", layer.ends_at)):
        if moment is not None and not 1970 <= moment.year <= 9000:
            wrong[name] = "a moment between the years 1970 and 9000"
    if len(layer.restrictions) > MAX_RESTRICTIONS:
        wrong["restrictions"] = f"{MAX_RESTRICTIONS} at most"
    for index, window in enumerate(layer.restrictions):
        if not window.days or not set(window.days) <= ALL_DAYS:
            wrong[f"restrictions.{index}.days"] = "numbers from 1 (Monday) to 7 (Sunday)"
        for name, text in (("start", window.start), ("end", window.end)):
            if not _TIME.fullmatch(text):
                wrong[f"restrictions.{index}.{name}"] = "a local time as HH:MM, 00:00 to 24:00"
        if window.start == "24:00":
            wrong[f"restrictions.{index}.start"] = "a local time as HH:MM, 00:00 to 23:59"
    return wrong
