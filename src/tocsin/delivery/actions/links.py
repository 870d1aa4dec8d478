"""Acting from a message: signed links that name one verb, one person and one incident, and expire."""

from dataclasses import dataclass
from datetime import datetime

from django.core.signing import BadSignature

from tocsin.delivery.models import Delivery
from tocsin.delivery.rules import LINK_VERBS
from tocsin.escalation.actions.hands import escalate_now
from tocsin.incidents import actions as incidents_actions
from tocsin.incidents.models import Incident
from tocsin.incidents.rules import public_title
from tocsin.people.actions.verifying import note_reached
from tocsin.people.models import User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, secrets
from tocsin.platform.errors import Forbidden, Invalid, TocsinError

PAST = {"acknowledge": "acknowledged", "resolve": "resolved", "escalate": "escalated"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An incident as the page behind a link shows it, to whoever holds the link: redacted when it is confidential."""

    pk: int
    title: str
    service: str
    state: str
    priority: str
    drill: bool
    opened_at: datetime
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What a link would do. ``ready``: a click would change something; otherwise ``text`` says kindly why not."""

    verb: str
    incidents: tuple[Shown, ...]
    person: User
    ready: bool
    text: str


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """What a link did. ``done``: this very click changed it; otherwise it was so already, and ``text`` says by whom."""

    verb: str
    incidents: tuple[Shown, ...]
    person: User
    done: bool
    text: str


def _open(token: str) -> tuple[str, list[int], User, int]:
    try:
        value = secrets.unsign(token, "action")
    except BadSignature as error:
        raise Invalid(
            "This link is not complete. Copy all of it from the message, or open the incident instead."
        ) from error
    if not isinstance(value, dict) or value.get("v") not in LINK_VERBS:
        raise Invalid("This link is not one of ours.")
    if value["e"] < clock.now().timestamp():
        raise Invalid("This link has expired. Sign in and open the incident instead.")
    user = User.objects.filter(id=value["u"], is_active=True).first()
    if user is None:
        raise Forbidden("The account that this link was made for is not in use any more.")
    ids = value["i"] if isinstance(value["i"], list) else [value["i"]]
    return value["v"], ids, user, value["d"]


def _names(incidents: list[Shown]) -> str:
    return f"INC-{incidents[0].pk}" if len(incidents) == 1 else f"{len(incidents)} incidents"


def _standing(verb: str, incidents: list[Shown]) -> str:
    """Why nothing needs to be done; empty when a click would change something."""
    if not incidents:
        return "The incident is gone; nothing needs to be done."
    name = _names(incidents)
    are = "is" if len(incidents) == 1 else "are"
    if all(item.state in ("resolved", "closed") for item in incidents):
        return f"{name} {are} resolved already; nothing needs to be done."
    if verb == "acknowledge" and all(item.state != "triggered" for item in incidents):
        by = {item.acknowledged_by for item in incidents if item.acknowledged_by}
        who = f" by {', '.join(sorted(by))}" if by else ""
        return f"{name} {are} acknowledged already{who}; nothing needs to be done."
    return ""


def _load(ids: list[int]) -> list[Shown]:
    rows = Incident.objects.filter(id__in=ids).select_related("service", "acknowledged_by").order_by("id")
    return [
        Shown(
            pk=row.pk,
            title=public_title(row.pk) if row.confidential else row.title,
            service="" if row.confidential else row.service.name,
            state=row.state,
            priority=row.priority,
            drill=row.drill,
            opened_at=row.opened_at,
            acknowledged_by=row.acknowledged_by.name if row.acknowledged_by and not row.confidential else "",
        )
        for row in rows
    ]


def preview_link(token: str) -> LinkPreview:
    """What a click would do; changes nothing, because mail scanners follow links.

    Raises Invalid (broken or expired link), Forbidden (account not in use), with words for the person.
    """
    verb, ids, user, _ = _open(token)
    incidents = _load(ids)
    standing = _standing(verb, incidents)
    text = standing or f"{verb.capitalize()} {_names(incidents)} as {user.name}?"
    return LinkPreview(verb, tuple(incidents), user, not standing, text)


def standing(verb: str, ids: list[int]) -> str:
    """Why doing this to these incidents would change nothing; empty when it would."""
    return _standing(verb, _load(ids))


def confidential(ids: list[int]) -> bool:
    """Whether one of these incidents is confidential by now."""
    return Incident.objects.filter(id__in=ids, confidential=True).exists()


def act_on_link(token: str, *, via: str = "link") -> LinkOutcome:
    """Do what a link says, in the name of the person it was made for.

    An incident that somebody has acknowledged already is a friendly answer, not an error. ``via`` is recorded with the
    channel of the message that carried the link. Raises what ``preview_link`` raises, and what the action raises.
    """
    verb, ids, user, delivery_id = _open(token)
    row = Delivery.objects.filter(id=delivery_id).values_list("channel", "contact_method_id").first()
    channel, method_id = row or ("", None)
    return answer(verb, ids, user, via=channel or via, method_id=method_id)


def answer(verb: str, ids: list[int], user: User, *, via: str, method_id: int | None = None) -> LinkOutcome:
    """Do something to incidents in the name of a person who answered from outside: a link, an SMS, a key.

    ``method_id``: the contact method that had the message; it works. Raises what the actions raise.
    """
    before = _load(ids)
    nothing = _standing(verb, before)
    if nothing:
        return LinkOutcome(verb, tuple(before), user, False, nothing)
    if method_id is not None:
        note_reached(method_id)
    actor = actor_of(user, kind="link", scopes=frozenset({"respond"}))
    open_ids = [item.pk for item in before if item.state not in ("resolved", "closed")]
    changed: list[int] = []
    partly: dict[int, str] = {}
    if verb == "acknowledge":
        done = incidents_actions.acknowledge(open_ids, via=via, actor=actor)
        changed, partly = done.changed, done.partly
        if not changed and len(open_ids) == 1 and (why := done.skipped.get(open_ids[0])):
            return LinkOutcome(verb, tuple(before), user, False, f"{why[:1].upper()}{why[1:]}.")
    elif verb == "resolve":
        changed = incidents_actions.resolve(open_ids, actor=actor, via=via).changed
    else:
        for incident_id in open_ids:
            try:
                # whoever passes it on without acknowledging it does not answer for it
                why = f"{user.name} asked for help from a message"
                escalate_now(incident_id, actor=actor, reason_code="no_answer", reason=why, via=via)
            except TocsinError as error:
                return LinkOutcome(verb, tuple(before), user, False, error.message)
            changed.append(incident_id)
    now = _load(ids)
    if not changed:
        return LinkOutcome(verb, tuple(now), user, False, _standing(verb, now) or "Nothing needed to be done.")
    mine = [item for item in now if item.pk in set(changed)]
    more = " ".join(f"INC-{key} has {words}." for key, words in partly.items())
    text = f"{_names(mine)} {PAST[verb]}. {more}".strip()
    return LinkOutcome(verb, tuple(now), user, True, f"{text} Thank you, {user.name}.")
