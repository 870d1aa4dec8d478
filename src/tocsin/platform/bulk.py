"""Set-based writing for the hot paths: ids in advance, COPY in, one UPDATE from arrays.

A storm is written with COPY; a single page with plain inserts in one pipelined round trip, because then the way to the
database and back is what takes the time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection
from psycopg import sql

FEW = 50
_pipelined: ContextVar[bool] = ContextVar("bulk_pipelined", default=False)


@contextmanager
def pipelined(rows: int) -> Iterator[None]:
    """Send writes of few rows without waiting for each answer; errors surface at the end. Reading inside waits.

    With more than FEW rows, or inside another pipeline, it changes nothing.
    """
    if rows > FEW or _pipelined.get():
        yield
        return
    connection.ensure_connection()
    token = _pipelined.set(True)
    try:
        with connection.wrap_database_errors, connection.connection.pipeline():
            yield
    finally:
        _pipelined.reset(token)


def next_ids(table: str, count: int) -> list[int]:
    """``count`` new primary keys of a table with a generated ``id``, ascending.

    They are taken when they are needed, not in stock: whoever lists rows by key sees them in the order of time, also
    when several processes write.
    """
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval((SELECT pg_get_serial_sequence(%s, 'id'))) FROM generate_series(1, %s)", [table, count]
        )
        return [row[0] for row in cursor.fetchall()]


def copy_rows(table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Insert rows into a table. JSON columns are given as text."""
    if not rows:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    if _pipelined.get():
        one = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(columns)))
        insert = sql.SQL("INSERT INTO {} ({}) VALUES {}").format(
            sql.Identifier(table), names, sql.SQL(", ").join([one] * len(rows))
        )
        values: list[Any] = [value for row in rows for value in row]
        with connection.cursor() as cursor:
            cursor.execute(insert, values)
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def update_rows(table: str, columns: dict[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Set columns of many rows in one statement; the first column is the key ``id``.

    ``columns`` maps names to PostgreSQL types, in the order of the values in each row.
    """
    if not rows:
        return
    names = list(columns)
    statement = sql.SQL("UPDATE {table} SET {sets} FROM unnest({arrays}) AS v({names}) WHERE {table}.id = v.id").format(
        table=sql.Identifier(table),
        sets=sql.SQL(", ").join(sql.SQL("{0} = v.{0}").format(sql.Identifier(name)) for name in names[1:]),
        arrays=sql.SQL(", ").join(sql.SQL("%s::" + kind + "[]") for kind in columns.values()),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(values) for values in zip(*rows, strict=True)])
