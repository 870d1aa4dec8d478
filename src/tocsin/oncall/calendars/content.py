"""The lines of an iCalendar text as a tree of components: RFC 5545, section 3.1, and what feeds make of it. Pure.

Taken apart here and not by a package, because a feed is somebody else's: nothing in it may raise, its size must stay
bounded, and a zone that one feed defines must not be known to the next.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_DEPTH = 10
DATES = frozenset({"DTSTART", "DTEND", "EXDATE", "RDATE", "RECURRENCE-ID"})
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CARET = {"^n": "\n", "^^": "^", "^'": '"'}


@dataclass(frozen=True, slots=True)
class Property:
    """One line: its name and the names of its parameters in capitals, its value as written (see ``plain``)."""

    name: str
    params: Mapping[str, str]
    value: str


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END. ``closed``: whether its END was there."""

    name: str
    properties: dict[str, list[Property]] = field(default_factory=dict)
    children: list["Component"] = field(default_factory=list)
    closed: bool = False

    def all(self, name: str) -> list[Property]:
        return self.properties.get(name, [])

    def first(self, name: str) -> Property | None:
        found = self.properties.get(name)
        return found[0] if found else None

    def raw(self, name: str) -> str:
        """The first value of this name as written, without blanks around it; empty when there is none."""
        found = self.properties.get(name)
        return found[0].value.strip() if found else ""

    def text(self, name: str) -> str:
        """The first value of this name as text; empty when there is none."""
        return plain(self.raw(name))


def plain(value: str) -> str:
    """A TEXT value without its escapes: RFC 5545, section 3.3.11."""
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def decoded(body: bytes) -> str:
    """The unfolded text of a calendar with ``\\n`` between lines.

    Unfolded before it is decoded, because folding by octets may cut a character in two.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = text_of(body).encode()
    body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text_of(body.replace(b"\n ", b"").replace(b"\n\t", b""))


def text_of(body: bytes) -> str:
    """UTF-8, unless a mark at the beginning says UTF-16 or the bytes can only be Windows-1252."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    try:
        return body.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def parsed(line: str) -> Property | None:
    """One unfolded line; None when it is no property."""
    colon = line.find(":")
    if colon < 0:
        return None
    name = line[: min(colon, line.find(";") if ";" in line else colon)].strip().upper()
    if not name or not name.replace("-", "").isalnum():
        return None
    if name in DATES:
        # no date has a colon in it, but Outlook's unquoted zones have: TZID=(UTC+01:00) Berlin
        colon = line.rfind(":")
    elif '"' in line[:colon]:
        colon = _unquoted_colon(line)
        if colon < 0:
            return None
    return Property(name, _params(line[len(name) : colon]), line[colon + 1 :])


def _unquoted_colon(line: str) -> int:
    quoted = False
    for index, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == ":" and not quoted:
            return index
    return -1


def _params(text: str) -> dict[str, str]:
    """``;CN="Ada Lovelace";ROLE=CHAIR`` by name; ``^n`` and its like by RFC 6868. Of equal names the first."""
    if "=" not in text:
        return {}
    found: dict[str, str] = {}
    pieces = text.split(";") if '"' not in text else re.findall(r'(?:[^;"]|"[^"]*"?)+', text)
    for piece in pieces:
        name, equals, value = piece.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        if equals:
            value = re.sub(r"\^[n^']", lambda caret: _CARET[caret[0]], value)
            found.setdefault(name.strip().upper(), value)
    return found


def tree(text: str, max_events: int) -> tuple[list[Component], bool]:
    """(the VCALENDAR components of a text, whether every VEVENT is among them); at most ``max_events`` are kept.

    An END that fits nothing is passed over; one that fits an outer component closes the inner ones, too. So is a BEGIN
    deeper than anything in use.
    """
    calendars: list[Component] = []
    stack: list[Component] = []
    events = 0
    whole = True
    for line in text.split("\n"):
        found = parsed(line)
        if found is None:
            continue
        if found.name == "BEGIN":
            if len(stack) >= MAX_DEPTH:
                continue
            opened = Component(found.value.strip().upper())
            if opened.name == "VCALENDAR":
                stack.clear()  # none lies within another: the one before it broke off
                calendars.append(opened)
            elif opened.name == "VEVENT" and events >= max_events:
                whole = False
            elif stack:
                events += opened.name == "VEVENT"
                stack[-1].children.append(opened)
            if stack or opened.name == "VCALENDAR":
                stack.append(opened)
        elif found.name == "END":
            _close(stack, found.value.strip().upper())
        elif stack:
            stack[-1].properties.setdefault(found.name, []).append(found)
    return calendars, whole


def _close(stack: list[Component], name: str) -> None:
    for depth in range(len(stack) - 1, -1, -1):
        if stack[depth].name == name:
            stack[depth].closed = True
            del stack[depth:]
            return
