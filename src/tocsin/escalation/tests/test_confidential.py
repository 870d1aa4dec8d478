"""Notices about confidential incidents go to people who may not read them, and say nothing of them."""

from datetime import timedelta

import pytest

from tocsin.delivery.models import Notice
from tocsin.escalation import queries
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Policy, PolicyStep
from tocsin.escalation.queries import watching
from tocsin.incidents import actions as incidents
from tocsin.people.models import Membership
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage.tests.world import Company, company

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
