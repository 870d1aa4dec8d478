"""Addresses of the HTTP API."""

from tocsin.api.main import urlpatterns

__all__ = ["urlpatterns"]
