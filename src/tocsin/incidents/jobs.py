"""Background entry points of incidents, for the engine: tasks whose time has come."""

from datetime import datetime

from tocsin.incidents import actions
from tocsin.incidents.models import Task
from tocsin.incidents.rules import OPEN


def remind_due() -> int:
    """Tell owners, or the commander, of tasks that are overdue; how many tasks: call again while there are some."""
    return actions.remind_of_tasks()


def next_due() -> datetime | None:
    """When the next task is overdue; None: there is none."""
    rows = Task.objects.filter(state="open", reminded_at=None, due_at__isnull=False, incident__state__in=OPEN)
    return rows.order_by("due_at").values_list("due_at", flat=True).first()
