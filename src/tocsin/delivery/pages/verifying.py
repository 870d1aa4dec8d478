"""Verifying a contact method: have a code sent, type it, or follow the link that came with it."""

from datetime import datetime

from django import forms
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from tocsin.delivery import queries
from tocsin.delivery.actions.verifying import send_code
from tocsin.people.actions import verifying
from tocsin.people.models import ContactMethod
from tocsin.people.rules import require_edit_person
from tocsin.platform import secrets
from tocsin.platform.errors import NotFound, TocsinError
from tocsin.web.shortcuts import Request, attempt, done, page, signed_in


class CodeForm(forms.Form):
    """Six digits."""

    code = forms.CharField(
        max_length=20,
        label="Code",
        help_text="The six digits of the message.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}),
    )


def _method(method_id: int) -> ContactMethod:
    method = ContactMethod.objects.select_related("user").filter(pk=method_id).first()
    if method is None:
        raise NotFound("There is no such contact method any more.")
    return method


@require_http_methods(["GET", "POST"])
@signed_in
def verify(request: Request, method_id: int) -> HttpResponse:
    """``do=send`` sends a code; without it the code is checked."""
    method = _method(method_id)
    require_edit_person(request.actor, method.user_id)
    home = "/settings/you/" if method.user_id == request.user.pk else f"/people/{method.user_id}/"
    if request.method == "POST" and request.POST.get("do") == "send":
        send_code(method.pk, actor=request.actor)
        return done(request, f"/contact-methods/{method.pk}/verify/", "A code is on its way.")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        kept = attempt(form, lambda: verifying.confirm(method.pk, form.cleaned_data["code"], actor=request.actor))
        if kept:
            return done(request, home, "It is verified: Tocsin reaches you there.")
    channel = queries.channels().get(method.channel)
    return page(
        request,
        "delivery/verify.html",
        {
            "title": "Verify a contact method",
            "form": form,
            "method": method,
            "channel": channel.descriptor if channel else None,
            "minutes": int(verifying.LASTS.total_seconds() // 60),
            "cancel": home,
        },
        422 if form.errors else 200,
    )


@never_cache
@csrf_exempt  # the signed token is the permission, and mail programs open pages without cookies
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """What the link in the message leads to; only the button confirms, because mail scanners follow links.

    A service worker that asks for JSON hears the same in a sentence.
    """
    script = request.headers.get("Accept") == "application/json"
    try:
        value = secrets.unsign(token, "verify", max_age_s=int(verifying.LAPSES_AFTER.total_seconds()))
        if not isinstance(value, dict):
            raise BadSignature("it is no link of ours")
        method = _method(int(value["m"]))
        if request.method == "POST":
            verifying.confirm_by_link(method.pk, made_at=datetime.fromisoformat(value["at"]))
        shown = {"method": method, "done": request.method == "POST"}
    except BadSignature:
        return _refused(request, "This link is broken, or older than a week. Have a new one sent.", 422, script)
    except TocsinError as error:
        return _refused(request, error.message, error.status, script)
    if script and shown["done"]:
        return JsonResponse({"message": "Thank you. This contact method is verified."})
    return page(request, "delivery/confirm.html", {"title": "Does this reach you?", **shown})


def _refused(request: HttpRequest, problem: str, status: int, script: bool) -> HttpResponse:
    if script:
        return JsonResponse({"message": problem}, status=status)
    return page(request, "delivery/confirm.html", {"title": "Link", "problem": problem}, status=status)


urlpatterns: list[URLPattern] = [
    path("contact-methods/<int:method_id>/verify/", verify, name="contact-method-verify"),
    path("v/<str:token>", confirm, name="contact-method-confirm"),
]
