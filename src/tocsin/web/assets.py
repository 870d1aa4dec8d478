"""Built files by their plain names: ``app.css`` -> ``/static/dist/app-1A2B3C4D.css``."""

import json
from functools import lru_cache
from pathlib import Path

from django.conf import settings

DIST = Path(__file__).resolve().parent / "static" / "dist"


def url(name: str) -> str:
    """Address of a built file. When nothing was built yet: the plain name."""
    return f"{settings.STATIC_URL}dist/{_names().get(name, name)}"


def path(name: str) -> Path:
    """A built file on the disk."""
    return DIST / _names().get(name, name)


def _names() -> dict[str, str]:
    path = DIST / "manifest.json"
    if settings.DEBUG:
        return _read(path, path.stat().st_mtime_ns if path.exists() else 0)
    return _read(path, -1)


@lru_cache(maxsize=2)
def _read(path: Path, _changed: int) -> dict[str, str]:
    try:
        names: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return names
