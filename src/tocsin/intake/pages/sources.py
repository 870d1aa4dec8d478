"""The list of sources, and one source with its address, its guide and what it heard lately."""

import re
from datetime import timedelta

from django.http import HttpResponse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_GET
from markdown_it import MarkdownIt
from nh3 import clean

from tocsin.intake import queries
from tocsin.intake.kinds import kind_of
from tocsin.intake.models import Heartbeat, Source
from tocsin.people.rules import Deed, may
from tocsin.platform.secrets import SecretUnreadable
from tocsin.triage import queries as triage
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, export, page, signed_in

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
REASONS = {
    "malformed": ("Malformed", "circle-x", "The body makes no sense for its kind; the errors name the field."),
    "unrouted": ("Unrouted", "circle-help", "No source has this key."),
    "unauthorised": ("Unauthorised", "lock", "No key, or a wrong one, where one is needed."),
    "too_large": ("Too large", "ban", "The body is larger than this installation accepts."),
    "ignored": ("Ignored", "filter", "The source's own rules leave it out, or a machine only answered."),
    "limited": ("Over the limit", "timer", "The source sent more signals a minute than its limit."),
}


def rendered(text: str) -> SafeString:
    """Markdown of a guide as HTML; cleaned, because a plug-in wrote it. Headings move below the panel's."""
    html = re.sub(r"<(/?)h([1-4])>", lambda found: f"<{found[1]}h{min(6, int(found[2]) + 2)}>", MARKDOWN.render(text))
    return mark_safe(clean(html))  # noqa: S308 - nh3 has just cleaned it


@require_GET
@signed_in
def sources(request: Request) -> HttpResponse:
    """All sources: what they listen to, when they last heard something, what was refused."""
    text, kind = request.GET.get("q", "").strip()[:120], request.GET.get("kind", "")
    rows = queries.sources(request.actor, kind=kind, q=text)
    columns = [
        ("name", lambda row: row.name),
        ("service", lambda row: row.service.name),
        ("kind", lambda row: row.kind),
        ("enabled", lambda row: row.enabled),
        ("last signal", lambda row: row.last_signal_at),
        ("limit per minute", lambda row: row.limit_per_minute),
    ]
    if answer := export(request, "sources", columns, rows):
        return answer
    counts = queries.refusal_counts(request.actor)
    refused: dict[int | None, int] = {}
    for one in counts:
        refused[one["source_id"]] = refused.get(one["source_id"], 0) + one["total"]
    beats = {beat.source_id: beat for beat in queries.heartbeats(request.actor)}
    lines = [(row, label(row.kind), refused.get(row.pk, 0), beats.get(row.pk)) for row in rows[:500]]
    return page(
        request,
        "intake/sources.html",
        {
            "title": "Sources",
            "lines": lines,
            "q": text,
            "kind": kind,
            "kinds": queries.kinds(),
            "refused": sum(refused.values()),
            "waiting": queries.waiting(),
            "may_configure": may(request.actor, Deed.CONFIGURE) or bool(request.actor.managed),
            "may_import": may(request.actor, Deed.ADMINISTER),
        },
    )


def label(kind: str) -> str:
    """What a kind is called; its plain name when the plug-in is gone."""
    found = kind_of(kind)
    return found.label if found else kind


@require_GET
@signed_in
def source(request: Request, source_id: int) -> HttpResponse:
    """One source."""
    row = queries.source(request.actor, source_id)
    moment = now(request)
    kind = kind_of(row.kind)
    shown, guide, trouble = None, "", ""
    if queries.may_see_key(request.actor, row):
        base = request.build_absolute_uri("/").rstrip("/")
        try:
            shown, guide = queries.address_of(row, base), queries.guide_of(row, base)
        except SecretUnreadable:
            trouble = "The key was stored under another TOCSIN_SECRET_KEY. Give the source a new key."
    elif kind is not None:
        guide = kind.guide()
    counts = [
        one
        for one in queries.refusal_counts(request.actor, since=moment - timedelta(days=7))
        if one["source_id"] == row.pk
    ]
    return page(
        request,
        "intake/source.html",
        {
            "title": row.name,
            "source": row,
            "kind": kind,
            "label": label(row.kind),
            "address": shown,
            "in_body": bool(shown and shown.key not in shown.url),
            "guide": rendered(guide) if guide else "",
            "trouble": trouble,
            "config": _config(row),
            "beat": Heartbeat.objects.filter(source=row).first(),
            "signals": list(triage.signals(request.actor, source=[row.pk])[:10]),
            "refusals": list(queries.refusals(request.actor, source=row.pk)[:5]),
            "refused": sum(one["total"] for one in counts),
            "now": moment,
            "may_configure": queries.may_see_key(request.actor, row),
            "may_test": may(request.actor, Deed.RESPOND),
        },
    )


def _config(row: Source) -> list[tuple[str, object, bool]]:
    """The configuration under the labels of the kind's descriptor, and whether it has lines of its own."""
    kind = kind_of(row.kind)
    if kind is None:
        return [(name, value, False) for name, value in row.config.items()]
    words = {True: "yes", False: "no"}
    return [
        (
            item.label,
            "stored, and not shown"
            if item.type == "secret"
            else item.choices.get(str(value)) or (words[value] if isinstance(value, bool) else value),
            item.type == "lines",
        )
        for item in kind.fields
        if (value := row.config.get(item.name, item.default)) not in (None, "")
    ]
