"""The outbox: into it, out of it under a lease, and what came of it. Set-based; one statement where one will do."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from tocsin.delivery import rules
from tocsin.delivery.actions.following import repeats, switch_off_gone
from tocsin.delivery.contract import Accepted, Delivered, Rejected
from tocsin.delivery.rules import Claimed, NewDelivery, PagesFailed, Release, Settled
from tocsin.platform import clock, events, prepared
from tocsin.platform.canary import SINK

LEASE_S = 30.0  # longer than any channel may take; after a crash a page waits this long to be sent again

_ENQUEUE = """
INSERT INTO delivery_delivery
  (key, kind, page_id, incident_id, generation, user_id, contact_method_id, channel, address, rule_position, rank,
   state, attempts, next_at, provider_ref, reason, created_at)
SELECT key, kind, page_id, incident_id, generation, user_id, contact_method_id, channel, address, rule_position, rank,
       'pending', 0, %s::timestamptz + delay_s * interval '1 second', '', '', %s::timestamptz
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::text[],
            %s::text[], %s::smallint[], %s::smallint[], %s::float8[])
  AS v(key, kind, page_id, incident_id, generation, user_id, contact_method_id, channel, address, rule_position, rank,
       delay_s)
ON CONFLICT (key) DO NOTHING
RETURNING id
"""


def enqueue(items: Sequence[NewDelivery], *, now: datetime) -> list[int]:
    """Put messages into the outbox, in the caller's transaction, and wake the engines when it commits.

    Returns the ids of the new deliveries; a key that exists already makes none.
    """
    if not items:
        return []
    columns = (
        [item.key for item in items],
        [item.kind for item in items],
        [item.page_id for item in items],
        [item.incident_id for item in items],
        [item.generation for item in items],
        [item.user_id for item in items],
        [item.contact_method_id for item in items],
        [item.channel for item in items],
        [item.address for item in items],
        [item.rule_position for item in items],
        [item.rank for item in items],
        [float(item.delay_s) for item in items],
    )
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE, [now, now, *columns])
        ids = [row[0] for row in cursor.fetchall()]
    if ids:
        events.wake("delivery")
    return ids


def enqueue_canaries(items: Sequence[NewDelivery], *, now: datetime) -> None:
    """``enqueue`` for the canary's messages, whose numbers are below zero; see ``platform.canary``."""
    ids = enqueue(items, now=now)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_delivery SET id = -id WHERE id = ANY(%s)", [ids])


# The index of what is due must not be taken for this: amid a storm it is full of what is sent already. The empty text
# hides the state from the planner, so that it goes by the incident.
_DROP = """
UPDATE delivery_delivery d
SET state = 'dropped', next_at = NULL, ended_at = tocsin_now(), reason = left(%s, 500)
FROM (SELECT w.id FROM delivery_delivery w JOIN incidents_incident i ON i.id = w.incident_id
      WHERE w.incident_id = ANY(%s) AND w.state || '' = 'pending' AND w.kind = 'page'
        AND (w.generation IS NULL OR w.generation < i.generation)
      ORDER BY w.id FOR UPDATE OF w) stale
WHERE d.id = stale.id
RETURNING d.page_id, d.id
"""


def drop_stale(incident_ids: Iterable[int], reason: str) -> int:
    """Drop the waiting pages of these incidents that an answer has overtaken; returns how many.

    Call it in the transaction that raised the incidents' generation. ``reason`` is for people: "acknowledged by Ada".
    """
    with connection.cursor() as cursor:
        cursor.execute(_DROP, [reason, list(incident_ids)])
        rows = cursor.fetchall()
    events.changed("page", {page: delivery for page, delivery in rows if page})
    return len(rows)


def drop_of(incident_ids: Iterable[int], user_id: int, reason: str, *, by_hand: bool = False) -> int:
    """Drop the waiting pages of these incidents to one person, who has answered; returns how many.

    ``by_hand``: only those that somebody asked for by hand, which no generation fences.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE delivery_delivery
               SET state = 'dropped', next_at = NULL, ended_at = tocsin_now(), reason = left(%s, 500)
               WHERE id IN (SELECT id FROM delivery_delivery WHERE incident_id = ANY(%s) AND user_id = %s
                              AND state || '' = 'pending' AND kind = 'page' AND (generation IS NULL OR NOT %s)
                            ORDER BY id FOR UPDATE)
               RETURNING page_id, id""",
            [reason, list(incident_ids), user_id, by_hand],
        )
        rows = cursor.fetchall()
    events.changed("page", {page: delivery for page, delivery in rows if page})
    return len(rows)


