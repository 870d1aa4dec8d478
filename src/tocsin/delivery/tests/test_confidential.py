"""Of a confidential incident nothing leaves the house but its number, its priority and links."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from tocsin.delivery import actions, queries
from tocsin.delivery.actions.links import act_on_link, preview_link
from tocsin.delivery.channels.webhook.channel import payload
from tocsin.delivery.contract import Message
from tocsin.delivery.models import Delivery, Webhook
from tocsin.delivery.rules import NewDelivery
from tocsin.delivery.tests.conftest import World
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident
from tocsin.people.models import User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.errors import NotFound

pytestmark = pytest.mark.django_db

WORDS = ("Payroll", "Checkout", "Finance policy", "Grace", "step 1", "41 alerts")
REASON = {"kind": "manual", "why": "Grace asked for them: Payroll was copied", "text": "Finance policy, step 1 of 2"}


def secret(world: World, *, drill: bool = False) -> Incident:
    return world.incident("Payroll was copied", confidential=True, alert_count=41, drill=drill)


def paged(world: World, incident: Incident, channel: str = "pocket") -> User:
    """Ada is paged, and so is Grace, who acknowledged it."""
    ada, grace = world.person("Ada"), world.person("Grace")
    incidents.let_in([incident.pk], [ada.pk, grace.pk], "was paged for it")
    world.page(incident, grace)
    world.enqueue(world.page(incident, ada, **REASON), [world.method(ada, channel, f"https://{channel}.example.org/")])
    return ada


def silent(message: Message) -> None:
    """Nothing in the message, or in what a webhook makes of it, tells what the incident is about."""
    for text in (repr(message), payload(message, "http://t.example").decode()):
        assert not [word for word in WORDS if word in text], text


def test_a_page(world: World) -> None:
    incident = secret(world)
    paged(world, incident)
    [(message, _)] = queries.compose(actions.claim())
    assert message.title == f"Confidential incident INC-{incident.pk}"
    assert message.body == f"Confidential incident INC-{incident.pk}\nP1. Sign in to read what it is about."
    assert [link.verb for link in message.links] == ["view", "acknowledge", "resolve", "escalate"]
    assert (message.why, message.others, message.loud) == ("", (), True)
    silent(message)
    sent = json.loads(payload(message, "http://t.example"))["event"]["data"]
    assert (sent["service"], sent["title"]) == (None, message.title)


def test_a_drill(world: World) -> None:
    incident = secret(world, drill=True)
    paged(world, incident)
    [(message, _)] = queries.compose(actions.claim())
    assert message.title == f"[DRILL] Confidential incident INC-{incident.pk}"
    assert message.body.startswith("This is a drill.\n")
    silent(message)


def test_a_notice_of_resolution(world: World) -> None:
    incident = secret(world)
    ada = paged(world, incident)
    Delivery.objects.update(state="delivered", next_at=None, ended_at=clock.now())
    grace = User.objects.get(name="Grace")
    Incident.objects.filter(pk=incident.pk).update(
        state="resolved", resolved_at=clock.now(), acknowledged_by=grace, generation=2
    )
    assert actions.notify_resolved([incident.pk]) == 1
    [(message, _)] = queries.compose(actions.claim())
    assert message.to == ada.name
    assert message.title == f"Resolved: Confidential incident INC-{incident.pk}"
    assert message.body == f"Confidential incident INC-{incident.pk} is resolved. Nothing more to do."
    silent(message)


@pytest.mark.parametrize("kind", ["page", "resolved"])
def test_a_bundle(world: World, kind: str) -> None:
    made = [secret(world), world.incident("Disk full"), secret(world)]
    ada = world.person("Ada")
    method = world.method(ada)
    for incident in made:
        page = world.page(incident, ada, **REASON)
        item = NewDelivery(
            kind=kind, key=f"{kind}:{incident.pk}", channel=method.channel, address=method.address, page_id=page.pk,
            incident_id=incident.pk, generation=incident.generation, user_id=ada.pk, contact_method_id=method.pk,
        )  # fmt: skip
        actions.enqueue([item], now=clock.now())
    message = queries.message_of(queries.prepare(actions.claim()))
    assert message.kind == "bundle"
    assert "Disk full" in message.body
    for incident in (made[0], made[2]):
        assert f"Confidential incident INC-{incident.pk}" in message.body
    text = repr(message) + payload(message, "http://t.example").decode()
    assert "Payroll" not in text
    assert [facts.alert_count for facts in message.incidents] == [0, 0, 0]


def test_a_webhook_of_a_policy(world: World) -> None:
    incident = secret(world)
    hook = Webhook.objects.create(name="Ticket system", slug="tickets", url="https://tickets.example.org/")
    page = world.page(incident, world.person("Grace"), **REASON)
    item = NewDelivery(
        kind="page", key=f"webhook:{hook.pk}:{page.pk}", channel="webhook", address=hook.name, page_id=page.pk,
        incident_id=incident.pk, generation=incident.generation,
    )  # fmt: skip
    actions.enqueue([item], now=clock.now())
    [(message, method)] = queries.compose(actions.claim())
    assert (method.address, message.to) == (hook.url, hook.name)
    silent(message)


def test_made_confidential_on_the_way(world: World) -> None:
    incident = world.incident("Payroll was copied")
    paged(world, incident)
    Incident.objects.update(confidential=True)
    [(message, _)] = queries.compose(actions.claim())
    silent(message)


def test_the_page_behind_a_link(world: World, client: Client) -> None:
    incident = secret(world)
    ada = paged(world, incident)
    [(message, _)] = queries.compose(actions.claim())
    address = message.link("acknowledge")
    before = client.get(address).content.decode()
    assert f"Confidential incident INC-{incident.pk}" in before
    incidents.acknowledge([incident.pk], actor=actor_of(User.objects.get(name="Grace")))
    after = client.get(address).content.decode()
    assert "acknowledged already; nothing needs to be done" in after
    for text in (before, after):
        assert not [word for word in WORDS if word in text]
    token = message.link("resolve").rpartition("/a/")[2]
    assert preview_link(token).ready
    assert act_on_link(token).text == f"INC-{incident.pk} resolved. Thank you, {ada.name}."


def test_a_link_of_somebody_who_was_never_let_in_does_nothing(world: World) -> None:
    incident, somebody = secret(world), world.person("Somebody")
    url = queries.action_url(incident.pk, somebody.pk, "acknowledge", 1, clock.now() + timedelta(hours=1))
    with pytest.raises(NotFound):
        act_on_link(url.rpartition("/a/")[2])
    incident.refresh_from_db()
    assert incident.state == "triggered"


def test_the_ledger_is_for_readers(world: World) -> None:
    incident = secret(world)
    ada = paged(world, incident)
    other = world.person("Tom")
    test = NewDelivery(kind="test", key="t", channel="pocket", address="x", user_id=other.pk)
    [page_less] = actions.enqueue([test], now=clock.now())
    [sent] = Delivery.objects.filter(incident=incident)
    for actor, found in ((actor_of(ada), True), (actor_of(other), False)):
        assert bool(queries.of_incidents(actor, [incident.pk])[incident.pk]) is found
        assert bool(queries.of_pages(actor, [sent.page_id or 0])[sent.page_id or 0]) is found
        assert (queries.delivery(actor, sent.pk) is not None) is found
        assert queries.delivery(actor, page_less) is not None, "what is about no incident stays to be seen"


def test_what_a_phone_got_before_is_for_its_owner(world: World) -> None:
    incident = world.incident("Payroll was copied")
    ada = paged(world, incident)
    actions.keep(queries.compose(actions.claim()))
    Incident.objects.update(confidential=True)
    assert len(queries.pocket(actor_of(ada), ada.pk)) == 1
    assert queries.pocket(actor_of(world.person("Tom")), ada.pk) == []
