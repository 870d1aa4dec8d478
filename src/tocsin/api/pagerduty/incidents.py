"""Incidents: list, get, create, update one or many, merge, snooze."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, Value, When

from tocsin.api.pagerduty import references, updates
from tocsin.api.pagerduty.asking import Answer, Asked, number_of
from tocsin.api.pagerduty.basics import priority_named
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incident_shapes import STATUS, Incidents, with_related
from tocsin.api.pagerduty.urgency import ASKED_PRIORITY, HIGH, levels_for, priorities_of, urgency_named
from tocsin.catalogue import queries as catalogue
from tocsin.incidents import actions, queries, rules
from tocsin.intake import queries as intake
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.errors import Conflict, NotFound
from tocsin.triage import queries as triage

USUAL_WINDOW = timedelta(days=31)
MOST_UPDATES = 250
MOST_MERGED = 250
SORTS = {"incident_number": "id", "created_at": "opened_at", "resolved_at": "resolved_at", "urgency": "loudness"}


def incident(asked: Asked, name: str) -> Any:
    """The row behind an id or a number. Raises Refused (2100)."""
    try:
        return queries.incident(asked.actor, references.incident_number(name))
    except NotFound as error:
        raise Refused(404) from error


def shown(asked: Asked, number: int) -> dict[str, Any]:
    """One incident, whole, as it is now."""
    [shape] = Incidents(asked)(with_related(queries.incidents(asked.actor).filter(pk=number)))
    return shape


def listed(asked: Asked) -> Answer:
    """``GET /incidents``: without dates, what was opened in the last month, and what is still open."""
    rows = _filtered(asked)
    return asked.listed("incidents", with_related(rows.order_by(*_order(asked))), Incidents(asked))


def _filtered(asked: Asked) -> Any:
    statuses = asked.many("statuses")
    for status in statuses:
        if status not in ("triggered", "acknowledged", "resolved"):
            raise Refused(400, ["Statuses must be triggered, acknowledged or resolved"], code=1003)
    states = [state for state, status in STATUS.items() if status in statuses]
    rows = queries.incidents(asked.actor, state=states)
    since, until = asked.moment("since"), asked.moment("until")
    if since and until and since >= until:
        raise Refused(400, ["since must be before until"], code=2005)
    key = asked.query.get("incident_key", "")
    if asked.query.get("date_range") != "all" and not (since or until or key):
        rows = rows.filter(Q(opened_at__gte=clock.now() - USUAL_WINDOW) | Q(state__in=rules.OPEN))
    if asked.query.get("date_range") != "all":
        rows = rows.filter(opened_at__gte=since) if since else rows
        rows = rows.filter(opened_at__lt=until) if until else rows
    for name, kind, column in (
        ("service_ids", "service", "service_id"), ("team_ids", "team", "service__team_id"),
    ):  # fmt: skip
        if numbers := asked.numbers(name, kind):
            rows = rows.filter(**{f"{column}__in": numbers})
    if urgencies := asked.many("urgencies"):
        rows = rows.filter(priority__in=priorities_of(urgencies))
    if users := asked.numbers("user_ids", "user"):
        paged = Q(pages__user__in=users, pages__generation=F("generation"), assignees=None, acknowledged_by=None)
        given = Q(assignees__in=users) | Q(assignees=None, acknowledged_by__in=users)
        assigned = queries.incidents(asked.actor, state=["open"]).filter(paged | given).order_by().values("pk")
        rows = rows.filter(pk__in=assigned)
    if key:
        rows = rows.filter(_keyed(asked, key))
    return rows.annotate(
        loudness=Case(When(priority__in=HIGH, then=Value(0)), default=Value(1), output_field=IntegerField())
    )


def _keyed(asked: Asked, key: str) -> Q:
    """The condition on incidents that were declared with this key, or hold an alert of it.

    The key of a declared one stands in its first entry; alerts are found by the index that begins with their source.
    """
    own = queries.incidents(asked.actor).filter(declared_by__isnull=False, timeline__seq=1, timeline__data__key=key)
    sources = intake.source_ids(catalogue.services(asked.actor).order_by().values("pk"))
    alerts = triage.alerts(asked.actor).filter(source_id__in=sources, dedup_key=key)
    return Q(pk__in=own.order_by().values("pk")) | Q(pk__in=alerts.order_by().values("incident_id"))


def _order(asked: Asked) -> list[Any]:
    fields = asked.many("sort_by") or ["created_at:asc"]
    order: list[Any] = []
    for text in fields[:2]:
        name, _, way = text.partition(":")
        if name not in SORTS or way not in ("", "asc", "desc"):
            raise Refused(400, [f"sort_by must be one of {', '.join(SORTS)} with :asc or :desc"], code=2002)
        column = F(SORTS[name])
        order.append(column.desc(nulls_last=True) if way == "desc" else column.asc(nulls_last=True))
    return [*order, "id"]


def got(asked: Asked, name: str) -> Answer:
    """``GET /incidents/{id}``, by id or number."""
    return Answer({"incident": shown(asked, incident(asked, name).pk)})


def created(asked: Asked) -> Answer:
    """``POST /incidents``."""
    require(asked.actor, Deed.RESPOND)
    given = asked.given("incident")
    problems = []
    title = given.get("title")
    if not isinstance(title, str) or not title.strip():
        problems.append("Title cannot be empty")
    elif len(title.strip()) > 1024:
        problems.append("Title must have at most 1024 characters")
    if not given.get("service"):
        problems.append("Service cannot be empty")
    key = given.get("incident_key")
    if key is not None and not (isinstance(key, str) and len(key) <= 255):
        problems.append("Incident key must be text of at most 255 characters")
    if given.get("assignments") and given.get("escalation_policy"):
        problems.append("Assignments and escalation policy cannot be given together")
    if problems:
        raise Refused(400, problems)
    try:
        service = catalogue.service(asked.actor, number_of("service", given["service"], "Service"))
    except NotFound as error:
        raise Refused(400, ["Service not found"], code=5002) from error
    if given.get("escalation_policy"):
        updates.require_policy(asked, service, given["escalation_policy"])
    body = given.get("body")
    details = body.get("details") if isinstance(body, dict) else None
    if details is not None and not isinstance(details, str):
        raise Refused(400, ["Body details must be text"])
    told: dict[str, Any] = {}
    if given.get("priority"):
        told = {"priority": priority_named(given["priority"]), "priority_reason": ASKED_PRIORITY}
        if given.get("urgency"):
            urgency_named(given["urgency"])
    elif given.get("urgency"):
        impact = service.impact or rules.impact_of_tier(service.tier)
        levels = levels_for(urgency_named(given["urgency"]), impact, actions.matrix())
        told = {"urgency": levels.urgency, "priority": levels.priority, "priority_reason": levels.reason}
    try:
        made = actions.declare(
            str(title),
            service.pk,
            actor=asked.actor,
            details=details or "",
            key=key or "",
            user_ids=updates.assignees(asked, given.get("assignments")),
            **told,
        )
    except Conflict as error:
        raise Refused(400, [error.message]) from error
    return Answer({"incident": shown(asked, made.pk)}, 201)


def updated(asked: Asked, name: str) -> Answer:
    """``PUT /incidents/{id}``."""
    require(asked.actor, Deed.RESPOND)
    row = incident(asked, name)
    with transaction.atomic():
        ends = updates.Ends()
        updates.apply(asked, row, asked.given("incident"), ends, alone=True)
        ends.act(asked)
    return Answer({"incident": shown(asked, row.pk)})


def updated_many(asked: Asked) -> Answer:
    """``PUT /incidents``: all or nothing; what is as it is to be already stays so."""
    require(asked.actor, Deed.RESPOND)
    given = asked.objects("incidents", MOST_UPDATES)
    numbers = []
    for one in given:
        if not isinstance(one.get("id"), str):
            raise Refused(400, ["Each incident needs its id"])
        numbers.append(references.incident_number(one["id"]))
    known = queries.incidents(asked.actor).filter(pk__in=numbers).select_related("service__policy").in_bulk()
    if any(number not in known for number in numbers):
        raise Refused(404)
    with transaction.atomic():
        ends = updates.Ends()
        for number, one in zip(numbers, given, strict=True):
            updates.apply(asked, known[number], one, ends, alone=False)
        ends.act(asked)
    rows = {row["incident_number"]: row for row in _shown_many(asked, numbers)}
    return Answer({"incidents": [rows[number] for number in dict.fromkeys(numbers)]})


def _shown_many(asked: Asked, numbers: list[int]) -> list[dict[str, Any]]:
    return Incidents(asked)(list(with_related(queries.incidents(asked.actor).filter(pk__in=numbers))))


def merged(asked: Asked, name: str) -> Answer:
    """``PUT /incidents/{id}/merge``: all or nothing."""
    require(asked.actor, Deed.RESPOND)
    row = incident(asked, name)
    given = asked.objects("source_incidents", MOST_MERGED)
    sources = [references.incident_number(one["id"]) for one in given if isinstance(one.get("id"), str)]
    if len(sources) < len(given):
        raise Refused(400, ["Each source incident needs its id"])
    if row.state not in rules.OPEN:
        raise Refused(400, ["The incident to merge into must be open"], code=1001)
    with transaction.atomic():
        known = queries.incidents(asked.actor).filter(pk__in=sources).in_bulk()
        if any(number not in known for number in sources):
            raise Refused(404)
        if any(one.merged_into_id is not None for one in known.values()):
            raise Refused(400, ["A source incident was merged already"], code=1019)
        done = actions.merge(row.pk, sources, actor=asked.actor)
        if done.skipped:
            raise Refused(400, [f"#{number}: {why}" for number, why in done.skipped.items()])
    return Answer({"incident": shown(asked, row.pk)})


def snoozed(asked: Asked, name: str) -> Answer:
    """``POST /incidents/{id}/snooze``: 201."""
    require(asked.actor, Deed.RESPOND)
    row = incident(asked, name)
    updates.snooze(asked, row.pk, asked.body.get("duration"))
    return Answer({"incident": shown(asked, row.pk)}, 201)
