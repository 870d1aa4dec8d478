"""Messages that prove a contact method: the code that somebody types, and the monthly question."""

from django.db import transaction

from tocsin.delivery import rules
from tocsin.delivery.actions.notices import notify
from tocsin.delivery.actions.outbox import enqueue
from tocsin.people.actions import verifying
from tocsin.people.models import ContactMethod
from tocsin.platform import clock
from tocsin.platform.actor import Actor


def send_code(method_id: int, *, actor: Actor) -> int:
    """Send a code to a contact method; returns the delivery's id, whose state tells what came of it.

    A person may verify their own contact methods; an administrator everybody's. Raises NotFound, Forbidden, Conflict.
    """
    with transaction.atomic():
        method, word = verifying.begin(method_id, actor=actor)
        return enqueue([_asking(method, "code", word)], now=clock.now())[0]


def ask_due(limit: int = 200) -> int:
    """Ask contact methods from which nothing was heard for a month, and tell people whose did not answer; how many."""
    with transaction.atomic():
        now = clock.now()
        asked = verifying.to_ask(limit)
        enqueue([_asking(method, "check", now.date().isoformat()) for method in asked], now=now)
        lapsed = verifying.lapse(limit)
        for one in lapsed:
            name = f"{one.channel} ({one.label})" if one.label else one.channel
            notify(
                [one.user_id],
                key=f"lapsed:{one.id}:{now.isoformat()}",
                title=f"Does {name} still reach you?",
                body=f"Tocsin asked whether {name} still reaches you, and nobody answered within "
                f"{verifying.LAPSES_AFTER.days} days. It is still used, but counts as not verified. Verify it again, "
                "or change how you are reached.",
                path="/settings/you/",
            )
    return len(asked) + len(lapsed)


def _asking(method: ContactMethod, kind: str, word: str) -> rules.NewDelivery:
    return rules.NewDelivery(
        kind=kind,
        key=f"{kind}:{method.pk}:{word}",
        channel=method.channel,
        address=method.address,
        user_id=method.user_id,
        contact_method_id=method.pk,
        rank=rules.TEST_RANK if kind == "code" else rules.NOTICE_RANK,
    )
