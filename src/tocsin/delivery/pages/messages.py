"""Pages of delivery: the pocket phone, the page behind an action link, what was sent and what came of it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.delivery import mail_queries, queries
from tocsin.delivery.actions import mark_read, send_test
from tocsin.delivery.actions.links import act_on_link, preview_link
from tocsin.delivery.models import Delivery, PocketMessage
from tocsin.incidents.queries import readable
from tocsin.people import queries as people
from tocsin.people.models import ContactMethod, User
from tocsin.platform.errors import Forbidden, NotFound, TocsinError
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, back_to, cut, done, export, number, page, signed_in

ENDED = ("resolved", "closed")
VERBS = {
    "acknowledge": ("hand", "Acknowledge", "Nobody else is paged for it while you look."),
    "resolve": ("circle-check", "Resolve", "It is over: pages stop and everybody who was paged is told."),
    "escalate": ("chevrons-up", "Escalate", "The next step of the policy is paged now."),
}


# --- the page behind an action link -------------------------------------------------------------------------------


@never_cache
@csrf_exempt  # the signed token is the permission, and mail programs open pages without cookies
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, token: str) -> HttpResponse:
    """What a link out of a message leads to: the incident and one button. Only the button acts. No sign-in needed."""
    posted = request.method == "POST"
    if posted and request.headers.get("Accept") == "application/json":
        return _act_for_script(token)
    try:
        if posted:
            outcome = act_on_link(token)
            if target := back_to(request, ""):
                say = messages.success if outcome.done else messages.info
                say(request, outcome.text)
                return HttpResponseRedirect(target, status=303)
            shown: dict[str, Any] = {
                "verb": outcome.verb,
                "incidents": outcome.incidents,
                "person": outcome.person,
                "text": outcome.text,
                "done": outcome.done,
                "ready": False,
            }
        else:
            preview = preview_link(token)
            shown = {
                "verb": preview.verb,
                "incidents": preview.incidents,
                "person": preview.person,
                "text": preview.text,
                "done": False,
                "ready": preview.ready,
            }
    except TocsinError as error:
        if posted and (target := back_to(request, "")):
            messages.warning(request, error.message)
            return HttpResponseRedirect(target, status=303)
        return page(request, "delivery/act.html", {"title": "Link", "problem": error.message}, status=error.status)
    icon, word, effect = VERBS[shown["verb"]]
    incident = shown["incidents"][0] if shown["incidents"] else None
    many = len(shown["incidents"]) > 1
    title = f"{word} {len(shown['incidents'])} incidents" if many else f"{word} INC-{incident.pk}" if incident else word
    shown |= {"icon": icon, "word": word, "effect": effect, "incident": incident, "title": title, "many": many}
    return page(request, "delivery/act.html", shown)


def _act_for_script(token: str) -> JsonResponse:
    """The same for a service worker: the button was on its notification, and the words go there."""
    try:
        outcome = act_on_link(token)
    except TocsinError as error:
        return JsonResponse({"done": False, "message": error.message}, status=error.status)
    return JsonResponse({"done": outcome.done, "message": outcome.text})


# --- the pocket phone ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Button:
    """A button of a message on the phone. ``href``: a plain link; ``post``: an action link that is sent."""

    verb: str
    text: str
    icon: str
    href: str = ""
    post: str = ""


@dataclass(frozen=True)
class Note:
    """A message as the phone shows it."""

    message: PocketMessage
    lines: list[str]
    buttons: list[Button]


@require_GET
@signed_in
def pocket(request: Request, user_id: int = 0) -> HttpResponse:
    """A phone that is a page. One's own; everybody's while Tocsin runs as a demo."""
    demo = settings.TOCSIN.demo
    person = request.user if user_id in (0, request.user.pk) else None
    if person is None:
        if not demo:
            raise Forbidden("A pocket phone shows only its owner what it received.")
        person = people.user(request.actor, user_id)
    notes = [note_of(message) for message in queries.pocket(request.actor, person.pk, limit=30)]
    phones = ContactMethod.objects.filter(channel="pocket", user__is_active=True)
    others = User.objects.filter(pk__in=phones.values("user_id")).order_by("name") if demo else []
    return page(
        request,
        "delivery/pocket.html",
        {
            "title": "Pocket phone" if person == request.user else f"Pocket phone of {person.name}",
            "person": person,
            "notes": notes,
            "others": others,
            "demo": demo,
            "own": person == request.user,
            "add_phone": f"/people/{request.user.pk}/methods/add/?channel=pocket&next=/pocket/",
            "has_phone": phones.filter(user=person).exists(),
            "now": now(request),
            "unread": sum(note.message.read_at is None for note in notes),
        },
    )


def note_of(message: PocketMessage) -> Note:
    """The message with the buttons that still make sense."""
    state = message.incident.state if message.incident else ""
    buttons = []
    for link in message.links:
        verb, href = str(link.get("verb", "")), str(link.get("href", ""))
        parts = urlsplit(href)
        local = parts.path + (f"?{parts.query}" if parts.query else "")  # whatever name this browser knows us by
        text = str(link.get("text", verb))
        if verb == "view":
            buttons.append(Button(verb, text, "arrow-right", href=local))
        elif verb in VERBS and state not in ENDED and not (verb == "acknowledge" and state not in ("triggered", "")):
            buttons.append(Button(verb, text, VERBS[verb][0], post=local))
    buttons.sort(key=lambda one: one.verb == "view")
    lines = message.body.splitlines()
    if lines and lines[0] and lines[0] in message.title:
        lines = lines[1:]  # the title says it already
    return Note(message, lines, buttons)


@require_POST
@signed_in
def read(request: Request) -> HttpResponse:
    """Everything on one's own phone has been seen."""
    unread = PocketMessage.objects.filter(user=request.user, read_at=None).values_list("pk", flat=True)
    mark_read(list(unread), actor=request.actor)
    return done(request, back_to(request, "/pocket/"))


