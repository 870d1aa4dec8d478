"""What columns, dates and values are taken for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tocsin.platform.errors import Invalid
from tocsin.project.history import columns, dates, options, values
from tocsin.project.history.columns import Column
from tocsin.project.history.options import Options

SAMPLES = {
    "moment": "31/12/2020 10:00", "number": "3", "text": "something", "priority": "2 - High", "state": "Closed",
    "impact": "1", "urgency": "2",
}  # fmt: skip

# names as tools export them, and what they are
EXPORTS = {
    "servicenow": {
        "Number": "number", "Short description": "title", "Opened": "opened_at", "Resolved": "resolved_at",
        "Closed": "closed_at", "Updated": "updated_at", "Incident state": "state", "Priority": "priority",
        "Impact": "impact", "Urgency": "urgency", "Assignment group": "team", "Assigned to": "person",
        "Caller": "reporter", "Description": "description", "Business service": "service",
        "Reopen count": "reopened", "Reassignment count": "reassigned", "Close notes": "resolution",
    },
    "servicenow, German": {
        "Nummer": "number", "Kurzbeschreibung": "title", "Geöffnet": "opened_at", "Gelöst": "resolved_at",
        "Geschlossen": "closed_at", "Aktualisiert": "updated_at", "Status": "state", "Priorität": "priority",
        "Auswirkung": "impact", "Dringlichkeit": "urgency", "Zuweisungsgruppe": "team", "Zugewiesen an": "person",
        "Anrufer": "reporter", "Beschreibung": "description", "Konfigurationselement": "service",
    },
    "servicenow, French": {
        "Numéro": "number", "Description courte": "title", "Ouvert": "opened_at", "Résolu": "resolved_at",
        "Fermé": "closed_at", "Mis à jour": "updated_at", "État": "state", "Priorité": "priority",
        "Urgence": "urgency", "Groupe d'affectation": "team", "Affecté à": "person", "Appelant": "reporter",
    },
    "servicenow, Spanish": {
        "Número": "number", "Descripción breve": "title", "Abierto": "opened_at", "Resuelto": "resolved_at",
        "Cerrado": "closed_at", "Actualizado": "updated_at", "Estado": "state", "Prioridad": "priority",
        "Impacto": "impact", "Urgencia": "urgency", "Grupo de asignación": "team", "Asignado a": "person",
    },
    "jira": {
        "Issue key": "number", "Summary": "title", "Created": "opened_at", "Resolved": "resolved_at",
        "Updated": "updated_at", "Status": "state", "Priority": "priority", "Assignee": "person",
        "Reporter": "reporter", "Description": "description", "Component/s": "service",
    },
}  # fmt: skip


def column(name: str, *seen: str) -> Column:
    made = Column(name)
    for value in seen:
        made.see(value)
    return made


@pytest.mark.parametrize("tool", EXPORTS)
def test_columns_of_usual_exports_are_known(tool: str) -> None:
    told = EXPORTS[tool]
    made = [column(name, SAMPLES.get(field) or SAMPLES[columns.BY_NAME[field].kind]) for name, field in told.items()]
    assert columns.guess(made) == {field: name for name, field in told.items()}


def test_what_is_in_a_column_counts_more_than_its_name() -> None:
    made = [
        column("number", "INC1", "INC2"), column("created", "yes", "no"), column("opened_at", "2020-01-01"),
        column("u_priority_confirmation", "true", "false"), column("state", "Bavaria", "Texas"),
    ]  # fmt: skip
    assert columns.guess(made) == {"number": "number", "opened_at": "opened_at"}


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("29/2/2016 01:16", "D/M/Y", "2016-02-29T01:16"),
        ("2/29/2016 1:16 PM", "M/D/Y", "2016-02-29T13:16"),
        ("2/29/2016 12:05 AM", "M/D/Y", "2016-02-29T00:05"),
        ("29.02.2016 01:16:30", "D/M/Y", "2016-02-29T01:16:30"),
        ("03-04-16", "D/M/Y", "2016-04-03T00:00"),
        ("2016-02-29 01:16:05", "Y/M/D", "2016-02-29T01:16:05"),
        ("2016-02-29T01:16:05.123Z", "D/M/Y", "2016-02-29T01:16:05"),
        ("2016-02-29T01:16:05+0530", "M/D/Y", "2016-02-28T19:46:05"),
        ("29/Feb/16 6:40 PM", "Y/M/D", "2016-02-29T18:40"),
        ("3. Mai 2021 08:00", "D/M/Y", "2021-05-03T08:00"),
        ("3 août 2021", "D/M/Y", "2021-08-03T00:00"),
        ("Jan 5, 2021 10:00", "M/D/Y", "2021-01-05T10:00"),
        ("1456708560", "Y/M/D", "2016-02-29T01:16"),
        ("1456708560000", "Y/M/D", "2016-02-29T01:16"),
        ("30/2/2016", "D/M/Y", None),
        ("13/13/2016", "D/M/Y", None),
        ("3/4/2016", "Y/M/D", None),
        ("25:00", "D/M/Y", None),
        ("1/1/0020", "D/M/Y", None),
        ("soon", "D/M/Y", None),
        ("9999-12-31", "Y/M/D", None),
    ],
)  # fmt: skip
def test_moments(text: str, order: str, expected: str | None) -> None:
    found = dates.moment(text, order, dates.UTC_ZONE)
    assert found == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)


def test_moments_are_of_the_zone_and_of_two_the_earlier() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert dates.moment("1/7/2021 12:00", "D/M/Y", berlin) == datetime(2021, 7, 1, 10, 0, tzinfo=UTC)
    assert dates.moment("31/10/2021 02:30", "D/M/Y", berlin) == datetime(2021, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "order"),
    [
        (["3/4/2021", "25/4/2021"], "D/M/Y"),
        (["3/4/2021", "4/25/2021"], "M/D/Y"),
        (["3/4/2021", "5/4/2021"], ""),
        (["25/4/2021", "4/25/2021"], ""),
        (["2021-04-03", "2021-04-25"], "Y/M/D"),
        (["3/Apr/21 1:00 PM"], "Y/M/D"),
    ],
)
def test_the_order_is_decided_by_days_above_twelve_or_not_at_all(seen: list[str], order: str) -> None:
    assert dates.order_of([column("opened", *seen).moments]) == order


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("priority", "1 - Critical", "P1"), ("priority", "Highest", "P1"), ("priority", "P2", "P2"),
        ("priority", "3", "P3"), ("priority", "4 \u2013 Niedrig", "P4"), ("priority", "Hoch", "P2"),
        ("priority", "SEV1", "P1"), ("priority", "P0", "P1"), ("priority", "9", ""), ("priority", "blue", ""),
        ("priority", "Élevée", "P2"), ("priority", "Trivial", "P5"), ("priority", "11", ""),
        ("impact", "1 - High", "high"), ("impact", "Extensive / Widespread", "high"), ("urgency", "3 - Low", "low"),
        ("urgency", "Dringend", ""), ("impact", "0", ""),
        ("state", "In Progress", "acknowledged"), ("state", "Awaiting User Info", "acknowledged"),
        ("state", "Closed Complete", "closed"), ("state", "6", "resolved"), ("state", "Gelöst", "resolved"),
        ("state", "Cerrado", "closed"), ("state", "To Do", "triggered"), ("state", "-100", ""),
    ],
)  # fmt: skip
def test_values(field: str, value: str, expected: str) -> None:
    assert values.meaning(field, value, {}) == expected


def test_what_was_said_of_a_value_counts() -> None:
    assert values.meaning("priority", "High", {"priority": {"High": "P1"}}) == "P1"


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        (Options(mapping={"nubmer": "a"}), "mapping.nubmer"),
        (Options(mapping={"number": "z"}), "mapping.number"),
        (Options(order="Y-M-D"), "order"),
        (Options(zone="Mars/Base"), "zone"),
        (Options(open="page"), "open"),
        (Options(services="all"), "services"),
        (Options(link="javascript:alert({number})"), "link"),
        (Options(link="https://example.org/"), "link"),
        (Options(values={"title": {"a": "b"}}), "values.title"),
        (Options(values={"state": {"a": "b"}}), "values.state.a"),
    ],
)
def test_options_that_make_no_sense_are_named(given_: Options, named: str) -> None:
    with pytest.raises(Invalid) as caught:
        options.checked(given_, ["a", "b"])
    assert list(caught.value.problems) == [named]
