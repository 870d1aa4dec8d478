"""Why: the chain of reasons behind a signal, a page or an incident, and why nobody was woken, if nobody was."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from tocsin.delivery.models import Delivery
from tocsin.escalation import queries as escalation
from tocsin.escalation.models import Page, Run
from tocsin.escalation.queries import watching
from tocsin.incidents import queries as incidents
from tocsin.incidents.models import Incident
from tocsin.platform.errors import NotFound
from tocsin.platform.moments import absolute, localised, span
from tocsin.triage import queries
from tocsin.triage.models import Alert
from tocsin.web.shortcuts import Request, page, signed_in

MOST_ALERTS = 10
MOST_PAGES = 40


@dataclass(frozen=True)
class Link:
    """One link of the chain. ``facts``: (name, value) pairs; ``raw``: something to look at in full."""

    icon: str
    title: str
    text: str = ""
    small: str = ""
    href: str = ""
    tone: str = "quiet"
    facts: Sequence[tuple[str, Any]] = ()
    raw: Any = None
    deliveries: Sequence[Delivery] = field(default=())
    pages: Sequence[tuple[Page, str, str]] = ()


@require_safe
@signed_in
def why(request: Request, kind: str, number: int) -> HttpResponse:
    """``/why/signal/7/``, ``/why/page/7/``, ``/why/incident/7/``."""
    makers = {"signal": _signal, "page": _page, "incident": _incident}
    if kind not in makers:
        raise NotFound("Reasons are kept for a signal, a page and an incident.")
    title, answer, tone, chain = makers[kind](request, number)
    context = {"title": title, "answer": answer, "tone": tone, "chain": chain}
    return page(request, "triage/why.html", context)


Answer = tuple[str, str, str, list[Link]]


def _signal(request: Request, number: int) -> Answer:
    found = queries.why_signal(request.actor, number)
    chain = [_signal_link(found)]
    if found.waiting:
        return f"Why: signal {number}", found.reason, "warn", chain
    chain.append(_outcome_link(found))
    if found.alert:
        chain.append(_alert_link(found.alert))
    rows = Incident.objects.select_related("service", "service__policy").filter(incidents.readable(request.actor))
    incident = rows.filter(pk=found.incident_id or 0).first()
    if incident is None:
        answer = f"Nobody was woken by this signal. {found.reason}"
        return f"Why: signal {number}", answer, "quiet", chain
    pages = watching.pages_of(request.actor, incident.pk, MOST_PAGES)
    chain += [_incident_link(incident), *_paging(request, incident, pages)]
    return f"Why: signal {number}", _who(incident, pages), "info" if pages else "warn", chain


def _incident(request: Request, number: int) -> Answer:
    incident = incidents.incident(request.actor, number)
    pages = watching.pages_of(request.actor, number, MOST_PAGES)
    chain = [*_origin(request, incident), _incident_link(incident), *_paging(request, incident, pages)]
    woken = any(one.user_id for one in pages)
    return f"Why: INC-{number}", _who(incident, pages), "info" if woken else "warn", chain


def _page(request: Request, number: int) -> Answer:
    found = watching.page(request.actor, number)
    if found is None:
        raise NotFound(f"There is no page {number}.")
    incident = incidents.incident(request.actor, found.incident_id)
    zone = request.user.zone
    at = absolute(found.at, zone)
    chain = [*_origin(request, incident), _incident_link(incident)]
    if found.run:
        chain.append(_run_link(found.run, zone))
    chain += _reason_links(found.reason, zone)
    tone, fate = watching.fate(found)
    who = found.user.name if found.user else "Nobody"
    if found.user:
        chain.append(
            Link(
                "smartphone", "Contact methods and attempts", tone=tone, small=fate,
                text="" if found.deliveries.all() else "They have no contact method that can be used for this urgency.",
                facts=[("Urgency", f"{found.urgency}: {_urgency(incident)}")], deliveries=list(found.deliveries.all()),
            )
        )  # fmt: skip
    if found.answered_at:
        chain.append(
            Link("hand", "Answer", f"{who}: {found.answer or 'acknowledged'}, {absolute(found.answered_at, zone)}.",
                 small=f"after {span((found.answered_at - found.at).total_seconds())}", tone="good")
        )  # fmt: skip
    reason = localised(str(found.reason.get("text") or found.reason.get("why") or ""), zone)
    answer = f"{who} was paged at {at}. {reason}"
    return f"Why: page {number} to {who.lower() if not found.user else who}", answer, tone, chain


def _origin(request: Request, incident: Incident) -> list[Link]:
    """Where an incident came from: its alerts' first signal, or the person who declared it."""
    alerts = list(queries.alerts(request.actor, incident=incident.pk).order_by("id")[: MOST_ALERTS + 1])
    links: list[Link] = []
    if incident.declared_by:
        links.append(
            Link(
                "siren",
                f"{incident.declared_by.name} declared it",
                small=absolute(incident.opened_at, request.user.zone),
            )
        )
    if alerts:
        try:
            first = queries.why_signal(request.actor, alerts[0].first_signal_id)
        except NotFound as gone:
            links.append(Link("radio", "Signal", gone.message))
        else:
            links += [_signal_link(first), _outcome_link(first)]
        links += [_alert_link(one) for one in alerts[:MOST_ALERTS]]
        if len(alerts) > MOST_ALERTS:
            more = incident.alert_count - MOST_ALERTS
            links.append(Link("bell", f"and {more} more alerts", href=f"/alerts/?incident={incident.pk}"))
    return links


