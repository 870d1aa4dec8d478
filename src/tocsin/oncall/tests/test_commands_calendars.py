"""Calendars, absences, load and pay on the command line, against a live server on loopback."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tocsin.cli.main import app
from tocsin.people import actions
from tocsin.people.tests.named import named_people
from tocsin.platform.actor import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Result]


@pytest.fixture
def tocsin(live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``tocsin ...`` as Alice; returns what it printed."""
    _, token = actions.create_token(named_people().alice.pk, actor=SYSTEM)
    monkeypatch.setenv("TOCSIN_URL", live_server.url)
    monkeypatch.setenv("TOCSIN_TOKEN", token)
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path))
    runner = CliRunner()

    def run(*words: str, code: int = 0, stdin: str = "") -> Result:
        result = runner.invoke(app, words, input=stdin)
        assert result.exit_code == code, (words, result.stdout, result.stderr, result.exception)
        return result

    return run


def test_the_way_of_a_month(tocsin: Run, tmp_path: Path) -> None:
    tocsin(
        "schedule", "create", "--name", "Primary", "--member", "bob@example.org", "--member", "alice@example.org",
        "--from", "2026-01-05T09:00", "--team", "core",
    )  # fmt: skip
    assert "/calendar/" in tocsin("calendar", "create", "--mine").stdout
    made = json.loads(tocsin("calendar", "create", "--schedule", "primary", "--json").stdout)
    tocsin("calendar", "create", "--mine", "--team", "core", code=2)
    assert "Schedule Primary" in tocsin("calendar", "list").stdout
    assert "1 revoked" in tocsin("calendar", "revoke", str(made["id"]), "--yes").stdout

    file = tmp_path / "away.csv"
    file.write_text("person,start,end\nbob@example.org,2027-01-04,2027-01-08\nnobody,2027-01-04,\n")
    assert "row 3, person" in tocsin("absence", "import", str(file), code=1).stderr
    assert "1 kept" in tocsin("absence", "import", str(file), "--save-good").stdout
    row = json.loads(tocsin("absence", "add", "--from", "now", "--to", "+8h", "--kind", "sick", "--json").stdout)
    assert "sick" in tocsin("absence", "list", "--team", "core").stdout
    assert "taken back" in tocsin("absence", "delete", str(row["id"]), "--yes").stdout
    tocsin("absence", "add", "--from", "+0s", "--to", "+800d", "--user", "bob@example.org")
    assert "Primary" in tocsin("absence", "list", "--uncovered").stdout.title()

    ics = "BEGIN:VCALENDAR\nEND:VCALENDAR\n"
    source = json.loads(
        tocsin("calendar", "read", "--schedule", "primary", "--name", "x", "--file", "-", "--json", stdin=ics).stdout
    )
    assert "file" in tocsin("calendar", "sources", "--schedule", "primary").stdout
    tocsin("calendar", "forget", str(source["id"]), "--yes")

    assert "night" in tocsin("oncall", "load", "--team", "core", "--since", "4w").stdout
    assert "Gini" in tocsin("oncall", "fairness").stdout
    assert "Nobody has said yet" in tocsin("oncall", "pay", "--month", "2026-10", code=1).stderr
    rates = {"currency": "EUR", "standby": {"night": "1"}}
    from tocsin.oncall.actions import save_pay_rates

    save_pay_rates(rates, actor=SYSTEM)
    book = tmp_path / "pay.xlsx"
    assert "EUR" in tocsin("oncall", "pay", "--month", "2026-10", "--xlsx", str(book)).stdout
    assert book.read_bytes().startswith(b"PK")
