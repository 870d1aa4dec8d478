"""On call: who is on now across teams, all schedules side by side, my shifts, one schedule in full."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from tocsin.oncall import queries, rules
from tocsin.oncall.models import Schedule
from tocsin.oncall.pages import timeline
from tocsin.oncall.pages.timeline import View
from tocsin.oncall.queries import exchange
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import Deed, may
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, export, page, signed_in

RANGES = ((1, "Day"), (7, "Week"), (14, "2 weeks"), (28, "4 weeks"), (84, "12 weeks"))
SOON = timedelta(days=14)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    """Who is on call in a schedule now, and who follows."""

    schedule: Schedule
    on: queries.OnCall
    next_user: User | None
    next_at: datetime | None
    meant: bool = False  # nobody is on call, and nobody needs to be


def view_of(request: Request, days: int, zone: str) -> View:
    """The stretch that the address asks for; nonsense shows the usual one."""
    wanted = request.GET.get("zone", "")
    zone = wanted if wanted and rules.known_zone(wanted) else zone
    try:
        first = date.fromisoformat(request.GET.get("from", ""))
        if not 2000 <= first.year <= 2200:
            raise ValueError
    except ValueError:
        first = View(date(2000, 1, 1), 1, zone).local(now(request)).date()
    raw = request.GET.get("days", "")
    if raw.isascii() and raw.isdigit() and 1 <= int(raw[:4]) <= 92:
        days = int(raw)
    return View(first, days, zone)


def frame(request: Request, view: View, zones: Iterable[str]) -> dict[str, Any]:
    """What every timeline's page needs: the axis, the now-line, links to other stretches and zones."""
    moment = now(request)
    today = view.local(moment).date()
    step = timedelta(days=view.days)

    def link(**changes: object) -> str:
        return "?" + urlencode({**{k: v for k, v in request.GET.items() if k != "format"}, **changes})

    offered = dict.fromkeys([request.user.zone or "UTC", *zones, "UTC"])
    return {
        "view": view,
        "ticks": timeline.ticks(view),
        "now_x": view.x(moment) if view.start <= moment < view.end else None,
        "ranges": [(text, link(days=days), days == view.days) for days, text in RANGES],
        "before": link(**{"from": view.first - step}),
        "after": link(**{"from": view.first + step}),
        "today": link(**{"from": today}) if view.first != today else "",
        "zones": [(zone, link(zone=zone), zone == view.zone) for zone in offered],
        "until": view.first + step - timedelta(days=1),
    }


@require_GET
@signed_in
def board(request: Request) -> HttpResponse:
    """Everybody who is on call now, and all schedules as one timeline."""
    moment = now(request)
    team = request.GET.get("team", "")
    teams = list(people.teams(request.actor))
    wanted = [one.pk for one in teams if one.slug == team]
    rows = list(queries.schedules(request.actor, team_ids=wanted))
    view = view_of(request, 14, request.user.zone or "UTC")
    loaded = queries.load(
        [row.pk for row in rows], min(view.start, moment) - timedelta(days=1), max(view.end, moment + SOON)
    )
    lines = _lines(rows, loaded, moment)
    columns = [
        ("schedule", lambda line: line.schedule.name),
        ("on call", lambda line: line.on.names),
        ("e-mail", lambda line: ", ".join(user.email for user in line.on.users)),
        ("until", lambda line: line.on.until.isoformat() if line.on.until else ""),
        ("next", lambda line: line.next_user.name if line.next_user else ""),
    ]
    if answer := export(request, "on-call", columns, lines):
        return answer
    finals = {row.pk: rules.final_schedule(loaded[row.pk], view.start, view.end) for row in rows if row.pk in loaded}
    names = _names(shift for shifts in finals.values() for shift in shifts)
    lanes = [
        lane
        for row in rows
        for lane in timeline.lanes(
            view,
            row.name,
            finals.get(row.pk, []),
            names,
            request.user.pk,
            kind="final",
            note=row.team.name if row.team else "",
            href=f"/on-call/{row.pk}/",
            gaps=_gaps(loaded.get(row.pk), finals.get(row.pk, []), view),
        )
    ]
    mine = [
        (by_id(rows, shift.schedule_id), shift)
        for shift in queries.my_shifts(request.user.pk, moment, moment + 2 * SOON)
    ]
    return page(
        request,
        "oncall/board.html",
        {
            "title": "On call",
            "lines": lines,
            "lanes": lanes,
            "teams": teams,
            "team": team,
            "now": moment,
            "mine": [(row, shift) for row, shift in mine if row][:6],
            "gaps": any(not line.on.shifts and not line.meant for line in lines),
            "uncovered": _uncovered(rows, moment),
            "may_override": may(request.actor, Deed.OVERRIDE),
            "may_configure": may(request.actor, Deed.CONFIGURE),
            **frame(request, view, [row.zone for row in rows]),
        },
    )


