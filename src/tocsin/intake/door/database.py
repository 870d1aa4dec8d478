"""The door's connections to PostgreSQL (asyncpg): one commits, one listens and looks up."""

from typing import Any
from urllib.parse import quote

import asyncpg  # type: ignore[import-untyped]
from django.db import connections

CONNECT_TIMEOUT_S = 4.0
# what asyncpg and the operating system raise when the database cannot be asked; the internal error is asyncpg's word
# for a connection that died between two steps of a call
UNREACHABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    TimeoutError,
    EOFError,
)


def parameters() -> dict[str, Any]:
    """How Django reaches the database, in asyncpg's words."""
    settings = connections["default"].settings_dict
    options = dict(settings.get("OPTIONS") or {})
    found: dict[str, Any] = {
        "database": settings["NAME"],
        "user": settings["USER"] or None,
        "password": settings["PASSWORD"] or None,
        "host": settings["HOST"] or None,
        "port": int(settings["PORT"]) if settings["PORT"] else None,
    }
    if options.get("sslmode"):
        query = "&".join(
            f"{name}={quote(str(options[name]))}"
            for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")
            if options.get(name)
        )
        found["dsn"] = f"postgresql:///?{query}"
    return found


async def connect(purpose: str, **settings: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection whose commits are durable. Raises one of UNREACHABLE."""
    return await asyncpg.connect(
        **parameters(),
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=10,
        statement_cache_size=20,
        server_settings={
            "application_name": f"tocsin {purpose}",
            "synchronous_commit": "on",
            "jit": "off",
            "timezone": "UTC",
            **settings,
        },
    )
