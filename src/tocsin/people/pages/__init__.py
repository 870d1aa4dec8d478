"""Pages about people: who is here, how they are reached, what they may do, and how they come in."""

from django.urls import URLPattern

from tocsin.people.pages import sign_in

urlpatterns: list[URLPattern] = [*sign_in.urlpatterns]
