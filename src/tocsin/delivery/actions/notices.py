"""Messages that are no pages: it is over, and this is a test."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from tocsin.delivery import rules
from tocsin.delivery.actions.outbox import enqueue
from tocsin.delivery.models import Notice, Webhook
from tocsin.delivery.queries import channels
from tocsin.people.models import ContactMethod, NotificationRule
from tocsin.people.rules import require_edit_person
from tocsin.platform import clock, events, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, NotFound

_RESOLVED = """
INSERT INTO delivery_delivery
  (key, kind, page_id, incident_id, generation, user_id, contact_method_id, channel, address, rule_position, rank,
   state, attempts, next_at, provider_ref, reason, created_at)
SELECT DISTINCT ON (d.incident_id, m.id)
       'resolved:' || d.incident_id || ':' || i.generation || ':' || m.id, 'resolved', NULL::bigint, d.incident_id,
       NULL::int, d.user_id, m.id, m.channel, m.address, 0, %s, 'pending', 0, tocsin_now(), '', '', tocsin_now()
FROM delivery_delivery d
JOIN incidents_incident i ON i.id = d.incident_id
JOIN people_contact_method m ON m.id = d.contact_method_id AND m.disabled_at IS NULL
JOIN people_user u ON u.id = d.user_id AND u.is_active
WHERE d.incident_id = ANY(%s) AND d.kind = 'page' AND d.state IN ('accepted', 'delivered', 'sending')
  AND coalesce(m.config->>'resolved', CASE WHEN m.channel = ANY(%s) THEN 'true' ELSE 'false' END) = 'true'
ORDER BY d.incident_id, m.id
ON CONFLICT (key) DO NOTHING
RETURNING id
"""


# the same for the webhooks that were called; which, their keys say
_RESOLVED_CALLED = """
INSERT INTO delivery_delivery
  (key, kind, page_id, incident_id, generation, user_id, contact_method_id, channel, address, rule_position, rank,
   state, attempts, next_at, provider_ref, reason, created_at)
SELECT DISTINCT ON (d.incident_id, w.id)
       'webhook:' || w.id || ':resolved:' || d.incident_id || ':' || i.generation, 'resolved', NULL::bigint,
       d.incident_id, NULL::int, NULL::bigint, NULL::bigint, d.channel, w.name, 0, %s, 'pending', 0, tocsin_now(),
       '', '', tocsin_now()
FROM delivery_delivery d
JOIN incidents_incident i ON i.id = d.incident_id
JOIN delivery_webhook w ON d.key LIKE 'webhook:' || w.id || ':%%' AND w.enabled
WHERE d.incident_id = ANY(%s) AND d.kind = 'page' AND d.contact_method_id IS NULL AND d.channel = 'webhook'
  AND d.state IN ('accepted', 'delivered', 'sending')
ORDER BY d.incident_id, w.id
ON CONFLICT (key) DO NOTHING
RETURNING id
"""


def notify_resolved(incident_ids: Iterable[int]) -> int:
    """Tell everybody who was handed a page of these incidents that they are over; returns how many messages that makes.

    In the caller's transaction. Each contact method hears once per resolution, unless its ``resolved`` says no; the
    webhooks that were called hear it too.
    """
    ids = list(incident_ids)
    if not ids:
        return 0
    default = [kind for kind, channel in channels().items() if channel.descriptor.resolved]
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVED, [rules.RESOLVED_RANK, ids, default])
        count = len(cursor.fetchall())
        if Webhook.objects.exists():
            cursor.execute(_RESOLVED_CALLED, [rules.RESOLVED_RANK, ids])
            count += len(cursor.fetchall())
    if count:
        events.wake("delivery")
    return count


def notify(
    user_ids: Iterable[int], *, key: str, title: str, body: str = "", path: str = "/", urgency: str = "low"
) -> int:
    """Tell people something beside incidents, by the first way they chose for this urgency; how many messages it makes.

    In the caller's transaction. ``key`` (200 characters at most) names the notice for ever: another call with it makes
    nothing. ``path``: the page that it is about. Who has chosen nothing hears by their first usable contact method.
    """
    now = clock.now()
    notice, new = Notice.objects.get_or_create(
        key=key[:200],
        defaults={"title": rules.cut(title, rules.TITLE_LENGTH), "body": body, "path": path, "created_at": now},
    )
    if not new:
        return 0
    return len(
        enqueue(
            [
                rules.NewDelivery(
                    kind="notice",
                    key=f"notice:{notice.pk}:{method.pk}",
                    channel=method.channel,
                    address=method.address,
                    user_id=method.user_id,
                    contact_method_id=method.pk,
                    rank=rules.NOTICE_RANK,
                )
                for method in _first_ways(set(user_ids), now, urgency)
            ],
            now=now,
        )
    )


def _first_ways(user_ids: set[int], now: datetime, urgency: str) -> list[ContactMethod]:
    """Where each active person hears of this urgency first; low: what nobody is woken for."""
    usable = {
        method.pk: method
        for method in ContactMethod.objects.filter(user_id__in=user_ids, user__is_active=True, disabled_at=None)
        .exclude(expires_at__lte=now)
        .order_by("id")
    }
    found: dict[int, ContactMethod] = {}
    rules_ = NotificationRule.objects.filter(user_id__in=user_ids, urgency=urgency).order_by(
        "user_id", "delay_s", "position"
    )
    for rule in rules_:
        if rule.contact_method_id in usable:
            found.setdefault(rule.user_id, usable[rule.contact_method_id])
    for method in usable.values():
        found.setdefault(method.user_id, method)
    return list(found.values())


def send_test(contact_method_id: int, *, actor: Actor) -> int:
    """Send a test message to a contact method; returns the delivery's id, whose state tells what came of it.

    A person may test their own contact methods; an administrator everybody's. Raises NotFound, Forbidden, and Conflict
    when it is disabled.
    """
    method = ContactMethod.objects.filter(id=contact_method_id).first()
    if method is None:
        raise NotFound("There is no such contact method.")
    require_edit_person(actor, method.user_id)
    if method.disabled_at:
        raise Conflict(f"This contact method is disabled: {method.disabled_reason}")
    item = rules.NewDelivery(
        kind="test",
        key=f"test:{method.pk}:{secrets.random_key(12)}",
        channel=method.channel,
        address=method.address,
        user_id=method.user_id,
        contact_method_id=method.pk,
        rank=rules.TEST_RANK,
    )
    with transaction.atomic():
        return enqueue([item], now=clock.now())[0]
