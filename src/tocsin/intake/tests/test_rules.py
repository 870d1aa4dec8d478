"""Pure decisions of intake."""

import json
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.intake import rules
from tocsin.intake.contract import (
    KEY_LIMIT,
    Link,
    Signal,
    clean,
    identity,
    moment,
    severity_of,
    short_key,
    tidy_labels,
)
from tocsin.intake.contract.mapping import Mapping, mapping_problems
from tocsin.intake.door.remote import remote_of
from tocsin.intake.sources.alertmanager_api.parser import fingerprint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(key=ANY_TEXT, title=ANY_TEXT, details=JSON, label=ANY_TEXT, remark=ANY_TEXT)
def test_a_row_can_always_be_stored(key: str, title: str, details: Any, label: str, remark: str) -> None:
    signal = Signal(
        action="trigger", dedup_key=key or "k", title=title, details=details, labels={label: label}, remarks=[remark],
        links=[Link(label, label)], origin=label,
    )  # fmt: skip
    row = rules.row_of(7, signal)
    for text in row:
        if isinstance(text, str):
            assert "\0" not in text
            text.encode()
    data = json.loads(row[6], parse_constant=lambda name: pytest.fail(name))
    assert "\0" not in json.dumps(data, ensure_ascii=False)
    assert row[1] == crc32(f"7:{row[3]}".encode()) & 63
    for bare in (rules.plainest(row),):
        assert all(text.isascii() for text in bare if isinstance(text, str))


def test_details_that_are_too_deep_become_text() -> None:
    deep: Any = "core"
    for _ in range(300):
        deep = [deep]
    row = rules.row_of(1, Signal(action="trigger", dedup_key="k", title="t", details=deep))
    data = json.loads(row[6])
    assert isinstance(data["details"], str)
    assert data["remarks"] == ["details nested more than 64 deep were kept as text"]
    wide = [{"a": [n]} for n in range(200)]
    row = rules.row_of(1, Signal(action="trigger", dedup_key="k", title="t", details=wide))
    assert json.loads(row[6])["details"] == wide


@given(st.text(min_size=1, max_size=600))
def test_short_keys_stay_and_long_ones_stay_distinct(key: str) -> None:
    short = short_key(key)
    assert len(short) <= KEY_LIMIT
    assert short == key or len(key) > KEY_LIMIT
    if len(key) > KEY_LIMIT:
        assert short != short_key(key + "x")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", "critical"), ("Page", "critical"), ("P1", "critical"), ("high", "error"), ("WARN", "warning"),
        (" minor ", "warning"), ("none", "info"), ("p5", "info"), ("whatever", "error"), (None, "error"), (3, "error"),
    ],
)  # fmt: skip
def test_severities(word: Any, severity: str) -> None:
    assert severity_of(word) == severity


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2015-07-17T08:42:58.315+0000", "2015-07-17T08:42:58.315000+00:00"),
        ("2026-11-23T05:50:03.123456789Z", "2026-11-23T05:50:03.123456+00:00"),
        ("2026-11-23 05:50", "2026-11-23T05:50:00+00:00"),
        ("2026-11-23", "2026-11-23T00:00:00+00:00"),
        (1777886880, "2026-05-04T09:28:00+00:00"),
        (1777886880000, "2026-05-04T09:28:00+00:00"),
        ("0001-01-01T00:00:00Z", None), ("soon", None), (None, None), (True, None), (1e300, None), ("", None),
        (float("nan"), None), ("9999-12-31T23:59:59-23:00", None),
    ],
)  # fmt: skip
def test_moments(text: Any, wanted: str | None) -> None:
    found = moment(text)
    assert (found.isoformat() if found else None) == wanted


def test_identity_knows_no_order_and_fingerprints_are_alertmanagers() -> None:
    assert identity({"a": "1", "b": "2"}) == identity({"b": "2", "a": "1"})
    assert identity({"a": "1"}) != identity({"a": "2"})
    # FNV-1a of nothing is its offset; of one byte "a" it is a published test value
    assert fingerprint({}) == "cbf29ce484222325"
    assert len(fingerprint({"alertname": "X", "instance": "é"})) == 16
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})


def test_labels_and_cleaning() -> None:
    assert tidy_labels({"a": 1, "b": None, "": "x", "c": True, "d": [1]}) == {"a": "1", "c": "true", "d": "[1]"}
    assert tidy_labels("no") == {}
    assert clean({"a\0": ["\ud800", 1, {"b": "\0"}]}) == {"a\ufffd": ["\ufffd", 1, {"b": "\ufffd"}]}


def test_token_bucket_lets_a_minutes_worth_through_and_then_the_rate() -> None:
    bucket = rules.TokenBucket(60, at=100.0)
    for _ in range(60):
        assert bucket.wait(100.0) == 0
        bucket.take(1)
    assert bucket.wait(100.0) == pytest.approx(1.0)
    assert bucket.wait(100.5) == pytest.approx(0.5)
    assert bucket.wait(101.0) == 0
    bucket.take(61)
    assert bucket.wait(101.0) == pytest.approx(61.0)
    assert bucket.wait(200.0) == 0
    assert bucket.left > 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=60))
