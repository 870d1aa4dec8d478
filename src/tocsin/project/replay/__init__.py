"""Replay: stored signals through a changed configuration, and what would have been different.

The changed configuration is read in a transaction that is taken back, as a plan is: it is really there while it is
read, and nothing of it stays. The signals are played afterwards, when nothing is locked any more.
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
from tocsin.triage import queries as triage

MAX_DAYS = 400


@dataclass(frozen=True)
class Replayed:
    """A replay and what it compared. ``signals``: how many were played, twice."""

    since: datetime
    until: datetime
    signals: int
    difference: Difference
    services: dict[int, str]
    readable: frozenset[int]  # of the signals compared, those that may be told to whoever asked

    def to_json(self) -> dict[str, Any]:
        found = self.difference.to_json()
        for part in ("missed", "new", "later", "earlier"):
            for row in found[part]["items"]:
                row["service"] = self.services.get(row.pop("service_id"), "")
                if row["signal"] not in self.readable:
                    row["service"], row["title"] = "", "Confidential"
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
    names = dict(Service.objects.values_list("pk", "name"))
    configurations = [loading.configuration(begin, until)]
    if files:

        def look() -> None:
            names.update(Service.objects.values_list("pk", "name"))
            configurations.append(loading.configuration(begin, until))

        planning.look(files, actor=actor, prune=prune, at=look)
    recorded = loading.recording(begin, until)
    runs = [Replay(one, recorded, until).run(progress) for one in configurations]
    zones = dict(User.objects.values_list("pk", "zone"))
    found = compare(runs[0], runs[-1], zones)
    compared = {one.signal_id for part in (found.missed, found.new, found.later, found.earlier) for one in part}
    readable = frozenset(triage.signals(actor).filter(pk__in=compared).values_list("pk", flat=True))
    return Replayed(begin, until, loading.count(begin, until), found, names, readable)


def task(value: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """``replay`` for a process apart: ``files`` (name, text), ``since_s`` seconds, ``prune``."""
    files = [File(one["name"], one["text"]) for one in value["files"]]
    since = timedelta(seconds=value["since_s"])
    return replay(files, since=since, actor=actor, prune=value["prune"]).to_json()
