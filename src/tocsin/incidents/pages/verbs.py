"""What people do to incidents: one form page a verb, for one incident or many. A dialog shows the same page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms as django_forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from tocsin.escalation import actions as escalation
from tocsin.incidents import actions, queries
from tocsin.incidents.actions import Done
from tocsin.incidents.models import Incident
from tocsin.incidents.pages import forms
from tocsin.people.rules import Deed, require
from tocsin.platform.errors import Invalid, NotFound
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, attempt, back_to, done, ids_of, page, signed_in

Run = Callable[[Request, list[int], Any], Done]


@dataclass(frozen=True)
class Verb:
    """Something to do: how its form is headed, what its button and its success say, and the action it calls."""

    title: str
    button: str
    did: str
    run: Run
    form: type[django_forms.Form] = forms.Nothing
    tone: str = "primary"
    hint: str = ""
    at_once: bool = field(default=False)  # nothing to ask: a button on a list does it without a form


def _snooze(request: Request, ids: list[int], form: forms.Snooze) -> Done:
    return actions.snooze(ids, until=form.until(now(request), request.user.zone), actor=request.actor)


def _users(form: forms.People) -> list[int]:
    return [user.pk for user in form.cleaned_data["users"]]


def _escalate(request: Request, ids: list[int], form: Any) -> Done:
    result = Done()
    for key in ids:
        escalation.escalate_now(key, **form.cleaned_data, actor=request.actor)
        result.changed.append(key)
    return result


def _team(request: Request, ids: list[int], form: forms.TeamCall) -> Done:
    data = form.cleaned_data
    for key in ids:
        escalation.page_team(
            key, data["team"].pk, reason_code=data["reason_code"], reason=data["reason"], actor=request.actor
        )
    return Done(changed=list(ids))


def _up(request: Request, ids: list[int], form: forms.Escalation) -> Done:
    for key in ids:
        escalation.escalate_up(key, **form.cleaned_data, actor=request.actor)
    return Done(changed=list(ids))


def _call(request: Request, ids: list[int], form: forms.Call) -> Done:
    message = form.cleaned_data["message"]
    for key in ids:
        escalation.page_users(key, user_ids=_users(form), message=message, actor=request.actor)
    return Done(changed=list(ids))


def _priority(request: Request, ids: list[int], form: Any) -> Done:
    return actions.set_priority(ids, **form.cleaned_data, actor=request.actor)


def _merge(request: Request, ids: list[int], form: Any) -> Done:
    return actions.merge(int(form.cleaned_data["target"]), ids, actor=request.actor)


VERBS = {
    "acknowledge": Verb(
        "Acknowledge", "Acknowledge", "acknowledged", at_once=True,
        run=lambda request, ids, form: actions.acknowledge(ids, actor=request.actor),
        hint="You answer for it. Nobody else is woken.",
    ),
    "unacknowledge": Verb(
        "Take the acknowledgement back", "Page again", "no longer acknowledged", form=forms.Reason, tone="error",
        run=lambda request, ids, form: actions.unacknowledge(ids, actor=request.actor, **form.cleaned_data),
        hint="The policy starts from its first step: people are paged again, now.",
    ),
    "mitigate": Verb(
        "Mark as mitigated", "Mark as mitigated", "mitigated", at_once=True,
        run=lambda request, ids, form: actions.mitigate(ids, actor=request.actor),
        hint="The harm is held off, the cause is not yet removed.",
    ),
    "resolve": Verb(
        "Resolve", "Resolve", "resolved", form=forms.Ending,
        run=lambda request, ids, form: actions.resolve(ids, note=form.cleaned_data["note"], actor=request.actor),
        hint="It is over. Its open alerts are resolved with it.",
    ),
    "close": Verb(
        "Close", "Close", "closed", at_once=True,
        run=lambda request, ids, form: actions.close(ids, actor=request.actor),
        hint="Nothing more is expected of anybody.",
    ),
    "reopen": Verb(
        "Reopen", "Reopen and page", "reopened", form=forms.Reason, tone="error",
        run=lambda request, ids, form: actions.reopen(ids, reason=form.cleaned_data["reason"], actor=request.actor),
        hint="It was not over: people are paged again, now.",
    ),
    "snooze": Verb(
        "Snooze", "Snooze", "snoozed", run=_snooze, form=forms.Snooze,
        hint="You answer for it, and it pages again at the moment you choose, unless it is over by then.",
    ),
    "reassign": Verb(
        "Give it to somebody else", "Page them now", "reassigned", form=forms.People,
        run=lambda request, ids, form: actions.reassign(ids, user_ids=_users(form), actor=request.actor),
        hint="They are paged now, instead of the policy's people.",
    ),
    "priority": Verb("Change the priority", "Save the priority", "changed", run=_priority, form=forms.Priority),
    "merge": Verb("Merge", "Merge", "merged", run=_merge, form=forms.Merge, hint="Several incidents were one."),
    "note": Verb(
        "Write a note", "Add the note", "noted", form=forms.Note,
        run=lambda request, ids, form: actions.add_note(ids, text=form.cleaned_data["text"], actor=request.actor),
    ),
    "retitle": Verb(
        "Change the title", "Save the title", "renamed", form=forms.Title,
        run=lambda request, ids, form: actions.retitle(ids, title=form.cleaned_data["title"], actor=request.actor),
    ),
    "confidential": Verb(
        "Make it confidential", "Make it confidential", "confidential from now on", form=forms.Reason,
        run=lambda request, ids, form: actions.make_confidential(
            ids, why=form.cleaned_data["reason"], actor=request.actor
        ),
        hint="Only you, those who were or will be called for it, and administrators see what it is. Messages that went "
        "out before this moment stay as they are.",
    ),
    "let-in": Verb(
        "Let somebody in", "Let them in", "open to more people", form=forms.LetIn,
        run=lambda request, ids, form: actions.admit(
            ids, user_ids=_users(form), reason=form.cleaned_data["reason"], actor=request.actor
        ),
        hint="They may read everything about it, and act on it as their role allows. Nobody is paged.",
    ),
    "lift": Verb(
        "Let everybody see it", "Let everybody see it", "no longer confidential", form=forms.Lift, tone="error",
        run=lambda request, ids, form: actions.lift_confidentiality(
            ids, why=form.cleaned_data["reason"], actor=request.actor
        ),
        hint="Everybody here may read it, with what was written while it was confidential.",
    ),
    "escalate": Verb(
        "Escalate now", "Page the next step now", "escalated", run=_escalate, form=forms.NextStep, tone="error",
        hint="The policy's next step runs at once instead of waiting for its time.",
    ),
    "team": Verb(
        "Bring a team in", "Page the team now", "escalated", run=_team, form=forms.TeamCall, tone="error",
        hint="Its people are paged at once, besides whoever the policy pages.",
    ),
    "escalate-up": Verb(
        "Escalate to the managers", "Page the managers now", "escalated", run=_up, form=forms.Escalation, tone="error",
        hint="The managers of those who were paged so far are paged; again, and theirs are.",
    ),
    "page": Verb(
        "Page somebody", "Page them now", "paged", run=_call, form=forms.Call, tone="error",
        hint="They are paged at once, by their own notification rules, besides whoever the policy pages.",
    ),
}  # fmt: skip


@require_http_methods(["GET", "POST"])
@signed_in
def act(request: Request, verb: str) -> HttpResponse:
    """``/incidents/act/<verb>/?id=1&id=2``: a form; sent with ``sent=1`` it is done, for all of them."""
    if verb not in VERBS:
        raise NotFound("There is nothing to do at this address.")
    require(request.actor, Deed.RESPOND)
    how = VERBS[verb]
    ids = ids_of(request)
    if not ids:
        raise Invalid("Select at least one incident first.", {"id": "the incident's number"})
    visible = Incident.objects.filter(queries.readable(request.actor), pk__in=ids)
    rows = list(visible.select_related("service").order_by("id"))
    if not rows:
        raise NotFound("There is no such incident." if len(ids) == 1 else "There are no such incidents.")
    fallback = f"/incidents/{ids[0]}/" if len(ids) == 1 else "/incidents/"
    send = request.method == "POST" and (how.at_once or request.POST.get("sent") == "1")
    form = _form(how, request, rows, send)
    if send and form.is_valid():
        result = attempt(None if how.at_once else form, lambda: how.run(request, ids, form))
        if result is not None:
            return done(request, back_to(request, fallback), _said(how, result))
    context = {
        "title": how.title, "verb": verb, "how": how, "form": form, "rows": rows,
        "back": back_to(request, fallback), "status": 422,
    }  # fmt: skip
    return page(request, "incidents/act.html", context, status=422 if send else 200)


def _form(how: Verb, request: Request, rows: Sequence[Incident], send: bool) -> django_forms.Form:
    extra: dict[str, Any] = {}
    if how.form is forms.Merge:
        extra = {"ids": [one.pk for one in rows], "actor": request.actor}
    if send:
        return how.form(request.POST, **extra)
    first = rows[0]
    initial = {"impact": first.impact, "urgency": first.urgency, "title": first.title}
    return how.form(initial=initial, **extra)


def _said(how: Verb, result: Done) -> str:
    """What became of it, in words."""
    if len(result.changed) == 1:
        words = f"INC-{result.changed[0]} {how.did}."
    elif result.changed:
        words = f"{len(result.changed)} incidents {how.did}."
    else:
        words = ""
    partly = [f"INC-{key} has {told}." for key, told in list(result.partly.items())[:5]]
    words = " ".join([words, *partly]).strip()
    skipped = [f"INC-{key} was left as it is: {why}." for key, why in list(result.skipped.items())[:5]]
    if len(result.skipped) > 5:
        skipped.append(f"So were {len(result.skipped) - 5} others.")
    return " ".join([words, *skipped]).strip()


@require_http_methods(["GET", "POST"])
@signed_in
def declare(request: Request) -> HttpResponse:
    """``/incidents/declare/``: open an incident by hand."""
    require(request.actor, Deed.RESPOND)
    sent = request.method == "POST"
    form = forms.Declare(request.POST if sent else None, initial={"service": request.GET.get("service")})
    if sent and form.is_valid():
        values = {**form.cleaned_data, "service_id": form.cleaned_data["service"].pk}
        del values["service"]
        incident = attempt(form, lambda: actions.declare(**values, actor=request.actor))
        if incident is not None:
            return done(request, f"/incidents/{incident.pk}/", f"INC-{incident.pk} is declared; people are paged now.")
    return page(
        request, "incidents/declare.html", {"title": "Declare an incident", "form": form}, status=422 if sent else 200
    )
