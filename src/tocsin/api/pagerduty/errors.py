"""Errors in PagerDuty's shape: a status, one of its codes, a message, and one sentence for each thing that is wrong."""

from collections.abc import Sequence
from typing import Any

from tocsin.platform.errors import TocsinError

INVALID = "Invalid Input Provided"
CODES = {400: 2001, 401: 2006, 402: 2014, 403: 2010, 404: 2100, 405: 2015, 409: 2015, 413: 2001, 422: 2001, 429: 2020}
MESSAGES = {
    400: INVALID,
    401: "Authentication failed",
    402: "Account does not have the abilities to perform the action",
    403: "Access Denied",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request body is too large",
    429: "Rate Limit Exceeded",
}


class Refused(Exception):
    """What a request was refused with. ``errors`` name the field and what would be right."""

    def __init__(
        self, status: int = 400, errors: Sequence[str] = (), *, code: int | None = None, message: str = ""
    ) -> None:
        super().__init__(message or MESSAGES.get(status, INVALID))
        self.status = status
        self.code = CODES.get(status, 2000) if code is None else code
        self.message = str(self)
        self.errors = list(errors)


def refused(error: TocsinError) -> Refused:
    """One of Tocsin's own errors, told in PagerDuty's words: what is invalid or in the way is its 400."""
    status = 400 if error.status in (409, 422) else error.status
    errors = [f"{name}: {text}" for name, text in error.problems.items()]
    if status == 400:
        return Refused(400, errors or [error.message])
    return Refused(status, errors, message="" if status == 404 else error.message)


def body(error: Refused) -> dict[str, Any]:
    """The JSON of an error."""
    told: dict[str, Any] = {"message": error.message, "code": error.code}
    if error.errors:
        told["errors"] = error.errors
    return {"error": told}
