"""The list of incidents: views, filters in the address, bulk verbs, export."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from tocsin.catalogue.models import Service
from tocsin.incidents import queries, rules
from tocsin.incidents.models import Incident
from tocsin.people.models import Team
from tocsin.web import saved
from tocsin.web.shortcuts import Columns, Request, cut, export, number, page, signed_in

SIZE = 25
SORTS = [
    ("newest", "Newest first"),
    ("oldest", "Oldest first"),
    ("priority", "By priority"),
    ("updated", "Last changed"),
]
HISTORIES = [("no", "Without history"), ("yes", "With imported history"), ("only", "Only imported history")]
COLUMNS: Columns = [
    ("id", lambda one: one.pk),
    ("title", lambda one: one.title),
    ("state", lambda one: one.state),
    ("priority", lambda one: one.priority),
    ("severity", lambda one: one.severity),
    ("service", lambda one: one.service.name),
    ("acknowledged_by", lambda one: one.acknowledged_by.name if one.acknowledged_by else None),
    ("confidential", lambda one: one.confidential),
    ("imported", lambda one: one.imported),
    ("alerts", lambda one: one.alert_count),
    ("opened_at", lambda one: one.opened_at.isoformat()),
    ("acknowledged_at", lambda one: one.acknowledged_at.isoformat() if one.acknowledged_at else None),
    ("resolved_at", lambda one: one.resolved_at.isoformat() if one.resolved_at else None),
]


@dataclass(frozen=True)
class View:
    """A tab over the list."""

    text: str
    query: str
    current: bool = False


def filters(request: Request) -> dict[str, Any]:
    """What the address asks for, as arguments of ``queries.incidents``; what makes no sense is left out."""
    # an empty "state" means any; none at all means what is open
    states = [state for state in request.GET.getlist("state") if state in (*rules.STATES, "open")]
    if not states and "state" not in request.GET:
        states = ["open"]
    sort = request.GET.get("sort", "newest")
    assignee = number(request, "assignee")
    if request.GET.get("assignee") == "me":
        assignee = request.user.pk
    imported = request.GET.get("imported", "no")
    teams = [int(value) for value in request.GET.getlist("team") if value.isascii() and value.isdigit()]
    if request.GET.get("team") == "mine":
        teams = sorted(request.actor.teams) or [0]
    return {
        "state": states,
        "priority": [value for value in request.GET.getlist("priority") if value in rules.PRIORITIES],
        "service": [int(value) for value in request.GET.getlist("service") if value.isascii() and value.isdigit()],
        "team": teams,
        "assignee": assignee,
        "q": request.GET.get("q", "").replace("\x00", "")[:200],
        "sort": sort if sort in queries.SORTS else "newest",
        "before": number(request, "before"),
        "imported": imported if imported in queries.IMPORTED else "no",
    }


@require_safe
@signed_in
def incidents(request: Request) -> HttpResponse:
    """``/incidents/?state=open&priority=P1&service=3&team=mine&assignee=me&q=disk&sort=priority``."""
    wanted = filters(request)
    rows = queries.incidents(request.actor, **wanted)
    answer = export(request, "incidents", COLUMNS, rows)
    if answer:
        return answer
    part = cut(request, rows, SIZE)
    tabs = [
        View("Open", "", not request.GET),
        View("Unanswered", "?state=triggered"),
        View("Mine", "?assignee=me"),
        View("My teams", "?team=mine"),
        View("Over", "?state=resolved&state=closed"),
    ]
    if Incident.objects.filter(imported=True).exists():
        tabs.append(View("Imported", "?state=&imported=only"))
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    context = {
        "title": "Incidents",
        "part": part,
        "wanted": wanted,
        "tabs": [View(tab.text, tab.query, tab.current or (bool(query) and tab.query == query)) for tab in tabs],
        "saved": saved.of(request.user, "incidents"),
        "sorts": SORTS,
        "open_only": ["open"],
        "query": query,
        "services": Service.objects.order_by("name").only("id", "name"),
        "teams": Team.objects.order_by("name").only("id", "name"),
        "states": ["open", *rules.STATES],
        "priorities": rules.PRIORITIES,
        "filtered": any(wanted[name] for name in ("priority", "service", "team", "assignee", "q")),
        "histories": HISTORIES if len(tabs) > 5 else [],
    }
    return page(request, "incidents/list.html", context)
