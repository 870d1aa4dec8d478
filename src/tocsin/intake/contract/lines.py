"""Rules that people write as lines: what to do, where to look, what has to stand there.

    # a comment
    ignore   from     @lists\\.example\\.org
    resolve  subject  \\b(recovered|back to normal)\\b
    and      from     nagios@
    unless   subject  \\btest\\b
    key      subject  \\[#(\\d+)\\]

``and`` and ``unless`` narrow the rule above them. Of the rules of one purpose, the first that fits decides. Patterns
are RE2 (https://github.com/google/re2/wiki/Syntax): found anywhere, upper and lower case alike, in a time that grows
only with the length of the text, whatever somebody writes. RE2 has no look-around and no back-references for that
reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

MOST_LINES = 100
LONGEST_PATTERN = 500
LOOKED_AT = 64 * 1024  # characters of one place
ANYWHERE = "any"
MORE = {"and": True, "unless": False}


class LinesError(ValueError):
    """Lines that cannot be used; the message names the line and what would be right."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to stand (``wanted``), or must not stand, at a place."""

    place: str
    pattern: Any  # a compiled pattern of RE2
    wanted: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``number``: its line, from 1; ``text``: as it was written."""

    number: int
    verb: str
    text: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """A rule that fits. ``found``: the first group of its pattern, or all that the pattern matched."""

    rule: Rule
    found: str

    @property
    def why(self) -> str:
        """For people: the line and what it says."""
        return f"line {self.rule.number}: {self.rule.text}"


class Lines:
    """Rules, read and compiled."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)

    def first(self, verbs: Iterable[str], places: Mapping[str, str]) -> Fit | None:
        """The first rule with one of these verbs that fits what stands at the places; None when none does."""
        wanted = set(verbs)
        for rule in self.rules:
            if rule.verb in wanted and (fit := _fit(rule, places)) is not None:
                return fit
        return None


def _fit(rule: Rule, places: Mapping[str, str]) -> Fit | None:
    found = ""
    for number, condition in enumerate(rule.conditions):
        match = _search(condition, places)
        if (match is not None) != condition.wanted:
            return None
        if number == 0 and match is not None:
            found = next((group for group in match.groups() if group is not None), match.group(0) or "")
    return Fit(rule, found)


def _search(condition: Condition, places: Mapping[str, str]) -> Any:
    names = places if condition.place == ANYWHERE else (condition.place,)
    for name in names:
        text = places.get(name, "")[:LOOKED_AT]
        match = condition.pattern.search(text.encode("utf-8", "replace").decode())
        if match is not None:
            return match
    return None


@lru_cache(maxsize=2_000)
def lines_of(text: str, verbs: tuple[str, ...], places: tuple[str, ...]) -> Lines:
    """The rules that a text holds. Raises LinesError.

    ``verbs``: what a rule may do; ``places``: where it may look, beside ``any``, which is all of them.
    """
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        words = line.split(None, 2)
        verb, place, pattern = (*(word.lower() for word in words[:2]), *words[2:], *[""] * (3 - len(words)))[:3]
        if verb not in verbs and verb not in MORE:
            raise LinesError(f"line {number}: begins with one of {', '.join((*verbs, *MORE))}, not {verb[:20]!r}")
        if place not in places and place != ANYWHERE:
            raise LinesError(f"line {number}: looks at one of {', '.join((*places, ANYWHERE))}, not {place[:20]!r}")
        if not pattern or len(pattern) > LONGEST_PATTERN:
            raise LinesError(f"line {number}: needs a pattern of at most {LONGEST_PATTERN} characters")
        condition = Condition(place, _compiled(number, pattern), MORE.get(verb, True))
        if verb in verbs:
            rules.append(Rule(number, verb, line, (condition,)))
        elif rules:
            last = rules.pop()
            rules.append(Rule(last.number, last.verb, f"{last.text}; {line}", (*last.conditions, condition)))
        else:
            raise LinesError(f"line {number}: {verb} narrows the rule above it, and there is none")
        if number > MOST_LINES:
            raise LinesError(f"at most {MOST_LINES} lines")
    return Lines(rules)


def _compiled(number: int, pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise LinesError(f"line {number}: {said}") from error
    except UnicodeEncodeError as error:
        raise LinesError(f"line {number}: is not Unicode") from error


def lines_problem(text: object, verbs: tuple[str, ...], places: tuple[str, ...]) -> str:
    """What is wrong with lines, or an empty text."""
    try:
        lines_of(str(text or ""), verbs, places)
    except LinesError as error:
        return str(error)
    return ""
