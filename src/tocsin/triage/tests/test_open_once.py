"""An alert is open at most once per key, whatever order its signals come in and whichever engine gave it its number."""

import pytest
from django.db import connection

from tocsin.incidents.models import Incident
from tocsin.intake.models import Inbox
from tocsin.triage import actions as triage
from tocsin.triage.models import Alert, Signal
from tocsin.triage.tests.world import arrive, company

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("others", [0, 60], ids=["few", "many"])  # few are sent in a pipeline, many by COPY
def test_an_open_alert_that_ends_and_comes_back_in_one_batch(others: int) -> None:
    c = company()
    arrive(c.source, {})
    triage.absorb()
    arrive(c.source, {"action": "resolve"}, {}, *({"dedup_key": f"other-{n}"} for n in range(others)))
    assert triage.absorb() == 2 + others
    assert Inbox.objects.count() == 0
    states = list(Alert.objects.filter(dedup_key="disk").order_by("id").values_list("state", flat=True))
    assert states == ["resolved", "open"]
    assert Signal.objects.filter(dedup_key="disk").count() == 3
    assert Incident.objects.filter(state="triggered").count() == 1 + others


def test_the_open_alert_is_found_though_a_later_number_has_ended() -> None:
    """Engines take numbers ahead: after a bucket changed hands, the alert that is open may have the lower number."""
    c = company()
    arrive(c.source, {}, {"action": "resolve"})
    triage.absorb()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE triage_alert SET id = id + 1000000 WHERE state = 'resolved'")
    arrive(c.source, {})
    triage.absorb()
    arrive(c.source, {})
    assert triage.absorb() == 1
    assert Alert.objects.get(state="open").count == 2


@pytest.mark.parametrize(
    "grouping", [{"reopen_s": 3600}, {"by": "service"}, {"by": "service", "reopen_s": 3600}], ids=str
)
def test_an_incident_that_ends_and_comes_back_in_one_batch(grouping: dict[str, object]) -> None:
    c = company(**grouping)
    arrive(c.source, {})
    triage.absorb()
    arrive(c.source, {"action": "resolve"}, {}, {"action": "resolve"}, {})
    assert triage.absorb() == 4
    assert Incident.objects.filter(state="triggered").count() == 1
    assert Alert.objects.filter(state="open").count() == 1
