"""What people do to single alerts of an incident by hand: end them, or move them to another incident."""

from collections.abc import Sequence

from tocsin.incidents import rules as incident_rules
from tocsin.incidents.actions import Book, lock_readable, use_book
from tocsin.people.rules import Deed, require
from tocsin.platform import events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, NotFound
from tocsin.triage.models import Alert


def end_alerts(incident_id: int, alert_ids: Sequence[int], *, actor: Actor) -> list[int]:
    """End open alerts of an incident; with its last open one the incident is resolved. Returns those that were open.

    Raises NotFound when the incident, or one of the alerts in it, is not there; Forbidden.
    """
    require(actor, Deed.RESPOND)
    with use_book() as book:
        state = _states(book, [incident_id], actor)[incident_id]
        found = _of(incident_id, alert_ids)
        ended = [alert for alert in found if alert.state == "open"]
        Alert.objects.filter(pk__in=[alert.pk for alert in ended]).update(
            state="resolved", resolved_at=book.now, held_by=None, flapping_until=None, expires_at=None
        )
        for alert in ended:
            book.write(state, "alert_resolved", actor, {"alert": alert.pk, "title": alert.title[:300]})
        state.open_alert_count = max(state.open_alert_count - len(ended), 0)
        if ended and state.open and not state.open_alert_count:
            incident_rules.resolve(state, book.now)
            book.write(state, "resolved", actor, {"note": "its last open alert was ended", "via": "api"})
            events.publish([incident_rules.IncidentsResolved((incident_id,), by_person=True)])
        if ended:
            events.changed("alert", {0: 0})
    return [alert.pk for alert in ended]


def give_alerts(incident_id: int, alert_ids: Sequence[int], into: int, *, actor: Actor) -> None:
    """Move alerts of an incident to another one, which must be open.

    Raises NotFound when an incident, or one of the alerts in the first, is not there; Conflict; Forbidden.
    """
    require(actor, Deed.RESPOND)
    with use_book() as book:
        states = _states(book, [incident_id, into], actor)
        source, target = states[incident_id], states[into]
        found = _of(incident_id, alert_ids)
        if source is target or not found:
            return
        if not target.open:
            raise Conflict(f"INC-{into} is {target.state}; alerts can only be moved to an open incident.")
        if source.confidential and not target.confidential:
            raise Conflict(
                f"INC-{incident_id} is confidential and INC-{into} is not; make that one confidential first."
            )
        Alert.objects.filter(pk__in=[alert.pk for alert in found]).update(incident_id=into)
        still_open = sum(alert.state == "open" for alert in found)
        source.alert_count = max(source.alert_count - len(found), 0)
        source.open_alert_count = max(source.open_alert_count - still_open, 0)
        target.alert_count += len(found)
        target.open_alert_count += still_open
        target.severity = incident_rules.worst([target.severity, *(alert.severity for alert in found)])
        for alert in found:
            told = {"alert": alert.pk, "title": alert.title[:300]}
            book.write(source, "alert_moved", actor, told | {"into": into})
            book.write(target, "alert_joined", actor, told | {"severity": alert.severity, "from": incident_id})
        events.changed("alert", {0: 0})


def _states(book: Book, ids: Sequence[int], actor: Actor) -> dict[int, incident_rules.State]:
    found = lock_readable(book, ids, actor)
    for key in ids:
        if key not in found:
            raise NotFound(f"There is no incident INC-{key}.")
    return found


def _of(incident_id: int, alert_ids: Sequence[int]) -> list[Alert]:
    """These alerts, locked after their incident as everywhere."""
    wanted = list(dict.fromkeys(alert_ids))
    rows = Alert.objects.select_for_update().filter(pk__in=wanted, incident_id=incident_id).order_by("pk")
    found = {alert.pk: alert for alert in rows}
    for key in wanted:
        if key not in found:
            raise NotFound(f"There is no alert {key} in INC-{incident_id}.")
    return [found[key] for key in wanted]
