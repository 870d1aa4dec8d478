"""The HTTP API: which room answers at which address."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

from tocsin import __version__
from tocsin.api import errors
from tocsin.api.auth import SessionAuth, TokenAuth
from tocsin.api.organisation import router as organisation
from tocsin.api.parsing import StrictParser
from tocsin.api.why import router as why
from tocsin.catalogue.api import router as catalogue
from tocsin.delivery.api import router as delivery
from tocsin.delivery.api_canary import router as canary
from tocsin.delivery.api_providers import router as providers
from tocsin.delivery.api_webhooks import router as webhooks
from tocsin.escalation.api import router as escalation
from tocsin.escalation.api_hands import router as hands
from tocsin.escalation.api_sweep import router as sweeps
from tocsin.incidents.api import router as incidents
from tocsin.incidents.api_command import router as command
from tocsin.intake.api import router as intake
from tocsin.oncall.api import router as oncall
from tocsin.oncall.api_calendars import router as calendars
from tocsin.oncall.api_exchange import router as exchange
from tocsin.oncall.api_load import router as load
from tocsin.oncall.api_rota import router as rota
from tocsin.people.api import router as people
from tocsin.triage.api import router as triage

DESCRIPTION = """\
Everything that the pages of Tocsin can do. Send `Authorization: Bearer <token>`; make a token with
`tocsin token create` or on your own page. Every error has the shape
`{"error": {"code", "message", "problems": {field: what would be right}}}`. Lists answer `{"items", "next"}`: give
`next` as `cursor` for more. `Idempotency-Key` on POST makes a request safe to repeat for 24 hours.
"""


class Api(NinjaAPI):
    """The API, whose description tells of errors too."""

    def get_openapi_schema(self, **options: Any) -> Any:
        """The OpenAPI description."""
        return errors.described(super().get_openapi_schema(**options))


api = Api(
    title="Tocsin",
    version=__version__,
    description=DESCRIPTION,
    urls_namespace="api",
    auth=[TokenAuth(), SessionAuth()],
    parser=StrictParser(),
)
errors.install(api)
# escalation and delivery answer below /incidents/{ref}/ too, so they go before its {verb}
for router in (
    people,
    catalogue,
    intake,
    triage,
    escalation,
    hands,
    sweeps,
    delivery,
    webhooks,
    providers,
    canary,
    command,
    incidents,
    oncall,
    exchange,
    rota,
    calendars,
    load,
    why,
    organisation,
):
    api.add_router("", router)
# what lies above the rooms is named in the project's settings
for name in settings.TOCSIN_API_ROUTERS:
    api.add_router("", import_string(name))


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address below the API."""
    return errors.error_response(404)


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    re_path(r"^api/v1(?:/(?P<rest>.*))?$", nothing_here),
]
