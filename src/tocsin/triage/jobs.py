"""Housekeeping of triage: partitions ahead, old partitions away, processes that are gone forgotten."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from tocsin.platform import clock, nodes
from tocsin.platform.models import Setting

EVERY = timedelta(minutes=30)
AHEAD = timedelta(days=14)
_LAST = "triage.tidied_at"


def tidy() -> bool:
    """Do the housekeeping if nobody did within the last half hour. Returns whether it was done."""
    with transaction.atomic():
        now = clock.now()
        row, _ = Setting.objects.get_or_create(name=_LAST, defaults={"value": ""})
        last = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if last is None or (last.value and last.value > (now - EVERY).isoformat()):
            return False
        last.value = now.isoformat()
        last.save(update_fields=["value"])
        make_partitions()
        drop_partitions(settings.TOCSIN.signal_days)
        nodes.forget()
    return True


def make_partitions() -> int:
    """Make the weekly partitions for the time ahead. Returns how many were missing."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT triage_make_partitions(%s, %s)", [now, now + AHEAD])
        return int(cursor.fetchone()[0])


def drop_partitions(days: int) -> list[str]:
    """Drop weekly partitions that ended more than ``days`` ago. Returns their names."""
    oldest = clock.now() - timedelta(days=days + 7)
    dropped = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'triage_signal'::regclass AND c.relname ~ '^triage_signal_\\d{4}w\\d\\d$'"
            " AND to_date(right(c.relname, 7), 'IYYY\"w\"IW') < %s",
            [oldest.date()],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)}")
            dropped.append(name)
    return dropped
