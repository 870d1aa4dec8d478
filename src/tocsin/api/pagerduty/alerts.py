"""Alerts of an incident: list, get, end, move."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from tocsin.api.pagerduty import ids, references
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incidents import incident
from tocsin.api.pagerduty.references import Teller, Thing
from tocsin.platform.errors import Conflict, NotFound
from tocsin.triage import actions
from tocsin.triage import queries as triage

MOST_UPDATES = 250
STATUS = {"open": "triggered", "resolved": "resolved"}
SORTS = {"created_at": "first_at", "resolved_at": "resolved_at"}


class Alerts:
    """Shapes alerts of one incident for one request."""

    def __init__(self, asked: Asked, of: Any) -> None:
        self.asked = asked
        self.of = of
        self.tell = Teller(asked)

    def __call__(self, rows: Sequence[Any]) -> list[Thing]:
        """Alerts, whole."""
        return [self._one(row) for row in rows]

    def _one(self, row: Any) -> Thing:
        asked = self.asked
        data: Mapping[str, Any] = row.data if isinstance(row.data, dict) else {}
        details = data.get("details")
        name = ids.write("alert", row.pk)
        incident_id = ids.write("incident", self.of.pk)
        integration = ids.write("integration", row.source_id)
        links = [link for link in data.get("links") or () if isinstance(link, dict)]
        contexts = [{"type": "link", "href": one.get("href"), "text": one.get("text")} for one in links]
        return asked.thing("alert", row.pk, row.title, page=f"/alerts/{row.pk}/") | {
            "self": f"{asked.base}/incidents/{incident_id}/alerts/{name}",
            "created_at": self.tell(row.first_at),
            "updated_at": self.tell(row.last_at),
            "resolved_at": self.tell(row.resolved_at),
            "status": STATUS[row.state],
            "alert_key": row.dedup_key,
            "severity": row.severity,
            "suppressed": bool(row.suppressed_by),
            "service": references.service(asked, row.service, whole=asked.includes("services")),
            "incident": references.incident(asked, self.of.pk, self.of.title),
            "first_trigger_log_entry": None,
            "integration": {
                "id": integration,
                "type": "inbound_integration_reference",
                "summary": row.source.name,
                "self": f"{asked.base}/services/{ids.write('service', row.source.service_id)}"
                f"/integrations/{integration}",
                "html_url": None,
            },
            "body": {
                "type": "alert_body",
                "contexts": contexts,
                "details": details if details is not None else {},
                "cef_details": {
                    "dedup_key": row.dedup_key,
                    "description": row.title,
                    "severity": row.severity,
                    "source_origin": data.get("origin") or None,
                    "client": data.get("client") or None,
                    "client_url": data.get("client_url") or None,
                    "details": details if details is not None else {},
                    "contexts": contexts,
                },
            },
        }


def _number(text: object) -> int:
    found = ids.read("alert", text) if isinstance(text, str) else None
    if found is None:
        raise Refused(404)
    return found


def listed(asked: Asked, name: str) -> Answer:
    """``GET /incidents/{id}/alerts``."""
    of = incident(asked, name)
    statuses = asked.many("statuses")
    if any(status not in STATUS.values() for status in statuses):
        raise Refused(400, ["Statuses must be triggered or resolved"], code=1003)
    states = [state for state, status in STATUS.items() if status in statuses]
    rows = triage.alerts(asked.actor, incident=of.pk, state=states)
    if key := asked.query.get("alert_key", ""):
        rows = rows.filter(dedup_key=key)
    field, _, way = asked.query.get("sort_by", "created_at:asc").partition(":")
    if field not in SORTS or way not in ("", "asc", "desc"):
        raise Refused(400, ["sort_by must be created_at or resolved_at with :asc or :desc"], code=2002)
    order = f"{'-' if way == 'desc' else ''}{SORTS[field]}"
    return asked.listed("alerts", rows.order_by(order, "id"), Alerts(asked, of))


def got(asked: Asked, name: str, alert: str) -> Answer:
    """``GET /incidents/{id}/alerts/{alert_id}``."""
    of = incident(asked, name)
    return Answer({"alert": _shown(asked, of, [_number(alert)])[0]})


def _shown(asked: Asked, of: Any, numbers: list[int]) -> list[Thing]:
    rows = triage.alerts(asked.actor, incident=of.pk).in_bulk(numbers)
    if any(number not in rows for number in numbers):
        raise Refused(404)
    return Alerts(asked, of)([rows[number] for number in dict.fromkeys(numbers)])


def updated(asked: Asked, name: str, alert: str) -> Answer:
    """``PUT /incidents/{id}/alerts/{alert_id}``: end it, or move it to another incident."""
    given = asked.given("alert") | {"id": alert}
    return Answer({"alert": _update(asked, name, [given])[0]})


def updated_many(asked: Asked, name: str) -> Answer:
    """``PUT /incidents/{id}/alerts``: all or nothing."""
    return Answer({"alerts": _update(asked, name, asked.objects("alerts", MOST_UPDATES))})


def _update(asked: Asked, name: str, given: Sequence[Mapping[str, Any]]) -> list[Thing]:
    of = incident(asked, name)
    numbers = [_number(one.get("id")) for one in given]
    shapes: dict[int, Thing] = {}
    ended: list[int] = []
    moved: dict[int, list[int]] = {}
    for number, one in zip(numbers, given, strict=True):
        status = one.get("status")
        if status not in (None, *STATUS.values()):
            raise Refused(400, ["Status must be triggered or resolved"], code=1003)
        if status == "resolved":
            ended.append(number)
        if isinstance(to := one.get("incident"), dict) and isinstance(to.get("id"), str):
            into = incident(asked, to["id"]).pk
            if into != of.pk:
                moved.setdefault(into, []).append(number)
    known = triage.alerts(asked.actor, incident=of.pk).in_bulk(numbers)
    for number, one in zip(numbers, given, strict=True):
        if number not in known:
            raise Refused(404)
        if one.get("status") == "triggered" and known[number].state != "open":
            raise Refused(400, ["A resolved alert cannot be triggered again; a new event can"], code=1001)
    try:
        with transaction.atomic():
            if ended:
                actions.end_alerts(of.pk, ended, actor=asked.actor)
            for into, some in moved.items():
                actions.give_alerts(of.pk, some, into, actor=asked.actor)
    except Conflict as error:
        raise Refused(400, [error.message]) from error
    except NotFound as error:
        raise Refused(404) from error
    for into, some in moved.items():
        target = incident(asked, ids.write("incident", into))
        shapes |= dict(zip(some, _shown(asked, target, some), strict=True))
    rest = [number for number in dict.fromkeys(numbers) if number not in shapes]
    if rest:
        shapes |= dict(zip(rest, _shown(asked, of, rest), strict=True))
    return [shapes[number] for number in dict.fromkeys(numbers)]
