"""The demo company as what an API is asked about, and names of things in it that fit into an address."""

import random
from dataclasses import dataclass

from django.db import connection

from tocsin.people.models import User
from tocsin.project import demo

MOST = 40
# where the word before a placeholder in an address has its things
TABLES = {
    "users": "people_user",
    "people": "people_user",
    "contact-methods": "people_contact_method",
    "teams": "people_team",
    "tokens": "people_api_token",
    "services": "catalogue_service",
    "sources": "intake_source",
    "alerts": "triage_alert",
    "rules": "triage_rule",
    "windows": "triage_maintenance_window",
    "policies": "escalation_policy",
    "incidents": "incidents_incident",
    "deliveries": "delivery_delivery",
    "webhooks": "delivery_webhook",
    "providers": "delivery_provider",
    "schedules": "oncall_schedule",
    "overrides": "oncall_override",
    "swaps": "oncall_swap",
    "offers": "oncall_swap_offer",
    "notes": "oncall_handoff_note",
    "calendar-feeds": "oncall_calendar_feed",
    "absences": "oncall_absence",
    "calendar-sources": "oncall_calendar_source",
}
WORDS = {
    "verb": ["acknowledge", "resolve", "snooze", "reopen", "merge", "note", "priority", "title"],
    "kind": ["signal", "alert", "incident", "page", "user"],
}


@dataclass(frozen=True)
class World:
    """What exists: numbers of things by the word under which addresses name them."""

    admin: int
    things: dict[str, list[int]]

    def something(self, path: str, name: str, chance: random.Random) -> str:
        """Something that exists, for the placeholder ``name`` in an address."""
        if name in WORDS:
            return chance.choice(WORDS[name])
        before = path.split(f"/{{{name}}}", maxsplit=1)[0].rpartition("/")[2]
        numbers = self.things.get(before) or self.things["incidents"]
        return str(chance.choice(numbers))


def world() -> World:
    """Make it, in the test's transaction."""
    demo.load()
    things = {}
    with connection.cursor() as cursor:
        for word, table in TABLES.items():
            cursor.execute(f"SELECT id FROM {table} ORDER BY id LIMIT {MOST}")
            things[word] = [row[0] for row in cursor.fetchall()]
    return World(User.objects.filter(role="admin").order_by("id").values_list("id", flat=True)[0], things)
