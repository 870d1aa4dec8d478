"""Replies by mail act as the person whom their address names: acknowledge, resolve, escalate, note, who.

What From says is written down and believes nobody; the signed address is what proves that somebody has the mail. See
THREAT_MODEL.md, "What a mail proves".
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from tocsin.delivery.actions.links import answer, standing
from tocsin.delivery.actions.outbox import enqueue, storable
from tocsin.delivery.actions.remarks import keep_note, who_else
from tocsin.delivery.mailboxes import Named, checksum
from tocsin.delivery.models import Delivery, IncomingMail, Notice
from tocsin.delivery.quoting import own_text
from tocsin.delivery.rules import NOTICE_RANK, NewDelivery, cut
from tocsin.delivery.rules import replies as rules
from tocsin.delivery.rules.mail import Mail, automatic
from tocsin.people.actions.verifying import note_reached
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock
from tocsin.platform.errors import Forbidden, NotFound, TocsinError

MOST_ANSWERS = 20  # to one contact method within ten minutes: two machines that answer each other stop there


class Later(Exception):
    """What the mail is about is still being sent; it is to be looked at again in a moment."""


def deliveries_of(named: Named) -> list[Delivery]:
    """The deliveries that one of our mails was made of; only the first when the others cannot be told any more.

    Empty: there is none. Raises Later while a bundle is being sent.
    """
    first = Delivery.objects.select_related("user", "contact_method").filter(pk=named.delivery_id).first()
    if first is None:
        return []
    if not named.checksum:
        return [first]
    if first.state == "sending":
        raise Later
    if not first.provider_ref or first.user_id is None:
        return [first]
    rows = Delivery.objects.select_related("user", "contact_method").filter(
        user_id=first.user_id, contact_method_id=first.contact_method_id, provider_ref=first.provider_ref
    )
    found = list(rows.order_by("pk")[:200])
    return found if checksum([one.pk for one in found]) == named.checksum else [first]


def take_reply(row: IncomingMail, named: Named, mail: Mail) -> None:
    """Do what a reply says, note it on the row, and answer it; nothing of this for what a machine wrote."""
    deliveries = deliveries_of(named)
    first = deliveries[0] if deliveries else None
    row.delivery_id = first.pk if first else None
    row.contact_method_id = first.contact_method_id if first else None
    if why := automatic(mail, row.envelope_sender):
        row.outcome, row.answer = "automatic", why
        return
    method = first.contact_method if first else None
    if first is None or method is None or first.user is None or not first.user.is_active:
        row.outcome, row.answer = "refused", "the account or the contact method is not in use any more"
        return
    if method.address != first.address:
        row.outcome, row.answer = "refused", "the contact method has another address since"
        return
    row.user = first.user
    own = own_text(mail.text)
    row.text = " ".join(own.split())
    if named.until <= clock.now():
        where = f"{settings.TOCSIN.public_url}/"
        row.outcome, row.answer = "expired", f"This mail is too old to be answered; nothing was done. Sign in: {where}"
    else:
        ids = sorted({one.incident_id for one in deliveries if one.incident_id})
        complete = not named.checksum or len(deliveries) > 1
        try:
            with transaction.atomic():
                row.outcome, row.answer = _obey(rules.read_mail(own), ids, first.user, method, complete)
        except (Forbidden, NotFound):
            row.outcome, row.answer = "refused", "You may not do this."
        except TocsinError as error:
            row.outcome, row.answer = "nothing", error.message
    _reply(row, first, method, mail)


def _obey(words: rules.Words, ids: list[int], user: User, method: ContactMethod, complete: bool) -> tuple[str, str]:
    """Do it; the outcome, and what to say. Raises what the actions raise."""
    if not words.verb:
        return "nothing", rules.NOTHING_WRITTEN
    note_reached(method.pk)
    if words.verb == "stop":
        where = f"{settings.TOCSIN.public_url}/settings/you/"
        return "nothing", f"You are paged here because your rules say so. Change how you are reached: {where}"
    if words.verb == "help":
        return "answered", rules.HOW_MAIL
    if not ids:
        return "reached", "Thank you: what Tocsin sends here reaches you. Nothing else was done."
    wanted = _wanted(words, ids, complete)
    if isinstance(wanted, str):
        return "nothing", wanted
    if words.verb == "who":
        return "answered", "\n".join(who_else(one, user) for one in wanted)
    if words.verb == "note":
        keep_note(wanted, words.note, user)
        waits = [f"INC-{one}" for one in wanted if not standing("acknowledge", [one])]
        more = f" Nobody has acknowledged {' or '.join(waits)}: begin with ack to do it." if waits else ""
        return "noted", f"Kept as a note on {' and '.join(f'INC-{one}' for one in wanted)}.{more}"
    done = answer(words.verb, wanted, user, via="email", method_id=method.pk)
    if words.note:
        keep_note(wanted, words.note, user)
        return "acted", f"{done.text} The rest is kept as a note."
    return "acted" if done.done else "nothing", done.text


def _wanted(words: rules.Words, ids: list[int], complete: bool) -> list[int] | str:
    """The incidents that are meant, or why that cannot be told."""
    names = ", ".join(f"INC-{one}" for one in ids[:5]) + (" and more" if len(ids) > 5 else "")
    if words.incident is not None:
        if words.incident in ids:
            return [words.incident]
        return f"This mail is about {names}, not about INC-{words.incident}: nothing was done."
    if not complete:
        return "It cannot be told any more which incidents this mail was about: answer their own mails, or sign in."
    if len(ids) > 1 and words.verb not in ("acknowledge", "who"):
        return f"This mail is about {names}. Say which one, as in {words.verb} {ids[0]}. Nothing was done."
    return ids


def _reply(row: IncomingMail, first: Delivery, method: ContactMethod, mail: Mail) -> None:
    """The answer, in the thread, to the contact method's address: never to whoever claims to have written."""
    if method.disabled_at:
        return
    now = clock.now()
    before = IncomingMail.objects.filter(
        contact_method_id=method.pk, received_at__gt=now - timedelta(minutes=10), notice__isnull=False
    )
    if before.count() >= MOST_ANSWERS:
        return
    subject = mail.subject.strip()
    title = subject if subject.lower().startswith("re:") else f"Re: {subject or 'your mail'}"
    row.notice = Notice.objects.create(
        key=f"mail:{row.pk}",
        title=cut(storable(title), 150),
        body=row.answer,
        path=f"/incidents/{first.incident_id}/" if first.incident_id else "/",
        created_at=now,
    )
    enqueue(
        [
            NewDelivery(
                kind="notice",
                key=f"notice:{row.notice.pk}:{method.pk}",
                channel=method.channel,
                address=method.address,
                incident_id=first.incident_id,
                user_id=method.user_id,
                contact_method_id=method.pk,
                rank=NOTICE_RANK,
            )
        ],
        now=now,
    )
