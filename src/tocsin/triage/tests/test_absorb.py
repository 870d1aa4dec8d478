from datetime import timedelta
from typing import Any

import pytest

from tocsin.delivery.models import Delivery
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Run
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident
from tocsin.incidents.queries import verify_timeline
from tocsin.intake.models import Inbox
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Invalid
from tocsin.triage import actions as triage
from tocsin.triage.models import Alert, Signal
from tocsin.triage.rules import RuleSpec, WindowSpec
from tocsin.triage.tests.world import arrive, company

pytestmark = pytest.mark.django_db


def outcomes() -> list[str]:
    return list(Signal.objects.order_by("id").values_list("outcome", flat=True))


def test_a_trigger_opens_an_incident_and_pages_the_first_step_at_once() -> None:
    c = company()
    arrive(c.source, {})
    assert triage.absorb() == 1
    [incident] = Incident.objects.all()
    assert (incident.state, incident.priority, incident.alert_count) == ("triggered", "P1", 1)
    [page] = Page.objects.all()
    assert page.user == c.alice
    assert page.reason["step"] == 1
    [delivery] = Delivery.objects.all()
    assert (delivery.state, delivery.channel, delivery.generation) == ("pending", "pocket", 1)
    [run] = Run.objects.all()
    assert (run.state, run.step) == ("waiting", 1)
    [signal] = Signal.objects.all()
    assert (signal.outcome, signal.incident_id) == ("opened", incident.pk)
    assert verify_timeline(incident.pk) == []
    assert [entry.kind for entry in incident.timeline.all()] == ["opened", "paged"]
    assert Inbox.objects.count() == 0


def test_a_repeat_is_counted_and_pages_nobody() -> None:
    c = company()
    arrive(c.source, {}, {}, {})
    triage.absorb()
    arrive(c.source, {})
    triage.absorb()
    assert outcomes() == ["opened", "deduplicated", "deduplicated", "deduplicated"]
    assert Alert.objects.get().count == 4
    assert Page.objects.count() == 1


def test_resolve_ends_alert_and_incident_and_what_comes_later_is_new() -> None:
    c = company()
    arrive(c.source, {}, {"action": "resolve"}, {"action": "resolve"}, {})
    triage.absorb()
    assert outcomes() == ["opened", "resolved", "nothing_open", "opened"]
    assert sorted(Incident.objects.values_list("state", flat=True)) == ["resolved", "triggered"]


def test_the_second_step_follows_when_nobody_answers_and_an_acknowledgement_stops_it() -> None:
    c = company()
    arrive(c.source, {})
    triage.absorb()
    clock.shift(timedelta(seconds=301))
    assert runs.run_due() == 1
    assert [page.user for page in Page.objects.order_by("id")] == [c.alice, c.bob]
    incident = Incident.objects.get()
    done = incidents.acknowledge([incident.pk], actor=c.actor)
    assert done.changed == [incident.pk]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dropped"}
    assert Run.objects.get().state == "stopped"
    clock.shift(timedelta(hours=1))
    assert runs.run_due() == 0
    assert Page.objects.get(user=c.alice).answer == "acknowledged"


def test_an_acknowledgement_that_runs_out_pages_again_from_the_first_step() -> None:
    c = company()
    c.policy.ack_timeout_s = 600
    c.policy.save(update_fields=["ack_timeout_s"])
    arrive(c.source, {})
    triage.absorb()
    incident = Incident.objects.get()
    incidents.acknowledge([incident.pk], actor=c.actor)
    clock.shift(timedelta(seconds=601))
    assert runs.run_due() == 1
    incident.refresh_from_db()
    assert incident.state == "triggered"
    assert Page.objects.filter(user=c.alice).count() == 2
    assert verify_timeline(incident.pk) == []


def test_a_snooze_ends_and_pages_again() -> None:
    c = company()
    arrive(c.source, {})
    triage.absorb()
    incident = Incident.objects.get()
    incidents.snooze([incident.pk], until=clock.now() + timedelta(hours=1), actor=c.actor)
    clock.shift(timedelta(minutes=59))
    assert runs.run_due() == 0
    clock.shift(timedelta(minutes=2))
    assert runs.run_due() == 1
    incident.refresh_from_db()
    assert (incident.state, incident.snoozed_until) == ("triggered", None)


