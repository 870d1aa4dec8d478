"""The demo phone: what it has received."""

import json

from django.db import connection, transaction

from tocsin.delivery.contract import Message, Method
from tocsin.delivery.models import PocketMessage
from tocsin.platform import clock, events
from tocsin.platform.actor import Actor

_KEEP = """
WITH kept AS (
  INSERT INTO delivery_pocket_message (user_id, delivery_id, incident_id, title, body, links, at)
  SELECT %s, d.id, d.incident_id, left(%s, 1024), %s, %s::jsonb, tocsin_now() FROM delivery_delivery d WHERE d.id = %s
  ON CONFLICT (delivery_id) DO NOTHING RETURNING id, user_id
)
SELECT pg_notify('tocsin_live', 'pocket:' || user_id || ':' || id) FROM kept
"""


def keep(message: Message, method: Method) -> str:
    """Put a message on a person's demo phone, once per delivery, and tell their open pages; returns a reference."""
    links = json.dumps([{"verb": link.verb, "text": link.text, "href": link.url} for link in message.links])
    delivery = message.delivery_ids[0]
    # One statement in one round trip, with the note to open pages; not durable on its own account, because the
    # delivery's outcome, which is, commits after it.
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [method.user_id, message.title, message.body, links, delivery])
    return f"pocket-{delivery}"


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
