"""Teams and who belongs to them."""

from collections.abc import Sequence
from typing import Any

from tocsin.api.pagerduty import fields, users
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.escalation import actions as escalation_actions
from tocsin.escalation import queries as escalation
from tocsin.people import actions
from tocsin.people import queries as people
from tocsin.people.rules import TeamSpec

# What somebody is in a team; what they may do less than a responder is said by their own role.
ROLES = {"manager": "manager", "responder": "member"}
NO_TEAM = 6001


def page(team_id: int) -> str:
    """The path of a team's page."""
    return f"/people/teams/{team_id}/"


def reference(asked: Asked, team_id: int | None, name: str) -> dict[str, Any] | None:
    """A team, named only."""
    return asked.reference("team", team_id, name, page=page(team_id or 0))


def references(asked: Asked, row: Any) -> list[dict[str, Any]]:
    """The owner of a thing that has a ``team``, as the list that PagerDuty has there."""
    found = reference(asked, row.team_id, row.team.name) if row.team_id else None
    return [found] if found else []


def owners(asked: Asked, row: Any) -> list[dict[str, Any]]:
    """As ``references``, or the whole team where ``include[]=teams`` asks for it."""
    return [shape(asked, row.team)] if row.team_id and asked.includes("teams") else references(asked, row)


def shape(asked: Asked, row: Any) -> dict[str, Any]:
    """A team."""
    return asked.thing("team", row.pk, row.name, page=page(row.pk)) | {
        "name": row.name,
        "description": row.description or None,
        "parent": None,
        "default_role": "manager",
    }


def shapes(asked: Asked, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Teams."""
    return [shape(asked, row) for row in rows]


def found(asked: Asked, team: str) -> Any:
    """The team of an id in an address. Raises Refused."""
    number = fields.number("team", team, code=NO_TEAM)
    with fields.missing(NO_TEAM):
        return people.team(asked.actor, number)


def slug_of(asked: Asked, number: int | None, name: str = "teams") -> str:
    """The slug of a team that a body names; empty: none. Raises Refused."""
    if number is None:
        return ""
    row = people.teams(asked.actor).filter(pk=number).first()
    if row is None:
        raise fields.wrong(name, "there is no such team")
    return row.slug


def listed(asked: Asked) -> Answer:
    """Teams by name."""
    rows = people.teams(asked.actor, asked.query.get("query", ""))
    return asked.listed("teams", rows.prefetch_related(None), lambda page: shapes(asked, page))


def told(asked: Asked, team: str) -> Answer:
    """One team."""
    return Answer({"team": shape(asked, found(asked, team))})


def _refuse(given: fields.Given) -> None:
    fields.usual(given, "parent", instead="teams stand beside each other here, none has a parent")
    fields.usual(given, "default_role", "manager", instead="give the role when you add somebody to the team")


def create(asked: Asked) -> Answer:
    """A new team."""
    given = asked.given("team")
    _refuse(given)
    spec = TeamSpec(fields.needed(given, "name", 100), description=fields.text(given, "description", 1024))
    with fields.taken("Name has already been taken"):
        row = actions.save_team(spec, actor=asked.actor)
    return Answer({"team": shape(asked, row)}, 201)


def update(asked: Asked, team: str) -> Answer:
    """Change name or description."""
    given, row = asked.given("team"), found(asked, team)
    _refuse(given)
    spec = TeamSpec(
        fields.needed(given, "name", 100, row.name),
        row.slug,
        fields.text(given, "description", 1024, row.description),
    )
    with fields.taken("Name has already been taken"):
        row = actions.save_team(spec, actor=asked.actor, id=row.pk)
    return Answer({"team": shape(asked, row)})


def delete(asked: Asked, team: str) -> Answer:
    """Remove a team that owns nothing any more."""
    if asked.query.get("reassignment_team"):
        raise fields.wrong("reassignment_team", "give the team's services to another team first")
    actions.delete_teams([found(asked, team).pk], actor=asked.actor)
    return Answer(None, 204)


def role_of(membership: Any) -> str:
    """PagerDuty's word for what somebody is in a team."""
    if membership.role == "manager":
        return "manager"
    return "observer" if membership.user.role == "observer" else "responder"


def members(asked: Asked, team: str) -> Answer:
    """Who belongs to a team, and as what."""
    row = found(asked, team)
    rows = row.memberships.filter(user__is_active=True).select_related("user").order_by("user__name", "pk")

    def shown(page: Sequence[Any]) -> list[dict[str, Any]]:
        whole = users.by_id(asked, [one.user_id for one in page]) if asked.includes("users") else {}
        return [
            {"user": whole.get(one.user_id) or users.reference(asked, one.user), "role": role_of(one)} for one in page
        ]

    return asked.listed("members", rows, shown)


def put_member(asked: Asked, team: str, user: str) -> Answer:
    """Add somebody to a team, or change what they are in it."""
    row, person = found(asked, team), users.found(asked, user)
    wanted = asked.body.get("role")
    if wanted == "observer" and person.role == "observer":
        wanted = "responder"
    elif wanted == "observer":
        raise fields.wrong("role", "manager or responder; who may only look on is an observer by their own role")
    role = fields.chosen({"role": wanted}, "role", ROLES, "manager")
    actions.set_members(row.pk, {person.email: role}, actor=asked.actor)
    return Answer(None, 204)


def delete_member(asked: Asked, team: str, user: str) -> Answer:
    """Take somebody out of a team."""
    row, person = found(asked, team), users.found(asked, user)
    if not actions.remove_members(row.pk, [person.email], actor=asked.actor):
        raise Refused(404)
    return Answer(None, 204)


def _policy(asked: Asked, policy: str) -> Any:
    number = fields.number("escalation_policy", policy, code=5001)
    with fields.missing(5001):
        return escalation.policy(asked.actor, number)


def put_policy(asked: Asked, team: str, policy: str) -> Answer:
    """Give a policy to a team."""
    row, own = found(asked, team), _policy(asked, policy)
    spec = escalation.export_policies([own.pk])[0]
    spec.team = row.slug
    escalation_actions.save_policy(spec, actor=asked.actor, id=own.pk)
    return Answer(None, 204)


def delete_policy(asked: Asked, team: str, policy: str) -> Answer:
    """Take a policy away from the team."""
    row, own = found(asked, team), _policy(asked, policy)
    if own.team_id != row.pk:
        raise Refused(404)
    spec = escalation.export_policies([own.pk])[0]
    spec.team = ""
    escalation_actions.save_policy(spec, actor=asked.actor, id=own.pk)
    return Answer(None, 204)


ROUTES = (
    ("GET", "/teams", listed),
    ("POST", "/teams", create),
    ("GET", "/teams/{id}", told),
    ("PUT", "/teams/{id}", update),
    ("DELETE", "/teams/{id}", delete),
    ("GET", "/teams/{id}/members", members),
    ("PUT", "/teams/{id}/users/{user_id}", put_member),
    ("DELETE", "/teams/{id}/users/{user_id}", delete_member),
    ("PUT", "/teams/{id}/escalation_policies/{escalation_policy_id}", put_policy),
    ("DELETE", "/teams/{id}/escalation_policies/{escalation_policy_id}", delete_policy),
)
