"""Brings the schema up to date: once, under a lock, also when many nodes start together."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

log = logging.getLogger(__name__)

# any constant would do; it only has to be the same for every node: "tocsin" in ASCII
LOCK = 0x746F6373696E
# a migration waits this long for a table that somebody uses, then gives way and is tried again, so that it never
# queues up everybody behind it
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
TRIES = 20


class NotReady(Exception):
    """The database is away or its schema is not current; the message says which and what to do."""


@cache
def _known() -> tuple[tuple[str, str], ...]:
    """The migrations of this version, as room and name; read from the files once."""
    return tuple(sorted(MigrationLoader(None, ignore_no_migrations=True).disk_migrations))


def pending() -> list[str]:
    """Migrations of this version that were not applied yet, as ``room.name``. One query."""
    applied = MigrationRecorder(connection).applied_migrations()
    return [".".join(key) for key in _known() if key not in applied]


@contextmanager
def alone(patience_s: float = 300.0) -> Iterator[None]:
    """Only one node of the installation is inside at a time; the others wait. Raises NotReady.

    The lock belongs to this thread's connection: it is given back at the end, or by PostgreSQL when this process dies.
    """
    connect(patience_s=60.0)
    deadline = time.monotonic() + patience_s
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone()[0]:
                break
            if time.monotonic() > deadline:
                raise NotReady(f"Another node has been migrating the database for {patience_s:.0f} s; look at its log.")
            time.sleep(0.1)
        try:
            yield
        finally:
            if connection.connection is not None and not connection.connection.closed:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def migrate(patience_s: float = 300.0) -> list[str]:
    """Apply what is pending and return it. One node does it, the others wait for it. Raises NotReady."""
    with alone(patience_s):
        todo = pending()
        if todo:
            _apply()
        return todo


def _apply() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
    try:
        for attempt in range(1, TRIES + 1):
            try:
                call_command("migrate", interactive=False, verbosity=0)
                return
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != "55P03" or attempt == TRIES:  # lock_not_available
                    raise
                log.warning("a table is in use; migrating again in a second", extra={"attempt": attempt})
                time.sleep(1)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
            cursor.execute("RESET statement_timeout")


def connect(patience_s: float) -> None:
    """Wait until the database answers. Raises NotReady."""
    _wait_for(_answer, patience_s)


def wait_for_schema(patience_s: float = 120.0) -> None:
    """Wait until the database answers and its schema is current; somebody else migrates. Raises NotReady."""
    _wait_for(_answer, patience_s)
    _wait_for(_current, patience_s)


def _answer() -> str:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError as error:
        connection.close()
        return f"The database does not answer: {str(error).strip().splitlines()[0]}"
    return ""


def _current() -> str:
    try:
        todo = pending()
    except OperationalError as error:
        connection.close()
        return f"The database does not answer: {str(error).strip().splitlines()[0]}"
    if not todo:
        return ""
    return f"{len(todo)} migrations are pending ({todo[0]} ...): run `tocsin migrate`."


def _wait_for(problem: Callable[[], str], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    said = False
    while text := problem():
        if time.monotonic() > deadline:
            raise NotReady(text)
        if not said and time.monotonic() > deadline - patience_s + 5:
            said = True
            log.warning("waiting: %s", text)
        time.sleep(0.1)
