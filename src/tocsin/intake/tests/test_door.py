"""The door over real HTTP, in front of the test database."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.contracts.sources import RAW, samples

from tocsin.intake import actions
from tocsin.intake.models import Inbox, Refusal, RefusalCount, SpoolMark
from tocsin.intake.rules import row_of
from tocsin.intake.tests.factories import source
from tocsin.platform import clock, settings
from tocsin.platform.actor import SYSTEM
from tocsin.project.tests.serving import Web

pytestmark = pytest.mark.django_db(transaction=True)


def eventually(what: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value; fails when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def test_an_accepted_event_is_in_the_inbox(web: Web) -> None:
    made, key = source()
    answer = web.event(key, "backup")
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "backup"}
    row = Inbox.objects.get()
    assert (row.source_id, row.action, row.dedup_key, row.severity) == (made.pk, "trigger", "backup", "critical")
    assert row.title == "Disk full: backup"
    assert row.data == {
        "labels": {"source": "db-3"}, "details": None, "links": [], "remarks": [], "origin": "db-3", "client": "",
        "client_url": "", "expires_at": None,
    }  # fmt: skip
    assert abs((clock.now() - row.received_at).total_seconds()) < 5


def test_a_new_source_works_at_once_and_a_deleted_one_no_more(web: Web) -> None:
    made, key = source()
    assert web.event(key).status_code == 202
    actions.set_enabled([made.pk], False, actor=SYSTEM)
    eventually(lambda: web.event(key).status_code == 400)
    actions.set_enabled([made.pk], True, actor=SYSTEM)
    eventually(lambda: web.event(key).status_code == 202)
    actions.rotate_key(made.pk, actor=SYSTEM)
    eventually(lambda: web.event(key).status_code == 400)


def test_refusals_speak_the_senders_language(web: Web) -> None:
    _, key = source()
    unknown = web.event("a" * 32)
    assert unknown.status_code == 400
    assert unknown.json()["errors"] == ["Invalid routing key"]
    assert web.event("short").json()["errors"] == ["Length of 'routing_key' is incorrect (should be 32 characters)"]
    broken = web.client.post("/v2/enqueue", content=b"{")
    assert broken.status_code == 400
    assert broken.json()["status"] == "Unrecognized object"
    assert broken.json()["errors"][0] == "JSON parse error"
    assert web.client.get("/v2/enqueue").status_code == 405
    assert web.client.post("/in/nonsense/x", json={}).status_code == 404
    assert web.client.post("/in/generic/unknown", json={}).status_code == 404
    assert web.client.post(f"/in/generic/{key}", json={}).status_code == 404
    assert web.client.post("/api/v2/alerts", json=[]).status_code == 401
    assert web.client.post("/api/v2/alerts", json=[]).headers["www-authenticate"].startswith("Bearer")
    for path in ("/v2/enqueue", "/in/generic/unknown", "/api/v2/alerts"):
        assert web.client.post(path, content=b"x").headers["content-type"] == "application/json"
    assert not Inbox.objects.exists()


def test_refusals_are_counted_and_kept_with_keys_masked(web: Web) -> None:
    secret = "S3cretS3cretS3cretS3cretS3cret42"
    for _ in range(50):
        assert web.event(secret).status_code == 400
    web.client.post(f"/in/generic/{secret}", json={"token": "abcdefgh", "title": "x"})

    def counted() -> int:
        return sum(RefusalCount.objects.filter(reason="unrouted").values_list("count", flat=True))

    eventually(lambda: counted() == 51)
    kept = list(Refusal.objects.all())
    assert 0 < len(kept) <= 51
    for refusal in kept:
        text = json.dumps([refusal.path, refusal.errors, refusal.excerpt])
        assert secret not in text
        assert "abcdefgh" not in text
        assert refusal.remote == "127.0.0.1"


def test_a_large_body_is_refused_before_it_is_read(start_web: Callable[..., Web]) -> None:
    web = start_web(intake_max_body=2048)
    _, key = source()
    assert web.event(key, payload={"summary": "x" * 4000, "source": "s", "severity": "info"}).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(8):
            yield b"x" * 1000

    assert web.client.post("/v2/enqueue", content=parts()).status_code == 413
    eventually(lambda: RefusalCount.objects.filter(reason="too_large").exists())


def test_more_than_the_limit_is_asked_to_wait(web: Web) -> None:
    _, key = source(limit_per_minute=3)
    assert [web.event(key, str(n)).status_code for n in range(4)] == [202, 202, 202, 429]
    answer = web.event(key, "x")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit-limit"] == "3"
    assert answer.headers["ratelimit-remaining"] == "0"
    assert Inbox.objects.count() == 3
    eventually(lambda: RefusalCount.objects.filter(reason="limited").exists())


def test_every_address_of_the_alertmanager_api(web: Web) -> None:
    _, key = source("prometheus")
    alerts = [{"labels": {"alertname": "X"}, "annotations": {"summary": "x"}}]
    for path in (f"/in/alertmanager-api/{key}", f"/in/prometheus/{key}/api/v2/alerts", f"/in/{key}/",
                 f"/api/v2/alerts?token={key}", f"/api/v2/alerts/?token={key}"):  # fmt: skip
        answer = web.client.post(path, json=alerts)
        assert (answer.status_code, answer.content) == (200, b""), path
    assert web.client.post("/api/v2/alerts", json=alerts, auth=("tocsin", key)).status_code == 200
    assert web.client.post("/api/v2/alerts", json=alerts, headers={"authorization": f"bearer {key}"}).status_code == 200
    assert Inbox.objects.count() == 7
    assert Inbox.objects.values("dedup_key", "bucket").distinct().count() == 1
    mixed = web.client.post(f"/api/v2/alerts?token={key}", json=[*alerts, {}])
    assert mixed.status_code == 422
    assert mixed.json() == {"code": 602, "message": "1.labels in body is required"}
    assert Inbox.objects.count() == 8
    assert web.client.get("/-/ready").text == "OK"
    assert web.client.get(f"/api/v2/status?token={key}").json()["cluster"]["status"] == "disabled"


def test_heartbeat_and_handshake(web: Web) -> None:
    _, key = source("heartbeat")
    for method in ("GET", "POST", "PUT"):
        assert web.client.request(method, f"/in/heartbeat/{key}").status_code == 200
    head = web.client.head(f"/in/{key}")
    assert (head.status_code, head.content) == (200, b"")
    assert set(Inbox.objects.values_list("action", flat=True)) == {"check_in"}
    _, key = source("cloudevents")
    shaken = web.client.options(f"/in/cloudevents/{key}", headers={"WebHook-Request-Origin": "events.example"})
    assert shaken.status_code == 204
    assert shaken.headers["webhook-allowed-origin"] == "*"


def test_order_inside_a_batch_and_a_poisoned_row(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = source("generic")
    body = [{"key": f"k{n}", "title": f"t{n}"} for n in range(300)]
    assert web.client.post(f"/in/generic/{key}", json=body).status_code == 202
    assert list(Inbox.objects.order_by("id").values_list("title", flat=True)) == [f"t{n}" for n in range(300)]
    Inbox.objects.all().delete()
    # a number that JSON allows and PostgreSQL's jsonb does not: only the details of that one signal are lost

    def spoiled(source_id: int, signal: Any) -> Any:
        row = row_of(source_id, signal)
        return (*row[:6], row[6].replace("null", "1e999999"), row[7]) if signal.dedup_key == "k1" else row

    monkeypatch.setattr("tocsin.intake.door.door.row_of", spoiled)
    assert web.client.post(f"/in/generic/{key}", json=body[:3]).status_code == 202
    rows = list(Inbox.objects.order_by("id"))
    assert [row.dedup_key for row in rows] == ["k0", "k1", "k2"]
    assert rows[1].data["remarks"] == ["the database refused the details; they were dropped"]
    assert rows[0].data["details"] == {"key": "k0", "title": "t0"}


def test_signals_are_spooled_while_the_database_is_away_and_arrive_in_order(web: Web) -> None:
    _, key = source()
    assert web.event(key, "before").status_code == 202
    web.lose_database()
    assert [web.event(key, f"away-{n}").status_code for n in range(20)] == [202] * 20
    assert Inbox.objects.count() == 1
    strange = web.event("b" * 32)
    assert strange.status_code == 503
    assert int(strange.headers["retry-after"]) > 0
    assert web.app.door.committer.away
    moment = clock.now()
    web.regain_database()
    eventually(lambda: Inbox.objects.count() == 21)
    eventually(lambda: not web.app.door.committer.away)
    assert web.event(key, "after").status_code == 202
    rows = list(Inbox.objects.order_by("id"))
    assert [row.dedup_key for row in rows] == ["before", *(f"away-{n}" for n in range(20)), "after"]
    assert all(row.received_at < moment for row in rows[:-1])
    assert web.app.door.committer.spool_bytes == 0


def test_a_full_spool_says_so_and_loses_nothing(start_web: Callable[..., Web]) -> None:
    web = start_web(spool_max_bytes=3000)
    _, key = source()
    assert web.event(key, "before").status_code == 202
    web.lose_database()
    codes = [web.event(key, f"away-{n}").status_code for n in range(40)]
    assert set(codes) == {202, 503}
    web.regain_database()
    eventually(lambda: not web.app.door.committer.away)
    assert web.event(key, "after").status_code == 202
    accepted = ["before", *(f"away-{n}" for n, code in enumerate(codes) if code == 202), "after"]
    assert list(Inbox.objects.order_by("id").values_list("dedup_key", flat=True)) == accepted


def test_what_is_spooled_outlives_the_process(start_web: Callable[..., Web]) -> None:
    web = start_web()
    _, key = source()
    assert web.event(key, "before").status_code == 202
    web.lose_database()
    for n in range(5):
        assert web.event(key, f"away-{n}").status_code == 202
    web.stop()
    assert Inbox.objects.count() == 1
    web.regain_database()
    other = start_web()
    eventually(lambda: Inbox.objects.count() == 6)
    assert other.event(key, "after").status_code == 202
    names = list(Inbox.objects.order_by("id").values_list("dedup_key", flat=True))
    assert names == ["before", *(f"away-{n}" for n in range(5)), "after"]
    assert len(list((settings.get().data_dir / "spool").glob("*.spool"))) == 1
    assert SpoolMark.objects.count() == 1


def test_a_process_that_starts_without_a_database_knows_the_sources(
    start_web: Callable[..., Web], tmp_path: Path
) -> None:
    _, key = source()
    start_web(data_dir=tmp_path).stop()
    text = (tmp_path / "spool" / "sources.json").read_text()
    assert key not in text
    lost = start_web(lost=True, data_dir=tmp_path)
    assert lost.event(key, "away").status_code == 202
    assert lost.event("b" * 32).status_code == 503
    moment = clock.now()
    lost.regain_database()
    eventually(lambda: Inbox.objects.count() == 1)
    assert abs((moment - Inbox.objects.get().received_at).total_seconds()) < 30


def test_pages_are_served_behind_the_door(web: Web) -> None:
    answer = web.client.get("/sign-in/")
    assert answer.status_code in (200, 404)
    assert "text/html" in answer.headers["content-type"]
    before = _backends()
    for _ in range(10):
        web.client.get("/sign-in/")
    assert _backends() <= before + 1


def _backends() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_malformed_bodies_over_http_are_refused_and_never_break_anything(web: Web) -> None:
    # Amazon's certificates cannot be fetched here: without one the answer would be 503, as it should be
    configs = {"aws-sns": {"unsigned": True}}
    keys = {kind: source(kind, config=configs.get(kind, {}))[1] for kind in {one.kind.kind for one in samples()}}
    for sample in samples():
        asked = sample.content["request"]
        for body in [sample.body, *RAW[:: 1 if sample.path.stem.startswith("refused") else 6]]:
            path = f"/in/{sample.kind.kind}/{keys[sample.kind.kind]}"
            answer = web.client.request(asked["method"], path, content=body, headers=asked.get("headers", {}))
            assert answer.status_code < 500, (sample.name, body[:60], answer.text)
            if answer.status_code >= 400:
                assert answer.json()
    assert web.event(keys["pagerduty"]).status_code == 202


def test_the_own_paths_of_victorops_and_of_pagerduty_for_nagios(web: Web) -> None:
    _, key = source("victorops")
    message = {"message_type": "CRITICAL", "entity_id": "disk/db-3"}
    for path in (f"/integrations/generic/20131114/alert/{key}/shop", f"/in/victorops/{key}/shop"):
        answer = web.client.post(path, json=message)
        assert (answer.status_code, answer.json()) == (200, {"result": "success", "entity_id": "disk/db-3"})
    unknown = web.client.post("/integrations/generic/20131114/alert/nope/shop", json=message)
    assert (unknown.status_code, unknown.json()["result"]) == (404, "failure")
    assert web.client.get(f"/integrations/generic/20131114/alert/{key}/shop").status_code == 405
    _, key = source("pagerduty")
    form = {"CONTACTPAGER": key, "NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "db-3", "HOSTSTATE": "DOWN"}
    answer = web.client.post("/nagios/2010-04-15/create_event", data=form)
    assert (answer.status_code, answer.json()["incident_key"]) == (200, "db-3")
    assert web.client.post("/nagios/2010-04-15/create_event", data=form | {"CONTACTPAGER": "x" * 32}).status_code == 400
    assert sorted(Inbox.objects.values_list("dedup_key", flat=True)) == ["db-3", "disk/db-3", "disk/db-3"]
