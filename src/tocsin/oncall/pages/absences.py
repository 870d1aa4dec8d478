"""Absences: one's own, a team's, from a file, from a calendar. Why somebody is away only those see who may say so."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from tocsin.oncall import actions, queries, rules
from tocsin.oncall.models import Absence
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.platform.errors import NotFound
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, choice
from tocsin.web.shortcuts import Request, attempt, done, export, ids_of, number, page, signed_in

YEAR = timedelta(days=366)
KINDS = ("vacation", "sick", "leave", "away")


class AbsenceForm(forms.Form):
    """Who is away, from when until when."""

    user = forms.ChoiceField(label="Who")
    start = LocalMoment(label="From")
    end = LocalMoment(label="Until", help_text="Local time of that person.")
    kind = forms.ChoiceField(required=False, choices=[("", "away"), *((kind, kind) for kind in KINDS[:3])])
    note = forms.CharField(required=False, max_length=300)


class FileForm(forms.Form):
    """Absences of many people."""

    file = forms.FileField(
        label="CSV file",
        help_text="Headings person (e-mail address), start and end; perhaps kind, note, zone. A mere date at the end is"
        " the last day.",
    )
    save_good = forms.BooleanField(
        label="Keep the good rows although others are not", required=False, help_text="Else nothing is kept."
    )


class FeedForm(forms.Form):
    """One's own calendar."""

    url = forms.CharField(
        label="Address",
        max_length=2000,
        help_text="Of your own calendar, read every 30 minutes: https, http or webcal. Kept encrypted.",
    )
    everything = forms.BooleanField(
        label="Every event is an absence",
        required=False,
        help_text="Else those that say so: vacation, sick, out of office.",
    )


def _local(moment: datetime, user: User) -> datetime:
    zone = user.zone if rules.known_zone(user.zone) else "UTC"
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)


@require_http_methods(["GET", "POST"])
@signed_in
def absences(request: Request) -> HttpResponse:
    """Who is away: oneself, or a team; forms to say so."""
    moment = now(request)
    team_ref = request.GET.get("team", "")
    team = people.team(request.actor, team_ref) if team_ref else None
    show_all = request.GET.get("show") == "all"
    writable = queries.people_for(request.actor)
    rows = queries.absence_rows(
        request.actor,
        moment - (YEAR if show_all else timedelta()),
        moment + 2 * YEAR,
        user_id=None if team else request.user.pk,
        team_id=team.pk if team else None,
    )

    @cache
    def knows(user_id: int) -> bool:
        return queries.may_edit_absences(request.actor, user_id)

    columns = [
        ("person", lambda row: row.user.email),
        ("start", lambda row: row.starts_at.isoformat()),
        ("end", lambda row: row.ends_at.isoformat()),
        ("kind", lambda row: row.kind if knows(row.user_id) else ""),
        ("note", lambda row: row.note if knows(row.user_id) else ""),
    ]
    if answer := export(request, "absences", columns, rows):
        return answer
    what = request.POST.get("do", "") if request.method == "POST" else ""
    start = _local(moment, request.user).replace(hour=0, minute=0) + timedelta(days=1)
    initial = {"user": request.user.pk, "start": start, "end": start + timedelta(days=1)}
    form = AbsenceForm(request.POST if what == "add" else None, initial=initial)
    cast(forms.ChoiceField, form.fields["user"]).choices = choice((one.pk, one.name) for one in writable)
    upload = FileForm(request.POST, request.FILES) if what == "file" else FileForm()
    feed = queries.absence_feed(request.user.pk)
    own = FeedForm(request.POST if what == "feed" else None, initial={"everything": feed.everything if feed else False})
    imported: actions.Imported | None = None
    if what == "add" and form.is_valid():
        saved = attempt(form, lambda: _saved(request, form.cleaned_data))
        if saved:
            return done(request, request.get_full_path(), "The absence is kept.")
    if what == "file" and upload.is_valid():
        imported = attempt(upload, lambda: _imported(request, upload.cleaned_data))
        if imported and not imported.problems:
            return done(request, request.get_full_path(), _told(imported))
    if what == "feed" and own.is_valid():
        fed = attempt(own, lambda: _fed(request, own.cleaned_data))
        if fed:
            return done(request, request.get_full_path(), "The calendar is read within a minute.")
    wrong = form.errors or upload.errors or own.errors or (imported and imported.problems)
    shown = list(rows[:500])
    return page(
        request,
        "oncall/absences.html",
        {
            "title": "Absences",
            "lines": [(row, knows(row.user_id), row.source != "feed") for row in shown],
            "team": team,
            "teams": people.teams(request.actor),
            "show_all": show_all,
            "form": form,
            "upload": upload,
            "own": own,
            "feed": feed,
            "imported": imported,
            "told": _told(imported) if imported else "",
            "may_many": len(writable) > 1,
            "uncovered": queries.joined(
                queries.uncovered_absences(moment, moment + timedelta(days=28), _whose(request, team))
            ),
            "now": moment,
        },
        422 if wrong else 200,
    )


def _whose(request: Request, team: Any) -> list[int]:
    return [member.user_id for member in team.memberships.all()] if team else [request.user.pk]


def _saved(request: Request, data: dict[str, Any]) -> Absence:
    return actions.save_absence(
        int(data["user"]), data["start"], data["end"], actor=request.actor, kind=data["kind"], note=data["note"]
    )


def _imported(request: Request, data: dict[str, Any]) -> actions.Imported:
    zone = request.user.zone if rules.known_zone(request.user.zone) else "UTC"
    body = data["file"].read(2_000_001)
    return actions.import_absences(body, actor=request.actor, save_good=data["save_good"], zone=zone)


def _fed(request: Request, data: dict[str, Any]) -> object:
    return actions.save_absence_feed(request.user.pk, data["url"], actor=request.actor, everything=data["everything"])


def _told(done: actions.Imported) -> str:
    more = f"; {done.known} were there already" if done.known else ""
    return f"{done.saved} absence{'' if done.saved == 1 else 's'} kept{more}."


@require_POST
@signed_in
def delete(request: Request) -> HttpResponse:
    """Take an absence back."""
    if not actions.delete_absences(ids_of(request), actor=request.actor):
        raise NotFound("There is no such absence any more.")
    team = number(request, "team")
    return done(request, f"/on-call/absences/{f'?team={team}' if team else ''}", "The absence is taken back.")


@require_POST
@signed_in
def forget_feed(request: Request) -> HttpResponse:
    """Read one's own calendar no more."""
    actions.delete_absence_feed(request.user.pk, actor=request.actor)
    return done(request, "/on-call/absences/", "The calendar is read no more.")
