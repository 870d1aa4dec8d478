"""People over HTTP: users, teams, contact methods, notification rules, tokens."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Schema, Status

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Count, Strict, removed, strict
from tocsin.people import actions, queries, rules
from tocsin.people.models import ApiToken, ContactMethod, NotificationRule, Team, User
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec, TeamSpec, UserSpec

router = Router(tags=["people"])
strict(UserSpec, TeamSpec, ContactMethodSpec, NotificationRuleSpec)


class UserOut(Schema):
    id: int
    email: str
    name: str
    zone: str
    role: str
    active: bool
    manager: str
    quiet: str  # quiet hours on their own clock, such as 22:00-07:00
    teams: dict[str, str]  # slug: role in the team
    created_at: datetime


class UserList(Schema):
    items: list[UserOut]
    next: str | None


class ContactMethodOut(Schema):
    id: int
    channel: str
    address: str
    label: str
    config: dict[str, Any]
    has_secret: bool
    verified_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: str


class ContactMethodList(Schema):
    items: list[ContactMethodOut]
    next: str | None = None


class NotificationRuleOut(Schema):
    id: int
    urgency: str
    position: int
    delay_s: int
    contact_method: int
    channel: str
    address: str


class NotificationRuleList(Schema):
    items: list[NotificationRuleOut]
    next: str | None = None


class PersonOut(UserOut):
    contact_methods: list[ContactMethodOut]
    rules: list[NotificationRuleOut]


class MeOut(PersonOut):
    scopes: list[str] | None
    may: list[str]


class TeamOut(Schema):
    id: int
    name: str
    slug: str
    description: str
    members: dict[str, str]  # e-mail address: role


class TeamList(Schema):
    items: list[TeamOut]
    next: str | None


class TokenOut(Schema):
    id: int
    user: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenList(Schema):
    items: list[TokenOut]
    next: str | None


class NewToken(TokenOut):
    token: str


def user_json(user: User) -> dict[str, Any]:
    """A person as everybody may see them."""
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "zone": user.zone,
        "role": user.role,
        "active": user.is_active,
        "manager": user.manager.email if user.manager else "",
        "quiet": rules.quiet_text(user.quiet_from, user.quiet_to),
        "teams": {row.team.slug: row.role for row in user.memberships.all()},
        "created_at": user.created_at,
    }


def method_json(method: ContactMethod) -> dict[str, Any]:
    """A contact method; its secret is only ever "there" or not."""
    return {
        "id": method.pk,
        "channel": method.channel,
        "address": method.address,
        "label": method.label,
        "config": method.config,
        "has_secret": bool(method.secret),
        "verified_at": method.verified_at,
        "disabled_at": method.disabled_at,
        "disabled_reason": method.disabled_reason,
    }


def rule_json(rule: NotificationRule, addresses: dict[int, str]) -> dict[str, Any]:
    """A notification rule with the address as the asker may see it."""
    return {
        "id": rule.pk,
        "urgency": rule.urgency,
        "position": rule.position,
        "delay_s": rule.delay_s,
        "contact_method": rule.contact_method_id,
        "channel": rule.contact_method.channel,
        "address": addresses.get(rule.contact_method_id, ""),
    }


def person_json(request: HttpRequest, user: User) -> dict[str, Any]:
    """A person with how they are reached, masked unless the asker may change it."""
    methods = queries.contact_methods(asker(request), user.pk)
    addresses = {method.pk: method.address for method in methods}
    rows = user.notification_rules.select_related("contact_method").order_by("urgency", "position")
    return user_json(user) | {
        "contact_methods": [method_json(method) for method in methods],
        "rules": [rule_json(rule, addresses) for rule in rows],
    }


def team_json(team: Team) -> dict[str, Any]:
    """A team with its members."""
    members = sorted((row.user.email, row.role) for row in team.memberships.all())
    return {
        "id": team.pk,
        "name": team.name,
        "slug": team.slug,
        "description": team.description,
        "members": dict(members),
    }


def token_json(row: ApiToken) -> dict[str, Any]:
    """A token without itself."""
    return {
        "id": row.pk,
        "user": row.user.email,
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }


@router.get("/me", response=MeOut)
def me(request: HttpRequest) -> dict[str, Any]:
    """Who the token or session stands for, and what it may do."""
    actor = asker(request)
    user = queries.user(actor, actor.user_id or 0)
    return person_json(request, user) | {
        "scopes": sorted(actor.scopes) if actor.scopes is not None else None,
        "may": [deed.value for deed in rules.Deed if rules.may(actor, deed)],
    }


@router.get("/users", response=UserList)
def list_users(
    request: HttpRequest, paging: Query[Paging], q: str = "", team: str = "", active: bool | None = None
) -> dict[str, Any]:
    """People by name."""
    rows = queries.users(asker(request), q, team=team, active=active).select_related("manager")
    found, following = page(rows, paging, ("name", "id"))
    return {"items": [user_json(row) for row in found], "next": following}


@router.post("/users", response={201: PersonOut})
def create_user(request: HttpRequest, spec: Body[UserSpec]) -> Status[dict[str, Any]]:
    """Add a person. Needs an administrator."""
    return Status(201, person_json(request, actions.save_user(spec, actor=asker(request))))


@router.get("/users/{ref}", response=PersonOut)
def show_user(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A person by id or e-mail address."""
    return person_json(request, queries.user(asker(request), ref))


