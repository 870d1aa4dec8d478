"""Verbs on alerts that are there: what Opsgenie calls them, as what Tocsin does to the alert or to its incident.

Ending and acknowledging become signals, like those of the door. The rest acts on the alert's incident at once, and the
answer's ``requestId`` carries what came of it. What has no counterpart is refused by name; nothing is dropped quietly.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from tocsin.api.opsgenie import names
from tocsin.api.opsgenie.asking import Asked
from tocsin.incidents import actions as incidents
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.intake.contract import Request, as_text, clean_text, moment, short_key
from tocsin.intake.sources.opsgenie import parser
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.errors import Invalid, NotFound, TocsinError
from tocsin.triage.rules.priority import ASKED


class NotYet(TocsinError):
    """Something that must come first is accepted and not yet decided; the sender repeats its request."""

    status = 503
    code = "unavailable"


class Unserved(TocsinError):
    """A verb that has no counterpart here."""

    status = 422
    code = "not_served"


Act = Callable[[Asked, int, dict[str, Any]], incidents.Done]


def _needed(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid(parser.MESSAGES[422], {name: f"{name} can not be empty"})
    return value.strip()


def _said(body: Mapping[str, Any], text: str) -> str:
    """A note, with the person that the sender names as its author."""
    user = as_text(body.get("user"), 100)
    return (f"{text[:19_800]}\n\n({user}, through the sender)") if user else text[:20_000]


def _note(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    return incidents.add_note([incident], text=_said(body, _needed(body, "note")), actor=asked.actor)


def _snooze(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    until = moment(body.get("endTime"))
    if until is None:
        raise Invalid(parser.MESSAGES[422], {"endTime": "a moment in ISO 8601"})
    try:
        return incidents.snooze([incident], until=until, actor=asked.actor)
    except Invalid as error:
        raise Invalid(error.message, {"endTime": "after now and at most 7 days ahead"}) from error


def _unacknowledge(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    return incidents.unacknowledge([incident], actor=asked.actor, reason=as_text(body.get("note"), 500) or ASKED)


def _assign(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    owner = body.get("owner")
    name = as_text(owner.get("username") or owner.get("id"), 254) if isinstance(owner, dict) else ""
    wrong = Invalid(parser.MESSAGES[422], {"owner": "the username (e-mail address) of a person known here"})
    if "@" not in name:
        raise wrong
    try:
        person = people.user(asked.actor, name)
    except NotFound as error:
        raise wrong from error
    return incidents.reassign([incident], user_ids=[person.pk], actor=asked.actor)


def _priority(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    priority = body.get("priority")
    if priority not in parser.PRIORITIES:
        raise Invalid(parser.MESSAGES[422], {"priority": "one of P1, P2, P3, P4, P5"})
    return incidents.set_priority([incident], priority=str(priority), reason=ASKED, actor=asked.actor)


def _message(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    return incidents.retitle([incident], title=_needed(body, "message")[: parser.MESSAGE_LIMIT], actor=asked.actor)


def _description(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    text = f"Description: {_needed(body, 'description')}"
    return incidents.add_note([incident], text=_said(body, text), actor=asked.actor)


def _tags(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    tags = body.get("tags")
    given = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
    words = [as_text(tag, parser.WORD_LIMIT).strip() for tag in given]
    if not any(words):
        raise Invalid(parser.MESSAGES[422], {"tags": "tags can not be empty"})
    return incidents.add_note([incident], text=_said(body, f"Tags: {', '.join(words)}"), actor=asked.actor)


def _details(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    details = body.get("details")
    if not isinstance(details, dict) or not details:
        raise Invalid(parser.MESSAGES[422], {"details": "an object that is not empty"})
    lines = "\n".join(f"* {name}: {as_text(value, 2000)}" for name, value in details.items())
    return incidents.add_note([incident], text=_said(body, f"Details:\n\n{lines}"), actor=asked.actor)


VERBS: dict[tuple[str, str], tuple[str, Act]] = {
    ("POST", "notes"): ("AddNote", _note),
    ("POST", "snooze"): ("Snooze", _snooze),
    ("POST", "unacknowledge"): ("UnAcknowledge", _unacknowledge),
    ("POST", "assign"): ("AssignOwnership", _assign),
    ("PUT", "priority"): ("UpdatePriority", _priority),
    ("POST", "priority"): ("UpdatePriority", _priority),
    ("PUT", "message"): ("UpdateMessage", _message),
    ("POST", "message"): ("UpdateMessage", _message),
    ("PUT", "description"): ("UpdateDescription", _description),
    ("POST", "description"): ("UpdateDescription", _description),
    ("POST", "tags"): ("AddTags", _tags),
    ("POST", "details"): ("AddDetails", _details),
}
SIGNALS = {("POST", "close"): "Close", ("POST", "acknowledge"): "Acknowledge", ("DELETE", ""): "Delete"}
INSTEAD = {
    "escalate": "escalations follow the service's policy; escalate from the incident's page",
    "responders": "who is paged follows the service's policy; add people from the incident's page",
    "teams": "who is paged follows the service's policy; add people from the incident's page",
    "tags": "tags that were sent stay",
    "details": "details that were sent stay",
    "attachments": "files are not kept; send a link in the note",
}


def perform(asked: Asked, method: str, name: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """Do it; the answer's body. Raises Invalid, Unserved, NotYet."""
    if (method, what) in SIGNALS:
        return _signal(asked, SIGNALS[method, what], name, body)
    if (method, what) not in VERBS:
        first = what.split("/")[0]
        text = INSTEAD.get(first, "it has no counterpart here")
        raise Unserved(f"{method} {what[:60] or 'on an alert'} is not served: {text}.", {"action": text})
    action, act = VERBS[method, what]
    result, number = _act(asked, act, name, body, noted=what in ("notes", "unacknowledge"))
    return _accepted(names.done_request_id(clock.now(), action, result, number))


