"""The ledger: what is added is sealed, what is changed afterwards shows; and what should have happened is asked for."""

import random
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client

from tocsin.delivery.models import Attempt, Delivery, Notice
from tocsin.escalation.models import Page, Run
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.intake.models import Inbox
from tocsin.people.models import ContactMethod, User
from tocsin.people.queries import actor_of
from tocsin.platform import audit, clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Forbidden
from tocsin.platform.models import LedgerEntry
from tocsin.project import ledger
from tocsin.project.ledger import reconciling, sealing, verifying
from tocsin.triage import actions as triage
from tocsin.triage.models import Signal
from tocsin.triage.tests.world import Company, arrive, company

pytestmark = pytest.mark.django_db


@pytest.fixture
def c() -> Company:
    return company()


def happen(c: Company, number: int = 1) -> Incident:
    """A signal opens an incident, which pages somebody, whose page is tried."""
    arrive(c.source, {"dedup_key": f"k{number}", "title": f"Disk {number}"})
    triage.absorb(100)
    incident = Incident.objects.order_by("-id")[0]
    page = Page.objects.filter(incident=incident).first()
    delivery = Delivery.objects.create(
        key=f"d{number}", kind="page", page=page, incident=incident, channel="pocket", address="x",
        state="accepted", created_at=clock.now(), ended_at=clock.now(),
    )  # fmt: skip
    Attempt.objects.create(delivery=delivery, number=1, started_at=clock.now(), outcome="accepted", detail="taken")
    return incident


def seal() -> int:
    """Note what is there, and seal it."""
    return ledger.seal_due() + ledger.seal_due()


def problems(**more: Any) -> list[str]:
    return ledger.verify(actor=SYSTEM, **more).problems


def test_what_happened_is_sealed_and_holds(c: Company) -> None:
    audit.record(SYSTEM, "changed", "service", c.service.pk, c.service.name)
    happen(c)
    assert ledger.seal_due() == 0  # noted first
    assert ledger.seal_due() == 5
    assert {entry.stream for entry in LedgerEntry.objects.all()} == {
        "signals", "pages", "attempts", "timeline", "audit",
    }  # fmt: skip
    assert seal() == 0  # nothing is new
    happen(c, 2)
    assert seal() == 4
    found = ledger.verify(actor=SYSTEM)
    assert found.holds
    assert found.entries == 9
    assert found.rows == sum(LedgerEntry.objects.values_list("count", flat=True))
    head = ledger.head()
    assert head is not None
    assert found.head == head.hash
    assert problems(known_head=head.previous) == []


def _change_signal() -> None:
    Signal.objects.filter(title="Disk 1").update(outcome="suppressed")


def _lose_attempt() -> None:
    Attempt.objects.order_by("id")[0].delete()


def _slip_in() -> None:
    row = TimelineEntry.objects.order_by("id")[0]
    TimelineEntry.objects.filter(pk=row.pk).update(hash="0" * 64)


def _another_reason() -> None:
    page = Page.objects.order_by("id")[0]
    Page.objects.filter(pk=page.pk).update(reason=page.reason | {"why": "because"})


def _rewrite_entry() -> None:
    LedgerEntry.objects.filter(stream="pages").update(digest="0" * 64)


def _drop_entry() -> None:
    LedgerEntry.objects.filter(stream="attempts").delete()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_change_signal, "something in these 1 rows was changed"),
        (_lose_attempt, "0 rows, 1 were sealed"),
        (_slip_in, "was changed"),
        (_another_reason, "was changed"),
        (_rewrite_entry, "does not follow"),
        (_drop_entry, "does not follow"),
    ],
)
def test_what_was_tampered_with_shows(c: Company, tamper: Any, said: str) -> None:
    happen(c)
    seal()
    assert problems() == []
    tamper()
    assert any(said in one for one in problems())


def test_a_ledger_that_was_cut_off_shows_by_its_head_only(c: Company) -> None:
    happen(c)
    seal()
    head = ledger.head()
    assert head is not None
    LedgerEntry.objects.filter(pk=head.pk).delete()
    assert problems() == []
    assert problems(known_head=head.hash) == [
        "the head that was kept elsewhere is not in this ledger: it was rewritten or cut"
    ]


def test_large_streams_are_sealed_in_parts(c: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 3)
    for number in range(8):
        happen(c, number)
    seal()
    counts = list(LedgerEntry.objects.filter(stream="signals").values_list("count", flat=True))
    assert counts == [3, 3, 2]
    assert problems() == []
    monkeypatch.setattr(sealing, "MOST_ENTRIES", 1)
    for number in range(8, 16):
        happen(c, number)
    for _ in range(30):
        seal()
    assert Signal.objects.count() == sum(LedgerEntry.objects.filter(stream="signals").values_list("count", flat=True))
    assert problems() == []


def test_a_signal_that_still_waits_is_sealed_when_it_has_its_outcome(c: Company) -> None:
    happen(c)
    arrive(c.source, {"dedup_key": "late", "title": "Late"})
    waiting = Inbox.objects.get()
    arrive(c.source, {"dedup_key": "after", "title": "After"})
    Inbox.objects.filter(pk=waiting.pk).delete()  # put off, as one that cannot be decided is
    triage.absorb(100)
    Inbox.objects.create(**{field.attname: getattr(waiting, field.attname) for field in Inbox._meta.fields})
    seal()
    assert Signal.objects.count() == 2
    assert LedgerEntry.objects.get(stream="signals").count == 1
    triage.absorb(100)
    seal()
    assert sum(LedgerEntry.objects.filter(stream="signals").values_list("count", flat=True)) == 3
    assert problems() == []


