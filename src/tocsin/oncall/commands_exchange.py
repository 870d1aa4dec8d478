"""``tocsin swap``, and hand-off notes."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import moment, part
from tocsin.oncall.commands import oncall

swap = Noun("swap", "Covering for one another.")
handoff = Noun("handoff", "Notes for whoever is on call next.")
nouns = [swap, handoff]

Schedule = Annotated[str, typer.Option(help="Name or slug of the schedule.")]
From = Annotated[str, typer.Option("--from", help="ISO 8601, now or +2h; without an offset: the schedule's time.")]
To = Annotated[str, typer.Option("--to", help="ISO 8601 or +8h; without an offset: the schedule's time.")]
Note = Annotated[str, typer.Option(help="Shown to the others.")]
Id = Annotated[int, typer.Argument(metavar="ID")]
COLUMNS = ("id", "schedule", "requester", "from", "to", "state", "asked", "taker")


@swap.verb("list")
def list_swaps(
    schedule: Annotated[str, typer.Option(help="Only of this schedule.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what came of those of the last two weeks.")] = False,
) -> None:
    """List who asks for cover."""
    with api() as server:
        found = server.get("/swaps", schedule=schedule, everything="true" if everything else "")
    output.items(found["items"], COLUMNS)


@swap.verb("ask")
def ask(
    schedule: Schedule,
    to: To,
    from_: From = "now",
    user: Annotated[str, typer.Option(help="E-mail address of who needs cover; you when not given.")] = "",
    asked: Annotated[str, typer.Option(help="E-mail address of the one person who is asked.")] = "",
    note: Note = "",
) -> None:
    """Ask to be covered for a stretch of your shifts; `--to +1h` asks for the next hour."""
    _ask(schedule, to, from_, user, asked, note)


@oncall.verb("swap")
def swap_oncall(
    schedule: Schedule,
    to: To,
    from_: From = "now",
    user: Annotated[str, typer.Option(help="E-mail address of who needs cover; you when not given.")] = "",
    asked: Annotated[str, typer.Option(help="E-mail address of the one person who is asked.")] = "",
    note: Note = "",
) -> None:
    """The same as `swap ask`."""
    _ask(schedule, to, from_, user, asked, note)


def _ask(schedule: str, to: str, from_: str, user: str, asked: str, note: str) -> None:
    body = {
        "schedule": schedule,
        "from": moment(from_, local=False),
        "to": moment(to, local=False),
        "user": user,
        "asked": asked,
        "note": note,
    }
    with api() as server:
        output.emit(server.post("/swaps", body), lambda value: output.say(f"Asked: swap {value['id']}."))


def _said(found: dict[str, Any]) -> None:
    output.say(f"Swap {found['id']} is {found['state']}.")


@swap.verb("take")
def take(swap_id: Id) -> None:
    """Cover for whoever asked."""
    with api() as server:
        output.emit(server.post(f"/swaps/{swap_id}/take"), _said)


@swap.verb("offer")
def offer(swap_id: Id, from_: From, to: To, note: Note = "") -> None:
    """Offer to take it if these shifts of yours are taken in return."""
    body = {"from": moment(from_, local=False), "to": moment(to, local=False), "note": note}
    with api() as server:
        output.emit(server.post(f"/swaps/{swap_id}/offer", body), _said)


@swap.verb("accept")
def accept(offer_id: Id) -> None:
    """Accept an offer to your request, by the offer's number."""
    with api() as server:
        output.emit(server.post(f"/swaps/offers/{offer_id}/accept"), _said)


@swap.verb("approve")
def approve(swap_id: Id) -> None:
    """Approve what was agreed."""
    with api() as server:
        output.emit(server.post(f"/swaps/{swap_id}/approve"), _said)


@swap.verb("decline")
def decline(swap_id: Id) -> None:
    """Decline what was agreed."""
    with api() as server:
        output.emit(server.post(f"/swaps/{swap_id}/decline"), _said)


@swap.verb("withdraw")
def withdraw(swap_id: Id) -> None:
    """Take your request back."""
    with api() as server:
        output.emit(server.post(f"/swaps/{swap_id}/withdraw"), _said)


@handoff.verb("list")
def list_notes(schedule: Schedule) -> None:
    """List the latest hand-off notes of a schedule."""
    with api() as server:
        found = server.get(f"/schedules/{part(schedule)}/notes")
    output.items(found["items"], ("id", "at", "author", "text", "opened_by"))


@handoff.verb("write")
def write_note(schedule: Schedule, text: Annotated[str, typer.Argument(help="The note.")]) -> None:
    """Leave a note for whoever is on call next."""
    with api() as server:
        made = server.post(f"/schedules/{part(schedule)}/notes", {"text": text})
    output.emit(made, lambda value: output.say(f"Note {value['id']} waits for whoever comes next."))


@handoff.verb("open")
def open_note(note_id: Id) -> None:
    """Say that you have read a note."""
    with api() as server:
        output.emit(server.post(f"/notes/{note_id}/open"), lambda value: output.say(value["text"]))
