"""Making, changing, switching and removing a service."""

from dataclasses import replace
from typing import Any, cast

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.catalogue import actions, queries
from tocsin.catalogue.pages.services import TIERS
from tocsin.catalogue.rules import HOURS_HINT, ServiceSpec, hours_of, hours_text
from tocsin.escalation import queries as escalation
from tocsin.oncall.rules import RestrictionSpec
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden
from tocsin.web.fields import Minutes, Zone, choice, zones
from tocsin.web.shortcuts import Request, attempt, done, page, signed_in

BY = [
    ("alert", "each alert is its own incident"),
    ("service", "all alerts of the service are one incident"),
    ("fields", "alerts with the same labels are one incident"),
    ("dependency", "together with alerts of services around it"),
]


class ServiceForm(forms.Form):
    """What a service is, who owns it, who is paged, how alerts become incidents."""

    name = forms.CharField(max_length=120, help_text="As people call it.")
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    team = forms.ChoiceField(required=False, label="Owning team")
    policy = forms.ChoiceField(required=False, help_text="Who is paged. Without one, nobody is.")
    tier = forms.TypedChoiceField(coerce=int, choices=list(TIERS.items()), initial=3)
    impact = forms.ChoiceField(
        required=False,
        label="Impact of an incident",
        choices=[("", "by tier"), ("high", "high"), ("medium", "medium"), ("low", "low")],
        help_text="When nothing says otherwise. With the urgency it gives the priority.",
    )
    depends_on = forms.MultipleChoiceField(
        required=False, label="Needs", widget=forms.CheckboxSelectMultiple, help_text="Services it cannot work without."
    )
    by = forms.ChoiceField(choices=BY, label="Grouping")
    fields_of = forms.CharField(
        required=False,
        label="Labels to group by",
        help_text="Names of labels, separated by commas; for grouping by labels.",
    )
    window_s = Minutes(
        required=False,
        label="Join within, minutes",
        help_text="Later alerts open a new incident. Empty: while it is open.",
    )
    reopen_s = Minutes(
        required=False,
        label="Reopen within, minutes",
        help_text="An alert that comes back so soon reopens its incident. Empty: never.",
    )
    auto_resolve_s = Minutes(required=False, label="Resolve untouched after, minutes", help_text="Empty: never.")
    runbook_url = forms.CharField(
        required=False, label="Runbook", max_length=1000, help_text="Address of what to do, shown on every incident."
    )
    zone = Zone(required=False, label="Zone", help_text="Of its working hours: Europe/Berlin. Empty: UTC.")
    hours = forms.CharField(
        required=False,
        label="Working hours",
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=f"For conditions of policies: {HOURS_HINT}. Empty: Monday to Friday, 09:00 to 17:00.",
    )
    confidential = forms.BooleanField(
        required=False,
        label="Its incidents are confidential",
        help_text="Only those who are called for one, and administrators, see what it is: for security monitoring, "
        "for personal matters.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Its signals open incidents")

    def choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, service_id: int = 0) -> HttpResponse:
    """Make a service, or change one."""
    row = queries.service(request.actor, service_id) if service_id else None
    if row is not None:
        require(request.actor, Deed.CONFIGURE, row.team_id)
    elif not (may(request.actor, Deed.CONFIGURE) or request.actor.managed):
        raise Forbidden("Only managers and administrators may make a service.")
    spec = queries.spec_of(row) if row else ServiceSpec(name="")
    initial: dict[str, Any] = {
        "name": spec.name,
        "description": spec.description,
        "team": spec.team,
        "policy": spec.policy,
        "tier": spec.tier,
        "impact": spec.impact,
        "depends_on": spec.depends_on or [],
        "by": spec.grouping.get("by") or "alert",
        "fields_of": ", ".join(spec.grouping.get("fields") or []),
        "window_s": spec.grouping.get("window_s") or None,
        "reopen_s": spec.grouping.get("reopen_s") or None,
        "auto_resolve_s": spec.auto_resolve_s,
        "runbook_url": spec.runbook_url,
        "zone": spec.zone,
        "hours": hours_text(spec.hours),
        "confidential": spec.confidential,
        "enabled": spec.enabled,
    }
    form = ServiceForm(request.POST or None, initial=initial)
    teams = [one for one in people.teams(request.actor) if may(request.actor, Deed.CONFIGURE, one.pk)]
    form.choose("team", choice(((one.slug, one.name) for one in teams), "no team"))
    form.choose(
        "policy", choice(((one.slug, one.name) for one in escalation.policies(request.actor)), "nobody is paged")
    )
    others = queries.services(request.actor).exclude(pk=service_id)
    form.choose("depends_on", choice((one.slug, one.name) for one in others))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        grouping: dict[str, Any] = {"by": data["by"]}
        if names := [name.strip() for name in data["fields_of"].split(",") if name.strip()]:
            grouping["fields"] = names
        grouping |= {name: data[name] for name in ("window_s", "reopen_s") if data[name]}
        wanted = replace(
            spec,
            name=data["name"],
            description=data["description"],
            team=data["team"],
            policy=data["policy"],
            tier=data["tier"],
            impact=data["impact"],
            depends_on=data["depends_on"],
            grouping=grouping,
            auto_resolve_s=data["auto_resolve_s"] or None,
            runbook_url=data["runbook_url"],
            zone=data["zone"],
            confidential=data["confidential"],
            enabled=data["enabled"],
        )
        kept = attempt(
            form,
            lambda: actions.save_service(
                replace(wanted, hours=_hours(spec, data["hours"])), actor=request.actor, id=row.pk if row else None
            ),
        )
        if kept:
            return done(request, f"/services/{kept.pk}/", f"{kept.name} is kept.")
    return page(
        request,
        "catalogue/edit.html",
        {
            "title": f"Edit {row.name}" if row else "New service",
            "form": form,
            "service": row,
            "zones": zones(),
            "cancel": f"/services/{row.pk}/" if row else "/services/",
        },
        422 if form.errors else 200,
    )


def _hours(spec: ServiceSpec, text: str) -> list[RestrictionSpec]:
    """Working hours as typed; those that a line cannot say whole stay while their line is not touched."""
    kept = {hours_text([window]): window for window in spec.hours}
    return [kept.get(hours_text([window]), window) for window in hours_of(text)]


@require_POST
@signed_in
def switch(request: Request, service_id: int) -> HttpResponse:
    """Let a service open incidents again, or stop it."""
    on = request.POST.get("enabled") == "on"
    actions.set_enabled([service_id], on, actor=request.actor)
    return done(
        request, f"/services/{service_id}/", "Its signals open incidents." if on else "Its signals open no incidents."
    )


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, service_id: int) -> HttpResponse:
    """Remove a service that never had an incident."""
    row = queries.service(request.actor, service_id)
    require(request.actor, Deed.CONFIGURE, row.team_id)
    if request.method == "POST":
        actions.delete_services([row.pk], actor=request.actor)
        return done(request, "/services/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "button": "Remove the service",
            "cancel": f"/services/{row.pk}/",
            "text": "Its sources go with it, and their addresses stop working. A service that has had incidents cannot "
            "be removed; switch it off instead.",
        },
    )
