"""``tocsin new source|channel``: the beginning of a plug-in that passes every check, to be changed from there.

In Tocsin's own repository it is one folder, and nothing else is touched. Anywhere else it is a package of its own,
found through an entry point once it is installed.
"""

import keyword
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from tocsin.platform import plugins

app = typer.Typer(help="Begin a plug-in: a source, or a channel.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Small letters, digits and hyphens, as my-tool.")]
Label = Annotated[str, typer.Option(help="What people call it. Made from the name when not given.")]
Into = Annotated[
    Path | None, typer.Option("--into", help="Folder in which a package is made, instead of the present one.")
]

# what is written beside the module: the name of the skeleton, and where it goes
PARTS = {
    "source": {
        "source.py": "source.py",
        "parser.py": "parser.py",
        "guide.md": "guide.md",
        "problem.json": "samples/problem.json",
        "recovery.json": "samples/recovery.json",
        "refused_without_a_check.json": "samples/refused_without_a_check.json",
    },
    "channel": {"channel.py": "channel.py", "guide.md": "guide.md"},
}
TESTS = {
    "source": {"test_parser.py": "test_parser.py"},
    "channel": {"meeting.py": "meeting.py", "test_channel.py": "test_channel.py"},
}
INSIDE = {"source": "tocsin.intake.sources", "channel": "tocsin.delivery.channels"}


@dataclass(frozen=True)
class Plan:
    """What is to be written: texts by path."""

    folder: Path
    texts: dict[Path, str]
    next_steps: tuple[str, ...]


@app.command("source")
def new_source(name: Name, label: Label = "", into: Into = None) -> None:
    """Begin a source: descriptor, parser, guide, samples and tests, in one folder."""
    _make("source", name, label, into)


@app.command("channel")
def new_channel(name: Name, label: Label = "", into: Into = None) -> None:
    """Begin a channel: descriptor and sending, guide and tests, in one folder."""
    _make("channel", name, label, into)


def _make(what: str, name: str, label: str, into: Path | None) -> None:
    problem = _problem(what, name)
    if not problem and label and not re.fullmatch(r"[^\"\\$\x00-\x1f]{1,60}", label):
        problem = 'A label has at most 60 characters, without " \\ and $.'
    label = label or name.replace("-", " ").capitalize()
    repository = _repository(Path.cwd()) if into is None else None
    plan = inside(what, name, label, repository) if repository else outside(what, name, label, into or Path.cwd())
    if not problem and plan.folder.exists():
        problem = f"{plan.folder} is there already."
    if problem:
        typer.echo(problem, err=True)
        raise typer.Exit(2)
    for path, text in plan.texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    typer.echo(f"Made {plan.folder} with {len(plan.texts)} files.")
    for step in plan.next_steps:
        typer.echo(f"  {step}")


def _problem(what: str, name: str) -> str:
    """Why a plug-in cannot be called so; empty when it can."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 38 or keyword.iskeyword(name):
        return "A name has small letters, digits and single hyphens, begins with a letter, and at most 38 characters."
    if name in plugins.names(f"tocsin.{what}s"):
        return f"There is a {what} called {name} already."
    return ""


def _repository(folder: Path) -> Path | None:
    """The root of Tocsin's own repository, when the folder is inside it."""
    for place in (folder, *folder.parents):
        try:
            project = tomllib.loads((place / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        except (OSError, ValueError):
            continue
        return place if project.get("name") == "tocsin" else None
    return None


def inside(what: str, name: str, label: str, repository: Path) -> Plan:
    """A folder of Tocsin's own: found by its name, nothing else has to know it."""
    module = name.replace("-", "_")
    package = f"{INSIDE[what]}.{module}"
    folder = repository / "src" / Path(*package.split("."))
    words = _words(what, name, label, package, f"{package}.tests.meeting")
    texts = {folder / "__init__.py": "", folder / "tests" / "__init__.py": ""}
    texts |= {folder / place: _text(what, part, words) for part, place in PARTS[what].items()}
    texts |= {folder / "tests" / place: _text(what, part, words) for part, place in TESTS[what].items()}
    suite = f"tests/contracts/test_{what}s.py"
    return Plan(folder, texts, (f"pytest {folder.relative_to(repository)} {suite} -k '{name} or {module}'",))


def outside(what: str, name: str, label: str, into: Path) -> Plan:
    """A package of its own."""
    package = f"tocsin_{what}_{name.replace('-', '_')}"
    folder = into / f"tocsin-{what}-{name}"
    code, tests = folder / "src" / package, folder / "tests"
    words = _words(what, name, label, package, "meeting")
    texts = {folder / place: _text("", place, words) for place in ("pyproject.toml", "README.md")}
    texts |= {code / "__init__.py": f'"""{label} as a {what} for Tocsin."""\n', code / "py.typed": ""}
    texts |= {code / place: _text(what, part, words) for part, place in PARTS[what].items()}
    texts |= {tests / place: _text(what, part, words) for part, place in TESTS[what].items()}
    texts[tests / "test_conformance.py"] = _text(what, "test_conformance.py", words)
    return Plan(folder, texts, (f"cd {folder}", "pip install -e . pytest", "pytest"))


def _words(what: str, name: str, label: str, package: str, meeting: str) -> dict[str, str]:
    class_name = "".join(word.capitalize() for word in name.split("-"))
    return {
        "what": what,
        "name": name,
        "label": label,
        "package": package,
        "meeting": meeting,
        "class_name": class_name,
    }


def _text(what: str, part: str, words: dict[str, str]) -> str:
    """A skeleton with the plug-in's words in it."""
    place = files("tocsin.cli") / "skeletons"
    text = Template((place / what / f"{part}.txt").read_text(encoding="utf-8")).substitute(words)
    if not part.endswith(".py"):
        return text
    # what is imported has other names here and there, and so another order
    return re.sub(
        r"(?:^from .*\n)+", lambda block: "".join(sorted(block[0].splitlines(keepends=True))), text, flags=re.MULTILINE
    )
