"""Replay: stored signals through a changed configuration, and what would have been different.

``replay`` runs in a transaction that is taken back, as a plan does: the changed configuration is really there while
the second run reads it, and nothing of it stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tocsin.catalogue.models import Service
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid
from tocsin.project.config import planning
from tocsin.project.config.reading import File
from tocsin.project.replay import loading
from tocsin.project.replay.comparing import Difference, compare
from tocsin.project.replay.machine import Replay

MAX_DAYS = 400


@dataclass(frozen=True)
class Replayed:
    """A replay and what it compared. ``signals``: how many were played, twice."""

    since: datetime
    until: datetime
    signals: int
    difference: Difference
    services: dict[int, str]

    def to_json(self) -> dict[str, Any]:
        found = self.difference.to_json()
        for part in ("missed", "new", "later", "earlier"):
            for row in found[part]["items"]:
                row["service"] = self.services.get(row.pop("service_id"), "")
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "signals": self.signals,
            **found,
        }


def replay(
    files: Sequence[File],
    *,
    since: timedelta,
    actor: Actor,
    prune: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Play the signals of the last ``since`` through the configuration as it is, and as these files would make it.

    Raises Forbidden, Invalid (``since``, and what a plan raises of the files).
    """
    require(actor, Deed.READ)
    if not timedelta(minutes=1) <= since <= timedelta(days=MAX_DAYS):
        raise Invalid("This cannot be replayed.", {"since": f"1 minute to {MAX_DAYS} days"})
    until = clock.now()
    begin = until - since
    recorded = loading.recording(begin, until)
    before = Replay(loading.configuration(begin, until), recorded, until).run(progress)
    names = dict(Service.objects.values_list("pk", "name"))
    after = before
    if files:
        runs = []

        def look() -> None:
            names.update(Service.objects.values_list("pk", "name"))
            runs.append(Replay(loading.configuration(begin, until), recorded, until).run(progress))

        planning.look(files, actor=actor, prune=prune, at=look)
        after = runs[0]
    zones = dict(User.objects.values_list("pk", "zone"))
    return Replayed(begin, until, loading.count(begin, until), compare(before, after, zones), names)
