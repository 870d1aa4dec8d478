"""Statements on the hot path that PostgreSQL plans once a connection rather than once a call.

Planning a statement of several joins takes longer than running it for one row. It runs on Django's own connection and
in its transaction; Django's errors are raised.
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from django.db import connection

FEW = 20


def fetch(
    statement: LiteralString, parameters: Sequence[object] | Mapping[str, object], *, few: bool = True
) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows. Lists are arrays; JSON comes back decoded.

    ``few``: it touches at most about FEW rows, so that a plan made when the tables were smaller does no harm; without
    it the statement is planned for what the tables hold now.
    """
    connection.ensure_connection()
    raw = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 1_000_000  # Django says never; now it is: when asked
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement, parameters, prepare=few)
        return cursor.fetchall()
