"""Addresses of the HTTP API."""

from tocsin.api import main
from tocsin.api.alertmanager import views as alertmanager
from tocsin.api.opsgenie import views as opsgenie

urlpatterns = [*main.urlpatterns, *opsgenie.urlpatterns, *alertmanager.urlpatterns]

__all__ = ["urlpatterns"]
