"""API tokens: one's own, and everybody's for administrators. A token is shown once, when it is made."""

from typing import Any, cast

from django import forms
from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.people import actions, queries
from tocsin.people.rules import SCOPES, Deed, may
from tocsin.web.context import now
from tocsin.web.fields import choice
from tocsin.web.shortcuts import Request, attempt, done, ids_of, page, signed_in

DAYS = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "until it is revoked")]
SCOPE_WORDS = {
    "read": "read everything",
    "respond": "work on incidents, put people on call",
    "configure": "change services, sources, schedules, policies",
    "admin": "change people and the organisation's settings",
}


class TokenForm(forms.Form):
    """What a token is for, what it may do, how long it lives."""

    name = forms.CharField(max_length=100, help_text="What will use it.")
    user = forms.ChoiceField(label="Acts for")
    scopes = forms.MultipleChoiceField(
        label="May",
        widget=forms.CheckboxSelectMultiple,
        choices=[(name, f"{name}: {SCOPE_WORDS[name]}") for name in SCOPES],
        initial=["read", "respond"],
        help_text="Never more than the person's role allows.",
    )
    days = forms.ChoiceField(required=False, choices=DAYS, initial="90", label="Lives for")


@never_cache
@require_http_methods(["GET", "POST"])
@signed_in
def tokens(request: Request) -> HttpResponse:
    """The tokens there are, and a form for a new one."""
    administer = may(request.actor, Deed.ADMINISTER)
    form = TokenForm(
        request.POST or None, initial={"user": request.user.pk, "scopes": ["read", "respond"], "days": "90"}
    )
    people = queries.users(request.actor, active=True) if administer else [request.user]
    cast(forms.ChoiceField, form.fields["user"]).choices = choice((one.pk, one.name) for one in people)
    made: Any = None
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form,
            lambda: actions.create_token(
                int(data["user"]),
                name=data["name"],
                scopes=data["scopes"],
                days=int(data["days"]) if data["days"] else None,
                actor=request.actor,
            ),
        )
    return page(
        request,
        "people/tokens.html",
        {
            "title": "API tokens",
            "form": form,
            "tokens": queries.tokens(request.actor)[:200],
            "now": now(request),
            "made": made[0] if made else None,
            "secret": made[1] if made else "",
            "administer": administer,
        },
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def revoke(request: Request) -> HttpResponse:
    """Make a token worthless."""
    actions.revoke_tokens(ids_of(request), actor=request.actor)
    return done(request, "/settings/tokens/", "The token does not work any more.")
