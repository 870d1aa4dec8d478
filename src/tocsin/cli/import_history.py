"""``tocsin import csv``: past incidents of a CSV file, planned, written, taken away again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tocsin.cli import output
from tocsin.cli.output import talks
from tocsin.cli.remote import EXIT_FAILED, EXIT_USAGE, Api, api, asked, fail

PART = 4 * 1024 * 1024
BUSY = ("looking", "planning", "applying", "rolling_back")
WORDS = {
    "looking": "Looking at the file",
    "planning": "Planning",
    "applying": "Writing",
    "rolling_back": "Rolling back",
}
ASK_S = 0.5

Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Which column a field is; empty after = for none. Repeatable."),
]
Value = Annotated[
    list[str] | None,
    typer.Option("--value", metavar="FIELD:VALUE=MEANING", help="As priority:Sev-A=P1 or state:Parked=resolved."),
]


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``import``."""
    group.command("csv")(talks(import_csv))
    group.command("history")(talks(list_imports))
    group.command("history-rollback")(talks(rollback))


def import_csv(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, also packed with gzip.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would become (as without --apply).")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write it.")] = False,
    source: Annotated[
        str, typer.Option(help="Where the numbers come from; the same number of it is the same incident.")
    ] = "csv",
    maps: Map = None,
    values: Value = None,
    dates: Annotated[str, typer.Option(help="D/M/Y, M/D/Y or Y/M/D; only asked where the file does not say.")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone of moments that carry none, such as Europe/Berlin.")] = "",
    link: Annotated[str, typer.Option(help="Address of an incident there, with {number} in it.")] = "",
    open_: Annotated[str, typer.Option("--open", help="What is open in the file: resolve, leave_out.")] = "resolve",
    services: Annotated[str, typer.Option(help="Unknown services: imported (one for all), create.")] = "imported",
    teams: Annotated[bool, typer.Option("--teams", help="Services that are made belong to their teams.")] = False,
) -> None:
    """Import past incidents from a CSV file of ServiceNow, Jira or anything. Nobody is paged.

    Columns and values are guessed; the plan shows how. Without --apply nothing is written.
    """
    if plan and apply:
        raise fail("Say --plan or --apply, not both.", EXIT_USAGE)
    with api() as server:
        run = _sent(server, file, source)
        wanted = {
            "mapping": _mapping(run["profile"], maps or []), "order": dates, "zone": zone,
            "values": _values(values or []), "link": link, "open": open_, "services": services, "teams": teams,
        }  # fmt: skip
        place = f"/imports/history/{run['id']}"
        run = server.put(f"{place}/options", wanted)
        if run["asked"]:
            server.delete(place)
            named = {_option(name): why for name, why in run["asked"].items()}
            raise fail("Something has to be said first.", EXIT_USAGE, named)
        server.post(f"{place}/plan")
        run = _waited(server, run["id"])
        if not apply:
            output.emit(run, _planned)
            output.say("Nothing was written. Say --apply to write it.")
            server.delete(place)
            return
        if not asked.json:
            _planned(run)
        server.post(f"{place}/apply")
        output.emit(_waited(server, run["id"]), _applied)


def list_imports(limit: Annotated[int, typer.Option(help="At most this many.")] = 20) -> None:
    """List imports of past incidents, newest first."""
    with api() as server:
        found = server.items("/imports/history", limit)
    output.items(found, ("id", "source", "file", "state", "created_by", "created_at"))


def rollback(run: Annotated[int, typer.Argument(help="Its number, of `tocsin import history`.")]) -> None:
    """Take away what an import of past incidents made. What somebody has worked on here since stays."""
    with api() as server:
        server.post(f"/imports/history/{run}/rollback")
        output.emit(_waited(server, run), _rolled_back)


def _option(name: str) -> str:
    """The command's option for a field of the API."""
    return {"order": "--dates", "zone": "--zone"}.get(name) or f"--map {name.partition('.')[2]}=COLUMN"


def _sent(server: Api, file: Path, source: str) -> dict[str, Any]:
    """The file sent, piece by piece, and looked at."""
    run: dict[str, Any] = server.post("/imports/history", {"source": source, "file": file.name})
    size, sent = file.stat().st_size, 0
    with _bar("Sending") as bar:
        for number, part in enumerate(_parts(file)):
            server.put_bytes(f"/imports/history/{run['id']}/parts/{number}", part)
            sent += len(part)
            bar(sent, size)
    server.post(f"/imports/history/{run['id']}/finish")
    return _waited(server, run["id"])


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(PART):
            yield part


def _waited(server: Api, run_id: int) -> dict[str, Any]:
    """The run when it is no longer busy. Ends the program when it failed."""
    run: dict[str, Any] = server.get(f"/imports/history/{run_id}")
    with _bar(WORDS.get(run["state"], "Waiting")) as bar:
        while run["state"] in BUSY:
            bar(run["done"], run["total"])
            time.sleep(ASK_S)
            run = server.get(f"/imports/history/{run_id}")
    if run["state"] == "failed":
        raise fail(f"Import {run_id} failed: {run['problem']}", EXIT_FAILED)
    return run


