"""Secret addresses at which calendars of others read shifts. Only a digest is kept; an address is shown once."""

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction

from tocsin.oncall import models, queries
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import SCOPE, Deed, may
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid

SECRET_LENGTH = 43  # of 62 characters: 256 bits
MOST = 100


def create_calendar_feed(*, actor: Actor, schedule: str = "", team: str = "") -> tuple[models.CalendarFeed, str]:
    """Make an address for the shifts of a schedule, of a team's schedules, else for the actor's own.

    Returns the row and the address, which is never shown again. It works until it is revoked or whoever made it is no
    longer active. Raises Forbidden (also for a token without the scope ``configure``: the address outlives it),
    NotFound, Invalid, Conflict.
    """
    user_id = _own(actor)
    if schedule and team:
        raise Invalid("This calendar cannot be made.", {"team": "empty, when a schedule is given"})
    of_schedule = queries.schedule(actor, schedule) if schedule else None
    of_team = people.team(actor, team) if team else None
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        if models.CalendarFeed.objects.filter(user=user, revoked_at=None).count() >= MOST:
            raise Conflict(f"There are {MOST} addresses already; revoke some first.")
        secret = secrets.random_key(SECRET_LENGTH)
        row = models.CalendarFeed.objects.create(
            user=user, schedule=of_schedule, team=of_team, digest=secrets.digest(secret), created_at=clock.now()
        )
        audit.record(actor, "created", "calendar", row.pk, what(row), None, {"person": user.email})
    return row, f"{settings.TOCSIN.public_url}/calendar/{secret}.ics"


def _own(actor: Actor) -> int:
    if actor.user_id is None or (actor.scopes is not None and not actor.scopes & SCOPE[Deed.CONFIGURE]):
        raise Forbidden("Only people themselves, or tokens of theirs with the scope configure, may make an address.")
    return actor.user_id


def what(row: models.CalendarFeed) -> str:
    """What a feed shows, in words."""
    if row.schedule is not None:
        return f"Schedule {row.schedule.name}"
    return f"Team {row.team.name}" if row.team is not None else f"Shifts of {row.user.name}"


def revoke_calendar_feeds(ids: Iterable[int], *, actor: Actor) -> int:
    """Make addresses worthless at once; how many still worked.

    Everybody may revoke their own, whoever configures a schedule or a team theirs, administrators any. Raises
    Forbidden before any is revoked.
    """
    with transaction.atomic():
        found = models.CalendarFeed.objects.select_for_update(of=("self",)).filter(pk__in=list(ids), revoked_at=None)
        rows = list(found.select_related("user", "schedule", "team").order_by("pk"))
        for row in rows:
            if not may_revoke(actor, row):
                raise Forbidden("Only who made it, who manages its team, and administrators may revoke an address.")
        for row in rows:
            row.revoked_at = clock.now()
            row.save(update_fields=["revoked_at"])
            audit.record(actor, "revoked", "calendar", row.pk, what(row), {"person": row.user.email})
    return len(rows)


def may_revoke(actor: Actor, row: models.CalendarFeed) -> bool:
    """Whether the actor may revoke this address."""
    own = actor.user_id == row.user_id and (actor.scopes is None or bool(actor.scopes & SCOPE[Deed.CONFIGURE]))
    if own or may(actor, Deed.ADMINISTER):
        return True
    if row.schedule is not None:
        return may(actor, Deed.CONFIGURE, row.schedule.team_id)
    return row.team_id is not None and may(actor, Deed.CONFIGURE, row.team_id)