def _accepted(request_id: str) -> dict[str, Any]:
    return {"result": "Request will be processed", "requestId": request_id}


def _act(asked: Asked, act: Act, name: str, body: dict[str, Any], *, noted: bool) -> tuple[int, int]:
    """What came of a verb on an incident, and the number of the alert."""
    alert = asked.alert(name)
    _await(asked, name)
    if alert is None:
        return names.MISSING, 0
    if alert.incident_id is None:
        return names.NO_INCIDENT, alert.pk
    with transaction.atomic():
        done = act(asked, alert.incident_id, body)
        note = as_text(body.get("note"), 19_000).strip()
        if note and done.changed and not noted:
            incidents.add_note([alert.incident_id], text=_said(body, note), actor=asked.actor)
    return (names.DONE if done.changed else names.REFUSED), alert.pk


def _await(asked: Asked, name: str) -> None:
    """Raise NotYet where what was said before of this alias is not decided."""
    if asked.kind_of_name == "alias" and sources.waits(asked.source_id, short_key(clean_text(name))):
        raise NotYet("An earlier request for this alert is accepted and not yet decided. Please retry.")


def _answer_for(asked: Asked, incident: int, body: dict[str, Any]) -> incidents.Done:
    return incidents.acknowledge([incident], actor=asked.actor, via="api")


def _signal(asked: Asked, action: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Close, acknowledge or delete an alert by a name that only the database knows, as a signal of its source.

    A person acknowledges the incident in their own name.
    """
    if asked.source is None:
        require(asked.actor, Deed.RESPOND)
        if action == "Acknowledge":
            result, number = _act(asked, _answer_for, name, body, noted=False)
            return _accepted(names.done_request_id(clock.now(), action, result, number))
        _await(asked, name)
        body = {"user": asked.actor.name, **body}
    key, source_id = short_key(clean_text(name)), asked.source_id
    if asked.kind_of_name != "alias" or source_id is None:
        alert = asked.alert(name)
        if alert is None:
            return _accepted(names.done_request_id(clock.now(), action, names.MISSING, 0))
        if alert.state != "open":  # a newer alert may have its key by now
            return _accepted(names.done_request_id(clock.now(), action, names.REFUSED, alert.pk))
        key, source_id = alert.dedup_key, alert.source_id
    signal, request_id = parser.follow(body, action, key, clock.now())
    with transaction.atomic():
        intake.accept([(source_id, signal)])
    return _accepted(request_id)


def create(asked: Asked, body: bytes) -> dict[str, Any]:
    """A new alert with a person's token: as a signal of the only source that takes Opsgenie's. Raises Invalid ..."""
    require(asked.actor, Deed.RESPOND)
    kept = list(sources.sources(asked.actor, kind="opsgenie").filter(enabled=True)[:2])
    if len(kept) != 1:
        many = "several sources take alerts" if kept else "no source takes alerts"
        wanted = f"{many}: give the key of a source of kind opsgenie instead, which says what service is meant"
        raise Unserved("The alert has no service.", {"Authorization": wanted})
    request = Request(body, now=clock.now(), path=parser.ROOTS[0])
    parsed = parser.parse(request, kept[0].config)
    with transaction.atomic():
        intake.accept([(kept[0].pk, signal) for signal in parsed.signals])
    return _accepted(str(parsed.signals[0].details["request_id"]))
