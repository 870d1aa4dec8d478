"""Whom an event of a calendar means: never guessed; who is not known, or could be several, is told. Pure.

By attendee; without a known one by e-mail address in summary or description; without one by name in the summary. A
name counts when it stands there alone: between separators, or with nothing beside it but words of duty (``primary``,
``on call``). "Ada" is nobody when only "Ada Lovelace" is known, unless it is what stands before the @ of her address.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tocsin.oncall.calendars.shapes import Event

_LEVEL = re.compile(r"\s*\[\s*L(\d)\s*\]\s*", re.IGNORECASE)  # the convention of Grafana OnCall: [L0] ... [L9]
_EMAIL = re.compile(r"[\w.!#$%&'*+=?^`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
# "On Call - Ada Lovelace - Payments": parts; "Ada, Ben & Cleo" in a part: several people
_PARTS = re.compile(r"\s+[-\u2013\u2014]+\s+|\s*[|:()\[\]\u2192]+\s*|\s+->\s+")
_SEVERAL = re.compile(r"\s*[,;/&+]\s*|\s+(?:and|und|et|with)\s+", re.IGNORECASE)
_DUTY = "on call oncall on-call duty shift rota primary secondary tertiary backup main lead is for bereitschaft"
DUTY_WORDS = frozenset(_DUTY.split())


class Person(NamedTuple):
    """Somebody who is known."""

    id: int
    name: str
    email: str


class Ambiguous(NamedTuple):
    """A text that could mean each of these people (ids, ascending)."""

    text: str
    people: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Whom an event means.

    ``people``: ids in the order of the text; ``level``: of ``[L3]`` at the beginning of the summary; ``by``: how they
    were found, empty for nobody; ``unknown`` and ``ambiguous``: what would have to be said more clearly.
    """

    people: tuple[int, ...] = ()
    level: int | None = None
    by: Literal["", "attendee", "address", "name"] = ""
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[Ambiguous, ...] = ()


class Directory:
    """Known people by e-mail address, by name and by what stands before the @; small letters, without accents."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._emails: dict[str, set[int]] = defaultdict(set)
        self._names: dict[str, set[int]] = defaultdict(set)
        for person in people:
            email = person.email.strip().casefold()
            self._emails[email].add(person.id)
            for name in (person.name, email.partition("@")[0]):
                if key := _folded(name):
                    self._names[key].add(person.id)

    def by_email(self, email: str) -> tuple[int, ...]:
        """The ids of those with this address, ascending."""
        return tuple(sorted(self._emails.get(email.strip().casefold(), ())))

    def by_name(self, name: str) -> tuple[int, ...]:
        """The ids of those with this name, also as ``Lovelace, Ada``, or this beginning of their address."""
        found = self._names.get(_folded(name.removeprefix("@")), set())
        last, comma, first = name.partition(",")
        if not found and comma and "," not in first:
            found = self._names.get(_folded(f"{first} {last}"), set())
        return tuple(sorted(found))

    def find(self, text: str) -> tuple[int, ...]:
        """By e-mail address when it has an @ inside, else by name."""
        return self.by_email(text) if "@" in text.strip()[1:] else self.by_name(text.strip())


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return " ".join("".join(letter for letter in plain if not unicodedata.combining(letter)).split())


@dataclass(slots=True)
class _Found:
    people: dict[int, None] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    ambiguous: dict[Ambiguous, None] = field(default_factory=dict)

    def add(self, text: str, ids: tuple[int, ...]) -> bool:
        """Whether anybody answers to it."""
        if len(ids) == 1:
            self.people[ids[0]] = None
        elif ids:
            self.ambiguous[Ambiguous(text, ids)] = None
        return bool(ids)

    def match(self, level: int | None, by: Literal["attendee", "address", "name"]) -> Match:
        return Match(tuple(self.people), level, by if self.people else "", tuple(self.unknown), tuple(self.ambiguous))


def level_of(summary: str) -> tuple[int | None, str]:
    """``[L2] ada`` -> (2, ``ada``); (None, the summary) without such a beginning."""
    found = _LEVEL.match(summary)
    return (int(found[1]), summary[found.end() :]) if found else (None, summary.strip())


def meant(event: Event, known: Directory, ignoring: frozenset[str] = frozenset()) -> Match:
    """Whom an event means among those known; see above.

    ``ignoring``: words (small letters) that may stand beside a name besides ``DUTY_WORDS``. Addresses in the
    description that belong to nobody known are passed over: dial-in numbers and help desks stand there, too.
    """
    level, summary = level_of(event.summary)
    found = _Found()
    for email in event.attendees:
        if not found.add(email, known.by_email(email)):
            found.unknown[email] = None
    if found.people:
        return found.match(level, "attendee")
    for email in _emails(summary):
        if not found.add(email, known.by_email(email)):
            found.unknown[email] = None
    for email in _emails(event.description):
        found.add(email, known.by_email(email))
    if found.people:
        return found.match(level, "address")
    _by_name(_EMAIL.sub(" ", summary), known, DUTY_WORDS | ignoring, found)
    return found.match(level, "name")


def _emails(text: str) -> list[str]:
    return _EMAIL.findall(text) if "@" in text else []


def _by_name(summary: str, known: Directory, ignoring: frozenset[str], found: _Found) -> None:
    """Adds whom the summary names. Unknown is who stands beside somebody known, or, without one, everything."""
    nobody: list[str] = []
    anybody = False
    for part in _PARTS.split(" ".join(summary.replace("\n", " | ").split())):
        if known.by_name(part) and found.add(part, known.by_name(part)):
            anybody = True
            continue
        texts = [text for text in (_bare(piece, known, ignoring) for piece in _SEVERAL.split(part)) if text]
        strangers = [text for text in texts if not found.add(text, known.by_name(text))]
        if len(strangers) < len(texts):
            anybody = True
            found.unknown |= dict.fromkeys(strangers)
        else:
            nobody += strangers
    if not anybody:
        found.unknown |= dict.fromkeys(nobody)


def _bare(text: str, known: Directory, ignoring: frozenset[str]) -> str:
    """Without words of duty at either end, unless somebody is called just so."""
    words = text.split()
    while words and not known.by_name(" ".join(words)):
        if words[0].casefold().strip(".!") in ignoring or words[0].isdecimal():
            del words[0]
        elif words[-1].casefold().strip(".!") in ignoring or words[-1].isdecimal():
            del words[-1]
        else:
            break
    return " ".join(words)
