"""Early warnings: an incident that stays in a tier for too long is told to those who look after the policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from tocsin.catalogue import queries as catalogue
from tocsin.delivery.actions.notices import notify
from tocsin.escalation import queries, rules
from tocsin.incidents.actions import use_book
from tocsin.platform import events
from tocsin.platform.actor import SYSTEM

_ENTER = """
INSERT INTO escalation_tier_watch (incident_id, tier, policy, policy_id, since, due_at)
SELECT incident_id, tier, policy, policy_id, %(now)s, %(now)s + make_interval(secs => warn_s)
FROM unnest(%(ids)s::bigint[], %(tiers)s::text[], %(policies)s::text[], %(policy_ids)s::int[], %(warn)s::int[])
  AS entered(incident_id, tier, policy, policy_id, warn_s)
ON CONFLICT (incident_id) DO UPDATE
SET tier = excluded.tier, policy = excluded.policy, policy_id = excluded.policy_id, since = excluded.since,
    due_at = excluded.due_at
WHERE escalation_tier_watch.tier <> excluded.tier
"""


@dataclass(frozen=True, slots=True)
class Entered:
    """An incident's run came to a step of this tier."""

    tier: str
    warn_s: int | None
    policy: rules.PolicySnapshot


def enter(entered: Mapping[int, Entered], now: datetime) -> None:
    """Note in which tier incidents (by id) are from now on, in the caller's transaction, which holds their locks.

    A tier in which an incident is already goes on; one that warns nobody ends the watch over the one before.
    """
    watched = {key: one for key, one in entered.items() if one.warn_s is not None}
    with connection.cursor() as cursor:
        if others := [key for key in entered if key not in watched]:
            cursor.execute("DELETE FROM escalation_tier_watch WHERE incident_id = ANY(%s)", [others])
        if watched:
            cursor.execute(
                _ENTER,
                {
                    "now": now,
                    "ids": list(watched),
                    "tiers": [one.tier for one in watched.values()],
                    "policies": [one.policy.name for one in watched.values()],
                    "policy_ids": [one.policy.policy_id for one in watched.values()],
                    "warn": [one.warn_s for one in watched.values()],
                },
            )
            events.wake("escalation")


def warn_due(limit: int = 500) -> int:
    """Warn of incidents that have been in their tier for too long; how many were looked at.

    Acknowledged or not: what counts is that they are not over. Once per incident and tier.
    """
    with connection.cursor() as cursor:  # nearly always nothing is due, and a transaction is more than a question
        cursor.execute("SELECT EXISTS (SELECT FROM escalation_tier_watch WHERE due_at <= tocsin_now())")
        if not cursor.fetchone()[0]:
            return 0
    with use_book() as book:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT incident_id FROM escalation_tier_watch WHERE due_at <= %s ORDER BY due_at LIMIT %s",
                [book.now, limit],
            )
            due = [row[0] for row in cursor.fetchall()]
        if not due:
            return 0
        states = book.lock(due)  # before the watch's own rows, as everywhere
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM escalation_tier_watch WHERE incident_id = ANY(%s) AND due_at <= %s"
                " RETURNING incident_id, tier, policy, policy_id, since",
                [due, book.now],
            )
            rows = cursor.fetchall()
        for incident_id, tier, policy, policy_id, since in rows:
            state = states.get(incident_id)
            if state is None or not state.open:
                continue
            lasted = rules.duration(int((book.now - since) / timedelta(minutes=1)) * 60)
            service = catalogue.service(SYSTEM, state.service_id)
            told = notify(
                queries.looking_after(queries.teams_of([policy_id] if policy_id else []) or {service.team_id or 0}),
                key=f"tier:{incident_id}:{tier}",
                title=f"INC-{incident_id} is in {tier} for {lasted}",
                body=f"{state.priority}, {state.said}\n\nIt is {state.state}."
                if state.confidential
                else f"{state.priority}, {service.name}: {state.title}\n\nIt is {state.state}. The policy {policy} "
                f"warns when an incident stays in {tier} for so long.",
                path=f"/incidents/{incident_id}/",
            )
            if told:
                book.write(state, "tier_warned", SYSTEM, {"tier": tier, "policy": policy, "lasted": lasted})
        return len(due)
