"""Calendars: secret addresses at which other programs read shifts, and calendars that put people on call."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseNotModified
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tocsin.api.limits import Limiter
from tocsin.oncall import actions, queries
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, attempt, back_to, done, ids_of, number, page, signed_in

# clients look again every hour; one that asks every second is broken
limiter = Limiter(per_minute=60)


@require_safe
def feed(request: HttpRequest, secret: str) -> HttpResponse:
    """The calendar of a secret address. No sign-in: whoever has the address may read it."""
    row = queries.feed_of(secret)
    if row is None:
        return HttpResponseNotFound("There is no such calendar.\n", content_type="text/plain; charset=utf-8")
    if not (allowance := limiter.count(str(row.pk))).allowed:
        response = HttpResponse("Asked too often.\n", status=429, content_type="text/plain; charset=utf-8")
        response["Retry-After"] = str(allowance.reset_s)
        return response
    moment = now(request)
    shifts = queries.feed_shifts(row, moment)
    names = queries.feed_names(shifts)
    # weak: the middleware may compress the body
    tag = f'W/"{queries.feed_tag(row, shifts, names)}"'
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if tag.removeprefix("W/") in known or "*" in known:
        response = HttpResponseNotModified()
    else:
        text = queries.feed_text(row, shifts, names, moment)
        response = HttpResponse(text, content_type="text/calendar; charset=utf-8")
        response["Content-Disposition"] = 'inline; filename="on-call.ics"'
    response["ETag"] = tag
    response["Cache-Control"] = "private, max-age=300"
    response["X-Robots-Tag"] = "noindex"
    return response


@never_cache
@require_http_methods(["GET", "POST"])
@signed_in
def feeds(request: Request) -> HttpResponse:
    """Addresses of one's own shifts, of a schedule or of a team, and a button for a new one, which is shown once."""
    schedule_id, team_id = number(request, "schedule"), number(request, "team")
    schedule = queries.schedule(request.actor, schedule_id) if schedule_id else None
    team = people.team(request.actor, team_id) if team_id and not schedule else None
    url = ""
    if request.method == "POST":
        _, url = actions.create_calendar_feed(
            actor=request.actor, schedule=schedule.slug if schedule else "", team=team.slug if team else ""
        )
    rows = queries.calendar_feeds(
        request.actor, schedule_id=schedule.pk if schedule else None, team_id=team.pk if team else None
    )
    whose = f"Schedule {schedule.name}" if schedule else f"Team {team.name}" if team else "Your shifts"
    return page(
        request,
        "oncall/feeds.html",
        {
            "title": "Calendar addresses",
            "whose": whose,
            "url": url,
            "lines": [(row, actions.what(row), actions.may_revoke(request.actor, row)) for row in rows[:200]],
            "here": request.get_full_path(),
            "schedule": schedule,
            "team": team,
        },
    )


@require_POST
@signed_in
def revoke(request: Request) -> HttpResponse:
    """Make an address worthless."""
    actions.revoke_calendar_feeds(ids_of(request), actor=request.actor)
    return done(request, back_to(request, "/on-call/calendars/"), "The address does not work any more.")


class SourceForm(forms.Form):
    """A calendar of another tool: its address or a file."""

    name = forms.CharField(max_length=120, help_text="Stands in the reason of every page, such as: PagerDuty.")
    url = forms.CharField(
        label="Address",
        required=False,
        max_length=2000,
        help_text="The iCal address (https, http or webcal) that PagerDuty, Google or Outlook gives. Kept encrypted.",
    )
    file = forms.FileField(label="Or a file", required=False, help_text="An .ics file; it is read once.")


@require_http_methods(["GET", "POST"])
@signed_in
def sources(request: Request, schedule_id: int) -> HttpResponse:
    """The calendars that put people on call in a schedule, and a form for another."""
    row = queries.schedule(request.actor, schedule_id)
    may_configure = may(request.actor, Deed.CONFIGURE, row.team_id)
    form = SourceForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        require(request.actor, Deed.CONFIGURE, row.team_id)
        if form.is_valid():
            data: dict[str, Any] = form.cleaned_data
            body = data["file"].read(2_000_001) if data["file"] else b""
            made = attempt(
                form,
                lambda: actions.create_calendar_source(
                    row.pk, data["name"], actor=request.actor, url=data["url"], body=body
                ),
            )
            if made:
                told = f"{made.found} events name somebody." if made.body else "It is read within a minute."
                return done(request, f"/on-call/{row.pk}/calendars/", f"The calendar is kept. {told}")
    return page(
        request,
        "oncall/sources.html",
        {
            "title": f"Calendars of {row.name}",
            "schedule": row,
            "sources": queries.calendar_sources(row.pk),
            "form": form,
            "may_configure": may_configure,
            "may_override": may(request.actor, Deed.OVERRIDE, row.team_id),
        },
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def source_act(request: Request, source_id: int, verb: str) -> HttpResponse:
    """Read a calendar now, or no more."""
    if verb == "read":
        actions.read_again([source_id], actor=request.actor)
        told = "It is read within a minute."
    else:
        actions.delete_calendar_sources([source_id], actor=request.actor)
        told = "The calendar is read no more; its shifts to come are gone."
    return done(request, back_to(request, "/on-call/"), told)
