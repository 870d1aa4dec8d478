"""Triage rules and maintenance windows: lists, forms, switches."""

from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.catalogue import queries as catalogue
from tocsin.oncall.rules import local_instant
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Conflict, NotFound
from tocsin.triage import actions, queries
from tocsin.triage.models import Alert, MaintenanceWindow, Rule
from tocsin.triage.rules import SAMPLE_VARIABLES, SEVERITIES, RuleSpec, WindowSpec
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, Minutes, Zone, choice, zones
from tocsin.web.shortcuts import Request, attempt, done, export, ids_of, number, page, signed_in

LEVELS = [("", "as it is"), ("high", "high"), ("medium", "medium"), ("low", "low")]
KIND_HELP = {
    "route": "The first one that holds sends the signal to another service.",
    "severity": "Every one that holds sets severity, impact or urgency, in this order.",
    "suppress": "The first one that holds keeps the alert, but pages nobody.",
}


# --- rules --------------------------------------------------------------------------------------------------------


class RuleForm(forms.Form):
    """A condition in CEL, and what follows when it holds."""

    name = forms.CharField(max_length=120, help_text="Shown wherever this rule decided something.")
    kind = forms.ChoiceField(
        choices=Rule.KINDS, help_text=" ".join(f"{k.capitalize()}: {v}" for k, v in KIND_HELP.items())
    )
    condition = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text="CEL over signal, source and service; it is checked before it is kept.",
    )
    service = forms.ChoiceField(required=False, label="Only for sources of")
    to_service = forms.ChoiceField(required=False, label="Route to")
    severity = forms.ChoiceField(required=False, choices=[("", "as it is"), *((s, s) for s in SEVERITIES)])
    impact = forms.ChoiceField(required=False, choices=LEVELS)
    urgency = forms.ChoiceField(required=False, choices=LEVELS)
    position = forms.IntegerField(
        min_value=0, max_value=100_000, initial=100, help_text="Lower runs first, among rules of a kind."
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Works")


@require_GET
@signed_in
def rules(request: Request) -> HttpResponse:
    """All rules by kind, in the order in which they run."""
    rows = queries.triage_rules(request.actor)
    columns = [
        ("name", lambda row: row.name),
        ("kind", lambda row: row.kind),
        ("position", lambda row: row.position),
        ("condition", lambda row: row.condition),
        ("enabled", lambda row: row.enabled),
    ]
    if answer := export(request, "rules", columns, rows):
        return answer
    found = list(rows)
    groups = [
        (kind, text, KIND_HELP[kind], [(row, effect(row)) for row in found if row.kind == kind])
        for kind, text in Rule.KINDS
    ]
    return page(
        request,
        "triage/settings/rules.html",
        {
            "title": "Triage rules",
            "groups": groups,
            "any": bool(found),
            "may_configure": may(request.actor, Deed.CONFIGURE),
        },
    )


def effect(row: Rule) -> str:
    """What a rule does when it holds."""
    if row.kind == "route":
        return f"goes to {row.to_service.name}" if row.to_service else "goes nowhere"
    if row.kind == "suppress":
        return "pages nobody"
    parts = [f"{name} {value}" for name in ("severity", "impact", "urgency") if (value := getattr(row, name))]
    return ", ".join(parts)


@require_http_methods(["GET", "POST"])
@signed_in
def rule(request: Request, rule_id: int = 0) -> HttpResponse:
    """Make a rule, or change one."""
    row = _rule(rule_id) if rule_id else None
    require(request.actor, Deed.CONFIGURE, row.service.team_id if row and row.service else None)
    initial: dict[str, Any] = (
        actions.rule_facts(row) if row else {"kind": request.GET.get("kind", "suppress"), "enabled": True}
    )
    form = RuleForm(request.POST or None, initial=initial)
    services = [(one.slug, one.name) for one in catalogue.services(request.actor)]
    cast(forms.ChoiceField, form.fields["service"]).choices = choice(services, "every service")
    cast(forms.ChoiceField, form.fields["to_service"]).choices = choice(services, "nowhere else")
    if request.method == "POST" and form.is_valid():
        spec = RuleSpec(**form.cleaned_data)
        kept = attempt(form, lambda: actions.save_rule(spec, actor=request.actor, id=row.pk if row else None))
        if kept:
            return done(request, "/settings/rules/", f"{kept.name} is kept.")
    return page(
        request,
        "triage/settings/rule.html",
        {
            "title": f"Edit {row.name}" if row else "New triage rule",
            "form": form,
            "rule": row,
            "sample": SAMPLE_VARIABLES,
            "cancel": "/settings/rules/",
            "examples": [
                ('signal.labels.env == "staging"', "the label env is staging"),
                ('signal.severity == "info" && service.tier > 2', "information about services that can wait"),
                ('signal.title.contains("certificate")', "the title mentions a certificate"),
                ('"team" in signal.labels && signal.labels.team == "core"', "the label team exists and is core"),
            ],
        },
        422 if form.errors else 200,
    )


def _rule(rule_id: int) -> Rule:
    row = Rule.objects.select_related("service", "to_service").filter(pk=rule_id).first()
    if row is None:
        raise NotFound("There is no such rule any more.")
    return row


@require_POST
@signed_in
def switch_rule(request: Request) -> HttpResponse:
    """Switch rules on or off."""
    on = request.POST.get("enabled") == "on"
    actions.switch_rules(ids_of(request), enabled=on, actor=request.actor)
    return done(request, "/settings/rules/", "The rule works." if on else "The rule does not work any more.")


@require_http_methods(["GET", "POST"])
@signed_in
def delete_rule(request: Request, rule_id: int) -> HttpResponse:
    """Remove a rule."""
    row = _rule(rule_id)
    require(request.actor, Deed.CONFIGURE)
    if request.method == "POST":
        actions.delete_rules([row.pk], actor=request.actor)
        return done(request, "/settings/rules/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "text": "What it decided keeps its name.",
            "button": "Remove the rule",
            "cancel": "/settings/rules/",
        },
    )


