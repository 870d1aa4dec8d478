"""Template tags and filters of every page (built in: no ``{% load %}``).

A page begins with ``{% extends base %}`` (the variable, without quotes: it is the whole page, a part or a dialog, as
the request asks). The blocks: ``title`` and ``heading`` (both show the context's ``title`` unless filled), ``actions``
(buttons right of the heading), ``content``. Return ``web.shortcuts.page(request, template, {"title": ...})``.
Pages for people who are not signed in extend "web/lone.html" (blocks ``title``, ``content``).

Tags
    {% asset "app.css" %}                     address of a built file
    {% icon "bell" %} {% icon "bell" "Rings" size="sm|lg" %}   one of frontend/icons.json; a label when it stands alone
    {% when moment %}                         relative, absolute on hover and focus, in the person's zone
        style="relative" (default), "elapsed" (3 h 5 min, no "ago"), "absolute", "both", "time" (03:10)
        focus=True makes it reachable by keyboard (not in long tables)
    {% fact value %}                          a value in <dl class="facts">: a moment, yes or no, text
    {% countdown moment %}                    counts down, 4:59
    {% priority "P1" reason %}                badge; reason is its title
    {% state "triggered" %}                   badge of an incident's, alert's, run's or delivery's state
    {% severity "critical" %}                 badge
    {% fate tone text %}                      what became of a page (escalation.queries.watching.fate)
    {% tagged text tone icon bare=False solid=False %}   any badge; tone: good, warn, bad, quiet, info, p1 ... p5
    {% person user %} {% person user link=True %}    initials and name; "nobody" when None; a User or a string
    {% empty "icon" "Title" "What to do next." href "Button" small=False %}    empty state
    {% note "text" tone="info|good|warn|bad" icon="info" %}         a remark in a box; role=alert when bad
    {% pager part %}                          "Newest" / "Older" links and CSV/JSON export (part: shortcuts.Page)
    {% field form.title %}                    label, input, hint, problem; {% field form.x hint="..." %}
    {% fields form %}                         all visible fields, hidden fields, problems of the form as a whole
    {% problems form %}                       only the problems of the form as a whole, and hidden fields
    {% buttons "Page Dana now" cancel_url tone="primary|error" %}   end of a form
    {% clip "text to copy" "Copy address" %}  copy button
    {% key "j" %}                             a key cap

Filters
    {{ seconds|span }}  "3 h 5 min";   {{ value|pretty }}  JSON with indents;   {{ incident.id|inc }}  "INC-12"
    {{ moment|clock:"Europe/Berlin" }}  "Mon 23 Nov 03:10 CET"; {{ moment|clock_time:zone }} "03:10"
    {{ text|localised:zone }}  ISO 8601 moments inside a text become readable ones in the zone

Conventions in markup
    tables: <table class="rows fold">, cells: class "grow" (the one long cell), "shrink", "num", "desk" (not on phones);
    a row with <tr data-row> and its link with class "row-link" take part in j/k; a checkbox with
    data-selection-target="row" name="id" inside a form with data-controller="selection" takes part in x and bulk bars
    data-sheet on a link: its page is shown as a dialog (use ``shortcuts.done`` to answer its form)
    data-key="a" on a button or link: the key presses it
    boxes: <section class="panel"><header><h2>..</h2></header><div class="body">..</div></section>,
    <dl class="facts">, <div class="stack">, <div class="split"> (main column + 22rem), <div class="grid-panels">,
    <form class="form">, <nav class="views">, <form class="filters" data-controller="filter">, <pre class="code">
    live part: <div id="x" data-controller="live" data-live-kinds-value="incident page" data-live-id-value="12">:
    is fetched again when something of these kinds changes; data-live-hold-value="true" for lists
"""

import json
from datetime import UTC, datetime
from typing import Any

from django import template
from django.db.models import Model
from django.forms import BoundField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from tocsin.platform import moments
from tocsin.web import assets
from tocsin.web import context as shell

