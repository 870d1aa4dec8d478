"""Analytics: figures that are right for incidents whose times are known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.analytics import percentile
from tocsin.api.pagerduty.tests.world import World, world
from tocsin.incidents import actions, queries
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

RAW = "/analytics/raw/incidents"
METRICS = "/analytics/metrics/incidents"


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[int], share: int) -> None:
    found = percentile(values, share)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= share * len(values)
    assert sum(value < found for value in values) * 100 < share * len(values)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([None, None], 50) is None


@pytest.fixture
def pd(db: None) -> World:
    return world()


def lived(pd: World, title: str, opened: datetime, ack_s: int, resolve_s: int, **given: Any) -> Any:
    """An incident that was opened, acknowledged and resolved at these times."""
    made = pd.declare(title, **given)
    pd.put(made, status="acknowledged")
    pd.put(made, status="resolved")
    number = made["incident_number"]
    acknowledged, resolved = opened + timedelta(seconds=ack_s), opened + timedelta(seconds=resolve_s)
    queries.incidents(SYSTEM).filter(pk=number).order_by().update(
        opened_at=opened, acknowledged_at=acknowledged, resolved_at=resolved
    )
    entries = queries.timeline(SYSTEM, number)
    entries.filter(kind="acknowledged").order_by().update(at=acknowledged)
    entries.filter(kind="resolved").order_by().update(at=resolved)
    return made


@pytest.fixture
def history(pd: World) -> list[Any]:
    """Two major incidents on a Monday, a minor one on the day after."""
    monday = datetime(2026, 3, 2, 10, tzinfo=UTC)
    return [
        lived(pd, "One", monday, 60, 3600),
        lived(pd, "Two", monday + timedelta(minutes=30), 120, 7200),
        lived(pd, "Three", monday + timedelta(days=1), 300, 600, urgency="low"),
    ]


def asked(**more: Any) -> dict[str, Any]:
    """A body that asks for the days of ``history``."""
    filters = {"created_at_start": "2026-03-02T00:00:00Z", "created_at_end": "2026-03-04T00:00:00Z"}
    return {"filters": filters | more.pop("filters", {}), "time_zone": "Etc/UTC", **more}


def test_figures_of_all(pd: World, history: list[Any]) -> None:
    [line] = pd.do("POST", f"{METRICS}/all", asked())["data"]
    assert line["total_incident_count"] == 3
    assert line["mean_seconds_to_first_ack"] == 160
    assert line["mean_seconds_to_resolve"] == 3800
    assert line["p50_seconds_to_first_ack"] == 120
    assert line["p95_seconds_to_resolve"] == 7200
    assert line["total_incidents_acknowledged"] == 3
    assert line["total_incidents_auto_resolved"] == 0
    assert line["total_engaged_seconds"] == 3540 + 7080 + 300
    assert line["total_interruptions"] == 2  # the minor one paged quietly
    # the major ones were open from 10:00 to 12:30, of two days
    assert line["up_time_pct"] == round(100 * (1 - 2.5 / 48), 2)
    assert line["total_notifications"] == 3


def test_figures_by_day_and_group(pd: World, history: list[Any]) -> None:
    told = pd.do("POST", f"{METRICS}/services", asked(aggregate_unit="day", order="asc"))
    lines = [(line["range_start"], line["service_name"], line["total_incident_count"]) for line in told["data"]]
    assert lines == [("2026-03-02T00:00:00", "Checkout", 2), ("2026-03-03T00:00:00", "Checkout", 1)]
    assert told["aggregate_unit"] == "day"
    [week] = pd.do("POST", f"{METRICS}/teams", asked(aggregate_unit="week"))["data"]
    assert (week["range_start"], week["team_name"]) == ("2026-03-02T00:00:00", "Payments")
    [month] = pd.do("POST", f"{METRICS}/escalation_policies", asked(aggregate_unit="month"))["data"]
    assert (month["range_start"], month["escalation_policy_name"]) == ("2026-03-01T00:00:00", "Payments")
    for kind in ("services", "teams", "escalation_policies"):
        assert pd.do("POST", f"{METRICS}/{kind}/all", asked())["data"][0]["total_incident_count"] == 3


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"urgency": "low"}, 1),
        ({"major": True}, 2),
        ({"major": False}, 1),
        ({"priority_names": ["P1"]}, 2),
        ({"priority_ids": [ids.write("priority", 3)]}, 1),
        ({"team_ids": [ids.write("team", 999)]}, 0),
        ({"service_ids": ["PNOTHING"]}, 0),
        ({"min_ackowledgements": 2}, 0),
        ({"created_at_start": "2026-03-03T00:00:00Z"}, 1),
    ],
)
def test_filters(pd: World, history: list[Any], filters: dict[str, Any], count: int) -> None:
    data = pd.do("POST", f"{METRICS}/all", asked(filters=filters))["data"]
    assert sum(line["total_incident_count"] for line in data) == count


@pytest.mark.parametrize(
    "body",
    [
        {"filters": []},
        {"time_zone": "Moon/Base"},
        {"order": "up"},
        {"aggregate_unit": "hour"},
        {"filters": {"created_at_start": "yesterday"}},
        {"filters": {"created_at_start": "2020-01-01", "created_at_end": "2026-01-01"}},
        {"filters": {"service_ids": "x"}},
        {"filters": {"urgency": "urgent"}},
    ],
)
def test_what_cannot_be_counted(pd: World, body: dict[str, Any]) -> None:
    pd.refused("POST", f"{METRICS}/all", body)
    pd.refused("POST", RAW, body)


def test_single_incidents_page_by_page(pd: World, history: list[Any]) -> None:
    whole = pd.do("POST", RAW, asked(order="asc"))
    assert [one["description"] for one in whole["data"]] == ["One", "Two", "Three"]
    first = whole["data"][0]
    assert (first["created_at"], first["seconds_to_first_ack"], first["seconds_to_resolve"]) == (
        "2026-03-02T10:00:00", 60, 3600,
    )  # fmt: skip
    assert (first["acknowledged_user_names"], first["resolved_by_user_name"]) == (["Alice"], "Alice")
    assert (first["major"], first["urgency"], first["auto_resolved"]) == (True, "high", False)
    seen, after = [], None
    while True:
        page = pd.do("POST", RAW, asked(order="desc", limit=2) | ({"starting_after": after} if after else {}))
        seen += [one["description"] for one in page["data"]]
        after = page["last"]
        if not page["more"]:
            break
    assert seen == ["Three", "Two", "One"]
    back = pd.do("POST", RAW, asked(order="asc", limit=1, ending_before=history[2]["id"]))
    assert [one["description"] for one in back["data"]] == ["Two"]
    slow = pd.do("POST", RAW, asked(order="desc", order_by="seconds_to_resolve"))["data"]
    assert [one["description"] for one in slow] == ["Two", "One", "Three"]
    assert pd.refused("POST", RAW, asked(starting_after="PNOTHING"))[0] == 2002
    tokyo = pd.do("POST", RAW, asked(order="asc") | {"time_zone": "Asia/Tokyo"})["data"][0]
    assert tokyo["created_at"] == "2026-03-02T19:00:00"


def test_one_incident_and_who_was_asked(pd: World) -> None:
    made = pd.declare()
    pd.do("POST", f"/incidents/{made['id']}/snooze", {"duration": 600}, status=201)
    pd.put(made, status="triggered")
    target = {"responder_request_target": pd.user(pd.company.bob)}
    body = {"message": "help", "responder_request_targets": [target]}
    pd.do("POST", f"/incidents/{made['id']}/responder_requests", body)
    pd.put(made, status="acknowledged")
    one = pd.do("GET", f"{RAW}/{made['id']}")
    assert (one["status"], one["resolved_at"]) == ("acknowledged", None)
    assert one["assigned_user_names"] == ["Alice", "Bob"]
    told = pd.do("GET", f"{RAW}/{made['id']}/responses")
    assert [(row["responder_name"], row["responder_type"], row["response_status"]) for row in told["responses"]] == [
        ("Alice", "assigned", "joined"), ("Bob", "added_responder", "pending"),
    ]  # fmt: skip
    assert pd.refused("GET", f"{RAW}/{ids.write('incident', 99_999)}", status=404)[0] == 2100


def test_a_snooze_counts_until_it_ends(pd: World) -> None:
    made = pd.declare()
    pd.do("POST", f"/incidents/{made['id']}/snooze", {"duration": 600}, status=201)
    pd.put(made, status="resolved")
    entries = queries.timeline(SYSTEM, made["incident_number"])
    entries.filter(kind="resolved").order_by().update(at=clock.now() + timedelta(seconds=90))
    assert 85 <= pd.do("GET", f"{RAW}/{made['id']}")["snoozed_seconds"] <= 95


def test_figures_take_a_constant_number_of_queries(pd: World) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queried:
            pd.do("POST", f"{METRICS}/services", {})
            pd.do("POST", RAW, {})
        return len(queried)

    pd.declare()
    few = count()
    for _ in range(5):
        pd.put(pd.declare(), status="resolved")
    assert count() == few


def test_a_confidential_incident_is_not_counted_for_others(pd: World) -> None:
    made = pd.declare("Secret")
    actions.make_confidential([made["incident_number"]], actor=pd.company.actor)
    bob = pd.of(pd.company.bob)
    assert bob("POST", f"{METRICS}/all", {}).json()["data"] == []
    assert bob("POST", RAW, {}).json()["data"] == []
    assert bob("GET", f"{RAW}/{made['id']}").status_code == 404
