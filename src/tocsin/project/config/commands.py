"""``tocsin plan``, ``apply``, ``export``, ``schema``."""

import typer


def register(app: typer.Typer, panel: str) -> None:
    """Add the commands of config as code to the root."""
