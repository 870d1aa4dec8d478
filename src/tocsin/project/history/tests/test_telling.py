"""One incident from its rows: how it ended, what its timeline tells, what had to be assumed."""

from datetime import UTC, datetime
from typing import Any

from tocsin.incidents.past import PastIncident
from tocsin.project.history.findings import Findings
from tocsin.project.history.options import Options
from tocsin.project.history.reading import Row
from tocsin.project.history.telling import Teller

HEADER = ["number", "title", "opened", "resolved", "closed", "updated", "state", "priority", "group", "who", "reopened"]
MAPPING = {
    "number": "number", "title": "title", "opened_at": "opened", "resolved_at": "resolved", "closed_at": "closed",
    "updated_at": "updated", "state": "state", "priority": "priority", "team": "group", "person": "who",
    "reopened": "reopened",
}  # fmt: skip
FIRST = {"number": "INC1", "title": "Mail is slow", "opened": "2021-01-01 10:00", "priority": "2", "group": "Desk"}


def tell(*rows: dict[str, str], **options: Any) -> tuple[PastIncident | None, set[str]]:
    """The incident of these rows, each of which changes the one before, and the codes of the findings."""
    now: dict[str, str] = {}
    made = []
    for line, row in enumerate(rows, start=2):
        now = now | row
        made.append(Row(line, tuple(now.get(name, "") for name in HEADER)))
    findings = Findings()
    teller = Teller(HEADER, Options(mapping=MAPPING, order="Y/M/D", zone="UTC", **options), "desk", findings)
    return teller.tell("INC1", made), {str(one["code"]) for one in findings.to_json()}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2021-01-01T{text}").replace(tzinfo=UTC)


def test_a_log_of_changes_becomes_a_timeline() -> None:
    past, found = tell(
        FIRST | {"state": "New", "updated": "2021-01-01 10:00"},
        {"state": "Active", "updated": "2021-01-01 10:20", "group": "Mail", "who": "Kim"},
        {"state": "Resolved", "updated": "2021-01-01 12:00", "resolved": "2021-01-01 12:00"},
        {"state": "Active", "updated": "2021-01-01 13:00", "priority": "1"},
        {"state": "Resolved", "updated": "2021-01-01 15:00", "resolved": "2021-01-01 15:00"},
        {"state": "Closed", "updated": "2021-01-01 18:00", "closed": "2021-01-01 18:00"},
    )
    assert past is not None
    assert [(one.kind, one.at) for one in past.happened] == [
        ("opened", at("10:00")), ("acknowledged", at("10:20")), ("reassigned", at("10:20")), ("resolved", at("12:00")),
        ("reopened", at("13:00")), ("priority_changed", at("13:00")), ("resolved", at("15:00")),
        ("closed", at("18:00")),
    ]  # fmt: skip
    assert (past.state, past.priority, past.reopened, past.reassigned) == ("closed", "P1", 1, 1)
    assert (past.acknowledged_at, past.resolved_at, past.closed_at) == (at("10:20"), at("15:00"), at("18:00"))
    assert past.happened[0].data["priority"] == "P2"
    assert found == {"acknowledged_from_change"}


def test_rows_in_any_order_tell_the_same() -> None:
    rows = [
        FIRST | {"state": "New", "updated": "2021-01-01 10:00"},
        FIRST | {"state": "Active", "updated": "2021-01-01 10:20"},
        FIRST | {"state": "Closed", "updated": "2021-01-01 12:00", "resolved": "2021-01-01 11:00"},
    ]
    one, other = tell(*rows)[0], tell(*reversed(rows))[0]
    assert one is not None
    assert other is not None
    assert (one.state, one.happened) == (other.state, other.happened)


def test_one_row_tells_by_its_moments() -> None:
    past, found = tell(FIRST | {"state": "Closed", "resolved": "2021-01-01 12:00", "closed": "2021-01-01 18:00"})
    assert past is not None
    assert [one.kind for one in past.happened] == ["opened", "resolved", "closed"]
    assert past.resolved_known
    assert found == set()


def test_what_is_open_in_the_file_is_over_at_its_last_change_or_left_out() -> None:
    rows = FIRST | {"state": "Active", "updated": "2021-01-01 11:00"}
    past, found = tell(rows)
    assert past is not None
    assert (past.state, past.resolved_at, past.resolved_known) == ("resolved", at("11:00"), False)
    assert past.happened[-1].data == {"note": "still open in desk"}
    assert "still_open" in found
    assert tell(rows, open="leave_out") == (None, {"left_open"})


def test_an_end_that_is_not_told_is_assumed_and_said() -> None:
    past, found = tell(FIRST | {"state": "Closed", "closed": "2021-01-01 18:00"})
    assert past is not None
    assert (past.resolved_at, past.resolved_known) == (at("18:00"), False)
    assert found == {"resolved_from_closed"}
    past, found = tell(FIRST | {"state": "Closed", "updated": "2021-01-01 17:00"})
    assert past is not None
    assert found == {"resolved_from_change"}
    assert tell(FIRST | {"state": "Closed"}) == (None, {"no_end"})
    past, found = tell(FIRST | {"state": "Closed", "resolved": "2020-12-31 18:00"})
    assert past is not None
    assert (past.resolved_at, past.resolved_known, found) == (at("10:00"), False, {"resolved_before_opened"})


def test_what_cannot_be_read_is_said_by_name() -> None:
    assert tell(FIRST | {"opened": "yesterday", "state": "Closed"})[1] == {"bad_moment", "no_opened"}
    past, found = tell(
        FIRST | {"state": "Zombie", "priority": "blue", "title": "", "reopened": "many", "updated": "2021-01-01 11:00"}
    )
    assert past is not None
    assert (past.priority, past.title, past.state) == ("P3", "INC1", "resolved")
    assert found == {"unknown_state", "unknown_priority", "no_title", "bad_count", "still_open"}


def test_what_was_said_of_values_counts_and_changes_the_fingerprint() -> None:
    row = FIRST | {"state": "Zombie", "resolved": "2021-01-01 12:00"}
    plain, _ = tell(row)
    said, found = tell(row, values={"state": {"Zombie": "closed"}, "priority": {"2": "P1"}})
    assert plain is not None
    assert said is not None
    assert (said.state, said.priority, found) == ("closed", "P1", set())
    assert said.fingerprint != plain.fingerprint


def test_a_number_that_is_none_is_left_out() -> None:
    findings = Findings()
    teller = Teller(HEADER, Options(mapping=MAPPING, order="Y/M/D", zone="UTC"), "desk", findings)
    assert teller.tell("", [Row(2, ("",) * len(HEADER)), Row(9, ("",) * len(HEADER))]) is None
    assert findings.to_json()[0] | {"examples": []} == {
        "code": "no_number", "kind": "impossible", "text": "no number", "count": 2, "lines": [2, 9], "examples": [],
    }  # fmt: skip
