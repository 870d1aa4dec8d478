"""A rota as people ask for it: what is wrong with it, by field, and what would be right."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from tocsin.oncall.rota.burden import away
from tocsin.oncall.rota.shapes import ALL_DAYS, Absence, Person, RotaSpec, Rules, ShiftKind
from tocsin.oncall.rules.holidays import known_region
from tocsin.oncall.rules.wallclock import known_zone
from tocsin.oncall.rules.writing import minutes

MAX_WEEKS = 53
MAX_PEOPLE = 100
MAX_KINDS = 12
MAX_ABSENCES = 200
MAX_HISTORY = 1_000_000.0
_WEEKDAYS = "numbers from 1 (Monday) to 7 (Sunday)"
_ZONE = "an IANA time zone such as Europe/Berlin"
_REGION = "an ISO 3166 country or part of one whose holidays are known: DE, DE-BY, US-CA"
_BOUNDS: dict[str, tuple[float, float]] = {
    "rest_hours": (0, 168),
    "nights_in_a_row": (1, 371),
    "shifts_in_a_row": (1, 371),
    "hours_in_7_days": (1, 168),
    "days_off": (0, 14),
    "night_weight": (0, 10),
    "weekend_weight": (0, 10),
    "holiday_weight": (0, 10),
    "tolerance": (0, 1000),
}


def problems(spec: RotaSpec) -> dict[str, str]:
    """What is wrong with what is asked for, by field path, and what would be right; empty when a rota can be tried."""
    return dict(_spec(spec))


def _spec(spec: RotaSpec) -> Iterator[tuple[str, str]]:
    if not 1 <= spec.weeks <= MAX_WEEKS:
        yield "weeks", f"1 to {MAX_WEEKS}"
    if not 1970 <= spec.start.year <= 9000 or isinstance(spec.start, datetime):
        yield "start", "a date between the years 1970 and 9000"
    if not known_zone(spec.zone):
        yield "zone", _ZONE
    if not 1 <= len(spec.shifts) <= MAX_KINDS:
        yield "shifts", f"1 to {MAX_KINDS} kinds of shift"
    if not 1 <= len(spec.people) <= MAX_PEOPLE:
        yield "people", f"1 to {MAX_PEOPLE} people"
    names: set[str] = set()
    for index, kind in enumerate(spec.shifts):
        for field, text in _kind(kind, names):
            yield f"shifts.{index}.{field}", text
        names.add(kind.name)
    keys: set[str] = set()
    for index, person in enumerate(spec.people):
        for field, text in _person(person, keys):
            yield f"people.{index}.{field}", text
        keys.add(person.key)
    for field, text in _rules(spec.rules):
        yield f"rules.{field}", text


def _kind(kind: ShiftKind, names: set[str]) -> Iterator[tuple[str, str]]:
    if not kind.name.strip() or len(kind.name) > 120:
        yield "name", "1 to 120 characters"
    elif kind.name in names:
        yield "name", "a name that no other kind of shift has"
    if not _is_time(kind.start) or kind.start == "24:00":
        yield "start", "a local time as HH:MM, 00:00 to 23:59"
    if not _is_time(kind.end):
        yield "end", "a local time as HH:MM, 00:00 to 24:00"
    if not kind.days or not kind.days <= ALL_DAYS:
        yield "days", _WEEKDAYS
    if kind.zone and not known_zone(kind.zone):
        yield "zone", f"{_ZONE}, or empty for the rota's"
    if kind.unit not in ("day", "week"):
        yield "unit", "day or week"
    if not 1 <= kind.people <= MAX_PEOPLE:
        yield "people", f"1 to {MAX_PEOPLE}"
    for skill, count in kind.demanded.items():
        if not skill.strip():
            yield "skills", "names of skills, none of them empty"
        elif not 1 <= count <= kind.people:
            yield f"skills.{skill}", f"1 to {kind.people}, the people of the shift"


def _person(person: Person, keys: set[str]) -> Iterator[tuple[str, str]]:
    if not person.key.strip():
        yield "key", "an e-mail address or another key"
    elif person.key in keys:
        yield "key", "a key that nobody else has"
    if not person.name.strip() or len(person.name) > 120:
        yield "name", "1 to 120 characters"
    if not known_zone(person.zone):
        yield "zone", _ZONE
    if not 0.1 <= person.weight <= 1:
        yield "weight", "a share of full time from 0.1 to 1"
    for field, days in (("preferred", person.preferred), ("unwanted", person.unwanted)):
        if not days <= ALL_DAYS:
            yield field, _WEEKDAYS
    if person.preferred & person.unwanted:
        yield "unwanted", "no day that is preferred too"
    if not (math.isfinite(person.history) and 0 <= person.history <= MAX_HISTORY):
        yield "history", f"points from 0 to {MAX_HISTORY:.0f}"
    if person.max_per_week is not None and person.max_per_week < 0:
        yield "max_per_week", "0 or more, or empty for no limit"
    if person.region and not known_region(person.region):
        yield "region", _REGION
    if len(person.absences) > MAX_ABSENCES:
        yield "absences", f"{MAX_ABSENCES} at most"
    for index, one in enumerate(person.absences):
        if known_zone(person.zone) and not _in_order(person, one):
            yield f"absences.{index}.end", "not before its start, both between the years 1970 and 9000"


def _in_order(person: Person, absence: Absence) -> bool:
    if not all(1970 <= moment.year <= 9000 for moment in (absence.start, absence.end)):
        return False
    if type(absence.start) is date and type(absence.end) is date:
        return absence.start <= absence.end
    alone = Person(person.key, person.name, zone=person.zone, absences=(absence,))
    return all(start < end for start, end in away(alone))


def _rules(rules: Rules) -> Iterator[tuple[str, str]]:
    values: Mapping[str, Any] = {field.name: getattr(rules, field.name) for field in fields(rules)}
    for name, (low, high) in _BOUNDS.items():
        value = values[name]
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            yield name, f"{low:g} to {high:g}"
    for name in ("night_start", "night_end"):
        if not _is_time(values[name]) or values[name] == "24:00":
            yield name, "a local time as HH:MM, 00:00 to 23:59"
    if rules.night_start == rules.night_end:
        yield "night_end", "another time than night_start"
    if not rules.weekend <= ALL_DAYS:
        yield "weekend", _WEEKDAYS


def _is_time(text: str) -> bool:
    try:
        minutes(text)
    except ValueError:
        return False
    return True
