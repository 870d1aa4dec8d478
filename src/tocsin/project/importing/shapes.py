"""What importing is about, as plain values: what was read, what it becomes, and what is said of each thing."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Verdict = Literal["exact", "approximated", "impossible"]
VERDICTS: tuple[Verdict, ...] = ("impossible", "approximated", "exact")
PRODUCTS = {"opsgenie": "Opsgenie", "pagerduty": "PagerDuty", "grafana-oncall": "Grafana OnCall"}
FORMAT = "tocsin-import/1"
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and how many there are (0: not known)."""

_TOKEN = re.compile("\x1f([a-z_]+):([^\x1f]*)\x1f")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]+")


def quiet(stage: str, done: int, total: int) -> None:
    """A progress that nobody looks at."""


@dataclass(frozen=True)
class Export:
    """What was read of another product. ``data``: lists by resource, as the product's API or backup gives them."""

    product: str
    origin: str
    read_at: datetime
    data: dict[str, list[dict[str, Any]]]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "product": self.product,
            "origin": self.origin,
            "read_at": self.read_at.isoformat(),
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of one thing of the other product: its address there (kind, name, id), and why."""

    verdict: Verdict
    kind: str
    name: str
    id: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Override:
    """A change to who is on call, of an imported schedule. ``user``: a reference, or empty for nobody."""

    id: str
    user: str
    start: datetime
    end: datetime


@dataclass
class Thing:
    """One thing to be made here: ``spec`` is its spec as JSON, with references (``ref``) instead of names.

    ``id`` is the other product's, ``kind`` its word there, ``key`` an integration key that senders use.
    """

    section: str
    id: str
    kind: str
    name: str
    spec: dict[str, Any]
    key: str = ""
    overrides: list[Override] = field(default_factory=list)


@dataclass
class Translation:
    """What an export becomes. A thing without a finding is exact."""

    product: str
    things: list[Thing] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, section: str, id: str, kind: str, name: str, spec: dict[str, Any], **more: Any) -> Thing:
        """One more thing."""
        thing = Thing(section, id, kind, name, spec, **more)
        self.things.append(thing)
        return thing

    def note(self, verdict: Verdict, kind: str, name: str, id: str, reason: str) -> None:
        """One more finding; the same is not said twice of one thing."""
        finding = Finding(verdict, kind, clean(name, 200), str(id), reason)
        if finding not in self._said:
            self._said.add(finding)
            self.findings.append(finding)

    def __post_init__(self) -> None:
        self._said: set[Finding] = set(self.findings)


def grouped(findings: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Findings (as JSON) that say the same of things of one kind, together, without the exact ones; the worst first.

    Each with ``verdict``, ``kind``, ``reason``, ``count`` and the name of one of the things as ``example``.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in findings:
        if one["verdict"] != "exact":
            place = (one["verdict"], one["kind"], one["reason"])
            first = {"verdict": place[0], "kind": place[1], "reason": place[2], "count": 0, "example": one["name"]}
            found.setdefault(place, first)["count"] += 1
    return sorted(found.values(), key=lambda one: (VERDICTS.index(one["verdict"]), -one["count"], one["kind"]))


def ref(section: str, id: str) -> str:
    """Stands for the name here of a thing that is imported too; control characters, so that no text is one."""
    return f"\x1f{section}:{id}\x1f"


def clean(text: object, limit: int = 120) -> str:
    """Text in one line, without control characters, cut."""
    return " ".join(_CONTROL.sub(" ", str(text if text is not None else "")).split())[:limit].strip()


def clean_lines(text: object, limit: int = 4000) -> str:
    """Text that may have several lines, without other control characters, cut."""
    return _CONTROL_BUT_LINES.sub(" ", str(text if text is not None else ""))[:limit].strip()


class Missing(Exception):
    """A reference to something that is not here."""


def resolved(value: Any, lookup: dict[tuple[str, str], str], missing: set[str]) -> Any:
    """``value`` with names instead of references.

    A list or mapping loses what refers to something that is not here; a text of its own becomes empty. What was lost
    is added to ``missing``.
    """
    if isinstance(value, dict):
        found = {}
        for name, one in value.items():
            try:
                found[_text(name, lookup)] = resolved(one, lookup, missing)
            except Missing as error:
                missing.add(str(error))
        return found
    if isinstance(value, list):
        kept = []
        for one in value:
            try:
                kept.append(_text(one, lookup) if isinstance(one, str) else resolved(one, lookup, missing))
            except Missing as error:
                missing.add(str(error))
        return [one for one in kept if one != []]
    if isinstance(value, str):
        try:
            return _text(value, lookup)
        except Missing as error:
            missing.add(str(error))
            return ""
    return value


def _text(text: str, lookup: dict[tuple[str, str], str]) -> str:
    if "\x1f" not in text:
        return text

    def named(found: re.Match[str]) -> str:
        name = lookup.get((found[1], found[2]))
        if name is None:
            raise Missing(f"{found[1].replace('_', ' ').removesuffix('s')} {found[2]}")
        return name

    return _TOKEN.sub(named, text)
