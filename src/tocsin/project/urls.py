"""Which address is whose page. Each room's pages stay in the room."""

from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from tocsin.project import health
from tocsin.project.history import pages as history
from tocsin.project.importing import pages as importing
from tocsin.web import install, organisation, welcome

ROOMS = ["web", "incidents", "triage", "oncall", "escalation", "catalogue", "intake", "people", "delivery"]

urlpatterns: list[URLPattern | URLResolver] = [path("account/", include("allauth.urls")), *health.urlpatterns]
urlpatterns += [*organisation.urlpatterns, *welcome.urlpatterns, *install.urlpatterns]
urlpatterns += [*history.urlpatterns, *importing.urlpatterns]
for room in ROOMS:
    if find_spec(f"tocsin.{room}.pages"):
        urlpatterns += import_module(f"tocsin.{room}.pages").urlpatterns
if find_spec("tocsin.api.urls"):
    urlpatterns += import_module("tocsin.api.urls").urlpatterns

handler400 = "tocsin.web.pages.bad_request"
handler403 = "tocsin.web.pages.forbidden"
handler404 = "tocsin.web.pages.not_found"
