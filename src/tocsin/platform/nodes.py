"""The processes of an installation: each reports that it lives, and engines share the work by who lives."""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from tocsin import __version__
from tocsin.platform import clock
from tocsin.platform.models import Node

ALIVE = timedelta(seconds=6)  # a process reports every two seconds
BUCKETS = 64


@lru_cache(maxsize=4)
def own_id(kind: str) -> str:
    """This process's name among the others."""
    return f"{kind}-{socket.gethostname()[:60]}-{os.getpid()}"


def report(kind: str, facts: Mapping[str, object] | None = None) -> None:
    """Say that this process lives. ``kind``: ``web``, ``engine``, ``mail`` or ``syslog``; ``facts``: for Health."""
    now = clock.now()
    seen = Node.objects.filter(pk=own_id(kind)).update(seen_at=now, facts=dict(facts or {}))
    if not seen:
        Node.objects.create(
            id=own_id(kind),
            kind=kind,
            host=socket.gethostname()[:200],
            pid=os.getpid(),
            version=__version__,
            started_at=now,
            seen_at=now,
            facts=dict(facts or {}),
        )


def leave(kind: str) -> None:
    """Say that this process ends; the others take over its work at once."""
    Node.objects.filter(pk=own_id(kind)).delete()


def alive(kind: str) -> list[str]:
    """Names of the living processes of a kind, in an order that all of them see alike."""
    since = clock.now() - ALIVE
    return sorted(Node.objects.filter(kind=kind, seen_at__gt=since).values_list("pk", flat=True))


def summed(kind: str) -> dict[str, int]:
    """What the living processes of a kind report in numbers, added up; ``listeners``: how many there are."""
    rows = list(Node.objects.filter(pk__in=alive(kind)).values_list("facts", flat=True))
    names = {name for facts in rows for name, value in facts.items() if isinstance(value, int)}
    return {name: sum(facts.get(name, 0) for facts in rows) for name in names} | {"listeners": len(rows)}


def forget() -> int:
    """Forget processes that have been gone for a day. Returns how many."""
    return Node.objects.filter(seen_at__lt=clock.now() - timedelta(days=1)).delete()[0]


def own_buckets(kind: str) -> list[int] | None:
    """The buckets of work that this process takes: an equal share, all (None) when it is alone.

    Two processes may for a moment disagree about who lives and reach for the same bucket: whoever uses buckets must be
    correct then, only slower.
    """
    names = alive(kind)
    if names in ([], [own_id(kind)]) or own_id(kind) not in names:
        return None
    place = names.index(own_id(kind))
    return [bucket for bucket in range(BUCKETS) if bucket % len(names) == place]
