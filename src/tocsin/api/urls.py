"""Addresses of the HTTP API."""

from tocsin.api import main
from tocsin.api.alertmanager import views as alertmanager
from tocsin.api.opsgenie import views as opsgenie
from tocsin.api.pagerduty import views as pagerduty

urlpatterns = [
    *main.urlpatterns,
    *opsgenie.urlpatterns,
    *alertmanager.urlpatterns,
    *pagerduty.urlpatterns,
]

__all__ = ["urlpatterns"]
