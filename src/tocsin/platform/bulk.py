"""Set-based writing for the hot paths: ids in advance, COPY in, one UPDATE from arrays."""

from collections.abc import Iterable, Sequence

from django.db import connection
from psycopg import sql


def next_ids(table: str, count: int) -> list[int]:
    """``count`` new primary keys of a table with a generated ``id``."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
        return [row[0] for row in cursor.fetchall()]


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY rows into a table. JSON columns are given as text."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def update_rows(table: str, columns: dict[str, str], rows: Sequence[Sequence[object]]) -> int:
    """Set columns of many rows in one statement; the first column is the key ``id``.

    ``columns`` maps names to PostgreSQL types, in the order of the values in each row. Returns how many rows changed.
    """
    if not rows:
        return 0
    names = list(columns)
    statement = sql.SQL("UPDATE {table} SET {sets} FROM unnest({arrays}) AS v({names}) WHERE {table}.id = v.id").format(
        table=sql.Identifier(table),
        sets=sql.SQL(", ").join(sql.SQL("{0} = v.{0}").format(sql.Identifier(name)) for name in names[1:]),
        arrays=sql.SQL(", ").join(sql.SQL("%s::" + kind + "[]") for kind in columns.values()),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(values) for values in zip(*rows, strict=True)])
        return int(cursor.rowcount)
