"""The webhook's second shape, read by the official SDK: a receiver made with it understands every message."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from tests.contracts.test_channels import send
from tocsin.delivery import queries
from tocsin.delivery.actions.webhooks import save_webhook
from tocsin.delivery.channels.webhook.channel import channel
from tocsin.delivery.contract import Message
from tocsin.delivery.models import Webhook
from tocsin.delivery.rules import WebhookSpec, redacted, title_of_page
from tocsin.delivery.webhooks import export_webhooks
from tocsin.intake.contract import Request
from tocsin.intake.sources.cloudevents.source import source as door
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid
from tocsin.testing.channels import AT, BUNDLE, FACTS, MESSAGES, NOTICE, PAGE, RESOLVED, TEST

CLOUD = {"format": "cloudevents"}


def sent(message: Message, **more: Any) -> tuple[dict[str, str], bytes]:
    _, seen = send("webhook", channel, "well", message, config=CLOUD, **more)
    _, headers, body = seen.requests[0]
    return headers, body


def received(message: Message) -> BaseCloudEvent:
    """As the SDK reads it; it raises for what the specification forbids."""
    headers, body = sent(message)
    return from_http_event(HTTPMessage(headers, body))


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_the_sdk_reads_every_message(message: Message) -> None:
    event = received(message)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == message.key
    assert event.get_source() == "http://t.example"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_time() == AT.replace(microsecond=123000)
    assert event.get_extension("drill") is message.drill
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["tocsin"]["title"] == message.title


@pytest.mark.parametrize(
    ("message", "kind", "subject"),
    [
        (PAGE, "dev.tocsin.incident.triggered", "INC-12"),
        (RESOLVED, "dev.tocsin.incident.resolved", "INC-12"),
        (BUNDLE, "dev.tocsin.incidents.triggered", None),
        (NOTICE, "dev.tocsin.notice", None),
        (TEST, "dev.tocsin.test", None),
    ],
    ids=["page", "resolved", "bundle", "notice", "test"],
)
def test_what_it_is_about(message: Message, kind: str, subject: str | None) -> None:
    event = received(message)
    assert (event.get_type(), event.get_subject()) == (kind, subject)


def test_it_says_what_the_other_shape_says_and_is_signed_like_it() -> None:
    headers, body = sent(PAGE, secret="shh")
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["x-pagerduty-signature"] == "v1=" + hmac.new(b"shh", body, hashlib.sha256).hexdigest()
    assert headers["idempotency-key"] == PAGE.key
    _, seen = send("webhook", channel, "well", PAGE)
    other = json.loads(seen.requests[0][2])["event"]
    data = json.loads(body)["data"]
    assert data.pop("tocsin") == other["tocsin"]
    assert data == other["data"]


def test_a_confidential_incident_tells_its_number_only() -> None:
    facts = redacted(FACTS)
    _, body = sent(replace(PAGE, incidents=(facts,), title=title_of_page(facts), body="", why="", others=()))
    assert b"INC-12" in body
    assert b"Checkout" not in body


def test_another_tocsin_takes_them() -> None:
    for message, action in ((PAGE, "trigger"), (RESOLVED, "resolve")):
        headers, body = sent(message)
        (signal,) = door.parse(Request(body, headers=headers, now=AT), {}).signals
        assert (signal.action, signal.dedup_key) == (action, "INC-12")


@pytest.mark.django_db
def test_webhooks_that_policies_call_have_the_choice() -> None:
    row = save_webhook(WebhookSpec("Broker", "https://b.example/in", format="cloudevents"), actor=SYSTEM)
    assert export_webhooks()[0].format == "cloudevents"
    method = queries._webhooks({row.pk})[row.pk][1]
    assert method.config["format"] == "cloudevents"
    save_webhook(WebhookSpec("Broker", "https://b.example/in"), actor=SYSTEM, id=row.pk)
    assert Webhook.objects.get().format == "pagerduty"
    with pytest.raises(Invalid) as wrong:
        save_webhook(WebhookSpec("Broker", "https://b.example/in", format="xml"), actor=SYSTEM, id=row.pk)
    assert set(wrong.value.problems) == {"format"}
