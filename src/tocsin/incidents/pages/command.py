"""Command in the room: roles, tasks, facts and decisions, each a small form; and the briefing."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tocsin.incidents import actions, queries
from tocsin.incidents.pages.briefing import briefing_of
from tocsin.incidents.rules import command
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.moments import zone
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment
from tocsin.web.markdown import to_html
from tocsin.web.shortcuts import Request, attempt, done, page, signed_in


class AskForm(forms.Form):
    user = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).exclude(role="observer").order_by("name"),
        label="Who",
        empty_label="Choose a person",
        help_text="They are told at once and confirm or decline. Until then nothing changes.",
    )
    note = forms.CharField(
        required=False,
        label="What they should know first",
        max_length=command.TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Goes on top of the briefing.",
    )


class TaskForm(forms.Form):
    title = forms.CharField(
        label="What is to be done", max_length=command.TITLE_LENGTH, widget=forms.TextInput(attrs={"autofocus": True})
    )
    owner = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).order_by("name"),
        required=False,
        label="Who does it",
        empty_label="Nobody yet",
    )
    due_at = LocalMoment(required=False, label="Until", help_text="In your own time zone.")


class FactForm(forms.Form):
    text = forms.CharField(
        label="What is known for sure",
        max_length=1_000,
        widget=forms.TextInput(attrs={"autofocus": True}),
        help_text="One sentence. It stays in sight until somebody takes it away.",
    )


class DecisionForm(forms.Form):
    text = forms.CharField(
        label="What was decided", max_length=1_000, widget=forms.TextInput(attrs={"autofocus": True})
    )
    rationale = forms.CharField(
        required=False,
        label="Why",
        max_length=command.TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The review will thank you for it.",
    )


def _room(incident_id: int) -> str:
    return f"/incidents/{incident_id}/"


def _form_page(
    request: Request, title: str, form: forms.Form, button: str, incident_id: int, **more: Any
) -> HttpResponse:
    context = {"title": title, "form": form, "button": button, "cancel": _room(incident_id), **more}
    return page(request, "incidents/command_form.html", context, status=422 if request.method == "POST" else 200)


# --- roles --------------------------------------------------------------------------------------------------------


@require_POST
@signed_in
def take(request: Request, incident_id: int, role: str) -> HttpResponse:
    """Take a role oneself."""
    holder = actions.take_role(incident_id, role, actor=request.actor)
    return done(request, _room(incident_id), f"You are {holder.role.name} of INC-{incident_id} now.")


@require_http_methods(["GET", "POST"])
@signed_in
def ask(request: Request, incident_id: int, role: str) -> HttpResponse:
    """Ask somebody to take a role, with a briefing that is shown before it goes out."""
    require(request.actor, Deed.RESPOND)
    found = queries.role(request.actor, role)
    form = AskForm(request.POST if request.method == "POST" else None)
    note = request.POST.get("note", "")[: command.TEXT_LENGTH].replace("\x00", "")
    briefing = briefing_of(request.actor, incident_id, now(request), request.user.zone, note)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        holder = attempt(
            form,
            lambda: actions.ask_role(
                incident_id, found.slug, data["user"].pk, actor=request.actor, note=data["note"], briefing=briefing
            ),
        )
        if holder:
            return done(request, _room(incident_id), f"{holder.user.name} is asked to be {found.name}.")
    return _form_page(
        request, f"{found.name}: ask somebody", form, "Ask them now", incident_id,
        duties=found.duties, hint=found.summary, prose=to_html(briefing),
    )  # fmt: skip


@require_POST
@signed_in
def answer(request: Request, holder_id: int, word: str) -> HttpResponse:
    """Confirm or decline a role."""
    holder = actions.answer_role(holder_id, word == "accept", actor=request.actor, note=request.POST.get("note", ""))
    told = f"You are {holder.role.name} now." if word == "accept" else "You declined; whoever asked sees it."
    return done(request, _room(holder.incident_id), told)


@require_POST
@signed_in
def leave(request: Request, holder_id: int) -> HttpResponse:
    """End that somebody holds a role or is asked to."""
    holder = actions.leave_role(holder_id, actor=request.actor)
    return done(request, _room(holder.incident_id), f"{holder.role.name} is free.")


@require_safe
@signed_in
def briefing(request: Request, incident_id: int, holder_id: int = 0) -> HttpResponse:
    """The briefing as it would be now, or the one that somebody was given."""
    if holder_id:
        holder = queries.holder(request.actor, holder_id)
        incident_id, text = holder.incident_id, holder.briefing
        title = f"Briefing for {holder.user.name}, {holder.role.name}"
    else:
        text = briefing_of(request.actor, incident_id, now(request), request.user.zone)
        title = f"Briefing of INC-{incident_id}"
    return page(
        request, "incidents/briefing.html", {"title": title, "prose": to_html(text), "back": _room(incident_id)}
    )


# --- tasks, facts, decisions --------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@signed_in
def task(request: Request, incident_id: int = 0, task_id: int = 0) -> HttpResponse:
    """Add a task, or change one."""
    require(request.actor, Deed.RESPOND)
    row = queries.task(request.actor, task_id) if task_id else None
    key = row.incident_id if row else queries.incident(request.actor, incident_id).pk
    local = row.due_at.astimezone(zone(request.user.zone)).replace(tzinfo=None) if row and row.due_at else None
    initial = {"title": row.title, "owner": row.owner_id, "due_at": local} if row else {}
    form = TaskForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        due = data["due_at"].replace(tzinfo=zone(request.user.zone)) if data["due_at"] else None
        owner = data["owner"].pk if data["owner"] else None
        kept = attempt(
            form,
            lambda: (
                actions.change_task(row.pk, title=data["title"], owner=owner, due_at=due, actor=request.actor)
                if row
                else actions.add_task(key, data["title"], owner=owner, due_at=due, actor=request.actor)
            ),
        )
        if kept:
            return done(request, _room(key), "The task is kept.")
    return _form_page(request, "Change the task" if row else "Add a task", form, "Keep the task", key)


@require_POST
@signed_in
def task_state(request: Request, task_id: int, state: str) -> HttpResponse:
    """A task is done, dropped or open again."""
    row = actions.end_task(task_id, state, actor=request.actor)
    undo = f"/tasks/{row.pk}/open/" if state != "open" else ""
    return done(
        request, _room(row.incident_id), {"done": "Done.", "dropped": "Dropped."}.get(state, "Open again."), undo
    )


@require_http_methods(["GET", "POST"])
@signed_in
def fact(request: Request, incident_id: int) -> HttpResponse:
    """Pin a fact."""
    require(request.actor, Deed.RESPOND)
    key = queries.incident(request.actor, incident_id).pk
    form = FactForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        if attempt(form, lambda: actions.pin_fact(key, text, actor=request.actor)):
            return done(request, _room(key), "Pinned.")
    return _form_page(request, "Pin a fact", form, "Pin it", key)


@require_POST
@signed_in
def unpin(request: Request, fact_id: int) -> HttpResponse:
    """Take a fact away."""
    row = actions.unpin_fact(fact_id, actor=request.actor)
    return done(request, _room(row.incident_id), "Taken away; the timeline keeps it.")


@require_http_methods(["GET", "POST"])
@signed_in
def decision(request: Request, incident_id: int) -> HttpResponse:
    """Write a decision down."""
    require(request.actor, Deed.RESPOND)
    key = queries.incident(request.actor, incident_id).pk
    form = DecisionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data

        def write() -> bool:
            actions.decide(key, data["text"], rationale=data["rationale"], actor=request.actor)
            return True

        if attempt(form, write):
            return done(request, _room(key), "The decision stands on the timeline.")
    return _form_page(request, "Note a decision", form, "Note it", key)


urlpatterns: list[URLPattern] = [
    path("incidents/<int:incident_id>/roles/<slug:role>/take/", take, name="role-take"),
    path("incidents/<int:incident_id>/roles/<slug:role>/ask/", ask, name="role-ask"),
    path("incidents/<int:incident_id>/briefing/", briefing, name="briefing"),
    path("incidents/<int:incident_id>/tasks/new/", task, name="task-new"),
    path("incidents/<int:incident_id>/facts/new/", fact, name="fact-new"),
    path("incidents/<int:incident_id>/decisions/new/", decision, name="decision-new"),
    path("role-holders/<int:holder_id>/briefing/", briefing, {"incident_id": 0}, name="briefing-given"),
    path("role-holders/<int:holder_id>/leave/", leave, name="role-leave"),
    path("role-holders/<int:holder_id>/accept/", answer, {"word": "accept"}, name="role-accept"),
    path("role-holders/<int:holder_id>/decline/", answer, {"word": "decline"}, name="role-decline"),
    path("tasks/<int:task_id>/", task, name="task"),
    path("tasks/<int:task_id>/<slug:state>/", task_state, name="task-state"),
    path("facts/<int:fact_id>/unpin/", unpin, name="fact-unpin"),
]
