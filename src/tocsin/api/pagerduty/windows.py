"""Maintenance windows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tocsin.api.pagerduty import fields, services, teams, users
from tocsin.api.pagerduty.asking import Answer, Asked, number_of, told
from tocsin.api.pagerduty.errors import Refused
from tocsin.platform import clock
from tocsin.triage import actions
from tocsin.triage import queries as triage
from tocsin.triage.rules import WindowSpec

NO_WINDOW, PAST_WINDOW = 5001, 5003
FILTERS = ("past", "future", "ongoing", "open", "all")
UNNAMED = "Maintenance"


def page(window_id: int) -> str:
    """The path of a window's page."""
    return f"/settings/maintenance/{window_id}/"


def stretch(row: Any, now: datetime) -> tuple[str, datetime, datetime]:
    """Where a window stands (past, ongoing or future), and the stretch to tell: of one that repeats the next one."""
    state = triage.window_state(row, now)
    if state.starts_at and state.ends_at:
        return "ongoing" if state.going_on else "future", state.starts_at, state.ends_at
    end = row.starts_at + timedelta(seconds=row.duration_s)
    # one that repeated is over with its last time, of which only the end by hand is known
    return "past", row.starts_at, min(end, row.ended_at) if row.ended_at and not row.rrule else end


def _description(row: Any) -> str:
    return str(row.note or row.name)


