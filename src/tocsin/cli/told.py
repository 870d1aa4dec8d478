"""What people type: durations, moments, files."""

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
import yaml

from tocsin.cli.remote import api

_PART = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """``30m``, ``4h``, ``2d``, ``1h30m``, ``90s``, ``1w``, or a bare number of seconds. Raises BadParameter."""
    wanted = text.strip().lower().replace(" ", "")
    if wanted.isascii() and wanted.isdigit():
        return int(wanted)
    parts = _PART.findall(wanted)
    if not parts or "".join(number + unit for number, unit in parts) != wanted:
        raise typer.BadParameter(f"{text!r} is no duration; write 30m, 4h, 2d or 1h30m")
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def moment(text: str, *, local: bool = True) -> str:
    """An ISO 8601 moment, ``now``, or a duration ahead or back, ``+2h``, ``-30d``, as ISO 8601. Raises BadParameter.

    A moment without an offset is this machine's time; with ``local`` False it stays without one, for the server to read
    as the schedule's time. Now is what the server says it is.
    """
    wanted = text.strip()
    if wanted == "now":
        return _present().isoformat()
    if wanted[:1] in ("+", "-"):
        away = timedelta(seconds=seconds(wanted[1:]))
        return (_present() + (away if wanted[0] == "+" else -away)).isoformat()
    try:
        found = datetime.fromisoformat(wanted)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-01-31T09:00+01:00, now or +2h") from error
    if found.tzinfo is None and local:
        found = found.astimezone()
    return found.isoformat()


def _present() -> datetime:
    """The server's time: this machine's clock may be wrong, and an exercise may have moved the server's."""
    with api() as server:
        return datetime.fromisoformat(server.get("/clock")["now"])


def read_text(path: str) -> str:
    """What is in a file; ``-`` is stdin. Raises BadParameter."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from error


def read_object(path: str) -> dict[str, Any]:
    """One object as YAML or JSON from a file; ``-`` is stdin. Raises BadParameter."""
    try:
        value = yaml.safe_load(read_text(path))
        value = json.loads(json.dumps(value, default=_plain))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise typer.BadParameter(f"{path} is neither YAML nor JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{path} must hold one object")
    return value


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def json_object(text: str) -> dict[str, Any]:
    """A JSON object typed on the command line. Raises BadParameter."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"this is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('this must be a JSON object, such as {"interval_s": 60}')
    return value


def part(text: str | int) -> str:
    """A name as a part of an address."""
    return quote(str(text).strip(), safe="")
