"""``tocsin import`` against a live server and a product of straw."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from typer.testing import CliRunner, Result

from tocsin.cli.main import app
from tocsin.people import actions
from tocsin.people.models import User
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM
from tocsin.project.importing import work
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import Size
from tocsin.project.importing.tests.fake import Fake, serving

pytestmark = pytest.mark.django_db(transaction=True)
TINY = Size(6, 4, 18)


@pytest.fixture
def named() -> Named:
    return named_people()


@pytest.fixture
def engine() -> Iterator[None]:
    """What an engine does for imports, beside the test."""
    stop = threading.Event()

    def work_on() -> None:
        while not stop.is_set():
            if not work.turn():
                stop.wait(0.05)
        connection.close()

    thread = threading.Thread(target=work_on)
    thread.start()
    yield
    stop.set()
    thread.join(30)


@pytest.fixture
def tocsin(named: Named, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    _, token = actions.create_token(named.alice.pk, actor=SYSTEM)
    monkeypatch.setenv("TOCSIN_URL", live_server.url)
    monkeypatch.setenv("TOCSIN_TOKEN", token)
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path))

    def run(*words: str, code: int = 0, stdin: str = "") -> Result:
        result = CliRunner().invoke(app, words, input=stdin)
        assert result.exit_code == code, (words, result.stdout, result.stderr, result.exception)
        return result

    return run


@pytest.mark.usefixtures("engine")
def test_the_command_line_reads_plans_applies_and_takes_back(tocsin: Callable[..., Result], tmp_path: Path) -> None:
    saved = tmp_path / "export.json"
    with serving(Fake("pagerduty", company.pagerduty(TINY))) as fake:
        words = ("import", "pagerduty", "--api-url", fake.url, "--key-file", "-", "--save", str(saved))
        shown = tocsin(*words, stdin="good-key\n")
    assert "Nothing was changed" in shown.stdout
    assert "round robin" in shown.stdout
    assert "good-key" not in shown.stdout + shown.stderr + saved.read_text()
    assert saved.stat().st_mode & 0o077 == 0
    assert User.objects.count() == 3

    made = json.loads(tocsin("import", "pagerduty", str(saved), "--apply", "--yes", "--json").stdout)
    assert (made["state"], User.objects.count()) == ("applied", 3 + TINY.people)
    assert {one["verdict"] for one in made["findings"]} == {"exact", "approximated", "impossible"}
    number = str(made["id"])
    assert "pagerduty" in tocsin("import", "runs").stdout
    only = json.loads(tocsin("import", "show", number, "--verdict", "impossible", "--json").stdout)
    assert {one["verdict"] for one in only["findings"]} == {"impossible"}

    assert "cannot be applied" in tocsin("import", "apply", number, "--yes", code=1).stderr
    assert "is rolled back" in tocsin("import", "rollback", number, "--yes").stdout
    assert User.objects.count() == 3


def test_the_command_line_says_what_is_wrong(tocsin: Callable[..., Result], tmp_path: Path) -> None:
    assert "Give --key-file" in tocsin("import", "pagerduty", code=2).stderr
    assert "Either --plan or --apply" in tocsin("import", "pagerduty", "--plan", "--apply", code=2).stderr
    assert "cannot be read" in tocsin("import", "opsgenie", str(tmp_path / "none"), code=2).stderr
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "no backup" in tocsin("import", "opsgenie", str(folder), code=1).stderr
    company.opsgenie_folder(folder, Size(2, 4, 4))
    assert "an export of Opsgenie" in tocsin("import", "pagerduty", str(folder), code=2).stderr
