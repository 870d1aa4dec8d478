"""Why people escalated by hand, counted."""

from collections import Counter
from datetime import datetime

from django.db import connection

from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor

KINDS = ["escalated", "team_called", "managers_called"]
# by incident, whose entries are found by its number; an incident is touched whenever its timeline grows
_BY_HAND = """
SELECT e.kind, coalesce(e.data->>'reason_code', ''), coalesce(t.slug, ''), s.slug, count(*)
FROM incidents_incident i
JOIN incidents_timeline_entry e ON e.incident_id = i.id
JOIN catalogue_service s ON s.id = i.service_id
LEFT JOIN people_team t ON t.id = s.team_id
WHERE i.updated_at >= %(since)s AND e.at >= %(since)s AND e.kind = ANY(%(kinds)s)
GROUP BY 1, 2, 3, 4
"""


def escalations(actor: Actor, since: datetime) -> dict[tuple[str, str], int]:
    """How often people escalated by hand since a moment, most first: (kind | reason | team | service, which) -> count.

    A reason is empty for entries from before reasons had codes. Raises Forbidden.
    """
    require(actor, Deed.READ)
    found: Counter[tuple[str, str]] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_BY_HAND, {"since": since, "kinds": KINDS})
        for kind, reason, team, service, count in cursor.fetchall():
            for key in (("kind", kind), ("reason", reason), ("team", team), ("service", service)):
                found[key] += count
    order = {"kind": 0, "reason": 1, "team": 2, "service": 3}
    return dict(sorted(found.items(), key=lambda one: (order[one[0][0]], -one[1], one[0][1])))
