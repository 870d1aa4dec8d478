"""The canary: how it goes, and how it is set."""

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from tocsin.delivery import canaries
from tocsin.delivery.actions.canaries import save_canary
from tocsin.delivery.models import Webhook
from tocsin.people.rules import Deed, may, require
from tocsin.web.fields import choice, set_choices
from tocsin.web.shortcuts import Request, attempt, done, page, signed_in


class CanaryForm(forms.Form):
    """When canaries set out, and where they go."""

    enabled = forms.BooleanField(required=False, label="Canaries are sent")
    every_minutes = forms.IntegerField(
        min_value=canaries.EVERY_MINUTES[0], max_value=canaries.EVERY_MINUTES[1], label="Every, minutes"
    )
    late_after_s = forms.IntegerField(
        min_value=canaries.LATE_AFTER_S[0],
        max_value=canaries.LATE_AFTER_S[1],
        label="Late after, seconds",
        help_text="Administrators are told of one that has not arrived by then.",
    )
    webhook = forms.ChoiceField(
        required=False,
        label="They go to",
        help_text="With a webhook of your own the way out is proven too, not only the way to it.",
    )
    door = forms.BooleanField(
        required=False,
        label="They come in by HTTP, at this installation's address",
        help_text="Proves the proxy, the certificate and the door as well. Engines must reach that address.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request) -> HttpResponse:
    """How canaries go; administrators set them."""
    require(request.actor, Deed.READ)
    may_edit = may(request.actor, Deed.ADMINISTER)
    set_to = canaries.config()
    form = CanaryForm(request.POST if request.method == "POST" else None, initial=set_to.to_json())
    webhooks = Webhook.objects.order_by("name")
    set_choices(form, "webhook", choice(((row.pk, row.name) for row in webhooks), "nowhere: arriving is enough"))
    if request.method == "POST":
        require(request.actor, Deed.ADMINISTER)
        if form.is_valid():
            data = form.cleaned_data
            wanted = canaries.Config(
                enabled=data["enabled"],
                every_minutes=data["every_minutes"],
                late_after_s=data["late_after_s"],
                webhook=int(data["webhook"]) if data["webhook"] else None,
                door=data["door"],
            )
            if attempt(form, lambda: save_canary(wanted, actor=request.actor)):
                return done(request, "/settings/canary/", "The canary is set.")
    return page(
        request,
        "delivery/canary.html",
        {
            "title": "Canary",
            "form": form,
            "may_edit": may_edit,
            "canary": canaries.status(),
            "set_to": set_to,
            "cancel": "/settings/health/",
        },
        422 if form.errors else 200,
    )


urlpatterns: list[URLPattern] = [path("settings/canary/", edit, name="canary")]
