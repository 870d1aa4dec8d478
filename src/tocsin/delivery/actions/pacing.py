"""The right to send one more message to a contact method, shared by all engines."""

from django.db import connection, transaction

from tocsin.delivery.contract import Pace
from tocsin.delivery.models import ContactPace
from tocsin.delivery.rules import pacing
from tocsin.delivery.rules.pacing import Hush

# losing the last moments in a crash lets a message more through; waiting for the disk would delay every message
_SENT = """
SELECT tocsin_now(), sent FROM delivery_contact_pace
WHERE contact_method_id = %s AND set_config('synchronous_commit', 'off', true) = 'off' FOR UPDATE
"""


def reserve(contact_method_id: int, pace: Pace, *, urgent: bool) -> Hush | None:
    """Take the right to send one message now. How long to wait for it; None: it is taken, ``refund`` gives it back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_SENT, [contact_method_id])
            row = cursor.fetchone()
            if row is None:
                ContactPace.objects.bulk_create(
                    [ContactPace(contact_method_id=contact_method_id)], ignore_conflicts=True
                )
                cursor.execute(_SENT, [contact_method_id])
                row = cursor.fetchone()
        now, sent = row
        hush = pacing.hush(pace, sent, now, urgent=urgent)
        if hush is None:
            kept = pacing.lately(pace, [*sent, now], now)
            ContactPace.objects.filter(pk=contact_method_id).update(sent=kept)
    return hush


def refund(contact_method_id: int) -> None:
    """The message of the last ``reserve`` was not taken by the provider: it does not count."""
    with transaction.atomic():
        row = ContactPace.objects.select_for_update().filter(pk=contact_method_id).first()
        if row is not None and row.sent:
            row.sent = row.sent[:-1]
            row.save(update_fields=["sent"])
