"""The generator of fair rotas: ask, look at what comes out and how fair it is, put it onto the schedule."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.oncall import queries
from tocsin.oncall.actions import rotas
from tocsin.oncall.actions.rotas import RotaPerson, RotaRequest, RotaRules, RotaShift
from tocsin.oncall.pages import timeline
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform.apart import apart
from tocsin.platform.errors import Invalid
from tocsin.web.context import now
from tocsin.web.fields import set_choices
from tocsin.web.shortcuts import Request, attempt, done, page, signed_in

SECONDS = 15.0
PATTERNS = (
    ("day-night", "Day and night, 12 hours each"),
    ("day", "Around the clock, a day each"),
    ("week", "A week each"),
    ("office", "Office hours, Monday to Friday"),
)
MOST_SHOWN = 400


class RotaForm(forms.Form):
    """Who, from when, for how long, by which rules."""

    start = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    weeks = forms.IntegerField(min_value=1, max_value=53, initial=8)
    pattern = forms.ChoiceField(label="Shifts", choices=PATTERNS)
    hand_off = forms.RegexField(
        r"^([01]\d|2[0-3]):[0-5]\d$", label="Hand-off", initial="09:00", help_text="Local time of the schedule."
    )
    people = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, help_text="Absences are known already.")
    rest_hours = forms.FloatField(label="Rest between shifts, hours", min_value=0, max_value=72, initial=11)
    nights_in_a_row = forms.IntegerField(label="Nights in a row at most", min_value=1, max_value=14, initial=4)


def _shifts(pattern: str, at: str) -> list[RotaShift]:
    other = f"{(int(at[:2]) + 12) % 24:02}{at[2:]}"
    if pattern == "day-night":
        return [RotaShift("day", at, other), RotaShift("night", other, at)]
    if pattern == "week":
        return [RotaShift("week", at, at, days=[1], unit="week")]
    if pattern == "office":
        return [RotaShift("office hours", at, f"{min(int(at[:2]) + 8, 23):02}{at[2:]}", days=[1, 2, 3, 4, 5])]
    return [RotaShift("day", at, at)]


@require_http_methods(["GET", "POST"])
@signed_in
def rota(request: Request, schedule_id: int) -> HttpResponse:
    """Ask for a rota; what comes out is shown and kept nowhere yet."""
    row = queries.schedule(request.actor, schedule_id)
    require(request.actor, Deed.CONFIGURE, row.team_id)
    everybody = list(people.users(request.actor, active=True))
    team = [user for user in everybody if row.team_id in {one.team_id for one in user.memberships.all()}]
    today = now(request).date()
    monday = today + timedelta(days=7 - today.weekday())
    form = RotaForm(
        request.POST or None,
        initial={"start": monday, "people": [user.email for user in team], "pattern": PATTERNS[0][0]},
    )
    set_choices(form, "people", [(user.email, user.name) for user in (team or everybody)])
    found: dict[str, Any] | None = None
    if request.method == "POST" and form.is_valid():
        found = attempt(form, lambda: _asked(request, row.slug, form.cleaned_data))
    return page(
        request,
        "oncall/rota.html",
        {
            "title": f"A fair rota for {row.name}",
            "form": form,
            "schedule": row,
            "cancel": f"/on-call/{row.pk}/",
            **(_shown(row.zone, found, {user.email: user.name for user in everybody}) if found else {}),
        },
        422 if form.errors else 200,
    )


def _asked(request: Request, slug: str, data: dict[str, Any]) -> dict[str, Any]:
    wanted = RotaRequest(
        slug,
        data["start"],
        data["weeks"],
        [RotaPerson(email) for email in data["people"]],
        _shifts(data["pattern"], data["hand_off"]),
        RotaRules(rest_hours=data["rest_hours"], nights_in_a_row=data["nights_in_a_row"]),
        seconds=SECONDS,
    )
    rotas.rota_spec(wanted, actor=request.actor)  # what is wrong is told at once, not by a process
    value = json.loads(json.dumps(asdict(wanted), default=str))
    found: dict[str, Any] = apart("tocsin.oncall.actions.rotas:task", value, actor=request.actor, timeout_s=120)
    return found


def _shown(zone: str, found: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    shifts = [
        (names.get(one["email"], one["email"]), *_moments(zone, (one["from"], one["to"])), one["why"])
        for one in found["shifts"]
    ]
    plain = {one["email"]: one for one in found["rotation"]["people"]}
    return {
        "found": found,
        "shifts": shifts[:MOST_SHOWN],
        "more": max(len(shifts) - MOST_SHOWN, 0),
        "shares": [
            (names.get(one["email"], one["email"]), one, plain.get(one["email"], one))
            for one in found["fairness"]["people"]
        ],
        "broken": sum(found["rotation"]["broken"].values()),
        "kept": json.dumps(found["shifts"]),
    }


def _moments(zone: str, texts: Iterable[str]) -> list[str]:
    """``Mon 23 Nov 09:00`` on the wall clock of a zone."""
    found = [datetime.fromisoformat(text) for text in texts]
    return [timeline.moment(timeline.View(at.date(), 1, zone), at) for at in found]


@require_POST
@signed_in
def keep(request: Request, schedule_id: int) -> HttpResponse:
    """Put a generated rota onto the schedule."""
    row = queries.schedule(request.actor, schedule_id)
    try:
        shifts = json.loads(request.POST.get("shifts", ""))
    except ValueError:
        shifts = None
    if not isinstance(shifts, list) or not all(isinstance(one, dict) for one in shifts):
        raise Invalid("This is no rota.", {"shifts": "the shifts that were generated"})
    count = rotas.keep_rota(row.pk, shifts, actor=request.actor)
    return done(request, f"/on-call/{row.pk}/", f"{count} shifts are on {row.name}.")