@router.put("/users/{ref}", response=PersonOut)
def save_user(request: HttpRequest, ref: str, spec: Body[UserSpec]) -> dict[str, Any]:
    """Change a person. Lists that are left out stay as they are."""
    user = queries.user(asker(request), ref)
    return person_json(request, actions.save_user(spec, actor=asker(request), id=user.pk))


@router.delete("/users/{ref}", response=Count)
def delete_user(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a person for good; refused while somebody depends on them."""
    user = queries.user(asker(request), ref)
    return removed(actions.delete_users([user.pk], actor=asker(request)))


@router.get("/users/{ref}/contact-methods", response=ContactMethodList)
def list_contact_methods(request: HttpRequest, ref: str) -> dict[str, Any]:
    """How a person is reached; addresses of others are masked."""
    user = queries.user(asker(request), ref)
    return {"items": [method_json(row) for row in queries.contact_methods(asker(request), user.pk)]}


@router.post("/users/{ref}/contact-methods", response={201: ContactMethodOut})
def add_contact_method(request: HttpRequest, ref: str, spec: Body[ContactMethodSpec]) -> Status[dict[str, Any]]:
    """Give a person one more way to be reached."""
    user = queries.user(asker(request), ref)
    return Status(201, method_json(actions.add_contact_method(user.pk, spec, actor=asker(request))))


@router.put("/contact-methods/{int:method_id}", response=ContactMethodOut)
def save_contact_method(request: HttpRequest, method_id: int, spec: Body[ContactMethodSpec]) -> dict[str, Any]:
    """Change a contact method; a new address has to be verified again."""
    return method_json(actions.update_contact_method(method_id, spec, actor=asker(request)))


@router.delete("/contact-methods/{int:method_id}", response=Count)
def delete_contact_method(request: HttpRequest, method_id: int) -> dict[str, int]:
    """Remove a contact method and the notification rules that use it."""
    return removed(actions.delete_contact_methods([method_id], actor=asker(request)))


@router.get("/users/{ref}/rules", response=NotificationRuleList)
def list_rules(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A person's notification rules, in order."""
    return {"items": person_json(request, queries.user(asker(request), ref))["rules"]}


@router.put("/users/{ref}/rules", response=NotificationRuleList)
def save_rules(request: HttpRequest, ref: str, rules: Body[list[NotificationRuleSpec]]) -> dict[str, Any]:
    """Replace a person's notification rules."""
    user = queries.user(asker(request), ref)
    actions.set_notification_rules(user.pk, rules, actor=asker(request))
    return {"items": person_json(request, user)["rules"]}


@router.get("/teams", response=TeamList)
def list_teams(request: HttpRequest, paging: Query[Paging], q: str = "") -> dict[str, Any]:
    """Teams by name, with their members."""
    found, following = page(queries.teams(asker(request), q), paging, ("name", "id"))
    return {"items": [team_json(row) for row in found], "next": following}


@router.post("/teams", response={201: TeamOut})
def create_team(request: HttpRequest, spec: Body[TeamSpec]) -> Status[dict[str, Any]]:
    """Add a team."""
    return Status(201, team_json(actions.save_team(spec, actor=asker(request))))


@router.get("/teams/{ref}", response=TeamOut)
def show_team(request: HttpRequest, ref: str) -> dict[str, Any]:
    """A team by id, slug or name."""
    return team_json(queries.team(asker(request), ref))


@router.put("/teams/{ref}", response=TeamOut)
def save_team(request: HttpRequest, ref: str, spec: Body[TeamSpec]) -> dict[str, Any]:
    """Change a team; members stay as they are when left out."""
    team = queries.team(asker(request), ref)
    return team_json(actions.save_team(spec, actor=asker(request), id=team.pk))


@router.delete("/teams/{ref}", response=Count)
def delete_team(request: HttpRequest, ref: str) -> dict[str, int]:
    """Remove a team; refused while it owns services or a policy pages it."""
    team = queries.team(asker(request), ref)
    return removed(actions.delete_teams([team.pk], actor=asker(request)))


class TokenIn(Strict):
    """What a new token is to be."""

    user: str = ""  # e-mail address; empty: the asker
    name: str = ""
    scopes: list[str] = list(rules.SCOPES)
    days: int | None = None


@router.get("/tokens", response=TokenList)
def list_tokens(request: HttpRequest, paging: Query[Paging], user: str = "") -> dict[str, Any]:
    """API tokens: one's own, or everybody's for administrators. The tokens themselves are never shown again."""
    actor = asker(request)
    user_id = queries.user(actor, user).pk if user else None
    found, following = page(queries.tokens(actor, user_id), paging)
    return {"items": [token_json(row) for row in found], "next": following}


@router.post("/tokens", response={201: NewToken})
def create_token(request: HttpRequest, body: TokenIn) -> Status[dict[str, Any]]:
    """Make a token; the answer is the only place where it can be read."""
    actor = asker(request)
    user_id = queries.user(actor, body.user).pk if body.user else actor.user_id or 0
    row, token = actions.create_token(user_id, actor=actor, name=body.name, scopes=body.scopes, days=body.days)
    return Status(201, token_json(row) | {"token": token})


@router.delete("/tokens/{int:token_id}", response=Count)
def revoke_token(request: HttpRequest, token_id: int) -> dict[str, int]:
    """Make a token worthless at once."""
    return removed(actions.revoke_tokens([token_id], actor=asker(request)))
