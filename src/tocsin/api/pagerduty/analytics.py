"""Analytics of incidents: figures for all, by service, team or policy, and by day, week or month."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.analytics_facts import MAJOR, Facts, facts_of, up_time
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.basics import priority_named
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.urgency import priorities_of
from tocsin.incidents import queries
from tocsin.incidents.rules import PRIORITIES
from tocsin.intake.contract import moment
from tocsin.people.rules import known_zone
from tocsin.platform import clock

MOST = 20_000
LONGEST = timedelta(days=366)
UNITS = ("day", "week", "month")
COUNTERS: Mapping[str, Callable[[Facts], int]] = {
    "min_ackowledgements": lambda one: one.acknowledgements,
    "min_timeout_escalations": lambda one: one.timeouts,
    "min_manual_escalations": lambda one: one.by_hand,
}
GROUPS: Mapping[str, Callable[[Any], Any]] = {
    "service": lambda row: row.service,
    "team": lambda row: row.service.team,
    "escalation_policy": lambda row: row.service.policy,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for figures asks: incidents opened in [start, end), in whose zone, in which order."""

    filters: dict[str, Any]
    start: datetime
    end: datetime
    zone: ZoneInfo
    name: str
    order: str
    unit: str

    def local(self, at: datetime | None) -> str | None:
        """A moment in the zone that was asked for, without naming it, as these answers have it."""
        return None if at is None else at.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")


def wanted(asked: Asked, now: datetime) -> Wanted:
    """Read the body. Without dates it is the month before now. Raises Refused."""
    filters = asked.body.get("filters", {})
    if not isinstance(filters, dict):
        raise Refused(400, ["filters must be an object"])
    name = asked.body.get("time_zone") or "UTC"
    if not isinstance(name, str) or not (known_zone(name) or name == "Etc/UTC"):
        raise Refused(400, ["time_zone must be the name of an IANA time zone"])
    order = asked.body.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise Refused(400, ["order must be asc or desc"])
    unit = asked.body.get("aggregate_unit") or ""
    if unit and unit not in UNITS:
        raise Refused(400, [f"aggregate_unit must be one of {', '.join(UNITS)}"])
    end = _moment(filters, "created_at_end") or now
    start = _moment(filters, "created_at_start") or end - timedelta(days=31)
    if start >= end or end - start > LONGEST:
        raise Refused(400, ["created_at_start must be before created_at_end, by a year at most"], code=2005)
    return Wanted(filters, start, end, ZoneInfo(name), name, order, unit)


def _moment(filters: Mapping[str, Any], name: str) -> datetime | None:
    text = filters.get(name)
    if not text:
        return None
    found = moment(text)
    if found is None:
        raise Refused(400, [f"{name} must be a moment in ISO 8601"], code=2004)
    return found


def _many(filters: Mapping[str, Any], name: str) -> list[str]:
    value = filters.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused(400, [f"{name} must be a list of text"])
    return value


def rows_of(asked: Asked, what: Wanted) -> Any:
    """The incidents that the filters leave; drills are none."""
    filters = what.filters
    rows = queries.incidents(asked.actor, since=what.start, until=what.end, sort="oldest").filter(drill=False)
    rows = rows.select_related("service__policy")
    for name, kind, column in (
        ("service_ids", "service", "service_id"), ("team_ids", "team", "service__team_id"),
        ("escalation_policy_ids", "escalation_policy", "service__policy_id"),
    ):  # fmt: skip
        if given := _many(filters, name):
            rows = rows.filter(**{f"{column}__in": [ids.read(kind, text) or 0 for text in given]})
    if filters.get("urgency"):
        rows = rows.filter(priority__in=priorities_of([filters["urgency"]]))
    if isinstance(filters.get("major"), bool):
        rows = rows.filter(priority__in=MAJOR if filters["major"] else PRIORITIES[len(MAJOR) :])
    if given := _many(filters, "priority_ids"):
        rows = rows.filter(priority__in=[priority_named(one) for one in given])
    if given := _many(filters, "priority_names"):
        rows = rows.filter(priority__in=given)
    if (after := _moment(filters, "updated_after")) is not None:
        rows = rows.filter(updated_at__gt=after)
    return rows


def _facts(asked: Asked, what: Wanted, now: datetime) -> list[Facts]:
    rows = list(rows_of(asked, what)[: MOST + 1])
    if len(rows) > MOST:
        raise Refused(400, [f"These are more than {MOST} incidents; ask for a shorter time or fewer services"])
    found = facts_of(asked.actor, rows, now)
    for name, count in COUNTERS.items():
        least = what.filters.get(name)
        if isinstance(least, int) and not isinstance(least, bool):
            found = [one for one in found if count(one) >= least]
    return found


