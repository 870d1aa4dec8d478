"""Work in an incident: tasks with an owner and a time, facts that are pinned, decisions with their reasons."""

from datetime import datetime

from tocsin.incidents import rules
from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.each import lock_readable
from tocsin.incidents.actions.readers import let_in
from tocsin.incidents.models import Fact, RoleHolder, Task
from tocsin.incidents.rules import command
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

MOST_TASKS = 200
MOST_FACTS = 30
FACT_LENGTH = 1_000


def add_task(
    incident_id: int, title: str, *, actor: Actor, owner: int | None = None, due_at: datetime | None = None
) -> Task:
    """Put a task on an incident. ``owner``: a person's id. Raises Forbidden, NotFound, Invalid, Conflict."""
    with use_book() as book:
        incident = _locked(book, incident_id, actor)
        title = _line(title, "title", command.TITLE_LENGTH)
        _check_owner(owner)
        if Task.objects.filter(incident_id=incident_id).count() >= MOST_TASKS:
            raise Conflict(f"INC-{incident_id} has {MOST_TASKS} tasks; that is more than anybody can follow.")
        task = Task.objects.create(
            incident_id=incident_id, title=title, owner_id=owner, due_at=due_at, created_by_id=actor.user_id,
            created_at=book.now,
        )  # fmt: skip
        book.write(incident, "task_added", actor, {"task": task.pk, "title": title} | _who_when(owner, due_at))
        if incident.confidential and owner is not None:
            let_in([incident_id], [owner], "has a task in it")
    return task


def change_task(
    task_id: int, *, actor: Actor, title: str, owner: int | None = None, due_at: datetime | None = None
) -> Task:
    """Give a task another title, owner or time; a new time is reminded of anew. Raises as ``add_task``."""
    with use_book() as book:
        incident, task = _task(book, task_id, actor)
        title = _line(title, "title", command.TITLE_LENGTH)
        _check_owner(owner)
        if (task.title, task.owner_id, task.due_at) == (title, owner, due_at):
            return task
        if task.due_at != due_at:
            task.reminded_at = None
        task.title, task.owner_id, task.due_at = title, owner, due_at
        task.save(update_fields=["title", "owner", "due_at", "reminded_at"])
        book.write(incident, "task_changed", actor, {"task": task.pk, "title": title} | _who_when(owner, due_at))
        if incident.confidential and owner is not None:
            let_in([incident.id], [owner], "has a task in it")
    return task


def end_task(task_id: int, state: str, *, actor: Actor) -> Task:
    """A task is ``done``, ``dropped``, or ``open`` again. Raises Forbidden, NotFound, Invalid."""
    if state not in command.TASK_STATES:
        raise Invalid("There is no such state of a task.", {"state": f"one of {', '.join(command.TASK_STATES)}"})
    with use_book() as book:
        incident, task = _task(book, task_id, actor)
        if task.state == state:
            return task
        task.state, task.ended_at = state, None if state == "open" else book.now
        task.save(update_fields=["state", "ended_at"])
        kind = "task_reopened" if state == "open" else f"task_{state}"
        book.write(incident, kind, actor, {"task": task.pk, "title": task.title})
    return task


def remind_of_tasks(limit: int = 100) -> int:
    """Mark tasks that are overdue in open incidents as told of, and tell; how many. Owners hear, or who commands."""
    with use_book() as book:
        rows = list(
            Task.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state="open", reminded_at=None, due_at__lte=book.now, incident__state__in=rules.OPEN)
            .select_related("incident")
            .order_by("due_at", "id")[:limit]
        )
        if not rows:
            return 0
        Task.objects.filter(pk__in=[row.pk for row in rows]).update(reminded_at=book.now)
        held = RoleHolder.objects.filter(
            incident_id__in={row.incident_id for row in rows}, state="held", role__leads=True
        )
        commanders = dict(held.values_list("incident_id", "user_id"))
        events.publish(
            [
                command.TaskOverdue(row.incident_id, row.pk, user_id, _said(row), bool(row.owner_id))
                for row in rows
                if (user_id := row.owner_id or commanders.get(row.incident_id) or row.incident.acknowledged_by_id)
            ]
        )
    return len(rows)