# The fence is judged in the statement that takes the delivery. Who acknowledged an incident may still ask for people by
# hand, so such a page needs the right generation only. The commit of a claim need not be durable: a claim
# lost in a crash leaves the delivery waiting, and it is sent again, which a lost answer would lead to as well.
_CLAIM = """
WITH due AS (
  SELECT q.id FROM unnest(%(channels)s::text[], %(limits)s::int[]) AS c(channel, n)
  CROSS JOIN LATERAL (
    SELECT d.id FROM delivery_delivery d
    WHERE d.state = 'pending' AND d.channel = c.channel AND d.next_at <= (SELECT tocsin_now())
      AND (d.contact_method_id IS NULL OR d.contact_method_id <> ALL(%(busy)s::bigint[]))
    ORDER BY d.rank, d.next_at, d.id LIMIT c.n FOR UPDATE SKIP LOCKED) q
  WHERE set_config('synchronous_commit', 'off', true) = 'off'
), judged AS (
  SELECT due.id, p.urgency, CASE
    WHEN d.kind <> 'page' OR d.generation IS NULL THEN NULL
    WHEN i.generation = d.generation AND i.state = 'triggered' THEN NULL
    WHEN i.generation = d.generation AND i.state IN ('acknowledged', 'mitigated') AND p.reason->>'kind' = 'manual'
      THEN NULL
    WHEN i.state = 'acknowledged' THEN 'acknowledged by ' || coalesce(u.name, 'somebody') || ' before it was sent'
    WHEN i.state <> 'triggered' THEN i.state || ' before it was sent'
    ELSE 'who must know has changed before it was sent' END AS stale
  FROM due JOIN delivery_delivery d ON d.id = due.id
  LEFT JOIN incidents_incident i ON i.id = d.incident_id
  LEFT JOIN people_user u ON u.id = i.acknowledged_by_id
  LEFT JOIN escalation_page p ON p.id = d.page_id
)
UPDATE delivery_delivery d SET
  state = CASE WHEN j.stale IS NULL THEN 'sending' ELSE 'dropped' END,
  reason = coalesce(j.stale, d.reason),
  next_at = NULL,
  claim = CASE WHEN j.stale IS NULL THEN %(claim)s::bigint END,
  claimed_until = CASE WHEN j.stale IS NULL THEN n.at + %(lease)s::float8 * interval '1 second' END,
  ended_at = CASE WHEN j.stale IS NOT NULL THEN n.at END,
  attempts = d.attempts + CASE WHEN j.stale IS NULL THEN 1 ELSE 0 END
FROM judged j, (SELECT tocsin_now() AS at) n
WHERE d.id = j.id
RETURNING d.id, d.kind, d.key, d.page_id, d.incident_id, d.generation, d.user_id, d.contact_method_id, d.channel,
          d.address, d.rank, d.attempts, coalesce(j.urgency, CASE d.kind WHEN 'resolved' THEN 'low' ELSE 'high' END),
          n.at, d.reason, d.state
"""


def claim(
    limit: int = 500,
    lease_s: float = LEASE_S,
    *,
    channels: Mapping[str, int] | None = None,
    busy: Sequence[int] = (),
    few: bool = False,
) -> list[Claimed]:
    """Take due deliveries under a lease, best rank first; nobody else gets them until it ends.

    ``channels`` says how many of each channel at most (``limit`` of each channel there is, when not given); ``busy``
    are contact methods to leave alone for now; ``few``: not more than prepared.FEW of each channel, but faster.
    A page that an answer has overtaken is dropped instead, with the reason.
    """
    if channels is None:
        from tocsin.delivery.queries import channels as known  # queries reads; this is the one place that needs it

        channels = dict.fromkeys([*known(), SINK], limit)
    token = secrets.randbits(62) | 1
    rows = prepared.fetch(
        _CLAIM,
        {
            "channels": list(channels),
            "limits": [min(limit, most, prepared.FEW if few else limit) for most in channels.values()],
            "busy": list(busy),
            "claim": token,
            "lease": float(lease_s),
        },
        few=few,
    )
    dropped = {row[3]: row[0] for row in rows if row[15] == "dropped" and row[3]}
    if dropped:
        events.changed("page", dropped)
    taken = [Claimed(row[0], token, *row[1:15]) for row in rows if row[15] == "sending"]
    taken.sort(key=lambda item: (item.rank, item.id))
    return taken


