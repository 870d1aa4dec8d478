"""The shell's own pages: search and the command palette, the live stream, the theme, errors."""

from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import require_POST, require_safe

from tocsin.catalogue.models import Service
from tocsin.incidents.models import OPEN_STATES, Incident
from tocsin.incidents.queries import numbered, readable
from tocsin.people.models import User
from tocsin.platform.actor import Actor
from tocsin.web import live, saved
from tocsin.web.context import PLACES, THEMES
from tocsin.web.shortcuts import Request, back_to, page, signed_in

MOST = 8  # hits of a kind


@dataclass(frozen=True)
class Hit:
    """Something found: where it is, what to show."""

    href: str
    text: str
    icon: str
    extra: str = ""


@require_safe
@signed_in
def search(request: Request) -> HttpResponse:
    """Incidents, services, people and pages by a word or a number; a page, or the palette's list for a script."""
    text = request.GET.get("q", "").strip()[:200].replace("\x00", "")
    groups = [(title, hits) for title, hits in _find(request.actor, text) if hits]
    if request.headers.get("X-Part") == "hits":
        return page(request, "web/parts/hits.html", {"groups": groups, "q": text})
    return page(request, "web/search.html", {"title": "Search", "groups": groups, "q": text})


def _find(actor: Actor, text: str) -> list[tuple[str, list[Hit]]]:
    places = [
        *((item.href, item.text, item.icon) for item in PLACES),
        ("/incidents/declare/", "Declare an incident", "siren"),
        ("/settings/you/", "Your contact methods and notification rules", "bell-ring"),
        ("/pocket/", "Pocket phone", "smartphone"),
    ]
    wanted = text.lower()
    found = [Hit(href, name, icon) for href, name, icon in places if wanted in name.lower()]
    incidents = Incident.objects.select_related("service").filter(readable(actor))
    number = wanted.removeprefix("inc-").removeprefix("inc").strip()
    if number.isascii() and number.isdigit() and len(number) < 19:
        incidents = incidents.filter(Q(pk=int(number)) | Q(title__icontains=text) | numbered(text))
    elif text:
        incidents = incidents.filter(Q(title__icontains=text) | numbered(text))
    else:
        incidents = incidents.filter(state__in=OPEN_STATES)
    hits = [
        Hit(
            f"/incidents/{one.pk}/",
            f"INC-{one.pk} {one.title}",
            "flame",
            f"{one.priority} {one.state}{', confidential' if one.confidential else ''}"
            f"{', imported' if one.imported else ''}",
        )
        for one in incidents.order_by("-id")[:MOST]
    ]
    groups = [("Pages", found[:12]), ("Incidents" if text else "Open incidents", hits)]
    if text:
        services = Service.objects.filter(Q(name__icontains=text) | Q(slug__icontains=text))[:MOST]
        people = User.objects.filter(Q(name__icontains=text) | Q(email__icontains=text), is_active=True)[:MOST]
        groups.append(("Services", [Hit(f"/services/{one.pk}/", one.name, "boxes") for one in services]))
        groups.append(("People", [Hit(f"/people/{one.pk}/", one.name, "user", one.email) for one in people]))
        groups.sort(key=lambda group: group[0] == "Pages" and not group[1])
    return groups


async def stream(request: HttpRequest) -> HttpResponseBase:
    """``/live/``: server-sent events ``event: incident``, ``data: {"id": 12, "version": 17}``; for who is signed in."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse("Sign in first.", status=401, content_type="text/plain")
    response = StreamingHttpResponse(live.stream(), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@require_POST
@signed_in
def theme(request: Request) -> HttpResponse:
    """Remember the colours that a person chose."""
    wanted = request.POST.get("theme", "")
    if wanted in {value for value, _, _ in THEMES}:
        request.user.theme = wanted
        request.user.save(update_fields=["theme"])
    return HttpResponseRedirect(back_to(request, "/"), status=303)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "Not found", "There is nothing at this address. It may have been removed, or mistyped.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, "You may not do this", "Ask an administrator for the role that may.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 400, "Something is not right", "This request makes no sense to Tocsin.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was older than the sign-in, or came from elsewhere."""
    return _error(
        request,
        403,
        "Please send that again",
        "This form was opened before you signed in. Go back, reload, send it again.",
    )


def _error(request: HttpRequest, status: int, title: str, message: str) -> HttpResponse:
    known = getattr(getattr(request, "user", None), "is_authenticated", False)
    template = "web/trouble.html" if known else "web/trouble_lone.html"
    return page(request, template, {"title": title, "message": message}, status=status)


urlpatterns = [
    path("search/", search, name="search"),
    path("live/", stream, name="live"),
    path("theme/", theme, name="theme"),
    path("views/", saved.save, name="views"),
]
