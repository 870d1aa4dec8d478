"""The folder that Opsgenie's configuration backup writes, or a zip of it: one JSON file for each thing."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from tocsin.platform.errors import Invalid
from tocsin.project.importing import packing
from tocsin.project.importing.shapes import Export, Progress, quiet

FOLDERS = {
    "users", "teams", "schedules", "escalations", "integrations", "policies", "policiesV2", "forwardings",
    "customUserRoles", "heartbeats", "services", "maintenance",
}  # fmt: skip
MAX_FILES = 500_000
MAX_BYTES = 512 * 1024 * 1024
RIGHT = "the folder OpsGenieBackups that Opsgenie's configuration backup writes, a zip of it, or a saved export"


def of_folder(folder: Path, *, now: datetime, progress: Progress = quiet) -> Export:
    """Read a folder. Raises Invalid."""

    def files() -> Iterator[tuple[PurePosixPath, bytes]]:
        for number, path in enumerate(sorted(folder.rglob("*.json"))):
            progress("files", number, 0)
            yield PurePosixPath(path.relative_to(folder).as_posix()), path.read_bytes()

    return _read(files(), folder.name, now)


def of_file(body: bytes, name: str, *, now: datetime) -> Export:
    """Read an uploaded file: a zip of the folder, or an export that was saved. Raises Invalid (``export``)."""
    if body[:2] != b"PK":
        return packing.load(body)
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        infos = [one for one in archive.infolist() if one.filename.endswith(".json") and not one.is_dir()]
        if sum(one.file_size for one in infos) > MAX_BYTES:
            raise Invalid("This archive is too large.", {"export": f"at most {MAX_BYTES // 2**20} MB unpacked"})
        return _read(((PurePosixPath(one.filename), _bounded(archive, one)) for one in infos), name, now)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Invalid("This archive cannot be read.", {"export": RIGHT}) from error


def _bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member of an archive; what unpacks to more than it says is refused."""
    with archive.open(info) as file:
        body = file.read(info.file_size + 1)
    if len(body) > info.file_size:
        raise Invalid("This archive cannot be read.", {"export": "an archive whose files are as large as they say"})
    return body


def _read(files: Iterator[tuple[PurePosixPath, bytes]], name: str, now: datetime) -> Export:
    data: dict[str, list[dict[str, Any]]] = {}
    problems: dict[str, str] = {}
    total = 0
    for number, (path, body) in enumerate(files):
        folder = next((part for part in reversed(path.parts[:-1]) if part in FOLDERS), None)
        if folder is None:
            continue
        total += len(body)
        if number > MAX_FILES or total > MAX_BYTES:
            raise Invalid("This backup is too large.", {"export": f"at most {MAX_BYTES // 2**20} MB"})
        try:
            value = json.loads(body.decode("utf-8-sig")) if body.strip() else None
        except (ValueError, RecursionError):
            problems[str(path)[:200]] = "JSON"
            continue
        data.setdefault(folder, []).extend(one for one in (value if isinstance(value, list) else [value]) if one)
    if problems:
        raise Invalid("Some files of this backup cannot be read.", dict(list(problems.items())[:50]))
    if not data.get("users") and not data.get("schedules"):
        raise Invalid("This is no backup of Opsgenie.", {"export": RIGHT})
    return Export(
        "opsgenie", name[:300], now, {key: [one for one in rows if isinstance(one, dict)] for key, rows in data.items()}
    )
