"""Label matchers as Prometheus' Alertmanager writes them, and the condition in CEL that says the same.

Four comparisons: ``=``, ``!=``, ``=~`` and ``!~``; regular expressions must match the whole value, and a label that an
alert lacks counts as empty. Source: the Alertmanager documentation, "Matchers", and its client amtool 0.25. The regular
expressions are those of CEL (RE2's syntax without ``\\C`` and ``\\Q...\\E``), which match in linear time.

Not every sender labels what it sends. An alert without a label ``alertname`` has its title for one, and its severity
for a ``severity``, so that clients of Alertmanager show something and can silence what they show.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.platform import cel

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
_NAME = re.compile(NAME)
_WRITTEN = re.compile(rf"\s*(?P<name>{NAME})\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r'"(?P<inner>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\([n"\\])')
# what stands for a label that is missing, in alerts without an alertname
STAND_INS = {"alertname": "title", "severity": "severity"}
MOST_REMEMBERED = 10_000


class MatcherError(ValueError):
    """A matcher that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of a label. Raises MatcherError when made of what cannot be compared."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MatcherError(f"invalid label name {self.name[:80]!r}")
        if "\0" in self.value:
            raise MatcherError("a value must not hold NUL")
        if self.is_regex:
            try:
                # by itself first: a bracket too many must not close ours
                for pattern in (quoted(self.value), self._anchored):
                    cel.check(f"value.matches({pattern})", {"value": ""})
            except cel.CelError as error:
                raise MatcherError(f"invalid regular expression {self.value[:80]!r}: {_last_line(error)}") from error

    def __str__(self) -> str:
        """As people write it."""
        operator = ("=" if self.is_equal else "!") + ("~" if self.is_regex else "" if self.is_equal else "=")
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{operator}"{escaped}"'

    @property
    def _anchored(self) -> str:
        return quoted(f"^(?:{self.value})$")

    def accepts(self, value: str) -> bool:
        """Whether a label's value passes; an alert that lacks the label has an empty one."""
        if not self.is_regex:
            return (value == self.value) is self.is_equal
        if value not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[value] = cel.holds(f"value.matches({self._anchored})", {"value": value})
        return self._known[value] is self.is_equal

    @property
    def condition(self) -> str:
        """The same in CEL, over the variable ``signal``."""
        stand_in = '""'
        if self.name in STAND_INS:
            stand_in = f"signal.{STAND_INS[self.name]}"
            if self.name != "alertname":
                stand_in = f'("alertname" in signal.labels ? "" : {stand_in})'
        name = quoted(self.name)
        value = f"({name} in signal.labels ? signal.labels[{name}] : {stand_in})"
        if self.is_regex:
            return ("" if self.is_equal else "!") + f"{value}.matches({self._anchored})"
        return f"{value} {'==' if self.is_equal else '!='} {quoted(self.value)}"

    def to_json(self) -> dict[str, Any]:
        """As Alertmanager writes it."""
        return {"name": self.name, "value": self.value, "isRegex": self.is_regex, "isEqual": self.is_equal}


def quoted(text: str) -> str:
    """A text as a CEL string literal, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(f"\\u{ord(sign):04x}" if ord(sign) < 32 or ord(sign) == 127 else sign for sign in escaped) + '"'
    )


def _last_line(error: cel.CelError) -> str:
    lines = [line for line in str(error).splitlines() if line.startswith("error:")]
    return lines[-1].removeprefix("error:").strip() if lines else str(error).splitlines()[0]


def parse_matcher(text: str) -> Matcher:
    """A matcher as amtool and the ``filter`` of the API write it: ``name="value"``, quotes optional.

    Raises MatcherError.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise MatcherError(f"bad matcher format: {text[:200]}")
    value = found["value"]
    if value.startswith('"'):
        inside = _QUOTED.fullmatch(value)
        if inside is None:
            raise MatcherError(f"bad matcher format: {text[:200]}")
        value = inside["inner"]
    value = _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value)
    return Matcher(found["name"], value, "~" in found["operator"], found["operator"].startswith("="))


def matcher_of(value: Mapping[str, Any]) -> Matcher:
    """The inverse of ``Matcher.to_json``. Raises MatcherError."""
    return Matcher(str(value["name"]), str(value["value"]), bool(value["isRegex"]), bool(value.get("isEqual", True)))


def is_silence(matchers: Sequence[Mapping[str, Any]], condition: str, repeat: str) -> bool:
    """Whether a window with this condition and repeat rule is still what these matchers say."""
    return not repeat and condition == condition_of([matcher_of(value) for value in matchers])


def condition_of(matchers: Sequence[Matcher]) -> str:
    """The condition that holds when every matcher does."""
    return " && ".join(matcher.condition for matcher in matchers)


def labels_of(labels: Mapping[str, Any], title: str, severity: str) -> dict[str, str]:
    """An alert's labels as matchers see them: with what stands for ``alertname`` and ``severity``."""
    found = {name: str(value) for name, value in labels.items()}
    if "alertname" in found:
        return found
    instead = {"title": title, "severity": severity}
    return {name: instead[said] for name, said in STAND_INS.items()} | found


def all_accept(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels passes every matcher."""
    return all(matcher.accepts(labels.get(matcher.name, "")) for matcher in matchers)
