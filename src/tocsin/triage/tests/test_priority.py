"""A sender that names the priority of its incident gets it; people and rules of this house outrank it."""

import pytest

from tocsin.incidents.models import Incident
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.rules import RuleSpec
from tocsin.triage.rules.priority import ASKED, after_worse, at_opening
from tocsin.triage.tests.world import arrive, company


@pytest.mark.parametrize(
    ("asked", "expected", "found"), [("", "P2", ("P2", "")), ("P2", "P2", ("P2", "")), ("P5", "P1", ("P5", ASKED))]
)
def test_at_opening(asked: str, expected: str, found: tuple[str, str]) -> None:
    assert at_opening(asked, expected) == found


@pytest.mark.parametrize(
    ("before", "reason", "asked", "expected", "louder", "found"),
    [
        ("P3", "", "", "P2", True, ("P2", "")),
        ("P3", "", "", "P3", False, ("P3", "")),
        ("P4", "a person said so", "P1", "P1", True, ("P4", "a person said so")),
        ("P4", ASKED, "P1", "P3", False, ("P1", ASKED)),
        ("P1", ASKED, "P4", "P3", True, ("P1", ASKED)),
        ("P4", ASKED, "", "P2", True, ("P2", "")),
        ("P1", ASKED, "", "P2", True, ("P1", ASKED)),
        ("P3", "", "P1", "P2", True, ("P1", ASKED)),
        ("P3", "", "P5", "P3", False, ("P3", "")),
    ],
)
def test_after_worse(before: str, reason: str, asked: str, expected: str, louder: bool, found: tuple[str, str]) -> None:
    assert after_worse(before, reason, asked, expected, louder) == found


@pytest.mark.django_db
@pytest.mark.parametrize("priority", ["P1", "P2", "P3", "P4", "P5"])
def test_the_incident_has_the_priority_that_the_sender_asked_for(priority: str) -> None:
    c = company()
    arrive(c.source, {"severity": "info", "priority": priority})
    triage.absorb()
    assert Incident.objects.get().priority == priority


@pytest.mark.django_db
def test_a_severity_rule_outranks_the_sender() -> None:
    c = company()
    spec = RuleSpec(name="all is critical", kind="severity", condition="true", severity="critical")
    triage.save_rule(spec, actor=SYSTEM)
    arrive(c.source, {"severity": "info", "priority": "P5"})
    triage.absorb()
    assert Incident.objects.get().priority == "P1"


@pytest.mark.django_db
def test_a_louder_alert_of_the_group_raises_what_was_asked_for() -> None:
    c = company(by="service")
    arrive(c.source, {"severity": "info", "priority": "P5"})
    triage.absorb()
    arrive(c.source, {"dedup_key": "other", "severity": "critical", "priority": "P1"})
    triage.absorb()
    incident = Incident.objects.get()
    assert (incident.priority, incident.alert_count) == ("P1", 2)
    arrive(c.source, {"dedup_key": "third", "severity": "info", "priority": "P5"})
    triage.absorb()
    assert Incident.objects.get().priority == "P1"
