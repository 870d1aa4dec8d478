"""Pages of the catalogue: services, what they need and what needs them."""

from django.urls import URLPattern, path

from tocsin.catalogue.pages.editor import delete, edit, switch
from tocsin.catalogue.pages.services import service, services

urlpatterns: list[URLPattern] = [
    path("services/", services, name="services"),
    path("services/new/", edit, name="service-new"),
    path("services/<int:service_id>/", service, name="service"),
    path("services/<int:service_id>/edit/", edit, name="service-edit"),
    path("services/<int:service_id>/delete/", delete, name="service-delete"),
    path("services/<int:service_id>/switch/", switch, name="service-switch"),
]
