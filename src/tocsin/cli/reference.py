"""Writes the reference pages that are made from the code: settings and command line.

``python -m tocsin.cli.reference FOLDER`` writes them; a test fails when they are out of date.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tocsin.platform import settings as platform_settings
from tocsin.platform.settings import CLIENT_NAMES, GATEWAY_NAMES, Settings

OF_CLIENT = {
    "TOCSIN_URL": "Address of the Tocsin to talk to; goes before the profile.",
    "TOCSIN_TOKEN": "API token to use with it.",
    "TOCSIN_PROFILE": "Name of the profile to use instead of the default one.",
    "TOCSIN_CONFIG_DIR": "Folder of the profiles (config.toml), instead of ~/.config/tocsin.",
}
OF_GATEWAY = {
    "TOCSIN_GATEWAY_SECRET": "What Tocsin and the gateway sign with; the same as the provider's secret.",
    "TOCSIN_GATEWAY_PIN": "PIN of the SIM in the modem. A wrong one is tried once, also over restarts.",
    "TOCSIN_GATEWAY_ARI_PASSWORD": "Password of the user in Asterisk's ari.conf.",
}


def settings_page() -> str:
    """Every setting, as Markdown."""
    lines = [
        "# Settings",
        "",
        "Settings are read from the environment. A misspelt `TOCSIN_` name is an error at the start, with the nearest",
        "known name. `tocsin config` lists the present values, secrets masked.",
        "",
        "Secrets can be given as files: `TOCSIN_SECRET_KEY_FILE`, `TOCSIN_SMTP_URL_FILE` and",
        "`TOCSIN_DATABASE_URL_FILE` name a file that holds the value.",
        "",
        "| name | default | meaning |",
        "| --- | --- | --- |",
    ]
    names = platform_settings.names()
    for field, name in zip(Settings.model_fields.values(), names, strict=True):
        default = _default(field.default)
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {names[name]} |")
    lines += ["", "The command line client reads:", "", "| name | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {OF_CLIENT[name]} |" for name in sorted(CLIENT_NAMES)]
    lines += ["", "`tocsin gateway` reads, each also from the file that the name with `_FILE` names:", ""]
    lines += ["| name | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {OF_GATEWAY[name]} |" for name in sorted(GATEWAY_NAMES)]
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def commands() -> Iterator[tuple[str, Any]]:
    """Every verb of the command line with its full name, in the order of ``--help``."""
    from tocsin.cli.main import app

    yield from _walk("tocsin", typer.main.get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        if not command.hidden:
            yield name, command
        return
    for key, child in inner.items():
        yield from _walk(f"{name} {key}", child)


def commands_page() -> str:
    """Every verb with its options, as Markdown."""
    lines = [
        "# Command line",
        "",
        "| exit code | means |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | failed, or refused by the server; the reason and the fields are on standard error |",
        "| 2 | wrong usage |",
        "| 3 | there is no such thing |",
        "| 4 | not allowed: no valid token, or not the right role or scope |",
        "| 5 | the server cannot be reached |",
        "| 78 | a setting is wrong |",
        "",
        "The commands of the server (`up`, `web`, `engine`, `migrate`, `doctor`, `config`, `sign-in-link`, `demo`) run",
        "where Tocsin is installed and read its settings; `gateway` runs beside a modem or an Asterisk. All others",
        "speak HTTP with the Tocsin that `TOCSIN_URL` and `TOCSIN_TOKEN`, or a profile, name. Profiles are in",
        "`config.toml` in `$TOCSIN_CONFIG_DIR`, otherwise in",
        "`$XDG_CONFIG_HOME/tocsin` or `~/.config/tocsin`; `tocsin up` writes one called `local`:",
        "",
        "```toml",
        'default = "local"',
        "",
        "[profiles.local]",
        'url = "http://127.0.0.1:8700"',
        'token = "tocsin_..."',
        "```",
        "",
        "With `--json` a command prints JSON on standard output and nothing else; lists are",
        '`{"items": [...]}`. Names can be given as name or slug in any case, people by e-mail address, incidents as',
        "`12` or `INC-12`; durations as `30m`, `4h`, `2d` or `1h30m`; moments as ISO 8601, `now` or `+2h`.",
    ]
    for name, command in commands():
        about = " ".join((command.help or "").split())
        lines += ["", f"## `{name}`", "", about]
        rows = [row for row in map(_row, command.params) if row]
        if rows:
            lines += ["", "| option | meaning |", "| --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def _row(parameter: Any) -> str:
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return ""
    argument = parameter.param_type_name == "argument"
    names = [parameter.name.upper()] if argument else [*parameter.opts, *parameter.secondary_opts]
    about = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    needed = " **needed**" if parameter.required else ""
    return f"| `{'`, `'.join(names)}` | {about}{needed} |"


def _django() -> None:
    """Django without a database, for the pages that are made from the API; nothing is written to the data folder."""
    os.environ.setdefault("TOCSIN_SECRET_KEY", "only to write the reference pages")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")
    import django

    django.setup()


def api_page() -> str:
    """Every address of the HTTP API, as Markdown."""
    _django()
    from tocsin.api.reference import page

    return page()


def schema_file() -> str:
    """The JSON Schema of configuration files."""
    _django()
    from tocsin.project.config.schema import schema_text

    return schema_text()


def compatibility_page() -> str:
    """What is served of other products' APIs."""
    _django()
    from tocsin.api.compatibility_page import page

    return page()


PAGES = {
    "settings.md": settings_page,
    "cli.md": commands_page,
    "api.md": api_page,
    "compatibility.md": compatibility_page,
    "tocsin.schema.json": schema_file,
}


def main(folder: Path) -> None:
    """Write the pages into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
