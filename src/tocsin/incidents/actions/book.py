"""The book: how incidents are written. One writer for the row and its timeline, in bulk, in one transaction.

``use_book()`` opens a transaction and a book, or joins the one that is open: triage, escalation and a person's verb
that follow from one another write into the same book, and it goes to the database once, at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from django.db import connection, transaction

from tocsin.incidents import rules
from tocsin.platform import bulk, clock, events
from tocsin.platform.actor import Actor

TABLE = "incidents_incident"
_COLUMNS = [field.name for field in fields(rules.State)]
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM {TABLE} WHERE id = ANY(%s) ORDER BY id FOR UPDATE"  # noqa: S608 - constants
# what a change may touch, with PostgreSQL's types; ``id`` first
_UPDATE = {
    "id": "bigint", "title": "text", "state": "text", "impact": "text", "urgency": "text", "priority": "text",
    "severity": "text", "priority_reason": "text", "generation": "int", "acks_needed": "int", "version": "int",
    "seq": "int", "head": "text",
    "group_key": "text", "group_until": "timestamptz", "alert_count": "int", "open_alert_count": "int",
    "suppressed_by": "text", "merged_into_id": "bigint", "acknowledged_by_id": "bigint",
    "acknowledged_at": "timestamptz", "resolved_at": "timestamptz", "snoozed_until": "timestamptz",
    "updated_at": "timestamptz", "confidential": "boolean",
}  # fmt: skip
_ENTRY = [
    "incident_id", "seq", "at", "kind", "actor_kind", "actor_id", "actor_name", "data", "previous", "hash",
]  # fmt: skip

_whole = attrgetter(*_COLUMNS)
_changed = attrgetter(*_UPDATE)
_fixed = attrgetter(*_ENTRY[:7])


class Book:
    """The incidents that one transaction touches. All times are ``now``, the transaction's moment."""

    def __init__(self, now: datetime, config: int) -> None:
        self.now = now
        self.config = config  # the configuration's version, for platform.remember
        self._states: dict[int, rules.State] = {}
        self._new: set[int] = set()
        self._touched: dict[int, None] = {}
        self._entries: list[rules.Entry] = []

    def lock(self, ids: Sequence[int]) -> dict[int, rules.State]:
        """The incidents of these ids, locked until the end of the transaction; unknown ids are left out.

        Locks are taken in order of id, so that two transactions cannot wait for each other.
        """
        missing = sorted({key for key in ids if key not in self._states})
        if missing:
            with connection.cursor() as cursor:
                cursor.execute(_SELECT, [missing])
                for row in cursor.fetchall():
                    state = rules.State(**dict(zip(_COLUMNS, row, strict=True)))
                    self._states[state.id] = state
        return {key: self._states[key] for key in ids if key in self._states}

    def add(self, states: Sequence[rules.State]) -> None:
        """New incidents, whose ids were taken with ``bulk.next_ids``."""
        for state in states:
            self._states[state.id] = state
            self._new.add(state.id)
            self._touched[state.id] = None

    def touch(self, state: rules.State) -> None:
        """The incident was changed without an entry worth reading (a counter)."""
        self._touched[state.id] = None

    def write(self, state: rules.State, kind: str, actor: Actor, data: Mapping[str, object] | None = None) -> None:
        """Append to the incident's timeline."""
        entry = rules.chained(state, self.now, kind, (actor.kind, actor.id, actor.name), data or {})
        self._entries.append(entry)
        self._touched[state.id] = None

    def flush(self) -> None:
        """Bring what was written so far to the database and tell open pages.

        ``use_book`` does it at the end; whoever lets SQL compare with an incident's row does it before.
        """
        touched = [self._states[key] for key in self._touched]
        entries, new = self._entries, self._new
        self._touched, self._entries, self._new = {}, [], set()
        for state in touched:
            state.version += 1
            state.updated_at = self.now
        # what was resolved gives its group key back before a new incident takes it
        bulk.update_rows(
            TABLE,
            _UPDATE,
            [_changed(state) for state in touched if state.id not in new],
        )
        if new:
            bulk.copy_rows(TABLE, _COLUMNS, [_whole(state) for state in touched if state.id in new])
        if entries:
            bulk.copy_rows(
                "incidents_timeline_entry",
                _ENTRY,
                [(*_fixed(entry), rules.canonical(entry.data), entry.previous, entry.hash) for entry in entries],
            )
        # of a confidential one open pages hear only that something changed, not what
        events.changed("incident", {0 if one.confidential else one.id: one.version for one in touched})


_current: ContextVar[Book | None] = ContextVar("incidents_book", default=None)


@contextmanager
def use_book() -> Iterator[Book]:
    """The open book, or a new one in a new transaction that is flushed and committed at the end."""
    book = _current.get()
    if book is not None:
        yield book
        return
    with transaction.atomic():
        book = Book(*clock.reading())
        token = _current.set(book)
        try:
            yield book
            book.flush()
        finally:
            _current.reset(token)
