"""Providers: the list and how each goes, the form that its kind describes, the test."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.delivery import provider_queries
from tocsin.delivery.actions.providers import delete_providers, save_provider, send_test_through
from tocsin.delivery.carrier import callback_path
from tocsin.delivery.models import Provider
from tocsin.delivery.provider_contract import Descriptor
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.people.rules import Deed, require
from tocsin.platform.errors import NotFound, TocsinError
from tocsin.web.fields import form_field
from tocsin.web.markdown import to_html
from tocsin.web.shortcuts import Request, blame, done, export, page, signed_in

HOME = "/settings/providers/"


class ProviderForm(forms.Form):
    """Name, order and countries, and what the kind asks for (``config-``)."""

    name = forms.CharField(max_length=120, help_text="As attempts name it.")
    position = forms.IntegerField(
        min_value=0, max_value=1000, initial=0, label="Order", help_text="The lowest is asked first."
    )
    countries = forms.CharField(
        max_length=500,
        required=False,
        help_text="Dialling prefixes that it serves, such as +41 +49; empty: all numbers.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="It is used")

    def __init__(self, *args: Any, descriptor: Descriptor, kept_secret: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        self.descriptor = descriptor
        self.fields["secret"] = form_field(descriptor.secret)
        if kept_secret:
            self.fields["secret"].required = False
            self.fields["secret"].help_text = "Kept encrypted. Leave empty to keep the one there is."
        names = [f"config-{item.name}" for item in descriptor.config]
        for item in descriptor.config:
            self.fields[f"config-{item.name}"] = form_field(item)
        self.order_fields(["name", *names, "secret", "countries", "position", "enabled"])

    def spec(self, slug: str) -> ProviderSpec:
        """The provider as described; an empty secret leaves the stored one."""
        data = self.cleaned_data
        config = {
            name.removeprefix("config-"): value
            for name, value in data.items()
            if name.startswith("config-") and value not in (None, "")
        }
        return ProviderSpec(
            name=data["name"],
            kind=self.descriptor.kind,
            slug=slug,
            config=config,
            secret=data["secret"] or None,
            countries=data["countries"].replace(",", " ").split(),
            position=data["position"],
            enabled=data["enabled"],
        )


@require_GET
@signed_in
def listed(request: Request) -> HttpResponse:
    """All providers in the order in which they are asked, and how each goes."""
    rows = provider_queries.going(provider_queries.providers(request.actor))
    columns = [
        ("name", lambda one: one.row.name),
        ("slug", lambda one: one.row.slug),
        ("kind", lambda one: one.row.kind),
        ("countries", lambda one: " ".join(one.row.countries)),
        ("position", lambda one: one.row.position),
        ("enabled", lambda one: one.row.enabled),
        ("state", lambda one: one.state),
        ("sent", lambda one: one.good),
        ("failed", lambda one: one.bad),
    ]
    if answer := export(request, "providers", columns, rows):
        return answer
    return page(request, "delivery/providers.html", {"title": "Providers", "rows": rows})


@require_http_methods(["GET", "POST"])
@signed_in
def add(request: Request) -> HttpResponse:
    """Choose a kind, then say the rest."""
    require(request.actor, Deed.ADMINISTER)
    kinds = provider_queries.kinds()
    kind = request.GET.get("kind", "")
    if kind not in kinds:
        found = [one.descriptor for one in kinds.values()]
        return page(request, "delivery/provider_kinds.html", {"title": "New provider", "kinds": found})
    return _edit(request, kind, None)


@require_http_methods(["GET", "POST"])
@signed_in
def change(request: Request, provider_id: int) -> HttpResponse:
    """Change a provider."""
    row = provider_queries.provider(request.actor, provider_id)
    if row.kind not in provider_queries.kinds():
        raise NotFound(f"The kind {row.kind!r} is not installed any more; remove the provider.")
    return _edit(request, row.kind, row)


def _edit(request: Request, name: str, row: Provider | None) -> HttpResponse:
    kind = provider_queries.kinds()[name]
    initial: dict[str, object] = {"name": kind.descriptor.label}
    if row is not None:
        initial = {
            "name": row.name,
            "position": row.position,
            "countries": " ".join(row.countries),
            "enabled": row.enabled,
        } | {f"config-{key}": value for key, value in row.config.items()}
    form = ProviderForm(
        request.POST if request.method == "POST" else None,
        descriptor=kind.descriptor,
        kept_secret=bool(row and row.secret),
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        try:
            kept = save_provider(form.spec(row.slug if row else ""), actor=request.actor, id=row.pk if row else None)
            return done(request, HOME, f"{kept.name} is kept. Send a test to see that it works.")
        except TocsinError as error:
            error.problems = {field.replace("config.", "config-"): text for field, text in error.problems.items()}
            blame(form, error)
    return page(
        request,
        "delivery/provider.html",
        {
            "title": f"Edit {row.name}" if row else f"New provider: {kind.descriptor.label}",
            "form": form,
            "provider": row,
            "guide": to_html(kind.guide().partition("\n")[2]),
            "replies": f"{settings.TOCSIN.public_url}{callback_path(row.slug, 'message')}" if row else "",
            "cancel": HOME,
        },
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def test(request: Request, provider_id: int) -> HttpResponse:
    """Send an SMS to oneself, and show what comes of it."""
    delivery_id = send_test_through(provider_id, actor=request.actor)
    return done(request, f"/messages/{delivery_id}/", "The test is on its way to you.")


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, provider_id: int) -> HttpResponse:
    """Remove a provider."""
    row = provider_queries.provider(request.actor, provider_id)
    if request.method == "POST":
        delete_providers([row.pk], actor=request.actor)
        return done(request, HOME, f"{row.name} is removed.")
    others = Provider.objects.filter(enabled=True).exclude(pk=row.pk).exists()
    text = "Receipts and replies that are still to come for its messages are refused."
    if not others:
        text += " It is the last one: after this nobody can be paged by SMS or phone."
    return page(
        request,
        "web/confirm.html",
        {"title": f"Remove {row.name}?", "text": text, "button": "Remove the provider", "cancel": HOME},
    )


urlpatterns: list[URLPattern] = [
    path("settings/providers/", listed, name="providers"),
    path("settings/providers/new/", add, name="provider-new"),
    path("settings/providers/<int:provider_id>/", change, name="provider"),
    path("settings/providers/<int:provider_id>/test/", test, name="provider-test"),
    path("settings/providers/<int:provider_id>/delete/", delete, name="provider-delete"),
]
