"""Silences, as Alertmanager's clients read and write them; behind each stands a maintenance window."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from tocsin.api.alertmanager.asking import Asked, Refused, written
from tocsin.api.alertmanager.reading import filters
from tocsin.intake.contract import ParseError, moment, plain_json
from tocsin.platform import clock
from tocsin.platform.errors import Invalid, NotFound
from tocsin.triage import actions
from tocsin.triage import queries as triage
from tocsin.triage.rules import Matcher, MatcherError, SilenceSpec

KEPT = timedelta(hours=120)  # how long one that is over is listed, as Alertmanager's --data.retention
ORDER = {"active": 0, "pending": 1, "expired": 2}
NEEDED = ("comment", "createdBy", "endsAt", "matchers", "startsAt")
TEXTS = {"comment": 10_000, "createdBy": 200, "name": 1_000, "value": 4_000}


def _shape(silence: triage.SilenceState) -> dict[str, Any]:
    row = silence.row
    return {
        "id": str(row.pk),
        "status": {"state": silence.state},
        "updatedAt": written(row.updated_at),
        "comment": row.window.note,
        "createdBy": row.author,
        "endsAt": written(silence.ends_at),
        "matchers": [matcher.to_json() for matcher in silence.matchers],
        "startsAt": written(silence.starts_at),
    }


def listed(asked: Asked) -> list[dict[str, Any]]:
    """Silences: those that are going on first, by their end; those over for five days no more. Raises Refused.

    ``filter`` selects as in Alertmanager: a silence whose own matchers, as labels, pass.
    """
    wanted = filters(asked)
    found = [one for one in triage.silences(asked.actor, since=clock.now() - KEPT) if _passes(one, wanted)]
    found.sort(key=lambda one: (ORDER[one.state], one.starts_at if one.state == "pending" else one.ends_at))
    return [_shape(one) for one in found]


def _passes(silence: triage.SilenceState, wanted: list[Matcher]) -> bool:
    told = {matcher.name: matcher.value for matcher in silence.matchers}
    return all(matcher.accepts(told.get(matcher.name, "")) for matcher in wanted)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = f'silenceID in path must be of type uuid: "{text[:80]}"'
        raise Refused(422, {"code": 601, "message": message}) from None


def one(asked: Asked, name: str) -> dict[str, Any]:
    """A silence by its id. Raises Refused."""
    found = triage.silences(asked.actor, id=_id(name))
    if not found:
        raise Refused(404)
    return _shape(found[0])


def ended(asked: Asked, name: str) -> None:
    """End a silence. Raises Refused, Forbidden."""
    try:
        actions.end_silence(_id(name), actor=asked.actor)
    except NotFound:
        raise Refused(404) from None


def made(asked: Asked, body: bytes) -> dict[str, str]:
    """Make a silence, or change the one whose id is given. Raises Refused, Forbidden."""
    try:
        value = plain_json(body)
    except ParseError as error:
        raise _unreadable("; ".join(error.errors)) from error
    if not isinstance(value, dict):
        raise _unreadable("the body must be an object")
    spec = _spec(value)
    name = value.get("id") or None
    try:
        known = UUID(str(name)) if name else None
    except ValueError:
        raise Refused(404, "silence not found") from None
    try:
        silence = actions.save_silence(spec, actor=asked.actor, id=known)
    except NotFound:
        raise Refused(404, "silence not found") from None
    except Invalid as error:
        raise Refused(400, error.message) from error
    return {"silenceID": str(silence.pk)}


def _unreadable(text: str) -> Refused:
    return Refused(400, {"code": 400, "message": f'parsing silence body from "" failed, because {text}'})


def _spec(value: dict[str, Any]) -> SilenceSpec:
    for name in NEEDED:
        if value.get(name) is None:
            raise Refused(422, {"code": 602, "message": f"silence.{name} in body is required"})
    if not isinstance(value["matchers"], list):
        raise _unreadable("matchers must be a list")
    if not value["matchers"]:
        raise Refused(422, {"code": 612, "message": "silence.matchers in body should have at least 1 items"})
    starts, ends = moment(value["startsAt"]), moment(value["endsAt"])
    if starts is None or ends is None:
        raise _unreadable(f"{'startsAt' if starts is None else 'endsAt'} must be a moment in ISO 8601")
    try:
        matchers = [_matcher(index, item) for index, item in enumerate(value["matchers"])]
    except MatcherError as error:
        raise Refused(400, f"invalid silence: {error}") from error
    return SilenceSpec(matchers, starts, ends, _text(value, "createdBy"), _text(value, "comment"))


def _matcher(index: int, item: Any) -> Matcher:
    if not isinstance(item, dict):
        raise _unreadable(f"matchers.{index} must be an object")
    for name in ("name", "value", "isRegex"):
        if item.get(name) is None:
            message = f"silence.matchers.{index}.{name} in body is required"
            raise Refused(422, {"code": 602, "message": message})
    is_regex, is_equal = item["isRegex"], item.get("isEqual", True)
    if not isinstance(is_regex, bool) or not isinstance(is_equal, bool):
        raise _unreadable(f"isRegex and isEqual of matchers.{index} must be true or false")
    return Matcher(_text(item, "name"), _text(item, "value"), is_regex, is_equal)


def _text(value: dict[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise _unreadable(f"{name} must be text")
    if len(text) > TEXTS[name] or "\0" in text:
        raise Refused(400, f"invalid silence: {name} must have at most {TEXTS[name]:,} characters, and no NUL")
    return text
