"""Our own objective for paging: how soon pages are handed to a provider, and how many of them in time.

Measured on pages of high urgency: from the moment a page is planned until the first of its messages is taken over by a
provider. A page that an answer overtakes before anything was sent is not counted, and one that nothing took over counts
as not in time.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from tocsin.platform import clock
from tocsin.platform.models import Setting

WITHIN_S = 30.0
SHARE = 0.999
PERIOD = timedelta(days=30)
LATELY = timedelta(hours=1)
EVERY = timedelta(hours=1)
SOON = timedelta(minutes=1)  # while there was nothing to measure yet
MOST = 50_000  # newest pages that are looked at for the last hour
_NAME = "delivery.objective"

_MEASURE = """
SELECT count(*), count(*) FILTER (WHERE took <= %(within)s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took), percentile_cont(0.99) WITHIN GROUP (ORDER BY took)
FROM (
  SELECT extract(epoch FROM min(a.ended_at) - p.at)::float8 AS took
  FROM escalation_page p
  JOIN delivery_delivery d ON d.page_id = p.id
  LEFT JOIN delivery_attempt a ON a.delivery_id = d.id AND a.outcome IN ('accepted', 'delivered')
  WHERE p.id > (SELECT coalesce(max(id), 0) FROM escalation_page) - %(most)s
    AND p.at >= %(since)s AND p.at < %(until)s AND p.user_id IS NOT NULL AND p.urgency = 'high'
  GROUP BY p.id, p.at
  HAVING bool_or(d.state <> 'dropped')
) AS handed
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Pages of a period, how many were handed over within ``WITHIN_S`` seconds, and how long that took, seconds."""

    pages: int
    in_time: int
    p50_s: float | None
    p99_s: float | None

    @property
    def share(self) -> float:
        """The share in time; 1 where there were no pages."""
        return self.in_time / self.pages if self.pages else 1.0

    @property
    def met(self) -> bool:
        return self.share >= SHARE


def measured(period: timedelta = LATELY, most: int = MOST) -> Measured:
    """How it went in the period that ended ``WITHIN_S`` seconds ago, so that every page has had its time."""
    until = clock.now() - timedelta(seconds=WITHIN_S)
    facts: dict[str, float | datetime] = {"within": WITHIN_S, "most": most, "since": until - period, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(_MEASURE, facts)
        pages, in_time, p50, p99 = cursor.fetchone()
    return Measured(pages, in_time, p50, p99)


def keep_due() -> bool:
    """Once an hour, sooner while there was no page yet, measure the last ``PERIOD`` for ``kept``; whether it was."""
    now = clock.now()
    row, _ = Setting.objects.get_or_create(name=_NAME, defaults={"value": {}})
    if row.value.get("at", "") > (now - (EVERY if row.value.get("pages") else SOON)).isoformat():
        return False
    row.value = {"at": now.isoformat(), **asdict(measured(PERIOD, 10**9))}
    row.save(update_fields=["value"])
    return True


def kept() -> Measured | None:
    """The last ``PERIOD`` as it was measured within the last hour or so; None before the first time."""
    row = Setting.objects.filter(name=_NAME).first()
    value: dict[str, Any] = dict(row.value) if row else {}
    value.pop("at", None)
    return Measured(**value) if value else None
