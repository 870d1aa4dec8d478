"""The kinds of sources that are installed, by name and by address."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tocsin.intake.contract import SourceKind
from tocsin.platform import plugins


@cache
def all_kinds() -> dict[str, SourceKind]:
    """Every installed kind, by its name. Raises RuntimeError when a plug-in is no SourceKind or a name is taken."""
    found: dict[str, SourceKind] = {}
    for name, source in plugins.load("tocsin.sources").items():
        if not isinstance(source, SourceKind):
            raise RuntimeError(f"plug-in {name} of tocsin.sources must be a SourceKind")
        if source.kind in found:
            raise RuntimeError(f"two sources are of kind {source.kind}")
        found[source.kind] = source
    return found


@cache
def names() -> dict[str, SourceKind]:
    """Kinds by every name and alias."""
    found = {alias: source for source in all_kinds().values() for alias in source.aliases}
    return found | all_kinds()


@cache
def fixed_paths() -> dict[str, SourceKind]:
    """Kinds by fixed address, each with and without a slash at its end."""
    found = {}
    for source in all_kinds().values():
        for path in source.paths:
            found[path] = source
            found[path + "/"] = source
    return found


@cache
def rooted_kinds() -> tuple[tuple[str, SourceKind], ...]:
    """Beginnings of addresses, with the kind that may serve what stands below."""
    return tuple((root, source) for source in all_kinds().values() if source.takes for root in source.roots)


def open_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A source's configuration without what is secret, for people to read."""
    known = kind_of(kind)
    return {name: value for name, value in config.items() if known is None or name not in known.secrets}


def kind_of(name: str) -> SourceKind | None:
    """The kind that a name or alias means, however it is written."""
    return names().get(name.strip().lower()) or names().get(name.strip().lower().replace("_", "-"))
