"""Notices about confidential incidents go to people who may not read them, and say nothing of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tocsin.catalogue.models import Service
from tocsin.delivery import actions as delivery
from tocsin.delivery.models import Delivery, Notice
from tocsin.escalation import actions, queries
from tocsin.escalation.actions import runs
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import Page, Policy, PolicyStep, Run
from tocsin.escalation.proving import prove
from tocsin.escalation.queries import watching
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.escalation.simulator import Like, simulate
from tocsin.escalation.tests.test_by_hand import person
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident, Reader
from tocsin.people.models import ContactMethod, Membership, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, remember
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Invalid
from tocsin.triage import actions as triage
from tocsin.triage.actions.desk import Desk
from tocsin.triage.tests.world import Company, arrive, company

pytestmark = pytest.mark.django_db
SECRET = "Payroll was copied"


@pytest.fixture
def c() -> Company:
    made = company()
    executives = [{"kind": "user", "id": made.bob.pk}]
    Policy.objects.filter(pk=made.policy.pk).update(executives=executives, executive_priorities=["P1"])
    PolicyStep.objects.filter(position=0).update(tier="L1", warn_s=120)
    Membership.objects.filter(user=made.bob).update(role="manager")
    return made


def test_executives_and_early_warnings(c: Company) -> None:
    made = incidents.declare(SECRET, c.service.pk, actor=c.actor, confidential=True)
    runs.run_due()
    clock.shift(timedelta(minutes=3))
    runs.run_due()
    executive, tier = Notice.objects.order_by("id")
    assert executive.title == f"P1: Confidential incident INC-{made.pk}"
    assert tier.title == f"INC-{made.pk} is in L1 for 3 minutes"
    for notice in (executive, tier):
        assert f"Confidential incident INC-{made.pk}" in notice.body
        assert not [word for word in (SECRET, c.service.name, c.policy.name) if word in notice.title + notice.body]


def test_runs_and_pages_are_for_readers(c: Company) -> None:
    made = incidents.declare(SECRET, c.service.pk, actor=c.actor, confidential=True)
    runs.run_due()
    page, now = Page.objects.get(), clock.now()
    tom = c.bob
    assert page.user_id != tom.pk
    for actor, found in ((actor_of(tom), False), (c.actor, True), (SYSTEM, True)):
        assert queries.runs(actor, made.pk).exists() is found
        assert queries.pages(actor, made.pk).exists() is found
        assert (queries.why_page(actor, page.pk) is not None) is found
        assert (queries.what_next(actor, made.pk, now).kind == "page") is found
        assert (watching.ahead(actor, made.pk, now) is not None) is found
        assert (watching.last_run(actor, made.pk) is not None) is found
        assert (watching.page(actor, page.pk) is not None) is found
        assert bool(watching.pages_of(actor, made.pk)) is found
        assert bool(watching.pages_since(actor, now - timedelta(hours=1))) is found


# --- the path of their own ------------------------------------------------------------------------------------------


@pytest.fixture
def apart(c: Company) -> Company:
    """Confidential incidents of the company's policy follow Security, which pages Carol, and the executive Bob."""
    person("carol")
    spec = PolicySpec("Security", [StepSpec(["user:carol@example.org"], 300)], executives=[f"user:{c.bob.email}"])
    save_policy(spec, actor=SYSTEM)
    (own,) = queries.export_policies([c.policy.pk])
    own.confidential = "security"
    own.executives = []
    save_policy(own, actor=SYSTEM, id=c.policy.pk)
    return c


def carol() -> User:
    return User.objects.get(email="carol@example.org")


def test_a_confidential_incident_follows_its_own_policy(apart: Company) -> None:
    made = incidents.declare(SECRET, apart.service.pk, actor=SYSTEM, confidential=True)
    (page,) = Page.objects.all()
    assert page.user == carol()
    readers = {row.user.name: row.why for row in Reader.objects.filter(incident=made)}
    assert readers == {"Carol": "was paged for it", apart.bob.name: "was told of it"}
    clock.shift(timedelta(minutes=5))
    runs.run_due()
    last = Page.objects.order_by("-id")[0]
    assert last.user is None or last.user.role == "admin"  # never the team
    assert "Security" in last.reason["text"]


