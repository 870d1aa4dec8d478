"""Settings: the roles that people take in an incident."""

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from tocsin.incidents import actions, queries
from tocsin.incidents.rules.command import RoleSpec
from tocsin.people.rules import Deed, may, require
from tocsin.web.shortcuts import Columns, Request, attempt, done, export, page, signed_in

LIST = "/settings/roles/"
COLUMNS: Columns = [
    ("name", lambda row: row.name),
    ("slug", lambda row: row.slug),
    ("summary", lambda row: row.summary),
    ("duties", lambda row: "\n".join(row.duties)),
    ("leads", lambda row: row.leads),
    ("position", lambda row: row.position),
]


class RoleForm(forms.Form):
    name = forms.CharField(max_length=100)
    summary = forms.CharField(max_length=300, required=False, label="What it is for", help_text="One sentence.")
    duties = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One a line. Whoever takes the role sees them in the incident's room.",
    )
    leads = forms.BooleanField(required=False, label="It commands the response")
    position = forms.IntegerField(min_value=0, max_value=10_000, initial=0, help_text="Smaller ones stand first.")


@require_safe
@signed_in
def listed(request: Request) -> HttpResponse:
    """All roles with their duties."""
    rows = queries.roles(request.actor)
    if answer := export(request, "roles", COLUMNS, rows):
        return answer
    context = {"title": "Roles", "rows": rows, "may_change": may(request.actor, Deed.ADMINISTER)}
    return page(request, "incidents/roles.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, role_id: int = 0) -> HttpResponse:
    """Add a role, or change one."""
    require(request.actor, Deed.ADMINISTER)
    row = queries.role(request.actor, role_id) if role_id else None
    initial = (
        {
            "name": row.name,
            "summary": row.summary,
            "duties": "\n".join(row.duties),
            "leads": row.leads,
            "position": row.position,
        }
        if row
        else {}
    )
    form = RoleForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        duties = [line.strip() for line in data["duties"].splitlines() if line.strip()]
        spec = RoleSpec(data["name"], row.slug if row else "", data["summary"], duties, data["leads"], data["position"])
        kept = attempt(form, lambda: actions.save_role(spec, actor=request.actor, id=row.pk if row else None))
        if kept:
            return done(request, LIST, f"{kept.name} is kept.")
    context = {"title": f"Edit {row.name}" if row else "New role", "form": form, "role": row, "cancel": LIST}
    return page(request, "incidents/role.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, role_id: int) -> HttpResponse:
    """Take a role away that nobody ever took."""
    require(request.actor, Deed.ADMINISTER)
    row = queries.role(request.actor, role_id)
    if request.method == "POST":
        actions.delete_roles([row.pk], actor=request.actor)
        return done(request, LIST, f"{row.name} is removed.")
    context = {
        "title": f"Remove {row.name}?", "text": "A role that somebody took in an incident stays on record.",
        "button": "Remove the role", "cancel": LIST,
    }  # fmt: skip
    return page(request, "web/confirm.html", context)


urlpatterns: list[URLPattern] = [
    path("settings/roles/", listed, name="roles"),
    path("settings/roles/new/", edit, name="role-new"),
    path("settings/roles/<int:role_id>/", edit, name="role"),
    path("settings/roles/<int:role_id>/delete/", delete, name="role-delete"),
]
