"""What others may read of people."""

from collections.abc import Iterable

from tocsin.people.models import User
from tocsin.platform.actor import Actor


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


def names(user_ids: Iterable[int]) -> dict[int, str]:
    """Names of active people by id; others are left out."""
    return dict(User.objects.filter(pk__in=list(user_ids), is_active=True).values_list("pk", "name"))
