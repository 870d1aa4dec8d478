"""Layers of a schedule: PagerDuty's rotations as ours, and ours told as PagerDuty's.

PagerDuty's rotation: turn *k* covers the time from the virtual start plus *k* lengths on, by the wall clock of the
schedule's zone where the length is whole days; the layer is there between start and end, within its restrictions. Ours
can do more (months, certain weekdays, several hand-offs a week, groups). Such a layer is told as the nearest rotation,
and stays as it is when it comes back as it was told: only what differs is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tocsin.api.pagerduty import fields
from tocsin.api.pagerduty.asking import number_of
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, clock_text, minutes

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
SECONDS = {"hour": HOUR, "day": DAY, "week": WEEK, "month": 30 * DAY}
MOST_LAYERS, MOST_USERS, MOST_RESTRICTIONS = 50, 200, 50
ALL_DAYS = list(range(1, 8))

Restrictions = list[dict[str, Any]]


def turn_seconds(spec: LayerSpec) -> int:
    """The length of a turn, or what comes nearest to it."""
    return SECONDS[spec.unit] * spec.length


def _length(window: RestrictionSpec) -> int:
    """How many minutes a window lasts by the clock on the wall."""
    return (minutes(window.end) - minutes(window.start)) % 1440 or 1440


def restrictions(windows: Sequence[RestrictionSpec]) -> Restrictions:
    """Windows of local time as PagerDuty's restrictions.

    Windows of one day each that follow one another without a pause are one weekly restriction, as it was cut for us.
    """
    found: Restrictions = []
    index = 0
    while index < len(windows):
        window = windows[index]
        of_day = f"{window.start}:00"
        if sorted(set(window.days)) == ALL_DAYS:
            found.append(
                {
                    "type": "daily_restriction",
                    "start_time_of_day": of_day,
                    "duration_seconds": _length(window) * MINUTE,
                }
            )
            index += 1
            continue
        if len(window.days) > 1:
            found += [_weekly(day, of_day, _length(window)) for day in sorted(window.days)]
            index += 1
            continue
        total, following = _length(window), index + 1
        while following < len(windows) and _follows(windows[following - 1], windows[following], total):
            total += _length(windows[following])
            following += 1
        found.append(_weekly(window.days[0], of_day, total))
        index = following
    return found


def _weekly(day: int, of_day: str, length: int) -> dict[str, Any]:
    return {
        "type": "weekly_restriction",
        "start_day_of_week": day,
        "start_time_of_day": of_day,
        "duration_seconds": length * MINUTE,
    }


def _follows(before: RestrictionSpec, window: RestrictionSpec, total: int) -> bool:
    """Whether a window begins where the one before, a whole day, ends; more than a week is none."""
    return (
        _length(before) == 1440
        and len(window.days) == 1
        and window.start == before.start
        and window.days[0] == before.days[0] % 7 + 1
        and total + _length(window) <= WEEK // MINUTE
    )


def windows(given: Restrictions, name: str) -> list[RestrictionSpec]:
    """PagerDuty's restrictions as windows of local time. Raises Refused."""
    found: list[RestrictionSpec] = []
    for index, one in enumerate(given):
        at = f"{name}.{index}"
        kind = one.get("type")
        if kind not in ("daily_restriction", "weekly_restriction"):
            raise fields.wrong(f"{at}.type", "daily_restriction or weekly_restriction")
        start = _of_day(one, at)
        length = fields.whole(one, "duration_seconds", MINUTE, DAY if kind == "daily_restriction" else WEEK)
        if length % MINUTE:
            raise fields.wrong(f"{at}.duration_seconds", "whole minutes")
        left = length // MINUTE
        if kind == "daily_restriction":
            found.append(_window(ALL_DAYS, start, left))
            continue
        day = fields.whole(one, "start_day_of_week", 1, 7)
        while left > 0:
            found.append(_window([day], start, min(left, 1440)))
            day, left = day % 7 + 1, left - 1440
    return found


def _window(days: list[int], start: int, length: int) -> RestrictionSpec:
    end = (start + length) % 1440
    return RestrictionSpec(list(days), clock_text(start), "24:00" if end == 0 and start else clock_text(end))


def _of_day(given: Mapping[str, Any], at: str) -> int:
    """``08:30:00`` -> 510. Raises Refused."""
    text = fields.needed(given, "start_time_of_day", 8)
    try:
        found = minutes(text[:5])
    except ValueError:
        found = -1
    if not 0 <= found < 1440 or text[5:] not in ("", ":00"):
        raise fields.wrong(f"{at}.start_time_of_day", "a local time in whole minutes, such as 08:30:00")
    return found


