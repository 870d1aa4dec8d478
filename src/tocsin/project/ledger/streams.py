"""What the ledger seals: append-only tables, and which of their columns never change. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tocsin.incidents.rules import canonical

CHUNK = 10_000  # most rows that one entry seals


@dataclass(frozen=True, slots=True)
class Stream:
    """A table of the ledger. ``columns`` are SQL; moments as microseconds, so that no session's zone matters.

    ``only``: SQL, which of its rows; the canary's are taken away when it has arrived, and are not sealed. A row that is
    made the canary's afterwards is missing from its seal.
    """

    table: str
    at: str
    columns: tuple[str, ...]
    only: str = "true"

    @property
    def row(self) -> str:
        """SQL: a row as one text that is the same for ever."""
        return f"jsonb_build_array({', '.join(self.columns)})::text"


def _moment(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


_FIRST = {
    "signals": Stream(
        "triage_signal",
        "received_at",
        ("id", "source_id", "action", "dedup_key", "severity", "title", "data", _moment("received_at"),
         _moment("decided_at"), "outcome", "rule", "reason", "service_id", "alert_id", "incident_id"),
    ),
    # without the person, whose row may be taken away; the reason names whom it was for
    "pages": Stream(
        "escalation_page",
        "at",
        ("id", "incident_id", "run_id", "generation", "step", "loop", "urgency", _moment("at"), "reason"),
    ),
    "attempts": Stream(
        "delivery_attempt",
        "started_at",
        ("id", "delivery_id", "number", _moment("started_at"), _moment("ended_at"), "outcome", "detail",
         "provider_ref"),
    ),
    "timeline": Stream("incidents_timeline_entry", "at", ("id", "incident_id", "seq", "hash")),
    "audit": Stream(
        "platform_audit",
        "at",
        ("id", _moment("at"), "actor_kind", "actor_id", "actor_name", "verb", "kind", "object_id", "name",
         "before", "after"),
    ),
}  # fmt: skip
_REAL = {
    "signals": "source_id > 0",
    "pages": "incident_id > 0",
    "attempts": "delivery_id > 0",
    "timeline": "incident_id > 0",
}

# history from elsewhere: a rollback takes it away again, so no seal holds it; its own chain does
_OWN = _REAL | {"timeline": "incident_id > 0 AND actor_kind <> 'import'"}

# Other columns or other rows are another form: entries of an older form are verified by theirs.
FORMS: Mapping[int, Mapping[str, Stream]] = {
    1: _FIRST,
    2: {name: replace(stream, only=_REAL.get(name, "true")) for name, stream in _FIRST.items()},
    3: {name: replace(stream, only=_OWN.get(name, "true")) for name, stream in _FIRST.items()},
}
FORM = max(FORMS)


@dataclass(frozen=True, slots=True)
class Seal:
    """What an entry says: the rows of a stream above ``after`` up to ``last``, how many, and their digest."""

    stream: str
    form: int
    after: int
    last: int
    count: int
    digest: str
    since: str
    until: str

    def hash(self, previous: str) -> str:
        """SHA-256, hex, over the entry before and this one's facts as canonical JSON."""
        facts = [self.stream, self.form, self.after, self.last, self.count, self.digest, self.since, self.until]
        return hashlib.sha256(f"{previous}\n{canonical(facts)}".encode()).hexdigest()
