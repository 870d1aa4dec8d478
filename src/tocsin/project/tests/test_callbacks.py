"""Providers' callbacks in the web process: they are Django's, not the senders' door's."""

import pytest
from django.urls import resolve

from tocsin.delivery.carrier import callback_path
from tocsin.intake.door import Door
from tocsin.platform import settings as platform_settings


@pytest.mark.parametrize("what", ["status", "message", "voice"])
def test_a_callback_goes_past_the_senders_door(what: str) -> None:
    path = callback_path("main-line", what)
    assert not Door(platform_settings.get()).serves(path)
    assert resolve(path).url_name == "incoming"