class Shown:
    """A stored layer as PagerDuty would see it, for telling and for comparing with what comes back."""

    def __init__(self, spec: LayerSpec, ids: Mapping[str, int]) -> None:
        self.spec = spec
        self.users = [ids[email] for group in spec.groups for email in group if email in ids]
        self.start = (spec.starts_at or spec.anchor).astimezone(UTC)
        self.end = spec.ends_at.astimezone(UTC) if spec.ends_at else None
        self.virtual_start = spec.anchor.astimezone(UTC)
        self.turn = turn_seconds(spec)
        self.restrictions = restrictions(spec.restrictions)


def _same(given: Restrictions, shown: Restrictions) -> bool:
    """Whether restrictions say what was told; numbers may come as text."""
    keys = ("type", "start_time_of_day", "duration_seconds", "start_day_of_week")

    def plain(one: Mapping[str, Any]) -> list[str]:
        return [str(one.get(key) or "") for key in keys if key != "start_day_of_week" or one["type"][:1] == "w"]

    return all(isinstance(one.get("type"), str) for one in given) and list(map(plain, given)) == list(map(plain, shown))


class Taken:
    """A layer that a body gives, laid over the stored one that it stands for, if there is one."""

    def __init__(self, given: dict[str, Any], name: str, shown: Shown | None) -> None:
        self.given = given
        self.name = name
        self.shown = shown
        self.users = self._users()

    def _users(self) -> list[int]:
        listed = fields.objects(self.given, "users", MOST_USERS)
        if not listed and self.shown and "users" not in self.given:
            return self.shown.users
        if not listed:
            raise fields.wrong(f"{self.name}.users", "at least one user", code=3001)
        # the schema wraps each: {"user": {...}}; a plain reference is taken as well
        return [number_of("user", one.get("user", one), f"{self.name}.users") for one in listed]

    def _moment(self, key: str, shown: datetime | None) -> datetime | None:
        value = self.given.get(key)
        if value is None:
            return None if key in self.given or not self.shown else shown
        return fields.instant(value, f"{self.name}.{key}")

    def spec(self, emails: Mapping[int, str], zone: str, place: int) -> LayerSpec:
        """The layer. ``emails`` know all ``users``. Raises Refused."""
        shown = self.shown
        start = self._moment("start", shown.start if shown else None)
        virtual = self._moment("rotation_virtual_start", shown.virtual_start if shown else None)
        end = self._moment("end", shown.end if shown else None)
        if start is None or virtual is None:
            missing = "start" if start is None else "rotation_virtual_start"
            raise fields.wrong(f"{self.name}.{missing}", "cannot be empty", code=3001)
        if end is not None and end <= start:
            raise fields.wrong(f"{self.name}.end", "after start", code=3001)
        default = shown.spec.name if shown else f"Layer {place + 1}"
        spec = shown.spec if shown else LayerSpec(default, virtual, [], beside=False)
        spec = replace(spec, name=fields.text(self.given, "name", 120, default) or default)
        if shown is None or start != shown.start:
            spec = replace(spec, starts_at=start)
        if shown is None or end != shown.end:
            spec = replace(spec, ends_at=end)
        if shown is None or virtual != shown.virtual_start:
            # a start that came of the anchor stays where it was told to be
            spec = replace(spec, anchor=virtual, starts_at=start)
        if shown is None or self.users != shown.users:
            spec = replace(spec, members=[emails[user] for user in self.users])
        if "restrictions" in self.given:
            wanted = fields.objects(self.given, "restrictions", MOST_RESTRICTIONS)
            if shown is None or not _same(wanted, shown.restrictions):
                spec = replace(spec, restrictions=windows(wanted, f"{self.name}.restrictions"))
        return self._turn(spec, zone)

    def _turn(self, spec: LayerSpec, zone: str) -> LayerSpec:
        shown = self.shown
        if shown is not None and self.given.get("rotation_turn_length_seconds") is None:
            length = shown.turn
        else:
            length = fields.whole(self.given, "rotation_turn_length_seconds", HOUR, 366 * DAY)
        if shown is not None and length == shown.turn:
            counted = spec.unit == "hour" and spec.zone in ("", "UTC") and spec.restrictions != shown.spec.restrictions
            return replace(spec, zone=_zone(spec.unit, spec, zone)) if counted else spec
        unit = next((unit for unit in ("week", "day", "hour") if length % SECONDS[unit] == 0), None)
        if unit is None or length // SECONDS[unit] > 366:
            raise fields.wrong(
                f"{self.name}.rotation_turn_length_seconds",
                "whole hours, days or weeks, 366 of them at most",
                code=3001,
            )
        return replace(
            spec, unit=unit, length=length // SECONDS[unit], weekdays=[], handoffs=[], shift_minutes=None,
            zone=_zone(unit, spec, zone),
        )  # fmt: skip


def _zone(unit: str, spec: LayerSpec, zone: str) -> str:
    """Hours are counted as they pass, not by the clock on the wall: in UTC, unless local windows need the zone."""
    return "UTC" if unit == "hour" and not spec.restrictions and zone != "UTC" else ""
