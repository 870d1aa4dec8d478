"""What the operations of management share: who asks, how things are named, the fields of a body, answers.

The form follows Opsgenie's public reference. A field that has no counterpart here is refused by name when somebody
gives it a value: to take it and drop it would promise what nobody keeps.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict

from tocsin.api.opsgenie.names import made_id, number_of
from tocsin.intake.contract import as_text, clean_text, moment
from tocsin.intake.sources.opsgenie.parser import MESSAGES
from tocsin.people import queries as people
from tocsin.people.models import Team, User
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

Answer = tuple[int, dict[str, Any]]
M = TypeVar("M", bound=Model)
NAME_PARAMETERS = ("identifierType", "scheduleIdentifierType", "teamIdentifierType")


@dataclass(frozen=True)
class Call:
    """One request of management: the person whose token was shown, the query, the decoded body, the address."""

    actor: Actor
    query: QueryDict
    body: Mapping[str, Any] = field(default_factory=dict)
    address: str = ""

    @property
    def by_name(self) -> bool:
        """Whether the thing in the address is named by its name instead of its id. Raises Invalid."""
        given = next((str(self.query[name]) for name in NAME_PARAMETERS if self.query.get(name)), "id").lower()
        if given not in ("id", "name"):
            raise Invalid("It cannot be found like this.", {"identifierType": "id or name"})
        return given == "name"

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query. Raises Invalid."""
        text = self.query.get(name) or str(default)
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise Invalid("The answer cannot be made.", {name: f"a whole number from {low} to {high}"})
        return int(text)

    def at(self, name: str, default: datetime) -> datetime:
        """A moment of the query. Raises Invalid."""
        # a plus that was not encoded arrives as a blank
        text = (self.query.get(name) or "").strip()
        found = moment(text.replace(" ", "+") if "T" in text else text) if text else default
        if found is None or not 1970 <= found.year <= 9000:
            raise Invalid("The answer cannot be made.", {name: "a moment in ISO 8601"})
        return found


def created(**data: Any) -> Answer:
    """The answer to something that was made."""
    return 201, {"result": "Created", "data": data}


def told(result: str, **data: Any) -> Answer:
    """The answer to a change: ``Updated``, ``Deleted`` ..."""
    return 200, {"result": result, **({"data": data} if data else {})}


def data(value: Any) -> Answer:
    """The answer to a question."""
    return 200, {"data": value}


# -- things in addresses and bodies ------------------------------------------------------------------------------------


def missing(what: str, text: str) -> NotFound:
    """The error for a thing that is not there."""
    return NotFound(f"{what} with identifier [{text[:200]}] does not exist")


def found(call: Call, rows: "QuerySet[M, M]", kind: str, text: str) -> M:
    """The row that an address names, by id or by name. Raises NotFound, Invalid."""
    named = rows.filter(name__iexact=text) if call.by_name else rows.filter(pk=number_of(kind, text) or 0)
    row = named.first()
    if row is None:
        raise missing(kind.capitalize(), text)
    return row


def referred(rows: "QuerySet[M, M]", kind: str, value: Any, where: str) -> M:
    """The row that a part of a body names with ``id`` or ``name``. Raises Invalid for ``where``."""
    row = None
    if isinstance(value, Mapping):
        if value.get("id"):
            row = rows.filter(pk=number_of(kind, as_text(value["id"], 100)) or 0).first()
        elif value.get("name"):
            row = rows.filter(name__iexact=clean_text(as_text(value["name"], 500))).first()
    if row is None:
        raise wrong(where, f"the id or name of a {kind} that is here")
    return row


def owner_team(call: Call, body: Mapping[str, Any], default: str = "") -> str:
    """The slug of ``ownerTeam``; ``default`` when it is not given, empty when it is empty. Raises Invalid."""
    if "ownerTeam" not in body:
        return default
    if not body["ownerTeam"]:
        return ""
    return referred(people.teams(call.actor), "team", body["ownerTeam"], "ownerTeam").slug


def team_meta(team: Team | None) -> dict[str, Any]:
    """``ownerTeam`` of a shape, left out where nobody owns it."""
    return {} if team is None else {"ownerTeam": {"id": made_id("team", team.pk), "name": team.name}}


def person(call: Call, text: str) -> User:
    """The person that an address names, by id or username. Raises NotFound."""
    rows = people.users(call.actor)
    row = (
        rows.filter(email__iexact=text).first() if "@" in text else rows.filter(pk=number_of("user", text) or 0).first()
    )
    if row is None:
        raise missing("User", text)
    return row


def person_in(call: Call, value: Any, where: str) -> User:
    """The person that a part of a body names with ``id`` or ``username``. Raises Invalid for ``where``."""
    text = (
        as_text(value.get("id") or value.get("username") or value.get("name"), 300)
        if isinstance(value, Mapping)
        else ""
    )
    try:
        return person(call, clean_text(text))
    except NotFound as error:
        raise wrong(where, "the id or username (e-mail address) of somebody known here") from error


def participant(user: User) -> dict[str, Any]:
    """A person as recipient or participant."""
    return {"type": "user", "id": made_id("user", user.pk), "username": user.email}


# -- fields of bodies --------------------------------------------------------------------------------------------------


def wrong(where: str, text: str) -> Invalid:
    """The error for one field."""
    return Invalid(MESSAGES[422], {where: text})


def refuse(body: Mapping[str, Any], **why: str) -> None:
    """Raise Invalid for fields that somebody gave a value and that have no counterpart here."""
    given = {name: text for name, text in why.items() if body.get(name) not in (None, "", False, [], {})}
    if given:
        raise Invalid(MESSAGES[422], given)


def words(body: Mapping[str, Any], name: str, default: str = "", *, limit: int = 10_000, where: str = "") -> str:
    """A text; ``default`` when it is not given. Raises Invalid."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        raise wrong(where or name, f"a text of at most {limit} characters")
    return value.strip()


def needed(body: Mapping[str, Any], name: str, *, limit: int = 200, where: str = "") -> str:
    """A text that must be there. Raises Invalid."""
    value = words(body, name, limit=limit, where=where)
    if not value:
        raise wrong(where or name, f"{name} can not be empty")
    return value


def whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int, where: str = "") -> int:
    """A whole number. Raises Invalid."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(where or name, f"a whole number from {low} to {high}")
    return value


def parts(body: Mapping[str, Any], name: str, where: str = "") -> list[Mapping[str, Any]]:
    """A list of objects; empty when it is not given. Raises Invalid."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise wrong(where or name, "a list of objects")
    return value


def instant(body: Mapping[str, Any], name: str, where: str = "") -> datetime:
    """A moment that must be there. Raises Invalid."""
    value = moment(body.get(name)) if isinstance(body.get(name), str) else None
    if value is None:
        raise wrong(where or name, "a moment in ISO 8601, such as 2026-02-01T09:00:00Z")
    return value


@contextmanager
def speaking(**names: str) -> Iterator[None]:
    """Errors from inside come out with Opsgenie's names of fields; each part of a dotted name is looked up."""
    try:
        yield
    except (Invalid, Conflict) as error:
        renamed = {
            ".".join(names.get(part, part) for part in name.split(".") if names.get(part, part)): text
            for name, text in error.problems.items()
        }
        raise type(error)(error.message, renamed) from error
