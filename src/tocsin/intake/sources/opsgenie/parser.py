"""Opsgenie's Alert API v2 into signals: create, acknowledge and close; what else it has is served by ``api.opsgenie``.

Fields, limits and answers follow the public Alert API reference. An over-long message is refused as Opsgenie does; any
other over-long field is cut and the cut is remarked, because a lost page is worse.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from secrets import randbits
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from tocsin.intake.contract import (
    Answer,
    Headers,
    Parsed,
    ParseError,
    Request,
    Signal,
    as_text,
    clean_text,
    plain_json,
    severity_of,
    short_key,
    tidy_labels,
)

ROOTS = ("/v2/alerts", "/jsm/ops/integration/v2/alerts", "/opsgenie/v2/alerts")
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
MESSAGE_LIMIT = 130
DETAILS_LIMIT = 8_000
TEXTS = {"alias": 512, "description": 15_000, "entity": 512, "source": 100, "user": 100, "note": 25_000}
LISTS = {"responders": 50, "visibleTo": 50, "actions": 10, "tags": 20}
WORD_LIMIT = 50
ACTIONS: dict[str, Any] = {"close": "resolve", "acknowledge": "acknowledge"}

# what may stand behind the name of an alert
WORDS = frozenset({
    "acknowledge", "assign", "attachments", "close", "description", "details", "escalate", "logs", "message", "notes",
    "priority", "recipients", "responders", "snooze", "tags", "teams", "unacknowledge",
})  # fmt: skip

_encode = msgspec.json.encode
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FIELD = re.compile(r"'([\w.]{1,60})'")


def new_request_id(now: datetime) -> str:
    """A name for a request that tells when it came: a UUID of version 7 (RFC 9562)."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 2 << 62 | randbits(62)))


def below(path: str, roots: tuple[str, ...] = ROOTS) -> str | None:
    """What stands behind ``.../v2/alerts/`` or another root; None: the path is below none of them.

    ``path`` is decoded already, so that the slashes of an alias look like any others.
    """
    for root in roots:
        if path == root or path.startswith(root + "/"):
            return path[len(root) + 1 :].removesuffix("/")
    return None


def named(rest: str) -> tuple[str, str]:
    """Of what stands behind the root: the alert's name, which may hold slashes, and what is to be done (or empty)."""
    name, _, last = rest.rpartition("/")
    if name and last in WORDS:
        return name, last
    for word in ("/actions/", "/attachments/"):
        name, _, last = rest.rpartition(word)
        if name and "/" not in last:
            return name, word[1:] + last
    return rest, ""


def _kind_of_name(query: str) -> str:
    try:
        found = parse_qs(query, max_num_fields=50).get("identifierType", ["id"])
    except ValueError:
        return "id"
    return found[-1].lower()


def takes(method: str, path: str, query: str) -> bool:
    """Whether the door serves this: creating, and what names its alert by alias. Names of ours need the database."""
    rest = below(path)
    if not rest:
        return rest is not None and method == "POST"
    if _kind_of_name(query) != "alias":
        return False
    _, what = named(rest)
    return (method == "POST" and what in ACTIONS) or (method == "DELETE" and not what)


def key(request: Request) -> str | None:
    """The key of ``Authorization: GenieKey ...``; one written as a UUID is taken without its hyphens."""
    return key_in(str(request.headers.get("authorization") or ""))


def key_in(header: str) -> str | None:
    """The key in the value of an ``Authorization`` header; None: there is none of a kind that is taken."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() not in ("geniekey", "bearer") or not value:
        return None
    return value.replace("-", "") if _UUID.fullmatch(value) else value


def of_person(headers: Headers) -> bool:
    """Whether a request shows a person's API token instead of a source's key: the API's, not the door's."""
    scheme, _, value = str(headers.get("authorization") or "").strip().partition(" ")
    return scheme.lower() in ("geniekey", "bearer") and value.strip().startswith("tocsin_")


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One request is one signal. The answer names the request, by which its outcome can be asked for."""
    rest = _rest(request)
    request_id = new_request_id(request.now)
    if not rest:
        if request.method != "POST":
            raise ParseError(["'alias' is missing from the address"], 404)
        signal = _create(_body(request), config, request_id)
    else:
        name, what = named(rest)
        deleted = request.method == "DELETE"
        action = ACTIONS.get(what) if not deleted else None if what else "resolve"
        if action is None:
            raise ParseError([f"'{what[:60] or 'alert'}' is not served at this address; use /v2/alerts"], 404)
        if _kind_of_name(request.query) != "alias":
            raise ParseError(["'identifierType' must be alias at this address; ids are served below /v2/alerts"], 422)
        signal = _follow(_body(request), action, name, request_id, deleted=deleted)
    headers = (("x-request-id", request_id), ("x-ratelimit-state", "OK"))
    return Parsed([signal], Answer(202, accepted(request_id), headers=headers))


def accepted(request_id: str) -> bytes:
    """The body of the answer to whatever was accepted."""
    return _encode({"result": "Request will be processed", "took": 0.0, "requestId": request_id})


def _rest(request: Request) -> str:
    rest = below(request.path)
    if rest is None:  # the key is in the address
        rest = request.tail.removesuffix("/")
        rest = "" if rest == "v2/alerts" else rest.removeprefix("v2/alerts/")
    return rest


def _body(request: Request) -> dict[str, Any]:
    if not request.body.strip() and (request.method != "POST" or _rest(request)):
        return {}
    value = plain_json(request.body)
    if not isinstance(value, dict):
        raise ParseError(["the body must be an object"], kind="json")
    return value


