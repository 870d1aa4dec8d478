"""What may be read of incoming mail: whether it is taken in, and how that goes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count

from tocsin.delivery.models import IncomingMail
from tocsin.delivery.rules.incoming import OUTCOMES
from tocsin.platform import clock, nodes
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
