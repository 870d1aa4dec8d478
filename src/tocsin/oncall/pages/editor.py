"""The editor of schedules: layers with people in turn, hours, a hand-off. Without script every button is a submit."""

from dataclasses import dataclass, replace
from dataclasses import field as made_of
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse, QueryDict
from django.views.decorators.http import require_http_methods

from tocsin.oncall import actions, queries
from tocsin.oncall.rules import LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden, TocsinError
from tocsin.web.context import now
from tocsin.web.fields import Zone, choice, zones
from tocsin.web.shortcuts import Request, done, page, signed_in

MOST = 20
DAYS = ((1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (7, "Sun"))
UNITS = (("hour", "hours"), ("day", "days"), ("week", "weeks"), ("month", "months"))


class ScheduleForm(forms.Form):
    """What is not a layer."""

    name = forms.CharField(max_length=120)
    team = forms.ChoiceField(required=False, help_text="Its managers may change the schedule.")
    zone = Zone(label="Zone", help_text="Hand-offs keep their local time in it, over clock changes too.")
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))


@dataclass
class Window:
    """Hours of a layer as they stand in the form."""

    days: list[int] = made_of(default_factory=list)
    start: str = ""
    end: str = ""


@dataclass
class Layer:
    """A layer as it stands in the form; ``was`` is its place in what was stored."""

    name: str = ""
    unit: str = "week"
    length: str = "1"
    anchor: str = ""
    members: list[str] = made_of(default_factory=list)
    windows: list[Window] = made_of(default_factory=list)
    was: str = ""
    problems: list[str] = made_of(default_factory=list)

    @property
    def offered_members(self) -> list[str]:
        """Those chosen, and an empty place."""
        return [*[email for email in self.members if email], ""]


def _layers(data: QueryDict) -> list[Layer]:
    found = []
    for index, name in enumerate(data.getlist("layer")[:MOST]):

        def one(field: str, index: int = index) -> str:
            values = data.getlist(field)
            return values[index][:120] if index < len(values) else ""

        windows = [
            Window(
                [int(day) for day in data.getlist(f"days-{index}-{number}") if day in "1234567"],
                start,
                data.getlist(f"end-{index}")[number] if number < len(data.getlist(f"end-{index}")) else "",
            )
            for number, start in enumerate(data.getlist(f"start-{index}")[:MOST])
        ]
        found.append(
            Layer(
                name,
                one("unit"),
                one("length"),
                one("anchor"),
                [m for m in data.getlist(f"members-{index}") if m][:200],
                [window for window in windows if window.days],
                one("was"),
            )
        )
    return found


def _of_spec(spec: ScheduleSpec) -> list[Layer]:
    zone = ZoneInfo(spec.zone)
    return [
        Layer(
            layer.name,
            layer.unit,
            str(layer.length),
            layer.anchor.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
            list(layer.members),
            [Window(list(one.days), one.start, one.end) for one in layer.restrictions],
            str(index),
        )
        for index, layer in enumerate(spec.layers)
    ]


def _to_spec(layer: Layer, stored: list[LayerSpec]) -> LayerSpec:
    """The layer as it will be kept; what the form does not show stays as it was. Raises ValueError."""
    anchor = datetime.fromisoformat(layer.anchor)
    made = LayerSpec(
        name=layer.name,
        anchor=anchor,
        members=[email for email in layer.members if email],
        unit=layer.unit,
        length=int(layer.length),
        restrictions=[RestrictionSpec(one.days, one.start or "00:00", one.end or "24:00") for one in layer.windows],
    )
    if layer.was.isdigit() and int(layer.was) < len(stored):
        old = stored[int(layer.was)]
        weekdays = old.weekdays if layer.unit == "day" else []
        made = replace(made, starts_at=old.starts_at, ends_at=old.ends_at, weekdays=weekdays)
    return made


def _moved(layers: list[Layer], do: str) -> None:
    verb, _, raw = do.partition("-")
    index = int(raw) if raw.isdigit() and int(raw) < len(layers) else -1
    if do == "add" and len(layers) < MOST:
        layers.append(Layer(anchor=layers[-1].anchor if layers else ""))
    elif verb == "remove" and index >= 0:
        layers.pop(index)
    elif verb == "up" and index > 0:
        layers[index - 1], layers[index] = layers[index], layers[index - 1]
    elif verb == "hours" and index >= 0:
        layers[index].windows.append(Window([1, 2, 3, 4, 5], "09:00", "17:00"))


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
    posted = request.method == "POST"
    do = request.POST.get("do", "save") if posted else ""
    keep = posted and do == "save"
    form = ScheduleForm(request.POST if keep else None, initial=initial | (request.POST.dict() if posted else {}))
    teams = [one for one in people.teams(request.actor) if may(request.actor, Deed.CONFIGURE, one.pk)]
    cast(forms.ChoiceField, form.fields["team"]).choices = choice(((one.slug, one.name) for one in teams), "no team")
    if posted:
        layers = _layers(request.POST)
    elif spec:
        layers = _of_spec(spec)
    else:
        local = now(request).astimezone(ZoneInfo(zone))
        layers = [Layer("Weekly", anchor=local.replace(hour=9, minute=0).strftime("%Y-%m-%dT%H:%M"))]
    if posted and not keep:
        _moved(layers, do)
    elif keep and form.is_valid():
        wanted = []
        for layer in layers:
            try:
                wanted.append(_to_spec(layer, spec.layers if spec else []))
            except ValueError:
                layer.problems.append("The length must be a whole number, the first hand-off a date and a time.")
        if len(wanted) == len(layers):
            data = form.cleaned_data
            made = ScheduleSpec(
                name=data["name"],
                slug=spec.slug if spec else "",
                team=data["team"],
                zone=data["zone"],
                description=data["description"],
                layers=wanted,
            )
            try:
                kept = actions.save_schedule(made, actor=request.actor, id=row.pk if row else None)
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
            "days": DAYS,
            "units": UNITS,
            "zone_names": zones(),
            "people": [(one.email, one.name) for one in people.users(request.actor, active=True)],
            "cancel": f"/on-call/{row.pk}/" if row else "/on-call/",
        },
        422 if keep else 200,
    )


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