def test_signals_too_old_to_be_kept_may_be_gone(c: Company) -> None:
    happen(c)
    seal()
    Signal.objects.all().delete()
    assert problems() != []
    clock.shift(timedelta(days=settings.TOCSIN.signal_days + 1))
    found = ledger.verify(actor=SYSTEM)
    assert (found.holds, found.pruned) == (True, 1)


def test_any_history_holds_and_any_change_of_it_shows(c: Company) -> None:
    dice = random.Random(4)
    for number in range(12):
        happen(c, number)
        if dice.random() < 0.6:
            ledger.seal_due()
    for _ in range(3):
        ledger.seal_due()
    assert problems() == []
    tables: dict[str, Any] = {"signals": Signal, "pages": Page, "attempts": Attempt, "timeline": TimelineEntry}
    for stream, table in tables.items():
        last = LedgerEntry.objects.filter(stream=stream).order_by("-id")[0].last_id
        row = dice.choice(list(table.objects.filter(pk__lte=last)))
        table.objects.filter(pk=row.pk).delete()
        assert any(stream in one for one in problems())


def test_only_whoever_configures_may_verify(c: Company) -> None:
    with pytest.raises(Forbidden):
        ledger.verify(actor=actor_of(c.bob))
    client = Client()
    client.force_login(c.bob, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/api/v1/ledger").status_code == 403
    assert client.post("/api/v1/ledger/verify", {}, content_type="application/json").status_code == 403


# --- reconciling ----------------------------------------------------------------------------------------------------


def whats() -> set[str]:
    return {one.what for one in ledger.reconcile()}


def test_a_healthy_day_has_nothing_to_find(c: Company) -> None:
    happen(c)
    assert whats() == set()
    clock.shift(timedelta(seconds=30))
    assert whats() == set()


def test_what_should_have_happened_is_found(c: Company) -> None:
    incident = happen(c)
    arrive(c.source, {"dedup_key": "k9", "title": "Waits"})
    clock.shift(timedelta(seconds=61))
    assert "signals_waiting" in whats()
    Inbox.objects.all().delete()
    clock.shift(timedelta(hours=2))
    assert {"runs_late", "deliveries_late"} >= whats() > set()
    Run.objects.update(state="stopped", due_at=None, ended_at=clock.now())
    Delivery.objects.filter(state="pending").delete()
    assert whats() == {"incidents_idle"}
    Page.objects.all().delete()
    assert whats() == {"incidents_idle", "incidents_unpaged"}
    Delivery.objects.all().delete()
    row = Delivery.objects.create(
        key="stuck", kind="page", incident=incident, channel="pocket", address="x", state="sending", claim=1,
        claimed_until=clock.now() - timedelta(minutes=2), created_at=clock.now(),
    )  # fmt: skip
    assert "deliveries_stuck" in whats()
    row.delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE triage_signal SET incident_id = 999999")
    assert "signals_lost" in whats()


def test_administrators_hear_of_it_loudly_and_once_an_hour(c: Company) -> None:
    admin = c.actor
    assert admin.user_id is not None
    ContactMethod.objects.create(user_id=admin.user_id, channel="pocket", address="admin")
    arrive(c.source, {"dedup_key": "k9", "title": "Waits"})
    assert reconciling.reconcile_due() == []
    clock.shift(timedelta(seconds=61))
    found = reconciling.reconcile_due()
    assert found is not None
    assert [one.what for one in found] == ["signals_waiting"]
    notice = Notice.objects.get()
    assert notice.title == "Tocsin itself is late: 1 accepted signals have no outcome yet"
    assert reconciling.reconcile_due() is None  # not yet again
    assert Delivery.objects.filter(kind="notice").delete()[0]  # it went out
    clock.shift(timedelta(minutes=10))
    assert reconciling.reconcile_due()
    assert Notice.objects.count() == 1
    clock.shift(timedelta(minutes=51))
    assert reconciling.reconcile_due()
    assert Notice.objects.count() == 2
    assert reconciling.last()["found"][0]["count"] == 1
    Inbox.objects.all().delete()
    Delivery.objects.all().delete()
    clock.shift(timedelta(minutes=2))
    assert reconciling.reconcile_due() == []


def test_health_tells_of_the_ledger(c: Company, client: Client) -> None:
    client.force_login(
        User.objects.get(name=c.actor.name), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert "Nothing is sealed yet" in client.get("/settings/health/").content.decode()
    happen(c)
    seal()
    arrive(c.source, {"dedup_key": "k9", "title": "Waits"})
    clock.shift(timedelta(seconds=61))
    reconciling.reconcile_due()
    page = client.get("/settings/health/").content.decode()
    assert "Something is missing" in page
    assert "accepted signals have no outcome yet" in page
    assert ledger.head() is not None
    told = client.post("/api/v1/ledger/verify", {"head": "nonsense"}, content_type="application/json").json()
    assert (told["holds"], told["entries"]) == (False, 4)
    assert len(client.get("/api/v1/ledger").json()["items"]) == 4
    assert client.get("/api/v1/ledger/findings").json()["items"][0]["what"] == "signals_waiting"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sealed_while_a_transaction_from_before_is_open() -> None:
    made = company()
    happen(made)
    parameters = connections["default"].get_connection_params()
    keep = {key: parameters[key] for key in ("dbname", "user", "host", "port", "password") if key in parameters}
    with psycopg.connect(**keep) as other:
        other.execute("SELECT 1")  # it has begun, and may have taken an id
        ledger.seal_due()
        assert ledger.seal_due() == 0
        other.commit()
    assert ledger.seal_due() == 4
    assert verifying.verify(actor=SYSTEM).holds