def _uncovered(rows: Sequence[Schedule], moment: datetime) -> list[queries.Uncovered]:
    """Shifts of the coming two weeks in these schedules whose person is away."""
    shown = {row.pk for row in rows}
    found = queries.uncovered_absences(moment, moment + SOON)
    return queries.joined(one for one in found if one.schedule.id in shown)


def _gaps(loaded: rules.Schedule | None, final: Iterable[rules.Shift], view: View) -> list[rules.Gap]:
    return rules.gaps_of(loaded, final, view.start, view.end) if loaded else []


def by_id(rows: Sequence[Schedule], key: int) -> Schedule | None:
    """The schedule with this id, if it is among the rows."""
    return next((row for row in rows if row.pk == key), None)


def _names(shifts: Iterable[rules.Shift]) -> dict[int, str]:
    return {key: user.name for key, user in queries.people(shift.user_id for shift in shifts).items()}


def _lines(rows: Sequence[Schedule], loaded: dict[int, rules.Schedule], moment: datetime) -> list[Line]:
    found = {line.schedule.id: line for line in queries.everyone(moment, [row.pk for row in rows])}
    following: dict[int, rules.Shift] = {}
    for key, line in found.items():
        after = line.until or moment
        coming = rules.final_schedule(loaded[key], after, after + SOON)
        coming = [shift for shift in coming if shift.start >= after or not line.shifts]
        if coming:
            following[key] = coming[0]
    users = queries.people(shift.user_id for shift in following.values())
    return [
        Line(
            row,
            found[row.pk],
            users.get(following[row.pk].user_id) if row.pk in following else None,
            following[row.pk].start if row.pk in following else None,
            not found[row.pk].shifts and bool(rules.meant_gaps(loaded[row.pk], moment, moment + INSTANT)),
        )
        for row in rows
        if row.pk in found
    ]


@require_GET
@signed_in
def schedule(request: Request, schedule_id: int) -> HttpResponse:
    """One schedule: every layer, the overrides, and what comes out of them."""
    row = queries.schedule(request.actor, schedule_id)
    moment = now(request)
    view = view_of(request, 14, row.zone)
    loaded = queries.load([row.pk], min(view.start, moment), max(view.end, moment + SOON))[row.pk]
    final = rules.final_schedule(loaded, view.start, view.end)
    written = queries.current_layers(row.pk)
    layers = [layer for layer in loaded.layers if layer.id in written]
    by_place: dict[int, list[rules.Layer]] = {}
    for layer in loaded.layers:
        by_place.setdefault(layer.position, []).append(layer)
    overrides = list(queries.overrides(row.pk, view.start, max(view.end, moment + SOON)))
    members = {user_id for layer in loaded.layers for group in layer.members for user_id in group}
    others = {key for one in overrides for key in (one.user_id, one.replaces_id) if key is not None}
    names = {key: user.name for key, user in queries.people(members | others).items()}
    me = request.user.pk
    lanes = []
    for _, same in sorted(by_place.items()):
        # a layer that was changed goes on in the lane of what it was
        shifts = [shift for layer in same for shift in rules.rendered(loaded, layer, view.start, view.end)]
        lanes += timeline.lanes(view, same[-1].name, shifts, names, me, note=turns(same[-1]))
    over = [
        rules.Shift(one.user_id or 0, one.starts_at, one.ends_at, row.pk, None, queries.override_of(one))
        for one in overrides
        if one.starts_at < view.end and one.ends_at > view.start
    ]
    if over:
        lanes += timeline.lanes(view, "Overrides", over, names, me, kind="override")
    gaps = rules.gaps_of(loaded, final, view.start, view.end)
    lanes += timeline.lanes(view, "Final", final, names, me, kind="final", note="who is paged", gaps=gaps)
    lines = _lines([row], {row.pk: loaded}, moment)
    columns = [
        ("from", lambda shift: shift.start.isoformat()),
        ("to", lambda shift: shift.end.isoformat()),
        ("person", lambda shift: names.get(shift.user_id, "")),
        ("layer", lambda shift: shift.layer.name if shift.layer else "override"),
    ]
    if answer := export(request, f"schedule-{row.slug}", columns, final):
        return answer
    return page(
        request,
        "oncall/schedule.html",
        {
            "title": row.name,
            "schedule": row,
            "lanes": lanes,
            "line": lines[0] if lines else None,
            "now": moment,
            "layers": [
                (
                    layer,
                    f"{turns(layer)}, handed over at {handed_over(layer, row.zone)}",
                    [
                        [(user_id, names.get(user_id, "somebody who left")) for user_id in group]
                        for group in layer.members
                    ],
                    [hours(window) for window in layer.restrictions],
                    _coming(written[layer.id], moment),
                )
                for layer in reversed(layers)
            ],
            "uncovered": [hours(window) for window in loaded.uncovered],
            "overrides": [one for one in overrides if one.ends_at > moment and not one.uid],
            "sources": queries.calendar_sources(row.pk),
            "gaps": rules.unexplained_gaps(loaded, max(view.start, moment), view.end) if view.end > moment else [],
            "final": timeline.bars(view, final, names, me, gaps=gaps),
            "links": True,
            "notes": exchange.notes(request.actor, row.pk, 3),
            "me": me,
            "may_override": may(request.actor, Deed.OVERRIDE, row.team_id),
            "may_configure": may(request.actor, Deed.CONFIGURE, row.team_id),
            **frame(request, view, [row.zone]),
        },
    )


