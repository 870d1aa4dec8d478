"""Bodies of requests: what is not known is refused, never ignored."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict

from tocsin.platform.errors import NotFound


def _thinkable(moment: datetime) -> datetime:
    """Years that survive every change of zone and that PostgreSQL and Python both know."""
    if not 1970 <= moment.year <= 9000:
        raise ValueError("a year from 1970 to 9000")
    return moment if moment.tzinfo is None else moment.astimezone(UTC)  # PostgreSQL takes offsets up to 15:59 only


# a moment without its offset would mean something else in every zone
Moment = Annotated[AwareDatetime, AfterValidator(_thinkable)]
LocalMoment = Annotated[datetime, AfterValidator(_thinkable)]


class Strict(Schema):
    """A body in which an unknown field is an error: a misspelt one must never be silently without effect."""

    model_config = ConfigDict(extra="forbid")


class Count(Schema):
    """How many things were changed."""

    count: int


def removed(count: int) -> dict[str, int]:
    """The answer to DELETE of one thing. Raises NotFound when there was none."""
    if not count:
        raise NotFound("There is no such thing, or it is gone already.")
    return {"count": count}


def strict(*specs: type) -> None:
    """Make pydantic refuse unknown fields in these dataclasses and in those inside them.

    Specs are plain dataclasses of the rooms' rules, which do not know pydantic; so it is said from here.
    """
    for spec in specs:
        if is_dataclass(spec) and not hasattr(spec, "__pydantic_config__"):
            spec.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
            for field in fields(spec):
                strict(*_inside(field.type))


def _inside(kind: Any) -> list[type]:
    if isinstance(kind, type) and is_dataclass(kind):
        return [kind]
    return [found for part in get_args(kind) for found in _inside(part)]
