"""Webhooks: the list, the form, the test."""

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.delivery import queries, webhooks
from tocsin.delivery.actions.webhooks import called_by, delete_webhooks, save_webhook, send_test_to
from tocsin.delivery.channels.webhook.channel import FORMATS
from tocsin.delivery.models import Webhook
from tocsin.delivery.rules import WEBHOOK, WebhookSpec
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden
from tocsin.web.fields import choice, set_choices
from tocsin.web.shortcuts import Request, attempt, done, export, page, signed_in

STORED = {"secret": "the signing secret", "authorization": "the authorization header"}


class WebhookForm(forms.Form):
    """An address, and what proves that it is us who calls."""

    name = forms.CharField(max_length=120, help_text="As policies show it.")
    team = forms.ChoiceField(required=False, help_text="Its managers may change the webhook.")
    url = forms.CharField(max_length=1000, label="Address", help_text="Where to POST to.")
    format = forms.ChoiceField(
        required=False, label="Shape", choices=FORMATS, help_text="What the receiver understands."
    )
    secret = forms.CharField(
        max_length=200,
        required=False,
        label="Signing secret",
        help_text="Signs every body; the receiver checks X-PagerDuty-Signature.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
    )
    authorization = forms.CharField(
        max_length=500,
        required=False,
        label="Authorization header",
        help_text="Sent as it is, for example: Bearer abc.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
    )
    forget = forms.MultipleChoiceField(
        required=False,
        label="Forget what is stored",
        widget=forms.CheckboxSelectMultiple,
    )
    enabled = forms.BooleanField(required=False, initial=True, label="It is called")


@require_GET
@signed_in
def listed(request: Request) -> HttpResponse:
    """All webhooks, and the policies that call them."""
    rows = list(webhooks.webhooks(request.actor))
    columns = [
        ("name", lambda row: row.name),
        ("slug", lambda row: row.slug),
        ("team", lambda row: row.team.name if row.team else ""),
        ("enabled", lambda row: row.enabled),
    ]
    if answer := export(request, "webhooks", columns, rows):
        return answer
    return page(
        request,
        "delivery/webhooks.html",
        {
            "title": "Webhooks",
            "lines": [(row, queries.masked(WEBHOOK, row.url), called_by(row.pk)) for row in rows],
            "may_configure": may(request.actor, Deed.CONFIGURE) or bool(request.actor.managed),
        },
    )


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, webhook_id: int = 0) -> HttpResponse:
    """Make a webhook, or change one."""
    row = webhooks.webhook(request.actor, webhook_id) if webhook_id else None
    if row is not None:
        require(request.actor, Deed.CONFIGURE, row.team_id)
    elif not (may(request.actor, Deed.CONFIGURE) or request.actor.managed):
        raise Forbidden("Only managers and administrators may make a webhook.")
    initial = (
        {
            "name": row.name,
            "team": row.team.slug if row.team else "",
            "url": row.url,
            "enabled": row.enabled,
            "format": row.format,
        }
        if row
        else {}
    )
    form = _form(request, row, initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        spec = WebhookSpec(
            name=data["name"],
            url=data["url"],
            slug=row.slug if row else "",
            team=data["team"],
            secret=data["secret"] or ("" if "secret" in data["forget"] else None),
            authorization=data["authorization"] or ("" if "authorization" in data["forget"] else None),
            enabled=data["enabled"],
            format=data["format"] or FORMATS[0][0],
        )
        kept = attempt(form, lambda: save_webhook(spec, actor=request.actor, id=row.pk if row else None))
        if kept:
            return done(request, "/settings/webhooks/", f"{kept.name} is kept.")
    return page(
        request,
        "delivery/webhook.html",
        {
            "title": f"Edit {row.name}" if row else "New webhook",
            "form": form,
            "webhook": row,
            "called_by": called_by(row.pk) if row else [],
            "cancel": "/settings/webhooks/",
        },
        422 if form.errors else 200,
    )


def _form(request: Request, row: Webhook | None, initial: dict[str, object]) -> WebhookForm:
    form = WebhookForm(request.POST if request.method == "POST" else None, initial=initial)
    teams = [one for one in people.teams(request.actor) if may(request.actor, Deed.CONFIGURE, one.pk)]
    set_choices(form, "team", choice(((one.slug, one.name) for one in teams), "no team"))
    stored = [name for name in STORED if row is not None and getattr(row, name)]
    for name in stored:
        form.fields[name].help_text = f"{form.fields[name].help_text} One is stored; leave this empty to keep it."
    set_choices(form, "forget", [(name, STORED[name]) for name in stored])
    return form


@require_POST
@signed_in
def test(request: Request, webhook_id: int) -> HttpResponse:
    """Send a test, and show what comes of it."""
    delivery_id = send_test_to(webhook_id, actor=request.actor)
    return done(request, f"/messages/{delivery_id}/", "The test is on its way.")


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, webhook_id: int) -> HttpResponse:
    """Remove a webhook that no policy calls."""
    row = webhooks.webhook(request.actor, webhook_id)
    require(request.actor, Deed.CONFIGURE, row.team_id)
    if request.method == "POST":
        delete_webhooks([row.pk], actor=request.actor)
        return done(request, "/settings/webhooks/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "text": "A webhook that a policy calls cannot be removed.",
            "button": "Remove the webhook",
            "cancel": "/settings/webhooks/",
        },
    )


urlpatterns: list[URLPattern] = [
    path("settings/webhooks/", listed, name="webhooks"),
    path("settings/webhooks/new/", edit, name="webhook-new"),
    path("settings/webhooks/<int:webhook_id>/", edit, name="webhook"),
    path("settings/webhooks/<int:webhook_id>/test/", test, name="webhook-test"),
    path("settings/webhooks/<int:webhook_id>/delete/", delete, name="webhook-delete"),
]
