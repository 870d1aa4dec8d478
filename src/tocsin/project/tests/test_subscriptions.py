"""A request of SNS to be confirmed: from the inbox to the address that an engine opens."""

import json
from datetime import timedelta

import pytest

from tocsin.catalogue.models import Service
from tocsin.intake.actions import CONFIRMATIONS, save_source
from tocsin.intake.contract import Signal
from tocsin.intake.models import Inbox, Source
from tocsin.intake.rules import SourceSpec, row_of
from tocsin.platform import clock, outbound
from tocsin.platform.actor import SYSTEM
from tocsin.platform.models import Setting
from tocsin.project import subscriptions
from tocsin.triage import actions as triage

pytestmark = pytest.mark.django_db(transaction=True)

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"


class Opened:
    """Stands for the guarded client, since no test reaches Amazon."""

    asked: list[str] = []
    status = 200

    async def get(self, url: str, headers: object) -> outbound.Answer:
        Opened.asked.append(url)
        return outbound.Answer(Opened.status, {}, b"")

    async def aclose(self) -> None:
        """Nothing to hang up."""


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> type[Opened]:
    Opened.asked, Opened.status = [], 200
    monkeypatch.setattr(outbound, "Client", Opened)
    return Opened


def source(kind: str = "aws-sns") -> Source:
    service = Service.objects.create(name=f"Cloud {kind}", slug=f"cloud-{kind}", created_at=clock.now())
    return save_source(SourceSpec("SNS", service.slug, kind), actor=SYSTEM)


def ask(found: Source, url: str = URL) -> None:
    """The request comes in, and triage decides it."""
    signal = Signal(action="check_in", dedup_key="confirm", title="x", origin=TOPIC, details={"confirm": url})
    row = row_of(found.pk, signal)
    names = ("source_id", "bucket", "action", "dedup_key", "severity", "title")
    facts = dict(zip(names, row[:6], strict=True))
    Inbox.objects.create(**facts, data=json.loads(row[6]), received_at=clock.now())
    triage.absorb(100)


def test_what_was_asked_is_opened_once(opened: type[Opened]) -> None:
    ask(source())
    assert subscriptions.turn() == 1
    assert subscriptions.turn() == 0
    assert opened.asked == [URL]


def test_what_was_not_taken_is_tried_again_until_it_is_too_old(opened: type[Opened]) -> None:
    ask(source())
    opened.status = 500
    assert subscriptions.turn() == 0
    assert subscriptions.turn() == 0, "a minute has not passed"
    assert len(opened.asked) == 1
    row = Setting.objects.get(name=CONFIRMATIONS)
    old = (clock.now() - timedelta(days=4)).isoformat()
    row.value[URL] |= {"next_at": old, "asked_at": old}
    row.save()
    subscriptions.turn()
    assert len(opened.asked) == 2
    assert Setting.objects.get(name=CONFIRMATIONS).value == {}


@pytest.mark.parametrize(("kind", "url"), [("heartbeat", URL), ("aws-sns", "https://evil.example/")])
def test_no_other_sender_and_no_other_address(opened: type[Opened], kind: str, url: str) -> None:
    ask(source(kind), url)
    assert subscriptions.turn() == 0
    assert opened.asked == []
