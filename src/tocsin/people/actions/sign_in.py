"""One-time sign-in links: how the first administrator gets in, and anybody who lost their way."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from tocsin.people.models import SignInLink, User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

MINUTES = 60


def create_sign_in_link(user_id: int, *, actor: Actor, minutes: int = MINUTES) -> str:
    """The address that signs this person in once, within so many minutes. Raises Forbidden, NotFound."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
        if user is None:
            raise NotFound("There is no such person, or they are not active.")
        token = secrets.random_key(40)
        moment = clock.now()
        SignInLink.objects.filter(expires_at__lt=moment - timedelta(days=1)).delete()
        SignInLink.objects.create(
            user=user, digest=secrets.digest(token), expires_at=moment + timedelta(minutes=minutes)
        )
        audit.record(actor, "created", "sign-in link", user.pk, user.email, None, {"minutes": minutes})
    return f"{settings.TOCSIN.public_url}/sign-in/link/{token}/"


def use_link(token: str) -> User:
    """The person whom this link signs in; it is worthless afterwards. Raises NotFound when it does not work."""
    with transaction.atomic():
        link = (
            SignInLink.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(digest=secrets.digest(token))
            .first()
        )
        moment = clock.now()
        if link is None or link.used_at is not None or link.expires_at <= moment or not link.user.is_active:
            raise NotFound("This sign-in link was used already, is too old, or never was one. Ask for a new one.")
        link.used_at = moment
        link.save(update_fields=["used_at"])
        actor = Actor(kind="user", id=link.user.pk, name=link.user.name, role=link.user.role)
        audit.record(actor, "used", "sign-in link", link.user.pk, link.user.email)
    return link.user
