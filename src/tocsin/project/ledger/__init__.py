"""The ledger: a chain of seals over everything that is only ever added, from the signal to the provider's receipt.

Signals with their outcomes, pages, attempts, timelines and the audit are append-only tables. Every few seconds what is
new in them is sealed: a ledger entry names the rows (from which id to which, how many) and holds the SHA-256 over them,
and over the entry before. A row that is changed, taken away or slipped in afterwards shows when the ledger is verified,
and so does a changed or missing entry. Nothing of this is on the way of a page: the hot paths write what they wrote
before, and sealing reads it.
"""

from tocsin.platform.actor import Actor
from tocsin.project.ledger.reconciling import Finding, reconcile
from tocsin.project.ledger.sealing import head, seal_due
from tocsin.project.ledger.verifying import Verified, verify


def task(value: dict[str, object], actor: Actor) -> dict[str, object]:
    """``verify`` for a process of its own."""
    return verify(actor=actor, known_head=str(value.get("head") or "")).to_json()


__all__ = ["Finding", "Verified", "head", "reconcile", "seal_due", "task", "verify"]
