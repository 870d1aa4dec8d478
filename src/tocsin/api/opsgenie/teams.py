"""Opsgenie's teams: a team's admins are its managers here, its users its members."""

from collections.abc import Mapping
from typing import Any

from tocsin.api.opsgenie.managing import (
    Answer,
    Call,
    created,
    data,
    found,
    missing,
    needed,
    parts,
    person,
    person_in,
    refuse,
    speaking,
    told,
    words,
    wrong,
)
from tocsin.api.opsgenie.names import made_id
from tocsin.people import actions
from tocsin.people import queries as people
from tocsin.people.models import Team
from tocsin.people.rules import TeamSpec
from tocsin.platform.errors import NotFound

ROLES = {"admin": "manager", "user": "member"}
THEIRS = {ours: theirs for theirs, ours in ROLES.items()}
LINKS = "links have no place in a team here; write them into its description"


def _team(call: Call, identifier: str) -> Team:
    return found(call, people.teams(call.actor), "team", identifier)


def _role(body: Mapping[str, Any], where: str) -> str:
    role = words(body, "role", "user", where=where).lower() or "user"
    if role not in ROLES:
        raise wrong(where, "admin or user; roles of your own are not kept")
    return ROLES[role]


def _members(call: Call, body: Mapping[str, Any]) -> dict[str, str]:
    return {
        person_in(call, one.get("user"), f"members.{place}.user").email: _role(one, f"members.{place}.role")
        for place, one in enumerate(parts(body, "members"))
    }


def shape(team: Team, *, members: bool = True) -> dict[str, Any]:
    """A team in Opsgenie's words."""
    known: dict[str, Any] = {"id": made_id("team", team.pk), "name": team.name, "description": team.description}
    if members:
        rows = sorted(team.memberships.all(), key=lambda row: row.user.email)
        known["members"] = [
            {"user": {"id": made_id("user", row.user_id), "username": row.user.email}, "role": THEIRS[row.role]}
            for row in rows
        ]
    return known


def listed(call: Call) -> Answer:
    """Every team, without members."""
    return data([shape(team, members=False) for team in people.teams(call.actor)])


def one(call: Call, identifier: str) -> Answer:
    """A team with its members."""
    return data(shape(_team(call, identifier)))


def create(call: Call) -> Answer:
    """Add a team."""
    refuse(call.body, links=LINKS)
    spec = TeamSpec(
        name=needed(call.body, "name", limit=100),
        description=words(call.body, "description"),
        members=_members(call, call.body),
    )
    if people.teams(call.actor).filter(name__iexact=spec.name).exists():
        raise wrong("name", "a team with this name exists already")
    with speaking(slug="name"):
        team = actions.save_team(spec, actor=call.actor)
    return created(id=made_id("team", team.pk), name=team.name)


def update(call: Call, identifier: str) -> Answer:
    """Change a team; members that are given replace those that are there."""
    refuse(call.body, links=LINKS)
    team = _team(call, identifier)
    spec = TeamSpec(
        name=words(call.body, "name", limit=100) or team.name,
        slug=team.slug,
        description=words(call.body, "description", team.description),
        members=_members(call, call.body) if call.body.get("members") is not None else None,
    )
    with speaking(slug="name"):
        kept = actions.save_team(spec, actor=call.actor, id=team.pk)
    return told("Updated", id=made_id("team", kept.pk), name=kept.name)


def delete(call: Call, identifier: str) -> Answer:
    """Remove a team that nothing depends on."""
    actions.delete_teams([_team(call, identifier).pk], actor=call.actor)
    return told("Deleted")


def add_member(call: Call, identifier: str) -> Answer:
    """Take somebody into a team, or change their role."""
    team = _team(call, identifier)
    user = person_in(call, call.body.get("user"), "user")
    actions.set_members(team.pk, {user.email: _role(call.body, "role")}, actor=call.actor)
    return told("Added", id=made_id("team", team.pk), name=team.name)


def remove_member(call: Call, identifier: str, member: str) -> Answer:
    """Take somebody out of a team."""
    team = _team(call, identifier)
    user = person(call, member)
    if not actions.remove_members(team.pk, [user.email], actor=call.actor):
        raise NotFound(f"User [{user.email}] is no member of team [{team.name}]")
    return told("Removed", id=made_id("team", team.pk), name=team.name)


def roles(call: Call, identifier: str) -> Answer:
    """The two roles that every team has."""
    team = _team(call, identifier)
    return data([{"id": f"{made_id('team', team.pk)}-{name}", "name": name, "rights": []} for name in ROLES])


def role(call: Call, identifier: str, role_identifier: str) -> Answer:
    """One of the two roles, by name or id."""
    wanted = role_identifier.rpartition("-")[2].lower()
    known: list[dict[str, Any]] = roles(call, identifier)[1]["data"]
    for one_role in known:
        if one_role["name"] == wanted:
            return data(one_role)
    raise missing("Role", role_identifier)