def shapes(asked: Asked, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Windows with their services and who made them; a constant number of queries."""
    now = clock.now()
    of = {one.pk: one for row in rows for one in row.services.all()}
    known = list(services.rows_by_id(asked, of))
    whole: dict[int, dict[str, Any]] = {}
    if asked.includes("services"):
        whole = dict(zip([one.pk for one in known], services.shapes(asked, known), strict=True))
    owners = {one.pk: one for one in known}
    makers: dict[int, dict[str, Any]] = {}
    if asked.includes("users"):
        makers = users.by_id(asked, {row.created_by_id for row in rows if row.created_by_id})
    found = []
    for row in rows:
        _, start, end = stretch(row, now)
        own = sorted(row.services.all(), key=lambda one: one.name)
        owned = {owners[one.pk].team_id: teams.owners(asked, owners[one.pk]) for one in own if one.pk in owners}
        by = row.created_by
        found.append(
            asked.thing("maintenance_window", row.pk, _description(row), page=page(row.pk))
            | {
                "sequence_number": row.pk,
                "start_time": told(start),
                "end_time": told(end),
                "description": _description(row),
                "created_by": None if by is None else makers.get(by.pk) or users.reference(asked, by),
                "services": [whole.get(one.pk) or services.reference(asked, one.pk, one.name) for one in own],
                "teams": [team for of_service in owned.values() for team in of_service],
            }
        )
    return found


def _row(asked: Asked, window: str) -> Any:
    number = fields.number("maintenance_window", window, code=NO_WINDOW)
    row = triage.windows(asked.actor).filter(pk=number).first()
    if row is None:
        raise Refused(404, code=NO_WINDOW)
    return row


def listed(asked: Asked) -> Answer:
    """Windows, the latest first."""
    wanted = asked.query.get("filter") or "all"
    if wanted not in FILTERS:
        raise Refused(400, [f"filter: one of {', '.join(FILTERS)}"], code=2002)
    rows = triage.windows(asked.actor)
    if asked.many("service_ids"):
        rows = rows.filter(services__in=asked.numbers("service_ids", "service"))
    if asked.many("team_ids"):
        rows = rows.filter(services__team_id__in=asked.numbers("team_ids", "team"))
    now = clock.now()
    states = {"all": FILTERS, "open": ("ongoing", "future")}.get(wanted, (wanted,))
    text = asked.query.get("query", "").strip().lower()
    found = [
        row
        for row in rows.distinct()
        if stretch(row, now)[0] in states and (not text or text in _description(row).lower())
    ]
    return asked.listed("maintenance_windows", found, lambda page: shapes(asked, page))


def one(asked: Asked, window: str) -> Answer:
    """One window."""
    return Answer({"maintenance_window": shapes(asked, [_row(asked, window)])[0]})


_NAMES = {"starts_at": "start_time", "duration_s": "end_time", "name": "description", "note": "description"}


def _services(asked: Asked, given: fields.Given) -> list[str]:
    listed = fields.objects(given, "services", 1000)
    numbers = [number_of("service", one, "services") for one in listed]
    known = {row.pk: row.slug for row in services.rows_by_id(asked, numbers)}
    if not numbers or set(numbers) - known.keys():
        raise fields.wrong("services", "at least one service, by reference")
    return [known[number] for number in dict.fromkeys(numbers)]


def _described(spec: WindowSpec, text: str) -> WindowSpec:
    """A description as our name, and what does not fit into a name as the note."""
    first = text.splitlines()[0].strip() if text else ""
    return replace(spec, name=first[:200] or UNNAMED, note="" if first[:200] == text else text)


def create(asked: Asked) -> Answer:
    """A new window. What is still wrong at its end pages then."""
    given = asked.given("maintenance_window")
    start = max(fields.instant(given.get("start_time"), "start_time"), clock.now())
    end = fields.instant(given.get("end_time"), "end_time")
    if end <= start:
        raise fields.wrong("end_time", "after start_time and in the future")
    spec = WindowSpec(UNNAMED, _services(asked, given), start, int((end - start).total_seconds()))
    spec = _described(spec, fields.text(given, "description", 10_000))
    with fields.naming(**_NAMES):
        row = actions.save_window(spec, actor=asked.actor)
    return Answer({"maintenance_window": _told(asked, row.pk)}, 201)


def _told(asked: Asked, window_id: int) -> dict[str, Any]:
    return shapes(asked, list(triage.windows(asked.actor).filter(pk=window_id)))[0]


def update(asked: Asked, window: str) -> Answer:
    """Change what is named of a window that is not over."""
    given, row = asked.given("maintenance_window"), _row(asked, window)
    state, start, end = stretch(row, clock.now())
    if state == "past":
        raise Refused(405, ["A maintenance window that is over cannot be changed"], code=PAST_WINDOW)
    spec = WindowSpec(
        row.name, [one.slug for one in row.services.all()], row.starts_at, row.duration_s, row.rrule, row.zone,
        row.mode, row.note,
    )  # fmt: skip
    if given.get("services") is not None:
        spec = replace(spec, services=_services(asked, given))
    if given.get("description") is not None and given["description"] != _description(row):
        spec = _described(spec, fields.text(given, "description", 10_000))
    began, ends = given.get("start_time"), given.get("end_time")
    new_start = start if began is None else fields.instant(began, "start_time")
    new_end = end if ends is None else fields.instant(ends, "end_time")
    # an answer tells whole seconds: what came back as it was told is no change
    moved = told(new_start) != told(start), told(new_end) != told(end)
    if any(moved):
        new_start, new_end = new_start if moved[0] else start, new_end if moved[1] else end
        if state == "ongoing" and moved[0]:
            raise fields.wrong("start_time", "what it was: the window has begun")
        if new_end <= max(new_start, clock.now()):
            raise fields.wrong("end_time", "after start_time and in the future")
        spec = replace(
            spec,
            starts_at=new_start if moved[0] else spec.starts_at,
            duration_s=int((new_end - new_start).total_seconds()),
        )
    with fields.naming(**_NAMES):
        actions.save_window(spec, actor=asked.actor, id=row.pk)
    return Answer({"maintenance_window": _told(asked, row.pk)})


def delete(asked: Asked, window: str) -> Answer:
    """End a window that is going on; remove one that is to come."""
    row = _row(asked, window)
    state = stretch(row, clock.now())[0]
    if state == "past":
        raise Refused(405, ["A maintenance window that is over stays on record"], code=PAST_WINDOW)
    if state == "ongoing":
        actions.end_windows([row.pk], actor=asked.actor)
    else:
        actions.delete_windows([row.pk], actor=asked.actor)
    return Answer(None, 204)


ROUTES = (
    ("GET", "/maintenance_windows", listed),
    ("POST", "/maintenance_windows", create),
    ("GET", "/maintenance_windows/{id}", one),
    ("PUT", "/maintenance_windows/{id}", update),
    ("DELETE", "/maintenance_windows/{id}", delete),
)