# --- what was sent ------------------------------------------------------------------------------------------------


@require_GET
@signed_in
def log(request: Request) -> HttpResponse:
    """Deliveries, newest first: of a person, of a page, of an incident, of a channel, in a state."""
    person = None
    rows = Delivery.objects.select_related("user", "contact_method", "incident").order_by("-id")
    rows = rows.filter(readable(request.actor, "incident_id"))
    if user_id := number(request, "person"):
        person = people.user(request.actor, user_id)
        rows = rows.filter(user=person)
    for name, column in (("page", "page_id"), ("incident", "incident_id")):
        if key := number(request, name):
            rows = rows.filter(**{column: key})
    state, channel = request.GET.get("state", ""), request.GET.get("channel", "")
    if state:
        rows = rows.filter(state=state)
    if channel:
        rows = rows.filter(channel=channel)
    columns = [
        ("id", lambda row: row.pk),
        ("at", lambda row: row.created_at.isoformat()),
        ("kind", lambda row: row.kind),
        ("incident", lambda row: row.incident_id),
        ("person", lambda row: row.user.name if row.user else ""),
        ("channel", lambda row: row.channel),
        ("address", lambda row: queries.shown_address(request.actor, row)),
        ("state", lambda row: row.state),
        ("attempts", lambda row: row.attempts),
        ("reason", lambda row: row.reason),
    ]
    if answer := export(request, "deliveries", columns, rows):
        return answer
    if before := number(request, "before"):
        rows = rows.filter(pk__lt=before)
    part = cut(request, rows)
    for row in part.items:
        row.shown = queries.shown_address(request.actor, row)  # type: ignore[attr-defined]
    return page(
        request,
        "delivery/log.html",
        {
            "title": f"Messages to {person.name}" if person else "Messages sent",
            "part": part,
            "person": person,
            "state": state,
            "channel": channel,
            "channels": list(queries.channels().values()),
            "states": ["pending", "sending", "delivered", "accepted", "failed", "dropped"],
        },
    )


@require_GET
@signed_in
def one(request: Request, delivery_id: int) -> HttpResponse:
    """One message with every attempt at it."""
    found = queries.delivery(request.actor, delivery_id)
    if found is None:
        raise NotFound("There is no such message.")
    channel = queries.channels().get(found.channel)
    return page(
        request,
        "delivery/one.html",
        {
            "title": f"Message {found.pk}",
            "delivery": found,
            "address": queries.shown_address(request.actor, found),
            "channel": channel.descriptor if channel else None,
            "attempts": [
                (row, f"{(row.ended_at - row.started_at).total_seconds():.2f} s" if row.ended_at else "")
                for row in found.attempt_rows.all()
            ],
            "came_back": mail_queries.came_back(request.actor, found) if found.channel == "email" else [],
        },
    )


@require_POST
@signed_in
def test(request: Request, method_id: int) -> HttpResponse:
    """Send a test message to a contact method, and show what comes of it."""
    delivery_id = send_test(method_id, actor=request.actor)
    return done(request, f"/messages/{delivery_id}/", "The test is on its way.")


urlpatterns: list[URLPattern] = [
    path("a/<str:token>", act, name="act"),
    path("pocket/", pocket, name="pocket"),
    path("pocket/read/", read, name="pocket-read"),
    path("pocket/<int:user_id>/", pocket, name="pocket-of"),
    path("messages/", log, name="messages"),
    path("messages/<int:delivery_id>/", one, name="message"),
    path("contact-methods/<int:method_id>/test/", test, name="contact-method-test"),
]
