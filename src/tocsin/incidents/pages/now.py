"""Now: what somebody wants to know first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from tocsin.escalation.queries import watching
from tocsin.incidents import queries
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules as oncall_rules
from tocsin.people.models import User
from tocsin.web import health
from tocsin.web.context import now as moment
from tocsin.web.shortcuts import Request, page, signed_in

AHEAD = timedelta(days=7)
MOST = 12


@dataclass(frozen=True)
class Gap:
    """A stretch in which a schedule has nobody."""

    schedule: oncall_rules.Schedule
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@require_safe
@signed_in
def now(request: Request) -> HttpResponse:
    """``/``."""
    at = moment(request)
    # of one priority those that nobody answers for come first: triggered, mitigated, acknowledged
    open_rows = queries.incidents(request.actor, state=["open"]).order_by("priority", "-state", "-id")
    pages = watching.pages_since(request.actor, at - timedelta(hours=1), MOST)
    schedules = oncall.load(None, at, at + AHEAD)
    context = {
        "title": "Now",
        "counts": queries.counts_by_priority(request.actor),
        "incidents": list(open_rows[:MOST]),
        "pages": [(one, *watching.fate(one)) for one in pages],
        "light": health.light(at),
        "gaps": _gaps(schedules, at)[:6],
        "shifts_by_schedule": schedules,
        **_me(request.user, schedules, at),
    }
    context["total"] = sum(context["counts"].values())
    return page(request, "incidents/now.html", context)


def _gaps(schedules: dict[int, oncall_rules.Schedule], at: datetime) -> list[Gap]:
    found = [
        Gap(one, start, end)
        for one in schedules.values()
        for start, end in oncall_rules.unexplained_gaps(one, at, at + AHEAD)
    ]
    return sorted(found, key=lambda gap: gap.start)


def _me(user: User, schedules: dict[int, oncall_rules.Schedule], at: datetime) -> dict[str, Any]:
    """Shifts of the person: on now, and the next one of the coming 30 days."""
    shifts = oncall.my_shifts(user.pk, at, at + timedelta(days=30))
    names = {key: one.name for key, one in schedules.items()}
    current = [(shift, names.get(shift.schedule_id, "")) for shift in shifts if shift.start <= at < shift.end]
    coming = [(shift, names.get(shift.schedule_id, "")) for shift in shifts if shift.start > at]
    return {"on_now": current, "next_shift": coming[0] if coming else None}
