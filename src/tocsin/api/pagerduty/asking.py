"""One request: who asks, in whose name, what was given, and the addresses that its answer may name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.errors import Refused
from tocsin.intake.contract import moment
from tocsin.platform.actor import Actor

LIMIT, MOST, FURTHEST = 25, 100, 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body; None: no body."""

    body: Mapping[str, Any] | list[Any] | None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: how many, from which, and whether the whole is to be counted."""

    limit: int
    offset: int
    total: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the REST API.

    ``base`` is the address that the client uses, without a slash at the end: ``self`` begins with it. ``pages`` is the
    address of Tocsin's pages. ``said_from`` tells whether the ``From`` header named somebody.
    """

    actor: Actor
    method: str
    query: QueryDict
    base: str
    pages: str
    body: Mapping[str, Any] = field(default_factory=dict)
    said_from: bool = False

    def many(self, name: str) -> list[str]:
        """Values of a parameter that may be given as ``x[]=a&x[]=b``, ``x=a&x=b`` or ``x=a,b``."""
        given = [*self.query.getlist(f"{name}[]"), *self.query.getlist(name)]
        return [part for value in given for part in value.split(",") if part]

    def numbers(self, name: str, kind: str) -> list[int]:
        """Numbers behind ids that were given; an unknown id becomes one that finds nothing."""
        found = [ids.read(kind, text) for text in self.many(name)]
        return [0 if number is None else number for number in found]

    def includes(self, name: str) -> bool:
        """Whether full objects instead of references are wanted there."""
        return name in self.many("include")

    def moment(self, name: str) -> datetime | None:
        """A moment in the query; None when it was not given. Raises Refused (2004)."""
        text = self.query.get(name, "").strip()
        if not text:
            return None
        found = moment(text)
        if found is None:
            raise Refused(400, [f"{name} must be a moment in ISO 8601"], code=2004)
        return found

    def flag(self, name: str) -> bool:
        """Whether a parameter says yes."""
        return self.query.get(name, "").strip().lower() in ("true", "1", "yes")

    def page(self) -> Page:
        """The page that is asked for; more than 100 become 100. Raises Refused."""
        limit, offset = self._count("limit", LIMIT), self._count("offset", 0)
        limit = max(1, min(limit, MOST))
        if offset + limit > FURTHEST:
            raise Refused(400, [f"Offset plus limit must not be more than {FURTHEST}"], code=2002)
        return Page(limit, offset, self.flag("total"))

    def _count(self, name: str, usual: int) -> int:
        text = self.query.get(name, "").strip()
        if not text:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Refused(400, [f"{name.capitalize()} must be a whole number, 0 or more"], code=2002)
        return int(text)

    def listed(
        self, name: str, rows: QuerySet[Any] | Sequence[Any], shape: Callable[[Sequence[Any]], list[dict[str, Any]]]
    ) -> Answer:
        """One page of a list. ``shape`` turns the rows of the page, all at once, into objects."""
        page = self.page()
        found = list(rows[page.offset : page.offset + page.limit + 1])
        total = None
        if page.total:
            total = rows.count() if isinstance(rows, QuerySet) else len(rows)
        return Answer(
            {
                name: shape(found[: page.limit]),
                "limit": page.limit,
                "offset": page.offset,
                "more": len(found) > page.limit,
                "total": total,
            }
        )

    def given(self, name: str) -> dict[str, Any]:
        """The object that the body wraps (``{"incident": {...}}``). Raises Refused."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise Refused(400, [f'{name} must be an object in the body: {{"{name}": {{...}}}}'])
        return value

    def objects(self, name: str, most: int) -> list[dict[str, Any]]:
        """The list of objects that the body wraps; more than ``most`` are too many (413). Raises Refused."""
        value = self.body.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
            raise Refused(400, [f"{name} must be a list of objects in the body"])
        if len(value) > most:
            raise Refused(413, [f"{name} may hold {most} at most"])
        return value

    def reference(self, kind: str, number: int | None, summary: str = "", *, page: str = "") -> dict[str, Any] | None:
        """A reference to a thing; None when there is none. ``page`` is the path of its page in Tocsin."""
        if number is None:
            return None
        return self.thing(kind, number, summary, page=page) | {"type": f"{kind}_reference"}

    def thing(self, kind: str, number: int, summary: str, *, page: str = "") -> dict[str, Any]:
        """What every resource begins with. ``page`` is the path of its page in Tocsin; none: null."""
        name = ids.write(kind, number)
        return {
            "id": name,
            "type": kind,
            "summary": summary,
            "self": f"{self.base}/{plural(kind)}/{name}",
            "html_url": f"{self.pages}{page}" if page else None,
        }


def plural(kind: str) -> str:
    """The name of a kind's collection: ``policies`` of ``policy``."""
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def told(at: datetime | None) -> str | None:
    """A moment as PagerDuty writes it: UTC, whole seconds."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def number_of(kind: str, value: object, name: str) -> int:
    """Our number behind a reference or an id in a body. Raises Refused naming ``name``."""
    text = value.get("id") if isinstance(value, dict) else value
    number = ids.read(kind, text) if isinstance(text, str) else None
    if number is None:
        raise Refused(400, [f"{name} must be a reference to a {kind.replace('_', ' ')}: id and type"])
    return number
