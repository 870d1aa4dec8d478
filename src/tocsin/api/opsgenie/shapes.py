"""Alerts, notes and logs in Opsgenie's words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tocsin.api.opsgenie.names import alert_id

PRIORITY_OF_SEVERITY = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}


def moment(at: datetime | None) -> str | None:
    """UTC with milliseconds."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _milliseconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds() * 1000))


def told(alert: Any) -> Mapping[str, Any]:
    """What its sender told of an alert."""
    details = alert.data.get("details")
    return details if isinstance(details, Mapping) else {}


def short(alert: Any) -> dict[str, Any]:
    """An alert as it stands in lists."""
    sent, incident = told(alert), alert.incident
    acknowledged = incident is not None and incident.acknowledged_at is not None and incident.state != "triggered"
    by = incident.acknowledged_by.email if acknowledged and incident.acknowledged_by else ""
    snoozed = incident is not None and incident.snoozed_until is not None
    shape: dict[str, Any] = {
        "id": alert_id(alert.source_id, alert.pk),
        "tinyId": str(alert.pk),
        "alias": str(sent.get("alias") or alert.dedup_key),
        "message": alert.title,
        "status": "open" if alert.state == "open" else "closed",
        "acknowledged": acknowledged,
        "isSeen": acknowledged,
        "tags": list(sent.get("tags") or []),
        "snoozed": snoozed,
        "count": alert.count,
        "lastOccurredAt": moment(alert.last_at),
        "createdAt": moment(alert.first_at),
        "updatedAt": moment(max(alert.last_at, incident.updated_at) if incident is not None else alert.last_at),
        "source": str(sent.get("source") or ""),
        "owner": by,
        "priority": incident.priority if incident is not None else PRIORITY_OF_SEVERITY[alert.severity],
        "responders": list(sent.get("responders") or []),
        "teams": [],
        "integration": {"id": str(alert.source_id), "name": alert.source.name, "type": "API"},
        "report": {},
    }
    if snoozed:
        shape["snoozedUntil"] = moment(incident.snoozed_until)
    if acknowledged:
        shape["report"] |= {
            "ackTime": _milliseconds(alert.first_at, incident.acknowledged_at), "acknowledgedBy": by,
        }  # fmt: skip
    if alert.resolved_at is not None:
        shape["report"] |= {"closeTime": _milliseconds(alert.first_at, alert.resolved_at)}
    return shape


def whole(alert: Any) -> dict[str, Any]:
    """An alert by itself."""
    sent = told(alert)
    return short(alert) | {
        "actions": list(sent.get("actions") or []),
        "entity": str(sent.get("entity") or ""),
        "description": str(sent.get("description") or ""),
        "details": dict(sent.get("details") or {}),
    }


def note(entry: Any) -> dict[str, Any]:
    """A note of a timeline."""
    return {
        "note": str(entry.data.get("text") or ""),
        "owner": entry.actor_name,
        "createdAt": moment(entry.at),
        "offset": str(entry.seq),
    }


def log(entry: Any) -> dict[str, Any]:
    """Any entry of a timeline."""
    return {
        "log": entry.kind.replace("_", " "),
        "type": "system" if entry.actor_kind in ("system", "source") else "alertRecipient",
        "owner": entry.actor_name,
        "createdAt": moment(entry.at),
        "offset": str(entry.seq),
    }
