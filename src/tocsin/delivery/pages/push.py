"""Web push: what a browser says when it subscribes, and when it exchanges its subscription by itself.

Scripts and service workers ask here, so that the answers are short JSON with words for the person.
"""

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tocsin.delivery.actions import add_browser, renew_browser, send_test
from tocsin.delivery.rules import Subscription
from tocsin.platform.errors import Invalid, TocsinError
from tocsin.web.shortcuts import Request, signed_in


def _wrong(error: TocsinError) -> JsonResponse:
    text = "; ".join([error.message, *error.problems.values()])
    return JsonResponse({"message": text}, status=error.status)


@require_POST
@signed_in
def add(request: Request) -> JsonResponse:
    """Make this browser one of one's own contact methods, and send it a test, which it answers by itself."""
    field = request.POST.get
    subscription = Subscription(field("endpoint", ""), field("p256dh", ""), field("auth", ""), field("key", ""))
    replaces = field("replaces", "")
    try:
        method = add_browser(
            request.user.pk,
            subscription,
            field("label", "") or "A browser",
            actor=request.actor,
            replaces=int(replaces) if replaces.isascii() and replaces.isdigit() and len(replaces) < 19 else None,
        )
        send_test(method.pk, actor=request.actor)
    except TocsinError as error:
        return _wrong(error)
    return JsonResponse({"id": method.pk, "message": "A test is on its way to this browser."}, status=201)


@csrf_exempt  # a service worker has neither page nor session: the old subscription's secret is the permission
@require_POST
def renew(request: HttpRequest) -> JsonResponse:
    """The browser has exchanged its subscription for another."""
    try:
        data: Any = json.loads(request.body[:10_000])
        new = Subscription(*(str(data["new"][name]) for name in ("endpoint", "p256dh", "auth", "key")))
        method_id, old, auth = int(data["id"]), str(data["old"]), str(data["auth"])
        if not 0 < method_id < 2**63:
            raise ValueError("no id")
    except (ValueError, KeyError, TypeError):
        return _wrong(Invalid("This is no subscription."))
    try:
        renew_browser(method_id, old, auth, new)
    except TocsinError as error:
        return _wrong(error)
    return JsonResponse({"id": method_id})


urlpatterns: list[URLPattern] = [
    path("push/browsers/", add, name="push-add"),
    path("push/renew/", renew, name="push-renew"),
]
