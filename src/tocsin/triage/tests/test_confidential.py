"""Services whose incidents are confidential: from the first signal on."""

import pytest

from tocsin.catalogue.models import Dependency, Service
from tocsin.incidents import queries as incidents
from tocsin.incidents.actions import make_confidential
from tocsin.incidents.models import Incident, Reader, TimelineEntry
from tocsin.intake.models import Inbox, Source
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import NotFound
from tocsin.triage import actions, queries
from tocsin.triage.models import Alert, Rule, Signal
from tocsin.triage.tests.world import Company, arrive, company

pytestmark = pytest.mark.django_db


@pytest.fixture
def c() -> Company:
    made = company(by="service")
    Service.objects.filter(pk=made.service.pk).update(confidential=True)
    return made


def test_incidents_are_confidential_from_the_first_moment(c: Company) -> None:
    arrive(c.source, {"title": "Vault opened at night"})
    actions.absorb()
    incident = Incident.objects.get()
    assert incident.confidential
    assert TimelineEntry.objects.get(kind="opened").data["confidential"] is True
    bob = actor_of(c.bob)
    with pytest.raises(NotFound):
        incidents.incident(bob, incident.pk)
    assert list(queries.alerts(bob)) == []
    assert list(queries.signals(bob)) == []
    signal = Signal.objects.get()
    with pytest.raises(NotFound):
        queries.why_signal(bob, signal.pk)
    with pytest.raises(NotFound):
        queries.alert(bob, Alert.objects.get().pk)
    assert queries.why_signal(c.actor, signal.pk).incident_id == incident.pk, "an administrator"
    Reader.objects.get_or_create(incident=incident, user=c.bob, defaults={"at": clock.now(), "why": "test"})
    assert queries.why_signal(bob, signal.pk).incident_id == incident.pk
    assert queries.alerts(bob).count() == queries.signals(bob).count() == 1


def test_what_waits_or_pages_nobody_there_is_for_administrators(c: Company) -> None:
    arrive(c.source, {"title": "Vault opened"})
    waiting = Inbox.objects.get().pk
    bob = actor_of(c.bob)
    with pytest.raises(NotFound):
        queries.why_signal(bob, waiting)
    assert queries.why_signal(c.actor, waiting).waiting
    Rule.objects.create(name="Never", kind="suppress", condition="true", service=c.service)
    actions.absorb()
    assert Incident.objects.count() == 0
    assert Alert.objects.count() == 1
    assert queries.alerts(bob).count() == queries.signals(bob).count() == 0
    assert queries.alerts(c.actor).count() == queries.signals(SYSTEM).count() == 1
    arrive(c.source, {"action": "resolve", "dedup_key": "unheard of"})
    actions.absorb()
    assert Signal.objects.filter(alert_id=None).count() == 1
    assert queries.signals(bob).count() == 0


def test_what_joins_makes_the_group_confidential(c: Company) -> None:
    now = clock.now()
    grouping = {"by": "dependency"}
    Service.objects.filter(pk=c.service.pk).update(grouping=grouping)
    shop = Service.objects.create(
        name="Shop", slug="shop", policy=c.policy, team=c.team, grouping=grouping, created_at=now
    )
    Dependency.objects.create(service=shop, needs=c.service)
    source = Source.objects.create(
        name="Probe", kind="pagerduty", service=shop, key_digest="0" * 64, key_secret="", created_at=now
    )
    arrive(source, {"title": "Shop is slow"})
    actions.absorb()
    incident = Incident.objects.get()
    assert not incident.confidential
    assert incidents.incident(actor_of(c.bob), incident.pk) == incident
    arrive(c.source, {"title": "Vault opened at night"})
    actions.absorb()
    incident = Incident.objects.get()
    assert (incident.confidential, incident.alert_count) == (True, 2)
    told = TimelineEntry.objects.get(kind="made_confidential")
    assert told.data["reason"] == "an alert of Checkout joined it"
    assert incidents.verify_timeline(incident.pk) == []


def test_alerts_of_an_incident_go_with_it(c: Company) -> None:
    Service.objects.filter(pk=c.service.pk).update(confidential=False)
    arrive(c.source, {"title": "Odd logins"})
    actions.absorb()
    bob = actor_of(c.bob)
    assert queries.alerts(bob).count() == queries.signals(bob).count() == 1
    make_confidential([Incident.objects.get().pk], actor=c.actor)
    Reader.objects.filter(user=c.bob).delete()
    assert queries.alerts(bob).count() == queries.signals(bob).count() == 0
