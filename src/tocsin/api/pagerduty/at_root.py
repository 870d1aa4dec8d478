"""Addresses for requests at the root that are meant for PagerDuty's API: every one is this API's."""

from django.urls import re_path

from tocsin.api.pagerduty.views import entry

urlpatterns = [re_path(r"^(?P<path>[\s\S]*)\Z", entry)]
