"""Decisions about incidents: states, priority, generations, and the chain that makes the timeline tamper-evident.

Pure: plain values in, plain values out.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from tocsin.people.rules import Deed, may
from tocsin.platform.actor import Actor

STATES = ("triggered", "acknowledged", "mitigated", "resolved", "closed")
OPEN = frozenset({"triggered", "acknowledged", "mitigated"})
LEVELS = ("high", "medium", "low")
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
SEVERITIES = ("critical", "error", "warning", "info")

# impact x urgency -> priority; the usual three-by-three of ISO/IEC 20000-1 practice, editable per organisation
MATRIX: Mapping[str, Mapping[str, str]] = {
    "high": {"high": "P1", "medium": "P2", "low": "P3"},
    "medium": {"high": "P2", "medium": "P3", "low": "P4"},
    "low": {"high": "P3", "medium": "P4", "low": "P5"},
}
URGENCY_OF_SEVERITY = {"critical": "high", "error": "medium", "warning": "low", "info": "low"}


# --- what happened (see project/reactions.py for what follows) ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class IncidentsOpened:
    """These incidents are new and nobody answers for them yet. ``to``: whom they were given to from the start."""

    ids: tuple[int, ...]
    to: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentsAcknowledged:
    """Somebody answers for these incidents; nobody else is to be woken for them."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IncidentsPartlyAcknowledged:
    """A person acknowledged these incidents, and more people have to; that person is not to be asked again."""

    ids: tuple[int, ...]
    user_id: int


@dataclass(frozen=True, slots=True)
class IncidentsReopened:
    """Nobody answers for these incidents any more: taken back, timed out, snoozed out or resolved too early."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IncidentsResolved:
    """These incidents are over. ``by_person`` says whether a person ended them rather than their alerts."""

    ids: tuple[int, ...]
    by_person: bool


@dataclass(frozen=True, slots=True)
class IncidentsReassigned:
    """These incidents were given to named people, who are to be paged now."""

    ids: tuple[int, ...]
    user_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IncidentsSnoozed:
    """These incidents rest until the moment given, then page again unless they are over."""

    ids: tuple[int, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class UrgencyRaised:
    """These triggered incidents came to page loudly where they paged quietly before."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PriorityRaised:
    """These open incidents came to matter more than before."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IncidentsMerged:
    """The alerts of these incidents belong to another one now."""

    into: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IncidentsMadeConfidential:
    """The details of these incidents are for their readers only from now on."""

    ids: tuple[int, ...]


# --- who may read -------------------------------------------------------------------------------------------------


def reads_everything(actor: Actor) -> bool:
    """Whether confidential incidents are open to this actor without being listed as a reader of each.

    Administrators, unless a token narrows them, Tocsin itself, and sources, whose signals the incidents are made of.
    """
    return actor.kind in ("system", "source") or may(actor, Deed.ADMINISTER)


def public_title(incident_id: int) -> str:
    """What anybody may hear a confidential incident called."""
    return f"Confidential incident INC-{incident_id}"


# --- priority -----------------------------------------------------------------------------------------------------


def impact_of_tier(tier: int) -> str:
    """Impact of an incident on a service of this tier when nothing says otherwise: 1 high, 2 and 3 medium, 4 low."""
    return {1: "high", 4: "low"}.get(tier, "medium")


def priority_of(impact: str, urgency: str, matrix: Mapping[str, Mapping[str, str]] = MATRIX) -> str:
    """The priority that the matrix gives, P1 to P5."""
    return matrix[impact][urgency]


def worst(severities: list[str]) -> str:
    """The worst of these severities; ``info`` when there are none."""
    return min(severities, key=SEVERITIES.index, default="info")


def matrix_problems(matrix: object) -> dict[str, str]:
    """What is wrong with a matrix that somebody wants to save, by field; empty when it is right."""
    problems = {}
    for impact in LEVELS:
        row = matrix.get(impact) if isinstance(matrix, Mapping) else None
        for urgency in LEVELS:
            value = row.get(urgency) if isinstance(row, Mapping) else None
            if value not in PRIORITIES:
                problems[f"{impact}.{urgency}"] = f"must be one of {', '.join(PRIORITIES)}"
        for name in row if isinstance(row, Mapping) else ():
            if name not in LEVELS:
                problems[f"{impact}.{name}"] = f"is no urgency; they are {', '.join(LEVELS)}"
    for name in matrix if isinstance(matrix, Mapping) else ():
        if name not in LEVELS:
            problems[str(name)] = f"is no impact; they are {', '.join(LEVELS)}"
    return problems


# --- state --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class State:
    """An incident as the rules see it; a projection of its timeline."""

    id: int
    service_id: int
    title: str
    state: str
    impact: str
    urgency: str
    priority: str
    severity: str
    opened_at: datetime
    updated_at: datetime
    priority_reason: str = ""
    generation: int = 1
    acks_needed: int = 1
    version: int = 0
    seq: int = 0
    head: str = ""
    group_key: str | None = None
    group_until: datetime | None = None
    alert_count: int = 0
    open_alert_count: int = 0
    suppressed_by: str = ""
    drill: bool = False
    merged_into_id: int | None = None
    declared_by_id: int | None = None
    acknowledged_by_id: int | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    snoozed_until: datetime | None = None
    confidential: bool = False
    imported: bool = False

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def said(self) -> str:
        """Its title where people may hear of it who may not read it."""
        return public_title(self.id) if self.confidential else self.title


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing to do, and why, in words for the person who asked."""

    why: str


