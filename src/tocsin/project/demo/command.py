"""Command of the demo company's gravest open incident: roles, tasks, what is known and what was decided."""

from datetime import datetime, timedelta

from tocsin.incidents import actions
from tocsin.incidents.models import Incident
from tocsin.people.models import User
from tocsin.people.queries import actor_of

OPEN = ("triggered", "acknowledged", "mitigated")
ROLES = ("commander", "operations", "communications")


def save_command(now: datetime) -> None:
    """Let people of the company lead it, as they would."""
    incident = Incident.objects.filter(state__in=OPEN, confidential=False).order_by("priority", "id").first()
    people = list(User.objects.filter(is_active=True, role__in=("responder", "manager")).order_by("id")[: len(ROLES)])
    if incident is None or len(people) < len(ROLES):
        return
    for user, role in zip(people, ROLES, strict=True):
        actions.take_role(incident.pk, role, actor=actor_of(user))
    commander, operator, speaker = (actor_of(user) for user in people)
    actions.pin_fact(incident.pk, "Only customers in the north region are hit.", actor=operator)
    actions.pin_fact(incident.pk, "It began within two minutes of the last deploy.", actor=operator)
    actions.decide(
        incident.pk, "Roll the last deploy back before looking any further", actor=commander,
        rationale="it is cheap, and takes the likeliest cause away",
    )  # fmt: skip
    rollback = actions.add_task(incident.pk, "Roll the last deploy back", owner=people[1].pk, actor=commander)
    actions.end_task(rollback.pk, "done", actor=operator)
    actions.add_task(
        incident.pk, "Tell the depots what still works", owner=people[2].pk, actor=speaker,
        due_at=now + timedelta(minutes=25),
    )  # fmt: skip
    actions.add_task(incident.pk, "Find out why the check before the deploy saw nothing", actor=commander)
