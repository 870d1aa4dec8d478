"""Pages of incidents: Now, the list, the room, and a form for every verb."""

from django.urls import path

from tocsin.incidents.pages import command, roles
from tocsin.incidents.pages.lists import incidents
from tocsin.incidents.pages.now import now
from tocsin.incidents.pages.room import room
from tocsin.incidents.pages.verbs import act, declare

urlpatterns = [
    path("", now, name="now"),
    path("incidents/", incidents, name="incidents"),
    path("incidents/declare/", declare, name="declare"),
    path("incidents/act/<slug:verb>/", act, name="act"),
    path("incidents/<int:incident_id>/", room, name="room"),
    *command.urlpatterns,
    *roles.urlpatterns,
]
