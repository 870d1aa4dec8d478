"""Pages of triage: the stream of alerts, one alert with its signals, and the reason chain of everything."""

from django.urls import path

from tocsin.triage.pages import settings
from tocsin.triage.pages.alerts import alert, alerts, signals
from tocsin.triage.pages.why import why

urlpatterns = [
    *settings.urlpatterns,
    path("alerts/", alerts, name="alerts"),
    path("alerts/<int:alert_id>/", alert, name="alert"),
    path("signals/", signals, name="signals"),
    path("why/<slug:kind>/<int:number>/", why, name="why"),
]
