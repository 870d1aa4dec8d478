"""Every write of the outbox."""

from tocsin.delivery.actions.links import LinkOutcome, LinkPreview, act_on_link, preview_link
from tocsin.delivery.actions.notices import notify_resolved, send_test
from tocsin.delivery.actions.outbox import LEASE_S, claim, drop_stale, enqueue, expire, settle
from tocsin.delivery.actions.pocket import keep, mark_read

__all__ = [
    "LEASE_S",
    "LinkOutcome",
    "LinkPreview",
    "act_on_link",
    "claim",
    "drop_stale",
    "enqueue",
    "expire",
    "keep",
    "mark_read",
    "notify_resolved",
    "preview_link",
    "send_test",
    "settle",
]
