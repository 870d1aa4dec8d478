"""``tocsin calendar``, ``absence``, and of ``oncall``: ``load``, ``fairness``, ``pay``."""

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Yes, confirm
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_FAILED, EXIT_USAGE, api, fail
from tocsin.cli.told import moment, part, read_text
from tocsin.oncall.commands import oncall

calendar = Noun("calendar", "Calendars: addresses at which other programs read shifts, and calendars that are read.")
absence = Noun("absence", "Who is away when.")
nouns = [calendar, absence]

Team = Annotated[str, typer.Option(help="Only the schedules of this team: slug or name.")]
Since = Annotated[str, typer.Option(help="A month as 2026-10, weeks as 4w, or a day as 2026-10-05.")]


# -- calendars ---------------------------------------------------------------------------------------------------------


@calendar.verb("create")
def create_calendar(
    mine: Annotated[bool, typer.Option("--mine", help="Your own shifts, of all schedules.")] = False,
    schedule: Annotated[str, typer.Option(help="Everybody's shifts in this schedule: slug or name.")] = "",
    team: Annotated[str, typer.Option(help="Everybody's shifts in this team's schedules: slug or name.")] = "",
) -> None:
    """Make a secret address to subscribe to. It is shown once, and works until it is revoked."""
    if [bool(mine), bool(schedule), bool(team)].count(True) != 1:
        raise fail("Whose shifts? Give one of --mine, --schedule and --team.", EXIT_USAGE)
    with api() as server:
        made = server.post("/calendar-feeds", {"schedule": schedule, "team": team})
    output.emit(made, lambda value: typer.echo(f"{value['what']}: {value['url']}"))


@calendar.verb("list")
def list_calendars() -> None:
    """List the addresses that work; their secrets are not kept."""
    with api() as server:
        found = server.get("/calendar-feeds")["items"]
    output.items(found, ("id", "what", "person", "created_at", "last_used_at"))


@calendar.verb("revoke")
def revoke_calendars(ids: Annotated[list[int], typer.Argument(metavar="ID...")], yes: Yes = False) -> None:
    """Make addresses worthless at once."""
    confirm(f"Revoke calendar {', '.join(map(str, ids))}?", yes)
    with api() as server:
        count = sum(server.delete(f"/calendar-feeds/{number}")["count"] for number in ids)
    output.emit({"count": count}, lambda value: output.say(f"{value['count']} revoked."))


Schedule = Annotated[str, typer.Option(help="Name or slug of the schedule.")]


@calendar.verb("read")
def read_calendar(
    schedule: Schedule,
    name: Annotated[str, typer.Option(help="What to call it.")],
    url: Annotated[str, typer.Option(help="Its address: https, http or webcal.")] = "",
    file: Annotated[str, typer.Option(help="An .ics file instead; - is stdin.")] = "",
) -> None:
    """Put people on call in a schedule as the events of another tool's calendar say."""
    body = {"name": name, "url": url, "file": read_text(file) if file else ""}
    with api() as server:
        made = server.post(f"/schedules/{part(schedule)}/calendars", body)
    output.emit(made, lambda value: output.say(f"Calendar {value['id']} is read from now on."))


@calendar.verb("sources")
def list_sources(schedule: Schedule) -> None:
    """List the calendars that are read for a schedule, and what they said that nobody understood."""
    with api() as server:
        found = server.get(f"/schedules/{part(schedule)}/calendars")["items"]
    output.items(found, ("id", "name", "kind", "read_at", "found", "failure", "problems"))


@calendar.verb("forget")
def forget_calendar(source_id: Annotated[int, typer.Argument(metavar="ID")], yes: Yes = False) -> None:
    """Read a calendar no more: its shifts to come go, past ones stay."""
    confirm(f"Read calendar {source_id} no more?", yes)
    with api() as server:
        done = server.delete(f"/calendar-sources/{source_id}")
    output.emit(done, lambda value: output.say(f"{value['count']} gone."))


# -- absences ----------------------------------------------------------------------------------------------------------


@absence.verb("add")
def add_absence(
    from_: Annotated[str, typer.Option("--from", help="ISO 8601, now or +2h; without an offset: the person's time.")],
    to: Annotated[str, typer.Option("--to", help="ISO 8601 or +8h; without an offset: the person's time.")],
    user: Annotated[str, typer.Option(help="E-mail address; yourself when not given.")] = "",
    kind: Annotated[str, typer.Option(help="vacation, sick ...")] = "",
    note: Annotated[str, typer.Option(help="For others to read.")] = "",
) -> None:
    """Say that somebody is away."""
    body = {
        "user": user,
        "from": moment(from_, local=False),
        "to": moment(to, local=False),
        "kind": kind,
        "note": note,
    }
    with api() as server:
        made = server.post("/absences", body)
    output.emit(made, lambda value: output.say(f"Absence {value['id']}: {value['name']} is away."))


