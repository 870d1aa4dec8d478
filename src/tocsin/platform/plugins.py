"""Plug-ins, found through entry points: built-in and third-party ones alike."""

from functools import cache
from importlib.metadata import entry_points

import structlog

log = structlog.get_logger()

GROUPS = ("tocsin.sources", "tocsin.channels", "tocsin.providers")


@cache
def _found(group: str) -> tuple[dict[str, object], dict[str, str]]:
    """The plug-ins of a group, and of those that cannot be had the reason, each by name."""
    found: dict[str, object] = {}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
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
    """Every plug-in of an entry-point group (``tocsin.sources``), by its name, in the order of names.

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