UNIT = {"hour": ("hour", "hours"), "day": ("day", "days"), "week": ("week", "weeks"), "month": ("month", "months")}
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _coming(at: datetime | None, moment: datetime) -> datetime | None:
    return at if at is not None and at > moment else None


def turns(layer: rules.Layer) -> str:
    """``2 weeks each, 3 people``."""
    one, many = UNIT[layer.unit]
    length = f"{layer.length} {many}" if layer.length > 1 else f"a {one}" if layer.unit != "hour" else "an hour"
    if layer.handoffs:
        length = "a hand-off" if layer.length == 1 else f"{layer.length} hand-offs"
    elif layer.unit == "day" and layer.weekdays and layer.weekdays != rules.ALL_DAYS:
        length += f" ({days(layer.weekdays)})"
    groups = any(len(group) > 1 for group in layer.members)
    many_ = "groups" if groups else "people"
    people_ = f"{len(layer.members)} {many_}" if len(layer.members) != 1 else "one group" if groups else "one person"
    return f"{length} each, {people_}"


def handed_over(layer: rules.Layer, zone: str) -> str:
    """When turns end: ``09:00``, ``Mon 09:00 and Thu 17:00``."""
    if layer.handoffs:
        found = sorted(layer.handoffs, key=lambda one: (one.day, one.minute))
        return " and ".join(f"{DAYS[one.day - 1]} {rules.clock_text(one.minute)}" for one in found)
    return f"{layer.anchor.astimezone(ZoneInfo(layer.zone or zone)):%H:%M}"


def days(of: Iterable[int]) -> str:
    """``Mon to Fri``, ``every day``, ``Mon, Wed``."""
    found = sorted(of)
    if len(found) == 7:
        return "every day"
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"{DAYS[found[0] - 1]} to {DAYS[found[-1] - 1]}"
    return ", ".join(DAYS[day - 1] for day in found)


def hours(window: rules.Restriction) -> str:
    """``Mon to Fri, 22:00 to 06:00``, with what narrows the days."""
    text = days(window.days)
    if window.month_days:
        ordered = sorted(window.month_days, key=lambda day: (day < 0, day))
        text += " on day " + ", ".join(str(day) if day > 0 else f"{-day} from the end" for day in ordered)
        text += " of the month"
    if window.months:
        text += " in " + ", ".join(MONTHS[month - 1] for month in sorted(window.months))
    if window.holidays:
        text += f", {'only' if window.holidays == 'only' else 'not'} on holidays of {window.region}"
    return f"{text}, {rules.clock_text(window.start)} to {rules.clock_text(window.end)}"


@require_GET
@signed_in
def mine(request: Request) -> HttpResponse:
    """When I am on call, everywhere."""
    moment = now(request)
    view = view_of(request, 28, request.user.zone or "UTC")
    shifts = queries.my_shifts(request.user.pk, view.start, view.end)
    rows = {row.pk: row for row in queries.schedules(request.actor)}
    columns = [
        ("schedule", lambda shift: rows[shift.schedule_id].name),
        ("from", lambda shift: shift.start.isoformat()),
        ("to", lambda shift: shift.end.isoformat()),
    ]
    if answer := export(request, "my-shifts", columns, shifts):
        return answer
    names = {request.user.pk: request.user.name}
    lanes = [
        lane
        for key in dict.fromkeys(shift.schedule_id for shift in shifts)
        for lane in timeline.lanes(
            view,
            rows[key].name,
            [s for s in shifts if s.schedule_id == key],
            names,
            request.user.pk,
            kind="final",
            href=f"/on-call/{key}/",
        )
    ]
    return page(
        request,
        "oncall/mine.html",
        {
            "title": "My shifts",
            "uncovered": queries.joined(queries.uncovered_absences(moment, moment + 2 * SOON, [request.user.pk])),
            "lanes": lanes,
            "now": moment,
            "shifts": [
                (rows[shift.schedule_id], shift, timeline.moment(view, shift.start), timeline.moment(view, shift.end))
                for shift in shifts
                if shift.schedule_id in rows
            ],
            "may_override": may(request.actor, Deed.OVERRIDE),
            **frame(request, view, [row.zone for row in rows.values()]),
        },
    )
