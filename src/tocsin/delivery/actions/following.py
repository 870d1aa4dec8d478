"""What follows from an outcome: a dead address is switched off, a device that rings once is rung again."""

from collections.abc import Iterable, Sequence

from django.db import connection

from tocsin.delivery import rules
from tocsin.delivery.contract import Accepted, Delivered, Rejected
from tocsin.delivery.queries import channels
from tocsin.delivery.rules import NewDelivery, Settled
from tocsin.people.actions import disable_contact_methods
from tocsin.people.models import ContactMethod
from tocsin.platform.actor import SYSTEM


def switch_off_gone(results: Sequence[Settled]) -> None:
    """Switch off the contact methods whose addresses are no more, each with its provider's reason.

    Only where the address is still the one that was tried: the person may have renewed it meanwhile.
    """
    gone: dict[int, tuple[str, str]] = {}
    for item in results:
        if isinstance(item.result, Rejected) and item.result.gone and item.delivery.contact_method_id:
            gone[item.delivery.contact_method_id] = (item.delivery.address, item.result.reason)
    for method in ContactMethod.objects.filter(pk__in=gone, disabled_at=None) if gone else ():
        address, reason = gone[method.pk]
        if method.address == address:
            disable_contact_methods([method.pk], reason, actor=SYSTEM)


# Somebody who was asked for help with an incident that is acknowledged already is not rung again and again: there is
# nothing left for them to acknowledge.
_UNANSWERED = """
SELECT p.id FROM escalation_page p JOIN incidents_incident i ON i.id = p.incident_id
WHERE p.id = ANY(%s) AND p.answered_at IS NULL AND i.state = 'triggered' AND i.generation = p.generation
"""


def repeats(results: Sequence[Settled], ours: Iterable[int]) -> list[NewDelivery]:
    """Pages to be sent once more later, because they went to devices that ring once and nobody has answered."""
    waits = {kind: one.descriptor.repeats for kind, one in channels().items() if one.descriptor.repeats}
    kept = set(ours)
    sent = [
        item.delivery
        for item in results
        if item.delivery.channel in waits and isinstance(item.result, Accepted | Delivered) and item.delivery.id in kept
    ]
    found = [new for delivery in sent if (new := rules.again(delivery, waits[delivery.channel]))]
    if not found:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED, [[new.page_id for new in found]])
        waiting = {row[0] for row in cursor.fetchall()}
    return [new for new in found if new.page_id in waiting]
