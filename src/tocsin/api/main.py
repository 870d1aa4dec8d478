"""The HTTP API: which room answers at which address."""

import json
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.parser import Parser

from tocsin import __version__
from tocsin.api import errors
from tocsin.api.auth import SessionAuth, TokenAuth
from tocsin.api.why import router as why
from tocsin.catalogue.api import router as catalogue
from tocsin.delivery.api import router as delivery
from tocsin.escalation.api import router as escalation
from tocsin.incidents.api import router as incidents
from tocsin.intake.api import router as intake
from tocsin.oncall.api import router as oncall
from tocsin.people.api import router as people
from tocsin.platform.errors import Invalid
from tocsin.triage.api import router as triage

DESCRIPTION = """\
Everything that the pages of Tocsin can do. Send `Authorization: Bearer <token>`; make a token with
`tocsin token create` or on your own page. Every error has the shape
`{"error": {"code", "message", "problems": {field: what would be right}}}`. Lists answer `{"items", "next"}`: give
`next` as `cursor` for more. `Idempotency-Key` on POST makes a request safe to repeat for 24 hours.
"""


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


api = NinjaAPI(
    title="Tocsin",
    version=__version__,
    description=DESCRIPTION,
    urls_namespace="api",
    auth=[TokenAuth(), SessionAuth()],
    parser=StrictParser(),
)
errors.install(api)
# escalation and delivery answer below /incidents/{ref}/ too, so they go before its {verb}
for router in (people, catalogue, intake, triage, escalation, delivery, incidents, oncall, why):
    api.add_router("", router)


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address below the API."""
    return errors.error_response(404)


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    re_path(r"^api/v1(?:/(?P<rest>.*))?$", nothing_here),
]
