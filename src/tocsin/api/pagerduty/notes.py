"""Notes and status updates of an incident; both are entries of its timeline, which nobody can change afterwards."""

from typing import Any

from django.db import transaction

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incident_shapes import agent
from tocsin.api.pagerduty.incidents import incident
from tocsin.api.pagerduty.references import Teller
from tocsin.incidents import actions, queries

MOST = 20_000


def _note(asked: Asked, row: Any, entry: Any) -> dict[str, Any]:
    return {
        "id": ids.write("note", entry.pk),
        "user": agent(asked, entry, row.service),
        "channel": {"summary": "The API" if entry.actor_kind == "token" else "The website", "type": "web"},
        "content": str(entry.data.get("text") or ""),
        "created_at": Teller(asked)(entry.at),
    }


def _text(given: dict[str, Any], name: str, *, needed: bool = True) -> str:
    value = given.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise Refused(400, [f"{name.capitalize()} cannot be empty"])
    if len(value) > MOST:
        raise Refused(400, [f"{name.capitalize()} must have at most {MOST} characters"])
    return value


def _last(asked: Asked, number: int, kind: str) -> Any:
    return queries.timeline(asked.actor, number, kinds=[kind]).order_by("-seq").first()


def listed(asked: Asked, name: str) -> Answer:
    """``GET /incidents/{id}/notes``: all of them, newest first."""
    row = incident(asked, name)
    found = queries.timeline(asked.actor, row.pk, kinds=["note"]).order_by("-seq")
    return Answer({"notes": [_note(asked, row, entry) for entry in found]})


def created(asked: Asked, name: str) -> Answer:
    """``POST /incidents/{id}/notes``: 200."""
    row = incident(asked, name)
    text = _text(asked.given("note"), "content")
    with transaction.atomic():
        actions.add_note([row.pk], text=text, actor=asked.actor)
        entry = _last(asked, row.pk, "note")
    return Answer({"note": _note(asked, row, entry)})


def status_updated(asked: Asked, name: str) -> Answer:
    """``POST /incidents/{id}/status_updates``: 200."""
    row = incident(asked, name)
    given = dict(asked.body)
    text, subject = _text(given, "message"), _text(given, "subject", needed=False)
    with transaction.atomic():
        actions.add_status_update([row.pk], text=text, subject=subject, actor=asked.actor)
        entry = _last(asked, row.pk, "status_update")
    update = {
        "id": ids.write("status_update", entry.pk),
        "message": text.strip(),
        "created_at": Teller(asked)(entry.at),
        "sender": agent(asked, entry, row.service),
        "subject": subject.strip() or None,
        "html_message": None,
    }
    return Answer({"status_update": update})
