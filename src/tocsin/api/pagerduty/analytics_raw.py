"""Analytics of single incidents, and of who was asked to respond to one."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import ExpressionWrapper, F, Q
from django.db.models.fields import DurationField

from tocsin.api.pagerduty import analytics, ids
from tocsin.api.pagerduty.analytics_facts import Facts, facts_of
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incident_shapes import STATUS
from tocsin.api.pagerduty.incidents import incident
from tocsin.escalation import queries as escalation
from tocsin.incidents import queries
from tocsin.incidents.rules import PRIORITIES
from tocsin.people import queries as people
from tocsin.platform import clock

MOST = 1000
ORDERS = {"created_at": "opened_at", "seconds_to_resolve": "took"}


def _limit(asked: Asked) -> int:
    limit = asked.body.get("limit", MOST)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise Refused(400, ["limit must be a whole number, 1 to 1000"], code=2002)
    return min(limit, MOST)


def _shapes(asked: Asked, found: Sequence[Facts], what: analytics.Wanted) -> list[dict[str, Any]]:
    names = people.names({user for one in found for user in one.assigned})
    return [_one(one, names, what) for one in found]


def _one(facts: Facts, names: dict[int, str], what: analytics.Wanted) -> dict[str, Any]:
    row = facts.row
    team, policy = row.service.team, row.service.policy
    resolver = facts.resolver
    acknowledged = {"ids": [ids.write("user", one) for one in facts.acknowledged]}
    return {
        "id": ids.write("incident", row.pk),
        "incident_number": row.pk,
        "description": row.title,
        "created_at": what.local(row.opened_at),
        "updated_at": what.local(row.updated_at),
        "resolved_at": what.local(row.resolved_at),
        "status": STATUS[row.state],
        "urgency": facts.urgency,
        "major": facts.major,
        "priority_id": ids.write("priority", PRIORITIES.index(row.priority)),
        "priority_name": row.priority,
        "priority_order": 1 << (6 - PRIORITIES.index(row.priority)),
        "incident_type_id": None,
        "incident_type_name": "incident_default",
        "service_id": ids.write("service", row.service_id),
        "service_name": row.service.name,
        "team_id": ids.write("team", team.pk) if team else None,
        "team_name": team.name if team else None,
        "escalation_policy_id": ids.write("escalation_policy", policy.pk) if policy else None,
        "escalation_policy_name": policy.name if policy else None,
        "acknowledged_user_ids": acknowledged["ids"],
        "acknowledged_user_names": list(facts.acknowledged.values()),
        "acknowledgement_count": facts.acknowledgements,
        "joined_user_ids": acknowledged["ids"],
        "joined_user_names": list(facts.acknowledged.values()),
        "active_user_count": len(facts.acknowledged),
        "engaged_user_count": len(facts.acknowledged),
        "engaged_seconds": facts.engaged_s,
        "assigned_user_ids": [ids.write("user", one) for one in facts.assigned],
        "assigned_user_names": [names.get(one, "") for one in facts.assigned],
        "assignment_count": len(facts.assigned),
        "reassignment_count": facts.reassigned,
        "auto_resolved": facts.auto_resolved,
        "resolved_by_user_id": ids.write("user", resolver[0]) if resolver and row.resolved_at else None,
        "resolved_by_user_name": resolver[1] if resolver and row.resolved_at else None,
        "escalation_count": facts.timeouts + facts.by_hand,
        "manual_escalation_count": facts.by_hand,
        "timeout_escalation_count": facts.timeouts,
        "business_hour_interruptions": facts.business,
        "off_hour_interruptions": facts.off,
        "sleep_hour_interruptions": facts.sleep,
        "total_interruptions": facts.interruptions,
        "total_notifications": facts.notifications,
        "seconds_to_engage": facts.to_first_ack if facts.acknowledged else None,
        "seconds_to_first_ack": facts.to_first_ack,
        "seconds_to_mobilize": facts.to_mobilize,
        "seconds_to_resolve": facts.to_resolve,
        "snoozed_seconds": facts.snoozed_s,
        "user_defined_effort_seconds": None,
    }


def listed(asked: Asked) -> Answer:
    """``POST /analytics/raw/incidents``: up to 1,000, and where to go on (``starting_after`` the ``last``)."""
    now = clock.now()
    what = analytics.wanted(asked, now)
    order_by = asked.body.get("order_by") or "created_at"
    if order_by not in ORDERS:
        raise Refused(400, [f"order_by must be one of {', '.join(ORDERS)}"])
    rows = analytics.rows_of(asked, what)
    rows = rows.annotate(took=ExpressionWrapper(F("resolved_at") - F("opened_at"), output_field=DurationField()))
    if order_by == "seconds_to_resolve":
        rows = rows.filter(took__isnull=False)
    column, ascending = ORDERS[order_by], what.order == "asc"
    for name, onwards in (("starting_after", True), ("ending_before", False)):
        if asked.body.get(name) is not None:
            rows = _beyond(rows, column, asked.body[name], name, bigger=ascending == onwards)
    backwards = asked.body.get("ending_before") is not None
    sign = "" if ascending != backwards else "-"
    limit = _limit(asked)
    found = list(rows.order_by(f"{sign}{column}", f"{sign}pk")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    return Answer(
        {
            "data": _shapes(asked, facts_of(asked.actor, found, now), what),
            "first": ids.write("incident", found[0].pk) if found else None,
            "last": ids.write("incident", found[-1].pk) if found else None,
            "limit": limit,
            "more": more,
            "starting_after": asked.body.get("starting_after"),
            "ending_before": asked.body.get("ending_before"),
            "order": what.order,
            "order_by": order_by,
            "filters": what.filters,
            "time_zone": what.name,
        }
    )


def _beyond(rows: Any, column: str, cursor: object, name: str, *, bigger: bool) -> Any:
    """The rows after or before the incident that a cursor names."""
    number = ids.read("incident", cursor) if isinstance(cursor, str) else None
    at = rows.filter(pk=number).values_list(column, flat=True).first() if number is not None else None
    if at is None:
        raise Refused(400, [f"{name} must be the id of an incident of this list"], code=2002)
    way = "gt" if bigger else "lt"
    return rows.filter(Q(**{f"{column}__{way}": at}) | Q(**{column: at, f"pk__{way}": number}))


def got(asked: Asked, name: str) -> Answer:
    """``GET /analytics/raw/incidents/{id}``."""
    now = clock.now()
    row = incident(asked, name)
    found = facts_of(asked.actor, [row], now)
    return Answer(_shapes(asked, found, analytics.wanted(asked, now))[0])


def responses(asked: Asked, name: str) -> Answer:
    """``GET /analytics/raw/incidents/{id}/responses``: who was paged, in that order, and when they answered."""
    row = incident(asked, name)
    what = analytics.wanted(asked, clock.now())
    by_hand = {
        user
        for entry in queries.timeline(asked.actor, row.pk, kinds=["paged_by_hand"])
        for user in entry.data.get("users") or ()
    }
    given = {
        user
        for entry in queries.timeline(asked.actor, row.pk, kinds=["reassigned"])
        for user in entry.data.get("to") or ()
    }
    first: dict[int, dict[str, Any]] = {}
    for page in escalation.pages(asked.actor, incident_id=row.pk).prefetch_related(None):
        if page.user_id is None or page.user is None or page.user_id in first:
            continue
        kind = "added_responder" if page.user_id in by_hand else "escalated" if page.step else "assigned"
        took = None if page.answered_at is None else max(0, int((page.answered_at - page.at).total_seconds()))
        first[page.user_id] = {
            "responder_id": ids.write("user", page.user_id),
            "responder_name": page.user.name,
            "response_status": "pending" if page.answered_at is None else "joined",
            "responder_type": "reassigned" if page.user_id in given else kind,
            "requested_at": what.local(page.at),
            "responded_at": what.local(page.answered_at),
            "time_to_respond_seconds": took,
        }
    found = list(first.values())
    if asked.query.get("order", asked.body.get("order")) == "desc":
        found.reverse()
    return Answer(
        {
            "incident_id": ids.write("incident", row.pk),
            "responses": found[: _limit(asked)],
            "limit": _limit(asked),
            "order": "desc" if asked.query.get("order", asked.body.get("order")) == "desc" else "asc",
            "order_by": "requested_at",
            "time_zone": what.name,
        }
    )


ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("POST", "/analytics/raw/incidents", listed),
    ("GET", "/analytics/raw/incidents/{id}", got),
    ("GET", "/analytics/raw/incidents/{id}/responses", responses),
)
