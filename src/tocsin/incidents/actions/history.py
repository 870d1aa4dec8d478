"""Writing incidents that were over elsewhere, and taking them away again. They page nobody: nothing is published.

Set-based: ids in advance, COPY in, one UPDATE for what a newer file changed. A number of a source is one incident; the
same facts again change nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from tocsin.catalogue.models import Service
from tocsin.incidents import rules
from tocsin.incidents.actions.book import TABLE
from tocsin.incidents.models import HistoryImport, Imported, ImportUpdate, Incident, TimelineEntry
from tocsin.incidents.past import ACTOR_KIND, Happened, PastIncident
from tocsin.people.rules import Deed, require
from tocsin.platform import bulk, clock
from tocsin.platform.actor import Actor

_COLUMNS = [field.name for field in fields(rules.State)]
_IMPORTED = [
    "incident_id", "run_id", "source", "number", "link", "closed_at", "resolved_known", "reopened", "reassigned",
    "facts", "fingerprint",
]  # fmt: skip
_ENTRY = [
    "incident_id", "seq", "at", "kind", "actor_kind", "actor_id", "actor_name", "data", "previous", "hash",
]  # fmt: skip
# what a newer file may change of an incident; all of it comes back with a rollback
_CHANGED = {
    "id": "bigint", "title": "text", "service_id": "bigint", "state": "text", "impact": "text", "urgency": "text",
    "priority": "text", "priority_reason": "text", "severity": "text", "acknowledged_by_id": "bigint",
    "opened_at": "timestamptz", "acknowledged_at": "timestamptz", "resolved_at": "timestamptz", "version": "int",
    "seq": "int", "head": "text", "updated_at": "timestamptz",
}  # fmt: skip
_TOLD = {
    "id": "bigint", "link": "text", "closed_at": "timestamptz", "resolved_known": "boolean", "reopened": "int",
    "reassigned": "int", "facts": "jsonb", "fingerprint": "text",
}  # fmt: skip
_MOMENTS = ("opened_at", "acknowledged_at", "resolved_at", "closed_at")
SEVERITY = {"P1": "critical", "P2": "critical", "P3": "error", "P4": "warning", "P5": "info"}


@dataclass(slots=True)
class Written:
    """What became of a portion: how many incidents are new, changed, as they were; entries on their timelines."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    entries: int = 0