def _signal_link(found: queries.WhySignal) -> Link:
    source = found.source
    return Link(
        "radio", f"Signal {found.id}", found.title, small=found.action, href=f"/why/signal/{found.id}/",
        facts=[
            ("Source", f"{source.name} ({source.kind}), for {source.service.name}" if source else "no longer there"),
            ("Severity", found.severity), ("Key", found.dedup_key), ("Received", found.received_at),
        ],
        raw=found.data,
    )  # fmt: skip


def _outcome_link(found: queries.WhySignal) -> Link:
    return Link(
        "filter", f"Outcome: {found.outcome.replace('_', ' ')}", found.reason,
        facts=[("Decided by", found.rule or "—"), ("Decided", found.decided_at)],
    )  # fmt: skip


def _alert_link(alert: Alert) -> Link:
    facts: list[tuple[str, Any]] = [("State", alert.state), ("Signals", alert.count), ("Last heard of", alert.last_at)]
    if alert.suppressed_by:
        facts.append(("Suppressed by", alert.suppressed_by))
    if alert.held_by_id:
        facts.append(("Held by", alert.held_by or "a maintenance window"))
    if alert.flapping_until:
        facts.append(("Flapping, quiet until", alert.flapping_until))
    return Link(
        "bell", f"Alert {alert.pk}", alert.title, small=alert.severity, href=f"/alerts/{alert.pk}/", facts=facts
    )


def _incident_link(incident: Incident) -> Link:
    matrix = f"impact {incident.impact}, urgency {incident.urgency}"
    facts: list[tuple[str, Any]] = [
        ("Priority", f"{incident.priority}: {incident.priority_reason or matrix}"),
        ("Service", incident.service.name), ("State", incident.state), ("Opened", incident.opened_at),
    ]  # fmt: skip
    if incident.group_key:
        facts.append(("Group", incident.group_key))
    if incident.suppressed_by:
        facts.append(("Nobody is paged", incident.suppressed_by))
    return Link(
        "flame", f"INC-{incident.pk}", incident.title, href=f"/incidents/{incident.pk}/", tone="info", facts=facts
    )


def _run_link(run: Run, zone: str) -> Link:
    name = run.snapshot.get("name", "policy")
    facts: list[tuple[str, Any]] = [("Started", run.started_at), ("Generation", run.generation)]
    if run.reason:
        facts.append(("Ended because", run.reason))
    return Link(
        "route", f"Policy {name}, version {run.snapshot.get('version', '?')}", small=run.state,
        text="As it was when the run began; a later edit does not change it.",
        href=f"/policies/{run.policy_id}/" if run.policy_id else "", facts=facts,
    )  # fmt: skip


