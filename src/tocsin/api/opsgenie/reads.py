"""Reads of Opsgenie's Alert API: alerts of the source whose key was shown, and what became of its requests."""

from typing import Any
from urllib.parse import urlencode

from tocsin.api.opsgenie import shapes
from tocsin.api.opsgenie.asking import Asked
from tocsin.api.opsgenie.names import DONE, MISSING, NO_INCIDENT, alert_id, read_request_id
from tocsin.api.opsgenie.searching import read
from tocsin.incidents import queries as incidents
from tocsin.platform.errors import Invalid, NotFound
from tocsin.triage import queries as triage

DEEPEST = 20_000
SORTS = {
    "createdat": "pk", "tinyid": "pk", "updatedat": "last_at", "lastoccurredat": "last_at", "alias": "dedup_key",
    "message": "title", "status": "state", "count": "count",
}  # fmt: skip
VERBS = {"trigger": "Create", "resolve": "Close", "acknowledge": "Acknowledge"}
CAME = {
    "opened": "Created alert", "grouped": "Created alert", "reopened": "Created alert", "held": "Created alert",
    "suppressed": "Created alert", "flapping": "Created alert", "deduplicated": "Deduplicated alert",
    "resolved": "Closed alert", "acknowledged": "Acknowledged alert",
}  # fmt: skip


def _number(asked: Asked, name: str, default: int, low: int, high: int) -> int:
    text = asked.query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise Invalid("The list cannot be made.", {name: f"a whole number from {low} to {high}"})
    return int(text)


def _found(asked: Asked) -> Any:
    if asked.query.get("searchIdentifier"):
        raise Invalid("There are no saved searches here.", {"searchIdentifier": "use query instead"})
    rows = asked.alerts()
    terms = read(asked.query.get("query") or "")
    if "status" in terms:
        rows = rows.filter(state="open" if terms["status"] == "open" else "resolved")
    if "alias" in terms:
        rows = rows.filter(dedup_key=terms["alias"])
    if "message" in terms:
        for word in terms["message"].split():
            rows = rows.filter(title__icontains=word)
    if "priority" in terms:
        rows = rows.filter(incident__priority=terms["priority"].upper())
    if "tinyid" in terms:
        rows = rows.filter(pk=int(terms["tinyid"]) if terms["tinyid"].isdigit() and len(terms["tinyid"]) < 19 else 0)
    return rows


