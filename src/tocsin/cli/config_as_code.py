"""``tocsin plan``, ``apply``, ``export``, ``schema``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tocsin.cli import output
from tocsin.cli.output import talks
from tocsin.cli.remote import EXIT_USAGE, api, asked, fail
from tocsin.cli.told import read_text, seconds

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files or folders of them; - is stdin.")]
Prune = Annotated[bool, typer.Option("--prune", help="Also take away what the files' sections do not name.")]
SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}


def _read(paths: list[str]) -> list[dict[str, str]]:
    """The files as they are sent; folders give their YAML files in the order of names."""
    names: list[str] = []
    for path in paths:
        folder = Path(path)
        if path != "-" and folder.is_dir():
            found = sorted(str(file) for file in folder.rglob("*") if file.suffix in (".yaml", ".yml", ".json"))
            if not found:
                raise typer.BadParameter(f"{path} has no .yaml, .yml or .json files")
            names += found
        else:
            names.append(path)
    return [{"name": "stdin" if name == "-" else name, "text": read_text(name)} for name in names]


def _show(plan: dict[str, Any]) -> None:
    console = output.console()
    for change in plan["changes"]:
        sign, style = SIGNS[change["change"]]
        place = f"  ({change['place']})" if change["place"] else ""
        console.print(Text(f"{sign} {change['kind']} {change['name']}{place}", style=style))
        if change["change"] == "update":
            for name, values in change["fields"].items():
                old, new = (json.dumps(values[side], ensure_ascii=False) for side in ("from", "to"))
                console.print(Text(f"    {name}: {old} -> {new}"))
    counts = plan["counts"]
    done = "done" if plan["applied"] else "planned"
    console.print(
        f"{counts['create']} to create, {counts['update']} to update, {counts['delete']} to delete, "
        f"{counts['unchanged']} unchanged: {done}."
    )
    for text in plan["gaps"]:
        console.print(Text(f"! {text}", style="red"))
    if plan["closed"]:
        console.print(f"Closes {plan['closed']} {'gap' if plan['closed'] == 1 else 'gaps'} in who can be paged.")


def _proven(proof: dict[str, Any]) -> None:
    console = output.console()
    for one in proof["items"]:
        console.print(Text(f"- {one['text']}", style="red" if not one["step"] else "yellow"), soft_wrap=True)
    for text in proof["notes"]:
        console.print(Text(text), soft_wrap=True)
    span = f"{proof['services']} services, P1 to P5, {proof['since'][:10]} to {proof['until'][:10]}"
    if proof["holds"]:
        console.print(f"Proven: somebody reachable is paged at every step. {span}.", soft_wrap=True)
    else:
        count = len(proof["items"])
        console.print(f"{count} counter-example{'' if count == 1 else 's'}. {span}.", soft_wrap=True)


def _replayed(found: dict[str, Any]) -> None:
    console = output.console()
    console.print(f"{found['signals']:,} signals, {found['since'][:10]} to {found['until'][:10]}")
    rows = [
        {"": word, "before": found["before"][key], "after": found["after"][key],
         "difference": f"{found['after'][key] - found['before'][key]:+,}"}
        for word, key in (("incidents", "incidents"), ("pages", "pages"), ("pages at night", "at_night"),
                          ("messages", "messages"), ("steps that found nobody", "gaps"),
                          ("incidents nobody was paged for", "unpaged"))
    ]  # fmt: skip
    output.table(rows, ("", "before", "after", "difference"))
    parts = (
        ("missed", "- {count} incidents would page nobody any more", "red"),
        ("new", "+ {count} incidents would page that did not", "yellow"),
        ("later", "> {count} incidents would page later", "yellow"),
        ("earlier", "< {count} incidents would page earlier", "green"),
    )
    for key, words, style in parts:
        part = found[key]
        if not part["count"]:
            continue
        console.print(Text(words.format(count=part["count"]), style=style))
        for row in part["items"][:10]:
            more = f", {row['minutes']:+.0f} min" if "minutes" in row else f", {row['priority']}"
            console.print(Text(f"    {row['at'][:16]} {row['service']}: {row['title']}{more}"), soft_wrap=True)
        if part["count"] > 10:
            console.print(f"    and {part['count'] - 10} more")
    if len(found["later"]["quantiles_min"]) == 2:
        half, most = found["later"]["quantiles_min"]
        console.print(f"Later by {half:.0f} min (half of them), {most:.0f} min (all but one in twenty).")
    console.print(f"Pages saved: {found['pages_saved']:,}, of them at night: {found['night_pages_saved']:,}.")


def register(app: typer.Typer, panel: str) -> None:
    """Add the commands of config as code to the root."""

    @app.command("plan", rich_help_panel=panel)
    @talks
    def plan(files: Files, prune: Prune = False) -> None:
        """Show what applying configuration files would do. Nothing is changed."""
        with api() as server:
            output.emit(server.post("/config/plan", {"files": _read(files), "prune": prune}), _show)

    @app.command("apply", rich_help_panel=panel)
    @talks
    def apply(
        files: Files,
        prune: Prune = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    ) -> None:
        """Make the configuration as the files say: all of it, or nothing. Shows the plan and asks first."""
        body: dict[str, Any] = {"files": _read(files), "prune": prune}
        with api() as server:
            if not yes:
                if asked.json:
                    raise fail("With --json nothing can be asked: give --yes.", EXIT_USAGE)
                planned = server.post("/config/plan", body)
                _show(planned)
                if not planned["changes"]:
                    return
                typer.confirm("Apply this?", abort=True)
                body["digest"] = planned["digest"]
            output.emit(server.post("/config/apply", body), _show)

    @app.command("prove", rich_help_panel=panel)
    @talks
    def prove(
        files: Annotated[
            list[str] | None,
            typer.Argument(metavar="[FILE...]", help="Prove what applying these files would make; folders too."),
        ] = None,
        months: Annotated[int, typer.Option(min=1, max=24, help="How far to look ahead.")] = 6,
        service: Annotated[list[str] | None, typer.Option(help="Only this service; may be repeated.")] = None,
        prune: Prune = False,
    ) -> None:
        """Prove that somebody reachable is paged at every step at every moment, or show when not (exit code 1)."""
        if files and service:
            raise fail("Files are proven for all services: leave --service out.", EXIT_USAGE)
        with api() as server:
            if files:
                proof = server.post("/config/prove", {"files": _read(files), "prune": prune, "months": months})
            else:
                proof = server.get("/proof", months=months, service=",".join(service or []))
        output.emit(proof, _proven)
        if not proof["holds"]:
            raise typer.Exit(1)

    @app.command("replay", rich_help_panel=panel)
    @talks
    def replay(
        with_: Annotated[
            list[str] | None,
            typer.Option("--with", metavar="FILE", help="What would change: YAML files or folders; may be repeated."),
        ] = None,
        since: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "30d",
        prune: Prune = False,
    ) -> None:
        """Play stored signals through a changed configuration: pages saved, incidents missed, minutes later."""
        body = {"files": _read(with_ or []), "since_s": seconds(since), "prune": prune}
        with api(timeout_s=330) as server:
            output.emit(server.post("/config/replay", body), _replayed)

    @app.command("export", rich_help_panel=panel)
    @talks
    def export(
        to: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of stdout.")] = "",
        section: Annotated[list[str] | None, typer.Option(help="Only this section; may be repeated.")] = None,
    ) -> None:
        """Write the present configuration as YAML. Secrets and keys are left out."""
        with api() as server:
            text = server.get("/config/export", section=",".join(section or []))["text"]
        if to:
            try:
                Path(to).write_text(text, encoding="utf-8")
            except OSError as error:
                raise fail(f"{to} cannot be written: {error}") from error
            output.emit({"output": to}, lambda value: output.say(f"Written to {to}."))
        else:
            output.emit({"text": text}, lambda value: typer.echo(value["text"], nl=False))

    @app.command("schema", rich_help_panel=panel)
    @talks
    def schema() -> None:
        """Print the JSON Schema of configuration files."""
        with api() as server:
            found = server.get("/config/schema.json")
        output.emit(found, lambda value: typer.echo(json.dumps(value, indent=2, ensure_ascii=False)))