# --- maintenance windows ------------------------------------------------------------------------------------------


class WindowForm(forms.Form):
    """When which services are worked on, and what becomes of their pages meanwhile."""

    name = forms.CharField(max_length=200, help_text="What is done.")
    services = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    starts_at = LocalMoment(label="Begins")
    duration_s = Minutes(label="Lasts, minutes", initial=3600)
    zone = Zone(label="Zone")
    rrule = forms.CharField(
        required=False,
        max_length=500,
        label="Repeats",
        help_text="An RRULE, such as FREQ=WEEKLY;BYDAY=SU. Empty: once.",
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    mode = forms.ChoiceField(
        label="Pages",
        initial="hold",
        choices=[
            ("hold", "hold them: what is still open at the end pages then"),
            ("drop", "drop them: they never go out"),
        ],
    )
    condition = forms.CharField(
        required=False,
        label="Only alerts for which",
        help_text="CEL over signal, source and service, such as signal.labels.env == 'staging'. Empty: every alert.",
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
    )
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))


@require_GET
@signed_in
def windows(request: Request) -> HttpResponse:
    """Maintenance windows: now, to come, over."""
    moment = now(request)
    rows = list(queries.windows(request.actor)[:300])
    held = {
        key: Alert.objects.filter(held_by=key, state="open").count()
        for key in [row.pk for row in rows if row.ended_at is None]
    }
    lines = [(row, queries.window_state(row, moment), held.get(row.pk, 0), queries.window_meets(row)) for row in rows]
    lines.sort(key=lambda line: (not line[1].going_on, line[1].starts_at is None, line[1].starts_at or moment))
    columns = [
        ("name", lambda row: row.name),
        ("services", lambda row: ", ".join(s.slug for s in row.services.all())),
        ("starts at", lambda row: row.starts_at.isoformat()),
        ("minutes", lambda row: row.duration_s / 60),
        ("repeats", lambda row: row.rrule),
        ("pages", lambda row: row.mode),
        ("condition", lambda row: row.condition),
    ]
    if answer := export(request, "maintenance", columns, rows):
        return answer
    return page(
        request,
        "triage/settings/windows.html",
        {
            "title": "Maintenance windows",
            "lines": lines,
            "may_configure": may(request.actor, Deed.CONFIGURE) or bool(request.actor.managed),
        },
    )


