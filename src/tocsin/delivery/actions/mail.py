"""Incoming mail: written down when it comes, dealt with once, by whichever engine is first."""

import hashlib
from datetime import timedelta

import structlog
from django.db import InterfaceError, OperationalError, transaction

from tocsin.delivery import mailboxes
from tocsin.delivery.actions.mail_bounces import take_bounce
from tocsin.delivery.actions.mail_replies import Later, take_reply
from tocsin.delivery.actions.outbox import storable
from tocsin.delivery.models import IncomingMail
from tocsin.delivery.rules import cut
from tocsin.delivery.rules import mail as rules
from tocsin.platform import clock, events
from tocsin.platform.mail import Arrived

log = structlog.get_logger("tocsin.delivery")

AWAY = (OperationalError, InterfaceError)
MOST_TRIES = 8  # a mail that cannot be dealt with so often is left alone
PAUSE_S = 2.0  # doubled after each try
KEPT = timedelta(days=90)


class Mailroom:
    """Takes replies and bounces; see ``platform.mail.Taker``."""

    def knows(self, local: str) -> bool:
        """Whether we have signed this address. One that was made up is refused like any that does not exist."""
        return mailboxes.named(local) is not None

    def turns_away(self, local: str, client: str) -> str:
        """Nobody whose address we have signed."""
        return ""

    def keep(self, mail: Arrived) -> str:
        """Write a mail down, once for each recipient and identity, and wake an engine when this commits.

        Raises the database's error when it is away; then nothing was taken.
        """
        kind, _, token = storable(mail.local.lower()).partition("+")
        identity, name = rules.told_apart(mail.content)
        now = clock.now()
        IncomingMail.objects.bulk_create(
            [
                IncomingMail(
                    key=hashlib.sha256(f"{kind}+{token}".encode() + b"\0" + name).hexdigest(),
                    kind=kind[:10],
                    token=token[:64],
                    envelope_sender=storable(mail.sender)[:320],
                    client=mail.client[:64],
                    size=len(mail.content),
                    content=mail.content[: rules.READ],
                    received_at=now,
                    next_at=now,
                    message_id=storable(identity),
                )
            ],
            ignore_conflicts=True,
        )
        events.wake("mail")
        return ""


def work_through(limit: int = 100) -> int:
    """Deal with the mail that waits, oldest first; returns how many mails were dealt with.

    Any number of engines may do this at once. Raises the database's error when it is away.
    """
    done = 0
    while done < limit and _one():
        done += 1
    return done


def _one() -> bool:
    """Deal with one mail; whether there was one that waited."""
    number = 0
    try:
        with transaction.atomic():
            waiting = IncomingMail.objects.filter(next_at__lte=clock.now()).order_by("next_at", "pk")
            row = waiting.select_for_update(skip_locked=True, of=("self",)).first()
            if row is None:
                return False
            number = row.pk
            _decide(row)
    except AWAY:
        raise
    except Later:
        _put_off(number, "")
    except Exception as error:  # one mail must not stop all others
        log.exception("delivery.mail", mail=number)
        _put_off(number, f"{type(error).__name__}: {error}")
    return True


def _decide(row: IncomingMail) -> None:
    """Do what a locked mail asks for, and note what came of it."""
    mail = rules.read(bytes(row.content or b""))
    row.sender = storable(mail.sender)[:320]
    named = mailboxes.named(f"{row.kind}+{row.token}")
    if named is None:  # the secret key was changed since
        row.outcome, row.answer = "refused", "its address is none of ours"
    elif named.kind == "bounce":
        take_bounce(row, named, mail)
    else:
        take_reply(row, named, mail)
    _end(row)


def _end(row: IncomingMail) -> None:
    row.answer = cut(storable(row.answer), 500)
    row.text = storable(row.text)[:200]
    row.content, row.next_at, row.handled_at = None, None, clock.now()
    row.save()


def _put_off(number: int, why: str) -> None:
    """Try a mail again later, or leave it alone when that was done too often."""
    with transaction.atomic():
        row = IncomingMail.objects.select_for_update().filter(pk=number, outcome="").first()
        if row is None:
            return
        row.tries += 1
        if row.tries >= MOST_TRIES:
            row.outcome, row.answer = "fault", why or "what it is about was never settled"
            _end(row)
            return
        row.next_at = clock.now() + timedelta(seconds=PAUSE_S * 2**row.tries)
        row.save(update_fields=["tries", "next_at"])


def forget_mail() -> int:
    """Forget mail that was dealt with long ago; how many."""
    return IncomingMail.objects.filter(received_at__lt=clock.now() - KEPT, next_at=None).delete()[0]