register = template.Library()

# word, tone, icon of every state; the tones' colours are in frontend/css
STATES: dict[str, tuple[str, str, str]] = {
    "triggered": ("Triggered", "triggered", "siren"),
    "acknowledged": ("Acknowledged", "acknowledged", "hand"),
    "mitigated": ("Mitigated", "mitigated", "shield"),
    "resolved": ("Resolved", "resolved", "circle-check"),
    "closed": ("Closed", "closed", "archive"),
    "open": ("Open", "plain", "circle-dot"),
    "pending": ("Waiting", "pending", "hourglass"),
    "sending": ("Sending", "sending", "send"),
    "delivered": ("Delivered", "delivered", "circle-check"),
    "accepted": ("Handed over", "accepted", "check"),
    "failed": ("Failed", "failed", "circle-x"),
    "dropped": ("Dropped", "dropped", "circle-slash"),
    "try_later": ("Will try again", "pending", "rotate-ccw"),
    "rejected": ("Rejected", "failed", "circle-x"),
    "unknown": ("Unknown, sent again", "warn", "circle-help"),
    "waiting": ("Waiting", "pending", "hourglass"),
    "done": ("Done", "good", "check"),
    "stopped": ("Stopped", "quiet", "circle-slash"),
}
PRIORITIES = {"P1": "chevrons-up", "P2": "chevron-up", "P3": "equal", "P4": "chevron-down", "P5": "minus"}
SEVERITIES = {
    "critical": ("Critical", "octagon-alert"),
    "error": ("Error", "circle-x"),
    "warning": ("Warning", "triangle-alert"),
    "info": ("Info", "info"),
}


FATES = {"good": "circle-check", "warn": "hourglass", "bad": "circle-x", "quiet": "circle-slash"}
# icons that the styles bring along for badges; "badges" in frontend/icons.json, a test compares them
BADGE_ICONS = frozenset(
    {name for _, _, name in STATES.values()}
    | set(PRIORITIES.values())
    | {name for _, name in SEVERITIES.values()}
    | set(FATES.values())
)


@register.simple_tag
def asset(name: str) -> str:
    return assets.url(name)


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    kind = f"icon icon-{size}" if size else "icon"
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}#{}"></use></svg>',
            kind,
            label,
            assets.url("icons.svg"),
            name,
        )
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', kind, assets.url("icons.svg"), name
    )


def _zone(context: template.Context) -> str:
    user = getattr(context.get("request"), "user", None)
    return getattr(user, "zone", "") or "UTC"


def _now(context: template.Context) -> datetime | None:
    request = context.get("request")
    return shell.now(request) if isinstance(request, HttpRequest) else None


@register.simple_tag(takes_context=True)
def when(
    context: template.Context, moment: datetime | str | None, style: str = "relative", focus: bool = False
) -> SafeString | str:
    if not moment:
        return ""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    now = _now(context) or moment
    zone = _zone(context)
    full = moments.absolute(moment, zone)
    tab = mark_safe(' tabindex="0"') if focus else ""
    if style == "absolute":
        return format_html(
            '<time datetime="{}" title="{}"{}>{}</time>',
            _iso(moment),
            moments.relative(moment, now),
            tab,
            moments.absolute(moment, zone, now, seconds=False),
        )
    if style == "time":
        local = moment.astimezone(moments.zone(zone))
        return format_html(
            '<time class="tip" datetime="{}" data-tip="{}"{}>{}</time>',
            _iso(moment),
            full,
            tab,
            local.strftime("%H:%M:%S"),
        )
    if style == "elapsed":
        text = moments.span(max(0.0, (now - moment).total_seconds()))
    else:
        text = moments.relative(moment, now)
    kind = mark_safe(" data-elapsed") if style == "elapsed" else ""
    tag = format_html(
        '<time class="tip ago" datetime="{}" data-tip="{}"{}{}>{}</time>', _iso(moment), full, kind, tab, text
    )
    if style == "both":
        return format_html('{} <span class="muted">{}</span>', tag, moments.absolute(moment, zone, now))
    return tag


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@register.simple_tag(takes_context=True)
def fact(context: template.Context, value: object) -> SafeString | str:
    """A value in a list of facts: a moment, yes or no, or text."""
    if isinstance(value, datetime):
        return when(context, value, "both", focus=True)
    if value is None or value == "":
        return "—"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else conditional_escape(str(value))


