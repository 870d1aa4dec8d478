"""``tocsin source``, ``refusal``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Limit, Yes, confirm
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_NOT_FOUND, Api, api, fail
from tocsin.cli.told import json_object

source = Noun("source", "Where signals come from.")
refusal = Noun("refusal", "Requests of senders that were not accepted.")
nouns = [source, refusal]

Which = Annotated[str, typer.Argument(metavar="SOURCE", help="Its id, or its name when only one has it.")]
SHOWN = ("id", "name", "kind", "service", "enabled", "last_signal_at")


def _id(server: Api, ref: str) -> int:
    """The id behind what was typed. Ends the program when there is none, or more than one."""
    if ref.isascii() and ref.isdigit():
        return int(ref)
    found = [row for row in server.items("/sources", 10_000) if row["name"].lower() == ref.strip().lower()]
    if len(found) != 1:
        what = "There is no source" if not found else "More than one source is"
        raise fail(f"{what} called {ref}; `tocsin source list` shows their ids.", EXIT_NOT_FOUND)
    return int(found[0]["id"])


@source.verb("list")
def list_sources(
    service: Annotated[str, typer.Option(help="Only of this service.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind.")] = "",
    query: Annotated[str, typer.Option("--query", "-q", help="Only those with this in their name.")] = "",
    limit: Limit = 100,
) -> None:
    """List every source."""
    with api() as server:
        output.items(server.items("/sources", limit, service=service, kind=kind, q=query), SHOWN)


@source.verb("kinds")
def list_kinds() -> None:
    """List the kinds of source that the server knows."""
    with api() as server:
        output.items(server.get("/source-kinds")["items"], ("kind", "label"))


@source.verb("show")
def show_source(name: Which) -> None:
    """Show one source, with its key for those who may configure it."""
    with api() as server:
        output.emit(server.get(f"/sources/{_id(server, name)}"))


@source.verb("create")
def create_source(
    service: Annotated[str, typer.Option(help="Service that its signals are about.")],
    kind: Annotated[str, typer.Option(help="pagerduty, alertmanager, generic ...; see `tocsin source kinds`.")],
    name: Annotated[str, typer.Option(help="Its name; made from its kind when not given.")] = "",
    limit_per_minute: Annotated[int, typer.Option(min=1, help="Signals accepted a minute.")] = 100_000,
    config: Annotated[str, typer.Option(help='JSON of what the kind asks for, such as {"interval_s": 60}.')] = "{}",
) -> None:
    """Add a source. Prints the key and the address that the sender uses."""
    body = {
        "service": service,
        "kind": kind,
        "name": name,
        "limit_per_minute": limit_per_minute,
        "config": json_object(config),
    }
    with api() as server:
        made = server.post("/sources", body)
    output.emit({key: made[key] for key in ("id", "kind", "key", "url")})


@source.verb("change")
def change_source(
    name: Which,
    new_name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    service: Annotated[str | None, typer.Option(help="Another service.")] = None,
    limit_per_minute: Annotated[int | None, typer.Option(min=1, help="Signals accepted a minute.")] = None,
    config: Annotated[str | None, typer.Option(help="JSON of what the kind asks for.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it accepts signals.")] = None,
) -> None:
    """Change some of a source; its key stays."""
    body: dict[str, Any] = {
        "name": new_name,
        "service": service,
        "limit_per_minute": limit_per_minute,
        "config": json_object(config) if config is not None else None,
        "enabled": enabled,
    }
    with api() as server:
        changed = server.patch(f"/sources/{_id(server, name)}", {k: v for k, v in body.items() if v is not None})
    output.emit(changed, lambda value: output.say(f"Changed source {value['id']}."))


@source.verb("try")
def try_source(
    name: Which,
    file: Annotated[
        Path,
        typer.Argument(
            help="File with what the tool sends; - is standard input.", exists=True, dir_okay=False, allow_dash=True
        ),
    ],
) -> None:
    """Say what a source would make of a payload, without storing anything."""
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    with api() as server:
        found = server.post(f"/sources/{_id(server, name)}/try", {"payload": raw.decode("utf-8", "replace")})
    output.emit(found)


@source.verb("rotate-key")
def rotate_key(name: Which, yes: Yes = False) -> None:
    """Give a source a new key; the old one stops working at once."""
    confirm(f"The old key of {name} stops working at once. Go on?", yes)
    with api() as server:
        made = server.post(f"/sources/{_id(server, name)}/rotate-key")
    output.emit({key: made[key] for key in ("id", "kind", "key", "url")})


@source.verb("delete")
def delete_sources(
    names: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Ids or names.")], yes: Yes = False
) -> None:
    """Delete each named source; its address stops accepting at once."""
    confirm(f"Delete source {', '.join(names)}?", yes)
    with api() as server:
        count = sum(server.delete(f"/sources/{_id(server, name)}")["count"] for name in names)
    output.emit({"count": count}, lambda value: output.say(f"{value['count']} gone."))


@refusal.verb("list")
def list_refusals(
    reason: Annotated[str, typer.Option(help="unrouted, malformed, unauthorised, too_large, limited or ignored.")] = "",
    limit: Limit = 50,
) -> None:
    """List what was refused, newest first, and why."""
    with api() as server:
        found = server.items("/refusals", limit, reason=reason)
    output.items(found, ("at", "reason", "status", "path", "remote", "errors"))
