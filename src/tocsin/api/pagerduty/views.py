"""The entry of PagerDuty's REST API: who asks and in whose name, the limits, and answers in its shape."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from tocsin.api.limits import Allowance, limiter
from tocsin.api.pagerduty import errors, routes
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.intake.contract import ParseError, plain_json
from tocsin.people import queries as people
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound, TocsinError

log = logging.getLogger("tocsin.api")

PREFIX = "/pd"
VENDOR = "application/vnd.pagerduty+json"
Handler = Callable[[HttpRequest], HttpResponse]


def key_in(header: str) -> str:
    """The key of ``Token token=K``, ``Token token="K"`` or ``Bearer K``; empty when there is none."""
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "token" and rest.lower().startswith("token="):
        return rest[6:].strip().strip('"')
    return rest if scheme.lower() == "bearer" else ""


def meant(request: HttpRequest) -> bool:
    """Whether a request at the root is for this API: one of its paths, with one of our keys or PagerDuty's media type.

    Browsers send none of these, so Tocsin's own pages at the same addresses stay where they are; also behind a proxy
    that signs people in and adds a bearer token of its own.
    """
    if request.path_info.strip("/").split("/")[0] not in routes.first_words():
        return False
    header = request.headers.get("Authorization", "")
    if header.strip().partition(" ")[0].lower() == "token" or VENDOR in request.headers.get("Accept", ""):
        return True
    return key_in(header).startswith("tocsin_")


class PagerDutyMiddleware:
    """Lets clients that know only a host speak to this API at the root."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if meant(request):
            request.urlconf = "tocsin.api.pagerduty.at_root"
        return self.get_response(request)


@csrf_exempt
def entry(request: HttpRequest, path: str = "") -> HttpResponse:
    """Every address of the API. Never a redirect, always JSON."""
    allowance: list[Allowance] = []
    try:
        answer = _served(request, path, allowance)
        if answer.body is None:
            response = HttpResponse(status=answer.status)
            response.headers.pop("Content-Type", None)
        else:
            response = JsonResponse(answer.body, status=answer.status, safe=False)
    except Refused as error:
        response = _refused(error)
    except TocsinError as error:
        response = _refused(errors.refused(error))
    except ParseError as error:
        response = _refused(Refused(400, error.errors))
    except RequestDataTooBig:
        response = _refused(Refused(413))
    except (OperationalError, InterfaceError):
        response = _refused(Refused(503, ["The database is away. Please retry."], message="Service Unavailable"))
        response["Retry-After"] = "5"
    except (DataError, ValueError, OverflowError) as error:
        log.info("request of PagerDuty's form refused: %s", type(error).__name__)
        response = _refused(Refused(400, ["A value cannot be stored or searched for"]))
    for left in allowance:
        response["ratelimit-limit"] = str(left.limit)
        response["ratelimit-remaining"] = str(left.remaining)
        response["ratelimit-reset"] = str(left.reset_s)
        if not left.allowed:
            response["Retry-After"] = str(left.reset_s)
    response["Cache-Control"] = "no-store"
    return response


def _refused(error: Refused) -> HttpResponse:
    return JsonResponse(errors.body(error), status=error.status)


def _served(request: HttpRequest, path: str, allowance: list[Allowance]) -> Answer:
    key = key_in(request.headers.get("Authorization", ""))
    actor = people.authenticate_token(key) if key else None
    if actor is None:
        raise Refused(401)
    allowance.append(limiter.count(f"pagerduty:{actor.id}:{key}"))
    if not allowance[0].allowed:
        raise Refused(429)
    if "\0" in path or "%00" in request.META.get("QUERY_STRING", ""):
        raise Refused(400, ["NUL characters cannot be stored or searched for"])
    found = routes.find(str(request.method), path)
    if found is None:
        raise Refused(404)
    if found.handler is None:
        raise Refused(405, [f"Allowed here: {', '.join(found.allowed)}"])
    name = request.headers.get("From", "").strip()
    pages = request.build_absolute_uri("/").rstrip("/") + request.META.get("SCRIPT_NAME", "").rstrip("/")
    asked = Asked(
        actor=_in_name_of(actor, name),
        method=str(request.method),
        query=request.GET,
        base=pages if getattr(request, "urlconf", None) else pages + PREFIX,
        pages=pages,
        body=_body(request),
        said_from=bool(name),
    )
    return found.handler(asked, *found.values)


def _in_name_of(actor: Actor, address: str) -> Actor:
    """Who acts: an administrator's key acts for the person in ``From``, as an account's key does; others for theirs.

    The other person's rights count then, narrowed to the key's scopes. Raises Refused (1008).
    """
    if not address:
        return actor
    try:
        person = people.user(actor, address) if "@" in address else None
    except NotFound:
        person = None
    if person is None or not person.is_active:
        raise Refused(400, ["Requester User Not Found"], code=1008, message="Requester User Not Found")
    narrowed = actor.scopes is not None and "admin" not in actor.scopes
    if person.pk == actor.user_id or actor.role != "admin" or narrowed:
        return actor
    return people.actor_of(person, kind="token", scopes=actor.scopes)


def _body(request: HttpRequest) -> dict[str, Any]:
    if request.method in ("GET", "HEAD") or not request.body.strip():
        return {}
    value = plain_json(request.body)
    if not isinstance(value, dict):
        raise Refused(400, ["The body must be a JSON object"])
    return value


urlpatterns = [re_path(r"^pd(?:/(?P<path>[\s\S]*))?\Z", entry)]

__all__ = ["urlpatterns"]