_SETTLE = """
WITH v AS (
  SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::float8[], %s::text[], %s::text[], %s::text[],
                       %s::timestamptz[], %s::timestamptz[], %s::smallint[])
    AS v(id, claim, state, wait_s, outcome, reason, ref, started_at, ended_at, number)
), n AS (SELECT tocsin_now() AS at), done AS (
  UPDATE delivery_delivery d SET
    state = v.state,
    next_at = CASE WHEN v.state = 'pending' THEN n.at + v.wait_s * interval '1 second' END,
    claim = NULL, claimed_until = NULL,
    ended_at = CASE WHEN v.state <> 'pending' THEN n.at END,
    attempts = v.number,
    reason = CASE WHEN v.state IN ('delivered', 'accepted') THEN '' ELSE left(v.reason, 500) END,
    provider_ref = left(v.ref, 300)
  FROM v, n WHERE d.id = v.id AND d.claim = v.claim AND d.state = 'sending'
  RETURNING d.id, d.page_id, d.state
), log AS (
  INSERT INTO delivery_attempt (delivery_id, number, started_at, ended_at, outcome, detail, provider_ref)
  SELECT v.id, v.number, v.started_at, v.ended_at, v.outcome, left(v.reason, 1000), left(v.ref, 300)
  FROM v JOIN done ON done.id = v.id WHERE v.outcome <> ''
)
SELECT id, page_id, state FROM done
"""


