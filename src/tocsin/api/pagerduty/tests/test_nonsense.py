"""Bodies and queries that make no sense are refused in PagerDuty's shape, never by a 500."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.world import World, world

WORDS = (
    "incident", "incidents", "note", "content", "duration", "alert", "alerts", "status", "urgency", "priority", "id",
    "title", "service", "assignments", "assignee", "escalation_level", "escalation_policy", "source_incidents",
    "filters", "message", "responder_request_targets", "responder_request_target", "requester_id", "type", "body",
    "details", "incident_key", "resolution", "time_zone", "order", "limit", "starting_after", "subject",
    "aggregate_unit", "created_at_start", "created_at_end", "service_ids",
)  # fmt: skip
TEXT = st.sampled_from(
    ["", "acknowledged", "resolved", "triggered", "high", "low", "\0", "x" * 1100, "2026-01-01", "\ud800",
     "user_reference", "escalation_policy_reference", "1e999", "٣", *(ids.write(kind, 1) for kind in ids.KINDS)]
)  # fmt: skip
LEAF = st.one_of(TEXT, st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False))
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=15,
)
ADDRESSES = [
    ("POST", "/incidents"), ("PUT", "/incidents"), ("PUT", "/incidents/{}"), ("PUT", "/incidents/{}/merge"),
    ("POST", "/incidents/{}/snooze"), ("POST", "/incidents/{}/notes"), ("POST", "/incidents/{}/status_updates"),
    ("PUT", "/incidents/{}/alerts"), ("PUT", "/incidents/{}/alerts/x"), ("POST", "/incidents/{}/responder_requests"),
    ("PUT", "/incidents/{}/responder_requests/cancel"),
    ("POST", "/analytics/metrics/incidents/all"), ("POST", "/analytics/raw/incidents"),
]  # fmt: skip
LISTS = [
    "/incidents", "/incidents/{}", "/incidents/{}/alerts", "/incidents/{}/log_entries", "/log_entries",
    "/change_events", "/notifications", "/incidents/{}/notes", "/incidents/{}/related_change_events",
    "/incidents/{}/past_incidents",
]  # fmt: skip
NAMES = (
    "since", "until", "statuses[]", "user_ids[]", "service_ids", "team_ids[]", "urgencies[]", "sort_by", "include[]",
    "limit", "offset", "total", "time_zone", "date_range", "incident_key", "alert_key", "is_overview", "filter",
)  # fmt: skip
WRAPPED = {"/incidents": "incident", "/incidents/{}": "incident", "/incidents/{}/notes": "note"}


@pytest.mark.usefixtures("db")
class TestNonsense(TestCase):
    """A world for each example would take too long; the rows of each are rolled back."""

    pd: World
    number: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.pd = world()
        cls.number = cls.pd.declare()["id"]

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(ADDRESSES), JSON, st.booleans())
    def test_bodies(self, address: tuple[str, str], value: Any, wrapped: bool) -> None:
        method, path = address
        body = {WRAPPED[path]: value} if wrapped and method != "PUT" and path in WRAPPED else value
        answer = self.pd.ask(method, path.format(self.number), body)
        assert answer.status_code < 500, (method, path, body, answer.content)
        assert answer["Content-Type"] == "application/json"

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(sorted(WORDS)), JSON, max_size=6))
    def test_updates(self, fields: dict[str, Any]) -> None:
        answer = self.pd.ask("PUT", f"/incidents/{self.number}", {"incident": fields})
        assert answer.status_code < 500, (fields, answer.content)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(sorted(WORDS)), JSON, max_size=6))
    def test_new_ones(self, fields: dict[str, Any]) -> None:
        body = {"incident": {"title": "x", "service": self.pd.service()} | fields}
        answer = self.pd.ask("POST", "/incidents", body)
        assert answer.status_code < 500, (fields, answer.content)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(LISTS), st.dictionaries(st.sampled_from(NAMES), TEXT | st.integers().map(str), max_size=5))
    def test_queries(self, path: str, query: dict[str, str]) -> None:
        text = "&".join(f"{quote(name)}={quote(value, errors='surrogatepass')}" for name, value in query.items())
        answer = self.pd.ask("GET", f"{path.format(self.number)}?{text}")
        assert answer.status_code < 500, (path, query, answer.content)
