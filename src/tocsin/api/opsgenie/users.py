"""Opsgenie's users: people, by their e-mail address as username."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tocsin.api.opsgenie import escalations as policies
from tocsin.api.opsgenie.contacts import short
from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    created,
    data,
    needed,
    person,
    refuse,
    speaking,
    told,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import made_id
from tocsin.api.opsgenie.shapes import moment
from tocsin.escalation import queries as escalation
from tocsin.oncall import queries as oncall
from tocsin.people import actions
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import UserSpec, quiet_text
from tocsin.platform.errors import Invalid

DEEPEST = 20_000
# ours by the names that are known there; the first one of each is shown
ROLES = {
    "admin": "admin", "owner": "admin", "manager": "manager", "user": "responder", "responder": "responder",
    "observer": "observer", "stakeholder": "observer",
}  # fmt: skip
SHOWN = {"admin": "Admin", "manager": "Manager", "responder": "User", "observer": "Observer"}
SORTS = {"username": "email", "fullname": "name", "insertedat": "created_at"}
FIELDS = {"username": "email__icontains", "fullname": "name__icontains", "role": "role"}
_LOCALE = re.compile(r"en([-_][A-Za-z]{2,3})?", re.IGNORECASE)
UNKEPT = {
    "skypeUsername": "not kept here; leave it out",
    "userAddress": "not kept here; leave it out",
    "tags": "people have no tags here; leave them out",
    "details": "people have no details here; leave them out",
}


def _role(body: Mapping[str, Any], default: str) -> str:
    value = body.get("role")
    if not value:
        return default
    name = (value.get("name") or value.get("id")) if isinstance(value, Mapping) else value
    known = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if known is None:
        raise wrong("role", "one of Admin, Manager, User, Observer; roles of your own are not kept")
    return known


def _checked(body: Mapping[str, Any]) -> None:
    refuse(body, **UNKEPT)
    locale = words(body, "locale", limit=20)
    if locale and not _LOCALE.fullmatch(locale):
        raise wrong("locale", "en_US or another English one, or nothing: Tocsin speaks English")


def shape(user: User) -> dict[str, Any]:
    """A person in Opsgenie's words."""
    return {
        "id": made_id("user", user.pk),
        "username": user.email,
        "fullName": user.name,
        "role": {"id": SHOWN[user.role], "name": SHOWN[user.role]},
        "timeZone": user.zone,
        "locale": "en_US",
        "blocked": not user.is_active,
        "verified": user.last_login is not None,
        "createdAt": moment(user.created_at),
    }


def _found(call: Call) -> Any:
    rows = people.users(call.actor)
    for part in re.split(r"\s+AND\s+", (call.query.get("query") or "").strip(), flags=re.IGNORECASE):
        name, mark, value = part.partition(":")
        if not part.strip():
            continue
        column = FIELDS.get(name.strip().lower()) if mark else "name__icontains"
        value = (value if mark else part).strip().strip('"')
        if column is None or not value:
            raise Invalid(
                "This query is not understood.", {"query": "terms of username, fullName and role, joined by AND"}
            )
        rows = rows.filter(**{column: ROLES.get(value.lower(), value) if column == "role" else value})
    return rows


def listed(call: Call) -> Answer:
    """A page of people, with links to the others."""
    limit = call.whole("limit", 100, 1, 100)
    offset = call.whole("offset", 0, 0, DEEPEST - limit)
    sort = (call.query.get("sort") or call.query.get("sortField") or "username").lower()
    order = (call.query.get("order") or "asc").lower()
    if sort not in SORTS or order not in ("asc", "desc"):
        raise Invalid("The list cannot be sorted like this.", {"sort": ", ".join(SORTS), "order": "asc or desc"})
    mark = "-" if order == "desc" else ""
    rows = _found(call).order_by(f"{mark}{SORTS[sort]}", f"{mark}pk")
    total = rows.count()

    def link(at: int) -> str:
        return f"{call.address}?{urlencode({**call.query.dict(), 'limit': limit, 'offset': at})}"

    paging = {"first": link(0), "last": link(max(0, (total - 1) // limit * limit))}
    if offset:
        paging["prev"] = link(max(0, offset - limit))
    if offset + limit < total:
        paging["next"] = link(offset + limit)
    status, answer = data([shape(user) for user in rows[offset : offset + limit]])
    return status, answer | {"totalCount": total, "paging": paging}


def one(call: Call, identifier: str) -> Answer:
    """A person; with ``expand=contact`` how they are reached."""
    user = person(call, identifier)
    known = shape(user)
    if "contact" in ",".join(call.query.getlist("expand")):
        known["userContacts"] = short(call, user)
    status, answer = data(known)
    return status, answer | {"expandable": ["contact"]}


def create(call: Call) -> Answer:
    """Add a person, who is reached by e-mail until they say otherwise."""
    _checked(call.body)
    spec = UserSpec(
        email=needed(call.body, "username", limit=254),
        name=needed(call.body, "fullName", limit=150),
        zone=words(call.body, "timeZone", limit=60) or "UTC",
        role=_role(call.body, ""),
    )
    if not spec.role:
        raise wrong("role", "role can not be empty: Admin, Manager, User or Observer")
    with speaking(email="username", name="fullName", zone="timeZone"):
        user = actions.save_user(spec, actor=call.actor)
    return created(id=made_id("user", user.pk), name=user.name)


def update(call: Call, identifier: str) -> Answer:
    """Change a person."""
    _checked(call.body)
    user = person(call, identifier)
    spec = UserSpec(
        email=words(call.body, "username", limit=254) or user.email,
        name=words(call.body, "fullName", limit=150) or user.name,
        zone=words(call.body, "timeZone", limit=60) or user.zone,
        role=_role(call.body, user.role),
        active=user.is_active,
        manager=user.manager.email if user.manager else "",
        quiet=quiet_text(user.quiet_from, user.quiet_to),
    )
    with speaking(email="username", name="fullName", zone="timeZone"):
        kept = actions.save_user(spec, actor=call.actor, id=user.pk)
    return told("Updated", id=made_id("user", kept.pk), name=kept.name)


def delete(call: Call, identifier: str) -> Answer:
    """Remove a person on whom nothing depends."""
    actions.delete_users([person(call, identifier).pk], actor=call.actor)
    return told("Deleted")


def teams(call: Call, identifier: str) -> Answer:
    """The teams of a person."""
    user = person(call, identifier)
    rows = people.teams(call.actor).filter(memberships__user=user)
    return data([{"id": made_id("team", team.pk), "name": team.name} for team in rows])


def schedules(call: Call, identifier: str) -> Answer:
    """The schedules in whose rotations a person stands now."""
    user = person(call, identifier)
    current = oncall.schedules(call.actor).filter(layers__effective_until=None, layers__members__user_id=user.pk)
    rows = current.order_by("name", "pk").distinct()
    return data([{"id": made_id("schedule", row.pk), "name": row.name, "enabled": True} for row in rows])


def escalations(call: Call, identifier: str) -> Answer:
    """The escalations that page a person by name."""
    user = person(call, identifier)
    named = [{"kind": "user", "id": user.pk}]
    rows = escalation.policies(call.actor).filter(steps__targets__contains=named).distinct()
    return data([policies.shape(call, row) for row in rows])
