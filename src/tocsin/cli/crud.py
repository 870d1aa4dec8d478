"""The verbs that every kind of configured thing has: list, show, save, delete."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_USAGE, api, asked, fail
from tocsin.cli.told import part, read_object

Limit = Annotated[int, typer.Option(min=1, help="Most items to list.")]
Search = Annotated[str, typer.Option("--query", "-q", help="Only those with this in their name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Ref = Annotated[str, typer.Argument(metavar="NAME", help="Its name or slug (or e-mail address), or its id.")]
Refs = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, slugs or ids.")]
FileName = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON with its fields; - is stdin.")]


@dataclass(frozen=True)
class Kind:
    """A kind of thing: its address in the API, the columns of its list, the fields that name it."""

    word: str
    path: str
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ("slug", "name")


def add_list(noun: Noun, kind: Kind) -> None:
    """``list``"""

    def list_them(query: Search = "", limit: Limit = 100) -> None:
        with api() as server:
            output.items(server.items(kind.path, limit, q=query), kind.columns)

    list_them.__doc__ = f"List every {kind.word}."
    noun.verb("list")(list_them)


def add_show(noun: Noun, kind: Kind) -> None:
    """``show``"""

    def show(name: Ref) -> None:
        with api() as server:
            output.emit(server.get(f"{kind.path}/{part(name)}"))

    show.__doc__ = f"Show one {kind.word} with all it holds."
    noun.verb("show")(show)


def save(kind: Kind, spec: dict[str, Any]) -> Any:
    """Change the thing that ``spec`` names, or add it; what the server says about it."""
    ref = next((str(spec[name]) for name in kind.keys if spec.get(name)), "")
    if not ref:
        raise fail(f"Which {kind.word}?", EXIT_USAGE, {kind.keys[-1]: "must be given"})
    with api() as server:
        if server.exists(f"{kind.path}/{part(ref)}"):
            return server.put(f"{kind.path}/{part(ref)}", spec)
        return server.post(kind.path, spec)


def add_save(noun: Noun, kind: Kind) -> None:
    """``save``"""

    def save_it(file: FileName) -> None:
        made = save(kind, read_object(file))
        output.emit(made, lambda value: output.say(f"Saved {kind.word} {value.get('slug') or value.get('name')}."))

    save_it.__doc__ = f"Add or change a {kind.word} from a file with its fields."
    noun.verb("save")(save_it)


def confirm(text: str, yes: bool) -> None:
    """Ask before something is lost; with --json or --yes nothing is asked."""
    if not yes and not asked.json:
        typer.confirm(text, abort=True)


def add_delete(noun: Noun, kind: Kind, verb: str = "delete") -> None:
    """``delete``"""

    def delete(names: Refs, yes: Yes = False) -> None:
        confirm(f"{verb.capitalize()} {kind.word} {', '.join(names)}?", yes)
        with api() as server:
            count = sum(server.delete(f"{kind.path}/{part(name)}")["count"] for name in names)
        output.emit({"count": count}, lambda value: output.say(f"{value['count']} gone."))

    delete.__doc__ = f"{verb.capitalize()} each named {kind.word}."
    noun.verb(verb)(delete)


def pairs(texts: Iterable[str], default: str) -> dict[str, str]:
    """``name:value`` or ``name`` typed several times, as a dictionary."""
    found = {}
    for text in texts:
        name, colon, value = text.rpartition(":")
        found[name if colon else text] = value if colon else default
    return found