def test_token_bucket_never_lets_more_through_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    bucket = rules.TokenBucket(30, at=0.0)
    at, taken = 0.0, 0
    for pause, count in steps:
        at += pause
        if bucket.wait(at) == 0:
            bucket.take(count)
            taken += count
        assert taken <= 30 + at * 0.5 + 5


@pytest.mark.parametrize(
    "text",
    [
        '{"routing_key":"0123456789abcdef0123456789abcdef","x":1}',
        "{'service_key': 'supersecretvalue'}",
        "token=supersecretvalue&x=1",
        '{"routing_key":"supersecretval',
        "Authorization: Bearer supersecretvalue",
        "see 0123456789abcdef0123456789abcdef there",
        '{"password" : "supersecretvalue"}',
    ],
)
def test_keys_are_masked(text: str) -> None:
    shown = rules.masked(text)
    assert "supersecret" not in shown
    assert "0123456789" not in shown


def test_paths_are_masked() -> None:
    assert rules.masked_path("/in/generic/0123456789abcdef0123456789abcdef/tail") == "/in/generic/0123…/tail"
    assert rules.masked_path("/in/alertmanager-api-v2-long-name/x") == "/in/alertmanager-api-v2-long-name/x"
    assert rules.masked_path("/v2/enqueue") == "/v2/enqueue"
    assert len(rules.masked_path("/" + "x" * 900)) == 500


@given(st.binary(max_size=6000))
def test_excerpts_can_always_be_stored(body: bytes) -> None:
    text = rules.excerpt(body)
    assert len(text) <= rules.EXCERPT
    assert "\0" not in text
    text.encode()


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"title": "body.("}, "title"),
        ({"title": "nobody.x"}, "title"),
        ({"action": "'a' +"}, "action"),
        ({"labels": "{"}, "labels"),
        ({"title": "(" * 3000}, "title"),
    ],
)
def test_mappings_are_checked_before_saving(config: dict[str, str], field: str) -> None:
    assert list(mapping_problems(config)) == [field]


def test_good_mappings_pass() -> None:
    config = {
        "action": "has(body.ok) && body.ok ? 'resolve' : 'trigger'",
        "title": "body.items.map(item, item.name)[0] + query.env + headers['x-event']",
        "labels": "{'host': body.host}",
    }
    assert mapping_problems(config) == {}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON)
def test_a_mapping_never_breaks(body: Any) -> None:
    config = {
        "title": "body.a.b", "action": "body.c", "labels": "body", "details": "body", "severity": "body[0]",
        "dedup_key": "string(body)",
    }  # fmt: skip
    signal = Mapping(config).signal(body, {}, {"title": "t", "dedup_key": "k"})
    if signal is not None:
        rules.row_of(1, signal)


NETWORKS = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("client", "headers", "address", "scheme"),
    [
        ("203.0.113.9:999", {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}, "203.0.113.9", "http"),
        ("10.0.0.2:999", {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}, "1.2.3.4", "https"),
        ("10.0.0.2:999", {"x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.0.0.7"}, "1.2.3.4", "http"),
        ("10.0.0.2:999", {"x-forwarded-for": "6.6.6.6, rubbish"}, "10.0.0.2", "http"),
        ("10.0.0.2:999", {"x-forwarded-proto": "gopher"}, "10.0.0.2", "http"),
        ("[::1]:999", {"x-forwarded-for": "1.2.3.4"}, "::1", "http"),
        ("[::ffff:10.0.0.2]:999", {"x-forwarded-for": "1.2.3.4"}, "1.2.3.4", "http"),
    ],
)
def test_only_trusted_proxies_are_believed(client: str, headers: dict[str, str], address: str, scheme: str) -> None:
    remote = remote_of(client, "http", headers, NETWORKS)
    assert (remote.address, remote.scheme) == (address, scheme)


def test_heartbeat_rules() -> None:
    at = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
    due = rules.heartbeat_due(at, 3600, 60)
    assert due == datetime(2026, 5, 4, 10, 31, tzinfo=UTC)
    missed = rules.missed_signal(rules.HeartbeatMissed(1, "backup", at, due))
    back = rules.returned_signal("backup", due)
    assert missed.title == "backup missed its check-in"
    assert (missed.action, back.action) == ("trigger", "resolve")
    assert missed.dedup_key == back.dedup_key


def test_a_heartbeat_may_be_told_what_its_incident_is_called() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = {"message": "No backup", "priority": "P2", "tags": "tape,db", "description": "copies to tape"}
    missed = rules.missed_signal(rules.HeartbeatMissed(1, "backup", at, at, told))
    assert (missed.title, missed.priority) == ("No backup", "P2")
    assert missed.labels == {"heartbeat": "backup", "tags": "tape,db"}
    assert missed.details["description"] == "copies to tape"
    usual = rules.missed_signal(rules.HeartbeatMissed(1, "backup", at, at, {"priority": "matrix"}))
    assert (usual.title, usual.priority, usual.labels) == ("backup missed its check-in", "", {"heartbeat": "backup"})
