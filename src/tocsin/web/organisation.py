"""Settings of the organisation: an overview, the priority matrix, channels, the audit, Tocsin's own health."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods

from tocsin import __version__
from tocsin.delivery import canaries, mail_queries, objective
from tocsin.delivery import queries as delivery
from tocsin.incidents import actions as incidents
from tocsin.incidents.rules import LEVELS, MATRIX, PRIORITIES
from tocsin.intake import partners
from tocsin.intake import queries as intake
from tocsin.people.models import ApiToken, ContactMethod, User
from tocsin.people.rules import Deed, may, require
from tocsin.platform import nodes
from tocsin.platform.errors import NotFound, TocsinError
from tocsin.platform.models import AuditEntry, LedgerEntry, Node, Setting
from tocsin.triage.models import MaintenanceWindow, Rule
from tocsin.web import health as light
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, cut, done, export, number, page, signed_in


@require_GET
@signed_in
def overview(request: Request) -> HttpResponse:
    """Where everything that can be set is."""
    actor = request.actor
    groups = [
        (
            "Yours",
            [
                ("/settings/you/", "user", "You", "how you are reached, your zone, colours, password, second factor"),
                (
                    "/settings/tokens/",
                    "key",
                    "API tokens",
                    f"{ApiToken.objects.filter(revoked_at=None, user=request.user).count()} of yours work",
                ),
                ("/pocket/", "smartphone", "Pocket phone", "a phone that is a page"),
            ],
        ),
        (
            "From signal to incident",
            [
                ("/sources/", "plug", "Sources", "addresses and keys for the tools that tell"),
                (
                    "/sources/refused/",
                    "ban",
                    "Refused requests",
                    f"{sum(one['total'] for one in intake.refusal_counts(actor))} in the last 24 hours",
                ),
                ("/settings/import/", "download", "Import", "from Opsgenie, PagerDuty and Grafana OnCall"),
                ("/settings/rules/", "filter", "Triage rules", f"{Rule.objects.filter(enabled=True).count()} work"),
                (
                    "/settings/maintenance/",
                    "wrench",
                    "Maintenance windows",
                    f"{MaintenanceWindow.objects.filter(ended_at=None).count()} on record",
                ),
                ("/settings/matrix/", "equal", "Priority matrix", "impact and urgency give the priority"),
                ("/settings/roles/", "crown", "Roles", "who does what in an incident"),
            ],
        ),
        (
            "People and pages",
            [
                ("/people/", "users", "People", f"{User.objects.filter(is_active=True).count()} active"),
                ("/people/teams/", "users", "Teams", "who owns what"),
                ("/settings/channels/", "send", "Channels", f"{len(delivery.channels())} ways out are installed"),
                ("/settings/providers/", "phone-call", "Providers", "accounts that SMS and calls go through"),
                ("/settings/webhooks/", "webhook", "Webhooks", "addresses outside that policies call"),
                ("/messages/", "mail", "Messages sent", "every delivery and every attempt"),
                ("/on-call/load/", "activity", "Load", "what on call costs people, and the night budget"),
                ("/on-call/pay/", "file-text", "Pay", "what on call is paid"),
            ],
        ),
        (
            "This installation",
            [
                ("/settings/health/", "activity", "Health", "processes, queues, what is late"),
                ("/settings/canary/", "bird", "Canary", "a page that Tocsin sends itself, to see whether pages arrive"),
                ("/settings/audit/", "history", "Audit", "who changed what"),
                ("/settings/import/history/", "download", "Import past incidents", "from a CSV file of another tool"),
                ("/welcome/", "book-open", "First steps", "from nothing to a page on a phone in five minutes"),
                ("/api/v1/docs", "file-json", "HTTP API", "everything the pages can do"),
            ],
        ),
    ]
    return page(request, "web/settings/overview.html", {"title": "Settings", "groups": groups})


@require_http_methods(["GET", "POST"])
@signed_in
def matrix(request: Request) -> HttpResponse:
    """Which priority impact and urgency give."""
    may_edit = may(request.actor, Deed.ADMINISTER)
    problem = ""
    table: Any = incidents.matrix()
    if request.method == "POST":
        require(request.actor, Deed.ADMINISTER)
        if request.POST.get("do") == "default":
            table = MATRIX
        else:
            table = {
                impact: {urgency: request.POST.get(f"{impact}-{urgency}", "") for urgency in LEVELS}
                for impact in LEVELS
            }
        try:
            incidents.save_matrix({impact: dict(row) for impact, row in table.items()}, actor=request.actor)
            return done(request, "/settings/matrix/", "The matrix is kept. Open incidents keep the priority they have.")
        except TocsinError as error:
            problem = str(error)
    return page(
        request,
        "web/settings/matrix.html",
        {
            "title": "Priority matrix",
            "levels": LEVELS,
            "priorities": PRIORITIES,
            "may_edit": may_edit,
            "problem": problem,
            "table": [(impact, [(urgency, table[impact][urgency]) for urgency in LEVELS]) for impact in LEVELS],
            "default": {k: dict(v) for k, v in MATRIX.items()} == {k: dict(v) for k, v in table.items()},
        },
        422 if problem else 200,
    )


@require_GET
@signed_in
def channels(request: Request) -> HttpResponse:
    """The ways out: what each can do, how many people use it, how it goes."""
    going = {one.kind: one for one in delivery.delivery_health().channels}
    lines = []
    for kind, channel in delivery.channels().items():
        used = ContactMethod.objects.filter(channel=kind)
        lines.append((channel.descriptor, used.count(), used.exclude(disabled_at=None).count(), going.get(kind)))
    return page(
        request,
        "web/settings/channels.html",
        {
            "title": "Channels",
            "lines": lines,
            "failures": delivery.latest_failures(request.actor, 10),
            "sender": settings.TOCSIN.email_from,
            "may_administer": may(request.actor, Deed.ADMINISTER),
        },
    )


@require_GET
@signed_in
def audit(request: Request) -> HttpResponse:
    """Who changed what, newest first."""
    require(request.actor, Deed.CONFIGURE)
    text, kind = request.GET.get("q", "").strip()[:120].replace("\x00", ""), request.GET.get("kind", "")
    rows = AuditEntry.objects.order_by("-id")
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(actor_name__icontains=text))
    if kind:
        rows = rows.filter(kind=kind)
    columns = [
        ("at", lambda row: row.at.isoformat()),
        ("who", lambda row: row.actor_name),
        ("how", lambda row: row.actor_kind),
        ("verb", lambda row: row.verb),
        ("kind", lambda row: row.kind),
        ("id", lambda row: row.object_id),
        ("name", lambda row: row.name),
        ("before", lambda row: row.before),
        ("after", lambda row: row.after),
    ]
    if answer := export(request, "audit", columns, rows):
        return answer
    if before := number(request, "before"):
        rows = rows.filter(pk__lt=before)
    kinds = list(AuditEntry.objects.order_by("kind").values_list("kind", flat=True).distinct())
    return page(
        request,
        "web/settings/audit.html",
        {"title": "Audit", "part": cut(request, rows), "q": text, "kind": kind, "kinds": kinds},
    )


@require_GET
@signed_in
def audit_one(request: Request, entry_id: int) -> HttpResponse:
    """One change, what was before and what is since, side by side."""
    require(request.actor, Deed.CONFIGURE)
    row = AuditEntry.objects.filter(pk=entry_id).first()
    if row is None:
        raise NotFound("There is no such entry.")
    before, after = row.before or {}, row.after or {}
    facts = [(name, before.get(name, ""), after.get(name, "")) for name in sorted({*before, *after})]
    return page(
        request,
        "web/settings/audit_one.html",
        {"title": f"{row.actor_name} {row.verb} {row.name}", "row": row, "facts": facts},
    )


@require_GET
@signed_in
def health(request: Request) -> HttpResponse:
    """Tocsin's own health: the light and its reasons, processes, queues."""
    moment = now(request)
    living = {name for kind in ("web", "engine", "mail", "syslog") for name in nodes.alive(kind)}
    configured = settings.TOCSIN
    rows = [(row, row.pk in living) for row in Node.objects.order_by("kind", "host", "pid")]
    return page(
        request,
        "web/settings/health.html",
        {
            "title": "Health",
            "light": light.light(moment),
            "nodes": rows,
            "delivery": delivery.delivery_health(),
            "mail": mail_queries.mail_in(),
            "syslog": nodes.summed("syslog") if configured.syslog_listen or configured.syslog_tls_listen else None,
            "waiting": intake.waiting(),
            "version": __version__,
            "has_web": any(row.kind == "web" and lives for row, lives in rows),
            "has_engine": any(row.kind == "engine" and lives for row, lives in rows),
            "public_url": configured.public_url,
            "promise": objective.kept(),
            "lately": objective.measured(),
            "objective": {"within_s": objective.WITHIN_S, "share": objective.SHARE * 100},
            "canary": canaries.status(),
            "partners": partners.watched(),
            "ledger": LedgerEntry.objects.order_by("-id").first(),
            "reconciled": Setting.objects.filter(name="ledger.reconciled").values_list("value", flat=True).first(),
        },
    )


urlpatterns: list[URLPattern] = [
    path("settings/", overview, name="settings"),
    path("settings/matrix/", matrix, name="matrix"),
    path("settings/channels/", channels, name="channels"),
    path("settings/audit/", audit, name="audit"),
    path("settings/audit/<int:entry_id>/", audit_one, name="audit-entry"),
    path("settings/health/", health, name="health"),
]
