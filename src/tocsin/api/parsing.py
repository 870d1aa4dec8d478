"""Bodies of requests: JSON only, without what PostgreSQL cannot store."""

import json
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from ninja.parser import Parser

from tocsin.platform.errors import Invalid


class StrictParser(Parser):
    """JSON only, without what PostgreSQL cannot store: NUL characters and lone surrogates."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = request.body
        try:
            value = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadRequest from error
        if b"\\u" in body or b"\x00" in body:
            refuse_unstorable(value)
        return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def refuse_unstorable(value: Any) -> None:
    """Raise Invalid, naming the field, when a text inside cannot be stored."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, here = waiting.pop()
        if isinstance(here, str):
            if "\x00" in here or any("\ud800" <= letter <= "\udfff" for letter in here):
                raise Invalid("", {name or "body": "text without NUL characters and lone surrogates"})
        elif isinstance(here, dict):
            waiting.extend((f"{name}.{key}".lstrip("."), inner) for key, inner in here.items())
            waiting.extend((f"{name}.key".lstrip("."), key) for key in here)
        elif isinstance(here, list):
            waiting.extend((f"{name}.{number}".lstrip("."), inner) for number, inner in enumerate(here))
