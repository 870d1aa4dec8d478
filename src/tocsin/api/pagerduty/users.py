"""People."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from tocsin.api.pagerduty import contacts, fields, teams
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.people import actions, rules
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import UserSpec

ROLES = {
    "admin": "admin",
    "user": "manager",
    "limited_user": "responder",
    "observer": "observer",
    "read_only_user": "observer",
    "read_only_limited_user": "observer",
}
TOLD_ROLES = {"admin": "admin", "manager": "user", "responder": "limited_user", "observer": "observer"}
NO_USER = 2013


def page(user_id: int) -> str:
    """The path of a person's page."""
    return f"/people/{user_id}/"


def reference(asked: Asked, row: Any) -> dict[str, Any]:
    """A person, named only."""
    return asked.thing("user", row.pk, row.name, page=page(row.pk)) | {"type": "user_reference"}


def _whole(rows: QuerySet[User]) -> QuerySet[User]:
    return rows.prefetch_related("contact_methods", "notification_rules__contact_method")


def shapes(asked: Asked, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """People, with the tables of how they are reached loaded already."""
    return [_shape(asked, row) for row in rows]


def _shape(asked: Asked, row: Any) -> dict[str, Any]:
    own = rules.may_edit_person(asked.actor, row.pk)
    full = asked.includes
    owned = [membership.team for membership in row.memberships.all()]
    methods = sorted(row.contact_methods.all(), key=lambda one: one.pk)
    ruled = sorted(row.notification_rules.all(), key=lambda one: (one.urgency, one.delay_s, one.position))
    return asked.thing("user", row.pk, row.name, page=page(row.pk)) | {
        "name": row.name,
        "email": row.email,
        "time_zone": row.zone,
        "color": "green",
        "avatar_url": None,
        "billed": True,
        "role": TOLD_ROLES[row.role],
        "description": None,
        "invitation_sent": False,
        "job_title": None,
        "created_via_sso": False,
        "teams": [
            teams.shape(asked, one) if full("teams") else teams.reference(asked, one.pk, one.name) for one in owned
        ],
        "contact_methods": [
            contacts.shape(asked, one, own=own) if full("contact_methods") else contacts.reference(asked, one)
            for one in methods
        ],
        "notification_rules": [
            contacts.rule_shape(asked, one, own=own)
            if full("notification_rules")
            else contacts.rule_reference(asked, one)
            for one in ruled
        ],
    }


def by_id(asked: Asked, user_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Whole people by id, a constant number of queries."""
    rows = _whole(people.users(asked.actor).filter(pk__in=set(user_ids)))
    return {row.pk: _shape(asked, row) for row in rows}


def references_by_id(asked: Asked, user_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """People by id, named only; one query."""
    rows = people.users(asked.actor).filter(pk__in=set(user_ids)).prefetch_related(None)
    return {row.pk: reference(asked, row) for row in rows}


def found(asked: Asked, user: str) -> User:
    """The person of an id in an address. Raises Refused."""
    number = fields.number("user", user)
    with fields.missing(2100):
        return people.user(asked.actor, number)


def known(asked: Asked, numbers: Sequence[int], name: str) -> dict[int, User]:
    """People whom a body names, by number. Raises Refused naming the field."""
    rows = {row.pk: row for row in people.users(asked.actor).filter(pk__in=set(numbers)).prefetch_related(None)}
    if set(numbers) - rows.keys():
        raise fields.wrong(name, "User Not Found", code=NO_USER)
    return rows


def one(asked: Asked, user_id: int) -> dict[str, Any]:
    """One person, whole."""
    return by_id(asked, [user_id])[user_id]


def listed(asked: Asked) -> Answer:
    """Active people by name."""
    rows = people.users(asked.actor, asked.query.get("query", ""), active=True)
    if asked.many("team_ids"):
        rows = rows.filter(memberships__team_id__in=asked.numbers("team_ids", "team")).distinct()
    return asked.listed("users", _whole(rows), lambda page: shapes(asked, page))


def told(asked: Asked, user: str) -> Answer:
    """One person."""
    return Answer({"user": one(asked, found(asked, user).pk)})


def me(asked: Asked) -> Answer:
    """The person whose key this is."""
    if asked.actor.user_id is None:
        raise Refused(400, message="The key belongs to nobody")
    return Answer({"user": one(asked, asked.actor.user_id)})


def _spec(given: fields.Given, old: UserSpec) -> UserSpec:
    if given.get("role") in ("owner", "restricted_access"):
        raise fields.wrong("role", f"one of {', '.join(ROLES)}")
    return replace(
        old,
        name=fields.needed(given, "name", 100, old.name),
        email=fields.needed(given, "email", 100, old.email),
        zone=fields.text(given, "time_zone", 60, old.zone) or old.zone,
        # a role that says the same as the one that is kept changes nothing
        role=fields.chosen(given, "role", ROLES, old.role),
    )


def create(asked: Asked) -> Answer:
    """A new person, who is reached by e-mail until they say otherwise."""
    given = asked.given("user")
    with fields.taken("Email has already been taken"), fields.naming(zone="time_zone"):
        row = actions.save_user(_spec(given, UserSpec("", "", role="manager")), actor=asked.actor)
    return Answer({"user": one(asked, row.pk)}, 201)


def update(asked: Asked, user: str) -> Answer:
    """Change what is named of a person."""
    given, row = asked.given("user"), found(asked, user)
    old = UserSpec(
        email=row.email,
        name=row.name,
        zone=row.zone,
        role=row.role,
        active=row.is_active,
        manager=row.manager.email if row.manager else "",
        quiet=rules.quiet_text(row.quiet_from, row.quiet_to),
    )
    with fields.taken("Email has already been taken"), fields.naming(zone="time_zone"):
        actions.save_user(_spec(given, old), actor=asked.actor, id=row.pk)
    return Answer({"user": one(asked, row.pk)})


def delete(asked: Asked, user: str) -> Answer:
    """Remove somebody on whom nothing depends any more."""
    actions.delete_users([found(asked, user).pk], actor=asked.actor)
    return Answer(None, 204)


ROUTES = (
    ("GET", "/users", listed),
    ("POST", "/users", create),
    ("GET", "/users/me", me),
    ("GET", "/users/{id}", told),
    ("PUT", "/users/{id}", update),
    ("DELETE", "/users/{id}", delete),
)
