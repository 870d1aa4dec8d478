"""Opening incidents by hand, and the matrix that gives their priority."""

from collections.abc import Mapping

from tocsin.catalogue.models import Service
from tocsin.incidents import rules
from tocsin.incidents.actions.book import TABLE, use_book
from tocsin.incidents.actions.readers import let_in
from tocsin.incidents.models import Incident
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, bulk, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound
from tocsin.platform.models import Setting
from tocsin.platform.remember import Remembered

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
) -> Incident:
    """Open an incident by hand; its service's policy pages at once.

    ``impact`` defaults to the service's, ``urgency`` to high; the matrix gives the priority, unless ``priority``
    overrides it with ``priority_reason``. It is ``confidential`` too when its service is. Raises Invalid, NotFound,
    Forbidden.
    """
    require(actor, Deed.RESPOND)
    title = title.strip()
    if not title or len(title) > 1024:
        raise Invalid("An incident needs a title.", {"title": "must have 1 to 1,024 characters"})
    check_levels(priority, impact, urgency, priority_reason)
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise NotFound("There is no such service.", {"service": "must be an existing service"})
    with use_book() as book:
        impact = impact or service.impact or rules.impact_of_tier(service.tier)
        urgency = urgency or "high"
        expected = rules.priority_of(impact, urgency, matrix())
        [key] = bulk.next_ids(TABLE, 1)
        state = rules.State(
            id=key,
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
            confidential=confidential or service.confidential,
        )
        book.add([state])
        told = {
            "how": "declared",
            "details": details,
            "priority": state.priority,
            "impact": impact,
            "urgency": urgency,
            "matrix": expected,
            "priority_reason": state.priority_reason,
        }
        book.write(state, "opened", actor, told | ({"confidential": True} if state.confidential else {}))
        if actor.user_id is not None:
            let_in([key], [actor.user_id], "declared it")
        events.publish([rules.IncidentsOpened((key,))])
    return Incident.objects.get(pk=key)
