"""``tocsin matrix``, ``audit``, ``ledger``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Limit
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_FAILED, EXIT_USAGE, api, fail

LEVELS = ("high", "medium", "low")

matrix = Noun("matrix", "Which priority impact and urgency give.")
audit = Noun("audit", "Who changed what in the configuration.")
ledger = Noun("ledger", "The chain of seals over everything that happened.")
nouns = [matrix, audit, ledger]


@matrix.verb("show")
def show_matrix() -> None:
    """Show the priority of each pair of impact and urgency."""
    with api() as server:
        told = server.get("/priority-matrix")
    rows = [{"impact": impact} | {f"urgency {name}": row[name] for name in LEVELS} for impact, row in _rows(told)]
    output.emit(told, lambda _: output.table(rows, rows[0].keys()))


def _rows(told: dict[str, dict[str, dict[str, str]]]) -> list[tuple[str, dict[str, str]]]:
    return [(impact, told["matrix"][impact]) for impact in LEVELS if impact in told["matrix"]]


@matrix.verb("set")
def set_matrix(
    cells: Annotated[
        list[str], typer.Argument(metavar="IMPACT/URGENCY=PRIORITY...", help="Such as high/low=P2; others stay.")
    ],
) -> None:
    """Change some of the matrix. Open incidents keep the priority they have."""
    changes: list[tuple[str, str, str]] = []
    for cell in cells:
        place, _, priority = cell.partition("=")
        impact, _, urgency = place.partition("/")
        if not (impact and urgency and priority):
            raise fail(f"{cell}: write IMPACT/URGENCY=PRIORITY, such as high/low=P2.", EXIT_USAGE)
        changes.append((impact.lower(), urgency.lower(), priority.upper()))
    with api() as server:
        table = server.get("/priority-matrix")["matrix"]
        for impact, urgency, priority in changes:
            table.setdefault(impact, {})[urgency] = priority
        told = server.put("/priority-matrix", {"matrix": table})
    output.emit(told, lambda _: output.say("The matrix is kept."))


@audit.verb("list")
def list_audit(
    kind: Annotated[str, typer.Option(help="Only of this kind of thing: service, policy, person ...")] = "",
    since: Annotated[str, typer.Option(help="Only from this moment on, ISO 8601.")] = "",
    limit: Limit = 100,
) -> None:
    """List changes, newest first."""
    with api() as server:
        found = server.items("/audit", limit, kind=kind, since=since)
    output.items(found, ("id", "at", "actor", "verb", "kind", "name"))


@ledger.verb("verify")
def verify_ledger(
    head: Annotated[str, typer.Option(help="The hash of an entry kept elsewhere; it must be in the chain.")] = "",
) -> None:
    """Check that every entry follows from the one before and every sealed row is as it was; exit code 1 when not."""
    with api() as server:
        told = server.post("/ledger/verify", {"head": head})
    output.emit(told, _verified)
    if not told["holds"]:
        raise typer.Exit(EXIT_FAILED)


def _verified(told: dict[str, Any]) -> None:
    for problem in told["problems"]:
        output.say(f"- {problem}")
    pruned = f", {told['pruned']:,} rows were too old to be kept" if told["pruned"] else ""
    word = "holds" if told["holds"] else "does NOT hold"
    output.say(f"The ledger {word}: {told['entries']:,} entries over {told['rows']:,} rows{pruned}.")
    if told["head"]:
        output.say(f"Its head is {told['head']}: keep it elsewhere, and give it with --head next time.")


@ledger.verb("list")
def list_ledger(limit: Limit = 20) -> None:
    """List the newest entries."""
    with api() as server:
        output.items(server.items("/ledger", limit), ("id", "at", "stream", "count", "last_id", "hash"))


@ledger.verb("findings")
def list_findings() -> None:
    """List what should have happened by now and has not: signals without an outcome, pages that are overdue."""
    with api() as server:
        told = server.get("/ledger/findings")
    output.emit(told, lambda value: output.table(value["items"], ("what", "count", "examples")))
    if told["items"]:
        raise typer.Exit(EXIT_FAILED)
