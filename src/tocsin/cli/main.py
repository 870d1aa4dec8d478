"""The command line: ``tocsin``. Nothing of Django is imported until a command of the server needs it."""

import sys
from typing import Annotated

import typer

from tocsin import __version__
from tocsin.cli import client, gateway, new, server
from tocsin.platform.errors import TocsinError
from tocsin.platform.settings import SettingsError

EXIT_FAILED = 1
EXIT_CONFIG = 78

app = typer.Typer(
    name="tocsin",
    help="Incident management from the first signal to the lesson learned.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 server not reached, "
    "78 a setting is wrong.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Carries the options that stand before any command."""


server.register(app)
gateway.register(app)
app.add_typer(new.app, name="new", rich_help_panel="Server")
client.register(app)


def main() -> None:
    """Entry point of ``tocsin``: what the asker can mend is said in a sentence, never as a traceback."""
    try:
        app()
    except SettingsError as error:
        typer.echo(f"Setting: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    except TocsinError as error:
        typer.echo(error.message, err=True)
        for name, right in error.problems.items():
            typer.echo(f"  {name}: {right}", err=True)
        sys.exit(EXIT_FAILED)
    except Exception as error:
        # Django is not imported here; its errors of the database are known by name
        if type(error).__name__ != "OperationalError" or not type(error).__module__.startswith("django.db"):
            raise
        typer.echo(f"The database does not answer: {str(error).strip().splitlines()[0]}", err=True)
        typer.echo("Is Tocsin running here? `tocsin doctor` says more.", err=True)
        sys.exit(EXIT_FAILED)
