"""Opening incidents by hand, and the matrix that gives their priority."""

from collections.abc import Mapping, Sequence

from django.db import connection

from tocsin.catalogue.models import Service
from tocsin.incidents import rules
from tocsin.incidents.actions.book import TABLE, Book, use_book
from tocsin.incidents.actions.readers import let_in
from tocsin.incidents.models import Incident
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, bulk, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.platform.models import Setting
from tocsin.platform.remember import Remembered

KEY_LIMIT = 255
MATRIX_SETTING = "incidents.priority_matrix"


def matrix() -> Mapping[str, Mapping[str, str]]:
    """The organisation's impact x urgency matrix, or the built-in one."""
    row = Setting.objects.filter(name=MATRIX_SETTING).first()
    return row.value if row else rules.MATRIX


matrices: Remembered[None, Mapping[str, Mapping[str, str]]] = Remembered(lambda _: {None: matrix()})


def save_matrix(value: Mapping[str, Mapping[str, str]], *, actor: Actor) -> None:
    """Replace the matrix. Open incidents keep the priority they have."""
    require(actor, Deed.ADMINISTER)
    problems = rules.matrix_problems(value)
    if problems:
        raise Invalid("The priority matrix is not complete.", problems)
    with use_book():
        before = matrix()
        Setting.objects.update_or_create(name=MATRIX_SETTING, defaults={"value": value})
        audit.record(actor, "changed", "priority matrix", MATRIX_SETTING, "Priority matrix", before, value)


def check_levels(priority: str, impact: str, urgency: str, reason: str) -> None:
    """Raise Invalid, naming the field, unless these are levels; a priority of one's own needs its reason."""
    problems = {}
    if priority and priority not in rules.PRIORITIES:
        problems["priority"] = f"must be one of {', '.join(rules.PRIORITIES)}"
    for name, value in (("impact", impact), ("urgency", urgency)):
        if value and value not in rules.LEVELS:
            problems[name] = f"must be one of {', '.join(rules.LEVELS)}"
    if priority and not reason.strip():
        problems["priority_reason"] = "an override of the matrix needs its reason"
    if problems:
        raise Invalid("The priority cannot be set like this.", problems)


def declare(
    title: str,
    service_id: int,
    *,
    actor: Actor,
    impact: str = "",
    urgency: str = "",
    priority: str = "",
    priority_reason: str = "",
    details: str = "",
    confidential: bool = False,
    key: str = "",
    user_ids: Sequence[int] = (),
) -> Incident:
    """Open an incident by hand; its service's policy pages at once.

    ``impact`` defaults to the service's, ``urgency`` to high; the matrix gives the priority, unless ``priority``
    overrides it with ``priority_reason``. It is ``confidential`` too when its service is. ``key``: a name of the
    sender's own, which only one open incident of a service can have. ``user_ids``: people whom it is given to at once,
    and who are paged before the policy. Raises Invalid, NotFound, Conflict (``key``), Forbidden.
    """
    require(actor, Deed.RESPOND)
    title = title.strip()
    if not title or len(title) > 1024:
        raise Invalid("An incident needs a title.", {"title": "must have 1 to 1,024 characters"})
    check_levels(priority, impact, urgency, priority_reason)
    if len(key) > KEY_LIMIT:
        raise Invalid("That is no key.", {"key": f"at most {KEY_LIMIT} characters"})
    known = people.names(user_ids)
    if len(known) < len(set(user_ids)):
        raise Invalid("Nobody to give it to.", {"user_ids": "must be ids of active people"})
    names = {one: known[one] for one in dict.fromkeys(user_ids)}
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise NotFound("There is no such service.", {"service": "must be an existing service"})
    with use_book() as book:
        group_key = _taken(service.pk, key) if key else None
        impact = impact or service.impact or rules.impact_of_tier(service.tier)
        urgency = urgency or "high"
        expected = rules.priority_of(impact, urgency, matrix())
        [number] = bulk.next_ids(TABLE, 1)
        state = rules.State(
            id=number,
            service_id=service.pk,
            title=title,
            state="triggered",
            impact=impact,
            urgency=urgency,
            priority=priority or expected,
            priority_reason=priority_reason if priority and priority != expected else "",
            severity="critical",
            opened_at=book.now,
            updated_at=book.now,
            declared_by_id=actor.user_id,
            group_key=group_key,
            confidential=confidential or service.confidential,
        )
        book.add([state])
        told: dict[str, object] = {
            "how": "declared",
            "details": details,
            "priority": state.priority,
            "impact": impact,
            "urgency": urgency,
            "matrix": expected,
            "priority_reason": state.priority_reason,
        }
        if state.confidential:
            told["confidential"] = True
        if key:
            told["key"] = key
        book.write(state, "opened", actor, told)
        if actor.user_id is not None:
            let_in([number], [actor.user_id], "declared it")
        if names:
            _give(book, state, names, actor)
        events.publish([rules.IncidentsOpened((number,), tuple(names))])
    return Incident.objects.get(pk=number)


def _taken(service_id: int, key: str) -> str:
    """The group key for a sender's key, which is guarded until the end of the transaction. Raises Conflict."""
    with connection.cursor() as cursor:
        # as triage guards the groups of a service
        cursor.execute("SELECT pg_advisory_xact_lock(7001, %s)", [service_id])
    group_key = f"key:{service_id}:{key}"
    if Incident.objects.filter(group_key=group_key, state__in=rules.OPEN).exists():
        raise Conflict(
            "Open incident with matching dedup key already exists on this service",
            {"key": "one that no open incident of the service has"},
        )
    return group_key


def _give(book: Book, state: rules.State, names: Mapping[int, str], actor: Actor) -> None:
    """Note whom a new incident is given to; the reaction to its opening pages them."""
    book.write(state, "reassigned", actor, {"to": list(names), "names": list(names.values())})
    links = Incident.assignees.through
    links.objects.bulk_create([links(incident_id=state.id, user_id=user) for user in names])
    let_in([state.id], names, "was given it")
