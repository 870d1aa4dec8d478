"""Plug-ins: built-in ones by their folder, those of others through entry points. Both are the same afterwards."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import structlog

log = structlog.get_logger()

# by group, the package whose folders are built-in plug-ins, and the module and name under which each shows itself
BUILT_IN = {
    "tocsin.sources": ("tocsin.intake.sources", "source"),
    "tocsin.channels": ("tocsin.delivery.channels", "channel"),
    "tocsin.providers": ("tocsin.delivery.providers", "provider"),
}
GROUPS = tuple(BUILT_IN)


def built_in(group: str) -> list[EntryPoint]:
    """The plug-ins that come with Tocsin: a folder ``aws_sns`` with a ``source.py`` is the source ``aws-sns``."""
    package, name = BUILT_IN[group]
    spec = find_spec(package)
    folders = sorted(Path(place) for place in (spec.submodule_search_locations if spec else None) or ())
    return [
        EntryPoint(folder.name.replace("_", "-"), f"{package}.{folder.name}.{name}:{name}", group)
        for place in folders
        for folder in sorted(place.iterdir())
        if (folder / f"{name}.py").is_file()
    ]


def points(group: str) -> list[EntryPoint]:
    """Where the plug-ins of a group are found, by name. Nothing is imported."""
    own = built_in(group)
    known = {point.value for point in own}  # an entry point may name a built-in one too
    others = [point for point in entry_points(group=group) if point.value not in known]
    return sorted([*own, *others], key=lambda point: point.name)


def names(group: str) -> list[str]:
    """The names of a group's plug-ins, also of those that cannot be loaded."""
    return sorted({point.name for point in points(group)})


@cache
def _found(group: str) -> tuple[dict[str, object], dict[str, str]]:
    """The plug-ins of a group, and of those that cannot be had the reason, each by name."""
    found: dict[str, object] = {}
    broken: dict[str, str] = {}
    for point in points(group):
        if point.name in found or point.name in broken:
            broken[point.name] = f"two plug-ins of {group} are called {point.name}"
            continue
        try:
            found[point.name] = point.load()
        except Exception as error:
            broken[point.name] = f"plug-in {point.name} of {group} ({point.value}) cannot be loaded: {error}"
            log.exception("plugin.broken", plugin=point.name, group=group)
    return found, broken


def load(group: str) -> dict[str, object]:
    """Every plug-in of a group (``tocsin.sources``), by its name, in the order of names.

    Raises RuntimeError that names the plug-in when one cannot be imported or two claim the same name: a half-loaded
    set would refuse signals without anybody noticing.
    """
    found, broken = _found(group)
    if broken:
        raise RuntimeError("; ".join(broken.values()))
    return found


def loadable(group: str) -> dict[str, object]:
    """Those plug-ins of a group that can be loaded: where one that is broken must not take the others with it.

    What is missing stands in ``broken``, on Health, and in what ``tocsin doctor`` finds.
    """
    return _found(group)[0]


def broken() -> dict[str, str]:
    """Why plug-ins cannot be used, by ``group name``; empty when all can."""
    return {f"{group} {name}": why for group in GROUPS for name, why in _found(group)[1].items()}
