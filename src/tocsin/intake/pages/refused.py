"""Requests that were not accepted: counted always, the newest kept for inspection."""

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from tocsin.intake import queries
from tocsin.intake.models import Refusal
from tocsin.intake.pages.sources import REASONS, label
from tocsin.platform.errors import NotFound
from tocsin.web.shortcuts import Request, cut, export, number, page, signed_in


@require_GET
@signed_in
def refused(request: Request) -> HttpResponse:
    """Refused requests, newest first, with reason; and how many there were in the last 24 hours."""
    reason, source_id = request.GET.get("reason", ""), number(request, "source")
    rows = queries.refusals(request.actor, source=source_id, reason=reason)
    columns = [
        ("at", lambda row: row.at.isoformat()),
        ("reason", lambda row: row.reason),
        ("status", lambda row: row.status),
        ("path", lambda row: row.path),
        ("source", lambda row: row.source.name if row.source else ""),
        ("remote", lambda row: row.remote),
        ("errors", lambda row: "; ".join(map(str, row.errors))),
    ]
    if answer := export(request, "refused", columns, rows):
        return answer
    if before := number(request, "before"):
        rows = rows.filter(pk__lt=before)
    part = cut(request, rows)
    for row in part.items:
        row.words = REASONS.get(row.reason, (row.reason.capitalize(), "ban", ""))  # type: ignore[attr-defined]
    totals: dict[str, int] = {}
    for one in queries.refusal_counts(request.actor):
        totals[one["reason"]] = totals.get(one["reason"], 0) + one["total"]
    return page(
        request,
        "intake/refused.html",
        {
            "title": "Refused requests",
            "part": part,
            "reason": reason,
            "source": source_id,
            "counts": [(REASONS.get(name, (name, "ban", "")), name, total) for name, total in totals.items()],
            "reasons": [(name, words[0]) for name, words in REASONS.items()],
        },
    )


@require_GET
@signed_in
def refused_one(request: Request, refusal_id: int) -> HttpResponse:
    """One refused request: why, from where, and how its body began."""
    found: Refusal | None = queries.refusals(request.actor).filter(pk=refusal_id).first()
    if found is None:
        raise NotFound("This request is not kept any more; only the newest are.")
    words = REASONS.get(found.reason, (found.reason.capitalize(), "ban", ""))
    return page(
        request,
        "intake/refused_one.html",
        {
            "title": f"Refused request {found.pk}",
            "one": found,
            "words": words,
            "kind": label(found.source.kind) if found.source else "",
        },
    )
