"""Fields of a body: each read by its kind and refused by its name.

What PagerDuty has and Tocsin has not is refused too (``usual``), unless it is the default, so that nothing that
somebody asked for is dropped without a word.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.asking import number_of
from tocsin.api.pagerduty.errors import Refused
from tocsin.intake.contract import moment
from tocsin.platform.errors import Conflict, Invalid, NotFound

Given = Mapping[str, Any]

# As Go prints a moment: 2017-09-01 10:00:00 +0000 UTC
_GO = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4}) \S+")


def wrong(name: str, right: str, *, code: int | None = None) -> Refused:
    """The refusal of a field: what would be right."""
    return Refused(400, [f"{name}: {right}"], code=code)


def text(given: Given, name: str, most: int, default: str = "") -> str:
    """A text without blanks around it; null and what is left out are the default. Raises Refused."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or len(value.strip()) > most or "\0" in value:
        raise wrong(name, f"text of at most {most:,} characters")
    return value.strip()


def needed(given: Given, name: str, most: int, default: str = "") -> str:
    """A text that must not be empty. Raises Refused."""
    found = text(given, name, most, default)
    if not found:
        raise wrong(name, "cannot be empty")
    return found


def whole(given: Given, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number, also one that is written as text. Raises Refused."""
    value = given.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(name, f"a whole number from {low:,} to {high:,}")
    return value


def flag(given: Given, name: str, *, default: bool) -> bool:
    """true or false. Raises Refused."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong(name, "true or false")
    return value


def usual(given: Given, name: str, *allowed: object, instead: str) -> None:
    """Refuse what has no counterpart: all but null and ``allowed``; ``instead`` says what would be right."""
    value = given.get(name)
    if value is not None and not any(value == one and type(value) is type(one) for one in allowed):
        raise wrong(name, instead)


def chosen(given: Given, name: str, choices: Mapping[str, str], default: str) -> str:
    """What one of the words stands for here. Raises Refused that lists the words."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in choices:
        raise wrong(name, f"one of {', '.join(choices)}")
    return choices[value]


def instant(value: object, name: str) -> datetime:
    """A moment in ISO 8601, or as Go prints it. Raises Refused."""
    if isinstance(value, str):
        go = _GO.fullmatch(value.strip())
        found = moment(f"{go[1]}T{go[2]}{go[3]}" if go else value)
        if found is not None and any(mark in value for mark in "-T"):
            return found
    raise wrong(name, "a moment in ISO 8601, such as 2026-11-24T09:00:00Z")


def objects(given: Given, name: str, most: int) -> list[dict[str, Any]]:
    """A list of objects; null and what is left out are none. Raises Refused."""
    value = given.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, dict) for one in value):
        raise wrong(name, f"a list of at most {most} objects")
    return value


def kind_of(value: object) -> str:
    """The type that a reference names, without ``_reference``."""
    found = value.get("type") if isinstance(value, dict) else None
    return found.removesuffix("_reference") if isinstance(found, str) else ""


def one_team(given: Given, name: str = "teams") -> int | None:
    """The number of the one team that may own a thing; None: none. Raises Refused."""
    found = objects(given, name, 100)
    if len(found) > 1:
        raise wrong(name, "one team at most: a thing has one owner here")
    return number_of("team", found[0], name) if found else None


def number(kind: str, text: str, *, code: int = 2100) -> int:
    """Our number behind an id in an address. Raises Refused (404)."""
    found = ids.read(kind, text)
    if found is None:
        raise Refused(404, code=code)
    return found


@contextmanager
def naming(**theirs: str) -> Iterator[None]:
    """Tell problems of a room's action by the names that PagerDuty's fields have."""
    try:
        yield
    except (Invalid, Conflict) as error:
        error.problems = {
            ".".join((theirs.get(first, first), *rest)): told
            for (first, *rest), told in ((name.split("."), told) for name, told in error.problems.items())
        }
        raise


@contextmanager
def taken(sentence: str) -> Iterator[None]:
    """Tell a name that somebody else has in PagerDuty's words."""
    try:
        yield
    except Conflict as error:
        if error.problems.keys() & {"name", "slug", "email", "address"}:
            raise Refused(400, [sentence]) from error
        raise


@contextmanager
def missing(code: int) -> Iterator[None]:
    """Tell what is not there by PagerDuty's code for this kind of thing."""
    try:
        yield
    except NotFound as error:
        raise Refused(404, code=code) from error
