"""The only clock of Tocsin: PostgreSQL's, which every process and every node shares.

``tocsin_now()`` is the database's clock plus a shift that is zero in real life; tests and simulations move it, and
SQL and Python see the same moment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.db import connection

_held: ContextVar[list[bool] | None] = ContextVar("held", default=None)  # see one_change


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
    held = _held.get()
    if held is not None:
        held[:] = [True]
        return
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET config = config + 1 WHERE id = 1")


@contextmanager
def one_change() -> Iterator[None]:
    """However much is changed inside, the configuration's version is raised once, at the end; not when it raises.

    For transactions that change thousands of things: the version's row stays unlocked while they work, so that
    nobody else's change has to wait for them.
    """
    if _held.get() is not None:
        yield
        return
    held: list[bool] = []
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
    if held:
        configuration_changed()


def shift(by: timedelta) -> datetime:
    """Move the clock forward for every process of this installation and wake the engines; for tests and exercises.

    Returns the new present.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE platform_clock SET shift = shift + make_interval(secs => %s)", [by.total_seconds()])
        cursor.execute("SELECT pg_notify('tocsin_wake', 'clock')")
    return now()
