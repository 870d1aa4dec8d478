"""``tocsin role``, ``task``, and what belongs to command below ``tocsin incident``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import moment, part
from tocsin.incidents.commands import Which, incident

ROLE = Kind("role", "/roles", ("slug", "name", "summary", "leads"))
HELD = ("role", "name", "state", "taken_at", "id")
TASKS = ("id", "state", "title", "owner", "due_at", "overdue")

role = Noun("role", "Roles that people take in an incident.")
task = Noun("task", "What is to be done during an incident.")
nouns = [role, task]

Person = Annotated[str, typer.Option("--user", help="E-mail address; nobody: you take it yourself.")]
Held = Annotated[int, typer.Argument(metavar="ID", help="As `tocsin incident roles` lists it.")]
Tasks = Annotated[list[int], typer.Argument(metavar="ID...", help="As `tocsin task list` lists them.")]
Note = Annotated[str, typer.Option(help="In words; it stands on the timeline.")]

add_list(role, ROLE)
add_show(role, ROLE)
add_save(role, ROLE)
add_delete(role, ROLE)


@incident.verb("roles")
def list_roles(
    which: Which, everybody: Annotated[bool, typer.Option("--all", help="Also who had one before.")] = False
) -> None:
    """Who holds which role, and who was asked to."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/roles", everybody=everybody)
    output.items(found["items"], HELD)


@incident.verb("role")
def give_role(
    which: Which,
    name: Annotated[str, typer.Argument(metavar="ROLE", help="Slug or name, such as commander.")],
    user: Person = "",
    note: Note = "",
) -> None:
    """Take a role, or ask somebody to take it; they hear of it at once, with a briefing."""
    with api() as server:
        made = server.post(f"/incidents/{part(which)}/roles", {"role": name, "user": user, "note": note})
    said = "is" if made["state"] == "held" else "is asked to be"
    output.emit(made, lambda value: output.say(f"{value['name']} {said} {value['role_name']}."))


def _answer(which: int, word: str, note: str) -> None:
    with api() as server:
        made = server.post(f"/role-holders/{which}/{word}", {"note": note})
    output.emit(made, lambda value: output.say(f"{value['name']}, {value['role_name']}: {value['state']}."))


@role.verb("accept")
def accept(which: Held) -> None:
    """Confirm a role that you were asked to take."""
    _answer(which, "accept", "")


@role.verb("decline")
def decline(which: Held, note: Note = "") -> None:
    """Decline a role that you were asked to take."""
    _answer(which, "decline", note)


@role.verb("leave")
def leave(which: Held, note: Note = "") -> None:
    """End that somebody holds a role, or is asked to."""
    _answer(which, "leave", note)


@incident.verb("briefing")
def briefing(which: Which, zone: Annotated[str, typer.Option(help="IANA zone of its times.")] = "UTC") -> None:
    """What somebody who takes over should know now, as Markdown."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/briefing", zone=zone)
    output.emit(found, lambda value: output.say(value["text"]))


@incident.verb("decide")
def decide(
    which: Which,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was decided.")],
    because: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Note a decision with its reason."""
    with api() as server:
        server.post(f"/incidents/{part(which)}/decisions", {"text": text, "rationale": because})
    output.emit({"text": text}, lambda value: output.say("Noted."))


@incident.verb("pin")
def pin(which: Which, text: Annotated[str, typer.Argument(metavar="TEXT", help="What is known for sure.")]) -> None:
    """Pin a fact where everybody sees it."""
    with api() as server:
        made = server.post(f"/incidents/{part(which)}/facts", {"text": text})
    output.emit(made, lambda value: output.say(f"Pinned (fact {value['id']})."))


@incident.verb("facts")
def facts(which: Which) -> None:
    """What is pinned."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/facts")
    output.items(found["items"], ("id", "text", "pinned_by", "pinned_at"))


@incident.verb("unpin")
def unpin(fact: Annotated[int, typer.Argument(metavar="ID", help="As `tocsin incident facts` lists it.")]) -> None:
    """Take a pinned fact away."""
    with api() as server:
        server.delete(f"/facts/{fact}")
    output.emit({"count": 1}, lambda value: output.say("Taken away."))


@task.verb("list")
def list_tasks(which: Which) -> None:
    """Tasks of an incident, open ones first."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/tasks")
    output.items(found["items"], TASKS)


@task.verb("add")
def add_task(
    which: Which,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is to be done.")],
    owner: Annotated[str, typer.Option(help="E-mail address of who does it.")] = "",
    due: Annotated[str, typer.Option(help="Until when: ISO 8601, or +30m.")] = "",
) -> None:
    """Put a task on an incident."""
    body: dict[str, Any] = {"title": title, "owner": owner, "due_at": moment(due) if due else None}
    with api() as server:
        made = server.post(f"/incidents/{part(which)}/tasks", body)
    output.emit(made, lambda value: output.say(f"Added task {value['id']}."))


def _end(which: list[int], state: str) -> None:
    with api() as server:
        made = [server.post(f"/tasks/{one}/{state}", {}) for one in which]
    output.items(made, TASKS)


@task.verb("done")
def done(which: Tasks) -> None:
    """Say that tasks are done."""
    _end(which, "done")


@task.verb("drop")
def drop(which: Tasks) -> None:
    """Say that tasks will not be done."""
    _end(which, "dropped")


@task.verb("reopen")
def reopen(which: Tasks) -> None:
    """Open tasks again."""
    _end(which, "open")
