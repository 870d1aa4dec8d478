"""Pages of on call."""

from django.urls import URLPattern, path

from tocsin.oncall.pages.board import board, mine, schedule
from tocsin.oncall.pages.editor import delete, edit
from tocsin.oncall.pages.forms import end_override, override

urlpatterns: list[URLPattern] = [
    path("on-call/", board, name="on-call"),
    path("on-call/mine/", mine, name="my-shifts"),
    path("on-call/new/", edit, name="schedule-new"),
    path("on-call/<int:schedule_id>/edit/", edit, name="schedule-edit"),
    path("on-call/<int:schedule_id>/delete/", delete, name="schedule-delete"),
    path("on-call/<int:schedule_id>/", schedule, name="schedule"),
    path("on-call/<int:schedule_id>/override/", override, name="override"),
    path("on-call/overrides/<int:override_id>/end/", end_override, name="override-end"),
]
