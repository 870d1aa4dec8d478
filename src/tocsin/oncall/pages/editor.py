"""The editor of schedules. Without script every button is a submit. What the form holds: ``editing``."""

from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from tocsin.oncall import actions, queries, rules
from tocsin.oncall.pages import timeline
from tocsin.oncall.pages.editing import DAYS, UNITS, Layer, Window, layers_of, moved, of_spec, to_spec, windows_of
from tocsin.oncall.rules import ScheduleSpec
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden, TocsinError
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, Zone, choice, zones
from tocsin.web.shortcuts import Request, done, page, signed_in


class ScheduleForm(forms.Form):
    """What is not a layer."""

    name = forms.CharField(max_length=120)
    team = forms.ChoiceField(required=False, help_text="Its managers may change the schedule.")
    zone = Zone(label="Zone", help_text="Hand-offs keep their local time in it, over clock changes too.")
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    swaps_approved = forms.BooleanField(
        label="Swaps are approved",
        required=False,
        help_text="A swap takes effect when a manager of the team has approved it.",
    )
    effective = LocalMoment(
        label="Takes effect", required=False, help_text="Empty: at once. Who was on call before stays on record."
    )
    keep = forms.BooleanField(
        label="Nobody's turn moves",
        required=False,
        initial=True,
        help_text="When people join or leave a rotation, whoever has the turn keeps it and the others follow on.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, schedule_id: int = 0) -> HttpResponse:
    """Make a schedule, or change one."""
    row = queries.schedule(request.actor, schedule_id) if schedule_id else None
    if row is not None:
        require(request.actor, Deed.CONFIGURE, row.team_id)
    elif not (may(request.actor, Deed.CONFIGURE) or request.actor.managed):
        raise Forbidden("Only managers and administrators may make a schedule.")
    spec = queries.export_schedules([row.pk])[0] if row else None
    zone = request.user.zone or "UTC"
    initial: dict[str, Any] = {"zone": zone}
    if spec:
        initial = {"name": spec.name, "team": spec.team, "zone": spec.zone, "description": spec.description}
        initial["swaps_approved"] = spec.swaps_approved
    posted = request.method == "POST"
    do = request.POST.get("do", "save") if posted else ""
    keep = posted and do in ("save", "preview")
    form = ScheduleForm(request.POST if keep else None, initial=initial | (request.POST.dict() if posted else {}))
    teams = [one for one in people.teams(request.actor) if may(request.actor, Deed.CONFIGURE, one.pk)]
    cast(forms.ChoiceField, form.fields["team"]).choices = choice(((one.slug, one.name) for one in teams), "no team")
    if posted:
        layers, uncovered = layers_of(request.POST), windows_of(request.POST, "uncovered")
    elif spec:
        layers, uncovered = of_spec(spec), [Window.of(one) for one in spec.uncovered]
    else:
        local = now(request).astimezone(ZoneInfo(zone))
        layers = [Layer("Weekly", anchor=local.replace(hour=9, minute=0).strftime("%Y-%m-%dT%H:%M"))]
        uncovered = []
    shown: dict[str, Any] = {}
    if do == "uncovered":
        uncovered.append(Window([6, 7], "00:00", "24:00"))
    elif posted and not keep:
        moved(layers, do)
    elif keep and form.is_valid() and (made := _written(form, layers, uncovered, spec)):
        data = form.cleaned_data
        try:
            if do == "preview":
                drafted = actions.draft_schedule(
                    made, actor=request.actor, id=row.pk if row else None, effective=data["effective"]
                )
                shown = _preview(request, drafted, data["effective"])
            else:
                kept = actions.save_schedule(
                    made, actor=request.actor, id=row.pk if row else None, effective=data["effective"]
                )
                return done(request, f"/on-call/{kept.pk}/", f"{kept.name} is kept.")
        except TocsinError as error:
            _blame(form, layers, error)
    if any(layer.problems for layer in layers):
        form.add_error(None, "Something is not right with a layer; see below.")
    return page(
        request,
        "oncall/edit.html",
        {
            "title": f"Edit {row.name}" if row else "New schedule",
            "form": form,
            "schedule": row,
            "layers": list(enumerate(layers)),
            "uncovered": uncovered,
            "days": DAYS,
            "units": UNITS,
            "zone_names": zones(),
            "people": [(one.email, one.name) for one in people.users(request.actor, active=True)],
            "cancel": f"/on-call/{row.pk}/" if row else "/on-call/",
            **shown,
        },
        422 if form.errors else 200,
    )


def _written(
    form: ScheduleForm, layers: list[Layer], uncovered: list[Window], spec: ScheduleSpec | None
) -> ScheduleSpec | None:
    """The schedule that the form means; None when a layer cannot be read, which says so itself."""
    stored = spec.layers if spec else []
    data = form.cleaned_data
    wanted = []
    for layer in layers:
        try:
            wanted.append(to_spec(layer, stored))
        except ValueError:
            layer.problems.append(
                "Lengths and days must be numbers, the first hand-off a date and a time, a hand-off a time as HH:MM."
            )
    try:
        free = [window.to_spec() for window in uncovered]
    except ValueError:
        form.add_error(None, "Nobody needed: days and months must be numbers.")
        return None
    if len(wanted) < len(layers):
        return None
    made = ScheduleSpec(
        name=data["name"],
        slug=spec.slug if spec else "",
        team=data["team"],
        zone=data["zone"],
        description=data["description"],
        layers=wanted,
        uncovered=free,
        swaps_approved=data["swaps_approved"],
    )
    return actions.kept_in_turn(made, spec, data["effective"]) if spec and data["keep"] else made


def _preview(request: Request, drafted: rules.Schedule, effective: datetime | None) -> dict[str, Any]:
    """The timeline of a schedule that is not kept yet: two weeks from where the change begins."""
    begin = rules.local_instant(drafted.zone, effective) if effective else now(request)
    view = timeline.View(begin.astimezone(ZoneInfo(drafted.zone)).date(), 14, drafted.zone)
    final = rules.final_schedule(drafted, view.start, view.end)
    names = {key: user.name for key, user in queries.people(shift.user_id for shift in final).items()}
    gaps = rules.unexplained_gaps(drafted, max(view.start, begin), view.end + timedelta(days=28))
    return {
        "lanes": timeline.lanes(
            view,
            "Final",
            final,
            names,
            request.user.pk,
            kind="final",
            note="preview",
            gaps=rules.gaps_of(drafted, final, view.start, view.end),
        ),
        "view": view,
        "until": view.first + timedelta(days=view.days - 1),
        "ticks": timeline.ticks(view),
        "now_x": view.x(now(request)) if view.start <= now(request) < view.end else None,
        "gaps": gaps,
        "previewed": True,
    }


def _blame(form: ScheduleForm, layers: list[Layer], error: TocsinError) -> None:
    for name, text in error.problems.items():
        parts = name.split(".")
        if parts[0] == "layers" and len(parts) > 2 and parts[1].isdigit() and int(parts[1]) < len(layers):
            layers[int(parts[1])].problems.append(f"{parts[2].replace('anchor', 'first hand-off')}: {text}")
        else:
            form.add_error(name if name in form.fields else None, text)
    if not error.problems:
        form.add_error(None, error.message)


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, schedule_id: int) -> HttpResponse:
    """Remove a schedule that no policy pages."""
    row = queries.schedule(request.actor, schedule_id)
    require(request.actor, Deed.CONFIGURE, row.team_id)
    if request.method == "POST":
        actions.delete_schedules([row.pk], actor=request.actor)
        return done(request, "/on-call/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "button": "Remove the schedule",
            "cancel": f"/on-call/{row.pk}/",
            "text": "Its layers and overrides go with it. A schedule that a policy pages cannot be removed.",
        },
    )
