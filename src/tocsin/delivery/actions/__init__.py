"""Every write of the outbox. Acting from a message, which escalates too, is in ``links``, above escalation."""

from tocsin.delivery.actions.notices import notify, notify_resolved, send_test
from tocsin.delivery.actions.outbox import (
    LEASE_S,
    claim,
    drop_of,
    drop_stale,
    enqueue,
    enqueue_canaries,
    expire,
    settle,
)
from tocsin.delivery.actions.pacing import refund, reserve
from tocsin.delivery.actions.pocket import keep, mark_read
from tocsin.delivery.actions.push import add_browser, private_key, push_key, renew_browser

__all__ = [
    "LEASE_S",
    "add_browser",
    "claim",
    "drop_of",
    "drop_stale",
    "enqueue",
    "enqueue_canaries",
    "expire",
    "keep",
    "mark_read",
    "notify",
    "notify_resolved",
    "private_key",
    "push_key",
    "refund",
    "renew_browser",
    "reserve",
    "send_test",
    "settle",
]
