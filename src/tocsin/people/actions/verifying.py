"""Proof that a contact method reaches its person: a code that only its reader knows, and asking again now and then.

The code is worked out from a random word that is kept, with the installation's key (``platform.secrets.short_code``);
it is nowhere stored and never logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from tocsin.people import rules
from tocsin.people.models import ContactCode, ContactMethod
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

LASTS = timedelta(minutes=15)
PAUSE = timedelta(seconds=60)  # between two codes
MOST_A_DAY = 10
MOST_TRIES = 5
ASK_AFTER = timedelta(days=30)
LAPSES_AFTER = timedelta(days=7)
SEEN_ANEW = timedelta(hours=12)  # how often it is worth writing down that a contact method works
PURPOSE = "contact-method"


def begin(method_id: int, *, actor: Actor) -> tuple[ContactMethod, str]:
    """Begin to verify a contact method: it, and the word that its code is made of.

    An older code is void from then on. Raises NotFound, Forbidden, Conflict (disabled, or asked too often).
    """
    with transaction.atomic():
        method = _lock(method_id)
        rules.require_edit_person(actor, method.user_id)
        if method.disabled_at:
            raise Conflict(f"This contact method is disabled: {method.disabled_reason}")
        now = clock.now()
        row = ContactCode.objects.select_for_update().filter(pk=method.pk).first() or ContactCode(contact_method=method)
        fresh = row.day is None or row.day < now - timedelta(days=1)
        if row.made_at and row.made_at > now - PAUSE:
            raise Conflict("A code was sent a moment ago; wait a minute before you ask for another one.")
        if not fresh and row.sent >= MOST_A_DAY:
            raise Conflict(f"{MOST_A_DAY} codes were sent within a day; try again tomorrow.")
        row.day, row.sent = (now, 1) if fresh else (row.day, row.sent + 1)
        row.word, row.made_at, row.expires_at, row.tries = secrets.random_key(16), now, now + LASTS, 0
        row.save()
    return method, row.word


def confirm(method_id: int, code: str, *, actor: Actor) -> ContactMethod:
    """Verify a contact method with the code that it received; five tries.

    Raises NotFound, Forbidden, Invalid (``code``).
    """
    wrong = ""
    with transaction.atomic():
        method = _lock(method_id)
        rules.require_edit_person(actor, method.user_id)
        row = ContactCode.objects.select_for_update().filter(pk=method.pk).first()
        if row is None or row.expires_at <= clock.now() or row.tries >= MOST_TRIES:
            wrong = "a code that is still good; have a new one sent"
        elif not secrets.same(_digits(code), code_of(method.pk, row.word)):
            row.tries += 1
            row.save(update_fields=["tries"])  # kept although it is refused
            left = MOST_TRIES - row.tries
            wrong = f"the six digits of the message; {left} {'try' if left == 1 else 'tries'} left"
        else:
            row.delete()
            _verified(method, actor)
    if wrong:
        raise Invalid("That is not the code.", {"code": wrong})
    return method


def confirm_by_link(method_id: int, *, made_at: datetime) -> ContactMethod:
    """Whoever follows the signed link of a message has received it; the caller has checked the signature.

    A link from before the address changed proves nothing. Raises NotFound, Conflict.
    """
    with transaction.atomic():
        method = _lock(method_id)
        if method.disabled_at or (method.changed_at and method.changed_at > made_at):
            raise Conflict("This link is from before the contact method was changed; have a new one sent.")
        ContactCode.objects.filter(pk=method.pk).delete()
        _verified(method, SYSTEM)
    return method


def note_reached(method_id: int) -> None:
    """Somebody answered a message that this contact method had received: it works."""
    now = clock.now()
    ContactMethod.objects.filter(pk=method_id, disabled_at=None).filter(
        Q(reached_at=None) | Q(reached_at__lt=now - SEEN_ANEW) | Q(verified_at=None)
    ).update(reached_at=now, verified_at=Coalesce(F("verified_at"), now))


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A contact method that has not answered the question whether it still reaches its person."""

    id: int
    user_id: int
    channel: str
    label: str


def to_ask(limit: int = 200) -> Sequence[ContactMethod]:
    """Verified contact methods from which nothing was heard for a month; they count as asked from now on."""
    with transaction.atomic():
        now = clock.now()
        heard = ContactMethod.objects.annotate(heard=Coalesce("reached_at", "verified_at"))
        due = heard.filter(heard__lt=now - ASK_AFTER, disabled_at=None, verified_at__isnull=False, user__is_active=True)
        found = list(
            due.filter(Q(asked_at=None) | Q(asked_at__lt=F("heard")))
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("id")[:limit]
        )
        ContactMethod.objects.filter(pk__in=[one.pk for one in found]).update(asked_at=now)
    return found


def lapse(limit: int = 200) -> list[Lapsed]:
    """Contact methods that were asked a week ago and have not answered count as unverified; which they are."""
    with transaction.atomic():
        now = clock.now()
        heard = ContactMethod.objects.annotate(heard=Coalesce("reached_at", "verified_at"))
        found = list(
            heard.filter(asked_at__lt=now - LAPSES_AFTER, asked_at__gt=F("heard"), verified_at__isnull=False)
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("id")[:limit]
        )
        ContactMethod.objects.filter(pk__in=[one.pk for one in found]).update(verified_at=None, asked_at=None)
        for one in found:
            audit.record(SYSTEM, "lapsed", "contact method", one.pk, one.channel)
    return [Lapsed(one.pk, one.user_id, one.channel, one.label) for one in found]


def code_of(method_id: int, word: str) -> str:
    """The six digits that verify a contact method."""
    return secrets.short_code(f"{method_id}:{word}", PURPOSE)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _lock(method_id: int) -> ContactMethod:
    method = ContactMethod.objects.select_for_update(of=("self",)).select_related("user").filter(pk=method_id).first()
    if method is None:
        raise NotFound("There is no such contact method any more.")
    return method


def _verified(method: ContactMethod, actor: Actor) -> None:
    method.verified_at = method.reached_at = clock.now()
    method.asked_at = None
    method.save(update_fields=["verified_at", "reached_at", "asked_at"])
    audit.record(actor, "verified", "contact method", method.pk, f"{method.user.email}: {method.channel}")