@dataclass(frozen=True, slots=True)
class Partly:
    """An acknowledgement that counts, but more people have to acknowledge: ``given`` of ``needed``."""

    given: int
    needed: int

    @property
    def words(self) -> str:
        more = self.needed - self.given
        return f"{self.given} of {self.needed} acknowledgements; {more} more {'is' if more == 1 else 'are'} needed"


def renew(incident: State) -> None:
    """Who must know has changed: pages of older generations stop, and acknowledgements are counted anew."""
    incident.generation += 1
    incident.acks_needed = 1


def acknowledge(
    incident: State, now: datetime, user_id: int | None, given: Collection[int] = ()
) -> Skip | Partly | None:
    """A person, or the source, answers for the incident: older pages stop.

    ``given``: who has acknowledged in this generation already, where several people have to. The word of a source
    counts for everybody.
    """
    if incident.state not in ("triggered", "acknowledged", "mitigated"):
        return Skip(f"it is already {incident.state}")
    if incident.state != "triggered" and incident.snoozed_until is None:
        return Skip(f"it is already {incident.state}")
    if incident.state == "triggered" and user_id is not None:
        if user_id in given:
            return Skip(f"you have acknowledged it already: {Partly(len(given), incident.acks_needed).words}")
        if len(given) + 1 < incident.acks_needed:
            return Partly(len(given) + 1, incident.acks_needed)
    incident.state = "acknowledged"
    renew(incident)
    incident.acknowledged_by_id = user_id
    incident.acknowledged_at = incident.acknowledged_at or now
    incident.snoozed_until = None
    return None


def unacknowledge(incident: State) -> Skip | None:
    """Nobody answers for it any more: it pages again under a new generation."""
    if incident.state not in ("acknowledged", "mitigated"):
        return Skip(f"it is {incident.state}, not acknowledged")
    incident.state = "triggered"
    renew(incident)
    incident.acknowledged_by_id = None
    incident.snoozed_until = None
    return None


def mitigate(incident: State, now: datetime, user_id: int | None) -> Skip | None:
    """The harm is held off, the cause not yet removed."""
    if incident.state not in ("triggered", "acknowledged"):
        return Skip(f"it is already {incident.state}")
    if incident.state == "triggered":
        incident.acknowledged_by_id = user_id
        incident.acknowledged_at = incident.acknowledged_at or now
    incident.state = "mitigated"
    renew(incident)
    incident.snoozed_until = None
    return None


