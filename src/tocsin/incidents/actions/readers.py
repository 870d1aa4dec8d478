"""Who may read a confidential incident: making incidents confidential, letting people in, lifting it again."""

from collections.abc import Iterable, Sequence

from django.db import connection

from tocsin.incidents import rules
from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.each import Done, each
from tocsin.incidents.models import Acknowledgement, Incident
from tocsin.people import queries as people
from tocsin.platform import events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid

# the people are joined, so that a page to somebody who is gone does not fail for the sake of this row
_LET_IN = """
INSERT INTO incidents_reader (incident_id, user_id, at, why)
SELECT v.incident_id, u.id, %s, left(v.why, 300)
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS v(incident_id, user_id, why)
JOIN people_user u ON u.id = v.user_id
ON CONFLICT (incident_id, user_id) DO NOTHING
RETURNING incident_id, user_id
"""


def let_in(ids: Iterable[int], user_ids: Iterable[int], why: str) -> set[tuple[int, int]]:
    """Let each of these people read each of these incidents; see ``let_in_each``."""
    users = list(user_ids)
    return let_in_each(((key, user) for key in ids for user in users), why)


def let_in_each(pairs: Iterable[tuple[int, int]], why: str) -> set[tuple[int, int]]:
    """Let people read confidential incidents, as (incident, person); returns those who could not before.

    In the caller's transaction, and without a question of permission: for actions that have answered it, such as the
    one that pages. Incidents that are not confidential are passed over, without a query if the book has them locked.
    """
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return set()
    with use_book() as book:
        states = book.lock(list(dict.fromkeys(key for key, _ in wanted)))
        wanted = [(key, user) for key, user in wanted if key in states and states[key].confidential]
        if not wanted:
            return set()
        columns = [key for key, _ in wanted], [user for _, user in wanted], [why] * len(wanted)
        with connection.cursor() as cursor:
            cursor.execute(_LET_IN, [book.now, *columns])
            new = {(key, user) for key, user in cursor.fetchall()}
        for key in {key for key, _ in new}:
            book.touch(states[key])
    return new


def let_in_concerned(ids: Sequence[int]) -> None:
    """Let in whoever declared these incidents, answers for them or was given them; in the caller's transaction."""
    with use_book() as book:
        states = book.lock(ids).values()
        let_in_each(((one.id, one.declared_by_id) for one in states if one.declared_by_id), "declared it")
        let_in_each(((one.id, one.acknowledged_by_id) for one in states if one.acknowledged_by_id), "answers for it")
        given = Acknowledgement.objects.filter(incident_id__in=list(ids)).values_list("incident_id", "user_id")
        let_in_each(given, "acknowledged it")
        links = Incident.assignees.through.objects.filter(incident_id__in=list(ids))
        let_in_each(links.values_list("incident_id", "user_id"), "was given it")


def admit(ids: Sequence[int], *, user_ids: Sequence[int], actor: Actor, reason: str = "") -> Done:
    """Let people in by hand. Raises Invalid, NotFound, Forbidden."""
    names = people.names(user_ids)
    if not user_ids or len(names) < len(set(user_ids)):
        raise Invalid("Nobody to let in.", {"user_ids": "must be ids of active people"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        if not incident.confidential:
            return rules.Skip("it is not confidential, everybody may read it")
        new = [user for _, user in sorted(let_in([incident.id], names, f"{actor.name} let them in"))]
        if not new:
            return rules.Skip("they may read it already")
        book.write(
            incident, "let_in", actor, {"users": new, "names": [names[user] for user in new], "reason": reason.strip()}
        )
        return None

    return each(ids, actor, decide)


def make_confidential(ids: Sequence[int], *, actor: Actor, why: str = "") -> Done:
    """Keep the details of incidents from everybody but those whom they concern; the actor is one of them.

    Whoever was paged, answers or was given it goes on reading it (the reaction to ``IncidentsMadeConfidential``).
    """

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        if incident.confidential:
            return rules.Skip("it is confidential already")
        incident.confidential = True
        book.write(incident, "made_confidential", actor, {"reason": why.strip()})
        return None

    with use_book():
        done = each(ids, actor, decide)
        if done.changed:
            if actor.user_id is not None:
                let_in(done.changed, [actor.user_id], "made it confidential")
            events.publish([rules.IncidentsMadeConfidential(tuple(done.changed))])
    return done


def lift_confidentiality(ids: Sequence[int], *, actor: Actor, why: str) -> Done:
    """Let everybody read incidents again, with what was written while they were confidential; it needs a reason."""
    if not why.strip():
        raise Invalid("This shows everybody what was confidential.", {"reason": "say why that may be"})

    def decide(book: Book, incident: rules.State) -> rules.Skip | None:
        if not incident.confidential:
            return rules.Skip("it is not confidential")
        incident.confidential = False
        book.write(incident, "confidentiality_lifted", actor, {"reason": why.strip()})
        return None

    return each(ids, actor, decide)
