"""``tocsin plan``, ``apply``, ``export``, ``schema``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tocsin.cli import output
from tocsin.cli.output import talks
from tocsin.cli.remote import EXIT_USAGE, api, asked, fail
from tocsin.cli.told import read_text

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
