"""Forms of on call: putting a person on call for a stretch, and taking that back."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.oncall import actions, queries
from tocsin.oncall.models import Override, Schedule
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform.errors import NotFound
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, choice, set_choices
from tocsin.web.shortcuts import Request, attempt, back_to, done, number, page, signed_in


class OverrideForm(forms.Form):
    """Who, from when, until when, why. Moments are on the wall clock of the schedule's zone."""

    user = forms.ChoiceField(label="Who", required=False)
    kind = forms.ChoiceField(
        label="How",
        required=False,
        choices=[
            ("instead", "on call instead"),
            ("beside", "on call as well"),
            ("shadow", "comes along as a shadow"),
        ],
        help_text="A shadow is told of every page and is not on call.",
    )
    replaces = forms.ChoiceField(label="Instead of whom", required=False, help_text="Everybody, or one person alone.")
    start = LocalMoment(label="From")
    end = LocalMoment(label="Until")
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=300,
        help_text="Shown on the timeline and in the reason of every page.",
    )

    def __init__(self, *args: Any, people: list[tuple[str, str]], zone: str, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, empty in (("user", "nobody: a gap by intent"), ("replaces", "everybody")):
            set_choices(self, name, [("", empty), *people] if name == "replaces" else [*people, ("", empty)])
        self.fields["start"].help_text = self.fields["end"].help_text = f"Local time in {zone}."


def moment_of(text: str, zone: str) -> datetime | None:
    """A moment of an address, as wall-clock time of the zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if found.tzinfo else found


@require_http_methods(["GET", "POST"])
@signed_in
def override(request: Request, schedule_id: int) -> HttpResponse:
    """Put somebody on call in a schedule for a stretch."""
    row = queries.schedule(request.actor, schedule_id)
    require(request.actor, Deed.OVERRIDE, row.team_id)
    moment = now(request)
    local = moment.astimezone(ZoneInfo(row.zone)).replace(tzinfo=None, second=0, microsecond=0)
    start = moment_of(request.GET.get("start", ""), row.zone) or local
    end = moment_of(request.GET.get("end", ""), row.zone) or local + timedelta(hours=8)
    members = list(people.users(request.actor, active=True))
    inside = {user.pk for user in members if row.team_id in {m.team_id for m in user.memberships.all()}}
    offered = sorted(members, key=lambda user: (user.pk != request.user.pk, user.pk not in inside, user.name))
    form = OverrideForm(
        request.POST or None,
        people=choice((user.pk, f"{user.name} (you)" if user.pk == request.user.pk else user.name) for user in offered),
        zone=row.zone,
        initial={"user": number(request, "user") or request.user.pk, "start": max(start, local), "end": end},
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form,
            lambda: actions.add_override(
                row.pk,
                int(data["user"]) if data["user"] else None,
                data["start"],
                data["end"],
                data["reason"],
                actor=request.actor,
                kind=data["kind"] or "instead",
                replaces_id=int(data["replaces"]) if data["replaces"] else None,
            ),
        )
        if made:
            return done(
                request, back_to(request, f"/on-call/{row.pk}/"), _told(made), undo=f"/on-call/overrides/{made.pk}/end/"
            )
    status = 422 if form.errors else 200
    current = _now_on(row, moment)
    return page(
        request,
        "oncall/override.html",
        {
            "title": f"Override in {row.name}",
            "form": form,
            "schedule": row,
            "current": current,
            "cancel": f"/on-call/{row.pk}/",
        },
        status,
    )


def _told(made: Override) -> str:
    if made.user is None:
        return f"{made.replaces.name if made.replaces else 'Everybody'} is off call then."
    return f"{made.user.name} {'comes along' if made.kind == 'shadow' else 'is on call'} then."


def _now_on(row: Schedule, moment: datetime) -> queries.OnCall | None:
    return next(iter(queries.everyone(moment, [row.pk])), None)


@require_POST
@signed_in
def end_override(request: Request, override_id: int) -> HttpResponse:
    """Take an override back: one that has not begun goes, a running one ends now."""
    found = Override.objects.filter(pk=override_id).first()
    if found is None:
        raise NotFound("There is no such override any more.")
    actions.delete_overrides([override_id], actor=request.actor)
    return done(request, back_to(request, f"/on-call/{found.schedule_id}/"), "The override is taken back.")
