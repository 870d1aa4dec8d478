"""Teams: who belongs together, who manages, what they own."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from tocsin.catalogue import queries as catalogue
from tocsin.escalation import queries as escalation
from tocsin.oncall import queries as oncall
from tocsin.people import actions, queries
from tocsin.people.rules import Deed, TeamSpec, may, require
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, attempt, done, export, page, signed_in


class TeamForm(forms.Form):
    """Name and description; the members are boxes of their own."""

    name = forms.CharField(max_length=100)
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))


@require_GET
@signed_in
def teams(request: Request) -> HttpResponse:
    """All teams with their members."""
    rows = queries.teams(request.actor, request.GET.get("q", "")[:100])
    columns = [
        ("name", lambda row: row.name),
        ("slug", lambda row: row.slug),
        ("members", lambda row: ", ".join(sorted(m.user.email for m in row.memberships.all()))),
    ]
    if answer := export(request, "teams", columns, rows):
        return answer
    lines = [(row, sorted((m.user for m in row.memberships.all()), key=lambda user: user.name)) for row in rows]
    return page(
        request,
        "people/teams.html",
        {"title": "Teams", "lines": lines, "may_configure": may(request.actor, Deed.CONFIGURE)},
    )


@require_GET
@signed_in
def team(request: Request, team_id: int) -> HttpResponse:
    """One team: members, services, schedules, policies, who is on call."""
    row = queries.team(request.actor, team_id)
    schedules = list(oncall.schedules(request.actor, team_ids=[row.pk]))
    return page(
        request,
        "people/team.html",
        {
            "title": row.name,
            "team": row,
            "members": row.memberships.select_related("user").order_by("role", "user__name"),
            "services": catalogue.services(request.actor, team=row.slug),
            "policies": escalation.policies(request.actor, team_ids=[row.pk]),
            "on_call": oncall.everyone(now(request), [one.pk for one in schedules]) if schedules else [],
            "may_configure": may(request.actor, Deed.CONFIGURE, row.pk),
        },
    )


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, team_id: int = 0) -> HttpResponse:
    """Make a team, or change one with its members."""
    row = queries.team(request.actor, team_id) if team_id else None
    require(request.actor, Deed.CONFIGURE, row.pk if row else None)
    initial: dict[str, Any] = {"name": row.name, "description": row.description} if row else {}
    form = TeamForm(request.POST or None, initial=initial)
    people = list(queries.users(request.actor, active=True))
    roles: dict[str, str] = {}
    if request.method == "POST":
        wanted = {str(person.pk): person.email for person in people}
        roles = {
            email: role
            for key, email in wanted.items()
            if (role := request.POST.get(f"role-{key}", "")) in ("member", "manager")
        }
        if form.is_valid():
            spec = TeamSpec(
                name=form.cleaned_data["name"],
                slug=row.slug if row else "",
                description=form.cleaned_data["description"],
                members=roles,
            )
            kept = attempt(form, lambda: actions.save_team(spec, actor=request.actor, id=row.pk if row else None))
            if kept:
                return done(request, f"/people/teams/{kept.pk}/", f"{kept.name} is kept.")
    elif row:
        roles = {m.user.email: m.role for m in row.memberships.select_related("user")}
    lines = sorted(
        ((person, roles.get(person.email, "")) for person in people), key=lambda line: (not line[1], line[0].name)
    )
    return page(
        request,
        "people/team_edit.html",
        {
            "title": f"Edit {row.name}" if row else "New team",
            "form": form,
            "lines": lines,
            "team": row,
            "cancel": f"/people/teams/{row.pk}/" if row else "/people/teams/",
        },
        422 if form.errors else 200,
    )


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, team_id: int) -> HttpResponse:
    """Remove a team that owns nothing."""
    row = queries.team(request.actor, team_id)
    require(request.actor, Deed.CONFIGURE, row.pk)
    if request.method == "POST":
        actions.delete_teams([row.pk], actor=request.actor)
        return done(request, "/people/teams/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "button": "Remove the team",
            "cancel": f"/people/teams/{row.pk}/",
            "text": "Its people stay. A team that owns services or is paged by a policy has to lose these first.",
        },
    )
