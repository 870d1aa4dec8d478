"""The only clock of Tocsin: PostgreSQL's, which every process and every node shares.

``tocsin_now()`` is the database's clock plus a shift that is zero in real life; tests and simulations move it, and
SQL and Python see the same moment.
"""

from datetime import datetime, timedelta

from django.db import connection


def now() -> datetime:
    """The present moment, aware, UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tocsin_now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def shift(by: timedelta) -> datetime:
    """Move the clock forward for every process of this installation and wake the engines; for tests and exercises.

    Returns the new present.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET shift = shift + make_interval(secs => %s)", [by.total_seconds()])
        cursor.execute("SELECT pg_notify('tocsin_wake', 'clock')")
    return now()
