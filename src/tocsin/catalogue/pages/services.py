"""The list of services, and one service among its neighbours."""

from datetime import timedelta

from django.db.models import Count, Max, Min, Q
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from tocsin.catalogue import queries
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import hours_text
from tocsin.escalation import queries as escalation
from tocsin.escalation import rules as escalation_rules
from tocsin.incidents import queries as incidents
from tocsin.incidents.models import OPEN_STATES
from tocsin.intake import queries as intake
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may
from tocsin.triage.models import MaintenanceWindow
from tocsin.triage.rules import Grouping, going_on
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, export, number, page, signed_in

TIERS = {
    1: "Tier 1: the business stops",
    2: "Tier 2: customers notice",
    3: "Tier 3: colleagues notice",
    4: "Tier 4: can wait",
}
MOST = 500


@require_GET
@signed_in
def services(request: Request) -> HttpResponse:
    """All services with owner, policy, tier and how many incidents are open."""
    text, team, tier = request.GET.get("q", "")[:120], request.GET.get("team", ""), number(request, "tier")
    show = request.GET.get("show", "")
    rows = queries.services(request.actor, text, team=team, tier=tier, enabled=False if show == "off" else None)
    rows = rows.annotate(
        open_count=Count("incidents", filter=Q(incidents__state__in=OPEN_STATES), distinct=True),
        worst=Min("incidents__priority", filter=Q(incidents__state__in=OPEN_STATES)),
        source_count=Count("sources", distinct=True),
        heard=Max("sources__last_signal_at"),
    )
    if show == "open":
        rows = rows.filter(open_count__gt=0)
    elif show == "bare":
        rows = rows.filter(Q(policy=None) | Q(team=None) | Q(source_count=0))
    columns = [
        ("name", lambda row: row.name),
        ("slug", lambda row: row.slug),
        ("tier", lambda row: row.tier),
        ("team", lambda row: row.team.name if row.team else ""),
        ("policy", lambda row: row.policy.name if row.policy else ""),
        ("open incidents", lambda row: row.open_count),
        ("enabled", lambda row: row.enabled),
    ]
    if answer := export(request, "services", columns, rows):
        return answer
    found = list(rows[: MOST + 1])
    views = [("", "All"), ("open", "With open incidents"), ("bare", "Incomplete"), ("off", "Switched off")]
    return page(
        request,
        "catalogue/services.html",
        {
            "title": "Services",
            "rows": found[:MOST],
            "more": len(found) > MOST,
            "q": text,
            "team": team,
            "tier": tier,
            "teams": people.teams(request.actor),
            "tiers": TIERS.items(),
            "show": show,
            "views": views,
            "filtered": bool(text or team or tier or show),
            "may_configure": may(request.actor, Deed.CONFIGURE) or bool(request.actor.managed),
        },
    )


@require_GET
@signed_in
def service(request: Request, service_id: int) -> HttpResponse:
    """One service: who owns it, who is paged, what it needs, what needs it, what it hears, what happened lately."""
    near = queries.neighbourhood(request.actor, service_id)
    row = near.service
    moment = now(request)
    around = [row, *near.needs, *near.needed_by, *(one.service for one in near.blast_radius)]
    troubled = dict(
        Service.objects.filter(pk__in=[one.pk for one in around], incidents__state__in=OPEN_STATES)
        .annotate(worst=Min("incidents__priority"))
        .values_list("pk", "worst")
    )
    snapshot = escalation.snapshot([row.policy_id]).get(row.policy_id) if row.policy_id else None
    sources = list(intake.sources(request.actor, service=[row.pk]))
    windows = [
        (window, going_on(window.starts_at, timedelta(seconds=window.duration_s), window.rrule, window.zone, moment))
        for window in MaintenanceWindow.objects.filter(services=row, ended_at=None)
        if window.rrule or window.starts_at + timedelta(seconds=window.duration_s) > moment
    ]
    return page(
        request,
        "catalogue/service.html",
        {
            "title": row.name,
            "service": row,
            "tier": TIERS.get(row.tier, ""),
            "hours": hours_text(queries.hours_of(row)).splitlines(),
            "near": near,
            "troubled": troubled,
            "further": [one for one in near.blast_radius if one.steps > 1],
            "sentences": escalation_rules.sentence(snapshot) if snapshot else [],
            "sources": [(one, intake.kind(one.kind).label if one.kind else one.kind) for one in sources],
            "open": incidents.incidents(request.actor, service=[row.pk], state=["open"], sort="priority")[:20],
            "recent": incidents.incidents(request.actor, service=[row.pk], state=["resolved", "closed"])[:8],
            "changes": queries.changes(request.actor, service_id=row.pk)[:8],
            "grouping": grouping_words(Grouping.of(row.grouping)),
            "windows": windows,
            "missing": missing(row, bool(sources)),
            "may_configure": may(request.actor, Deed.CONFIGURE, row.team_id),
        },
    )


def missing(row: Service, has_source: bool) -> list[tuple[str, str]]:
    """What keeps this service from being ready: (sentence, address of what mends it)."""
    edit = f"/services/{row.pk}/edit/"
    found = []
    if not row.enabled:
        found.append(("It is switched off: its signals open no incidents.", edit))
    if row.policy_id is None:
        found.append(("It has no policy: an incident pages nobody.", edit))
    if row.team_id is None:
        found.append(("No team owns it.", edit))
    if not has_source:
        found.append(("It has no source: only people can open incidents on it.", f"/sources/new/?service={row.pk}"))
    return found


def grouping_words(grouping: Grouping) -> str:
    """Which alerts become one incident, as a sentence."""
    words = {
        "alert": "Every alert is an incident of its own.",
        "service": "All alerts of this service are one incident while it is open.",
        "dependency": "All alerts of this service, of what it needs and of what needs it are one incident.",
        "fields": f"Alerts with the same {', '.join(grouping.fields)} are one incident.",
    }
    text = words.get(grouping.by, words["alert"])
    if grouping.window_s:
        text += f" Only alerts within {grouping.window_s // 60} min of its opening join it."
    if grouping.reopen_s:
        text += f" An alert that comes back within {grouping.reopen_s // 60} min reopens it."
    return text