@register.simple_tag(takes_context=True)
def countdown(context: template.Context, moment: datetime | None) -> SafeString | str:
    if not moment:
        return ""
    now = _now(context) or moment
    left = max(0, round((moment - now).total_seconds()))
    text = f"{left // 60}:{left % 60:02d}" if left < 3600 else moments.span(left)
    return format_html(
        '<time class="tip end" datetime="{}" data-tip="{}" data-controller="countdown">{}</time>',
        _iso(moment),
        moments.absolute(moment, _zone(context)),
        text,
    )


@register.simple_tag
def tagged(
    text: str, tone: str = "quiet", icon_name: str = "", bare: bool = False, solid: bool = False, title: str = ""
) -> SafeString:
    kind = f"tagged tone-{tone}" + (" bare" if bare else "") + (" solid" if solid else "")
    mark: SafeString | str = ""
    if icon_name in BADGE_ICONS:
        kind += f" i-{icon_name}"
    elif icon_name:
        mark = icon(icon_name)
    if title:
        return format_html('<span class="{}" title="{}">{}{}</span>', kind, title, mark, text)
    return format_html('<span class="{}">{}{}</span>', kind, mark, text)


@register.simple_tag
def priority(value: str, reason: str = "") -> SafeString:
    return tagged(value, value.lower(), PRIORITIES.get(value, "minus"), solid=value == "P1", title=reason or "")


@register.simple_tag
def state(value: str, bare: bool = False) -> SafeString:
    word, tone, name = STATES.get(value, (str(value).capitalize(), "quiet", "circle"))
    return tagged(word, tone, name, bare=bare)


@register.simple_tag
def fate(tone: str, text: str) -> SafeString:
    return tagged(text[:1].upper() + text[1:], tone, FATES.get(tone, "circle"), bare=True)


@register.simple_tag
def severity(value: str, bare: bool = True) -> SafeString:
    word, name = SEVERITIES.get(value, (str(value).capitalize(), "circle"))
    return tagged(word, value, name, bare=bare)


@register.simple_tag
def person(user: Any, link: bool = False) -> SafeString:
    if not user:
        return mark_safe('<span class="muted">nobody</span>')
    name = str(getattr(user, "name", user))
    parts = name.split()
    initials = (parts[0][:1] + (parts[-1][:1] if len(parts) > 1 else "")).upper() if parts else "?"
    inner = format_html('<i aria-hidden="true">{}</i><span>{}</span>', initials, name)
    if link and isinstance(user, Model):
        return format_html('<a class="person" href="/people/{}/">{}</a>', user.pk, inner)
    return format_html('<span class="person">{}</span>', inner)


@register.inclusion_tag("web/parts/empty.html")
def empty(
    icon_name: str, title: str, text: str = "", href: str = "", button: str = "", small: bool = False
) -> dict[str, object]:
    return {"icon_name": icon_name, "title": title, "text": text, "href": href, "button": button, "small": small}


@register.simple_tag
def note(text: str, tone: str = "info", icon_name: str = "") -> SafeString:
    name = icon_name or {"good": "circle-check", "warn": "triangle-alert", "bad": "octagon-alert"}.get(tone, "info")
    return format_html(
        '<div class="note tone-{}"{}>{}<div>{}</div></div>',
        tone,
        mark_safe(' role="alert"') if tone == "bad" else "",
        icon(name),
        text,
    )


