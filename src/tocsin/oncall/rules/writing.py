"""A schedule as people write it and read it: specs by natural keys, and what is wrong with them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tocsin.oncall.rules.holidays import known_region
from tocsin.oncall.rules.shapes import ALL_DAYS, UNITS, Handoff, Restriction
from tocsin.oncall.rules.wallclock import known_zone

MAX_LAYERS = 50
MAX_MEMBERS = 200
MAX_LENGTH = 366
MAX_GROUP = 20
MAX_RESTRICTIONS = 50
MAX_HANDOFFS = 50
MAX_SHIFT = 366 * 24 * 60
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


@dataclass
class RestrictionSpec:
    """On call only then: weekdays (1 Monday ... 7 Sunday) on which the window begins, local times ``HH:MM``.

    ``end`` not after ``start`` is on the next day; equal times are a whole day. ``month_days`` (1 ... 31, or -1 ... -31
    from the month's end) and ``months`` narrow the days further; so does ``holidays`` (``only``, ``except``), by the
    public holidays of ``region`` (``DE``, ``DE-BY``, ``US-CA``).
    """

    days: list[int] = field(default_factory=lambda: sorted(ALL_DAYS))
    start: str = "00:00"
    end: str = "24:00"
    month_days: list[int] = field(default_factory=list)
    months: list[int] = field(default_factory=list)
    holidays: str = ""
    region: str = ""

    @classmethod
    def of(cls, window: Restriction) -> "RestrictionSpec":
        return cls(
            sorted(window.days),
            clock_text(window.start),
            clock_text(window.end),
            sorted(window.month_days),
            sorted(window.months),
            window.holidays,
            window.region,
        )

    def to_json(self) -> dict[str, Any]:
        """As stored in the layer's row."""
        more = {
            "month_days": sorted(set(self.month_days)),
            "months": sorted(set(self.months)),
            "holidays": self.holidays,
            "region": self.region,
        }
        window = {"days": sorted(set(self.days)), "from": self.start, "to": self.end}
        return window | {name: value for name, value in more.items() if value}


@dataclass
class HandoffSpec:
    """A weekly hand-off: weekday (1 Monday ... 7 Sunday) and local time ``HH:MM``."""

    day: int
    time: str = "09:00"

    @classmethod
    def of(cls, handoff: Handoff) -> "HandoffSpec":
        return cls(handoff.day, clock_text(handoff.minute))

    def to_json(self) -> dict[str, Any]:
        """As stored in the layer's row."""
        return {"day": self.day, "time": self.time}


@dataclass
class LayerSpec:
    """A rotation. ``anchor`` without an offset is local time of its zone; ``members`` are e-mail addresses.

    A list of addresses among the members is a group: all of them have the turn together. ``weekdays`` (1 Monday ...
    7 Sunday), for unit ``day``: only these count as days of a turn; empty: all. ``handoffs``, for unit ``week``: turns
    end at these moments of the week instead of after seven days. ``shift_minutes``: on call only for the first so many
    minutes of a turn. ``beside``: runs beside the layer before it in the list instead of going before it. ``zone``:
    empty is the schedule's.
    """

    name: str
    anchor: datetime
    members: list[str | list[str]]
    unit: str = "week"
    length: int = 1
    restrictions: list[RestrictionSpec] = field(default_factory=list)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: list[int] = field(default_factory=list)
    handoffs: list[HandoffSpec] = field(default_factory=list)
    shift_minutes: int | None = None
    beside: bool = False
    zone: str = ""

    @property
    def groups(self) -> list[list[str]]:
        """The members as groups, most of them of one."""
        return [[one] if isinstance(one, str) else list(one) for one in self.members]


@dataclass
class ScheduleSpec:
    """A schedule. Layers from the lowest to the highest: at any moment the last that has somebody wins.

    ``uncovered``: when nobody needs to be on call; a gap then is meant and nobody is told of it. ``swaps_approved``: a
    swap takes effect when a manager has approved it.
    """

    name: str
    slug: str = ""
    team: str = ""
    zone: str = "UTC"
    description: str = ""
    layers: list[LayerSpec] = field(default_factory=list)
    uncovered: list[RestrictionSpec] = field(default_factory=list)
    swaps_approved: bool = False


@dataclass
class OverrideSpec:
    """``user`` (e-mail address) instead of whoever the layers of ``schedule`` (slug) name; see ``rules.Override``.

    ``replaces`` (e-mail address): instead of this person alone. An empty ``user``: nobody instead, a gap by intent.
    """

    schedule: str
    user: str
    start: datetime
    end: datetime
    reason: str = ""
    kind: str = "instead"
    replaces: str = ""


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
    """A stored window for the calculator. Raises ValueError, KeyError on what no spec can have written."""
    holidays = window.get("holidays", "")
    return Restriction(
        frozenset(window["days"]),
        minutes(window["from"]),
        minutes(window["to"]),
        frozenset(window.get("month_days", ())),
        frozenset(window.get("months", ())),
        "only" if holidays == "only" else "except" if holidays == "except" else "",
        window.get("region", ""),
    )


def handoff(stored: Mapping[str, Any]) -> Handoff:
    """A stored hand-off for the calculator. Raises ValueError, KeyError on what no spec can have written."""
    return Handoff(stored["day"], minutes(stored["time"]))


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
    if spec.layers and spec.layers[0].beside:
        wrong["layers.0.beside"] = "false: there is no layer before the first"
    return wrong | _window_problems("uncovered", spec.uncovered)


def _layer_problems(layer: LayerSpec) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not layer.name.strip() or len(layer.name) > 120:
        wrong["name"] = "1 to 120 characters"
    if layer.unit not in UNITS:
        wrong["unit"] = "one of " + ", ".join(UNITS)
    if not 1 <= layer.length <= MAX_LENGTH:
        wrong["length"] = f"1 to {MAX_LENGTH}"
    if layer.zone and not known_zone(layer.zone):
        wrong["zone"] = "an IANA time zone such as Asia/Tokyo, or empty for the schedule's"
    if not set(layer.weekdays) <= ALL_DAYS:
        wrong["weekdays"] = "numbers from 1 (Monday) to 7 (Sunday)"
    elif layer.weekdays and layer.unit != "day":
        wrong["weekdays"] = "empty, unless the unit is day"
    if layer.shift_minutes is not None and not 1 <= layer.shift_minutes <= MAX_SHIFT:
        wrong["shift_minutes"] = f"1 to {MAX_SHIFT} minutes, or empty for whole turns"
    for name, moment in (("anchor", layer.anchor), ("starts_at", layer.starts_at), ("ends_at", layer.ends_at)):
        if moment is not None and not 1970 <= moment.year <= 9000:
            wrong[name] = "a moment between the years 1970 and 9000"
    return (
        wrong
        | _member_problems(layer)
        | _handoff_problems(layer)
        | _window_problems("restrictions", layer.restrictions)
    )


def _member_problems(layer: LayerSpec) -> dict[str, str]:
    if not 1 <= len(layer.members) <= MAX_MEMBERS:
        return {"members": f"1 to {MAX_MEMBERS} people; the same person may stand more than once"}
    wrong = {}
    for place, group in enumerate(layer.groups):
        if not 1 <= len(group) <= MAX_GROUP:
            wrong[f"members.{place}"] = f"an e-mail address, or a list of 1 to {MAX_GROUP}"
        elif len({one.strip().lower() for one in group}) < len(group):
            wrong[f"members.{place}"] = "a group names each person once"
    return wrong


def _handoff_problems(layer: LayerSpec) -> dict[str, str]:
    if not layer.handoffs:
        return {}
    if layer.unit != "week":
        return {"handoffs": "empty, unless the unit is week"}
    if len(layer.handoffs) > MAX_HANDOFFS:
        return {"handoffs": f"{MAX_HANDOFFS} at most"}
    wrong = {}
    for index, one in enumerate(layer.handoffs):
        if one.day not in ALL_DAYS:
            wrong[f"handoffs.{index}.day"] = "a number from 1 (Monday) to 7 (Sunday)"
        if not _TIME.fullmatch(one.time) or one.time == "24:00":
            wrong[f"handoffs.{index}.time"] = "a local time as HH:MM, 00:00 to 23:59"
    return wrong


def _window_problems(where: str, windows: Sequence[RestrictionSpec]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if len(windows) > MAX_RESTRICTIONS:
        wrong[where] = f"{MAX_RESTRICTIONS} at most"
    for index, window in enumerate(windows):
        at = f"{where}.{index}"
        if not window.days or not set(window.days) <= ALL_DAYS:
            wrong[f"{at}.days"] = "numbers from 1 (Monday) to 7 (Sunday)"
        for name, text in (("start", window.start), ("end", window.end)):
            if not _TIME.fullmatch(text):
                wrong[f"{at}.{name}"] = "a local time as HH:MM, 00:00 to 24:00"
        if window.start == "24:00":
            wrong[f"{at}.start"] = "a local time as HH:MM, 00:00 to 23:59"
        if not all(1 <= abs(day) <= 31 for day in window.month_days):
            wrong[f"{at}.month_days"] = "numbers from 1 to 31, or from -1 (the last day) to -31"
        if not all(1 <= month <= 12 for month in window.months):
            wrong[f"{at}.months"] = "numbers from 1 (January) to 12 (December)"
        if window.holidays not in ("", "only", "except"):
            wrong[f"{at}.holidays"] = "only, except or empty"
        elif window.holidays and not known_region(window.region):
            wrong[f"{at}.region"] = "an ISO 3166 country or part of one whose holidays are known: DE, DE-BY, US-CA"
    return wrong
