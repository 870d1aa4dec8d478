"""Plug-ins, found through entry points: built-in and third-party ones alike."""

from functools import cache
from importlib.metadata import entry_points


@cache
def load(group: str) -> dict[str, object]:
    """Every plug-in of an entry-point group (``tocsin.sources``), by its name, in the order of names.

    Raises RuntimeError that names the plug-in when one cannot be imported or two claim the same name: a half-loaded
    set would refuse signals without anybody noticing.
    """
    found: dict[str, object] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        if point.name in found:
            raise RuntimeError(f"two plug-ins of {group} are called {point.name}")
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise RuntimeError(f"plug-in {point.name} of {group} ({point.value}) cannot be loaded: {error}") from error
    return found
