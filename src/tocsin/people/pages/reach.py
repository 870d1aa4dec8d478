"""How a person is reached: contact methods, made from the channel's descriptor, and notification rules."""

from typing import Any

from django import forms
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from tocsin.delivery import provider_queries
from tocsin.delivery import queries as delivery
from tocsin.delivery.contract import Descriptor
from tocsin.people import actions, queries, rules
from tocsin.people.models import ContactMethod
from tocsin.people.pages.people import method_name
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec
from tocsin.platform.errors import NotFound, TocsinError
from tocsin.web.fields import form_field
from tocsin.web.shortcuts import Request, back_to, blame, done, page, signed_in


class MethodForm(forms.Form):
    """Label and address, and what else the channel asks for (``config-``)."""

    address = forms.CharField(max_length=1000)
    label = forms.CharField(max_length=60, required=False, help_text="To tell two of a kind apart: work, private.")

    def __init__(
        self,
        *args: Any,
        descriptor: Descriptor,
        kept_secret: bool = False,
        kept: ContactMethod | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.descriptor = descriptor
        self.kept = kept if descriptor.enrols else None
        if self.kept:  # what a device gave is not for hands; its name and its wishes are
            del self.fields["address"]
            self.fields["config-resolved"] = form_field(descriptor.all_config[-1])
            self.order_fields(["label"])
            return
        self.fields["address"] = form_field(descriptor.address)
        names = ["address"]
        if descriptor.secret:
            self.fields["secret"] = form_field(descriptor.secret)
            if kept_secret:
                self.fields["secret"].required = False
                self.fields["secret"].help_text = "Kept encrypted. Leave empty to keep the one there is."
            names.append("secret")
        for item in descriptor.all_config:
            self.fields[f"config-{item.name}"] = form_field(item)
            names.append(f"config-{item.name}")
        self.order_fields([*names, "label"])

    def spec(self) -> ContactMethodSpec:
        """The contact method as described; an empty secret leaves the stored one."""
        data = self.cleaned_data
        config = {
            name.removeprefix("config-"): value
            for name, value in data.items()
            if name.startswith("config-") and value not in (None, "")
        }
        if self.kept:
            return ContactMethodSpec(
                channel=self.descriptor.kind,
                address=self.kept.address,
                label=data["label"],
                config=self.kept.config | config,
            )
        return ContactMethodSpec(
            channel=self.descriptor.kind,
            address=data["address"].strip(),
            label=data["label"],
            config=config,
            secret=data.get("secret") or None,
        )


def _kept(form: MethodForm, do: Any) -> bool:
    """Check by the channel's descriptor, then save; what is wrong goes to the fields."""
    spec = form.spec()
    problems = delivery.check_method(spec.channel, spec.address, spec.secret or "", spec.config)
    if form.kept or (form.fields.get("secret") and not form.fields["secret"].required):
        problems.pop("secret", None)
    for name, text in problems.items():
        field = name.replace("config.", "config-")
        form.add_error(field if field in form.fields else None, text)
    if problems:
        return False
    try:
        do(spec)
    except TocsinError as error:
        blame(form, error)
        return False
    return True


@require_http_methods(["GET", "POST"])
@signed_in
def add(request: Request, user_id: int) -> HttpResponse:
    """Choose a channel, then say the rest."""
    who = queries.user(request.actor, user_id)
    rules.require_edit_person(request.actor, who.pk)
    known = delivery.channels()
    home = "/settings/you/" if who.pk == request.user.pk else f"/people/{who.pk}/"
    name = request.GET.get("channel", "")
    if name not in known:
        return page(
            request,
            "people/channels.html",
            {
                "title": "How else can we reach " + ("you?" if who.pk == request.user.pk else f"{who.name}?"),
                "person": who,
                "channels": [
                    channel.descriptor
                    for channel in known.values()
                    if not channel.descriptor.enrols or who.pk == request.user.pk
                ],
            },
        )
    descriptor = known[name].descriptor
    if descriptor.enrols:
        return HttpResponseRedirect(descriptor.enrols)
    initial = {"address": who.email if name == "email" else descriptor.address.default}
    form = MethodForm(request.POST or None, descriptor=descriptor, initial=initial)
    if (
        request.method == "POST"
        and form.is_valid()
        and _kept(form, lambda spec: actions.add_contact_method(who.pk, spec, actor=request.actor))
    ):
        return done(
            request, back_to(request, home), f"{descriptor.label} is added. Send a test to see that it arrives."
        )
    return _page(request, f"Add {descriptor.label}", form, descriptor, home)


@require_http_methods(["GET", "POST"])
@signed_in
def change(request: Request, method_id: int) -> HttpResponse:
    """Change a contact method."""
    method = _method(method_id)
    rules.require_edit_person(request.actor, method.user_id)
    known = delivery.channels()
    if method.channel not in known:
        raise NotFound("This channel is not installed any more; remove the contact method.")
    descriptor = known[method.channel].descriptor
    home = "/settings/you/" if method.user_id == request.user.pk else f"/people/{method.user_id}/"
    initial = {"address": method.address, "label": method.label}
    initial |= {f"config-{name}": value for name, value in method.config.items()}
    form = MethodForm(
        request.POST or None, descriptor=descriptor, kept_secret=bool(method.secret), kept=method, initial=initial
    )
    if (
        request.method == "POST"
        and form.is_valid()
        and _kept(form, lambda spec: actions.update_contact_method(method.pk, spec, actor=request.actor))
    ):
        return done(request, home, f"{descriptor.label} is kept.")
    return _page(request, f"Edit {descriptor.label}", form, descriptor, home)


def _method(method_id: int) -> ContactMethod:
    method = ContactMethod.objects.select_related("user").filter(pk=method_id).first()
    if method is None:
        raise NotFound("There is no such contact method any more.")
    return method


def _page(request: Request, title: str, form: MethodForm, descriptor: Descriptor, home: str) -> HttpResponse:
    return page(
        request,
        "people/method.html",
        {
            "title": title,
            "form": form,
            "descriptor": descriptor,
            "missing": provider_queries.uncarried(descriptor.kind),
            "cancel": home,
        },
        422 if form.errors else 200,
    )


@require_http_methods(["GET", "POST"])
@signed_in
def remove(request: Request, method_id: int) -> HttpResponse:
    """Remove a contact method with the rules that use it."""
    method = _method(method_id)
    rules.require_edit_person(request.actor, method.user_id)
    home = "/settings/you/" if method.user_id == request.user.pk else f"/people/{method.user_id}/"
    if request.method == "POST":
        actions.delete_contact_methods([method.pk], actor=request.actor)
        return done(request, home, "The contact method is removed.")
    last = not ContactMethod.objects.filter(user_id=method.user_id, disabled_at=None).exclude(pk=method.pk).exists()
    text = "The notification rules that use it go with it."
    if last:
        text += f" It is the last one: after this {method.user.name} cannot be paged at all."
    return page(
        request,
        "web/confirm.html",
        {"title": f"Remove {method_name(method)}?", "button": "Remove it", "cancel": home, "text": text},
    )


@require_http_methods(["GET", "POST"])
@signed_in
def notification_rules(request: Request, user_id: int) -> HttpResponse:
    """In which order, and when, a person is reached; one list for each urgency."""
    who = queries.user(request.actor, user_id)
    rules.require_edit_person(request.actor, who.pk)
    home = "/settings/you/" if who.pk == request.user.pk else f"/people/{who.pk}/"
    methods = {method.pk: method for method in queries.contact_methods(request.actor, who.pk)}
    problem, quiet = "", rules.quiet_text(who.quiet_from, who.quiet_to)
    start, _, end = quiet.partition("-")
    rows: dict[str, list[tuple[str, str]]] = {urgency: [] for urgency in rules.URGENCIES}
    if request.method == "POST":
        start, end = (request.POST.get(name, "").strip()[:5] for name in ("quiet-from", "quiet-to"))
        for urgency in rules.URGENCIES:
            chosen, delays = request.POST.getlist(f"{urgency}-method"), request.POST.getlist(f"{urgency}-delay")
            rows[urgency] = [pair for pair in zip(chosen, delays, strict=False) if pair[0]][:20]
        if request.POST.get("do", "save") == "save":
            try:
                wanted = [
                    NotificationRuleSpec(urgency, methods[int(key)].channel, methods[int(key)].address, _seconds(delay))
                    for urgency, pairs in rows.items()
                    for key, delay in pairs
                    if key.isdigit() and int(key) in methods
                ]
                actions.set_quiet_hours(who.pk, f"{start}-{end}" if start or end else "", actor=request.actor)
                actions.set_notification_rules(who.pk, wanted, actor=request.actor)
                return done(request, home, "The rules are kept.")
            except TocsinError as error:
                problem = "; ".join(error.problems.values()) or error.message
        elif request.POST["do"] in rows:
            rows[request.POST["do"]].append(("", "0"))
    else:
        for rule in who.notification_rules.order_by("delay_s", "position"):
            rows[rule.urgency].append((str(rule.contact_method_id), f"{rule.delay_s / 60:g}"))
    words = {"high": "High urgency: P1, P2, P3", "low": "Low urgency: P4, P5"}
    return page(
        request,
        "people/rules.html",
        {
            "title": "Notification rules" if who.pk == request.user.pk else f"Notification rules of {who.name}",
            "person": who,
            "methods": [(str(key), method_name(method)) for key, method in methods.items()],
            "lists": [
                (urgency, words[urgency], [*[r for r in pairs if r[0]], ("", "0")]) for urgency, pairs in rows.items()
            ],
            "problem": problem,
            "quiet": (start, end),
            "zone": who.zone,
            "cancel": home,
        },
        422 if problem else 200,
    )


def _seconds(minutes: str) -> int:
    """Minutes as typed, in seconds; -1, which no rule takes, when it is no number."""
    try:
        return round(float(minutes.replace(",", ".") or 0) * 60)
    except (ValueError, OverflowError):
        return -1
