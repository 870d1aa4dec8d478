"""Providers in the database, and requests as they send them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from tocsin.delivery.actions.providers import save_provider
from tocsin.delivery.carrier import callback_url
from tocsin.delivery.models import Delivery, Handover, Provider
from tocsin.delivery.providers.twilio.provider import signature
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.delivery.tests.conftest import World
from tocsin.escalation.models import Page
from tocsin.incidents.models import Incident
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

NUMBER = "+41791234567"
TOKEN = "a-token"
CONFIG = {"account_sid": "AC1", "sender": "+41798071234", "caller": "+41798071234"}


def twilio(name: str = "Main", **more: Any) -> Provider:
    """A provider of kind twilio."""
    config = CONFIG | more.pop("config", {})
    return save_provider(ProviderSpec(name, "twilio", config=config, secret=TOKEN, **more), actor=SYSTEM)


def phone(world: World, user: User, channel: str = "sms", number: str = NUMBER) -> ContactMethod:
    """A contact method with a number."""
    return world.method(user, channel, number)


def handed(
    world: World,
    user: User,
    incident: Incident,
    provider: Provider,
    *,
    channel: str = "sms",
    ref: str = "SM1",
    state: str = "accepted",
    then: ContactMethod | None = None,
    verbs: tuple[str, ...] = ("acknowledge", "resolve", "escalate"),
) -> tuple[Delivery, Handover, Page]:
    """A page that a provider has taken; ``then``: the person's next contact method, an hour later."""
    method = ContactMethod.objects.filter(user=user, channel=channel).first() or phone(world, user, channel)
    page = world.page(incident, user)
    methods, delays = [method], [0.0]
    if then is not None:
        methods, delays = [method, then], [0.0, 3600.0]
    ids = world.enqueue(page, methods, delays)
    delivery = Delivery.objects.get(pk=ids[0])
    now = clock.now()
    changes: dict[str, Any] = {"state": state, "attempts": 1, "next_at": None, "provider_ref": ref}
    if state == "sending":
        changes |= {"claim": 7, "claimed_until": now}
    else:
        changes |= {"ended_at": now}
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
    script = None
    if channel == "voice":
        script = {"text": f"Incident {incident.pk}.", "machine": "Nobody has acknowledged it.", "verbs": verbs}
    handover = Handover.objects.create(
        provider=provider, channel=channel, number=method.address, country="+41", deliveries=[delivery.pk], ref=ref,
        state="accepted", script=script, at=now,
    )  # fmt: skip
    return delivery, handover, page


def tell(
    provider: Provider,
    what: str,
    form: Mapping[str, str],
    *,
    handover: Handover | None = None,
    more: str = "",
    token: str = TOKEN,
) -> HttpResponse:
    """A request as Twilio makes it, signed; by a client that has no cookies and checks CSRF."""
    public = settings.TOCSIN.public_url
    url = f"{public}/callbacks/{provider.slug}/{what}"
    if handover is not None:
        url = callback_url(public, provider.slug, what, handover.pk) + more
    answer = Client(enforce_csrf_checks=True).post(
        url.removeprefix(public),
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature(token, url, list(form.items()))},
    )
    assert isinstance(answer, HttpResponse)
    return answer
