"""The entry of Opsgenie's API: who asks, what is meant, and answers in its shape."""

import logging
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from tocsin.api.compatibility import Operation
from tocsin.api.limits import limiter
from tocsin.api.opsgenie import heartbeats, reads, verbs
from tocsin.api.opsgenie.asking import Asked
from tocsin.api.opsgenie.managing import Call
from tocsin.api.opsgenie.operations import operation_at
from tocsin.api.opsgenie.routes import ROUTES
from tocsin.intake import queries as intake
from tocsin.intake.contract import ParseError, plain_json
from tocsin.intake.sources.opsgenie import parser
from tocsin.people import queries as people
from tocsin.platform.actor import Actor
from tocsin.platform.errors import TocsinError

log = logging.getLogger("tocsin.api")

READS = {"notes": reads.notes, "logs": reads.logs}
PREFIX = "/opsgenie"
# below these stands what is configured; alerts and heartbeats have addresses of their own
MANAGED = (
    "/v1/incidents", "/v1/maintenance", "/v1/policies", "/v1/services", "/v2/account", "/v2/escalations",
    "/v2/forwarding-rules", "/v2/integrations", "/v2/policies", "/v2/roles", "/v2/schedules", "/v2/teams", "/v2/users",
)  # fmt: skip
WRONG_KEY = "an API token (tocsin_...) of a person who may; this is the key of a source, which sends alerts"


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
    """Everything of Opsgenie's addresses that is not the door's. Never a redirect, always JSON."""
    started = time.monotonic()
    response = _guarded(request)
    response["X-Response-Time"] = f"{time.monotonic() - started:.3f}"
    return response


def _guarded(request: HttpRequest) -> HttpResponse:
    try:
        return _served(request)
    except (OperationalError, InterfaceError):
        return _refused(503, {}, "The database is away. Please retry.", Retry_After="5")
    except ParseError as error:
        return _refused(error.status, parser.by_field(error.errors, error.kind))
    except TocsinError as error:
        headers = {"Retry_After": "1"} if error.status == 503 else {}
        return _refused(error.status, error.problems, error.message, **headers)
    except RequestDataTooBig:
        return _refused(413, {})
    except (DataError, ValueError) as error:
        log.info("opsgenie request refused: %s", type(error).__name__)
        return _refused(400, {"request": "a value cannot be stored or searched for"})


def _served(request: HttpRequest) -> HttpResponse:
    key = parser.key_in(request.headers.get("Authorization", "")) or ""
    person = people.authenticate_token(key) if key.startswith("tocsin_") else None
    source = intake.source_of_key(key, "opsgenie") if key and person is None else None
    if person is not None:
        asker = f"person:{person.id}"
    elif source is not None:
        asker = str(source.pk)
    else:
        return _refused(401, {})
    allowance = limiter.count(f"opsgenie:{asker}")
    if not allowance.allowed:
        return _refused(429, {}, Retry_After=str(allowance.reset_s), X_RateLimit_Reason="INTEGRATION")
    # the server has decoded the path once; Django's own is decoded again
    raw: bytes | None = request.scope.get("raw_path") if hasattr(request, "scope") else None
    path = raw.decode("utf-8", "replace") if raw else request.path
    path = path.removeprefix(request.META.get("SCRIPT_NAME") or "")
    if "\0" in path or "%00" in request.META.get("QUERY_STRING", ""):
        return _refused(400, {"request": "NUL characters cannot be stored or searched for"})
    rest = parser.below(path)
    if rest is not None:
        return _alerts(request, _asked(request, source, person), rest)
    beat = parser.below(path, heartbeats.HEARTBEAT_ROOTS)
    if person is not None:
        return _managed(request, person, f"/v2/heartbeats/{beat}" if beat is not None else path.removeprefix(PREFIX))
    if beat is not None:
        return _answer(*heartbeats.answer(_asked(request, source, None), str(request.method), beat))
    return _refused(403, {"Authorization": WRONG_KEY}, "Api request is not allowed with this key.")


def _unserved(operation: Operation | None, what: str) -> HttpResponse:
    note = operation.note if operation is not None else "it has no counterpart here"
    return _refused(404, {"operation": note}, f"{what[:60]} is not served here: {note}.")


def _asked(request: HttpRequest, source: intake.SourceRow | None, person: Actor | None) -> Asked:
    if source is None:
        actor = reader = person or Actor(kind="sender", id=None, name="")
    else:
        actor = Actor(kind="source", id=source.pk, name=source.name, role="responder")
        reader = Actor(kind="sender", id=None, name=source.name, role="observer")
    address = request.build_absolute_uri(request.path)
    return Asked(source=source, actor=actor, reader=reader, query=request.GET, address=address)


# -- alerts ------------------------------------------------------------------------------------------------------------


def _alerts(request: HttpRequest, asked: Asked, rest: str) -> HttpResponse:
    if rest == "saved-searches" or rest.startswith("saved-searches/"):
        return _unserved(operation_at(str(request.method), f"/v2/alerts/{rest}")[0], "saved-searches")
    if request.method in ("GET", "HEAD"):
        return _read(asked, rest)
    if not rest and request.method == "POST" and asked.source is None:
        return _answer(202, verbs.create(asked, request.body))
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
    operation, _, _ = operation_at("GET", f"/v2/alerts/x/{what}")
    return _unserved(operation, what)


# -- management --------------------------------------------------------------------------------------------------------


def _managed(request: HttpRequest, person: Actor, path: str) -> HttpResponse:
    method = "GET" if request.method == "HEAD" else str(request.method)
    if path.startswith("/v2/heartbeats/") and path.rstrip("/").endswith("/ping"):
        method = "GET"  # a ping is a ping, by whatever method
    operation, names, known = operation_at(method, path)
    if operation is None:
        return _refused(405 if known else 404, {}, **({"Allow": ", ".join(known)} if known else {}))
    handler = ROUTES.get((operation.method, operation.path))
    if handler is None:
        return _unserved(operation, operation.path)
    body = _body(request) if method in ("POST", "PUT", "PATCH") else {}
    call = Call(actor=person, query=request.GET, body=body, address=request.build_absolute_uri(request.path))
    return _answer(*handler(call, *names))


def _body(request: HttpRequest) -> dict[str, Any]:
    if not request.body.strip():
        return {}
    value = plain_json(request.body)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ParseError(["the body must be an object"], kind="json")
    return value


def _address(root: str) -> URLPattern:
    return re_path(rf"^{root.strip('/')}(?:/[\s\S]*)?\Z", entry)


urlpatterns = [_address(root) for root in (*parser.ROOTS, *heartbeats.HEARTBEAT_ROOTS, *MANAGED, PREFIX)]

__all__ = ["urlpatterns"]
