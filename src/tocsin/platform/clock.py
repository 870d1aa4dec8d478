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


def reading() -> tuple[datetime, int]:
    """The present moment, and the version of the configuration; see ``platform.remember``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tocsin_now(), config FROM platform_clock WHERE id = 1")
        moment, version = cursor.fetchone()
    return moment, version


def configuration_changed() -> None:
    """Raise the configuration's version when this transaction commits; ``platform.audit`` does it for every change."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET config = config + 1 WHERE id = 1")


def shift(by: timedelta) -> datetime:
    """Move the clock forward for every process of this installation and wake the engines; for tests and exercises.

    Returns the new present.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET shift = shift + make_interval(secs => %s)", [by.total_seconds()])
        cursor.execute("SELECT pg_notify('tocsin_wake', 'clock')")
    return now()