def pin_fact(incident_id: int, text: str, *, actor: Actor) -> Fact:
    """Pin something that is known for sure. Raises Forbidden, NotFound, Invalid, Conflict."""
    with use_book() as book:
        incident = _locked(book, incident_id, actor)
        text = _line(text, "text", FACT_LENGTH)
        if Fact.objects.filter(incident_id=incident_id, removed_at=None).count() >= MOST_FACTS:
            raise Conflict(f"INC-{incident_id} has {MOST_FACTS} pinned facts; take some away first.")
        fact = Fact.objects.create(incident_id=incident_id, text=text, pinned_by_id=actor.user_id, pinned_at=book.now)
        book.write(incident, "fact_pinned", actor, {"fact": fact.pk, "text": text})
    return fact


def unpin_fact(fact_id: int, *, actor: Actor, note: str = "") -> Fact:
    """Take a fact away that turned out otherwise or matters no more. Raises Forbidden, NotFound."""
    with use_book() as book:
        fact = Fact.objects.filter(pk=fact_id, removed_at=None).first()
        if fact is None:
            raise NotFound("There is no such fact.")
        incident = _locked(book, fact.incident_id, actor)
        fact.removed_at = book.now
        fact.save(update_fields=["removed_at"])
        because = {"reason": note.strip()[: command.TITLE_LENGTH]} if note.strip() else {}
        book.write(incident, "fact_unpinned", actor, {"fact": fact.pk, "text": fact.text} | because)
    return fact


def decide(incident_id: int, text: str, *, actor: Actor, rationale: str = "") -> None:
    """Write a decision down, with why. Raises Forbidden, NotFound, Invalid."""
    with use_book() as book:
        incident = _locked(book, incident_id, actor)
        text = _line(text, "text", FACT_LENGTH)
        if len(rationale) > command.TEXT_LENGTH:
            raise Invalid("That is too long.", {"rationale": f"at most {command.TEXT_LENGTH} characters"})
        book.write(incident, "decided", actor, {"text": text, "rationale": rationale.strip()})


def _locked(book: Book, incident_id: int, actor: Actor) -> rules.State:
    require(actor, Deed.RESPOND)
    incident = lock_readable(book, [incident_id], actor).get(incident_id)
    if incident is None:
        raise NotFound(f"There is no incident INC-{incident_id}.")
    return incident


def _task(book: Book, task_id: int, actor: Actor) -> tuple[rules.State, Task]:
    require(actor, Deed.RESPOND)
    found = Task.objects.filter(pk=task_id).first()
    incident = lock_readable(book, [found.incident_id], actor).get(found.incident_id) if found else None
    if found is None or incident is None:
        raise NotFound("There is no such task.")
    return incident, Task.objects.get(pk=task_id)  # under the incident's lock, which all changes of its tasks take


def _line(text: str, name: str, most: int) -> str:
    text = " ".join(text.split())
    if not text or len(text) > most:
        raise Invalid("That says nothing, or too much.", {name: f"1 to {most:,} characters"})
    return text


def _said(task: Task) -> str:
    """Its title where it leaves the house: nothing of a confidential incident."""
    return "Sign in to read it." if task.incident.confidential else task.title


def _check_owner(owner: int | None) -> None:
    if owner is not None and not User.objects.filter(pk=owner, is_active=True).exists():
        raise Invalid("There is no such person.", {"owner": "an active person"})


def _who_when(owner: int | None, due_at: datetime | None) -> dict[str, object]:
    told: dict[str, object] = {} if owner is None else {"users": [owner]}
    return told if due_at is None else told | {"due": due_at.isoformat()}