@absence.verb("list")
def list_absences(
    user: Annotated[str, typer.Option(help="Only of this person.")] = "",
    team: Annotated[str, typer.Option(help="Only of this team's people.")] = "",
    since: Annotated[str, typer.Option(help="From when; now when not given.")] = "",
    until: Annotated[str, typer.Option(help="Until when; a year later when not given.")] = "",
    uncovered: Annotated[
        bool, typer.Option("--uncovered", help="Shifts whose person is away, in the next four weeks.")
    ] = False,
) -> None:
    """List who is away."""
    between = {"since": moment(since) if since else "", "until": moment(until) if until else ""}
    with api() as server:
        if uncovered:
            found = server.get("/absences/uncovered", **between)["items"]
            output.items(found, ("schedule", "name", "from", "to"))
        else:
            found = server.get("/absences", user=user, team=team, **between)["items"]
            output.items(found, ("id", "name", "from", "to", "kind", "note", "source"))


@absence.verb("delete")
def delete_absences(ids: Annotated[list[int], typer.Argument(metavar="ID...")], yes: Yes = False) -> None:
    """Take absences back."""
    confirm(f"Take back absence {', '.join(map(str, ids))}?", yes)
    with api() as server:
        count = sum(server.delete(f"/absences/{number}")["count"] for number in ids)
    output.emit({"count": count}, lambda value: output.say(f"{value['count']} taken back."))


@absence.verb("import")
def import_absences(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV with headings: person, start, end ...; - is stdin.")],
    save_good: Annotated[
        bool, typer.Option("--save-good", help="Keep the rows that are good although others are not.")
    ] = False,
) -> None:
    """Read absences of many people from a CSV file; nothing is kept unless every row is good."""
    with api() as server:
        done = server.post("/absences/import", {"csv": read_text(file), "save_good": save_good})
    output.emit(done, _told)
    if done["problems"] and not save_good:
        raise typer.Exit(EXIT_FAILED)


def _told(done: dict[str, Any]) -> None:
    for one in done["problems"]:
        where = f"row {one['row']}" + (f", {one['column']}" if one["column"] else "") if one["row"] else "file"
        typer.echo(f"{where}: {one['text']}", err=True)
    output.say(f"{done['saved']} kept, {done['known']} were there already, {len(done['problems'])} problems.")


# -- what it costs -----------------------------------------------------------------------------------------------------


@oncall.verb("load")
def show_load(team: Team = "", since: Since = "4w") -> None:
    """Show what on call cost everybody: hours by kind, pages, interruptions of sleep."""
    with api() as server:
        found = server.get("/oncall/load", team=team, since=since)
    rows = [row | {kind: f"{hours:g}" for kind, hours in row["hours"].items()} for row in found["items"]]
    columns = ("name", "working", "evening", "night", "weekend", "holiday", "pages", "interruptions", "bad_nights")
    output.emit(found, lambda value: output.table(rows, columns))


@oncall.verb("fairness")
def fairness(team: Team = "", since: Since = "12w") -> None:
    """Say how evenly on call is shared, and who is due next."""
    with api() as server:
        found = server.get("/oncall/load", team=team, since=since)
    output.emit(found, _fair)


def _fair(found: dict[str, Any]) -> None:
    output.say(found["summary"])
    output.say(f"Gini coefficient {found['gini']:g}: 0 is wholly even, towards 1 one person carries everything.")
    rows = [
        {"name": row["name"], "share": f"{row['share']:.0%}", "even would be": f"{row['expected']:.0%}"}
        for row in found["items"]
    ]
    output.table(rows, ("name", "share", "even would be"))


@oncall.verb("pay")
def pay(
    month: Annotated[str, typer.Option(help="The month, such as 2026-10.")],
    team: Team = "",
    xlsx: Annotated[str, typer.Option(help="Write an Excel workbook to this file.")] = "",
    csv: Annotated[str, typer.Option(help="Write comma-separated lines to this file.")] = "",
) -> None:
    """Show what everybody is paid for on call in a month."""
    with api() as server:
        found = server.get("/oncall/pay", since=month, team=team)
        for kind, path in (("xlsx", xlsx), ("csv", csv)):
            if path:
                _write(path, server.get("/oncall/pay/file", since=month, team=team, kind=kind)["content"])
    rows = [row | {"amount": f"{row['amount']} {found['currency']}"} for row in found["items"]]
    output.emit(found, lambda value: output.table(rows, ("name", "user", "amount")))


def _write(path: str, content: str) -> None:
    try:
        Path(path).write_bytes(base64.b64decode(content))
    except OSError as error:
        raise fail(f"{path} cannot be written: {error}", EXIT_FAILED) from error
    output.say(f"Wrote {path}.")
