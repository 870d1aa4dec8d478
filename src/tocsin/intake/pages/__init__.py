"""Pages of intake: sources, what they heard, what was refused."""

from django.urls import URLPattern, path

from tocsin.intake.pages.editor import delete, edit, new, rotate, switch, test, try_out
from tocsin.intake.pages.refused import refused, refused_one
from tocsin.intake.pages.sources import source, sources

urlpatterns: list[URLPattern] = [
    path("sources/", sources, name="sources"),
    path("sources/new/", new, name="source-new"),
    path("sources/refused/", refused, name="refused"),
    path("sources/refused/<int:refusal_id>/", refused_one, name="refused-one"),
    path("sources/<int:source_id>/", source, name="source"),
    path("sources/<int:source_id>/edit/", edit, name="source-edit"),
    path("sources/<int:source_id>/test/", test, name="source-test"),
    path("sources/<int:source_id>/try/", try_out, name="source-try"),
    path("sources/<int:source_id>/switch/", switch, name="source-switch"),
    path("sources/<int:source_id>/key/", rotate, name="source-key"),
    path("sources/<int:source_id>/delete/", delete, name="source-delete"),
]
