"""Two installations watch each other: what we tell, what is not taken, and what we hear."""

import json
import re
from datetime import datetime, timedelta

import pytest
from django.test import Client

from tocsin.catalogue.models import Service
from tocsin.escalation.models import Run
from tocsin.incidents.models import Incident
from tocsin.intake import jobs as intake
from tocsin.intake import partners as watched
from tocsin.intake.actions import save_source, update_source
from tocsin.intake.contract import Request
from tocsin.intake.models import Heartbeat, Inbox, Source
from tocsin.intake.queries import export_sources
from tocsin.intake.rules import SourceSpec, row_of
from tocsin.intake.sources.partner import parser
from tocsin.people.models import User
from tocsin.platform import clock, nodes
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid
from tocsin.platform.models import Setting
from tocsin.project import partners
from tocsin.project.tests.loopback import Post
from tocsin.triage import actions as triage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service() -> Service:
    return Service.objects.create(name="Tocsin", slug="tocsin", created_at=clock.now())


def partner(service: Service, url: str = "", minutes: int = 3) -> Source:
    config = {"after_minutes": minutes} | ({"url": url} if url else {})
    return save_source(SourceSpec("Over there", service.slug, "partner", config), actor=SYSTEM)


def hear(source: Source, well: bool = True, unwell_s: float = 0, **more: object) -> None:
    """The partner's word comes in, and triage decides it."""
    body = json.dumps(
        {"tocsin": "1", "well": well, "unwell_s": unwell_s, "reasons": ["No engine has reported."]} | more
    ).encode()
    for signal in parser.parse(Request(body, now=clock.now()), source.config).signals:
        row = row_of(source.pk, signal)
        names = ("source_id", "bucket", "action", "dedup_key", "severity", "title")
        facts = dict(zip(names, row[:6], strict=True))
        Inbox.objects.create(**facts, data=json.loads(row[6]), received_at=clock.now())
    triage.absorb(100)


def earlier(minutes: float) -> None:
    """Let what was remembered of partners be that much older."""
    row = Setting.objects.get(name=watched.SETTING)
    moment = re.compile(r"20\d\d-[^\"]+")
    older = timedelta(minutes=minutes)
    row.value = json.loads(
        moment.sub(lambda one: (datetime.fromisoformat(one[0]) - older).isoformat(), json.dumps(row.value))
    )
    row.save()


def test_it_is_told_once_a_minute_that_we_are_well(service: Service, post: Post) -> None:
    nodes.report("engine")
    partner(service, post.url("/in/partner/KEY"))
    assert partners.turn() == 1
    assert partners.turn() == 0
    ((path, word),) = post.seen
    assert path == "/in/partner/KEY"
    assert (word["well"], word["unwell_s"], word["reasons"]) == (True, 0, [])
    earlier(1)
    assert partners.turn() == 1
    assert watched.watched()[0].answered_at is not None


def test_it_is_told_for_how_long_we_have_not_been_well(service: Service, post: Post) -> None:
    partner(service, post.url("/in/partner/KEY"))  # no engine reports
    partners.turn()
    assert post.seen[-1][1]["unwell_s"] == 0
    earlier(4)
    partners.turn()
    word = post.seen[-1][1]
    assert not word["well"]
    assert word["unwell_s"] == pytest.approx(240, abs=30)
    assert "No engine" in word["reasons"][0]


def test_a_word_that_is_not_taken_becomes_an_incident_and_ends_it(service: Service, post: Post) -> None:
    partner(service, post.url("/in/partner/KEY"), minutes=3)
    post.status = 404
    for _ in range(3):
        assert partners.turn() == 1
        earlier(1)
    assert Inbox.objects.count() == 0
    assert (watched.watched()[0].state, watched.watched()[0].problem) == ("deaf", "HTTP 404")
    partners.turn()
    earlier(1)
    partners.turn()
    assert Inbox.objects.count() == 1  # once
    triage.absorb(100)
    incident = Incident.objects.get()
    assert incident.title == "The partner Over there does not take what we tell it: HTTP 404"
    assert Run.objects.filter(incident=incident).exists()
    post.status = 200
    earlier(1)
    partners.turn()
    triage.absorb(100)
    incident.refresh_from_db()
    assert incident.state == "resolved"
    assert watched.watched()[0].problem == ""


def test_silence_becomes_an_incident_and_a_word_ends_it(service: Service) -> None:
    source = partner(service)
    assert watched.watched()[0].state == "waiting"
    hear(source)
    assert watched.watched()[0].state == "well"
    beat = Heartbeat.objects.get()
    assert beat.due_at == (beat.last_at or clock.now()) + timedelta(minutes=3)
    Heartbeat.objects.update(due_at=clock.now() - timedelta(seconds=1))
    assert intake.run_due() == 1
    triage.absorb(100)
    assert watched.watched()[0].state == "silent"
    assert Incident.objects.get().state == "triggered"
    hear(source)
    triage.absorb(100)
    assert Incident.objects.get().state == "resolved"


def test_a_partner_that_says_it_is_not_well(service: Service) -> None:
    source = partner(service)
    hear(source)
    hear(source, well=False, unwell_s=60)
    assert not Incident.objects.exists()
    hear(source, well=False, unwell_s=180)
    hear(source, well=False, unwell_s=240)
    assert Incident.objects.get().title == "The partner is not well: No engine has reported."
    hear(source)
    assert Incident.objects.get().state == "resolved"


def test_the_address_is_secret(service: Service, client: Client) -> None:
    url = "https://there.example/in/partner/KEY"
    source = partner(service, url)
    assert "KEY" not in str(source.config)
    assert "url" not in export_sources()[0].config
    admin = User.objects.create(email="d@example.org", name="D", role="admin", created_at=clock.now())
    client.force_login(admin)
    assert "url" not in client.get(f"/api/v1/sources/{source.pk}").json()["config"]
    for path in (f"/sources/{source.pk}/", f"/sources/{source.pk}/edit/"):
        text = client.get(path).content.decode()
        assert "there.example" not in text
        assert source.config["url"] not in text
    update_source(source.pk, config={"after_minutes": 9}, actor=SYSTEM)  # left out: it stays
    (found,) = watched.to_tell()
    assert (found.url, found.after_minutes) == (url, 9)
    with pytest.raises(Invalid) as wrong:
        update_source(source.pk, config={"url": "there"}, actor=SYSTEM)
    assert set(wrong.value.problems) == {"config.url"}


def test_health_shows_partners(service: Service, client: Client) -> None:
    admin = User.objects.create(email="d@example.org", name="D", role="admin", created_at=clock.now())
    client.force_login(admin)
    assert "Partners" not in client.get("/settings/health/").content.decode()
    partner(service)
    text = client.get("/settings/health/").content.decode()
    assert "Over there" in text
    assert "Not heard of yet" in text
    assert 'partner="Over there"' not in client.get("/metrics").content.decode()  # nobody is to be told of it yet
    hear(Source.objects.get())
    assert 'tocsin_partner_well{partner="Over there"} 1.0' in client.get("/metrics").content.decode()
