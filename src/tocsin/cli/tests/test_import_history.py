"""Imports of past incidents on the command line and over HTTP, against a live server on loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from typer.testing import CliRunner, Result

from tocsin.cli.main import app
from tocsin.incidents.models import HistoryImport, Incident
from tocsin.people import actions
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM
from tocsin.project.history import working
from tocsin.project.history.tests.logs import service_desk

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Result]


@pytest.fixture
def people() -> Named:
    return named_people()


@pytest.fixture
def engine() -> Iterator[None]:
    """Works on runs as an engine does, until the test is over."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            working.work_due()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def tocsin(people: Named, engine: None, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``tocsin ...`` as Alice."""
    _, token = actions.create_token(people.alice.pk, actor=SYSTEM)
    monkeypatch.setenv("TOCSIN_URL", live_server.url)
    monkeypatch.setenv("TOCSIN_TOKEN", token)
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path))
    runner = CliRunner()

    def run(*words: str, code: int = 0) -> Result:
        result = runner.invoke(app, words)
        assert result.exit_code == code, (words, result.stdout, result.stderr, result.exception)
        return result

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(service_desk(30), newline="")
    return path


def test_plan_apply_list_and_rollback_on_the_command_line(tocsin: Run, log: Path) -> None:
    asked = tocsin("import", "csv", str(log), code=2)
    assert "--zone" in asked.stderr
    shown = tocsin("import", "csv", str(log), "--zone", "UTC", "--map", "cause=", "--value", "priority:1=P2")
    assert "30 incidents: 30 new" in shown.stdout
    assert "Nothing was written" in shown.stdout
    assert not HistoryImport.objects.exists()
    told = json.loads(tocsin("import", "csv", str(log), "--zone", "UTC", "--apply", "--json").stdout)
    assert told["result"]["created"] == Incident.objects.count() == 30
    listed = json.loads(tocsin("incident", "list", "--imported", "only", "--limit", "50", "--json").stdout)
    assert len(listed["items"]) == 30
    assert listed["items"][0]["imported"]["source"] == "csv"
    assert json.loads(tocsin("incident", "list", "--json").stdout)["items"] == []
    assert "applied" in tocsin("import", "history").stdout
    assert "30 incidents removed" in tocsin("import", "history-rollback", str(told["id"])).stdout
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--map", "title"],
        ["--value", "priority=P1"],
        ["--plan", "--apply"],
    ],
)
def test_words_that_make_no_sense_are_wrong_usage(tocsin: Run, log: Path, words: list[str]) -> None:
    tocsin("import", "csv", str(log), "--zone", "UTC", *words, code=2)


def test_over_http(people: Named, engine: None, live_server: Any) -> None:
    _, token = actions.create_token(people.alice.pk, actor=SYSTEM)
    _, other = actions.create_token(people.bob.pk, actor=SYSTEM)
    base = f"{live_server.url}/api/v1/imports/history"
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30) as client:
        denied = client.post(base, json={"source": "desk"}, headers={"Authorization": f"Bearer {other}"})
        assert denied.status_code == 403
        assert client.post(base, json={"source": "No Spaces!"}).status_code == 422
        run = client.post(base, json={"source": "desk", "file": "log.csv"}).json()
        place = f"{base}/{run['id']}"
        data = service_desk(20).encode()
        for number, at in enumerate(range(0, len(data), 3000)):
            answer = client.put(f"{place}/parts/{number}", content=data[at : at + 3000])
        assert answer.json() == {"count": len(data)}
        assert client.put(f"{place}/parts/99", content=b"").status_code == 422
        assert client.put(f"{place}/parts/99", content=b"x" * (9 * 1024 * 1024)).status_code == 422
        assert client.post(f"{place}/plan").status_code == 409
        client.post(f"{place}/finish")
        assert _at_rest(client, place)["profile"]["rows"] > 60
        wrong = client.put(f"{place}/options", json={"mapping": {"number": "nothing"}})
        assert wrong.json()["error"]["problems"] == {"mapping.number": "there is no column nothing"}
        assert client.post(f"{place}/plan").json()["error"]["problems"].keys() == {"zone"}
        client.put(f"{place}/options", json={"zone": "UTC", "link": "https://desk.example.org/{number}"})
        client.post(f"{place}/plan")
        plan = _at_rest(client, place)["plan"]
        client.post(f"{place}/apply")
        assert _at_rest(client, place)["result"]["created"] == 20
        figures = client.get(f"{base}/figures", params={"source": "desk"}).json()
        assert figures["by_month"] == plan["figures"]["by_month"]
        assert client.get(f"{base}/figures", params={"source": "desk", "zone": "Mars"}).status_code == 422
        found = client.get(f"{live_server.url}/api/v1/incidents", params={"imported": "only", "q": "INC0000007"}).json()
        assert found["items"][0]["imported"]["link"] == "https://desk.example.org/INC0000007"
        assert client.delete(place).status_code == 409
        client.post(f"{place}/rollback")
        _at_rest(client, place)
        assert client.delete(place).json() == {"count": 1}
        assert client.get(place).status_code == 404


def _at_rest(client: Any, place: str) -> Any:
    """The run, when the engine is done with it."""
    gate = threading.Event()
    for _ in range(600):
        run = client.get(place).json()
        if run["state"] not in ("looking", "planning", "applying", "rolling_back"):
            assert run["state"] != "failed", run["problem"]
            return run
        gate.wait(0.05)
    raise AssertionError(run)
