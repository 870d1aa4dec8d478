"""Which address is whose page. Each room's pages stay in the room."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
