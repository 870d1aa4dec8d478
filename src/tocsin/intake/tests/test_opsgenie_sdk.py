"""Opsgenie's own client for Python, told nothing but our address and a key."""

from typing import Any

import pytest
from opsgenie_sdk import (  # type: ignore[import-untyped]
    AcknowledgeAlertPayload,
    AddNoteToAlertPayload,
    AlertApi,
    ApiClient,
    CloseAlertPayload,
    Configuration,
    CreateAlertPayload,
    SnoozeAlertPayload,
)
from opsgenie_sdk.exceptions import OpenApiException  # type: ignore[import-untyped]

from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.platform.actor import SYSTEM
from tocsin.project.tests.serving import Web
from tocsin.triage import actions as triage
from tocsin.triage.tests.world import company

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # the client is of 2020 and speaks to its own time
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


def status_of(error: Any) -> int:
    """The status that an error of the client tells."""
    return int(error.status)


@pytest.fixture
def alerts(web: Web) -> Any:
    """The client's alerts, for a source of its own."""
    source = intake.create_source(company().service.slug, "opsgenie", actor=SYSTEM)
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{web.port}"
    configuration.api_key["Authorization"] = sources.key_of(source)
    configuration.api_key_prefix["Authorization"] = "GenieKey"
    return AlertApi(api_client=ApiClient(configuration=configuration))


def test_the_official_client_creates_reads_and_ends_an_alert(alerts: Any) -> None:
    told = alerts.create_alert(
        CreateAlertPayload(message="Disk is full", alias="disk on db/3", priority="P1", tags=["db"], details={"a": "b"})
    )
    assert told.result == "Request will be processed"
    triage.absorb()
    status = alerts.get_request_status(told.request_id).data
    assert (status.is_success, status.action, status.alias) == (True, "Create", "disk on db/3")
    alert = alerts.get_alert(identifier=status.alert_id, identifier_type="id").data
    assert (alert.message, alert.priority, alert.tags, alert.details) == ("Disk is full", "P1", ["db"], {"a": "b"})
    assert [found.id for found in alerts.list_alerts(query="status: open", limit=10).data] == [alert.id]
    assert alerts.count_alerts(query="status: open").data.count == 1

    note = AddNoteToAlertPayload(note="looking", user="kim")
    alerts.add_note(identifier=alert.alias, identifier_type="alias", add_note_to_alert_payload=note)
    assert alerts.list_notes(identifier=alert.id).data[0].note.startswith("looking")
    acknowledge = AcknowledgeAlertPayload(user="kim")
    alerts.acknowledge_alert(identifier=alert.id, acknowledge_alert_payload=acknowledge)
    triage.absorb()
    assert alerts.get_alert(identifier=alert.tiny_id, identifier_type="tiny").data.acknowledged is True
    closing = CloseAlertPayload(note="done")
    ended = alerts.close_alert(identifier=alert.alias, identifier_type="alias", close_alert_payload=closing)
    triage.absorb()
    assert alerts.get_request_status(ended.request_id).data.status == "Closed alert"
    assert alerts.count_alerts(query="status: closed").data.count == 1
    assert alerts.list_logs(identifier=alert.id).data


def test_the_official_client_understands_refusals(alerts: Any) -> None:
    with pytest.raises(OpenApiException) as long:
        alerts.create_alert(CreateAlertPayload(message="m" * 131))
    assert status_of(long.value) == 422
    with pytest.raises(OpenApiException) as missing:
        alerts.get_alert(identifier="nothing")
    assert status_of(missing.value) == 404
    alerts.create_alert(CreateAlertPayload(message="x", alias="x"))
    triage.absorb()
    with pytest.raises(OpenApiException) as late:
        alerts.snooze_alert(
            identifier="x",
            identifier_type="alias",
            snooze_alert_payload=SnoozeAlertPayload(end_time="2019-01-01T00:00:00Z"),
        )
    assert status_of(late.value) == 422