def _create(body: dict[str, Any], config: Mapping[str, Any], request_id: str) -> Signal:
    errors: list[str] = []
    remarks: list[str] = []
    message = body.get("message")
    if not isinstance(message, str):
        errors.append("'message' must be a string" if message is not None else "'message' can not be empty")
        message = ""
    elif not message.strip():
        errors.append("'message' can not be empty")
    elif len(message) > MESSAGE_LIMIT:
        if config.get("long_message") == "cut":
            message = message[: MESSAGE_LIMIT - 1] + "…"
            remarks.append(f"message cut at {MESSAGE_LIMIT} characters")
        else:
            errors.append(f"'message' must not be longer than {MESSAGE_LIMIT} characters")
    priority = body.get("priority")
    if priority in (None, ""):
        priority = "P3"
    elif priority not in PRIORITIES:
        errors.append("'priority' must be one of P1, P2, P3, P4, P5")
    texts = _texts(body, errors, remarks)
    lists = {name: _list(body.get(name), name, limit, errors, remarks) for name, limit in LISTS.items()}
    details = body.get("details")
    if details is not None and not isinstance(details, dict):
        errors.append("'details' must be an object")
    if errors:
        raise ParseError(errors, 422)
    facts = _facts(details or {}, remarks)
    alias = texts.get("alias") or request_id
    dedup_key = short_key(alias)
    labels = tidy_labels(facts)
    labels |= tidy_labels({"source": texts.get("source"), "entity": texts.get("entity"), "priority": priority})
    if tags := ",".join(as_text(tag) for tag in lists["tags"]):
        labels["tags"] = tags
    told = {"request_id": request_id, **texts, "alias": alias, "priority": priority, "details": facts} | lists
    return Signal(
        action="trigger",
        dedup_key=dedup_key,
        title=" ".join(message.split()),
        severity=severity_of(priority),
        labels=labels,
        details={name: value for name, value in told.items() if value not in ("", [], {})},
        remarks=remarks,
        origin=texts.get("entity") or texts.get("source") or "",
        priority=str(priority),
    )


def follow(body: dict[str, Any], action: str, key: str, now: datetime) -> tuple[Signal, str]:
    """The signal of Close, Acknowledge or Delete for an alert of this dedup key, and the name of the request.

    Raises ParseError.
    """
    request_id = new_request_id(now)
    verb = ACTIONS.get(action.lower(), "resolve")
    return _follow(body, verb, key, request_id, deleted=action == "Delete"), request_id


def _follow(body: dict[str, Any], action: Any, name: str, request_id: str, *, deleted: bool) -> Signal:
    """What is said of an alert that is there already, named by its alias."""
    if not name:
        raise ParseError(["'alias' is missing from the address"], 404)
    errors: list[str] = []
    remarks: list[str] = ["deleting ends the alert; its history stays"] if deleted else []
    texts = _texts({field: body.get(field) for field in ("user", "note", "source")}, errors, remarks)
    if errors:
        raise ParseError(errors, 422)
    told = {"request_id": request_id, **texts, "alias": name[: TEXTS["alias"]]}
    if deleted:
        told["deleted"] = "true"
    return Signal(
        action=action,
        dedup_key=short_key(clean_text(name)),
        severity="info",
        details=told,
        remarks=remarks,
        origin=texts.get("source", ""),
    )


def _texts(body: Mapping[str, Any], errors: list[str], remarks: list[str]) -> dict[str, str]:
    """The plain fields that were sent, as text; those that are too long are cut."""
    found = {}
    for name, limit in TEXTS.items():
        value = body.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, dict | list):
            errors.append(f"'{name}' must be a string")
            continue
        text = as_text(value, 1_000_000)
        if len(text) > limit:
            remarks.append(f"{name} cut at {limit} characters")
            # two long aliases that begin alike are still two alerts
            text = short_key(text) if name == "alias" else text[: limit - 1] + "…"
        found[name] = text
    return found


def _list(value: Any, name: str, limit: int, errors: list[str], remarks: list[str]) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        errors.append(f"'{name}' must be a list")
        return []
    if len(value) > limit:
        remarks.append(f"{name} cut at {limit} entries")
    if name in ("tags", "actions"):
        return [as_text(item, WORD_LIMIT) for item in value[:limit] if item not in (None, "")]
    return [item for item in value[:limit] if isinstance(item, dict)]


def _facts(details: Mapping[str, Any], remarks: list[str]) -> dict[str, str]:
    """The sender's own properties as text, up to what Opsgenie keeps of them."""
    found: dict[str, str] = {}
    left = DETAILS_LIMIT
    for name, value in details.items():
        text = as_text(value)
        left -= len(name) + len(text)
        if left < 0:
            remarks.append(f"details cut at {DETAILS_LIMIT} characters")
            break
        found[name] = text
    return found


MESSAGES = {
    401: "Could not authenticate",
    403: "You are not authorized to access this source",
    404: "No such resource",
    405: "Method is not allowed",
    413: "Request body is too large",
    422: "Request body is not processable. Please check the errors.",
    429: "You are making too many requests!",
}


def refuse(status: int, errors: list[str], kind: str) -> bytes:
    """The body of a refusal as the Alert API writes it, with each error under its field."""
    if status >= 500:
        message = "The request could not be stored. Please retry."
    else:
        message = MESSAGES.get(status, "Could not parse the request. Please check the errors.")
    name = str(UUID(int=randbits(128), version=4))
    return _encode({"message": message, "errors": by_field(errors, kind), "took": 0.0, "requestId": name})


def by_field(errors: list[str], kind: str) -> dict[str, str]:
    """Errors under the fields that they name in quotes."""
    fields: dict[str, str] = {}
    for text in errors:
        field = _FIELD.search(text)
        name = field[1] if field else "body" if kind == "json" else "request"
        fields[name] = f"{fields[name]}; {text}" if name in fields else text
    return fields
