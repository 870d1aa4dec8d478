"""Overrides of a schedule."""

from typing import Any

from tocsin.api.pagerduty import fields, ids, rendering, schedules, users
from tocsin.api.pagerduty.asking import Answer, Asked, number_of
from tocsin.api.pagerduty.errors import Refused
from tocsin.oncall import actions
from tocsin.oncall import queries as oncall
from tocsin.platform import clock
from tocsin.platform.errors import Invalid

MOST = 250
NO_OVERRIDE = 4004


def shape(asked: Asked, row: Any) -> dict[str, Any]:
    """An override."""
    at = rendering.Clock(asked)
    plain = asked.thing("override", row.pk, "")
    address = f"{asked.base}/schedules/{ids.write('schedule', row.schedule_id)}/overrides/{plain['id']}"
    return plain | {
        "summary": row.user.name,
        "self": address,
        "start": at(row.starts_at),
        "end": at(row.ends_at),
        "user": users.reference(asked, row.user),
    }


def listed(asked: Asked, schedule: str) -> Answer:
    """Overrides that put somebody on call between ``since`` and ``until``, which are both needed."""
    row = schedules.found(asked, schedule)
    if not (asked.query.get("since") and asked.query.get("until")):
        raise Refused(400, ["Since can't be blank", "Until can't be blank"], code=2001)
    window = rendering.window_of(asked)
    rows = oncall.overrides(row.pk, *(window or rendering.now())).filter(user__isnull=False).exclude(kind="shadow")
    if asked.flag("editable"):
        rows = rows.filter(ends_at__gt=clock.now())
    return Answer({"overrides": [shape(asked, one) for one in rows]})


def _add(asked: Asked, schedule_id: int, given: dict[str, Any]) -> dict[str, Any]:
    """One override. Raises Refused."""
    start, end = fields.instant(given.get("start"), "start"), fields.instant(given.get("end"), "end")
    user = number_of("user", given.get("user"), "user")
    if end <= start:
        raise Refused(400, ["Override must end after its start"])
    users.known(asked, [user], "user")
    try:
        with fields.naming(starts_at="start", ends_at="end"):
            row = actions.add_override(schedule_id, user, start, end, actor=asked.actor)
    except Invalid as error:
        raise Refused(400, [f"{name}: {told}" for name, told in error.problems.items()]) from error
    return shape(asked, row)


def create(asked: Asked, schedule: str) -> Answer:
    """Overrides, each with what became of it; the older form with one of them answers with that one."""
    row = schedules.found(asked, schedule)
    if "override" in asked.body and "overrides" not in asked.body:
        return Answer({"override": _add(asked, row.pk, asked.given("override"))}, 201)
    results: list[dict[str, Any]] = []
    for given in asked.objects("overrides", MOST):
        try:
            results.append({"status": 201, "override": _add(asked, row.pk, given)})
        except Refused as error:
            results.append({"status": error.status, "errors": error.errors or [error.message], "override": given})
    return Answer(results, 201)


def delete(asked: Asked, schedule: str, override: str) -> Answer:
    """Take an override back: 204; one that is running ends now: 200."""
    row = schedules.found(asked, schedule)
    number = fields.number("override", override, code=NO_OVERRIDE)
    found = oncall.overrides(row.pk, *rendering.EVER).filter(pk=number).first()
    if found is None:
        raise Refused(404, code=NO_OVERRIDE)
    running = found.starts_at < clock.now()
    if not actions.delete_overrides([found.pk], actor=asked.actor):
        raise Refused(400, ["Override is in the past and stays on record"], code=NO_OVERRIDE)
    return Answer({} if running else None, 200 if running else 204)


ROUTES = (
    ("GET", "/schedules/{id}/overrides", listed),
    ("POST", "/schedules/{id}/overrides", create),
    ("DELETE", "/schedules/{id}/overrides/{override_id}", delete),
)
