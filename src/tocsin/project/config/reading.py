"""Configuration files -> specs, with the file and line of everything, so that a complaint can say where."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from tocsin.api.parsing import refuse_unstorable
from tocsin.platform.errors import Invalid
from tocsin.project.config.kinds import BY_SECTION, Kind

MAX_TEXT = 4 * 1024 * 1024
MAX_NODES = 200_000


@dataclass(frozen=True)
class File:
    """A file as it was sent."""

    name: str
    text: str


@dataclass(frozen=True)
class Place:
    """Where something is written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Item:
    """One thing that a file names."""

    kind: Kind
    name: str
    spec: Any
    places: dict[str, Place]  # dotted field -> where; "" is the thing itself

    def place(self, field: str = "") -> Place:
        """Where a field is written; where the thing is, when the field is not written itself."""
        while field and field not in self.places:
            field = field.rpartition(".")[0]
        return self.places[field]


@dataclass
class Wanted:
    """What files say: the things they name, and which sections they have at all."""

    items: list[Item] = field(default_factory=list)
    sections: set[str] = field(default_factory=set)


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: ``17:30``, ``no`` and dates are text, not numbers, booleans and moments."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "bool", "null", "int", "float")}


class _Values:
    """Nodes -> plain values, noting where each was written."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.left = MAX_NODES
        self.problems: dict[str, str] = {}

    def place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def of(self, node: yaml.Node, path: str, places: dict[str, Place]) -> Any:
        """The value of a node; every path below it is noted in ``places``."""
        self.left -= 1
        if self.left < 0:
            raise Invalid("This configuration is too large.", {str(self.place(node)): "fewer values and aliases"})
        places[path] = self.place(node)
        if node.tag not in TAGS:
            self.problems[f"{self.place(node)} {path}".strip()] = f"a plain value, without the tag {node.tag}"
            return None
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
                below = f"{path}.{key}".lstrip(".")
                if not isinstance(key_node, yaml.ScalarNode) or key in found:
                    what = "each key once" if key in found else "keys must be plain words"
                    self.problems[f"{self.place(key_node)} {below}"] = what
                    continue
                found[key] = self.of(value_node, below, places)
                places[below] = self.place(key_node)
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, f"{path}.{number}".lstrip("."), places) for number, item in enumerate(node.value)]
        kind = node.tag.rpartition(":")[2]
        text = str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and len(text) < 20:
            return int(text)
        if kind == "float" and len(text) < 40:
            return float(text)
        return text


def read(files: Sequence[File]) -> Wanted:
    """What these files want.

    Raises Invalid; its problems are named ``file:line section[name].field``.
    """
    if sum(len(file.text) for file in files) > MAX_TEXT:
        raise Invalid("This configuration is too large.", {"files": f"at most {MAX_TEXT} characters in all"})
    wanted = Wanted()
    problems: dict[str, str] = {}
    for file in files:
        try:
            documents = list(yaml.compose_all(file.text, Loader=_Loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problems[str(Place(file.name, mark.line + 1 if mark else 1))] = str(error.problem or "this is no YAML")
            continue
        except (yaml.YAMLError, RecursionError) as error:
            problems[str(Place(file.name, 1))] = f"this is no YAML: {str(error) or 'nested too deep'}"[:300]
            continue
        for document in documents:
            if document is not None:
                _document(file, document, wanted, problems)
    problems |= _twice(wanted.items)
    if problems:
        raise Invalid("This configuration cannot be read.", problems)
    return wanted


def _document(file: File, document: yaml.Node, wanted: Wanted, problems: dict[str, str]) -> None:
    values = _Values(file.name)
    if not isinstance(document, yaml.MappingNode) or document.tag not in TAGS:
        problems[str(values.place(document))] = f"sections at the top: {', '.join(BY_SECTION)}"
        return
    for key_node, value_node in document.value:
        section = str(key_node.value)
        place = values.place(key_node)
        if section == "version":
            if str(value_node.value) != "1":
                problems[f"{place} version"] = "1"
            continue
        kind = BY_SECTION.get(section)
        if kind is None:
            problems[f"{place} {section}"] = f"one of the sections {', '.join(BY_SECTION)}"
            continue
        wanted.sections.add(section)
        if isinstance(value_node, yaml.ScalarNode) and value_node.tag.endswith(":null"):
            continue  # an empty section
        if not isinstance(value_node, yaml.SequenceNode):
            problems[f"{place} {section}"] = "a list"
            continue
        for node in value_node.value:
            places: dict[str, Place] = {}
            try:
                value = values.of(node, "", places)
                refuse_unstorable(value)
            except RecursionError:
                problems[str(values.place(node))] = "nested less deep, and without aliases to itself"
                continue
            item = _item(kind, value, places, problems)
            if item is not None:
                wanted.items.append(item)
    problems.update(values.problems)


def _item(kind: Kind, value: Any, places: dict[str, Place], problems: dict[str, str]) -> Item | None:
    if not isinstance(value, dict):
        problems[f"{places['']} {kind.section}"] = f"a {kind.word} with its fields"
        return None
    label = str(value.get("slug") or value.get("name") or value.get("email") or "?")
    try:
        spec = kind.adapter.validate_python(value)
    except ValidationError as error:
        for wrong in error.errors():
            path = ".".join(str(part) for part in wrong["loc"])
            problems[at(kind, label, path, places)] = str(wrong["msg"])
        return None
    return Item(kind, kind.name(spec), spec, places)


def at(kind: Kind, name: str, path: str, places: dict[str, Place]) -> str:
    """``file:line section[name].field``"""
    where = path
    while where and where not in places:
        where = where.rpartition(".")[0]
    return f"{places[where]} {kind.section}[{name}]{f'.{path}' if path else ''}"


def _twice(items: Iterable[Item]) -> dict[str, str]:
    seen: dict[tuple[str, str], Item] = {}
    problems = {}
    for item in items:
        first = seen.setdefault((item.kind.section, item.name), item)
        if first is not item:
            problems[at(item.kind, item.name, "", item.places)] = f"named once; it is also in {first.place()}"
    return problems
