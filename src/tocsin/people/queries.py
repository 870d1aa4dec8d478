"""What others may read of people."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q, QuerySet

from tocsin.people import rules
from tocsin.people.models import ApiToken, ContactMethod, Membership, NotificationRule, Team, User
from tocsin.people.rules import (
    ContactMethodSpec,
    Deed,
    NotificationRuleSpec,
    TeamSpec,
    UserSpec,
    quiet_text,
    require,
)
from tocsin.platform import clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound

USED_EVERY = timedelta(minutes=1)


def actor_of(user: User, *, kind: str = "user", scopes: frozenset[str] | None = None) -> Actor:
    """The actor that stands for a person; one query for the teams."""
    rows = list(user.memberships.values_list("team_id", "role"))
    return Actor(
        kind=kind,
        id=user.pk,
        name=user.name,
        role=user.role,
        teams=frozenset(team for team, _ in rows),
        managed=frozenset(team for team, role in rows if role == "manager"),
        scopes=scopes,
    )


def authenticate_token(token: str) -> Actor | None:
    """The actor that a bearer token stands for; None when it is unknown, expired, revoked or its person inactive.

    Notes when the token was last used, at most once a minute.
    """
    if not token.startswith("tocsin_") or len(token) > 100 or not token.isascii():
        return None
    row = ApiToken.objects.select_related("user").filter(digest=secrets.digest(token)).first()
    if row is None or row.revoked_at is not None or not row.user.is_active:
        return None
    moment = clock.now()
    if row.expires_at is not None and row.expires_at <= moment:
        return None
    if row.last_used_at is None or row.last_used_at <= moment - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=moment - USED_EVERY)
        ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=moment)
    return actor_of(row.user, kind="token", scopes=frozenset(row.scopes))


def names(user_ids: Iterable[int]) -> dict[int, str]:
    """Names of active people by id; others are left out."""
    return dict(User.objects.filter(pk__in=list(user_ids), is_active=True).values_list("pk", "name"))


def emails(user_ids: Iterable[int]) -> dict[int, str]:
    """E-mail addresses by id, of inactive people too."""
    return dict(User.objects.filter(pk__in=set(user_ids)).values_list("pk", "email"))


def users(actor: Actor, q: str = "", *, team: str = "", active: bool | None = None) -> QuerySet[User]:
    """People by name; ``q`` searches name and e-mail address, ``team`` is a slug. Raises Forbidden."""
    require(actor, Deed.READ)
    found = User.objects.order_by("name", "id").prefetch_related("memberships__team")
    if q.strip():
        found = found.filter(Q(name__icontains=q.strip()) | Q(email__icontains=q.strip()))
    if team:
        found = found.filter(memberships__team__slug=team)
    return found if active is None else found.filter(is_active=active)


def user(actor: Actor, ref: int | str) -> User:
    """A person by id or e-mail address. Raises NotFound, Forbidden."""
    require(actor, Deed.READ)
    text = str(ref).strip()
    found = (
        User.objects.filter(pk=int(text))
        if text.isascii() and text.isdigit()
        else User.objects.filter(email__iexact=text)
    )
    person = found.select_related("manager").first()
    if person is None:
        raise NotFound(f"There is nobody called {text} here.", {"user": "the e-mail address of somebody known here"})
    return person


def teams(actor: Actor, q: str = "") -> QuerySet[Team]:
    """Teams by name. Raises Forbidden."""
    require(actor, Deed.READ)
    found = Team.objects.order_by("name", "id").prefetch_related("memberships__user")
    return found.filter(Q(name__icontains=q.strip()) | Q(slug__icontains=q.strip())) if q.strip() else found


def team(actor: Actor, ref: int | str) -> Team:
    """A team by id, slug or name, in any case. Raises NotFound, Forbidden."""
    require(actor, Deed.READ)
    found = team_named(str(ref))
    if found is None:
        raise NotFound(f"There is no team called {ref}.", {"team": "the slug or name of a team"})
    return found


def owning_team(ref: str, refused: str) -> Team | None:
    """The team that is to own something, as people wrote it; None where they wrote nothing.

    Raises Invalid (``team``, with the sentence ``refused``) when there is no such team.
    """
    found = team_named(ref) if ref.strip() else None
    if ref.strip() and found is None:
        raise Invalid(refused, {"team": "the slug of a team, or empty"})
    return found


def team_named(ref: str) -> Team | None:
    """A team by id, slug or name, in any case; None when there is none."""
    text = ref.strip()
    if text.isascii() and text.isdigit():
        return Team.objects.filter(pk=int(text)).first()
    return Team.objects.filter(slug=text.lower()).first() or Team.objects.filter(name__iexact=text).first()


def members_of(team_ids: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the active people of teams, by team."""
    found: dict[int, list[int]] = {}
    rows = Membership.objects.filter(team_id__in=set(team_ids), user__is_active=True).order_by("team_id", "pk")
    for team_id, user_id in rows.values_list("team_id", "user_id"):
        found.setdefault(team_id, []).append(user_id)
    return found


def contact_methods(actor: Actor, user_id: int) -> list[ContactMethod]:
    """How a person is reached. Addresses are masked unless ``actor`` may edit them."""
    require(actor, Deed.READ)
    found = list(ContactMethod.objects.filter(user_id=user_id).order_by("id"))
    if not rules.may_edit_person(actor, user_id):
        for method in found:
            method.address, method.config, method.secret = rules.mask(method.address), {}, ""
    return found


def notification_rules(actor: Actor, user_id: int) -> list[NotificationRule]:
    """A person's notification rules with their contact methods, in the order in which they take effect."""
    require(actor, Deed.READ)
    rows = NotificationRule.objects.filter(user_id=user_id).select_related("contact_method")
    return list(rows.order_by("urgency", "delay_s", "position"))


def tokens(actor: Actor, user_id: int | None = None) -> QuerySet[ApiToken]:
    """Tokens, newest first: of everybody for administrators, of oneself for others; ``user_id`` narrows."""
    require(actor, Deed.READ)
    found = ApiToken.objects.select_related("user").order_by("-id")
    if not rules.may(actor, Deed.ADMINISTER):
        found = found.filter(user_id=actor.user_id or 0)
    return found if user_id is None else found.filter(user_id=user_id)


def export_teams() -> list[TeamSpec]:
    """Every team as configuration, by slug."""
    return [
        TeamSpec(
            name=row.name,
            slug=row.slug,
            description=row.description,
            members={m.user.email: m.role for m in sorted(row.memberships.all(), key=lambda m: m.user.email)},
        )
        for row in Team.objects.order_by("slug").prefetch_related("memberships__user")
    ]


def export_users() -> list[UserSpec]:
    """Every person as configuration, by e-mail address. Without secrets."""
    rows = User.objects.order_by("email").select_related("manager")
    return [
        UserSpec(
            email=row.email,
            name=row.name,
            zone=row.zone,
            role=row.role,
            contact_methods=[
                ContactMethodSpec(channel=m.channel, address=m.address, label=m.label, config=m.config)
                for m in sorted(row.contact_methods.all(), key=lambda m: m.pk)
            ],
            rules=[
                NotificationRuleSpec(
                    urgency=r.urgency,
                    channel=r.contact_method.channel,
                    address=r.contact_method.address,
                    delay_s=r.delay_s,
                )
                for r in sorted(row.notification_rules.all(), key=lambda r: (r.urgency, r.position))
            ],
            active=row.is_active,
            manager=row.manager.email if row.manager else "",
            quiet=quiet_text(row.quiet_from, row.quiet_to),
        )
        for row in rows.prefetch_related("contact_methods", "notification_rules__contact_method")
    ]
