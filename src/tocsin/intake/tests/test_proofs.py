"""Senders that prove who they are, over real HTTP: signatures with a secret, certificates, and secrets out of reach."""

import hashlib
import hmac
import json

import httpx
import pytest

from tocsin.intake import actions
from tocsin.intake.door.documents import Documents
from tocsin.intake.models import Inbox, RefusalCount
from tocsin.intake.sources.aws_sns.tests.test_parser import certificate, message
from tocsin.intake.tests.factories import source
from tocsin.intake.tests.test_door import eventually
from tocsin.platform.actor import SYSTEM
from tocsin.platform.addresses import OutboundError
from tocsin.project.tests.serving import Web

pytestmark = pytest.mark.django_db(transaction=True)

BODY = json.dumps({"action": "created", "data": {"issue": {"id": "1", "title": "It broke"}}}).encode()


def test_a_source_with_a_secret_takes_what_is_signed_only(web: Web) -> None:
    made, key = source("sentry")
    actions.update_source(made.pk, actor=SYSTEM, config={"secret": "s3cret"})

    def asked(signature: str) -> int:
        headers = {"sentry-hook-resource": "issue", "sentry-hook-signature": signature}
        return int(web.client.post(f"/in/sentry/{key}", content=BODY, headers=headers).status_code)

    eventually(lambda: asked("") == 401)
    before = Inbox.objects.count()
    assert asked("00") == 401
    assert Inbox.objects.count() == before
    assert asked(hmac.new(b"s3cret", BODY, hashlib.sha256).hexdigest()) == 200
    assert Inbox.objects.count() == before + 1
    eventually(lambda: RefusalCount.objects.filter(reason="unauthorised", source=made).exists())


def test_a_source_whose_secret_cannot_be_read_takes_nothing(web: Web) -> None:
    made, key = source("sentry")
    type(made).objects.filter(pk=made.pk).update(config={"secret": "written under another key"})

    def answer() -> httpx.Response:
        return web.client.post(f"/in/sentry/{key}", content=BODY)

    # The door may have read the source before its secret was spoiled.
    eventually(lambda: answer().status_code == 503)
    before = Inbox.objects.count()
    assert "TOCSIN_SECRET_KEY" in answer().text
    assert Inbox.objects.count() == before


def test_a_message_of_sns_waits_for_its_certificate(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = source("aws-sns")
    body = json.dumps(message())

    async def away(self: Documents, address: str) -> bytes:
        raise OutboundError("no answer")

    async def there(self: Documents, address: str) -> bytes:
        return certificate()

    monkeypatch.setattr(Documents, "get", away)
    answer = web.client.post(f"/in/aws-sns/{key}", content=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert not Inbox.objects.exists()
    monkeypatch.setattr(Documents, "get", there)
    assert web.client.post(f"/in/aws-sns/{key}", content=body).status_code == 200
    assert Inbox.objects.get().title == "Disk"
    forged = json.dumps(message() | {"Message": "other"})
    assert web.client.post(f"/in/aws-sns/{key}", content=forged).status_code == 401
