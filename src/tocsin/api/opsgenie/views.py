"""The entry of Opsgenie's Alert API: who asks, which alert is meant, and answers in its shape."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from tocsin.api.limits import limiter
from tocsin.api.opsgenie import heartbeats, reads, verbs
from tocsin.api.opsgenie.asking import Asked
from tocsin.intake import queries as intake
from tocsin.intake.contract import ParseError, plain_json
from tocsin.intake.sources.opsgenie import parser
from tocsin.platform.actor import Actor
from tocsin.platform.errors import TocsinError

log = logging.getLogger("tocsin.api")

READS = {"notes": reads.notes, "logs": reads.logs}


def _answer(status: int, body: Mapping[str, Any], **headers: str) -> HttpResponse:
    """An answer with what every one has."""
    request_id = str(body.get("requestId") or uuid4())
    response = JsonResponse({**body, "took": 0.0, "requestId": request_id}, status=status)
    response["X-Request-ID"] = request_id
    response["X-RateLimit-State"] = "THROTTLED" if status == 429 else "OK"
    response["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def _refused(status: int, errors: Mapping[str, str], message: str = "", **headers: str) -> HttpResponse:
    usual = parser.MESSAGES.get(status, "Could not parse the request. Please check the errors.")
    body: dict[str, Any] = {"message": message or usual}
    if errors:
        body["errors"] = dict(errors)
    return _answer(status, body, **headers)


@csrf_exempt
def entry(request: HttpRequest) -> HttpResponse:
    """Everything below ``/v2/alerts`` that is not the door's, and ``/v2/heartbeats``. Never a redirect, always JSON."""
    try:
        return _served(request)
    except (OperationalError, InterfaceError):
        return _refused(503, {}, "The database is away. Please retry.", Retry_After="5")
    except ParseError as error:
        return _refused(error.status, {"body": "; ".join(error.errors)})
    except TocsinError as error:
        headers = {"Retry_After": "1"} if error.status == 503 else {}
        return _refused(error.status, error.problems, error.message, **headers)
    except RequestDataTooBig:
        return _refused(413, {})
    except (DataError, ValueError) as error:
        log.info("opsgenie request refused: %s", type(error).__name__)
        return _refused(400, {"request": "a value cannot be stored or searched for"})


def _served(request: HttpRequest) -> HttpResponse:
    key = parser.key_in(request.headers.get("Authorization", ""))
    source = intake.source_of_key(key, "opsgenie") if key else None
    if source is None:
        return _refused(401, {})
    allowance = limiter.count(f"opsgenie:{source.pk}")
    if not allowance.allowed:
        return _refused(429, {}, Retry_After=str(allowance.reset_s))
    # the server has decoded the path once; Django's own is decoded again
    raw: bytes | None = request.scope.get("raw_path") if hasattr(request, "scope") else None
    path = raw.decode("utf-8", "replace") if raw else request.path
    path = path.removeprefix(request.META.get("SCRIPT_NAME") or "")
    rest = parser.below(path)
    beat = parser.below(path, heartbeats.HEARTBEAT_ROOTS) if rest is None else None
    rest = beat if rest is None else rest
    if rest is None:
        return _refused(404, {})
    if "\0" in rest or "%00" in request.META.get("QUERY_STRING", ""):
        return _refused(400, {"request": "NUL characters cannot be stored or searched for"})
    asked = Asked(
        source=source,
        actor=Actor(kind="source", id=source.pk, name=source.name, role="responder"),
        reader=Actor(kind="sender", id=None, name=source.name, role="observer"),
        query=request.GET,
        address=request.build_absolute_uri(request.path),
    )
    if beat is not None:
        return _answer(*heartbeats.answer(asked, str(request.method), beat))
    if request.method in ("GET", "HEAD"):
        return _read(asked, rest)
    body = _body(request)
    if not rest:
        return _refused(405, {}, Allow="GET, POST")
    name, what = parser.named(rest)
    return _answer(202, verbs.perform(asked, str(request.method), name, what, body))


def _read(asked: Asked, rest: str) -> HttpResponse:
    if not rest:
        return _answer(200, reads.listed(asked))
    if rest == "count":
        return _answer(200, reads.counted(asked))
    if rest.startswith("requests/"):
        found = reads.request_status(asked, rest.removeprefix("requests/"))
        if found is None:
            text = "Request not found. It might not be processed, yet."
            return _refused(404, {}, text, X_Opsgenie_Errortype="RequestNotProcessed")
        return _answer(200, {"data": found})
    name, what = parser.named(rest)
    if not what:
        return _answer(200, reads.one(asked, name))
    if what in READS:
        return _answer(200, READS[what](asked, name))
    return _refused(404, {}, f"{what[:60]} is not served here.")


def _body(request: HttpRequest) -> dict[str, Any]:
    if not request.body.strip():
        return {}
    value = plain_json(request.body)
    if not isinstance(value, dict):
        raise ParseError(["the body must be an object"], kind="json")
    return value


def _address(root: str) -> URLPattern:
    return re_path(rf"^{root.strip('/')}(?:/[\s\S]*)?\Z", entry)


urlpatterns = [_address(root) for root in (*parser.ROOTS, *heartbeats.HEARTBEAT_ROOTS)]

__all__ = ["urlpatterns"]
