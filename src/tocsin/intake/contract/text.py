"""Bytes of strangers into values that are safe to keep: UTF-8, finite, not too deep, without NUL or lone surrogates."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from tocsin.intake.contract.kind import ParseError

T = TypeVar("T")

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WHERE = re.compile(r" - at `(?:key in )?\$?\.?(.*)`$")
DEEPEST = 100
_DEEP = "the body is nested too deeply"


def clean_text(text: str) -> str:
    """The text with each character that PostgreSQL cannot hold (NUL, lone surrogates) replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value with every text in it cleaned, keys included; what is nested deeper than DEEPEST becomes text."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict | list | tuple) and depth >= DEEPEST:
        return clean_text(as_text(value))
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, depth + 1) for item in value]
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= 300 else text


def _number(text: str) -> float | str:
    value = float(text)
    return value if value - value == 0 else text  # an infinite one stays text


def _loose(body: bytes) -> Any:
    """Decode with the forgiving decoder: lone surrogates replaced, numbers beyond a double kept as text."""
    text = body.decode("utf-8-sig")
    value = json.loads(
        text, strict=False, parse_constant=_refuse_constant, parse_int=_whole_number, parse_float=_number
    )
    return clean(value)


def decode_json(body: bytes, decode: Callable[[bytes], T], convert: Callable[[Any], T]) -> T:
    """Decode a body: ``decode`` is the fast typed way; when it fails, ``convert`` judges the plain value instead.

    ``convert`` raises ParseError with one text for each field that is wrong, or mends what it can. Raises ParseError
    also when the body is no JSON at all.
    """
    try:
        value = decode(body)
    except RecursionError as error:
        raise ParseError([_DEEP], kind="json") from error
    except ValueError:
        pass
    else:
        if b"\\u0000" not in body:
            return value
    return convert(plain_json(body))


def plain_json(body: bytes) -> Any:
    """The body as plain, clean values. Raises ParseError (kind ``json``) that says what is wrong."""
    if not body.strip():
        raise ParseError(["the body is empty; JSON is expected"], kind="json")
    try:
        return _loose(body)
    except RecursionError as error:
        raise ParseError([_DEEP], kind="json") from error
    except UnicodeDecodeError as error:
        raise ParseError([f"the body is not UTF-8 (byte {error.start})"], kind="json") from error
    except ValueError as error:
        raise ParseError([f"the body is not JSON: {error}"], kind="json") from error


def as_text(value: Any, limit: int = 8192) -> str:
    """A scalar as people would write it, anything else as JSON; None is empty."""
    if isinstance(value, str):
        return value if len(value) <= limit else value[: limit - 1] + "…"
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:limit]
    try:
        return msgspec.json.encode(value).decode()[:limit]
    except (TypeError, ValueError, RecursionError, OverflowError):
        return "(cannot be written as text)"


def tidy_labels(value: Any) -> dict[str, str]:
    """Labels out of any mapping: values as text, empty names and empty values left out. Not a mapping: no labels."""
    if not isinstance(value, dict):
        return {}
    labels = {str(name): as_text(item) for name, item in value.items()}
    return {name: text for name, text in labels.items() if name and text}


def moment(value: Any) -> datetime | None:
    """A moment out of ISO 8601 in any usual form, or epoch seconds or milliseconds. Without a zone it is UTC.

    None when it is missing, zero (year 1, as Go writes it) or not understood.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) > 1e11 else value
            result = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        else:
            result = datetime.fromisoformat(str(value).strip())
            result = result.replace(tzinfo=UTC) if result.tzinfo is None else result.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return result if 1900 <= result.year <= 9998 else None
