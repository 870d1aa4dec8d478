"""Making, changing, testing, switching and removing a source. The form comes from the kind's descriptor."""

from typing import Any, cast

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.catalogue import queries as catalogue
from tocsin.intake import actions, queries
from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.kinds import open_config
from tocsin.intake.models import Source
from tocsin.intake.rules import SourceSpec
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden, TocsinError
from tocsin.web.fields import choice
from tocsin.web.shortcuts import Request, back_to, done, number, page, signed_in


class SourceForm(forms.Form):
    """Name, service and limit; what else the kind asks for is added with the prefix ``config-``."""

    name = forms.CharField(max_length=120, required=False, help_text="Empty: after its kind.")
    service = forms.ChoiceField(help_text="Signals are about this service, unless a rule routes them elsewhere.")
    limit_per_minute = forms.IntegerField(
        min_value=1, initial=100_000, label="Limit, signals a minute", help_text="More than this is answered with 429."
    )

    def __init__(self, *args: Any, kind: SourceKind, services: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        cast(forms.ChoiceField, self.fields["service"]).choices = services
        for item in kind.fields:
            self.fields[f"config-{item.name}"] = form_field(item)
        self.order_fields(["name", "service", *(f"config-{item.name}" for item in kind.fields), "limit_per_minute"])

    def config(self) -> dict[str, Any]:
        """What the kind is told."""
        found = {
            name.removeprefix("config-"): value
            for name, value in self.cleaned_data.items()
            if name.startswith("config-")
        }
        return {name: value for name, value in found.items() if value not in (None, "")}


def form_field(item: Field) -> forms.Field:
    """A form's field for one of a descriptor."""
    common: dict[str, Any] = {
        "label": item.label,
        "help_text": item.hint,
        "required": item.required,
        "initial": item.default,
    }
    if item.type == "choice":
        return forms.ChoiceField(choices=list(item.choices.items()), **common)
    if item.type == "flag":
        return forms.BooleanField(**(common | {"required": False}))
    if item.type == "number":
        return forms.IntegerField(min_value=item.minimum, max_value=item.maximum, **common)
    if item.type == "secret":
        hint = f"{item.hint} What is stored stays when this is left empty."
        widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
        return forms.CharField(max_length=4000, widget=widget, **(common | {"help_text": hint}))
    if item.type == "lines":
        area = forms.Textarea(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off", "rows": 6})
        return forms.CharField(max_length=4000, widget=area, **common)
    if item.type == "cel":
        attrs = {"class": "mono", "spellcheck": "false", "autocomplete": "off"}
        return forms.CharField(max_length=4000, widget=forms.TextInput(attrs=attrs), **common)
    return forms.CharField(max_length=4000, **common)


@require_http_methods(["GET", "POST"])
@signed_in
def new(request: Request) -> HttpResponse:
    """Choose a kind, then say the rest."""
    if not (may(request.actor, Deed.CONFIGURE) or request.actor.managed):
        raise Forbidden("Only managers and administrators may make a source.")
    name = request.GET.get("kind", "")
    service = number(request, "service")
    if not name:
        return page(
            request,
            "intake/kinds.html",
            {
                "title": "New source: what sends?",
                "kinds": queries.kinds(),
                "service": service,
                "any": bool(_services(request)),
            },
        )
    kind = queries.kind(name)
    services = _services(request)
    chosen = catalogue.service(request.actor, service).slug if service else None
    form = SourceForm(request.POST or None, kind=kind, services=services, initial={"service": chosen} if chosen else {})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = _kept(
            form,
            lambda: actions.create_source(
                data["service"],
                kind.kind,
                name=data["name"],
                config=form.config(),
                limit_per_minute=data["limit_per_minute"],
                actor=request.actor,
            ),
        )
        if made:
            return done(request, back_to(request, f"/sources/{made.pk}/?new=1"), f"{made.name} has an address now.")
    return _form(request, f"New source: {kind.label}", form, kind, None)


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, source_id: int) -> HttpResponse:
    """Change a source; its key and address stay."""
    row = queries.source(request.actor, source_id)
    require(request.actor, Deed.CONFIGURE, row.service.team_id)
    kind = queries.kind(row.kind)
    initial = {"name": row.name, "service": row.service.slug, "limit_per_minute": row.limit_per_minute}
    known = kind.defaults() | open_config(row.kind, row.config)
    initial |= {f"config-{name}": value for name, value in known.items()}
    form = SourceForm(request.POST or None, kind=kind, services=_services(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        spec = SourceSpec(
            name=data["name"] or row.name,
            service=data["service"],
            kind=row.kind,
            config=form.config(),
            limit_per_minute=data["limit_per_minute"],
            enabled=row.enabled,
        )
        if _kept(form, lambda: actions.save_source(spec, actor=request.actor, id=row.pk)):
            return done(request, f"/sources/{row.pk}/", f"{spec.name} is kept.")
    return _form(request, f"Edit {row.name}", form, kind, row)


def _services(request: Request) -> list[tuple[str, str]]:
    rows = catalogue.services(request.actor)
    return choice((row.slug, row.name) for row in rows if may(request.actor, Deed.CONFIGURE, row.team_id))


def _kept(form: SourceForm, do: Any) -> Source | None:
    """The saved source; problems of the kind's own fields go to these fields."""
    try:
        saved: Source = do()
        return saved
    except TocsinError as error:
        for name, text in error.problems.items():
            field = f"config-{name.removeprefix('config.')}" if name.startswith("config.") else name
            form.add_error(field if field in form.fields else None, text)
        if not error.problems:
            form.add_error(None, error.message)
        return None


def _form(request: Request, title: str, form: SourceForm, kind: SourceKind, row: Source | None) -> HttpResponse:
    own = [form[name] for name in form.fields if name.startswith("config-")]
    cancel = f"/sources/{row.pk}/" if row else "/sources/new/"
    return page(
        request,
        "intake/edit.html",
        {"title": title, "form": form, "kind": kind, "source": row, "own": own, "cancel": cancel},
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def test(request: Request, source_id: int) -> HttpResponse:
    """Send a test signal through the source, as if its tool had."""
    row = queries.source(request.actor, source_id)
    actions.send_test_signal(row.pk, actor=request.actor)
    return done(
        request,
        back_to(request, f"/sources/{row.pk}/"),
        "A test signal is on its way; what became of it is listed below.",
    )


class PayloadForm(forms.Form):
    """A payload to try out."""

    payload = forms.CharField(
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off", "rows": 14}),
        help_text="What the tool sends: JSON, a whole mail with its headers, syslog messages. Nothing is stored.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def try_out(request: Request, source_id: int) -> HttpResponse:
    """Say what the source would make of a payload, without storing anything."""
    row = queries.source(request.actor, source_id)
    require(request.actor, Deed.CONFIGURE, row.service.team_id)
    form = PayloadForm(request.POST or None)
    found = None
    if request.method == "POST" and form.is_valid():
        found = queries.tried(request.actor, row, form.cleaned_data["payload"].encode("utf-8", "replace"))
    facts = {"title": f"Try a payload: {row.name}", "form": form, "back": f"/sources/{row.pk}/", "found": found}
    return page(request, "intake/try.html", facts, 422 if form.errors else 200)


@require_POST
@signed_in
def switch(request: Request, source_id: int) -> HttpResponse:
    """Accept signals again, or refuse them."""
    on = request.POST.get("enabled") == "on"
    actions.set_enabled([source_id], on, actor=request.actor)
    return done(request, f"/sources/{source_id}/", "Its signals are accepted." if on else "Its signals are refused.")


@require_http_methods(["GET", "POST"])
@signed_in
def rotate(request: Request, source_id: int) -> HttpResponse:
    """Give the source a new key."""
    row = queries.source(request.actor, source_id)
    require(request.actor, Deed.CONFIGURE, row.service.team_id)
    if request.method == "POST":
        actions.rotate_key(row.pk, actor=request.actor)
        return done(request, f"/sources/{row.pk}/", "It has a new key. Tell the sender.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"A new key for {row.name}?",
            "button": "Make a new key",
            "cancel": f"/sources/{row.pk}/",
            "text": "The old key is refused at once: until the sender has the new one, its signals are lost.",
        },
    )


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, source_id: int) -> HttpResponse:
    """Remove a source."""
    row = queries.source(request.actor, source_id)
    require(request.actor, Deed.CONFIGURE, row.service.team_id)
    if request.method == "POST":
        actions.delete_source([row.pk], actor=request.actor)
        return done(request, "/sources/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "button": "Remove the source",
            "cancel": f"/sources/{row.pk}/",
            "text": "Its address stops working at once, and its alerts go with it. To pause it, switch it off instead.",
        },
    )
