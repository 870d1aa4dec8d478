"""The demo company: whole, consistent, and told by the real rules."""

import random
from datetime import UTC, datetime

import pytest
from django.db.models import Count, F

from tocsin.catalogue.models import Service
from tocsin.delivery.models import Delivery
from tocsin.escalation.models import Page, Policy, Run
from tocsin.incidents.models import Incident
from tocsin.incidents.queries import verify_timeline
from tocsin.intake.kinds import kind_of
from tocsin.intake.models import Source
from tocsin.oncall import queries as oncall
from tocsin.people.models import NotificationRule, User
from tocsin.platform import clock, secrets
from tocsin.platform.actor import SYSTEM
from tocsin.project import demo
from tocsin.project.demo import company, storm, watching
from tocsin.project.demo.conditions import CONDITIONS
from tocsin.project.demo.history import described
from tocsin.project.demo.loading import PROMETHEUS, source_key
from tocsin.triage.models import Alert, Signal


def test_the_company_is_as_large_as_it_says() -> None:
    assert len(company.PEOPLE) == 30
    assert len(company.SERVICES) == 40
    assert len({person.zone for person in company.PEOPLE}) > 15
    assert {source.kind for source in company.SOURCES} | {"alertmanager"} == {
        "alertmanager", "alertmanager-api", "cloudevents", "generic", "heartbeat", "pagerduty",
    }  # fmt: skip


@pytest.mark.parametrize("nature", sorted(CONDITIONS))
def test_every_condition_can_be_told(nature: str) -> None:
    service = next(service for service in company.SERVICES if service.nature == nature)
    for condition in CONDITIONS[nature]:
        labels, title = described(service, condition, random.Random(1))
        assert service.name in title
        assert "{" not in title
        assert labels["alertname"] == condition.alertname


def test_a_storm_climbs_from_its_root_and_repeats_nothing() -> None:
    hit = storm.waves("postgres-parcels")
    assert [service.slug for service in hit[0]] == ["postgres-parcels"]
    assert {"tracking-api", "route-planner", "customs"} <= {service.slug for service in hit[1]}
    assert "customer-portal" in {service.slug for service in hit[2]}

    sent = list(storm.groups(1000, "postgres-parcels", datetime(2026, 1, 1, tzinfo=UTC), random.Random(1)))
    alerts = [alert for _, body in sent for alert in body["alerts"]]
    assert len(alerts) == 1000
    assert len({alert["fingerprint"] for alert in alerts}) == 1000
    assert sent[0][0] == "postgres-parcels"
    assert all(len(body["alerts"]) <= storm.GROUP for _, body in sent)
    assert len({service.slug for wave in storm.waves(storm.ROOT) for service in wave}) > 30


def test_a_single_alert_is_a_storm_too() -> None:
    sent = list(storm.groups(1, "dns", datetime(2026, 1, 1, tzinfo=UTC), random.Random(1)))
    assert [service for service, _ in sent] == ["dns"]


@pytest.mark.django_db
def test_loading() -> None:
    assert demo.load_if_empty()
    now = clock.now()

    # everything is there, and everybody can be paged
    assert User.objects.count() == 30
    assert Service.objects.filter(policy__isnull=False, team__isnull=False).count() == 40
    assert NotificationRule.objects.filter(delay_s=0, contact_method__channel="pocket").count() == 60
    admin = User.objects.get(role="admin")
    assert admin.email == f"{company.ADMINISTRATOR}@{company.DOMAIN}"
    assert admin.pk in {shift.user_id for shift in oncall.who(oncall.schedule(SYSTEM, "tracking-primary").pk, now)}
    for source in Source.objects.all():
        assert kind_of(source.kind) is not None
    assert Source.objects.filter(key_digest=secrets.digest(source_key("dns", PROMETHEUS))).exists()
    watching.check("dns")

    # the history is plausible and holds together
    assert 650 <= Incident.objects.count() <= 700
    assert 4_500 <= Alert.objects.count() <= 7_500
    assert Incident.objects.filter(state="triggered").count() == 0, "nobody is woken by history"
    assert Incident.objects.filter(opened_at__gt=now).count() == 0
    assert Incident.objects.filter(resolved_at__lt=F("opened_at")).count() == 0
    counted = Incident.objects.annotate(n=Count("alerts")).exclude(n=F("alert_count"))
    assert counted.count() == 0
    assert Incident.objects.filter(pages__isnull=True).count() == 0, "every incident has a page"
    assert Run.objects.filter(state="waiting").count() == 0
    assert Delivery.objects.exclude(kind="notice").filter(state__in=["pending", "sending"]).count() == 0
    assert Page.objects.filter(answered_at__lt=F("at")).count() == 0
    assert Signal.objects.exclude(alert_id=None).count() > 10_000
    secret = Incident.objects.get(confidential=True)
    assert secret.state == "acknowledged"
    assert {"was paged for it"} < set(secret.readers.values_list("why", flat=True))
    assert verify_timeline(secret.pk) == []
    policy = Policy.objects.get(slug="security")
    assert (policy.version, policy.steps.get(position=0).acks) == (2, 0)
    assert secret.runs.get().policy == policy
    for key in Incident.objects.order_by("?").values_list("id", flat=True)[:40]:
        assert verify_timeline(key) == []

    assert not demo.load_if_empty(), "an installation that has services is left alone"
