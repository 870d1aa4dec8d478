"""The list of people, one person, making and changing them."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.delivery import queries as delivery
from tocsin.delivery.actions import push_key
from tocsin.escalation.models import Page
from tocsin.incidents.queries import readable
from tocsin.oncall import queries as oncall
from tocsin.people import actions, queries, rules
from tocsin.people.models import ROLES, ContactMethod, User
from tocsin.people.rules import Deed, UserSpec, may, may_edit_person, require
from tocsin.platform.moments import span
from tocsin.web.context import THEMES, now
from tocsin.web.fields import Zone, choice, zones
from tocsin.web.shortcuts import Request, attempt, cut, done, export, number, page, signed_in

ROLE_HELP = {
    "admin": "Administrators may change everything.",
    "manager": "Managers may change services, sources, schedules, policies and rules.",
    "responder": "Responders may work on every incident and put people on call.",
    "observer": "Observers may read.",
}


@require_GET
@signed_in
def people(request: Request) -> HttpResponse:
    """Everybody, with role, teams and who is on call now."""
    text, team, show = request.GET.get("q", "")[:120], request.GET.get("team", ""), request.GET.get("show", "")
    active = {"out": False, "all": None}.get(show, True)
    rows = queries.users(request.actor, text, team=team, active=active)
    columns = [
        ("name", lambda row: row.name),
        ("email", lambda row: row.email),
        ("role", lambda row: row.role),
        ("zone", lambda row: row.zone),
        ("active", lambda row: row.is_active),
        ("teams", lambda row: ", ".join(sorted(m.team.name for m in row.memberships.all()))),
    ]
    if answer := export(request, "people", columns, rows):
        return answer
    found = list(rows[:501])
    on_call: dict[int, list[str]] = {}
    for line in oncall.everyone(now(request)):
        for user in line.users:
            on_call.setdefault(user.pk, []).append(line.schedule.name)
    reachable = set(ContactMethod.objects.filter(user__in=found, disabled_at=None).values_list("user_id", flat=True))
    roles = dict(ROLES)
    lines = [
        (
            row,
            roles.get(row.role, row.role),
            [m.team for m in row.memberships.all()],
            on_call.get(row.pk, []),
            row.pk in reachable,
        )
        for row in found[:500]
    ]
    return page(
        request,
        "people/people.html",
        {
            "title": "People",
            "lines": lines,
            "more": len(found) > 500,
            "q": text,
            "team": team,
            "show": show,
            "teams": queries.teams(request.actor),
            "views": [("", "Active"), ("out", "Switched off"), ("all", "All")],
            "may_administer": may(request.actor, Deed.ADMINISTER),
        },
    )


@dataclass(frozen=True)
class Reach:
    """Notification rules of an urgency, as one sentence."""

    urgency: str
    words: str
    lines: list[tuple[str, str]]


def reaches(person: User, methods: list[ContactMethod]) -> list[Reach]:
    """How a person is reached for each urgency."""
    names = {method.pk: method_name(method) for method in methods}
    found = []
    for urgency, words in (("high", "High urgency: P1, P2, P3"), ("low", "Low urgency: P4, P5")):
        rows = person.notification_rules.filter(urgency=urgency).order_by("delay_s", "position")
        lines = [
            (f"after {span(row.delay_s)}" if row.delay_s else "at once", names.get(row.contact_method_id, ""))
            for row in rows
        ]
        found.append(Reach(urgency, words, lines))
    return found


def method_name(method: ContactMethod) -> str:
    """``E-mail d…@example.org``."""
    channel = delivery.channels().get(method.channel)
    label = channel.descriptor.label if channel else method.channel
    given = channel is not None and bool(channel.descriptor.enrols)  # a device's address says nothing to people
    address = urlsplit(method.address).hostname if given else method.address
    return f"{label} ({method.label or address})"


def unused(person: User, methods: list[ContactMethod]) -> list[tuple[str, str]]:
    """Urgencies whose rules leave out browsers that push was switched on for, and which; without rules all are used."""
    found = []
    for urgency in rules.URGENCIES:
        named = set(person.notification_rules.filter(urgency=urgency).values_list("contact_method_id", flat=True))
        left = [method_name(one) for one in methods if named and one.channel == "webpush" and one.pk not in named]
        if left:
            found.append((urgency, ", ".join(left)))
    return found


@require_GET
@signed_in
def person(request: Request, user_id: int = 0) -> HttpResponse:
    """One person: how they are reached, teams, shifts to come, pages received. One's own at ``/settings/you/``."""
    who = queries.user(request.actor, user_id or request.user.pk)
    own = who.pk == request.user.pk
    moment = now(request)
    methods = queries.contact_methods(request.actor, who.pk)
    known = delivery.channels()
    lines = []
    for one in methods:
        channel = known[one.channel].descriptor if one.channel in known else None
        # an address that a device gave says nothing to people, but for whose push service it is
        plain = urlsplit(one.address).hostname or one.address if channel and channel.enrols else one.address
        lines.append((one, channel, plain))
    schedules = {row.pk: row for row in oncall.schedules(request.actor)}
    return page(
        request,
        "people/person.html",
        {
            "title": "You" if own and not user_id else who.name,
            "person": who,
            "own": own,
            "role": dict(ROLES).get(who.role, who.role),
            "role_help": ROLE_HELP.get(who.role, ""),
            "methods": lines,
            "push_key": push_key() if own else "",
            "unused": unused(who, methods),
            "reaches": reaches(who, methods),
            "quiet": rules.quiet_text(who.quiet_from, who.quiet_to),
            "memberships": who.memberships.select_related("team").order_by("team__name"),
            "shifts": [
                (schedules[shift.schedule_id], shift)
                for shift in oncall.my_shifts(who.pk, moment, moment + timedelta(days=28))
                if shift.schedule_id in schedules
            ][:6],
            "pages": Page.objects.filter(readable(request.actor, "incident_id"), user=who)
            .select_related("incident")
            .order_by("-id")[:10],
            "now": moment,
            "may_edit": may_edit_person(request.actor, who.pk),
            "may_away": oncall.may_edit_absences(request.actor, who.pk),
            "may_administer": may(request.actor, Deed.ADMINISTER),
            "themes": THEMES,
            "has_password": who.has_usable_password(),
            "second_factor": who.authenticator_set.exists() if hasattr(who, "authenticator_set") else False,
        },
    )