def resolve(incident: State, now: datetime) -> Skip | None:
    """It is over. Its group key is free again for the next one."""
    if not incident.open:
        return Skip(f"it is already {incident.state}")
    incident.state = "resolved"
    renew(incident)
    incident.resolved_at = now
    incident.snoozed_until = None
    return None


def close(incident: State) -> Skip | None:
    """Nothing more is expected of anybody."""
    if incident.state != "resolved":
        return Skip(f"it is {incident.state}; only a resolved incident can be closed")
    incident.state = "closed"
    return None


def reopen(incident: State) -> Skip | None:
    """It was not over after all."""
    if incident.open:
        return Skip(f"it is {incident.state}, not resolved")
    if incident.imported:
        return Skip("it is imported history, which is not reopened; declare a new one")
    if incident.merged_into_id:
        return Skip(f"it was merged into INC-{incident.merged_into_id}; reopen that one")
    incident.state = "triggered"
    renew(incident)
    incident.resolved_at = None
    incident.acknowledged_by_id = None
    return None


def snooze(incident: State, now: datetime, until: datetime, user_id: int | None) -> Skip | None:
    """Acknowledged until a moment, then triggered again. At most seven days, as people expect of a pager."""
    if not incident.open:
        return Skip(f"it is already {incident.state}")
    if incident.state == "triggered" or incident.acknowledged_by_id is None:
        incident.acknowledged_by_id = user_id
        incident.acknowledged_at = incident.acknowledged_at or now
    incident.state = "acknowledged"
    renew(incident)
    incident.snoozed_until = until
    return None


def pages_loudly(priority: str) -> bool:
    """Whether pages of this priority are urgent: P1 to P3."""
    return priority in ("P1", "P2", "P3")


# --- timeline -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Entry:
    """One thing that happened to an incident, chained to the one before."""

    incident_id: int
    seq: int
    at: datetime
    kind: str
    actor_kind: str
    actor_id: int | None
    actor_name: str
    data: Mapping[str, object]
    previous: str
    hash: str = field(default="")


_canonical = msgspec.json.Encoder(order="sorted")


def canonical(data: object) -> str:
    """JSON with sorted keys and no blanks: the same facts always give the same text."""
    return _canonical.encode(data).decode()


@lru_cache(maxsize=256)
def _moment(at: datetime) -> str:
    """The one way to write a moment; thousands of entries of a storm share theirs."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def entry_hash(entry: Entry) -> str:
    """SHA-256, hex, over the previous entry's hash, a line of canonical JSON for who and when, and one for what."""
    facts = [
        entry.incident_id,
        entry.seq,
        _moment(entry.at),
        entry.kind,
        entry.actor_kind,
        entry.actor_id,
        entry.actor_name,
    ]
    return hashlib.sha256(f"{entry.previous}\n{canonical(facts)}\n{canonical(entry.data)}".encode()).hexdigest()


def chained(
    incident: State,
    at: datetime,
    kind: str,
    actor: tuple[str, int | None, str],
    data: Mapping[str, object],
) -> Entry:
    """The next entry of an incident's timeline; moves the incident's ``seq`` and ``head``."""
    entry = Entry(incident.id, incident.seq + 1, at, kind, actor[0], actor[1], actor[2], data, incident.head)
    entry.hash = entry_hash(entry)
    incident.seq = entry.seq
    incident.head = entry.hash
    return entry


def chain_problems(entries: list[Entry], head: str) -> list[str]:
    """What is wrong with a timeline, in sentences; empty when the chain holds and ends in ``head``."""
    problems, previous = [], ""
    for number, entry in enumerate(entries, start=1):
        if entry.seq != number:
            problems.append(f"entry {number} is missing: the next one found is {entry.seq}")
            break
        if entry.previous != previous:
            problems.append(f"entry {entry.seq} does not follow entry {entry.seq - 1}")
        if entry_hash(entry) != entry.hash:
            problems.append(f"entry {entry.seq} was changed after it was written")
        previous = entry.hash
    if not problems and previous != head:
        problems.append("entries are missing at the end")
    return problems
