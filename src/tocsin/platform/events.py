"""What happened, told to whoever reacts: in the same transaction, in the order that ``project/reactions.py`` gives.

An event is a frozen dataclass in the ``rules`` of the room where it happens. Rooms publish; only the recipe book in
``project/reactions.py`` knows who reacts.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string


class Event(Protocol):
    """Anything that happened; a frozen dataclass."""


@lru_cache(maxsize=1)
def _react() -> "React":
    react: React = import_string(settings.TOCSIN_REACTIONS)
    return react


class React(Protocol):
    def __call__(self, events: Sequence[object]) -> None: ...


def publish(events: Sequence[object]) -> None:
    """Run the reactions to these events now; must be called inside the transaction that made them true."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("publish() outside a transaction: an event must commit together with what it tells")
    if events:
        _react()(events)


def wake(topic: str) -> None:
    """Tell all engines, when this transaction commits, that there is work of this topic.

    Topics: ``triage``, ``escalation``, ``delivery``, ``mail``, ``history``, ``imports``, ``clock``.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('tocsin_wake', %s)", [topic])


def changed(kind: str, versions: dict[int, int]) -> None:
    """Tell open pages, when this transaction commits, that things are at new versions.

    ``kind`` is the glossary's word (``incident``); ``versions`` maps ids to versions. Many changes at once become a
    single "look again" (id 0), because a notification holds at most 8,000 bytes.
    """
    if not versions:
        return
    items = list(versions.items()) if len(versions) <= 50 else [(0, 0)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('tocsin_live', payload) FROM unnest(%s::text[]) AS payload",
            [[f"{kind}:{key}:{version}" for key, version in items]],
        )
