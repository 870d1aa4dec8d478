"""How many messages one contact method gets in a storm. Pure.

The first ones go out at once. Then there is one now and then, with everything that came meanwhile; what is most urgent
waits for seconds only. ``contract.Pace`` says how many and how long, for each channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.delivery.contract import Pace

URGENT_RANKS = (0, 10)  # pages of priority 1, see rank_of
HUSHED = "many messages lately; it goes out with what comes meanwhile"


def urgent(rank: int, reason: str) -> bool:
    """Whether a delivery may go out between the paced messages: the highest priority, or it has waited once already.

    ``reason``: why the delivery was last put back into the outbox.
    """
    return rank in URGENT_RANKS or reason == HUSHED


def wait(pace: Pace, sent: Sequence[datetime], now: datetime, *, urgent: bool) -> float:
    """Seconds until a contact method may get its next message, 0 for now; ``sent``: when it got the last ones.

    A clock that steps back prolongs nothing: no wait is longer than the spacing.
    """
    ages = [(now - moment).total_seconds() for moment in lately(pace, sent, now)]
    if len(ages) < pace.free:
        return 0.0
    spacing = pace.urgent_s if urgent else pace.spacing_s
    return min(spacing, max(0.0, spacing - min(ages)))


@dataclass(frozen=True, slots=True)
class Hush:
    """A contact method gets no message now. Seconds that deliveries wait: urgent ones, and all others."""

    urgent_s: float
    other_s: float


def hush(pace: Pace, sent: Sequence[datetime], now: datetime, *, urgent: bool) -> Hush | None:
    """How long to wait, None when a message may go now. ``urgent``: something urgent would go along with it."""
    if not wait(pace, sent, now, urgent=urgent):
        return None
    return Hush(wait(pace, sent, now, urgent=True), wait(pace, sent, now, urgent=False))


def lately(pace: Pace, sent: Sequence[datetime], now: datetime) -> list[datetime]:
    """Those of ``sent`` that still count, the newest ``free`` of them."""
    return sorted(moment for moment in sent if (now - moment).total_seconds() < pace.window_s)[-pace.free :]


def most(pace: Pace, seconds: float, *, urgent: bool = False) -> int:
    """How many messages one contact method gets at most within so many seconds of a storm."""
    return pace.free + int(seconds // (pace.urgent_s if urgent else pace.spacing_s))
