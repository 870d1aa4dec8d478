"""What commands print: exactly JSON on stdout with --json, tables and sentences for people otherwise."""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.cli.remote import asked

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Profile = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="Server to talk to, from config.toml. [env: TOCSIN_PROFILE]")
]


def talks(function: Callable[..., None]) -> Callable[..., None]:
    """A command that talks to a server: it gets the options --json and --profile."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        asked.json, asked.profile = kwargs.pop("json_", False), kwargs.pop("profile", "")
        function(*args, **kwargs)

    own = inspect.signature(function, eval_str=True)
    more = [
        inspect.Parameter("json_", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
        inspect.Parameter("profile", inspect.Parameter.KEYWORD_ONLY, default="", annotation=Profile),
    ]
    signature = own.replace(parameters=[*own.parameters.values(), *more])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command


class Noun(typer.Typer):
    """A group of commands about one kind of thing."""

    def __init__(self, name: str, help: str) -> None:
        super().__init__(name=name, help=help, no_args_is_help=True)

    def verb(self, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Register a command that talks to a server."""
        return lambda function: self.command(name, help=inspect.getdoc(function))(talks(function))


def console() -> Console:
    """Where people read; made anew because tests and pipes change stdout."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())


def emit(value: Any, render: Callable[[Any], None] | None = None) -> None:
    """Print ``value`` as JSON when --json was given, otherwise let ``render`` show it (or list its fields)."""
    if asked.json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    elif render is not None:
        render(value)
    else:
        fields(value)


def say(text: str) -> None:
    """A sentence for people; silent with --json."""
    if not asked.json:
        typer.echo(text)


def shown(value: Any) -> str:
    """A value as people read it. Moments are shown in the zone of this machine."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and len(value) >= 19 and value[4:5] == "-" and value[10:11] == "T":
        try:
            return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        except ValueError:
            return value
    if isinstance(value, list) and all(not isinstance(item, dict | list) for item in value):
        return ", ".join(shown(item) for item in value) or "-"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else "-"
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Rows as a table. What comes from outside is shown as text, never as markup."""
    if not rows:
        typer.echo("Nothing.")
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    names = list(columns)
    for name in names:
        made.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        made.add_row(*(Text(shown(row.get(name))) for name in names))
    console().print(made)


def fields(value: Mapping[str, Any]) -> None:
    """One thing, a field a line."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, item in value.items():
        made.add_row(name.replace("_", " "), Text(shown(item)))
    console().print(made)


def items(found: list[Any], columns: Iterable[str]) -> None:
    """A list: ``{"items": [...]}`` as JSON, a table for people."""
    emit({"items": found}, lambda value: table(value["items"], columns))
