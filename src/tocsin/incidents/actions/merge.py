"""Making one incident out of several."""

from collections.abc import Sequence

from tocsin.incidents import rules
from tocsin.incidents.actions.book import use_book
from tocsin.incidents.actions.each import Done, lock_readable
from tocsin.people.rules import Deed, require
from tocsin.platform import events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound


def merge(target_id: int, source_ids: Sequence[int], *, actor: Actor) -> Done:
    """Move the alerts of open incidents to ``target_id``, which must be open, and resolve the emptied ones.

    The alerts themselves are moved by the reaction to ``IncidentsMerged``, in this transaction.
    """
    require(actor, Deed.RESPOND)
    sources = [key for key in dict.fromkeys(source_ids) if key != target_id]
    if not sources:
        raise Invalid("Nothing to merge.", {"source_ids": "must name at least one other incident"})
    done = Done()
    with use_book() as book:
        found = lock_readable(book, [target_id, *sources], actor)
        target = found.get(target_id)
        if target is None:
            raise NotFound(f"There is no incident INC-{target_id}.")
        if not target.open:
            raise Conflict(f"INC-{target_id} is {target.state}; incidents can only be merged into an open one.")
        for key in sources:
            source = found.get(key)
            if source is None:
                done.skipped[key] = "there is no such incident"
                continue
            if not source.open:
                done.skipped[key] = f"it is already {source.state}"
                continue
            if source.confidential and not target.confidential:
                done.skipped[key] = f"it is confidential and INC-{target_id} is not; make that one confidential first"
                continue
            rules.resolve(source, book.now)
            source.merged_into_id = target_id
            source.group_key = None
            target.alert_count += source.alert_count
            target.open_alert_count += source.open_alert_count
            target.severity = rules.worst([target.severity, source.severity])
            book.write(source, "merged", actor, {"into": target_id})
            done.changed.append(key)
        if done.changed:
            book.write(target, "absorbed", actor, {"incidents": done.changed})
            events.publish([rules.IncidentsMerged(target_id, tuple(done.changed))])
    return done
