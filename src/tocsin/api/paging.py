"""Cursor paging: ``?limit=&cursor=`` in, ``{"items": [...], "next": cursor or null}`` out.

A cursor holds the sort values of the last item seen, so pages stay right while rows come and go.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from ninja import Schema
from pydantic import Field

from tocsin.platform.errors import Invalid

M = TypeVar("M", bound=Model)
MAX_LIMIT = 500


class Paging(Schema):
    """How much of a list, and from where."""

    limit: int = Field(100, ge=1, le=MAX_LIMIT, description="Most items of one answer.")
    cursor: str = Field("", max_length=2000, description="`next` of the answer before; empty: from the beginning.")


def page(rows: QuerySet[M], paging: Paging, order: Sequence[str] = ("-id",)) -> tuple[list[M], str | None]:
    """One page of ``rows`` and the cursor of the next one.

    ``order`` names columns that never change much and are never empty, the last one unique, ``-`` for descending.
    Raises Invalid when the cursor is not one of ours.
    """
    rows = rows.order_by(*order)
    if paging.cursor:
        try:
            rows = rows.filter(_after(order, _decode(paging.cursor, len(order))))
        except (ValueError, TypeError, ValidationError) as error:
            raise Invalid("This cursor is not one of ours.", {"cursor": "`next` of an answer"}) from error
    found = list(rows[: paging.limit + 1])
    if len(found) <= paging.limit:
        return found, None
    found.pop()
    last = [_plain(_value(found[-1], name.lstrip("-"))) for name in order]
    return found, base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def _value(row: Model, name: str) -> Any:
    value: Any = row
    for part in name.split("__"):
        value = getattr(value, part)
    return value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _decode(cursor: str, size: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError from error
    if not isinstance(values, list) or len(values) != size or not all(isinstance(v, str | int) for v in values):
        raise ValueError
    if any(isinstance(v, str) and "\x00" in v for v in values):
        raise ValueError
    return values


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """The condition "comes after these values in this order"."""
    condition = Q()
    equal = Q()
    for name, value in zip(order, values, strict=True):
        column = name.lstrip("-")
        condition |= equal & Q(**{f"{column}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{column: value})
    return condition
