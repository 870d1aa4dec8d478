"""One shape for every error: ``{"error": {"code", "message", "problems": {field: what would be right}}}``."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from tocsin.platform.errors import TocsinError

log = logging.getLogger("tocsin.api")

CODES = {
    400: ("bad_request", "The request cannot be understood."),
    401: ("unauthorised", "Say who you are: send `Authorization: Bearer <token>` with a valid API token."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not answer that method."),
    409: ("conflict", "The thing is in a state that does not allow this."),
    413: ("too_large", "The request's body is too large."),
    415: ("unsupported_media_type", "The body must be JSON."),
    422: ("invalid", "The input does not make sense."),
    429: ("too_many_requests", "Too many requests; wait as long as Retry-After says."),
    500: ("internal", "Something went wrong on our side; the server's log has the details."),
    503: ("unavailable", "The database is away; try again soon."),
}


class ErrorBody(Schema):
    """What was wrong: a code for programs, a sentence for people, and for each field what would be right."""

    code: str
    message: str
    problems: dict[str, str]


class ErrorOut(Schema):
    """Every answer that is not a success."""

    error: ErrorBody


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of an API, with what every operation answers when it refuses (4XX) or cannot (503)."""
    whole = ErrorOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"] |= whole.pop("$defs") | {"ErrorOut": whole}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
    for methods in schema["paths"].values():
        for operation in methods.values():
            operation["responses"]["4XX"] = {"description": "Refused", "content": content}
            operation["responses"]["503"] = {"description": "The database is away", "content": content}
    return schema


def error_response(
    status: int, message: str = "", problems: Mapping[str, str] | None = None, code: str = ""
) -> HttpResponse:
    """An error in the one shape; code and message by status when they are not given."""
    usual = CODES.get(status, ("error", "The request was refused."))
    body = {"code": code or usual[0], "message": message or usual[1], "problems": dict(problems or {})}
    return JsonResponse({"error": body}, status=status)


def field_name(loc: Iterable[Any]) -> str:
    """The dotted name of a field from pydantic's location: without where it was found and what the body is called."""
    parts = [str(part) for part in loc]
    if parts and parts[0] in ("body", "query", "path", "header", "form"):
        where = parts.pop(0)
        if where == "body" and len(parts) > 1 and parts[0] in ("spec", "body"):
            parts.pop(0)
    return ".".join(parts) or "body"


def problems_of(errors: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Pydantic's complaints by dotted field name."""
    return {field_name(error.get("loc", ())): str(error.get("msg", "not right")) for error in errors}


def install(api: NinjaAPI) -> None:
    """Make every exception come out in the one shape."""

    @api.exception_handler(TocsinError)
    def _ours(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(error.status, error.message, error.problems, error.code)

    @api.exception_handler(ValidationError)
    def _validation(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(422, "", problems_of(error.errors))

    @api.exception_handler(AuthenticationError)
    def _authentication(request: HttpRequest, error: Any) -> HttpResponse:
        response = error_response(401)
        response["WWW-Authenticate"] = 'Bearer realm="tocsin"'
        return response

    @api.exception_handler(HttpError)
    def _http(request: HttpRequest, error: Any) -> HttpResponse:
        cause = error.__cause__  # what the parser of bodies said
        if isinstance(cause, TocsinError):
            return error_response(cause.status, cause.message, cause.problems, cause.code)
        if isinstance(cause, RequestDataTooBig):
            return error_response(413)
        return error_response(error.status_code, "" if cause else str(error))

    @api.exception_handler(Http404)
    def _missing(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(404)

    @api.exception_handler(PermissionDenied)
    def _denied(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(403)

    @api.exception_handler(RequestDataTooBig)
    def _large(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(413)

    @api.exception_handler(BadRequest)
    def _bad(request: HttpRequest, error: Any) -> HttpResponse:
        return error_response(400)

    @api.exception_handler(DataError)
    def _data(request: HttpRequest, error: Any) -> HttpResponse:
        log.warning("the database refused a value", exc_info=error)
        return error_response(422, "A value is out of the range that can be stored.")

    @api.exception_handler(OperationalError)
    def _away(request: HttpRequest, error: Any) -> HttpResponse:
        log.error("the database is away", exc_info=error)
        response = error_response(503)
        response["Retry-After"] = "5"
        return response

    @api.exception_handler(Exception)
    def _unforeseen(request: HttpRequest, error: Any) -> HttpResponse:
        log.error("request failed: %s %s", request.method, request.path, exc_info=error)
        return error_response(500)
