"""What makes the pages an app that can be installed: the manifest and the service worker.

Both stand at the root and keep their names over versions, so that browsers find the new ones; neither is kept by caches
without asking. Nothing is kept for use without network: an incident of yesterday shown as today's would be worse than
an honest error.
"""

import hashlib
import json
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from tocsin.web import assets

ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("maskable-512.png", "512x512", "maskable"),
)


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """The app as browsers and phones know it."""
    told = {
        "id": "/",
        "name": "Tocsin",
        "short_name": "Tocsin",
        "description": "Incidents: who is paged, who answers, what happens next.",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#14171d",
        "theme_color": "#3346b8",
        "icons": [
            {"src": assets.url(name), "sizes": sizes, "type": "image/png", "purpose": purpose}
            for name, sizes, purpose in ICONS
        ],
        "shortcuts": [
            {"name": "Incidents", "url": "/incidents/"},
            {"name": "Declare an incident", "url": "/incidents/declare/"},
        ],
    }
    return _answer(request, json.dumps(told), "application/manifest+json")


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker: it has to stand at the root to serve all pages. See ``frontend/js/sw.js``."""
    return _answer(request, _script(assets.path("sw.js").name), "text/javascript; charset=utf-8")


@lru_cache(maxsize=4)
def _script(name: str) -> str:
    return (assets.DIST / name).read_text()


def _answer(request: HttpRequest, text: str, kind: str) -> HttpResponse:
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
    known = request.headers.get("If-None-Match", "").removeprefix("W/") == tag
    response = HttpResponse(b"" if known else text, content_type=kind, status=304 if known else 200)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["ETag"] = tag
    return response


urlpatterns: list[URLPattern] = [
    path("manifest.webmanifest", manifest, name="manifest"),
    path("sw.js", worker, name="service-worker"),
]