def test_alerts_of_one_service_are_one_incident_when_it_groups_by_service() -> None:
    c = company(by="service")
    arrive(c.source, {"dedup_key": "a"}, {"dedup_key": "b", "severity": "warning"}, {"dedup_key": "c"})
    triage.absorb()
    assert outcomes() == ["opened", "grouped", "grouped"]
    arrive(c.source, {"dedup_key": "d"})
    triage.absorb()
    incident = Incident.objects.get()
    assert (incident.alert_count, incident.open_alert_count) == (4, 4)
    arrive(c.source, *({"dedup_key": key, "action": "resolve"} for key in "abcd"))
    triage.absorb()
    incident.refresh_from_db()
    assert (incident.state, incident.open_alert_count) == ("resolved", 0)
    arrive(c.source, {"dedup_key": "a"})
    triage.absorb()
    assert Incident.objects.count() == 2


def test_a_grouping_window_closes_the_group() -> None:
    c = company(by="service", window_s=60)
    arrive(c.source, {"dedup_key": "a"})
    triage.absorb()
    clock.shift(timedelta(seconds=61))
    arrive(c.source, {"dedup_key": "b"})
    triage.absorb()
    assert Incident.objects.count() == 2


def test_grouping_by_fields_separates_by_label() -> None:
    c = company(by="fields", fields=["cluster"])
    arrive(c.source, *({"dedup_key": str(n), "labels": {"cluster": "ab"[n % 2]}} for n in range(6)))
    triage.absorb()
    assert sorted(Incident.objects.values_list("alert_count", flat=True)) == [3, 3]


def test_a_suppressing_rule_keeps_quiet_and_is_named() -> None:
    c = company()
    triage.save_rule(
        RuleSpec(name="Nightly batch", kind="suppress", condition="signal.title.contains('batch')"), actor=SYSTEM
    )
    arrive(c.source, {"title": "batch late"}, {"dedup_key": "other"})
    triage.absorb()
    [first, second] = Signal.objects.order_by("id")
    assert (first.outcome, first.rule, first.incident_id) == ("suppressed", "Nightly batch", None)
    assert second.outcome == "opened"


def test_a_severity_rule_changes_the_priority_and_a_route_the_service() -> None:
    c = company()
    other = c.service.__class__.objects.create(
        name="Search", slug="search", tier=4, policy=c.policy, created_at=clock.now()
    )
    triage.save_rule(
        RuleSpec(name="To search", kind="route", condition="signal.labels.app == 'search'", to_service="search"),
        actor=SYSTEM,
    )
    triage.save_rule(
        RuleSpec(name="Calm", kind="severity", condition="service.slug == 'search'", severity="info"), actor=SYSTEM
    )
    arrive(c.source, {"labels": {"app": "search"}})
    triage.absorb()
    incident = Incident.objects.get()
    assert (incident.service, incident.priority, incident.severity) == (other, "P5", "info")


def test_maintenance_holds_and_releases() -> None:
    c = company()
    triage.save_window(
        WindowSpec(name="Upgrade", services=["checkout"], starts_at=clock.now(), duration_s=3600), actor=SYSTEM
    )
    arrive(c.source, {"dedup_key": "stays"}, {"dedup_key": "goes"}, {"dedup_key": "goes", "action": "resolve"})
    triage.absorb()
    assert outcomes() == ["held", "held", "resolved"]
    assert triage.release() == 0
    clock.shift(timedelta(seconds=3601))
    assert triage.release() == 1
    assert Incident.objects.get().alerts.get().dedup_key == "stays"
    assert Page.objects.count() == 1


def test_maintenance_with_a_condition_holds_only_what_meets_it() -> None:
    c = company()
    facts: dict[str, Any] = {"services": ["checkout"], "starts_at": clock.now(), "duration_s": 3600}
    staging = "signal.labels.env == 'staging'"
    triage.save_window(WindowSpec(name="Upgrade of staging", condition=staging, **facts), actor=SYSTEM)
    arrive(
        c.source,
        {"dedup_key": "a", "labels": {"env": "staging"}},
        {"dedup_key": "b", "labels": {"env": "production"}},
        {"dedup_key": "c"},  # the condition cannot be evaluated, so nothing keeps it from paging
    )
    triage.absorb()
    assert outcomes() == ["held", "opened", "opened"]
    with pytest.raises(Invalid) as refused:
        triage.save_window(WindowSpec(name="Wrong", condition="signal.labels.", **facts), actor=SYSTEM)
    assert list(refused.value.problems) == ["condition"]


def test_maintenance_drops_for_good() -> None:
    c = company()
    spec = WindowSpec(name="Upgrade", services=["checkout"], starts_at=clock.now(), duration_s=3600, mode="drop")
    triage.save_window(spec, actor=SYSTEM)
    arrive(c.source, {})
    triage.absorb()
    clock.shift(timedelta(seconds=3601))
    assert triage.release() == 0
    arrive(c.source, {})
    triage.absorb()
    assert Incident.objects.count() == 0