def _reason_links(reason: dict[str, Any], zone: str) -> list[Link]:
    kind = reason.get("kind")
    if kind == "manual":
        return [Link("user-plus", "By hand", str(reason.get("why") or ""))]
    links = []
    step, steps = reason.get("step") or 0, reason.get("steps") or 0
    loops = f", round {reason.get('loop')} of {reason.get('loops')}" if (reason.get("loops") or 1) > 1 else ""
    title = f"Step {step} of {steps}{loops}" if step <= steps else "After the last step"
    asked = ", ".join(str(one.get("name") or one.get("kind")) for one in reason.get("asked") or [])
    why_text = str(reason.get("why") or "")
    if kind == "gap":
        links.append(
            Link(
                "circle-help",
                title,
                f"{why_text[:1].upper()}{why_text[1:]}.",
                tone="bad",
                facts=[("Asked", asked or "—")],
            )
        )
    elif kind == "fallback":
        links.append(Link("life-buoy", f"{title}: the fallback", f"{why_text[:1].upper()}{why_text[1:]}.", tone="warn",
                          facts=[("Asked", asked)] if asked else []))  # fmt: skip
    else:
        links.append(Link("corner-down-right", title))
    target = reason.get("target")
    via = reason.get("via") or {}
    if target:
        links.append(_target_link(target, via, zone))
    links += [
        Link("users", "Also named by", str(one.get("schedule") or one.get("team") or one.get("kind")))
        for one in reason.get("also") or []
    ]
    return links


def _target_link(target: dict[str, Any], via: dict[str, Any], zone: str) -> Link:
    name = str(target.get("name") or target.get("id"))
    if target.get("kind") == "schedule":
        facts: list[tuple[str, Any]] = []
        if via.get("layer"):
            facts.append(("Layer", via["layer"]))
        if "override" in via:
            facts.append(("Override", via["override"] or "without a reason"))
        if via.get("from") and via.get("to"):
            facts.append(("Shift", localised(f"{via['from']} to {via['to']}", zone)))
        return Link(
            "calendar-clock",
            f"Schedule {name}",
            "Whoever is on call in it.",
            href=f"/on-call/{target.get('id')}/",
            facts=facts,
        )
    if target.get("kind") == "team":
        return Link("users", f"Team {name}", "Everybody in it.", href="/people/")
    if target.get("kind") == "owner":
        return Link("users", f"Team {name}", "It owns the service.", href="/people/")
    if target.get("kind") == "manager":
        below = str(via.get("manager_of") or "")
        hrefs = {"schedule": "/on-call/{}/", "team": "/people/teams/{}/", "user": "/people/{}/"}
        return Link(
            "arrow-big-up-dash",
            f"Manager: {name}",
            f"Manager of {below}." if below else "Manages it.",
            href=hrefs.get(str(target.get("of")), "/people/{}/").format(target.get("id")),
        )
    return Link("user", name, "Named directly.", href=f"/people/{target.get('id')}/")


def _paging(request: Request, incident: Incident, pages: Sequence[Page]) -> list[Link]:
    """Runs of an incident, each with its pages; and why there is none."""
    links = []
    rest = list(pages)
    for run in escalation.runs(request.actor, incident.pk):
        own = [one for one in rest if one.run_id == run.pk]
        rest = [one for one in rest if one.run_id != run.pk]
        link = _run_link(run, request.user.zone)
        links.append(Link(**{**link.__dict__, "pages": [(one, *watching.fate(one)) for one in reversed(own)]}))
    if rest:
        links.append(Link("user-plus", "Paged by hand", pages=[(one, *watching.fate(one)) for one in reversed(rest)]))
    return links


def _urgency(incident: Incident) -> str:
    return "P1 to P3 page loudly" if incident.priority in ("P1", "P2", "P3") else "P4 and P5 page quietly"


def _who(incident: Incident, pages: Sequence[Page]) -> str:
    """The answer in a sentence: who was paged, or why nobody."""
    names = list(dict.fromkeys(one.user.name for one in reversed(pages) if one.user))
    if names:
        count = sum(1 for one in pages if one.user_id)
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        was = "was" if len(names) == 1 else "were"
        return f"{listed} {was} paged, {count} {'page' if count == 1 else 'pages'} in all."
    if incident.suppressed_by:
        return f"Nobody was woken: {incident.suppressed_by}."
    if pages:
        return "Nobody was woken: the policy found nobody to page. See the gap below."
    if incident.state in ("resolved", "closed"):
        return "Nobody was woken: it was over before the policy's first step."
    if incident.state != "triggered":
        return "Nobody was woken: somebody answered for it before the policy's first step."
    return "Nobody was woken yet: the policy has not run. It does within a second or two while an engine runs."
