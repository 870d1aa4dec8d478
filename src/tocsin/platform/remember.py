"""Configuration that the hot paths read again and again, remembered until it changes.

Every change of configuration is audited, and the audit raises a counter that a transaction reads together with the
clock: what was remembered under an older count is forgotten. Nothing is trusted for longer than a few seconds, so that
even a change made behind our back counts soon.
"""

import time
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

TRUST_S = 5.0
_everything: "weakref.WeakSet[Remembered[Any, Any]]" = weakref.WeakSet()


class Remembered(Generic[K, V]):
    """Values by key. ``load`` reads those of the keys that are missing, in bulk; unknown keys are simply left out."""

    def __init__(self, load: Callable[[list[K]], Mapping[K, V]]) -> None:
        self._load = load
        self._kept: tuple[int, float, dict[K, V]] = (-1, 0.0, {})
        _everything.add(self)

    def get(self, version: int, keys: Iterable[K]) -> dict[K, V]:
        """The values of these keys as of this version of the configuration."""
        kept_version, since, kept = self._kept
        now = time.monotonic()
        if kept_version != version or now - since > TRUST_S:
            kept = {}
            self._kept = (version, now, kept)
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in kept]
        if missing:
            kept.update(self._load(missing))
        return {key: kept[key] for key in wanted if key in kept}

    def one(self, version: int, key: K) -> V:
        """The value of one key. Raises KeyError when there is none."""
        return self.get(version, [key])[key]


def forget_everything() -> None:
    """Forget all that is remembered; tests roll the database back behind its back."""
    for remembered in list(_everything):
        remembered._kept = (-1, 0.0, {})
