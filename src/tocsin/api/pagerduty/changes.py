"""Change events: what was changed, from the catalogue; by service, and those that may have to do with an incident."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tocsin.api.pagerduty import ids, references
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incidents import incident
from tocsin.api.pagerduty.references import Teller, Thing
from tocsin.catalogue import queries
from tocsin.platform.errors import NotFound

BEFORE = timedelta(hours=24)


class Changes:
    """Shapes changes for one request."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.tell = Teller(asked)

    def __call__(self, rows: Sequence[Any]) -> list[Thing]:
        """Change events, whole."""
        return [self._one(row) for row in rows]

    def _one(self, row: Any) -> Thing:
        links = [link for link in row.links or () if isinstance(link, dict)]
        service = references.service(self.asked, row.service)
        return self.asked.thing("change_event", row.pk, row.summary) | {
            "timestamp": self.tell(row.at),
            "services": [] if service is None else [service],
            "integration": None,
            "routing_key": None,
            "source": row.origin or None,
            "links": [{"href": one.get("href"), "text": one.get("text")} for one in links],
            "images": [],
            "custom_details": row.details if row.details is not None else {},
        }


def _rows(asked: Asked) -> Any:
    since, until = asked.moment("since"), asked.moment("until")
    if since and until and since >= until:
        raise Refused(400, ["since must be before until"], code=2005)
    rows = queries.changes(asked.actor, since=since, until=until)
    if teams := asked.numbers("team_ids", "team"):
        rows = rows.filter(service__team_id__in=teams)
    return rows.none() if asked.many("integration_ids") else rows


def listed(asked: Asked) -> Answer:
    """``GET /change_events``: newest first. A change does not know its integration: asked for one, there is none."""
    return asked.listed("change_events", _rows(asked), Changes(asked))


def got(asked: Asked, name: str) -> Answer:
    """``GET /change_events/{id}``."""
    number = ids.read("change_event", name)
    found = list(queries.changes(asked.actor).filter(pk=number)) if number is not None else []
    if not found:
        raise Refused(404)
    return Answer({"change_event": Changes(asked)(found)[0]})


def of_service(asked: Asked, name: str) -> Answer:
    """``GET /services/{id}/change_events``: newest first."""
    number = ids.read("service", name)
    if number is None:
        raise Refused(404)
    try:
        service = queries.service(asked.actor, number)
    except NotFound as error:
        raise Refused(404) from error
    return asked.listed("change_events", _rows(asked).filter(service_id=service.pk), Changes(asked))


def related(asked: Asked, name: str) -> Answer:
    """``GET /incidents/{id}/related_change_events``: of its service and of what that needs, in the day before it."""
    row = incident(asked, name)
    around = queries.neighbourhood(asked.actor, row.service_id)
    needed = [service.pk for service in around.needs]
    rows = queries.changes(asked.actor, since=row.opened_at - BEFORE, until=row.opened_at)
    rows = rows.filter(service_id__in=[row.service_id, *needed])
    shape = Changes(asked)

    def with_reasons(found: Sequence[Any]) -> list[Thing]:
        return [
            one | {"correlation_reason": {"reason": "most_recent" if own else "related_service"}}
            for one, own in zip(shape(found), (change.service_id == row.service_id for change in found), strict=True)
        ]

    return asked.listed("change_events", rows, with_reasons)
