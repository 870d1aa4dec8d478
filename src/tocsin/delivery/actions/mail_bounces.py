"""Mail that came back: its delivery failed, the next contact method is brought forward, a dead address is given up."""

from django.db.models import Max

from tocsin.delivery.actions.mail_replies import deliveries_of
from tocsin.delivery.actions.notices import notify
from tocsin.delivery.actions.outbox import settle_late
from tocsin.delivery.mailboxes import Named
from tocsin.delivery.models import Delivery, IncomingMail
from tocsin.delivery.rules import bounces as rules
from tocsin.delivery.rules.mail import Mail
from tocsin.delivery.rules.providers import delivery_after
from tocsin.people import actions as people
from tocsin.people.models import ContactMethod
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM


def take_bounce(row: IncomingMail, named: Named, mail: Mail) -> None:
    """Note what became of one of our mails. Only that it will not arrive changes anything."""
    deliveries = deliveries_of(named)
    if not deliveries:
        row.outcome, row.answer = "refused", "the message is not known any more"
        return
    first = deliveries[0]
    row.delivery_id, row.contact_method_id, row.user = first.pk, first.contact_method_id, first.user
    told = rules.bounce(mail)
    row.outcome, row.answer = told.state, told.reason
    if told.state != "failed":
        return
    row.outcome = "dead" if told.dead else "failed"
    reason = f"the mail came back: {told.reason}" if told.reason else "the mail came back"
    ids = [one.pk for one in deliveries]
    news = []
    for one in Delivery.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk"):
        # a mail that is sent again goes to the same mailbox: what came back speaks of that try too
        state = delivery_after(one.state, "failed", newest=True)
        if state is not None:
            news.append((one.pk, state, reason))
    settle_late(news)
    if told.dead and first.contact_method_id is not None:
        _give_up(row, first.contact_method_id, first.address, reason)


def _give_up(row: IncomingMail, method_id: int, address: str, reason: str) -> None:
    """Switch a contact method off when its address was at fault often enough, and tell its person elsewhere.

    Bounces from before somebody last answered there do not count, nor those of an address that was changed.
    """
    method = ContactMethod.objects.filter(pk=method_id, address=address, disabled_at=None).first()
    if method is None:
        return
    found = IncomingMail.objects.filter(contact_method_id=method_id, kind="bounce", outcome="dead").exclude(pk=row.pk)
    if heard := max(filter(None, [method.reached_at, method.changed_at]), default=None):
        found = found.filter(received_at__gt=heard)
    moments = list(found.values("delivery_id").annotate(at=Max("received_at")).values_list("at", flat=True))
    now = clock.now()
    if not rules.given_up([*moments, row.received_at], now):
        return
    people.disable_contact_methods([method.pk], f"mail came back {len(moments) + 1} times: {reason}", actor=SYSTEM)
    notify(
        [method.user_id],
        key=f"bounced:{method.pk}:{row.pk}",
        title="Mail does not reach you any more: it came back again and again",
        body=f"Tocsin does not send to {method.label or 'this e-mail address'} until you switch it on again. {reason}",
        path="/settings/you/",
    )
