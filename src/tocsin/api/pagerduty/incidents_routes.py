"""The operations about incidents and what happens to them, with who answers each."""

from collections.abc import Callable

from tocsin.api.pagerduty import (
    alerts,
    analytics,
    analytics_raw,
    changes,
    incidents,
    log_entries,
    notes,
    notifications,
    responders,
)
from tocsin.api.pagerduty.asking import Answer, Asked


def _empty(name: str, *, paged: bool = False) -> Callable[..., Answer]:
    """Nothing of this kind exists here: an empty list, for an incident that is there."""

    def answer(asked: Asked, incident: str) -> Answer:
        incidents.incident(asked, incident)
        return asked.listed(name, (), lambda rows: []) if paged else Answer({name: []})

    return answer


def _no_outlier(asked: Asked, name: str) -> Answer:
    """No incident is compared with others here, so none stands out."""
    incidents.incident(asked, name)
    return Answer({"outlier_incident": None})


ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/incidents", incidents.listed),
    ("POST", "/incidents", incidents.created),
    ("PUT", "/incidents", incidents.updated_many),
    ("GET", "/incidents/{id}", incidents.got),
    ("PUT", "/incidents/{id}", incidents.updated),
    ("PUT", "/incidents/{id}/merge", incidents.merged),
    ("POST", "/incidents/{id}/snooze", incidents.snoozed),
    ("GET", "/incidents/{id}/notes", notes.listed),
    ("POST", "/incidents/{id}/notes", notes.created),
    ("POST", "/incidents/{id}/status_updates", notes.status_updated),
    ("GET", "/incidents/{id}/alerts", alerts.listed),
    ("PUT", "/incidents/{id}/alerts", alerts.updated_many),
    ("GET", "/incidents/{id}/alerts/{alert_id}", alerts.got),
    ("PUT", "/incidents/{id}/alerts/{alert_id}", alerts.updated),
    ("GET", "/incidents/{id}/log_entries", log_entries.of_incident),
    ("POST", "/incidents/{id}/responder_requests", responders.created),
    ("PUT", "/incidents/{id}/responder_requests/cancel", responders.cancelled),
    ("GET", "/incidents/{id}/related_change_events", changes.related),
    ("GET", "/incidents/{id}/past_incidents", _empty("past_incidents", paged=True)),
    ("GET", "/incidents/{id}/related_incidents", _empty("related_incidents")),
    ("GET", "/incidents/{id}/outlier_incident", _no_outlier),
    ("GET", "/incidents/{id}/custom_fields/values", _empty("custom_fields")),
    ("GET", "/log_entries", log_entries.listed),
    ("GET", "/log_entries/{id}", log_entries.got),
    ("GET", "/change_events", changes.listed),
    ("GET", "/change_events/{id}", changes.got),
    ("GET", "/services/{id}/change_events", changes.of_service),
    ("GET", "/notifications", notifications.listed),
    *analytics.ROUTES,
    *analytics_raw.ROUTES,
)
