"""The entry of Alertmanager's API v2: addresses, who asks, and answers in its shapes."""

import logging
import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from tocsin.api.alertmanager import reading, silencing
from tocsin.api.alertmanager.asking import KIND, Asked, Refused, asked
from tocsin.api.limits import limiter
from tocsin.intake.contract import ParseError
from tocsin.intake.kinds import kind_of
from tocsin.intake.sources.alertmanager_api import parser
from tocsin.platform.errors import TocsinError

log = logging.getLogger("tocsin.api")

READS: dict[str, Callable[[Asked], Any]] = {
    "alerts": reading.alerts,
    "alerts/groups": reading.groups,
    "receivers": reading.receivers,
    "silences": silencing.listed,
    "status": reading.status,
}
SERVED = {"alerts": ("GET", "POST"), "silences": ("GET", "POST"), "silence/": ("DELETE", "GET")}


def _answer(status: int, body: Any = None, **headers: str) -> HttpResponse:
    """An answer; None: without a body."""
    response = HttpResponse(status=status) if body is None else JsonResponse(body, status=status, safe=False)
    if body is None:
        del response["Content-Type"]
    response["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def _refused(status: int, message: str, **headers: str) -> HttpResponse:
    return _answer(status, {"code": status, "message": message}, **headers)


@csrf_exempt
def entry(request: HttpRequest, rest: str = "", key: str = "") -> HttpResponse:
    """Everything below ``api/v2/`` that is not the door's. Never a redirect; errors are JSON."""
    try:
        return _served(request, rest.strip("/"), key)
    except Refused as refused:
        return _answer(refused.status, refused.body)
    except (OperationalError, InterfaceError):
        return _refused(503, "the database is away; please retry", Retry_After="5")
    except ParseError as error:
        return _refused(error.status, "; ".join(error.errors))
    except RequestDataTooBig:
        return _refused(413, "the body is too large")
    except TocsinError as error:
        return _refused(error.status, error.message)
    except (DataError, ValueError) as error:
        log.info("alertmanager request refused: %s", type(error).__name__)
        return _refused(400, "a value cannot be stored or searched for")


def _served(request: HttpRequest, rest: str, key: str) -> HttpResponse:
    who = asked(request, key)
    if who is None:
        text = "neither a source of this kind nor a token has this key"
        return _refused(401, text, WWW_Authenticate='Basic realm="tocsin"')
    allowance = limiter.count(f"alertmanager:{who.actor.kind}:{who.actor.id}")
    if not allowance.allowed:
        return _refused(429, "too many requests", Retry_After=str(allowance.reset_s))
    if "\0" in rest or "%00" in request.META.get("QUERY_STRING", ""):
        return _refused(400, "NUL characters cannot be stored or searched for")
    method = "GET" if request.method == "HEAD" else str(request.method)
    place, _, name = rest.partition("/")
    if place == "silence" and name and "/" not in name:
        if method == "GET":
            return _answer(200, silencing.one(who, name))
        if method == "DELETE":
            silencing.ended(who, name)
            return _answer(200)
        return _not_allowed(method, SERVED["silence/"])
    if rest not in READS:
        return _refused(404, f"path {request.path[:200]} was not found")
    if rest == "silences" and method == "POST":
        return _answer(200, silencing.made(who, request.body))
    if method != "GET":
        return _not_allowed(method, SERVED.get(rest, ("GET",)))
    return _answer(200, READS[rest](who))


def _not_allowed(method: str, served: tuple[str, ...]) -> HttpResponse:
    return _refused(405, f"method {method} is not allowed, but [{','.join(served)}] are", Allow=", ".join(served))


def _addresses() -> list[URLPattern]:
    """At the root, below ``/alertmanager``, and behind the key of a source."""
    kind = kind_of(KIND)
    names = "|".join(re.escape(name) for name in (kind.kind, *kind.aliases)) if kind else KIND
    roots = [root.strip("/") for root in parser.ROOTS]
    below_key = rf"^in/(?:{names})/(?P<key>[^/]+)/api/v2/(?P<rest>[\s\S]*)\Z"
    return [*(re_path(rf"^{root}/(?P<rest>[\s\S]*)\Z", entry) for root in roots), re_path(below_key, entry)]


urlpatterns = _addresses()

__all__ = ["urlpatterns"]
