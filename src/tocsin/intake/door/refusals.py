"""Refused requests: every one is counted, the newest are kept. Nothing here may slow the door down."""

from collections import Counter, deque
from datetime import datetime
from typing import Any

import msgspec

from tocsin.intake.rules import KEPT_REFUSALS, excerpt, masked, masked_path

MOST_A_FLUSH = 100
MOST_A_GROUP = 20

COUNT = """
INSERT INTO intake_refusal_count AS c (hour, reason, source_id, count)
SELECT item.hour, item.reason, s.id, sum(item.count)
FROM unnest($1::timestamptz[], $2::text[], $3::int4[], $4::int8[]) AS item(hour, reason, source_id, count)
LEFT JOIN intake_source s ON s.id = item.source_id
GROUP BY item.hour, item.reason, s.id
ON CONFLICT (hour, reason, source_id) DO UPDATE SET count = c.count + excluded.count
"""
KEEP = """
INSERT INTO intake_refusal (at, reason, status, path, source_id, remote, errors, excerpt)
SELECT item.at, item.reason, item.status, item.path, s.id, item.remote, item.errors, item.excerpt
FROM unnest($1::timestamptz[], $2::text[], $3::int2[], $4::text[], $5::int4[], $6::text[], $7::jsonb[], $8::text[])
  AS item(at, reason, status, path, source_id, remote, errors, excerpt)
LEFT JOIN intake_source s ON s.id = item.source_id
"""
TRIM = f"""
DELETE FROM intake_refusal WHERE id <= (SELECT id FROM intake_refusal ORDER BY id DESC OFFSET {KEPT_REFUSALS} LIMIT 1)
"""  # noqa: S608 - a constant


class Refusals:
    """What was refused since the last flush."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[datetime, str, int | None]] = Counter()
        self._kept: deque[tuple[Any, ...]] = deque()
        self._groups: Counter[tuple[str, int | None]] = Counter()
        self.total = 0

    def note(
        self,
        at: datetime,
        reason: str,
        status: int,
        path: str,
        source_id: int | None,
        remote: str,
        errors: list[str],
        body: bytes,
    ) -> None:
        """Count a refusal; keep it when there is room. ``reason``: see the model."""
        self.total += 1
        self._counts[at.replace(minute=0, second=0, microsecond=0), reason, source_id] += 1
        group = (reason, source_id)
        if len(self._kept) >= MOST_A_FLUSH or self._groups[group] >= MOST_A_GROUP:
            return
        self._groups[group] += 1
        shown = [masked(error)[:300] for error in errors[:20]]
        text = msgspec.json.encode(shown).decode().replace("\\u0000", "")
        self._kept.append(
            (at, reason, status, masked_path(path), source_id, remote[:60], text, excerpt(body) if body else "")
        )

    @property
    def pending(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._counts)

    async def flush(self, connection: Any) -> None:
        """Write what there is; on an error it stays for the next time."""
        counts, self._counts = self._counts, Counter()
        kept, self._kept = self._kept, deque()
        self._groups.clear()
        try:
            async with connection.transaction():
                rows = [(*group, count) for group, count in counts.items()]
                await connection.execute(COUNT, *(list(column) for column in zip(*rows, strict=True)))
                if kept:
                    await connection.execute(KEEP, *(list(column) for column in zip(*kept, strict=True)))
                    await connection.execute(TRIM)
        except BaseException as error:
            self._counts.update(counts)
            # values that the database objects to would be objected to for ever: the counts are kept, these are not
            if len(self._kept) < MOST_A_FLUSH and str(getattr(error, "sqlstate", ""))[:2] not in ("22", "54"):
                self._kept.extendleft(reversed(kept))
            raise
