"""Background entry points of intake, for the engine: late heartbeats, and pruning."""

from datetime import datetime

from django.db.models import Min

from tocsin.intake import actions
from tocsin.intake.models import Heartbeat


def next_due() -> datetime | None:
    """When the next heartbeat is late; None: there is none to wait for."""
    found: datetime | None = Heartbeat.objects.filter(missed=False).aggregate(due=Min("due_at"))["due"]
    return found


def run_due(limit: int = 1000) -> int:
    """Raise signals for heartbeats that are late. Returns how many; call again while it is the limit."""
    return actions.miss_heartbeats(limit)


def prune() -> int:
    """Keep refusals bounded. To be called now and then. Returns how many rows went."""
    return actions.prune_refusals()