class _bar:
    """How far something is, on stderr; silent with --json and where nobody looks."""

    def __init__(self, what: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True, disable=asked.json,
        )  # fmt: skip
        self._task = self._progress.add_task(what, total=None)

    def __enter__(self) -> "_bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total or None)


def _mapping(profile: dict[str, Any], maps: list[str]) -> dict[str, str]:
    """The guessed mapping with what was said."""
    mapping: dict[str, str] = dict(profile["mapping"])
    for one in maps:
        name, equals, column = one.partition("=")
        if not equals:
            raise fail(f"{one}: write FIELD=COLUMN, such as title=short_description.", EXIT_USAGE)
        mapping = {key: value for key, value in mapping.items() if value != column and key != name.strip()}
        mapping[name.strip()] = column.strip()
    return mapping


def _values(values: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in values:
        place, equals, meaning = one.rpartition("=")
        name, colon, value = place.partition(":")
        if not (equals and colon):
            raise fail(f"{one}: write FIELD:VALUE=MEANING, such as priority:Sev-A=P1.", EXIT_USAGE)
        found.setdefault(name.strip(), {})[value.strip()] = meaning.strip()
    return found


def _planned(run: dict[str, Any]) -> None:
    console = output.console()
    profile, plan, options = run["profile"], run["plan"], run["options"]
    form = profile["form"]
    console.print(
        f"{profile['rows']:,} rows, {form['encoding']}, delimiter {form['delimiter']!r}, dates {options['order']}, "
        f"zone {options['zone'] or 'as written'}",
        markup=False,
    )
    mapped = {column: field for field, column in options["mapping"].items()}
    rows = [
        {"column": one["name"], "is": mapped.get(one["name"], ""), "samples": ", ".join(one["samples"][:3])[:60]}
        for one in profile["columns"]
    ]
    output.table(rows, ("column", "is", "samples"))
    output.table(plan["first"], ("number", "state", "priority", "title", "service", "opened_at", "resolved_at"))
    figures, counts = plan["figures"], plan["counts"]
    output.table(
        [{"priority": name, "incidents": count} for name, count in figures["by_priority"].items()],
        ("priority", "incidents"),
    )
    output.table(
        [{"opened in": name, "incidents": count} for name, count in figures["by_month"].items()],
        ("opened in", "incidents"),
    )
    for name in ("time_to_acknowledge", "time_to_resolve"):
        console.print(_spread(name.replace("_", " "), figures[name]))
    console.print(f"{figures['reopened']:,} were reopened, {figures['reassigned']:,} reassigned.")
    unknown = plan["services"]["unknown_count"]
    if unknown:
        become = "are made" if options["services"] == "create" else 'become one, "Imported"'
        console.print(f"{unknown:,} services of the file are not known here; they {become}.")
    _found(plan["findings"])
    console.print(
        f"{figures['incidents']:,} incidents: {counts['new']:,} new, {counts['changed']:,} changed, "
        f"{counts['unchanged']:,} as they are. Of {plan['exact']:,} nothing has to be assumed."
    )


def _spread(name: str, found: dict[str, Any]) -> str:
    if not found["n"]:
        return f"{name}: of none is it known"
    hours = f"median {found['p50_s'] / 3600:,.2f} h, 90 % within {found['p90_s'] / 3600:,.2f} h"
    return f"{name}: {hours} (n = {found['n']:,})"


def _found(findings: list[dict[str, Any]]) -> None:
    console = output.console()
    for one in findings:
        lines = (
            f"; lines {', '.join(map(str, one['lines'][:8]))}{' ...' if one['count'] > 8 else ''}"
            if one["lines"]
            else ""
        )
        style = "red" if one["kind"] == "impossible" else "yellow"
        console.print(Text(f"- {one['kind']}, {one['count']:,}: {one['text']}{lines}", style=style), soft_wrap=True)


def _applied(run: dict[str, Any]) -> None:
    result = run["result"]
    output.say(
        f"Import {run['id']}: {result['created']:,} incidents written, {result['updated']:,} changed, "
        f"{result['unchanged']:,} as they were, {result['entries']:,} entries on timelines, in {result['seconds']} s."
    )
    output.say(f"`tocsin import history-rollback {run['id']}` takes it away again.")


def _rolled_back(run: dict[str, Any]) -> None:
    result = run["result"]
    output.say(f"{result['removed']:,} incidents removed, {result['restored']:,} brought back to what they were.")
    if result["kept"]:
        output.say(f"Kept, because somebody has worked on them here: {', '.join(result['kept'][:20])}")
