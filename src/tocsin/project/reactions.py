"""What happens when something happened: event -> the actions that follow, in order, in the same transaction.

Read it like a recipe book. A room that publishes an event does not know what follows; this page does.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tocsin.delivery import actions as delivery
from tocsin.delivery.rules import PagesFailed
from tocsin.escalation import queries as escalation
from tocsin.escalation.actions import runs
from tocsin.escalation.actions.executives import tell_executives
from tocsin.incidents import rules as incidents
from tocsin.incidents.actions import let_in_concerned, let_in_each
from tocsin.incidents.rules import command
from tocsin.platform import clock
from tocsin.triage import actions as triage


def opened(event: incidents.IncidentsOpened) -> None:
    """Somebody is paged from the moment the incident exists; executives hear of what matters most."""
    if event.to:
        runs.hand_to(event.ids, event.to)
    else:
        runs.arm(event.ids)
    tell_executives(event.ids)


def acknowledged(event: incidents.IncidentsAcknowledged) -> None:
    """Nobody else is woken; the acknowledgement is watched, because people fall asleep again."""
    runs.stop(event.ids, "acknowledged")
    runs.answered(event.ids, "acknowledged")
    runs.watch(event.ids)


def partly_acknowledged(event: incidents.IncidentsPartlyAcknowledged) -> None:
    """Whoever answered is left alone; the others are still paged."""
    runs.quiet(event.ids, event.user_id)


def snoozed(event: incidents.IncidentsSnoozed) -> None:
    """Nobody is woken until the moment given."""
    runs.stop(event.ids, "snoozed")
    runs.answered(event.ids, "acknowledged")
    runs.watch(event.ids, until=event.until)


def reopened(event: incidents.IncidentsReopened) -> None:
    """Nobody answers for it any more: page from the first step, whatever was still on its way is out of date."""
    runs.drop(event.ids, "the incident was triggered again")
    runs.arm(event.ids)


def urgency_raised(event: incidents.UrgencyRaised) -> None:
    """It pages loudly now: begin again, by the rules for loud pages."""
    runs.drop(event.ids, "the urgency was raised")
    runs.arm(event.ids)


def priority_raised(event: incidents.PriorityRaised) -> None:
    """It may matter enough by now for executives to hear of it."""
    tell_executives(event.ids, raised=True)


def reassigned(event: incidents.IncidentsReassigned) -> None:
    """The named people first, the policy after them."""
    runs.drop(event.ids, "the incident was given to somebody else")
    runs.hand_to(event.ids, event.user_ids)


def resolved(event: incidents.IncidentsResolved) -> None:
    """Pages stop; who was paged hears that it is over; a person's word ends the alerts too."""
    runs.stop(event.ids, "resolved")
    runs.answered(event.ids, "resolved")
    if event.by_person:
        triage.resolve_alerts_of(event.ids)
    delivery.notify_resolved(event.ids)


def made_confidential(event: incidents.IncidentsMadeConfidential) -> None:
    """Whoever is concerned with it goes on reading it: who declared it, answers for it, was given it or paged.

    Where nobody answers for it yet, the policy for confidential incidents takes over.
    """
    let_in_concerned(event.ids)
    let_in_each(escalation.paged(event.ids), "was paged for it")
    runs.go_apart(event.ids)


def merged(event: incidents.IncidentsMerged) -> None:
    """The alerts go on in the other incident, which pages by itself."""
    runs.stop(event.ids, f"merged into INC-{event.into}")
    triage.move_alerts(event.ids, event.into)


def role_asked(event: command.RoleAsked) -> None:
    """Whoever is asked to take a role hears of it, loudly: the incident waits for an answer."""
    delivery.notify(
        [event.user_id],
        key=f"role:{event.holder_id}",
        title=f"You are asked to be {event.role} of INC-{event.incident_id}",
        body=f"{event.title}\n\nConfirm or decline in the incident's room.",
        path=f"/incidents/{event.incident_id}/",
        urgency="high",
    )


def task_overdue(event: command.TaskOverdue) -> None:
    """Whoever has the task hears of it; where nobody has it, who commands or answers for the incident."""
    whose = "Your task" if event.own else "A task that nobody has"
    delivery.notify(
        [event.user_id],
        key=f"task:{event.task_id}:{clock.now().isoformat()}",
        title=f"{whose} in INC-{event.incident_id} is overdue",
        body=event.title,
        path=f"/incidents/{event.incident_id}/",
        urgency="high",
    )


def pages_failed(event: PagesFailed) -> None:
    """None of a person's contact methods worked: do not wait for an answer that cannot come."""
    runs.hurry(event.page_ids)


RECIPES: dict[type, Callable[[Any], None]] = {
    incidents.IncidentsOpened: opened,
    incidents.IncidentsAcknowledged: acknowledged,
    incidents.IncidentsPartlyAcknowledged: partly_acknowledged,
    incidents.IncidentsSnoozed: snoozed,
    incidents.IncidentsReopened: reopened,
    incidents.IncidentsReassigned: reassigned,
    incidents.IncidentsResolved: resolved,
    incidents.IncidentsMerged: merged,
    incidents.IncidentsMadeConfidential: made_confidential,
    incidents.UrgencyRaised: urgency_raised,
    incidents.PriorityRaised: priority_raised,
    command.RoleAsked: role_asked,
    command.TaskOverdue: task_overdue,
    PagesFailed: pages_failed,
}


def react(events: Sequence[object]) -> None:
    """Run what follows from these events. An event without a recipe is a mistake, not a shrug: KeyError."""
    for event in events:
        RECIPES[type(event)](event)
