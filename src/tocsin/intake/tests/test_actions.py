"""Sources, Tocsin's own signals and heartbeats."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin.intake import actions, jobs, queries
from tocsin.intake.contract import Signal
from tocsin.intake.models import Heartbeat, Inbox, Refusal, Source
from tocsin.intake.rules import KEPT_REFUSALS, SourceSpec
from tocsin.intake.tests.factories import service, source
from tocsin.platform import clock, secrets
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

pytestmark = pytest.mark.django_db

OBSERVER = Actor(kind="user", id=1, name="Olga", role="observer")


def test_a_source_is_made_by_any_name_of_service_and_kind() -> None:
    shop = service()
    for given in (shop.slug, shop.name, shop.pk, str(shop.pk)):
        made = actions.create_source(given, "pagerduty-events-v2", actor=SYSTEM)
        assert (made.service_id, made.kind) == (shop.pk, "pagerduty")
    assert sorted(Source.objects.values_list("name", flat=True)) == [
        "PagerDuty Events v2", "PagerDuty Events v2 2", "PagerDuty Events v2 3", "PagerDuty Events v2 4",
    ]  # fmt: skip
    key = queries.key_of(made)
    assert len(key) == 32
    assert key.isalnum()
    assert made.key_digest == secrets.digest(key)
    assert key not in made.key_secret
    assert queries.address_of(made, "https://t.example/").url == "https://t.example/v2/enqueue"
    assert key in queries.guide_of(made)
    entry = AuditEntry.objects.filter(kind="source").first()
    assert entry is not None
    assert (entry.verb, entry.actor_name) == ("created", "Tocsin")
    assert key not in str(entry.after)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"kind": "smoke-signals"}, "kind"),
        ({"limit_per_minute": 0}, "limit_per_minute"),
        ({"kind": "heartbeat", "config": {"interval_s": 1}}, "config.interval_s"),
        ({"kind": "heartbeat", "config": {"interval_s": "often"}}, "config.interval_s"),
        ({"kind": "generic", "config": {"title": "body.("}}, "config.title"),
        ({"kind": "alertmanager", "config": {"identity": "both"}}, "config.identity"),
        ({"config": {"colour": "red"}}, "config.colour"),
    ],
)
def test_a_wrong_source_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    service()
    with pytest.raises(Invalid) as caught:
        actions.save_source(SourceSpec(**({"name": "a", "service": "shop", "kind": "generic"} | changes)), actor=SYSTEM)
    assert list(caught.value.problems) == [field]


def test_who_may_not_is_refused() -> None:
    made, _ = source()
    for attempt in (
        lambda: actions.create_source("shop", "generic", actor=OBSERVER),
        lambda: actions.update_source(made.pk, actor=OBSERVER, name="x"),
        lambda: actions.rotate_key(made.pk, actor=OBSERVER),
        lambda: actions.set_enabled([made.pk], False, actor=OBSERVER),
        lambda: actions.delete_source([made.pk], actor=OBSERVER),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert not queries.may_see_key(OBSERVER, made)


def test_changes_conflicts_and_removal() -> None:
    made, key = source(name="one")
    other, _ = source(name="two")
    with pytest.raises(Conflict):
        actions.update_source(other.pk, actor=SYSTEM, name="one")
    with pytest.raises(Conflict):
        actions.save_source(SourceSpec("three", "shop", "generic"), actor=SYSTEM, key=key)
    with pytest.raises(NotFound):
        actions.create_source("nowhere", "generic", actor=SYSTEM)
    actions.update_source(made.pk, actor=SYSTEM, name="renamed", limit_per_minute=5)
    assert queries.source(OBSERVER, made.pk).limit_per_minute == 5
    assert queries.key_of(actions.rotate_key(made.pk, actor=SYSTEM)) != key
    assert actions.set_enabled([made.pk, other.pk], False, actor=SYSTEM) == [made.pk, other.pk]
    assert actions.set_enabled([made.pk], False, actor=SYSTEM) == []
    assert [spec.name for spec in queries.export_sources()] == ["renamed", "two"]
    assert actions.delete_source([made.pk, 999_999], actor=SYSTEM) == [made.pk]


def test_own_signals_go_the_same_way() -> None:
    made, _ = source()
    count = actions.accept([(made.pk, Signal(action="trigger", dedup_key=f"k{n}", title="t\0")) for n in range(3)])
    assert count == 3
    rows = list(Inbox.objects.order_by("id"))
    assert [row.dedup_key for row in rows] == ["k0", "k1", "k2"]
    assert rows[0].title == "t\ufffd"
    assert rows[0].received_at == rows[2].received_at
    assert actions.accept([]) == 0


def test_a_test_signal_goes_the_same_way() -> None:
    made, _ = source(name="one")
    key = actions.send_test_signal(made.pk, actor=SYSTEM)
    row = Inbox.objects.get()
    assert (row.source_id, row.dedup_key) == (made.pk, key)
    assert "Test signal of one" in row.title
    with pytest.raises(Forbidden):
        actions.send_test_signal(made.pk, actor=OBSERVER)
    actions.set_enabled([made.pk], False, actor=SYSTEM)
    with pytest.raises(Conflict):
        actions.send_test_signal(made.pk, actor=SYSTEM)


def test_a_missed_check_in_becomes_a_signal_once_and_resolves_with_the_next() -> None:
    made, _ = source("heartbeat", name="backup", config={"interval_s": 600, "grace_s": 60})
    assert jobs.next_due() is None
    now = clock.now()
    assert actions.heartbeats_checked_in([(made.pk, now), (made.pk, now - timedelta(seconds=5)), (999, now)]) == 1
    assert jobs.next_due() == now + timedelta(seconds=660)
    assert jobs.run_due() == 0
    clock.shift(timedelta(seconds=661))
    assert jobs.run_due() == 1
    assert jobs.run_due() == 0
    assert jobs.next_due() is None
    row = Inbox.objects.get()
    assert (row.action, row.dedup_key, row.title) == ("trigger", "heartbeat", "backup missed its check-in")
    actions.heartbeats_checked_in([(made.pk, clock.now())])
    assert list(Inbox.objects.order_by("id").values_list("action", flat=True)) == ["trigger", "resolve"]
    assert not Heartbeat.objects.get().missed
    actions.heartbeats_checked_in([(made.pk, clock.now())])
    assert Inbox.objects.count() == 2


def test_a_heartbeat_follows_its_configuration() -> None:
    made, _ = source("heartbeat")
    assert Heartbeat.objects.get().interval_s == 3600
    now = clock.now()
    actions.heartbeats_checked_in([(made.pk, now)])
    actions.update_source(made.pk, actor=SYSTEM, config={"interval_s": 60, "grace_s": 0})
    assert jobs.next_due() == now + timedelta(seconds=60)
    actions.update_source(made.pk, actor=SYSTEM, kind="generic", config={})
    assert not Heartbeat.objects.exists()


def test_a_source_that_is_off_misses_nothing() -> None:
    made, _ = source("heartbeat", config={"interval_s": 60, "grace_s": 0})
    actions.heartbeats_checked_in([(made.pk, clock.now())])
    actions.set_enabled([made.pk], False, actor=SYSTEM)
    clock.shift(timedelta(seconds=61))
    assert jobs.run_due() == 0
    assert not Inbox.objects.exists()


def test_refusals_stay_bounded() -> None:
    at = clock.now()
    Refusal.objects.bulk_create(
        [
            Refusal(at=at, reason="malformed", status=400, path="/x", remote="", errors=[], excerpt="")
            for _ in range(KEPT_REFUSALS + 7)
        ]
    )
    assert jobs.prune() == 7
    assert Refusal.objects.count() == KEPT_REFUSALS
    assert queries.refusal_counts(SYSTEM) == []