@register.inclusion_tag("web/parts/pager.html", takes_context=True)
def pager(context: template.Context, part: Any, export: bool = True) -> dict[str, object]:
    request = context["request"]
    query = request.GET.copy()
    for name in ("before", "format"):
        query.pop(name, None)
    rest = query.urlencode()
    return {"part": part, "export": export, "query": f"{rest}&" if rest else ""}


_KINDS = {"checkbox": "checkbox", "select": "select", "textarea": "textarea", "radio": "radio", "file": "file-input"}


@register.simple_tag
def field(bound: BoundField, hint: str = "") -> SafeString:
    widget = bound.field.widget
    if bound.is_hidden:
        return bound.as_widget()
    kind = str(getattr(widget, "input_type", "") or ("textarea" if "Textarea" in type(widget).__name__ else "text"))
    many = type(widget).__name__ in ("CheckboxSelectMultiple", "RadioSelect")
    hint = hint or str(bound.help_text or "")
    attrs: dict[str, Any] = {}
    if not many:
        attrs["class"] = " ".join(filter(None, [widget.attrs.get("class", ""), _KINDS.get(kind, "input")]))
    described = []
    if hint:
        described.append(f"{bound.id_for_label}-hint")
    if bound.errors:
        described.append(f"{bound.id_for_label}-wrong")
        attrs["aria-invalid"] = "true"
    if described:
        attrs["aria-describedby"] = " ".join(described)
    return mark_safe(  # noqa: S308 - a template's output, escaped there
        render_to_string(
            "web/parts/field.html",
            {
                "bound": bound,
                "hint": hint,
                "many": many,
                "single": kind == "checkbox" and not many,
                "widget": bound.as_widget(attrs=attrs),
            },
        )
    )


@register.simple_tag
def problems(form: Any) -> SafeString:
    hidden = format_html_join("", "{}", ((bound.as_widget(),) for bound in form.hidden_fields()))
    loose = [str(text) for text in form.non_field_errors()]
    loose += [str(text) for bound in form.hidden_fields() for text in bound.errors]
    return format_html("{}{}", hidden, format_html_join("", "{}", ((note(text, "bad"),) for text in loose)))


@register.simple_tag
def fields(form: Any) -> SafeString:
    return format_html("{}{}", problems(form), format_html_join("", "{}", ((field(b),) for b in form.visible_fields())))


@register.inclusion_tag("web/parts/buttons.html", takes_context=True)
def buttons(context: template.Context, text: str, cancel: str = "", tone: str = "primary") -> dict[str, object]:
    return {"text": text, "cancel": cancel, "tone": tone, "dialog": context.get("base") == "web/dialog.html"}


@register.simple_tag
def clip(text: str, label: str = "Copy") -> SafeString:
    return format_html(
        '<button type="button" class="btn btn-sm btn-plain script" data-controller="clip" data-action="clip#copy" '
        'data-clip-text-value="{}">{} {}</button>',
        text,
        icon("copy"),
        label,
    )


@register.simple_tag
def key(name: str) -> SafeString:
    return format_html('<kbd class="kbd kbd-sm">{}</kbd>', name)


@register.filter
def span(seconds: float | None) -> str:
    return "" if seconds is None else moments.span(float(seconds))


@register.filter
def pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def inc(number: object) -> str:
    return f"INC-{number}"


@register.filter
def clock(moment: datetime | None, zone_name: str = "UTC") -> str:
    return moments.absolute(moment, zone_name, seconds=False) if moment else ""


@register.filter
def localised(text: object, zone_name: str = "UTC") -> str:
    return moments.localised(str(text or ""), zone_name)


@register.filter
def clock_time(moment: datetime | None, zone_name: str = "UTC") -> str:
    return f"{moment.astimezone(moments.zone(zone_name)):%H:%M}" if moment else ""
