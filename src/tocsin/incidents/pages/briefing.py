"""The briefing of an incident, gathered from what is on record for the rule that words it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tocsin.incidents import queries
from tocsin.incidents.models import TimelineEntry
from tocsin.incidents.pages import words
from tocsin.incidents.rules import command
from tocsin.people.models import User
from tocsin.platform import moments
from tocsin.platform.actor import Actor

RECENT = 8
MOST_TASKS = 20


def names_in(entries: list[TimelineEntry]) -> dict[int, str]:
    """Names of the people that these entries mention, also of those who have left."""
    ids = {key for entry in entries for name in ("users", "to") for key in _ints(entry.data.get(name))}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def _ints(value: object) -> list[int]:
    return [key for key in value if isinstance(key, int)] if isinstance(value, list) else []


def briefing_of(actor: Actor, incident_id: int, now: datetime, zone: str, note: str = "") -> str:
    """The briefing for whoever takes over, as Markdown; times in the IANA ``zone``. Raises NotFound."""
    incident = queries.incident(actor, incident_id)
    entries = list(queries.timeline(actor, incident_id).order_by("-seq")[:RECENT])[::-1]
    decided = queries.decisions(actor, incident_id)
    names = names_in(entries)
    holding = queries.holders(actor, incident_id)
    held = {one.role.name: one.user.name for one in holding if one.state == "held"}
    open_tasks = [one for one in queries.tasks(actor, incident_id) if one.state == "open"][:MOST_TASKS]
    here = {one.name for one in incident.assignees.all()}
    if incident.acknowledged_by:
        here.add(incident.acknowledged_by.name)
    there = ZoneInfo(zone)
    return command.briefing(
        command.Brief(
            number=incident.pk,
            title=incident.title,
            state=incident.state,
            priority=incident.priority,
            service=incident.service.name,
            lasts=moments.span(((incident.resolved_at or now) - incident.opened_at).total_seconds()),
            alerts=incident.open_alert_count,
            facts=[one.text for one in queries.facts(actor, incident_id)],
            decisions=[
                f"{one.at.astimezone(there):%H:%M} {one.data.get('text')}"
                + (f" (because {one.data['rationale']})" if one.data.get("rationale") else "")
                for one in decided
            ],
            tasks=[
                (
                    one.title,
                    one.owner.name if one.owner else "",
                    moments.absolute(one.due_at, zone, now, seconds=False) if one.due_at else "",
                )
                for one in open_tasks
            ],
            roles=held,
            responders=sorted(here - set(held.values())),
            recent=[
                f"{one.at.astimezone(there):%H:%M} {one.actor_name} {words.sentence(one.kind, one.data, names)}"
                + (f": {str(one.data.get('text', ''))[:300]}" if one.kind == "note" else "")
                for one in entries
            ],
            note=note,
        )
    )
