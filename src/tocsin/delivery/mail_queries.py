"""What may be read of incoming mail: whether it is taken in, and how that goes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count

from tocsin.delivery.models import Delivery, IncomingMail
from tocsin.delivery.queries import masked
from tocsin.delivery.rules.incoming import OUTCOMES
from tocsin.people.rules import Deed, may
from tocsin.platform import clock, nodes
from tocsin.platform.actor import Actor
from tocsin.platform.models import Node


@dataclass(frozen=True, slots=True)
class MailIn:
    """How incoming mail goes.

    domain     whose mail comes here; empty: none is taken
    listeners  processes that take it now
    refused    recipients that these have refused since they began
    last_at    when the last mail came, within ninety days; ``last``: what became of it
    waiting    not yet dealt with
    outcomes   of the last day: what became of how many
    """

    domain: str
    listeners: int
    refused: int
    last_at: datetime | None
    last: str
    waiting: int
    outcomes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CameBack:
    """A mail that answered one of ours, or said what became of it. ``sender``: what its From claims, masked for whoever
    may not see addresses; ``became``: what was done about it; ``said``: the answer, or the other server's words."""

    at: datetime
    kind: str
    sender: str
    became: str
    said: str


def came_back(actor: Actor, delivery: Delivery) -> list[CameBack]:
    """What came back of a message that the actor may read, oldest first."""
    rows = IncomingMail.objects.filter(delivery_id=delivery.pk, contact_method_id=delivery.contact_method_id)
    clear = actor.user_id == delivery.user_id or may(actor, Deed.ADMINISTER)
    return [
        CameBack(
            at=row.received_at,
            kind=row.kind,
            sender=row.sender if clear else masked("email", row.sender),
            became=OUTCOMES.get(row.outcome, "not yet dealt with"),
            said=row.answer,
        )
        for row in rows.order_by("pk")[:50]
    ]


def mail_in() -> MailIn:
    """How incoming mail goes; five queries on indexed rows."""
    alive = nodes.alive("mail")
    facts = Node.objects.filter(pk__in=alive).values_list("facts", flat=True)
    last = IncomingMail.objects.order_by("-received_at").values_list("received_at", "outcome").first()
    day = IncomingMail.objects.filter(received_at__gt=clock.now() - timedelta(days=1)).exclude(outcome="")
    counts = day.values_list("outcome").annotate(count=Count("id")).order_by("-count", "outcome")
    return MailIn(
        domain=settings.TOCSIN.mail_domain,
        listeners=len(alive),
        refused=sum(int(one.get("refused", 0)) for one in facts),
        last_at=last[0] if last else None,
        last=(OUTCOMES.get(last[1], "not yet dealt with") if last else ""),
        waiting=IncomingMail.objects.filter(next_at__isnull=False).count(),
        outcomes=tuple((OUTCOMES.get(outcome, outcome), count) for outcome, count in counts),
    )
