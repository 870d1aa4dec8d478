"""What people, sources and Tocsin itself do to incidents."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tocsin.incidents import queries, rules
from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.declare import check_levels, matrix
from tocsin.incidents.actions.each import Done, each
from tocsin.incidents.actions.readers import let_in
from tocsin.incidents.models import Acknowledgement, Incident
from tocsin.people import queries as people
from tocsin.platform import events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid

SNOOZE_MAX = timedelta(days=7)


def acknowledge(ids: Sequence[int], *, actor: Actor, via: str = "web") -> Done:
    """Answer for incidents: pages of older generations stop in this transaction. ``via``: web, email ...

    Of an incident that several people have to acknowledge, only the last of them stops the pages of the others.
    """
    partly: dict[int, str] = {}

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        several = incident.acks_needed > 1
        given = queries.acknowledgers([(incident.id, incident.generation)]).get(incident.id, []) if several else ()
        generation = incident.generation
        found = rules.acknowledge(incident, book.now, actor.user_id, given)
        if isinstance(found, rules.Skip):
            return found
        if several and actor.user_id is not None:
            Acknowledgement.objects.create(
                incident_id=incident.id, generation=generation, user_id=actor.user_id, at=book.now
            )
        if isinstance(found, rules.Partly):
            partly[incident.id] = found.words
            book.write(
                incident, "partly_acknowledged", actor, {"via": via, "given": found.given, "needed": found.needed}
            )
        else:
            book.write(incident, "acknowledged", actor, {"via": via})
        return None

    with use_book():
        done = each(ids, actor, decide)
        done.partly = partly
        if partly and actor.user_id is not None:
            events.publish([rules.IncidentsPartlyAcknowledged(tuple(partly), actor.user_id)])
        if whole := tuple(key for key in done.changed if key not in partly):
            events.publish([rules.IncidentsAcknowledged(whole)])
    return done


def unacknowledge(ids: Sequence[int], *, actor: Actor, reason: str = "") -> Done:
    """Take an acknowledgement back: the incidents page again from the first step."""

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        skip = rules.unacknowledge(incident)
        if skip is None:
            book.write(incident, "unacknowledged", actor, {"reason": reason})
        return skip

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            events.publish([rules.IncidentsReopened(tuple(done.changed))])
    return done


def mitigate(ids: Sequence[int], *, actor: Actor) -> Done:
    """Say that the harm is held off; also answers for the incidents."""

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        skip = rules.mitigate(incident, book.now, actor.user_id)
        if skip is None:
            book.write(incident, "mitigated", actor)
        return skip

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            events.publish([rules.IncidentsAcknowledged(tuple(done.changed))])
    return done


def resolve(ids: Sequence[int], *, actor: Actor, note: str = "", via: str = "web") -> Done:
    """End incidents. Their open alerts are resolved with them."""

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        skip = rules.resolve(incident, book.now)
        if skip is None:
            book.write(incident, "resolved", actor, {"note": note, "via": via})
        return skip

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            by_person = actor.kind not in ("source", "system")
            events.publish([rules.IncidentsResolved(tuple(done.changed), by_person)])
    return done


def close(ids: Sequence[int], *, actor: Actor) -> Done:
    """Close resolved incidents: nothing more is expected of anybody."""

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        skip = rules.close(incident)
        if skip is None:
            book.write(incident, "closed", actor)
        return skip

    return each(ids, actor, decide)


def reopen(ids: Sequence[int], *, actor: Actor, reason: str = "") -> Done:
    """Say that incidents were not over: they page again."""

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        skip = rules.reopen(incident)
        if skip is None:
            # another incident may have taken the group's key meanwhile; this one goes on by itself
            incident.group_key = None
            book.write(incident, "reopened", actor, {"reason": reason})
        return skip

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            events.publish([rules.IncidentsReopened(tuple(done.changed))])
    return done


def snooze(ids: Sequence[int], *, until: datetime, actor: Actor) -> Done:
    """Acknowledge incidents until a moment at most seven days ahead; then they page again."""
    with use_book() as book:
        if not book.now < until <= book.now + SNOOZE_MAX:
            raise Invalid("That is no time to snooze until.", {"until": "must be after now and at most 7 days ahead"})

        def decide(book: Book, incident: rules.State) -> rules.Skip | None:
            skip = rules.snooze(incident, book.now, until, actor.user_id)
            if skip is None:
                book.write(incident, "snoozed", actor, {"until": until.isoformat()})
            return skip

        done = each(ids, actor, decide)
        if done.changed:
            events.publish([rules.IncidentsSnoozed(tuple(done.changed), until)])
    return done


def reassign(ids: Sequence[int], *, user_ids: Sequence[int], actor: Actor) -> Done:
    """Give incidents to named people, who are paged now; the policy's own run stops."""
    names = people.names(user_ids)
    unknown = [key for key in user_ids if key not in names]
    if not user_ids or unknown:
        raise Invalid("Nobody to give it to.", {"user_ids": "must be ids of active people"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        if not incident.open:
            return rules.Skip(f"it is already {incident.state}")
        incident.state = "triggered"
        incident.acknowledged_by_id = None
        incident.snoozed_until = None
        rules.renew(incident)
        book.write(incident, "reassigned", actor, {"to": list(user_ids), "names": [names[key] for key in user_ids]})
        return None

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            links = Incident.assignees.through
            links.objects.filter(incident_id__in=done.changed).delete()
            links.objects.bulk_create(
                [links(incident_id=key, user_id=user) for key in done.changed for user in dict.fromkeys(user_ids)]
            )
            let_in(done.changed, user_ids, "was given it")
            events.publish([rules.IncidentsReassigned(tuple(done.changed), tuple(user_ids))])
    return done


def set_priority(
    ids: Sequence[int], *, actor: Actor, priority: str = "", impact: str = "", urgency: str = "", reason: str = ""
) -> Done:
    """Set impact and urgency, from which the priority follows, or override the priority with a reason."""
    check_levels(priority, impact, urgency, reason)
    table = matrix()
    louder: list[int] = []
    raised: list[int] = []

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        before = (incident.priority, incident.impact, incident.urgency)
        incident.impact = impact or incident.impact
        incident.urgency = urgency or incident.urgency
        expected = rules.priority_of(incident.impact, incident.urgency, table)
        incident.priority = priority or expected
        incident.priority_reason = reason if incident.priority != expected else ""
        if before == (incident.priority, incident.impact, incident.urgency):
            return rules.Skip(f"it is {incident.priority} already")
        if incident.open and incident.priority < before[0]:
            raised.append(incident.id)
        if (
            incident.state == "triggered"
            and rules.pages_loudly(incident.priority)
            and not rules.pages_loudly(before[0])
        ):
            rules.renew(incident)
            louder.append(incident.id)
        book.write(
            incident,
            "priority_changed",
            actor,
            {"from": before[0], "to": incident.priority, "impact": incident.impact, "urgency": incident.urgency,
             "reason": reason},
        )  # fmt: skip
        return None

    with use_book():
        done = each(ids, actor, decide)
        if louder:
            events.publish([rules.UrgencyRaised(tuple(louder))])
        if raised:
            events.publish([rules.PriorityRaised(tuple(raised))])
    return done


def add_note(ids: Sequence[int], *, text: str, actor: Actor) -> Done:
    """Write a note on the timeline; Markdown."""
    text = text.strip()
    if not text or len(text) > 20_000:
        raise Invalid("That is no note.", {"text": "must have 1 to 20,000 characters"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        book.write(incident, "note", actor, {"text": text})
        return None

    return each(ids, actor, decide)


def add_status_update(ids: Sequence[int], *, text: str, actor: Actor, subject: str = "") -> Done:
    """Write down on the timeline how the incident stands, in words for those who only want to be told."""
    text, subject = text.strip(), subject.strip()
    if not text or len(text) > 20_000:
        raise Invalid("That is no status update.", {"message": "must have 1 to 20,000 characters"})
    if len(subject) > 500:
        raise Invalid("That is no subject.", {"subject": "must have at most 500 characters"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        book.write(incident, "status_update", actor, {"text": text} | ({"subject": subject} if subject else {}))
        return None

    return each(ids, actor, decide)


def retitle(ids: Sequence[int], *, title: str, actor: Actor) -> Done:
    """Give incidents a better title."""
    title = title.strip()
    if not title or len(title) > 1024:
        raise Invalid("That is no title.", {"title": "must have 1 to 1,024 characters"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        if incident.title == title:
            return rules.Skip("that is its title already")
        book.write(incident, "retitled", actor, {"from": incident.title, "to": title})
        incident.title = title
        return None

    return each(ids, actor, decide)
