"""``tocsin sweep``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.output import talks
from tocsin.cli.remote import api
from tocsin.cli.told import moment, seconds


def sweep(app: typer.Typer, panel: str) -> None:
    """Add ``tocsin sweep`` to the root."""

    @app.command("sweep", rich_help_panel=panel)
    @talks
    def sweep_command(
        service: Annotated[str, typer.Option(help="Service on which incidents are imagined.")] = "",
        policy: Annotated[str, typer.Option(help="A policy instead of a service.")] = "",
        priority: Annotated[str, typer.Option(help="P1 to P5.")] = "P1",
        at: Annotated[str, typer.Option(help="When the sweep begins: ISO 8601; now when not given.")] = "",
        days: Annotated[int, typer.Option(min=1, max=400, help="For how many days.")] = 365,
        every: Annotated[str, typer.Option(help="How often an incident opens, such as 1h.")] = "1h",
        for_: Annotated[str, typer.Option("--for", help="How long each is followed, such as 4h.")] = "4h",
        median: Annotated[
            str, typer.Option(help="Median time to answer, such as 2m; as observed when not given.")
        ] = "",
        chance: Annotated[
            float, typer.Option(min=0, max=1, help="Chance that a page is answered, with --median.")
        ] = 0.9,
        chance_asleep: Annotated[
            float, typer.Option(min=0, max=1, help="The same in a person's night, with --median.")
        ] = 0.8,
    ) -> None:
        """Imagine incidents over a year: time to an answer, dead ends, who is woken how often. Sends nothing."""
        body: dict[str, Any] = {
            "service": service,
            "policy": policy,
            "priority": priority,
            "at": moment(at) if at else None,
            "days": days,
            "every_s": seconds(every),
            "for_s": seconds(for_),
        }
        if median:
            body["model"] = {"median_s": seconds(median), "chance": chance, "chance_asleep": chance_asleep}
        with api(timeout_s=120) as server:
            output.emit(server.post("/sweep", body), _told)


def _told(found: dict[str, Any]) -> None:
    output.say(
        f"{found['policy']}, {found['priority']}: {found['incidents']:,} incidents, "
        f"{found['since'][:10]} to {found['until'][:10]}"
    )
    rows = [{"what": "acknowledged"} | found["acknowledged"], {"what": "first page"} | found["first_page"]]
    rows += [{"what": f"{row['step']} paged"} | row for row in found["steps"]]
    for row in rows:
        row["incidents"] = f"{row['count']:,}"
        for name in ("p50", "p90", "p99"):
            value = row[f"{name}_s"]
            row[name] = "never" if value is None else f"{value / 60:.1f} min"
    output.table(rows, ("what", "incidents", "p50", "p90", "p99"))
    dead = found["dead_ends"]
    if dead["count"]:
        output.say(f"{dead['count']:,} dead ends: nobody acknowledged. The first: {', '.join(dead['first'][:3])}")
    if found["gaps"]:
        output.say(f"{found['gaps']:,} times a step found nobody.")
    output.table(found["people"][:20], ("name", "pages", "woken", "nights", "acknowledged"))
