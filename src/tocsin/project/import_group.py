"""``tocsin import``: the group alone. What can be imported registers itself in it."""

import typer

group = typer.Typer(name="import", help="Bring in what another tool has.", no_args_is_help=True)
