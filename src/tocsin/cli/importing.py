"""``tocsin import``: configuration of other products, read here, planned and applied by the server.

The other product's key stays on this machine: it goes into the requests to the product and nowhere else.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from tocsin.cli import output
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_USAGE, Api, api, asked, fail
from tocsin.platform.errors import TocsinError
from tocsin.project.importing.shapes import PRODUCTS, VERDICTS, Export, grouped

TIMEOUT_S = 300.0
LOOK_S = 0.5
STYLES = {"impossible": "red", "approximated": "yellow", "exact": "green"}
SHOWN = 40

ApiUrl = Annotated[str, typer.Option("--api-url", metavar="URL", help="Address of the product's API.")]
KeyFile = Annotated[str, typer.Option("--key-file", metavar="FILE", help="File with the API key; - is stdin.")]
Save = Annotated[str, typer.Option("--save", metavar="FILE", help="Also keep what was read, for importing it later.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Only show what would happen. This is what happens without --apply.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Make it so, after showing it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
File = Annotated[str, typer.Argument(metavar="[FILE]", help="A saved export, instead of reading the API.")]
Folder = Annotated[
    str, typer.Argument(metavar="[FOLDER_OR_ZIP]", help="Opsgenie's configuration backup, or a saved export.")
]

importing = Noun("import", "Take over the configuration of Opsgenie, PagerDuty or Grafana OnCall.")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr that shows what is being done; nothing where nobody looks."""
    if asked.json or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_stderr(), transient=True) as bar:
        shown = bar.add_task("", total=None)
        yield lambda stage, done, total: bar.update(shown, description=stage[:40], completed=done, total=total or None)


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _key(path: str) -> str:
    if not path:
        raise fail("Give --key-file FILE (- is stdin), or a file to import.", EXIT_USAGE)
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{path} cannot be read: {error}", EXIT_USAGE) from error
    return text.strip()


def _read(product: str, path: str, api_url: str, key_file: str) -> Export:
    """What is to be imported: from a file or folder, or from the product's API."""
    # reading needs a client for HTTP and more: no other command should wait for it to load
    from tocsin.project.importing import reading
    from tocsin.project.importing.reading import backup

    now = datetime.now(UTC)  # of this machine, which is all that is known before the server is asked
    try:
        if path and (api_url or key_file):
            raise fail("Either a file or an API, not both.", EXIT_USAGE)
        with _bar() as progress:
            if path and Path(path).is_dir():
                export = backup.of_folder(Path(path), now=now, progress=progress)
            elif path:
                export = backup.of_file(Path(path).read_bytes(), Path(path).name, now=now)
            else:
                key = _key(key_file)
                export = asyncio.run(reading.read(product, api_url, key, now=now, progress=progress))
    except OSError as error:
        raise fail(f"{path} cannot be read: {error}", EXIT_USAGE) from error
    except TocsinError as error:
        raise fail(error.message, problems=error.problems) from error
    if export.product != product:
        raise fail(f"This is an export of {PRODUCTS[export.product]}.", EXIT_USAGE)
    return export


