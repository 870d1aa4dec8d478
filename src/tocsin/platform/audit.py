"""The record of who changed what in the configuration."""

from collections.abc import Mapping, Sequence

from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.models import AuditEntry

Facts = Mapping[str, object]


def record(
    actor: Actor,
    verb: str,
    kind: str,
    object_id: int | str,
    name: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Write one audit entry, in the caller's transaction.

    ``verb`` in the past tense (``created``), ``kind`` the glossary's word, ``before`` and ``after`` JSON-able facts.
    Secrets must be left out by the caller; of two given mappings only what differs is kept.
    """
    if before is not None and after is not None:
        differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        before = {key: before[key] for key in sorted(differing) if key in before}
        after = {key: after[key] for key in sorted(differing) if key in after}
    AuditEntry.objects.create(
        at=clock.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:200],
        verb=verb,
        kind=kind,
        object_id=str(object_id),
        name=name[:300],
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
    )
    clock.configuration_changed()


def record_many(actor: Actor, verb: str, kind: str, things: Sequence[tuple[int | str, str, Facts]]) -> None:
    """Write an entry for each of many things that were made: (id, name, facts after). As ``record``, at once."""
    at = clock.now()
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                at=at,
                actor_kind=actor.kind,
                actor_id=actor.id,
                actor_name=actor.name[:200],
                verb=verb,
                kind=kind,
                object_id=str(object_id),
                name=name[:300],
                before=None,
                after=dict(after),
            )
            for object_id, name, after in things
        ],
        batch_size=1000,
    )
    if things:
        clock.configuration_changed()
