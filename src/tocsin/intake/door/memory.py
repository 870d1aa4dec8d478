"""What the door knew when it last saw the database, on disk, so that a process that starts without one can serve.

Holds no keys, only their digests. The clock is carried on by the machine's steady clock, which all processes share
until the machine is started again; after that the file says nothing about the time and is not used.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

NAME = "sources.json"
BOOT = Path("/proc/sys/kernel/random/boot_id")
FIELDS = ("id", "kind", "key_digest", "config", "limit_per_minute", "enabled", "name")


class Memory(msgspec.Struct):
    """Sources as the database gave them, and what its clock showed when the steady clock showed ``mark``."""

    boot: str
    moment: datetime
    mark: float
    sources: list[dict[str, Any]]


def _boot() -> str:
    """What names this run of the machine; empty when it cannot be told."""
    with suppress(OSError):
        return BOOT.read_text().strip()
    return ""


def remember(folder: Path, rows: Iterable[Mapping[str, Any]], moment: datetime, mark: float) -> None:
    """Replace the file. Raises OSError."""
    boot = _boot()
    if not boot:
        return
    memory = Memory(boot, moment, mark, [{name: row[name] for name in FIELDS} for row in rows])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{NAME}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(memory))
    draft.replace(folder / NAME)


def recall(folder: Path) -> Memory | None:
    """What was remembered since the machine was started, if anything."""
    try:
        memory = msgspec.json.decode((folder / NAME).read_bytes(), type=Memory)
    except (OSError, ValueError):
        return None
    complete = all(set(FIELDS) <= row.keys() for row in memory.sources)
    return memory if complete and memory.boot and memory.boot == _boot() else None