def _saved(export: Export, path: str) -> None:
    """Keep an export for later; only for whoever owns the file, because it holds keys and numbers."""
    target = Path(path)
    try:
        target.touch(mode=0o600)
        target.write_text(json.dumps(export.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise fail(f"{path} cannot be written: {error}") from error


def _awaited(server: Api, run: dict[str, Any]) -> dict[str, Any]:
    """The run once an engine has done what is wanted."""
    with _bar() as progress:
        while run["wanted"] or run["state"] == "reading":
            time.sleep(LOOK_S)
            run = server.get(f"/imports/{run['id']}")
            if run["progress"]:
                progress(run["progress"]["stage"], run["progress"]["done"], run["progress"]["total"])
    return run


def _all(server: Api, run: dict[str, Any], part: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = server.get(f"/imports/{run['id']}/{part}", limit=5000, cursor=cursor, **query)
        found += answer["items"]
        cursor = answer["next"] or ""
        if not cursor:
            return found


def _told(server: Api, run: dict[str, Any], verdict: str = "", kind: str = "") -> None:
    """Show a run with what it does and found; everything as JSON."""
    changes = _all(server, run, "changes")
    findings = _all(server, run, "findings", verdict=verdict, kind=kind)
    output.emit(
        run | {"changes": changes, "findings": findings}, lambda value: _shown(value, whole=bool(verdict or kind))
    )


def _shown(run: dict[str, Any], *, whole: bool) -> None:
    console = output.console()
    kinds = Counter((one["kind"], one["change"]) for one in run["changes"])
    rows = [{"what": kind, "change": change, "how many": count} for (kind, change), count in sorted(kinds.items())]
    if rows:
        output.table(rows, ("what", "change", "how many"))
    for change in run["changes"]:
        if change["change"] == "update":
            console.print(Text(f"~ {change['kind']} {change['name']}: {', '.join(change['fields'])}", style="yellow"))
    if whole:
        findings = sorted(run["findings"], key=lambda one: VERDICTS.index(one["verdict"]))
        output.table(findings, ("verdict", "kind", "name", "id", "reason"))
    elif findings := grouped(run["findings"]):
        console.print()
        output.table(findings[:SHOWN], ("verdict", "kind", "count", "example", "reason"))
        more = f"{len(findings) - SHOWN} more reasons; " if len(findings) > SHOWN else ""
        console.print(Text(f"{more}each thing: tocsin import show {run['id']} --verdict approximated"))
    counts = run["counts"]
    if counts:
        console.print(
            f"{counts['create']} to create, {counts['update']} to update, {counts['unchanged']} unchanged."
            f" Findings: {counts['impossible']} impossible, {counts['approximated']} approximated,"
            f" {counts['exact']} exact."
        )
    for text in run["left"]:
        console.print(Text(f"! {text}", style="yellow"))
    console.print(f"Import {run['id']} of {PRODUCTS[run['product']]} ({run['origin']}): {run['state']}.")


def _failed(run: dict[str, Any]) -> None:
    if run["failure"]:
        if asked.json:
            output.emit(run)
        raise fail(run["failure"])


def _import(
    product: str, path: str, api_url: str, key_file: str, save: str, *, plan: bool, apply: bool, yes: bool
) -> None:
    if plan and apply:
        raise fail("Either --plan or --apply.", EXIT_USAGE)
    if apply and not yes and asked.json:
        raise fail("With --json nothing can be asked: give --yes.", EXIT_USAGE)
    from tocsin.project.importing import packing

    export = _read(product, path, api_url, key_file)
    if save:
        _saved(export, save)
        output.say(f"What was read is kept in {save}. It holds keys and telephone numbers: keep it safe.")
    with api(timeout_s=TIMEOUT_S) as server:
        run = _awaited(server, server.post("/imports", {"export": packing.pack(export)}))
        _failed(run)
        if not apply or not yes:
            _told(server, run)
        if not apply:
            output.say(f"Nothing was changed. Make it so: tocsin import apply {run['id']}")
            return
        _apply(server, run, yes=yes)


def _apply(server: Api, run: dict[str, Any], *, yes: bool) -> None:
    if not yes:
        typer.confirm("Apply this?", abort=True)
    run = _awaited(server, server.post(f"/imports/{run['id']}/apply", {"digest": run["digest"]}))
    _failed(run)
    _told(server, run)
    output.say(f"Take it back: tocsin import rollback {run['id']}")


@importing.verb("opsgenie")
def opsgenie(
    path: Folder = "", api_url: ApiUrl = "", key_file: KeyFile = "", save: Save = "",
    plan: Plan = False, apply: Apply = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Import from Opsgenie: its API, or the folder of its configuration backup. Shows the plan; --apply makes it so."""
    _import("opsgenie", path, api_url, key_file, save, plan=plan, apply=apply, yes=yes)


@importing.verb("pagerduty")
def pagerduty(
    path: File = "", api_url: ApiUrl = "", key_file: KeyFile = "", save: Save = "",
    plan: Plan = False, apply: Apply = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Import from PagerDuty's REST API. Integration keys stay what they are. Shows the plan; --apply makes it so."""
    _import("pagerduty", path, api_url, key_file, save, plan=plan, apply=apply, yes=yes)


@importing.verb("grafana-oncall")
def grafana_oncall(
    path: File = "", api_url: ApiUrl = "", key_file: KeyFile = "", save: Save = "",
    plan: Plan = False, apply: Apply = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Import from Grafana OnCall's API. Shows the plan; --apply makes it so."""
    _import("grafana-oncall", path, api_url, key_file, save, plan=plan, apply=apply, yes=yes)


@importing.verb("runs")
def runs() -> None:
    """The newest imports."""
    with api() as server:
        columns = ("id", "product", "origin", "state", "created_at", "created_by")
        output.items(server.get("/imports")["items"], columns)


@importing.verb("show")
def show(
    number: int,
    verdict: Annotated[str, typer.Option(help="Only findings that are exact, approximated or impossible.")] = "",
    kind: Annotated[str, typer.Option(help="Only findings about this kind of thing, such as schedule.")] = "",
) -> None:
    """One import with what it does or did, and its findings."""
    with api() as server:
        run = server.get(f"/imports/{number}")
        _told(server, run, verdict, kind)
        _failed(run | {"failure": run["failure"] if not asked.json else ""})


@importing.verb("apply")
def apply(number: int, yes: Yes = False) -> None:
    """Apply an import that was planned."""
    if asked.json and not yes:
        raise fail("With --json nothing can be asked: give --yes.", EXIT_USAGE)
    with api(timeout_s=TIMEOUT_S) as server:
        _apply(server, server.get(f"/imports/{number}"), yes=yes)


@importing.verb("rollback")
def rollback(
    number: int,
    force: Annotated[bool, typer.Option("--force", help="Also what changed since; what is in use stays.")] = False,
    yes: Yes = False,
) -> None:
    """Make everything as it was before an import. Refused when something changed since, unless --force."""
    if not yes:
        if asked.json:
            raise fail("With --json nothing can be asked: give --yes.", EXIT_USAGE)
        typer.confirm("Take everything back that this import did?", abort=True)
    with api(timeout_s=TIMEOUT_S) as server:
        run = _awaited(server, server.post(f"/imports/{number}/rollback", {"force": force}))
    _failed(run)
    output.emit(run, lambda value: output.say(f"Import {number} is rolled back."))
    for text in run["left"]:
        output.say(f"! {text}")


nouns: list[Noun] = [importing]
