"""The stream of alerts, one alert, the stream of signals."""

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from tocsin.catalogue.models import Service
from tocsin.intake.models import Source
from tocsin.triage import queries, rules
from tocsin.web import saved
from tocsin.web.shortcuts import Columns, Request, cut, export, number, page, signed_in

SIZE = 30
COLUMNS: Columns = [
    ("id", lambda one: one.pk),
    ("title", lambda one: one.title),
    ("state", lambda one: one.state),
    ("severity", lambda one: one.severity),
    ("service", lambda one: one.service.name),
    ("source", lambda one: one.source.name),
    ("dedup_key", lambda one: one.dedup_key),
    ("incident", lambda one: one.incident_id),
    ("signals", lambda one: one.count),
    ("first_at", lambda one: one.first_at.isoformat()),
    ("last_at", lambda one: one.last_at.isoformat()),
    ("resolved_at", lambda one: one.resolved_at.isoformat() if one.resolved_at else None),
]
SIGNAL_COLUMNS: Columns = [
    ("id", lambda one: one.pk),
    ("received_at", lambda one: one.received_at.isoformat()),
    ("source_id", lambda one: one.source_id),
    ("action", lambda one: one.action),
    ("dedup_key", lambda one: one.dedup_key),
    ("severity", lambda one: one.severity),
    ("title", lambda one: one.title),
    ("outcome", lambda one: one.outcome),
    ("rule", lambda one: one.rule),
    ("reason", lambda one: one.reason),
    ("alert", lambda one: one.alert_id),
    ("incident", lambda one: one.incident_id),
]
TABS = [("Open", ""), ("Page nobody", "?quiet=1"), ("Resolved", "?state=resolved"), ("All", "?state=")]


def _numbers(request: Request, name: str) -> list[int]:
    return [
        int(value) for value in request.GET.getlist(name) if value.isascii() and value.isdigit() and len(value) < 10
    ]


@require_safe
@signed_in
def alerts(request: Request) -> HttpResponse:
    """``/alerts/?state=open&severity=critical&service=3&source=4&incident=12&quiet=1&q=disk``."""
    states = [value for value in request.GET.getlist("state") if value in ("open", "resolved")]
    incident = number(request, "incident")
    if not states and "state" not in request.GET and incident is None:
        states = ["open"]
    quiet = {"1": True, "0": False}.get(request.GET.get("quiet", ""))
    wanted: dict[str, Any] = {
        "state": states,
        "severity": [value for value in request.GET.getlist("severity") if value in rules.SEVERITIES],
        "service": _numbers(request, "service"),
        "source": _numbers(request, "source"),
        "incident": incident,
        "quiet": quiet,
        "q": request.GET.get("q", "").replace("\x00", "")[:200],
        "before": number(request, "before"),
    }
    rows = queries.alerts(request.actor, **wanted)
    answer = export(request, "alerts", COLUMNS, rows)
    if answer:
        return answer
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    context = {
        "title": "Alerts",
        "part": cut(request, rows, SIZE),
        "wanted": wanted,
        "tabs": TABS,
        "saved": saved.of(request.user, "alerts"),
        "query": query,
        "severities": rules.SEVERITIES,
        "services": Service.objects.order_by("name").only("id", "name"),
        "filtered": any(wanted[name] for name in ("severity", "service", "source", "incident", "q", "quiet")),
    }
    return page(request, "triage/alerts.html", context)


@require_safe
@signed_in
def alert(request: Request, alert_id: int) -> HttpResponse:
    """``/alerts/12/``: what it says, what became of its signals, the raw one."""
    found = queries.alert(request.actor, alert_id)
    rows = queries.signals(request.actor, alert_id=alert_id, before=number(request, "before"))
    part = cut(request, rows, 25)
    labels, links, remarks = (found.data.get(name) for name in ("labels", "links", "remarks"))
    context = {
        "title": found.title[:200],
        "alert": found,
        "labels": sorted(labels.items()) if isinstance(labels, dict) else [],
        "links": [one for one in links if _is_link(one)] if isinstance(links, list) else [],
        "remarks": remarks if isinstance(remarks, list) else [],
        "part": part,
    }
    return page(request, "triage/alert.html", context)


def _is_link(one: object) -> bool:
    """Whether a browser may be sent there: what a source calls a link may be anything."""
    return isinstance(one, dict) and str(one.get("href", "")).startswith(("http://", "https://"))


@require_safe
@signed_in
def signals(request: Request) -> HttpResponse:
    """``/signals/?source=3&outcome=suppressed``: everything that arrived, with its outcome."""
    outcomes = [value for value in request.GET.getlist("outcome") if value in set(rules.Outcome)]
    wanted: dict[str, Any] = {
        "source": _numbers(request, "source"), "outcome": outcomes, "before": number(request, "before"),
    }  # fmt: skip
    rows = queries.signals(request.actor, **wanted)
    answer = export(request, "signals", SIGNAL_COLUMNS, rows)
    if answer:
        return answer
    sources = list(Source.objects.select_related("service").order_by("name", "service__name"))
    context = {
        "title": "Signals",
        "part": cut(request, rows, SIZE),
        "wanted": wanted,
        "outcomes": list(rules.Outcome),
        "sources": sources,
        "names": {one.pk: one.name for one in sources},
    }
    return page(request, "triage/signals.html", context)
