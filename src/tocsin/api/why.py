"""Why over HTTP: the chain from a signal to what became of it, in sentences with their moments."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema

from tocsin.api.auth import asker
from tocsin.escalation import queries as escalation
from tocsin.escalation.rules import PageReason
from tocsin.incidents import queries as incidents
from tocsin.incidents.api import number_of
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound
from tocsin.triage import queries as triage

if TYPE_CHECKING:
    from tocsin.escalation.models import Page

router = Router(tags=["why"])
MOST_ALERTS = 20
MOST_PAGES = 200


class Link(Schema):
    """One link of the chain."""

    at: datetime | None
    what: str  # signal, decision, alert, incident, page, delivery, attempt, answer
    id: int | None
    text: str


class WhyOut(Schema):
    kind: str
    id: int
    summary: str
    chain: list[Link]


def _link(what: str, text: str, at: datetime | None = None, id: int | None = None) -> dict[str, Any]:
    return {"at": at, "what": what, "id": id, "text": text}


def _signal(actor: Actor, signal_id: int, *, alone: bool = True) -> tuple[str, list[dict[str, Any]]]:
    why = triage.why_signal(actor, signal_id)
    source = why.source
    origin = f"{source.name} of {source.service.name}" if source else "a source that is gone"
    chain = [_link("signal", f"{why.action} “{why.title}” ({why.severity}) from {origin}", why.received_at, why.id)]
    if why.waiting:
        return "It waits to be decided.", chain
    decision = f"{why.outcome}: {why.reason}" + (f" (rule: {why.rule})" if why.rule else "")
    chain.append(_link("decision", decision, why.decided_at, why.id))
    if why.alert is not None:
        count = f"{why.alert.count} signal{'' if why.alert.count == 1 else 's'}"
        text = f"alert “{why.alert.title}” is {why.alert.state}, {count}"
        chain.append(_link("alert", text, why.alert.first_at, why.alert.pk))
    if alone and why.incident_id is not None:
        chain += _incident(actor, why.incident_id, alerts=False)[1]
    return why.reason, chain


def _page(page: "Page") -> list[dict[str, Any]]:
    who = page.user.name if page.user else "nobody"
    chain = [_link("page", f"{who}: {PageReason.from_json(page.reason).text}", page.at, page.pk)]
    for delivery in page.deliveries.all():
        label = delivery.contact_method.label if delivery.contact_method else ""
        text = f"{delivery.channel}{f' ({label})' if label else ''}: {delivery.state}"
        text += f", {delivery.reason}" if delivery.reason else ""
        chain.append(_link("delivery", text, delivery.created_at, delivery.pk))
        for attempt in delivery.attempt_rows.all():
            detail = f", {attempt.detail}" if attempt.detail else ""
            chain.append(
                _link("attempt", f"try {attempt.number}: {attempt.outcome}{detail}", attempt.started_at, attempt.pk)
            )
    if page.answered_at:
        chain.append(_link("answer", f"answered: {page.answer}", page.answered_at, page.pk))
    return chain


def _incident(actor: Actor, incident_id: int, *, alerts: bool = True) -> tuple[str, list[dict[str, Any]]]:
    row = incidents.incident(actor, incident_id)
    chain: list[dict[str, Any]] = []
    if alerts:
        for alert in triage.alerts(actor, incident=row.pk).order_by("id")[:MOST_ALERTS]:
            try:
                chain += _signal(actor, alert.first_signal_id, alone=False)[1]
            except NotFound:  # signals are kept for a limited time, alerts for longer
                chain.append(_link("alert", f"alert “{alert.title}” is {alert.state}", alert.first_at, alert.pk))
    because = (
        f" because {row.priority_reason}" if row.priority_reason else f" (impact {row.impact}, urgency {row.urgency})"
    )
    text = f"INC-{row.pk} “{row.title}” on {row.service.name}, {row.priority}{because}"
    chain.append(_link("incident", text, row.opened_at, row.pk))
    if row.suppressed_by:
        chain.append(_link("decision", f"nobody is paged: {row.suppressed_by}", row.opened_at, row.pk))
    found = list(escalation.pages(actor, incident_id=row.pk)[:MOST_PAGES])
    for page in found:
        chain += _page(page)
    if row.acknowledged_by and row.acknowledged_at:
        chain.append(_link("answer", f"{row.acknowledged_by.name} acknowledged", row.acknowledged_at, row.pk))
    if row.resolved_at:
        chain.append(_link("answer", row.state, row.resolved_at, row.pk))
    paged = len({page.user_id for page in found if page.user_id})
    people = "nobody was" if not paged else "1 person was" if paged == 1 else f"{paged} people were"
    return f"INC-{row.pk} is {row.state}; {people} paged.", chain


@router.get("/why/{kind}/{ref}", response=WhyOut)
def why(request: HttpRequest, kind: Literal["signal", "incident", "page"], ref: str) -> dict[str, Any]:
    """Why somebody was woken, or nobody was: every decision from the signal on, each with its reason."""
    actor = asker(request)
    if kind == "incident":
        number = number_of(ref)
        summary, chain = _incident(actor, number)
    else:
        if not ref.isascii() or not ref.isdigit() or len(ref) > 18:
            raise NotFound(f"There is no {kind} {ref}.", {"id": "a number"})
        number = int(ref)
        if kind == "signal":
            summary, chain = _signal(actor, number)
        else:
            page = escalation.pages(actor).filter(pk=number).first()
            if page is None:
                raise NotFound(f"There is no page {ref}.")
            row = page.incident
            chain = [
                _link("incident", f"INC-{row.pk} “{row.title}”, {row.priority}", row.opened_at, row.pk),
                *_page(page),
            ]
            summary = PageReason.from_json(page.reason).text
    return {"kind": kind, "id": number, "summary": summary, "chain": chain}
