"""The demo phone: what it has received."""

import json
from collections.abc import Sequence

from django.db import connection, transaction

from tocsin.delivery.contract import Message, Method
from tocsin.delivery.models import PocketMessage
from tocsin.platform import clock, events
from tocsin.platform.actor import Actor

_KEEP = """
WITH kept AS (
  INSERT INTO delivery_pocket_message (user_id, delivery_id, incident_id, title, body, links, at)
  SELECT v.user_id, d.id, d.incident_id, left(v.title, 1024), v.body, v.links::jsonb, tocsin_now()
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS v(user_id, delivery_id, title, body, links)
  JOIN delivery_delivery d ON d.id = v.delivery_id
  ON CONFLICT (delivery_id) DO NOTHING RETURNING id, user_id
)
SELECT pg_notify('tocsin_live', 'pocket:' || user_id || ':' || max(id)) FROM kept GROUP BY user_id
"""


def keep(items: Sequence[tuple[Message, Method]]) -> list[str]:
    """Put messages on people's demo phones, each once per delivery, and tell their open pages; returns references."""
    rows = [
        (
            method.user_id,
            message.delivery_ids[0],
            message.title,
            message.body,
            json.dumps([{"verb": link.verb, "text": link.text, "href": link.url} for link in message.links]),
        )
        for message, method in items
    ]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [list(column) for column in zip(*rows, strict=True)])
    return [f"pocket-{row[1]}" for row in rows]


def mark_read(message_ids: list[int], *, actor: Actor) -> int:
    """Mark messages on one's own demo phone as read; returns how many were new."""
    if actor.user_id is None:
        return 0
    with transaction.atomic():
        count = PocketMessage.objects.filter(id__in=message_ids, user_id=actor.user_id, read_at=None).update(
            read_at=clock.now()
        )
        if count:
            events.changed("pocket", {actor.user_id: max(message_ids)})
    return count
