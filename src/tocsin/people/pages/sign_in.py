"""Coming in and going out: sign-in by password (django-allauth), by a one-time link, sign-out."""

from typing import Any

from allauth.account.views import LoginView
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tocsin.people.actions.sign_in import use_link
from tocsin.platform.errors import TocsinError
from tocsin.web.shortcuts import back_to, page

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class SignIn(LoginView):  # type: ignore[misc]  # allauth ships no types
    """django-allauth's sign-in, with its throttling and second factor, on a page of ours."""

    template_name = "people/sign_in.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**more)
        form = context["form"]
        form.fields["login"].label = "E-mail address"
        form.fields["password"].help_text = ""
        for field in form.fields.values():
            field.widget.attrs.pop("placeholder", None)
        return context | {"title": "Sign in", "next": back_to(self.request, "")}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget who this is. GET asks first, because a link must not sign anybody out."""
    if request.method == "POST":
        logout(request)
        return HttpResponseRedirect("/sign-in/", status=303)
    return page(request, "people/sign_out.html", {"title": "Sign out"})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time sign-in link. Only the button uses it up: link scanners and chat previews fetch addresses."""
    if request.method != "POST":
        return page(request, "people/sign_in_link.html", {"title": "Sign in"})
    try:
        user = use_link(token)
    except TocsinError as error:
        return page(request, "people/sign_in_link.html", {"title": "Sign in", "problem": error.message}, error.status)
    login(request, user, backend=BACKEND)
    return HttpResponseRedirect(back_to(request, "/"), status=303)


urlpatterns: list[URLPattern] = [
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-in/link/<str:token>/", by_link, name="sign-in-link"),
    path("sign-out/", sign_out, name="sign-out"),
]