def test_a_flapping_alert_is_held_until_it_stays_open() -> None:
    c = company()
    for _ in range(4):
        arrive(c.source, {}, {"action": "resolve"})
    arrive(c.source, {})
    triage.absorb()
    assert outcomes()[-1] == "flapping"
    before = Incident.objects.count()
    clock.shift(timedelta(minutes=5, seconds=1))
    assert triage.release() == 1
    assert Incident.objects.count() == before + 1


def test_a_silent_source_resolves_its_alert_unless_it_is_heard_again() -> None:
    c = company()
    soon = (clock.now() + timedelta(minutes=4)).isoformat()
    arrive(c.source, {"expires_at": soon})
    triage.absorb()
    clock.shift(timedelta(minutes=5))
    assert triage.expire() == 1
    assert triage.expire() == 0
    arrive(c.source, {"dedup_key": "x"})
    triage.absorb()
    assert Alert.objects.get(dedup_key="disk").state == "resolved"
    assert outcomes() == ["opened", "resolved", "opened"]


def test_a_person_who_resolves_ends_the_alerts_too() -> None:
    c = company()
    arrive(c.source, {})
    triage.absorb()
    incidents.resolve([Incident.objects.get().pk], actor=c.actor, note="restarted")
    assert Alert.objects.get().state == "resolved"
    arrive(c.source, {})
    triage.absorb()
    assert outcomes() == ["opened", "opened"]


def test_an_alert_that_comes_back_soon_reopens_its_incident_where_the_service_wants_that() -> None:
    c = company(reopen_s=600)
    arrive(c.source, {}, {"action": "resolve"})
    triage.absorb()
    clock.shift(timedelta(seconds=60))
    arrive(c.source, {})
    triage.absorb()
    incident = Incident.objects.get()
    assert (incident.state, outcomes()[-1]) == ("triggered", "reopened")
    assert Page.objects.filter(generation=incident.generation).count() == 1
    assert verify_timeline(incident.pk) == []


def test_a_worse_severity_raises_the_priority_and_pages_again_when_it_becomes_loud() -> None:
    c = company()
    c.service.tier = 4
    c.service.save(update_fields=["tier"])
    arrive(c.source, {"severity": "warning"})
    triage.absorb()
    assert Incident.objects.get().priority == "P5"
    arrive(c.source, {"severity": "critical"})
    triage.absorb()
    incident = Incident.objects.get()
    assert incident.priority == "P3"
    assert [page.urgency for page in Page.objects.order_by("id")] == ["low", "high"]


def test_nobody_on_call_is_never_silence() -> None:
    c = company()
    c.policy.steps.all().delete()
    c.service.policy = None
    c.service.save(update_fields=["policy"])
    arrive(c.source, {})
    triage.absorb()
    assert {page.user for page in Page.objects.all()} == {c.alice, c.bob}
    assert {page.reason["kind"] for page in Page.objects.all()} == {"fallback"}


def test_reassigning_pages_the_named_person_first() -> None:
    c = company()
    arrive(c.source, {})
    triage.absorb()
    incident = Incident.objects.get()
    incidents.reassign([incident.pk], user_ids=[c.bob.pk], actor=c.actor)
    assert Page.objects.latest("id").user == c.bob
    assert set(incident.assignees.all()) == {c.bob}
    clock.shift(timedelta(seconds=301))
    runs.run_due()
    assert Page.objects.latest("id").user == c.alice


def test_merging_moves_alerts_and_stops_the_other_run() -> None:
    c = company()
    arrive(c.source, {"dedup_key": "a"}, {"dedup_key": "b"})
    triage.absorb()
    first, second = Incident.objects.order_by("id")
    incidents.merge(first.pk, [second.pk], actor=c.actor)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.alerts.count(), second.state, second.merged_into) == (2, "resolved", first)
    assert Run.objects.filter(state="waiting").count() == 1
    arrive(c.source, {"dedup_key": "a", "action": "resolve"}, {"dedup_key": "b", "action": "resolve"})
    triage.absorb()
    first.refresh_from_db()
    assert first.state == "resolved"


def test_a_person_without_any_contact_method_is_passed_over_at_once() -> None:
    c = company()
    c.alice.contact_methods.all().delete()
    arrive(c.source, {})
    triage.absorb()
    assert runs.run_due() == 1
    assert Page.objects.latest("id").user == c.bob
