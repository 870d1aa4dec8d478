"""API tokens: bearer tokens that act for a person, narrowed to scopes. Only a digest is stored."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction

from tocsin.people import rules
from tocsin.people.models import ApiToken, User
from tocsin.people.rules import SCOPES
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden, Invalid, NotFound

PREFIX = "tocsin_"
MAX_DAYS = 3660


def create_token(
    user_id: int, *, actor: Actor, name: str = "", scopes: Sequence[str] = SCOPES, days: int | None = None
) -> tuple[ApiToken, str]:
    """Make a token that acts for this person; the row and the token itself, which is never shown again.

    ``days`` is how long it lives; None: until it is revoked. What it may do is the person's role narrowed to
    ``scopes``. Raises Forbidden, NotFound, Invalid (``name``, ``scopes``, ``days``).
    """
    if not rules.may_create_token(actor, user_id):
        raise Forbidden("Only the person themselves, signed in, and administrators may make a token for a person.")
    problems = rules.check_scopes(scopes)
    if days is not None and not 1 <= days <= MAX_DAYS:
        problems["days"] = f"1 to {MAX_DAYS}"
    if len(name) > 100 or "\x00" in name:
        problems["name"] = "up to 100 characters"
    if problems:
        raise Invalid("This token cannot be made.", problems)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
        if user is None:
            raise NotFound("There is no such person, or they are not active.")
        token = PREFIX + secrets.random_key(40)
        moment = clock.now()
        row = ApiToken.objects.create(
            user=user,
            name=name.strip() or "token",
            prefix=token[:12],
            digest=secrets.digest(token),
            scopes=[scope for scope in SCOPES if scope in set(scopes)],
            created_at=moment,
            expires_at=moment + timedelta(days=days) if days is not None else None,
        )
        facts = {"prefix": row.prefix, "scopes": row.scopes, "days": days}
        audit.record(actor, "created", "token", row.pk, f"{user.email}: {row.name}", None, facts)
    return row, token


def revoke_tokens(ids: Iterable[int], *, actor: Actor) -> int:
    """Make tokens worthless at once; how many still worked.

    Everybody may revoke their own, administrators any. Raises Forbidden before any is revoked.
    """
    with transaction.atomic():
        found = list(
            ApiToken.objects.select_for_update(of=("self",))
            .filter(pk__in=list(ids), revoked_at=None)
            .select_related("user")
        )
        for row in found:
            if not rules.may_edit_person(actor, row.user_id):
                raise Forbidden("Only the person themselves and administrators may revoke a token.")
        moment = clock.now()
        for row in found:
            row.revoked_at = moment
            row.save(update_fields=["revoked_at"])
            audit.record(actor, "revoked", "token", row.pk, f"{row.user.email}: {row.name}")
    return len(found)