def import_history(run_id: int, source: str, told: Sequence[PastIncident], *, actor: Actor) -> Written:
    """Write these incidents, each with its ``service_id``, in one transaction; numbers are unique among ``told``.

    The caller holds the source's lock: two runs never write the same source at once. Raises Forbidden.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        now = clock.now()
        known = {
            row.number: row for row in Imported.objects.filter(source=source, number__in=[past.number for past in told])
        }
        new = [past for past in told if past.number not in known]
        changed = [past for past in told if past.number in known and known[past.number].fingerprint != past.fingerprint]
        entries = _create(run_id, source, new, actor, now)
        entries += _update(run_id, source, changed, known, actor, now)
        return Written(len(new), len(changed), len(told) - len(new) - len(changed), entries)


def fingerprints(source: str, numbers: Sequence[str]) -> dict[str, str]:
    """What is kept of these numbers already, to foretell what would change; number -> fingerprint."""
    return dict(Imported.objects.filter(source=source, number__in=list(numbers)).values_list("number", "fingerprint"))


def _create(run_id: int, source: str, told: Sequence[PastIncident], actor: Actor, now: datetime) -> int:
    states, imported, entries, assignees = [], [], [], []
    services = {past.service_id for past in told}
    secret = set(Service.objects.filter(pk__in=services, confidential=True).values_list("pk", flat=True))
    for key, past in zip(bulk.next_ids(TABLE, len(told)), told, strict=True):
        state = rules.State(
            id=key, service_id=past.service_id, title=past.title, state=past.state, impact=past.impact,
            urgency=past.urgency, priority=past.priority, severity=SEVERITY[past.priority], opened_at=past.opened_at,
            updated_at=now, priority_reason=past.priority_reason, version=1, acknowledged_by_id=past.acknowledged_by_id,
            acknowledged_at=past.acknowledged_at, resolved_at=past.resolved_at, imported=True,
            confidential=past.service_id in secret,
        )  # fmt: skip
        entries += _entries(state, source, past.happened)
        entries.append(_marked(state, "imported", past, source, run_id, actor, now))
        states.append(tuple(getattr(state, name) for name in _COLUMNS))
        imported.append(_row(key, run_id, source, past))
        if past.assignee_id is not None:
            assignees.append((key, past.assignee_id))
    bulk.copy_rows(TABLE, _COLUMNS, states)
    bulk.copy_rows("incidents_imported", _IMPORTED, imported)
    bulk.copy_rows("incidents_timeline_entry", _ENTRY, [_written(entry) for entry in entries])
    bulk.copy_rows("incidents_incident_assignees", ["incident_id", "user_id"], assignees)
    return len(entries)


def _update(
    run_id: int,
    source: str,
    told: Sequence[PastIncident],
    known: Mapping[str, Imported],
    actor: Actor,
    now: datetime,
) -> int:
    """Change what a newer file tells otherwise; what is on a timeline stays there, and what is newer follows."""
    if not told:
        return 0
    ids = sorted(known[past.number].incident_id for past in told)
    rows = {row.pk: row for row in Incident.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    ends = _ends(ids)
    done = set(ImportUpdate.objects.filter(run_id=run_id, incident_id__in=ids).values_list("incident_id", flat=True))
    incidents, imported, updates, entries = [], [], [], []
    for past in told:
        before = known[past.number]
        row = rows[before.incident_id]
        kept = _kept(row, before)
        state = rules.State(
            id=row.pk, service_id=past.service_id, title=past.title, state=past.state, impact=past.impact,
            urgency=past.urgency, priority=past.priority, severity=SEVERITY[past.priority], opened_at=past.opened_at,
            updated_at=now, seq=row.seq, head=row.head,
        )  # fmt: skip
        newer = [one for one in past.happened if one.kind != "opened" and one.at > ends[row.pk]]
        entries += _entries(state, source, newer)
        entries.append(_marked(state, "import_updated", past, source, run_id, actor, now))
        incidents.append(
            (row.pk, past.title, past.service_id, past.state, past.impact, past.urgency, past.priority,
             past.priority_reason, state.severity, past.acknowledged_by_id, past.opened_at, past.acknowledged_at,
             past.resolved_at, row.version + 1, state.seq, state.head, now)
        )  # fmt: skip
        imported.append(
            (row.pk, past.link, past.closed_at, past.resolved_known, past.reopened, past.reassigned,
             rules.canonical(past.facts), past.fingerprint)
        )  # fmt: skip
        if row.pk not in done:
            updates.append((run_id, row.pk, rules.canonical(kept), state.seq))
    bulk.update_rows(TABLE, _CHANGED, incidents)
    _set_told(imported)
    bulk.copy_rows("incidents_import_update", ["run_id", "incident_id", "before", "seq"], updates)
    bulk.copy_rows("incidents_timeline_entry", _ENTRY, [_written(entry) for entry in entries])
    return len(entries)


def _set_told(rows: Sequence[Sequence[object]]) -> None:
    """``bulk.update_rows`` for the table whose key is the incident."""
    if not rows:
        return
    names = list(_TOLD)[1:]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE incidents_imported SET {', '.join(f'{name} = v.{name}' for name in names)}"  # noqa: S608 - constants
            f" FROM unnest({', '.join(f'%s::{kind}[]' for kind in _TOLD.values())}) AS v(id, {', '.join(names)})"
            " WHERE incident_id = v.id",
            [list(values) for values in zip(*rows, strict=True)],
        )


def _ends(ids: Sequence[int]) -> dict[int, datetime]:
    """The newest moment that the timelines of these incidents tell of from a file."""
    # the marks of the imports themselves are of now, not of then
    rows = TimelineEntry.objects.filter(incident_id__in=ids, actor_kind=ACTOR_KIND).exclude(
        kind__in=["imported", "import_updated"]
    )
    return dict(rows.order_by().values_list("incident_id").annotate(last=Max("at")))


def _kept(row: Incident, told: Imported) -> dict[str, Any]:
    """What a rollback needs to bring the incident back."""
    kept: dict[str, Any] = {name: getattr(row, name) for name in _CHANGED if name not in ("id", "version")}
    return kept | {"told": {name: getattr(told, name) for name in _TOLD if name != "id"}}


def _row(key: int, run_id: int, source: str, past: PastIncident) -> tuple[object, ...]:
    return (
        key, run_id, source, past.number, past.link, past.closed_at, past.resolved_known, past.reopened,
        past.reassigned, rules.canonical(past.facts), past.fingerprint,
    )  # fmt: skip


def _entries(state: rules.State, source: str, happened: Sequence[Happened]) -> list[rules.Entry]:
    return [
        rules.chained(state, one.at, one.kind, (ACTOR_KIND, None, (one.who or source)[:200]), one.data)
        for one in happened
    ]


def _marked(
    state: rules.State, kind: str, past: PastIncident, source: str, run_id: int, actor: Actor, now: datetime
) -> rules.Entry:
    """The entry that says where all this comes from, and who brought it in."""
    data = {"source": source, "number": past.number, "link": past.link, "run": run_id, "by": actor.name}
    return rules.chained(state, now, kind, (ACTOR_KIND, actor.user_id, actor.name[:200]), data)


def _written(entry: rules.Entry) -> tuple[object, ...]:
    return (
        entry.incident_id, entry.seq, entry.at, entry.kind, entry.actor_kind, entry.actor_id, entry.actor_name,
        rules.canonical(entry.data), entry.previous, entry.hash,
    )  # fmt: skip


# --- taking a run away again ----------------------------------------------------------------------------------------

# what somebody did here to an imported incident keeps it: it is not the file's alone any more
_TOUCHED = """
SELECT DISTINCT incident_id FROM incidents_timeline_entry WHERE incident_id = ANY(%s) AND actor_kind <> 'import'
"""
_REMOVE = (
    "DELETE FROM incidents_import_update WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_imported WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_timeline_entry WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_reader WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_acknowledgement WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_incident_assignees WHERE incident_id = ANY(%s)",
    "DELETE FROM incidents_incident WHERE id = ANY(%s)",
)


@dataclass(slots=True)
class Removed:
    """What a rollback did with a portion; ``kept``: numbers of incidents that somebody has worked on here since."""

    removed: int
    restored: int
    kept: list[str]
    left: bool  # whether there may be more


def remove_history(run_id: int, portion: int, *, actor: Actor, after: int = 0) -> tuple[Removed, int]:
    """Take away up to ``portion`` incidents that a run made, above the id ``after``; and the last id looked at.

    When none is left, what the run changed of others goes back to what it was. Raises Forbidden.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        rows = Imported.objects.filter(run_id=run_id, incident_id__gt=after).order_by("incident_id")
        found = dict(rows.values_list("incident_id", "number")[:portion])
        if not found:
            restored, kept = _restore(run_id)
            return Removed(0, restored, kept, False), after
        ids = list(found)
        with connection.cursor() as cursor:
            cursor.execute(_TOUCHED, [ids])
            touched = {row[0] for row in cursor.fetchall()}
            gone = [key for key in ids if key not in touched]
            for statement in _REMOVE:
                cursor.execute(statement, [gone])
        return Removed(len(gone), 0, [found[key] for key in touched], True), ids[-1]


def _restore(run_id: int) -> tuple[int, list[str]]:
    """Bring back what a run changed, where nothing was added since; how many, and the numbers of the others."""
    restored, kept = 0, []
    for update in ImportUpdate.objects.filter(run_id=run_id).select_related("incident__imported_from"):
        row = Incident.objects.select_for_update().get(pk=update.incident_id)
        told = row.imported_from
        if row.seq != update.seq:
            kept.append(told.number)
            continue
        before = dict(update.before)
        for name, value in before.pop("told").items():
            setattr(told, name, datetime.fromisoformat(value) if name in _MOMENTS and value else value)
        for name, value in before.items():
            setattr(row, name, datetime.fromisoformat(value) if name in (*_MOMENTS, "updated_at") and value else value)
        TimelineEntry.objects.filter(incident_id=row.pk, seq__gt=row.seq).delete()
        row.version += 1
        row.save()
        told.save()
        update.delete()
        restored += 1
    return restored, kept


def forget_run(run_id: int, *, actor: Actor) -> None:
    """Remove a run of which nothing is left, with its file. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    HistoryImport.objects.filter(pk=run_id, imported=None).delete()