def test_what_becomes_confidential_changes_over_and_stops_what_was_on_its_way(apart: Company) -> None:
    made = incidents.declare(SECRET, apart.service.pk, actor=SYSTEM)
    first = Page.objects.get()
    assert first.user != carol()
    incidents.make_confidential([made.pk], actor=SYSTEM, why="copied by somebody")
    made.refresh_from_db()
    assert (made.state, made.generation) == ("triggered", 2)
    assert Page.objects.order_by("-id")[0].user == carol()
    assert {row.state for row in Delivery.objects.filter(page=first)} == {"dropped"}
    assert [one.user_id for one in delivery.claim()] == [carol().pk]
    assert Reader.objects.filter(incident=made, user=first.user).exists()  # who was paged goes on reading it


def test_one_that_somebody_answers_for_stays_with_them(apart: Company) -> None:
    made = incidents.declare(SECRET, apart.service.pk, actor=SYSTEM)
    first = Page.objects.get()
    assert first.user is not None
    incidents.acknowledge([made.pk], actor=actor_of(first.user))
    incidents.make_confidential([made.pk], actor=actor_of(first.user))
    assert Page.objects.count() == 1
    incidents.unacknowledge([made.pk], actor=actor_of(first.user))
    assert Page.objects.order_by("-id")[0].user == carol()


@pytest.mark.parametrize("acknowledged", [False, True])
def test_escalating_for_security_makes_it_confidential_and_pages_the_path_once(
    apart: Company, acknowledged: bool
) -> None:
    made = incidents.declare(SECRET, apart.service.pk, actor=SYSTEM)
    first = Page.objects.get().user
    assert first is not None
    if acknowledged:
        incidents.acknowledge([made.pk], actor=actor_of(first))
    actions.escalate_now(made.pk, actor=actor_of(first), reason_code="security", confidential=True)
    made.refresh_from_db()
    assert (made.confidential, made.state) == (True, "triggered")
    assert [page.user for page in Page.objects.order_by("id")] == [first, carol()]
    assert Run.objects.filter(incident=made, state="waiting").count() == 1
    # without a path of its own the next step follows
    Policy.objects.filter(pk=apart.policy.pk).update(confidential=None)
    remember.forget_everything()
    other = incidents.declare("Other", apart.service.pk, actor=SYSTEM)
    actions.escalate_now(other.pk, actor=actor_of(first), reason_code="security", confidential=True)
    assert [page.step for page in Page.objects.filter(incident=other).order_by("id")][:2] == [0, 1]
    other.refresh_from_db()
    assert (other.confidential, other.generation) == (True, 1)


def test_the_simulator_and_the_proof_know_the_path(apart: Company) -> None:
    found = simulate(apart.service.pk, "P1", clock.now(), 3600, actor=SYSTEM, like=Like(confidential=True))
    assert found.pages[0].user == "Carol"
    assert simulate(apart.service.pk, "P1", clock.now(), 3600, actor=SYSTEM).pages[0].user != "Carol"
    ContactMethod.objects.update(verified_at=clock.now())
    carol().contact_methods.all().delete()
    told = [one.sentence for one in prove(actor=SYSTEM, months=1).counter_examples]
    assert [text for text in told if text.startswith(f"{apart.service.name} (confidential), P1 to P5")]


def test_the_path_is_another_policy_that_stays(apart: Company) -> None:
    (own,) = queries.export_policies([apart.policy.pk])
    assert own.confidential == "security"
    for wrong in ("nobody", own.slug):
        own.confidential = wrong
        with pytest.raises(Invalid) as refused:
            save_policy(own, actor=SYSTEM, id=apart.policy.pk)
        assert refused.value.problems == {"confidential": "the slug of another policy, or empty"}
    with pytest.raises(Conflict) as kept:
        actions.delete_policies([Policy.objects.get(slug="security").pk], actor=SYSTEM)
    assert apart.policy.name in kept.value.problems["security"]


def test_what_becomes_confidential_while_it_opens_is_paged_once(apart: Company) -> None:
    """An alert of a confidential service joins an incident that the same batch of signals has opened."""
    Service.objects.filter(pk=apart.service.pk).update(grouping={"by": "service"})
    arrive(apart.source, {"dedup_key": "one", "title": "Disk full"})
    arrive(apart.source, {"dedup_key": "two", "title": SECRET})
    seen = Desk.join

    def join(desk: Desk, incident_id: int, alert: Any, service: Any, how: Any) -> None:
        seen(desk, incident_id, alert, replace(service, confidential=True), how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "join", join)
        triage.absorb(100)
    incident = Incident.objects.get()
    assert incident.confidential
    assert [page.user for page in Page.objects.all()] == [carol()]
    assert Run.objects.filter(state="waiting").count() == 1
