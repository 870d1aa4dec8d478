"""Addresses of the HTTP API."""

from tocsin.api import main
from tocsin.api.opsgenie import views as opsgenie

urlpatterns = [*main.urlpatterns, *opsgenie.urlpatterns]

__all__ = ["urlpatterns"]
