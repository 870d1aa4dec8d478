"""Sealing what is new. One engine at a time; a row is sealed only when no row before it can still appear."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from tocsin.intake.models import Inbox
from tocsin.platform import clock
from tocsin.platform.models import LedgerEntry, Setting
from tocsin.project.ledger.streams import CHUNK, FORM, FORMS, Seal, Stream

_NAME = "ledger"
MOST_ENTRIES = 20  # in one go

# Ids are given out before a transaction commits, so a smaller one may appear after a larger one. What was there at a
# moment is complete up to its largest id once every transaction that was open at that moment has ended; by the
# machine's clock, which tests and exercises do not shift.
_NOW = "SELECT extract(epoch FROM clock_timestamp())"
_ENDED = """
SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND xact_start IS NOT NULL AND extract(epoch FROM xact_start) <= %s)
"""


def seal_due() -> int:
    """Seal what is complete by now and note what is there, to be sealed next time; how many entries were made."""
    with transaction.atomic():
        row, _ = Setting.objects.get_or_create(name=_NAME, defaults={"value": {}})
        state = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if state is None:
            return 0  # another engine is at it
        made, value = 0, dict(state.value)
        if value.get("bounds") and _ended(value["at"]):
            bounds: dict[str, int] = dict(value.pop("bounds"))
            # a signal waits in the inbox under the id that it will have
            waiting = Inbox.objects.aggregate(least=Min("id"))["least"]
            if waiting is not None:
                bounds["signals"] = min(bounds["signals"], waiting - 1)
            for stream, bound in bounds.items():
                made += _seal(stream, bound, MOST_ENTRIES - made)
        if not value.get("bounds"):
            with connection.cursor() as cursor:
                cursor.execute(_NOW)
                value = {"at": float(cursor.fetchone()[0]), "bounds": {name: _largest(one) for name, one in _streams()}}
        if value != state.value:
            state.value = value
            state.save(update_fields=["value"])
    return made


def head() -> LedgerEntry | None:
    """The newest entry; its hash, kept elsewhere, proves later that nothing before it was rewritten."""
    return LedgerEntry.objects.order_by("-id").first()


def _streams() -> list[tuple[str, Stream]]:
    return list(FORMS[FORM].items())


def _ended(at: float) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, [at])
        return bool(cursor.fetchone()[0])


def _largest(stream: Stream) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {stream.table}")  # noqa: S608 - a constant
        return int(cursor.fetchone()[0])


def _seal(name: str, bound: int, most: int) -> int:
    """Seal a stream up to an id, in entries of at most ``CHUNK`` rows."""
    after = LedgerEntry.objects.filter(stream=name).aggregate(last=Max("last_id"))["last"] or 0
    made = 0
    while after < bound and made < most:
        last = _end_of_chunk(FORMS[FORM][name], after, bound)
        if last is None:
            break
        append(sealed(name, FORM, after, last))
        after, made = last, made + 1
    return made


def _end_of_chunk(stream: Stream, after: int, bound: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT max(id) FROM (SELECT id FROM {stream.table} WHERE id > %s AND id <= %s AND {stream.only}"  # noqa: S608 - constants
            " ORDER BY id LIMIT %s) AS c",
            [after, bound, CHUNK],
        )
        found = cursor.fetchone()[0]
    return None if found is None else int(found)


def sealed(name: str, form: int, after: int, last: int) -> Seal:
    """The seal over the rows of a stream above ``after`` up to ``last`` as they are now."""
    stream = FORMS[form][name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*), min({stream.at}), max({stream.at}),
                   encode(sha256(coalesce(string_agg(sha256(convert_to({stream.row}, 'UTF8')), ''::bytea ORDER BY id),
                                          ''::bytea)), 'hex')
            FROM {stream.table} WHERE id > %s AND id <= %s AND {stream.only}
            """,  # noqa: S608 - constants
            [after, last],
        )
        count, since, until, digest = cursor.fetchone()
    return Seal(name, form, after, last, int(count), digest, _text(since), _text(until))


def _text(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="microseconds")


def append(seal: Seal) -> LedgerEntry:
    """Add an entry to the chain; the caller holds the ledger's lock."""
    before = head()
    previous = before.hash if before else ""
    facts: dict[str, Any] = {
        "stream": seal.stream,
        "form": seal.form,
        "after_id": seal.after,
        "last_id": seal.last,
        "count": seal.count,
        "digest": seal.digest,
        "since": seal.since,
        "until": seal.until,
    }
    return LedgerEntry.objects.create(at=clock.now(), previous=previous, hash=seal.hash(previous), **facts)
