"""The door for providers: receipts, replies and calls that ask what to say. Nothing is read before its signature."""

import functools
from urllib.parse import urlsplit, urlunsplit

import structlog
from django.conf import settings
from django.core.signing import BadSignature
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tocsin.delivery import provider_queries
from tocsin.delivery.actions import incoming as actions
from tocsin.delivery.actions.handovers import count_refused
from tocsin.delivery.carrier import callback_url
from tocsin.delivery.models import Provider
from tocsin.delivery.provider_contract import Account, Event, Heard, Incoming, Reply, StatusUpdate
from tocsin.delivery.provider_contract import Provider as Kind
from tocsin.platform import clock, secrets

log = structlog.get_logger("tocsin.delivery")

MOST = 64 * 1024  # an SMS with everything around it has less than two
TRIES = 3
WHATS = ("status", "message", "voice")
PLAIN = "text/plain; charset=utf-8"


def plain(text: str, status: int) -> HttpResponse:
    """An answer that a machine reads by its status."""
    return HttpResponse(text, content_type=PLAIN, status=status)


def addresses(public_url: str, path_and_query: str) -> tuple[str, ...]:
    """Every way to write the address that a provider has called: as configured, with and without its port."""
    url = f"{public_url}{path_and_query}"
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    bare = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 80
    places = [f"{bare}:{port or default}", *([bare] if port in (None, default) else [])]
    others = [urlunsplit(parts._replace(netloc=place)) for place in places]
    return tuple(dict.fromkeys([url, *others]))


@csrf_exempt
@require_POST
def receive(request: HttpRequest, slug: str, what: str) -> HttpResponse:
    """What a provider tells. 403 and counted when the signature is not right; never an error of ours for theirs."""
    row = provider_queries.by_slug(slug)
    kind = provider_queries.kinds().get(row.kind) if row is not None else None
    if row is None or kind is None or what not in WHATS:
        return plain("There is nothing here.", 404)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST:
        return plain("The body is too large.", 413)
    body = request.read(MOST + 1)
    if len(body) > MOST:
        return plain("The body is too large.", 413)
    told = Incoming(
        urls=addresses(settings.TOCSIN.public_url, request.get_full_path()),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        at=clock.now(),
    )
    try:
        account = provider_queries.account_of(row)
    except secrets.SecretUnreadable:
        log.error("delivery.provider_secret", provider=row.slug)
        return plain("This provider cannot be checked at the moment.", 503)
    if not kind.verify(told, account):
        count_refused(row.pk)
        log.warning("delivery.forged", provider=row.slug, what=what)
        return plain("The signature is not right.", 403)
    try:
        events = kind.parse(what, told)
    except ValueError as error:
        log.warning("delivery.unread", provider=row.slug, what=what, error=str(error)[:200])
        return plain("This was not understood.", 400)
    handover = _handover(request.GET.get("h", ""))
    answers = []
    for event in events:
        for left in reversed(range(TRIES)):
            try:
                answers.append(_take(row, kind, account, event, handover, request))
                break
            except OperationalError as error:  # somebody held what we needed; not every provider tells twice
                log.warning("delivery.incoming_waiting", provider=row.slug, what=what, error=str(error)[:200])
                if not left:
                    return plain("Please tell this again in a moment.", 503)
    return next((answer for answer in answers if answer is not None), HttpResponse(status=204))


def _take(
    row: Provider, kind: Kind, account: Account, event: Event, handover: int | None, request: HttpRequest
) -> HttpResponse | None:
    """One event; the answer, when the provider expects one with words."""
    match event:
        case StatusUpdate():
            known = actions.take_status(row, event, handover)
            return None if known else plain("This is not known here.", 404)
        case Reply():
            inline = kind.descriptor.answers
            said = actions.take_reply(row, event, inline=inline)
            if not inline:
                return None
            media, body = kind.answer(said)
        case Heard():
            number = request.GET.get("n", "1")
            round_ = int(number) if number.isdecimal() and len(number) < 3 else 1
            turn = actions.take_heard(row, event, handover, round_, functools.partial(voice_url, row.slug))
            media, body = kind.say(turn, account)
    return HttpResponse(body, content_type=media)


def voice_url(slug: str, handover_id: int, round_: int) -> str:
    """Where a call asks what to say next."""
    return f"{callback_url(settings.TOCSIN.public_url, slug, 'voice', handover_id)}&n={round_}"


def _handover(token: str) -> int | None:
    """The handover that an address of ours names; None when it names none, or was made up."""
    try:
        value = secrets.unsign(token, "handover") if token else None
    except BadSignature:
        return None
    return value if isinstance(value, int) else None


urlpatterns: list[URLPattern] = [path("callbacks/<slug:slug>/<slug:what>", receive, name="incoming")]