def metrics(asked: Asked, group: str = "", *, percentiles: bool = False) -> Answer:
    """``POST /analytics/metrics/incidents/...``: a line for each group and stretch of time that has incidents."""
    now = clock.now()
    what = wanted(asked, now)
    groups: dict[tuple[datetime, int], list[Facts]] = defaultdict(list)
    things: dict[int, Any] = {}
    for one in _facts(asked, what, now):
        thing = GROUPS[group](one.row) if group else None
        key = thing.pk if thing is not None else 0
        things[key] = thing
        groups[_begin(one.row.opened_at, what), key].append(one)
    ordered = sorted(groups, reverse=what.order == "desc")
    data = []
    for begin, key in ordered:
        line = _figures(groups[begin, key], begin, _end(begin, what), percentiles=percentiles)
        line["range_start"] = what.local(begin) if what.unit else None
        data.append(line | _named(group, things[key], groups[begin, key]))
    return Answer(
        {
            "data": data,
            "filters": what.filters,
            "time_zone": what.name,
            "order": what.order,
            "order_by": asked.body.get("order_by") or "total_incident_count",
            "aggregate_unit": what.unit or None,
        }
    )


def _begin(at: datetime, what: Wanted) -> datetime:
    """When the stretch of time of the unit begins in which a moment lies; without a unit there is one."""
    if not what.unit:
        return what.start
    day = at.astimezone(what.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if what.unit == "week":
        day -= timedelta(days=day.weekday())
    return day.replace(day=1) if what.unit == "month" else day


def _end(begin: datetime, what: Wanted) -> datetime:
    if not what.unit:
        return what.end
    if what.unit == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if what.unit == "week" else 1)


def _named(group: str, thing: Any, found: Sequence[Facts]) -> dict[str, Any]:
    """Which group a line is about; a service's and a policy's line name the team as well."""
    team = None if not found or not group else found[0].row.service.team
    line: dict[str, Any] = {"service_id": None, "service_name": None, "team_id": None, "team_name": None}
    if team is not None:
        line |= {"team_id": ids.write("team", team.pk), "team_name": team.name}
    if thing is not None:
        line |= {f"{group}_id": ids.write(group, thing.pk), f"{group}_name": thing.name}
    return line


def _mean(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known)) if known else None


def percentile(values: Iterable[int | None], share: int) -> int | None:
    """The smallest value that ``share`` percent of them do not exceed (nearest rank)."""
    known = sorted(value for value in values if value is not None)
    return known[max(0, -(-share * len(known) // 100) - 1)] if known else None


def _figures(found: Sequence[Facts], start: datetime, end: datetime, *, percentiles: bool) -> dict[str, Any]:
    engaged = sum(one.engaged_s for one in found)
    line: dict[str, Any] = {
        "mean_assignment_count": _mean(len(one.assigned) for one in found),
        "mean_engaged_seconds": _mean(one.engaged_s for one in found),
        "mean_engaged_user_count": _mean(len(one.acknowledged) for one in found),
        "mean_seconds_to_engage": _mean(one.to_first_ack for one in found if one.acknowledged),
        "mean_seconds_to_first_ack": _mean(one.to_first_ack for one in found),
        "mean_seconds_to_mobilize": _mean(one.to_mobilize for one in found),
        "mean_seconds_to_resolve": _mean(one.to_resolve for one in found),
        "mean_user_defined_engaged_seconds": None,
        "total_business_hour_interruptions": sum(one.business for one in found),
        "total_engaged_seconds": engaged,
        "total_escalation_count": sum(one.timeouts + one.by_hand for one in found),
        "total_incident_count": len(found),
        "total_incidents_acknowledged": sum(one.acknowledgements > 0 for one in found),
        "total_incidents_auto_resolved": sum(one.auto_resolved for one in found),
        "total_incidents_manual_escalated": sum(one.by_hand > 0 for one in found),
        "total_incidents_reassigned": sum(one.reassigned > 0 for one in found),
        "total_incidents_timeout_escalated": sum(one.timeouts > 0 for one in found),
        "total_interruptions": sum(one.interruptions for one in found),
        "total_major_incidents": sum(one.major for one in found),
        "total_notifications": sum(one.notifications for one in found),
        "total_off_hour_interruptions": sum(one.off for one in found),
        "total_sleep_hour_interruptions": sum(one.sleep for one in found),
        "total_snoozed_seconds": sum(one.snoozed_s for one in found),
        "total_user_defined_engaged_seconds": None,
        "distinct_responder_count": len({user for one in found for user in one.acknowledged}),
        "up_time_pct": up_time(found, start.astimezone(UTC), end.astimezone(UTC)),
    }
    for share in (50, 75, 90, 95) if percentiles else ():
        line[f"p{share}_seconds_to_first_ack"] = percentile((one.to_first_ack for one in found), share)
        line[f"p{share}_seconds_to_resolve"] = percentile((one.to_resolve for one in found), share)
    return line


METRICS = "/analytics/metrics/incidents"
ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("POST", f"{METRICS}/all", partial(metrics, percentiles=True)),
    ("POST", f"{METRICS}/services", partial(metrics, group="service")),
    ("POST", f"{METRICS}/services/all", metrics),
    ("POST", f"{METRICS}/teams", partial(metrics, group="team")),
    ("POST", f"{METRICS}/teams/all", metrics),
    ("POST", f"{METRICS}/escalation_policies", partial(metrics, group="escalation_policy")),
    ("POST", f"{METRICS}/escalation_policies/all", metrics),
)
