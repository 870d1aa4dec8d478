"""Providers' callbacks in the web process: they are Django's, not the senders' door's."""

from collections.abc import Callable
from urllib.parse import urlencode

import httpx
import pytest
from django.conf import settings
from django.urls import resolve

from tocsin.delivery.carrier import callback_path
from tocsin.delivery.models import ProviderHealth, Received
from tocsin.delivery.providers.twilio.provider import signature
from tocsin.delivery.tests.phones import TOKEN, twilio
from tocsin.intake.door import Door
from tocsin.platform import settings as platform_settings
from tocsin.project.tests.serving import Web


@pytest.mark.parametrize("what", ["status", "message", "voice"])
def test_a_callback_goes_past_the_senders_door(what: str) -> None:
    path = callback_path("main-line", what)
    assert not Door(platform_settings.get()).serves(path)
    assert resolve(path).url_name == "incoming"


def test_a_message_reaches_the_running_web_process(start_web: Callable[..., Web]) -> None:
    provider = twilio()
    web = start_web()
    path = callback_path(provider.slug, "message")
    form = {"MessageSid": "SM7", "From": "+41791234567", "Body": "HELP"}

    def post(token: str) -> httpx.Response:
        signed = signature(token, settings.TOCSIN.public_url + path, list(form.items()))
        headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded"}
        return web.client.post(path, content=urlencode(form), headers=headers)

    assert post("another token").status_code == 403
    assert ProviderHealth.objects.get(provider=provider).refused == 1
    assert not Received.objects.exists()
    answer = post(TOKEN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response />'  # Twilio answers HELP itself
    assert Received.objects.count() == 1