def storable(text: str) -> str:
    """What a provider said, without what PostgreSQL cannot keep: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


Row = tuple[int, int, str, float, str, str, str, datetime, datetime | None, int]


def _row(item: Settled) -> Row:
    """One settled delivery as the statement wants it."""
    delivery, result = item.delivery, item.result
    started = delivery.at + timedelta(seconds=item.waited_s)
    ended = delivery.at + timedelta(seconds=item.took_s)
    if isinstance(result, Release):
        return (
            delivery.id,
            delivery.claim,
            "pending",
            result.wait_s,
            "",
            result.reason,
            "",
            started,
            ended,
            delivery.number - 1,
        )
    verdict = rules.after(result, number=delivery.number, urgency=delivery.urgency, delivery_id=delivery.id)
    ref = result.ref if isinstance(result, Delivered | Accepted) else ""
    outcome = {Delivered: "delivered", Accepted: "accepted", Rejected: "rejected"}.get(type(result), "try_later")
    state, wait = (verdict.state, 0.0) if isinstance(verdict, rules.Over) else ("pending", verdict.after_s)
    # of an attempt that went well it says how, and the delivery has no reason
    reason = result.detail if isinstance(result, Delivered | Accepted) else result.reason
    if isinstance(verdict, rules.Over) and verdict.reason:
        reason = verdict.reason
    reason, ref = storable(reason), storable(ref)
    number = delivery.number
    return (delivery.id, delivery.claim, state, wait, outcome, reason, ref, started, ended, number)


def settle(results: Sequence[Settled]) -> list[int]:
    """Record what came of claimed deliveries; returns the ids that were still ours.

    A delivery whose lease ran out meanwhile is left alone (compare-and-set by claim). When one fails, the next contact
    method of the same person is due at once; pages with none left are published as ``PagesFailed`` in this transaction.
    A loud page over a channel that rings once is put into the outbox again, for later.
    """
    if not results:
        return []
    switch_off_gone(results)  # before, in a transaction of its own: contact methods are locked before deliveries
    with transaction.atomic():
        ours = _write([_row(item) for item in results])
        if again := repeats(results, ours):
            enqueue(again, now=clock.now())
    return ours


def _write(rows: Sequence[Row]) -> list[int]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    done = prepared.fetch(_SETTLE, columns, few=len(rows) <= prepared.FEW)
    failed = sorted({page for _, page, state in done if state == "failed" and page})
    if failed:
        _after_failure(failed)
    events.changed("page", {page: delivery for delivery, page, _ in done if page})
    return [row[0] for row in done]


def _after_failure(pages: list[int]) -> None:
    """Bring the next contact method forward; tell when there is none left."""
    with connection.cursor() as cursor:
        # two engines may fail the last two deliveries of a page at once: who locks the page second sees both
        cursor.execute("SELECT 1 FROM escalation_page WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [pages])
        cursor.execute(
            """SELECT id, page_id, next_at, rule_position FROM delivery_delivery
               WHERE page_id = ANY(%s) AND state = 'pending' AND attempts = 0 AND next_at > tocsin_now()
                 AND strpos(key, %s) = 0
               ORDER BY id FOR UPDATE""",
            [pages, rules.AGAIN],  # a repetition is no other way to reach the person
        )
        following: dict[int, tuple[datetime, int, int]] = {}
        for delivery, page, next_at, position in cursor.fetchall():
            place = (next_at, position, delivery)
            following[page] = min(following.get(page, place), place)
        if following:
            cursor.execute(
                "UPDATE delivery_delivery SET next_at = tocsin_now() WHERE id = ANY(%s)",
                [[place[2] for place in following.values()]],
            )
            events.wake("delivery")
        cursor.execute(
            """SELECT page FROM unnest(%s::bigint[]) AS page WHERE NOT EXISTS (
                 SELECT 1 FROM delivery_delivery d WHERE d.page_id = page AND d.state <> 'failed')""",
            [pages],
        )
        hopeless = tuple(row[0] for row in cursor.fetchall())
    if hopeless:
        events.publish([PagesFailed(hopeless)])


_LATE = """
WITH v AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v(id, state, said)),
n AS (SELECT tocsin_now() AS at), old AS (
  SELECT d.id, d.attempts FROM delivery_delivery d JOIN v ON v.id = d.id
), done AS (
  UPDATE delivery_delivery d SET state = v.state, ended_at = n.at, next_at = NULL,
    reason = CASE WHEN v.state = 'failed' THEN left(v.said, 500) ELSE '' END, claim = NULL, claimed_until = NULL
  FROM v, n WHERE d.id = v.id RETURNING d.id, d.page_id, d.state
), log AS (
  INSERT INTO delivery_attempt (delivery_id, number, started_at, ended_at, outcome, detail, provider_ref)
  SELECT v.id, old.attempts, n.at, n.at, CASE v.state WHEN 'delivered' THEN 'delivered' ELSE 'rejected' END,
         left(v.said, 1000), ''
  FROM v JOIN old ON old.id = v.id CROSS JOIN n
)
SELECT id, page_id, state FROM done
"""


def settle_late(news: Sequence[tuple[int, str, str]]) -> None:
    """Record what providers said later of deliveries that the caller has locked: id, ``delivered`` or ``failed``,
    words.

    It stands beside the attempts, which are never changed.

    A failure brings the person's next contact method forward, as any other. A delivery that is being sent ends here,
    and whoever sends it finds that it is not theirs any more.
    """
    if not news:
        return
    columns = [list(column) for column in zip(*news, strict=True)]
    columns[2] = [storable(str(reason)) for reason in columns[2]]
    with connection.cursor() as cursor:
        cursor.execute(_LATE, columns)
        done = cursor.fetchall()
    if failed := sorted({page for _, page, state in done if state == "failed" and page}):
        _after_failure(failed)
    events.changed("page", {page: delivery for delivery, page, _ in done if page})


_EXPIRED = """
SELECT d.id, d.claim, d.attempts, coalesce(p.urgency, CASE d.kind WHEN 'resolved' THEN 'low' ELSE 'high' END),
       d.claimed_until, tocsin_now()
FROM delivery_delivery d LEFT JOIN escalation_page p ON p.id = d.page_id
WHERE d.state = 'sending' AND d.claimed_until < tocsin_now()
ORDER BY d.claimed_until LIMIT %s FOR UPDATE OF d SKIP LOCKED
"""


def expire(limit: int = 1000) -> int:
    """Deliveries whose lease ran out: nobody knows whether they were sent, so they are due again at once.

    An attempt with the outcome ``unknown`` is recorded for each. Returns how many there were.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_EXPIRED, [limit])
            found = cursor.fetchall()
        rows: list[Row] = []
        for delivery, token, number, urgency, until, _ in found:
            verdict = rules.after_unknown(number=number, urgency=urgency)
            started = until - timedelta(seconds=LEASE_S)
            if isinstance(verdict, rules.Again):
                reason = "the sender went away; nobody knows whether it was sent"
                rows.append((delivery, token, "pending", 0.0, "unknown", reason, "", started, None, number))
            else:
                rows.append((delivery, token, "failed", 0.0, "unknown", verdict.reason, "", started, None, number))
        if rows:
            _write(rows)
            events.wake("delivery")
    return len(rows)