@require_http_methods(["GET", "POST"])
@signed_in
def window(request: Request, window_id: int = 0) -> HttpResponse:
    """Plan a maintenance window, or change one."""
    row = _window(window_id) if window_id else None
    services = [one for one in catalogue.services(request.actor) if may(request.actor, Deed.CONFIGURE, one.team_id)]
    if not services:
        require(request.actor, Deed.CONFIGURE)
    zone = row.zone if row else request.user.zone or "UTC"
    moment = now(request)
    if row:
        initial: dict[str, Any] = actions.window_facts(row)
        initial |= {
            "starts_at": row.starts_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None),
            "duration_s": row.duration_s,
        }
    else:
        chosen = number(request, "service")
        hour = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, minute=0, second=0, microsecond=0) + timedelta(
            hours=1
        )
        initial = {
            "starts_at": hour,
            "zone": zone,
            "duration_s": 3600,
            "services": [s.slug for s in services if s.pk == chosen],
        }
    meets = queries.window_meets(row) if row else ""
    form = WindowForm(request.POST or None, initial=initial)
    cast(forms.MultipleChoiceField, form.fields["services"]).choices = choice((one.slug, one.name) for one in services)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        begins: datetime = local_instant(data["zone"], data["starts_at"])
        spec = WindowSpec(**(data | {"starts_at": begins}))
        kept = attempt(form, lambda: actions.save_window(spec, actor=request.actor, id=row.pk if row else None))
        if kept:
            return done(request, "/settings/maintenance/", f"{kept.name} is kept.")
    return page(
        request,
        "triage/settings/window.html",
        {
            "title": f"Edit {row.name}" if row else "Plan maintenance",
            "form": form,
            "window": row,
            "zone_names": zones(),
            "state": queries.window_state(row, moment) if row else None,
            "silence": getattr(row, "silence", None) if row and meets != row.condition else None,
            "meets": meets,
            "cancel": "/settings/maintenance/",
        },
        422 if form.errors else 200,
    )


def _window(window_id: int) -> MaintenanceWindow:
    row = MaintenanceWindow.objects.filter(pk=window_id).first()
    if row is None:
        raise NotFound("There is no such maintenance window any more.")
    return row


@require_POST
@signed_in
def end_window(request: Request, window_id: int) -> HttpResponse:
    """End a window now and for good: what it holds may page."""
    if not actions.end_windows([_window(window_id).pk], actor=request.actor):
        raise Conflict("This window is over already.")
    return done(request, "/settings/maintenance/", "It is over. What it held may page now.")


@require_http_methods(["GET", "POST"])
@signed_in
def delete_window(request: Request, window_id: int) -> HttpResponse:
    """Remove a maintenance window."""
    row = _window(window_id)
    if request.method == "POST":
        actions.delete_windows([row.pk], actor=request.actor)
        return done(request, "/settings/maintenance/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "text": "What it holds may page at once.",
            "button": "Remove the window",
            "cancel": "/settings/maintenance/",
        },
    )


urlpatterns: list[URLPattern] = [
    path("settings/rules/", rules, name="rules"),
    path("settings/rules/new/", rule, name="rule-new"),
    path("settings/rules/switch/", switch_rule, name="rule-switch"),
    path("settings/rules/<int:rule_id>/", rule, name="rule"),
    path("settings/rules/<int:rule_id>/delete/", delete_rule, name="rule-delete"),
    path("settings/maintenance/", windows, name="windows"),
    path("settings/maintenance/new/", window, name="window-new"),
    path("settings/maintenance/<int:window_id>/", window, name="window"),
    path("settings/maintenance/<int:window_id>/end/", end_window, name="window-end"),
    path("settings/maintenance/<int:window_id>/delete/", delete_window, name="window-delete"),
]
