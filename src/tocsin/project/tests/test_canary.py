"""The canary takes the way of a real page, is told of when it is late, and leaves nothing behind."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tocsin.catalogue.actions import save_service
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.delivery import canaries
from tocsin.delivery.actions.canaries import save_canary
from tocsin.delivery.actions.webhooks import delete_webhooks
from tocsin.delivery.jobs import deliver_due
from tocsin.delivery.models import Attempt, Canary, Delivery, Notice, Webhook
from tocsin.delivery.objective import measured
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Run
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.intake.models import Inbox, Source
from tocsin.people.models import ContactMethod, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, nodes
from tocsin.platform.actor import SYSTEM
from tocsin.platform.canary import SOURCE
from tocsin.platform.errors import Conflict, Forbidden, Invalid
from tocsin.platform.models import Node
from tocsin.project import canary, health, ledger
from tocsin.project.tests.loopback import Post
from tocsin.project.tests.serving import Web
from tocsin.triage import actions as triage
from tocsin.triage.actions.config import save_rule
from tocsin.triage.models import Alert, Signal
from tocsin.triage.rules import RuleSpec

pytestmark = pytest.mark.django_db(transaction=True)

ON = canaries.Config(enabled=True)
TRACES = (Run, Page, Delivery, Attempt, TimelineEntry, Alert, Inbox)


@pytest.fixture
def admin() -> User:
    """An administrator whom notices reach."""
    made = User.objects.create(email="dana@example.org", name="Dana", role="admin", created_at=clock.now())
    ContactMethod.objects.create(user=made, channel="pocket", address="phone")
    return made


def fly() -> None:
    """A canary sets out and arrives."""
    assert canary.turn() == 1
    assert triage.absorb(100) == 1
    assert deliver_due() == 1


def age(minutes: float) -> None:
    """Let every canary be that much older."""
    for one in Canary.objects.all():
        one.sent_at -= timedelta(minutes=minutes)
        one.arrived_at = one.arrived_at and one.arrived_at - timedelta(minutes=minutes)
        one.told_at = one.told_at and one.told_at - timedelta(minutes=minutes)
        one.save()


def test_it_takes_the_whole_road_and_leaves_nothing() -> None:
    save_canary(ON, actor=SYSTEM)
    fly()
    assert [page.urgency for page in Page.objects.all()] == ["high"]
    assert Delivery.objects.get().state == "delivered"
    assert Delivery.objects.get().pk < 0
    assert canary.turn() == 0  # seen, and the next is not due yet
    assert [row.objects.count() for row in TRACES] == [0] * len(TRACES)
    assert not Signal.objects.filter(source_id=SOURCE).exists()
    assert Incident._base_manager.count() == 0
    going = canaries.status()
    assert (going.state, going.sent, going.arrived, going.lost, going.late_s) == ("well", 1, 1, 0, 0)
    assert going.took_s is not None
    assert 0 < going.took_s < 60
    assert going.p50_s == pytest.approx(going.took_s)
    age(5)
    assert canary.turn() == 1


def test_nothing_real_shows_it_while_it_flies(client: Client, admin: User) -> None:
    save_canary(ON, actor=SYSTEM)
    fly()
    assert Incident._base_manager.get().drill
    assert (Incident.objects.count(), Service.objects.count(), Source.objects.count()) == (0, 0, 0)
    assert measured().pages == 0
    told = client.get("/metrics").content.decode()
    assert 'tocsin_attempts_total{outcome="delivered"} 0.0' in told
    assert "tocsin_alerts_open 0.0" in told
    client.force_login(admin)
    for path in ("/incidents/", "/alerts/", "/signals/", "/services/", "/sources/", "/messages/"):
        assert "canary" not in client.get(path).content.decode().lower(), path
    ledger.seal_due()
    ledger.seal_due()
    canary.turn()
    assert ledger.verify(actor=SYSTEM).problems == []


def test_a_row_that_is_made_the_canarys_afterwards_shows_in_the_ledger() -> None:
    from tocsin.triage.tests.world import arrive, company

    arrive(company().source, {"dedup_key": "k", "title": "Disk"})
    triage.absorb(100)
    ledger.seal_due()
    ledger.seal_due()
    assert ledger.verify(actor=SYSTEM).problems == []
    TimelineEntry.objects.update(incident_id=-1)
    assert len(ledger.verify(actor=SYSTEM).problems) == 1


def test_no_rule_of_the_organisation_stops_it() -> None:
    save_rule(RuleSpec(name="Quiet", kind="suppress", condition="true"), actor=SYSTEM)
    save_canary(ON, actor=SYSTEM)
    fly()


def test_late_is_told_once_an_hour_and_so_is_that_it_arrives_again(admin: User) -> None:
    save_canary(ON, actor=SYSTEM)
    assert canary.turn() == 1  # nobody takes it up
    assert canaries.status().state == "waiting"
    age(2)
    canary.turn()
    notice = Notice.objects.get()
    assert "has not arrived" in notice.title
    assert "waits to be decided by triage" in notice.body
    assert Delivery.objects.get(kind="notice").user == admin
    assert canaries.status().state == "late"
    assert health.overdue()["canary"] > 60
    age(10)
    assert canary.turn() == 1  # the next one; the first is still missing
    canary.turn()
    assert Notice.objects.count() == 1
    age(60)
    canary.turn()
    assert Notice.objects.count() == 2
    triage.absorb(100)
    deliver_due()
    canary.turn()
    assert canaries.status().state == "well"
    assert health.overdue()["canary"] == 0
    assert Notice.objects.order_by("-id")[0].title == "Tocsin's canary arrives again"


def test_how_far_a_late_one_has_come(admin: User) -> None:
    save_canary(ON, actor=SYSTEM)
    canary.turn()
    one = Canary.objects.get()
    assert canary.where(one) == "waits to be decided by triage"
    triage.absorb(100)
    assert canary.where(one) == "its message is pending"
    Delivery.objects.all().delete()
    assert canary.where(one) == "has its incident, but no page was planned"
    Alert.objects.all().delete()
    assert "left no trace" in canary.where(one)


def test_a_lost_one_is_cleared_away_and_its_late_arrival_still_counts() -> None:
    save_canary(ON, actor=SYSTEM)
    canary.turn()
    age(61)
    canary.turn()
    assert canaries.status().lost == 1
    assert triage.absorb(100) == 2
    assert deliver_due() == 2
    canary.turn()
    assert canaries.status().lost == 0
    assert Incident._base_manager.count() == 0


def test_one_that_was_lost_long_ago_says_nothing_when_canaries_are_switched_on_again(admin: User) -> None:
    save_canary(ON, actor=SYSTEM)
    canary.turn()
    save_canary(replace(ON, enabled=False), actor=SYSTEM)
    age(25 * 60)
    canary.turn()
    assert not Canary.objects.filter(cleared=False).exists()
    save_canary(ON, actor=SYSTEM)
    assert canaries.status().late_s == 0
    canary.turn()
    assert not Notice.objects.exists()


def test_it_goes_to_a_webhook_of_ones_own(post: Post) -> None:
    hook = Webhook.objects.create(name="Mirror", slug="mirror", url=post.url("/canary"))
    save_canary(replace(ON, webhook=hook.pk), actor=SYSTEM)
    fly()
    assert [path for path, _ in post.seen] == ["/canary"]
    assert post.headers[0]["x-tocsin-drill"] == "true"
    assert Delivery.objects.get().channel == "webhook"
    canary.turn()
    assert canaries.status().state == "well"
    assert Incident._base_manager.count() == 0
    with pytest.raises(Conflict) as refused:
        delete_webhooks([hook.pk], actor=SYSTEM)
    assert refused.value.problems == {"mirror": "called by the canary"}


def test_a_webhook_that_refuses_it_is_told_of(post: Post, admin: User) -> None:
    hook = Webhook.objects.create(name="Mirror", slug="mirror", url=post.url("/canary"))
    save_canary(replace(ON, webhook=hook.pk), actor=SYSTEM)
    post.status = 404
    fly()
    age(2)
    canary.turn()
    assert "its message is failed: HTTP 404" in Notice.objects.get().body
    runs.run_due()  # nobody was reached: nobody is paged in its place
    assert not Page.objects.filter(user__isnull=False).exists()
    assert Delivery.objects.filter(kind="page").count() == 1


def test_its_service_keeps_its_name(admin: User) -> None:
    save_canary(ON, actor=SYSTEM)
    canary.turn()
    name = Service._base_manager.get().name
    with pytest.raises(Conflict):
        save_service(ServiceSpec(name), actor=actor_of(admin))


def test_it_comes_in_by_the_door(
    start_web: Callable[..., Web], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    web = start_web()
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"base_url": str(web.client.base_url)})
    save_canary(replace(ON, door=True), actor=SYSTEM)
    fly()
    canary.turn()
    assert canaries.status().state == "well"
    web.stop()
    age(5)
    assert canary.turn() == 1  # nobody listens: it is lost
    assert Inbox.objects.count() == 0
    assert "left no trace" in canary.where(Canary.objects.latest("id"))


@pytest.mark.parametrize("kind", ["engine", "web"])
def test_a_process_of_another_version_holds_it_back(kind: str) -> None:
    save_canary(ON, actor=SYSTEM)
    nodes.report(kind)
    Node.objects.update(version="0.0.1")
    assert canary.turn() == 0
    nodes.leave(kind)
    assert canary.turn() == 1


def test_only_administrators_set_it_and_only_to_what_makes_sense(admin: User) -> None:
    viewer = User.objects.create(email="v@example.org", name="V", role="observer", created_at=clock.now())
    with pytest.raises(Forbidden):
        save_canary(ON, actor=actor_of(viewer))
    with pytest.raises(Invalid) as wrong:
        save_canary(canaries.Config(True, 0, 5, 99), actor=actor_of(admin))
    assert set(wrong.value.problems) == {"every_minutes", "late_after_s", "webhook"}
    assert canary.turn() == 0


def test_the_page_shows_and_sets_it(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert "none was sent" in client.get("/settings/canary/").content.decode()
    hook = Webhook.objects.create(name="Mirror", slug="mirror", url="https://example.org/canary")
    wanted = {"enabled": "on", "every_minutes": "7", "late_after_s": "30", "webhook": str(hook.pk)}
    assert client.post("/settings/canary/", wanted).status_code == 303
    assert canaries.config() == canaries.Config(True, 7, 30, hook.pk, False)
    assert client.post("/settings/canary/", wanted | {"every_minutes": "0"}).status_code == 422
    assert client.post("/settings/canary/", wanted | {"webhook": "99"}).status_code == 422
    save_canary(ON, actor=SYSTEM)
    fly()
    canary.turn()
    assert "1 of 1 arrived" in client.get("/settings/canary/").content.decode()
    assert "1 of 1 arrived" in client.get("/settings/health/").content.decode()
    admin.role = "observer"
    admin.save()
    assert "Set the canary" not in client.get("/settings/canary/").content.decode()
    assert client.post("/settings/canary/", wanted).status_code == 403


def test_the_api_shows_and_sets_it(client: Client, admin: User) -> None:
    client.force_login(admin)
    Webhook.objects.create(name="Mirror", slug="mirror", url="https://example.org/canary")
    told = client.put("/api/v1/canary", {"enabled": True, "webhook": "mirror"}, "application/json").json()
    assert (told["state"], told["webhook"], told["every_minutes"]) == ("waiting", "mirror", 5)
    told = client.put("/api/v1/canary", {"webhook": "", "every_minutes": 9}, "application/json").json()
    assert (told["enabled"], told["webhook"], told["every_minutes"]) == (True, "", 9)
    assert client.put("/api/v1/canary", {"webhook": "no"}, "application/json").status_code == 404
    assert client.put("/api/v1/canary", {"every_minutes": 0}, "application/json").status_code == 422
    assert client.get("/api/v1/canary").json() == told
    admin.role = "observer"
    admin.save()
    assert client.put("/api/v1/canary", {"enabled": False}, "application/json").status_code == 403
