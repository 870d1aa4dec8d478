"""What every page's shell shows."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.http import HttpRequest

from tocsin import __version__
from tocsin.platform import clock


@dataclass(frozen=True)
class Item:
    """One entry of the navigation."""

    href: str
    text: str
    icon: str
    current: bool = False


MAIN = [
    Item("/", "Now", "house"),
    Item("/incidents/", "Incidents", "flame"),
    Item("/alerts/", "Alerts", "bell"),
]
PEOPLE = [
    Item("/on-call/", "On call", "calendar-clock"),
    Item("/policies/", "Policies", "route"),
    Item("/people/", "People", "users"),
]
SETUP = [
    Item("/services/", "Services", "boxes"),
    Item("/sources/", "Sources", "plug"),
]
END = [Item("/settings/", "Settings", "settings")]
PLACES = [*MAIN, *PEOPLE, *SETUP, *END]
THEMES = [
    ("system", "As the system", "monitor"),
    ("light", "Light", "sun"),
    ("dark", "Dark", "moon"),
    ("contrast", "High contrast", "contrast"),
]


def shell(request: HttpRequest) -> dict[str, object]:
    """Template variables of the shell.

    ``csp_nonce``, ``version``; ``base``: what a page extends: the whole page, or only its main part when a script asks
    (header ``X-Part``, or an htmx request), or a dialog's content (``X-Part: dialog``).
    """
    wanted = base(request)
    variables: dict[str, object] = {
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "version": __version__,
        "base": wanted,
    }
    if wanted == "web/base.html":
        variables |= {
            "nav_main": _marked(MAIN, request),
            "nav_people": _marked(PEOPLE, request),
            "nav_setup": _marked(SETUP, request),
            "nav_end": _marked(END, request),
            "nav_dock": _marked([*MAIN, PEOPLE[0]], request),
            "nav_more": _marked([*PEOPLE[1:], *SETUP, *END], request),
            "themes": THEMES,
            "shell_now": lambda: round(now(request).timestamp() * 1000),
        }
    return variables


def _marked(items: list[Item], request: HttpRequest) -> list[Item]:
    path = request.path
    return [replace(item, current=path == "/" if item.href == "/" else path.startswith(item.href)) for item in items]


def base(request: HttpRequest) -> str:
    """The template that a page extends for this request."""
    part = request.headers.get("X-Part", "")
    if part == "dialog":
        return "web/dialog.html"
    if request.headers.get("HX-History-Restore-Request"):
        return "web/base.html"
    return "web/part.html" if part or request.headers.get("HX-Request") else "web/base.html"


def now(request: HttpRequest) -> datetime:
    """The present moment, asked once a request."""
    moment: datetime | None = getattr(request, "_tocsin_now", None)
    if moment is None:
        moment = clock.now()
        request._tocsin_now = moment  # type: ignore[attr-defined]
    return moment