def listed(asked: Asked) -> dict[str, Any]:
    """A page of alerts, with links to the others. Raises Invalid."""
    limit = _number(asked, "limit", 20, 1, 100)
    offset = _number(asked, "offset", 0, 0, DEEPEST - limit)
    sort = (asked.query.get("sort") or "createdAt").lower()
    order = (asked.query.get("order") or "desc").lower()
    if sort not in SORTS or order not in ("asc", "desc"):
        known = f"one of {', '.join(SORTS)}"
        raise Invalid("The list cannot be sorted like this.", {"sort": known, "order": "asc or desc"})
    mark = "-" if order == "desc" else ""
    rows = _found(asked).order_by(f"{mark}{SORTS[sort]}", f"{mark}pk")
    total = rows.count()
    answer: dict[str, Any] = {"data": [shapes.short(row) for row in rows[offset : offset + limit]]}

    def link(at: int) -> str:
        return f"{asked.address}?{urlencode({**asked.query.dict(), 'limit': limit, 'offset': at})}"

    paging = {"first": link(0), "last": link(max(0, min((total - 1) // limit * limit, DEEPEST - limit)))}
    if offset:
        paging["prev"] = link(max(0, offset - limit))
    if offset + limit < total and offset + 2 * limit <= DEEPEST:
        paging["next"] = link(offset + limit)
    return answer | {"paging": paging}


def counted(asked: Asked) -> dict[str, Any]:
    """How many alerts there are."""
    return {"data": {"count": _found(asked).count()}}


def _alert(asked: Asked, name: str) -> Any:
    found = asked.alert(name)
    if found is None:
        raise NotFound("Alert does not exist")
    return found


def one(asked: Asked, name: str) -> dict[str, Any]:
    """One alert. Raises NotFound."""
    return {"data": shapes.whole(_alert(asked, name))}


def notes(asked: Asked, name: str) -> dict[str, Any]:
    """Notes on the incident of an alert. Raises NotFound."""
    return _entries(asked, name, ("note",), shapes.note)


def logs(asked: Asked, name: str) -> dict[str, Any]:
    """The timeline of the incident of an alert. Raises NotFound."""
    return _entries(asked, name, (), shapes.log)


def _entries(asked: Asked, name: str, kinds: tuple[str, ...], shape: Any) -> dict[str, Any]:
    alert = _alert(asked, name)
    limit = _number(asked, "limit", 20, 1, 100)
    after = _number(asked, "offset", 0, 0, 999_999_999)
    ascending = (asked.query.get("order") or "desc").lower() == "asc"
    if alert.incident_id is None:
        return {"data": [], "paging": {}}
    rows = incidents.timeline(asked.reader, alert.incident_id, kinds=kinds)
    if after:
        rows = rows.filter(seq__gt=after) if ascending else rows.filter(seq__lt=after)
    found = list(rows.order_by("seq" if ascending else "-seq")[: limit + 1])
    kept = found[:limit]
    paging: dict[str, str] = {}
    if len(found) > limit:
        query = {**asked.query.dict(), "limit": limit, "offset": kept[-1].seq}
        paging["next"] = f"{asked.address}?{urlencode(query)}"
    return {"data": [shape(entry) for entry in kept], "paging": paging}


def request_status(asked: Asked, request_id: str) -> dict[str, Any] | None:
    """What became of a request of this source; None: not known, or not yet decided."""
    told = read_request_id(request_id)
    if told is None:
        return None
    at, version, action, result, number = told
    if version == 7:
        return _of_signal(asked, request_id, at)
    alert = asked.alerts().filter(pk=number).first() if number else None
    success = result == DONE
    text = {DONE: f"{action} was done", MISSING: "Alert does not exist"}.get(result, "Alert has no open incident")
    if result not in (DONE, MISSING, NO_INCIDENT):
        text = "Alert is already in that state, or closed"
    return _status(asked.source_id, action, at, success, text, alert)


def _of_signal(asked: Asked, request_id: str, at: Any) -> dict[str, Any] | None:
    request_id = request_id.strip().lower()
    if asked.source is not None:
        signal = triage.signal_of_request(asked.source.pk, request_id, at)
    else:
        signal = triage.readable_signal_of_request(asked.reader, request_id, at)
    if signal is None:
        return None
    source_id = signal.source_id
    told = signal.data.get("details") or {}
    action = "Delete" if told.get("deleted") else VERBS.get(signal.action, "Create")
    text = CAME.get(signal.outcome, "")
    if signal.outcome == "nothing_open":
        text = f"There is no open alert with alias [{signal.dedup_key}]"
    elif signal.outcome == "acknowledged" and "stays as it is" in signal.reason:
        text = "Alert is already acknowledged"
    success = text in CAME.values()
    shape = _status(source_id, action, signal.decided_at, success, text or signal.reason, None)
    if signal.alert_id is not None:
        shape["alertId"] = alert_id(source_id, signal.alert_id)
    return shape | {"alias": str(told.get("alias") or signal.dedup_key)}


def _status(source_id: int | None, action: str, at: Any, success: bool, text: str, alert: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "success": success,
        "isSuccess": success,
        "action": action,
        "processedAt": shapes.moment(at),
        "integrationId": "" if source_id is None else str(source_id),
        "status": text,
    }
    if alert is not None:
        shape |= {"alertId": alert_id(alert.source_id, alert.pk), "alias": shapes.told(alert).get("alias")}
    return shape
