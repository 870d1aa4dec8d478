"""Verifying the ledger: the chain of its entries, and the rows that they seal."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.models import LedgerEntry
from tocsin.project.ledger.sealing import sealed
from tocsin.project.ledger.streams import FORMS, Seal

MOST_TOLD = 50
# partitions of signals hold a week and are dropped when all of it is too old
SLACK = timedelta(days=14)


@dataclass
class Verified:
    """What came of it. ``pruned``: rows that were sealed and are gone because signals are kept for so long only."""

    entries: int = 0
    rows: int = 0
    pruned: int = 0
    head: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "entries": self.entries,
            "rows": self.rows,
            "pruned": self.pruned,
            "head": self.head,
            "problems": self.problems[:MOST_TOLD],
        }


def verify(*, actor: Actor, known_head: str = "") -> Verified:
    """Whether every entry follows from the one before and every sealed row is as it was. Raises Forbidden.

    ``known_head``: the hash of an entry that was kept elsewhere; it must be in the chain.
    """
    require(actor, Deed.CONFIGURE)
    found = Verified()
    previous, seen = "", not known_head
    last: dict[str, int] = {}
    for entry in LedgerEntry.objects.order_by("id").iterator(chunk_size=500):
        found.entries += 1
        seal = _seal_of(entry)
        if entry.previous != previous or seal.hash(entry.previous) != entry.hash:
            found.problems.append(f"entry {entry.pk} does not follow from the one before it")
        if seal.after != last.get(seal.stream, 0):
            found.problems.append(f"entry {entry.pk} leaves out {seal.stream} {last.get(seal.stream, 0) + 1} and on")
        last[seal.stream] = seal.last
        _rows(seal, found)
        previous = entry.hash
        seen = seen or entry.hash == known_head
    found.head = previous
    if not seen:
        found.problems.append("the head that was kept elsewhere is not in this ledger: it was rewritten or cut")
    return found


def _seal_of(entry: LedgerEntry) -> Seal:
    return Seal(
        entry.stream, entry.form, entry.after_id, entry.last_id, entry.count, entry.digest, entry.since, entry.until
    )


def _rows(seal: Seal, found: Verified) -> None:
    where = f"{seal.stream} {seal.after + 1} to {seal.last}"
    if seal.form not in FORMS:
        found.problems.append(f"{where}: sealed by a newer version of Tocsin (form {seal.form})")
        return
    now = sealed(seal.stream, seal.form, seal.after, seal.last)
    found.rows += now.count
    if now.digest == seal.digest and now.count == seal.count:
        return
    if now.count < seal.count and _may_be_pruned(seal):
        found.pruned += seal.count - now.count
    elif now.count != seal.count:
        found.problems.append(f"{where}: {now.count} rows, {seal.count} were sealed")
    else:
        found.problems.append(f"{where}: something in these {seal.count} rows was changed")


def _may_be_pruned(seal: Seal) -> bool:
    """Whether some of the rows may be gone because they were too old to be kept."""
    if seal.stream != "signals" or not seal.since:
        return False
    kept = clock.now() - timedelta(days=settings.TOCSIN.signal_days) + SLACK
    return datetime.fromisoformat(seal.since) < kept