@require_GET
@signed_in
def pages(request: Request, user_id: int) -> HttpResponse:
    """Every page to a person."""
    who = queries.user(request.actor, user_id)
    rows = (
        Page.objects.filter(readable(request.actor, "incident_id"), user=who)
        .select_related("incident", "incident__service")
        .order_by("-id")
    )
    columns = [
        ("at", lambda row: row.at.isoformat()),
        ("incident", lambda row: row.incident_id),
        ("title", lambda row: row.incident.title),
        ("urgency", lambda row: row.urgency),
        ("answer", lambda row: row.answer),
        ("answered at", lambda row: row.answered_at),
        ("reason", lambda row: row.reason.get("text", "")),
    ]
    if answer := export(request, "pages", columns, rows):
        return answer
    if before := number(request, "before"):
        rows = rows.filter(pk__lt=before)
    return page(
        request,
        "people/pages.html",
        {
            "title": f"Pages to {'you' if who.pk == request.user.pk else who.name}",
            "person": who,
            "part": cut(request, rows),
        },
    )


class PersonForm(forms.Form):
    """A person; what only administrators may change is taken away for everybody else."""

    name = forms.CharField(max_length=150)
    zone = Zone(label="Time zone", initial="Europe/Berlin", help_text="All times are shown in it.")
    email = forms.CharField(
        max_length=254, label="E-mail address", widget=forms.EmailInput, help_text="To sign in with."
    )
    role = forms.ChoiceField(choices=ROLES, initial="responder", help_text=" ".join(ROLE_HELP.values()))
    manager = forms.ChoiceField(required=False)
    active = forms.BooleanField(required=False, initial=True, label="May sign in and be paged")


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, user_id: int = 0) -> HttpResponse:
    """Make a person, or change one."""
    who = queries.user(request.actor, user_id) if user_id else None
    administer = may(request.actor, Deed.ADMINISTER)
    if who is None:
        require(request.actor, Deed.ADMINISTER)
    else:
        rules.require_edit_person(request.actor, who.pk)
    initial: dict[str, Any] = {"zone": request.user.zone, "role": "responder", "active": True}
    if who:
        initial = {
            "name": who.name,
            "zone": who.zone,
            "email": who.email,
            "role": who.role,
            "active": who.is_active,
            "manager": who.manager.email if who.manager else "",
        }
    form = PersonForm(request.POST or None, initial=initial)
    others = queries.users(request.actor, active=True).exclude(pk=user_id)
    cast(forms.ChoiceField, form.fields["manager"]).choices = choice(
        ((one.email, one.name) for one in others), "nobody"
    )
    if not administer:
        for name in ("email", "role", "manager", "active"):
            del form.fields[name]
    if request.method == "POST" and form.is_valid():
        data = initial | form.cleaned_data
        spec = UserSpec(
            email=data["email"],
            name=data["name"],
            zone=data["zone"],
            role=data["role"],
            active=data["active"],
            manager=data["manager"] or "",
            quiet=rules.quiet_text(who.quiet_from, who.quiet_to) if who else "",
        )
        kept = attempt(form, lambda: actions.save_user(replace(spec), actor=request.actor, id=who.pk if who else None))
        if kept:
            return done(request, f"/people/{kept.pk}/", f"{kept.name} is kept.")
    return page(
        request,
        "people/edit.html",
        {
            "title": f"Edit {who.name}" if who else "New person",
            "form": form,
            "person": who,
            "zone_names": zones(),
            "cancel": f"/people/{who.pk}/" if who else "/people/",
        },
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def switch(request: Request, user_id: int) -> HttpResponse:
    """Let a person in, or out."""
    on = request.POST.get("active") == "on"
    actions.set_active([user_id], on, actor=request.actor)
    return done(
        request,
        f"/people/{user_id}/",
        "They may sign in and be paged." if on else "They cannot sign in and are not paged any more.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, user_id: int) -> HttpResponse:
    """Remove a person for good."""
    who = queries.user(request.actor, user_id)
    require(request.actor, Deed.ADMINISTER)
    if request.method == "POST":
        actions.delete_users([who.pk], actor=request.actor)
        return done(request, "/people/", f"{who.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {who.name}?",
            "button": "Remove the person",
            "cancel": f"/people/{who.pk}/",
            "text": "Their name stays in timelines and in the audit. Somebody who is in a rota or named by a policy "
            "has to be taken out there first. To only keep them out, switch the account off.",
        },
    )
