"""Health, readiness, figures and the doctor."""

import json
import socket
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tocsin.people.actions import create_token
from tocsin.people.models import User
from tocsin.platform import clock, nodes
from tocsin.platform.actor import SYSTEM
from tocsin.project import doctor, health
from tocsin.project.doctor import FAIL, OK, WARN, Finding, examine

pytestmark = pytest.mark.django_db


def test_liveness_says_the_version(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_ready_without_an_engine_is_degraded_but_takes_signals(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "tocsin engine" in answer.json()["parts"]["engine"]


def test_ready_with_an_engine(client: Client) -> None:
    nodes.report("engine")
    answer = client.get("/readyz")
    assert answer.json() == {
        "status": "ok",
        "parts": {"database": "ok", "schema": "ok", "engine": "ok", "spool": "ok"},
        "spool_bytes": 0,
    }


def test_not_ready_while_migrations_are_pending(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "schema_problem", lambda: "migrations are pending: run `tocsin migrate`")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"


def test_figures_for_this_machine_only(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'tocsin_nodes{kind="engine"} 0.0' in text
    assert 'tocsin_incidents_open{priority="P1"} 0.0' in text
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403


def test_a_missing_listener_for_mail_is_told_only_where_mail_is_taken(client: Client, settings: Any) -> None:
    assert 'kind="mail"' not in client.get("/metrics").content.decode()
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"mail_domain": "in.example.org"})
    assert 'tocsin_nodes{kind="mail"} 0.0' in client.get("/metrics").content.decode()


def test_figures_for_a_token(client: Client) -> None:
    user = User.objects.create_user("ada@example.org", name="Ada", created_at=clock.now())
    _, token = create_token(user.pk, actor=SYSTEM, scopes=["read"])
    answer = client.get("/metrics", REMOTE_ADDR="192.0.2.7", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    answer = client.get("/metrics", headers={"authorization": "Bearer tocsin_wrong"})
    assert answer.status_code == 403, "a wrong token is refused even here"


def _found(name: str, findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_doctor_of_a_machine_without_processes() -> None:
    findings = examine(settings.TOCSIN)
    assert _found("python", findings).state == OK
    assert _found("database", findings).state == OK
    assert _found("durability", findings).state == FAIL, "the tests' database is not durable"
    assert _found("schema", findings).state == OK
    assert _found("clock", findings).state == OK
    engine = _found("engine", findings)
    assert engine.state == FAIL
    assert "tocsin engine" in engine.mend
    assert json.dumps([finding.as_json() for finding in findings])
    assert all(finding.mend for finding in findings if finding.state != OK)


def test_doctor_sees_processes_and_a_shifted_clock() -> None:
    clock.shift(timedelta(hours=2))
    nodes.report("engine")
    nodes.report("web")
    findings = examine(settings.TOCSIN)
    assert _found("engine", findings).state == OK
    assert _found("web", findings).state == OK
    assert _found("clock shift", findings).state == WARN
    assert _found("clock", findings).state == OK, "the shift is no drift"


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken(_settings: object) -> list[Finding]:
        raise RuntimeError("oh")

    monkeypatch.setattr(doctor, "CHECKS", (_broken,))
    assert examine(settings.TOCSIN) == [Finding("broken", FAIL, "RuntimeError: oh", "Please report this as a defect.")]


def test_doctor_without_a_database_does_not_look_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "database_problem", lambda: "does not answer")
    findings = examine(settings.TOCSIN)
    assert _found("database", findings).state == FAIL
    assert not [finding for finding in findings if finding.name in ("schema", "clock", "engine")]


def test_doctor_tries_the_listener_for_mail() -> None:
    nothing = settings.TOCSIN.model_copy(update={"mail_domain": ""})
    assert not [one for one in examine(nothing) if one.name == "mail in"]
    wanted = settings.TOCSIN.model_copy(update={"mail_domain": "in.example.org"})
    assert _found("mail in", examine(wanted)).state == FAIL
    nodes.report("mail")
    elsewhere = _found("mail in", examine(wanted))
    assert (elsewhere.state, elsewhere.text) == (OK, "1 running for in.example.org")
    dead = settings.TOCSIN.model_copy(update={"mail_domain": "in.example.org", "mail_listen": "127.0.0.1:9"})
    assert _found("mail in", examine(dead)).state == FAIL


def test_doctor_tries_the_listener_for_syslog() -> None:
    assert not [one for one in examine(settings.TOCSIN) if one.name == "syslog in"]
    wanted = settings.TOCSIN.model_copy(update={"syslog_listen": "127.0.0.1:9"})
    assert _found("syslog in", examine(wanted)).text == "no process takes syslog in"
    nodes.report("syslog")
    dead = _found("syslog in", examine(wanted))
    assert (dead.state, dead.text.startswith("127.0.0.1:9: ")) == (FAIL, True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        listens = {"syslog_listen": f"127.0.0.1:{server.getsockname()[1]}"}
        alive = _found("syslog in", examine(settings.TOCSIN.model_copy(update=listens)))
    assert (alive.state, alive.text) == (OK, "1 running")
