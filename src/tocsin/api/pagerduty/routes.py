"""Which operation is answered by whom. Each module of operations lists its own; the first that fits is taken."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tocsin.api.pagerduty import basics, configuration
from tocsin.api.pagerduty.asking import Answer
from tocsin.api.pagerduty.incidents_routes import ROUTES as INCIDENTS

Handler = Callable[..., Answer]
# (method, path with {placeholders}, who answers): placeholders are given to the handler in order, as text
Route = tuple[str, str, Handler]

ROUTES: tuple[Route, ...] = (
    ("GET", "/abilities", basics.abilities),
    ("GET", "/abilities/{id}", basics.ability),
    ("GET", "/priorities", basics.priorities),
    *INCIDENTS,
    *configuration.ROUTES,
)


@dataclass(frozen=True, slots=True)
class Found:
    """Who answers a request, and what stands for the placeholders; ``allowed`` when only the method is wrong."""

    handler: Handler | None
    values: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Handler], ...]:
    made = []
    for method, path, handler in sorted(ROUTES, key=lambda route: "{" in route[1]):
        parts = [r"([^/]+)" if part.startswith("{") else re.escape(part) for part in path.strip("/").split("/")]
        made.append((method, re.compile("/".join(parts)), handler))
    return tuple(made)


def find(method: str, path: str) -> Found | None:
    """Who answers; None when there is no such address. A path without placeholders goes first (``/users/me``)."""
    wanted = "GET" if method == "HEAD" else method
    allowed = []
    for known, pattern, handler in _patterns():
        if fits := pattern.fullmatch(path.strip("/")):
            if known == wanted:
                return Found(handler, fits.groups())
            allowed.append(known)
    return Found(None, allowed=tuple(dict.fromkeys(allowed))) if allowed else None


def first_words() -> frozenset[str]:
    """The first words of all addresses: what can be meant for this API at the root."""
    return frozenset(path.strip("/").split("/")[0] for _, path, _ in ROUTES)
