"""What Tocsin shows after an import equals what a second, simple count of the file says."""

import csv
import gzip
import io
import os
import statistics
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.incidents import queries
from tocsin.incidents.models import HistoryImport, Incident
from tocsin.platform.actor import SYSTEM
from tocsin.project.history import runs, working
from tocsin.project.history.options import Options, of_json
from tocsin.project.history.tests.logs import service_desk

pytestmark = pytest.mark.django_db


def counted(text: str) -> dict[str, Any]:
    """The file counted with nothing but csv and dictionaries, knowing its columns."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    place = {name: rows[0].index(name) for name in rows[0]}
    last = {row[place["number"]]: row for row in rows[1:]}

    def moment(row: list[str], name: str) -> datetime:
        return datetime.strptime(row[place[name]], "%d/%m/%Y %H:%M").replace(tzinfo=UTC)

    took = [
        (moment(row, "resolved_at") - moment(row, "opened_at")).total_seconds()
        for row in last.values()
        if row[place["resolved_at"]] != "?"
    ]
    priorities = Counter(f"P{row[place['priority']][:1]}" for row in last.values())
    return {
        "rows": len(rows) - 1,
        "incidents": len(last),
        "reopened": sum(row[place["reopen_count"]] != "0" for row in last.values()),
        "reassigned": sum(row[place["reassignment_count"]] != "0" for row in last.values()),
        "by_priority": {name: priorities[name] for name in ("P1", "P2", "P3", "P4", "P5")},
        "by_month": dict(sorted(Counter(moment(row, "opened_at").strftime("%Y-%m") for row in last.values()).items())),
        "resolved": len(took),
        "median_s": statistics.median(took),
        "mean_s": round(statistics.mean(took), 3),
    }


def imported(text: str, source: str) -> HistoryImport:
    """The file imported, its dates read in UTC, everything else as guessed."""
    row = runs.upload(source, "log.csv", [text.encode()], actor=SYSTEM)
    assert working.work_due() == 1
    runs.set_options(row.pk, Options(zone="UTC"), actor=SYSTEM)
    runs.ask_plan(row.pk, actor=SYSTEM)
    assert working.work_due() == 1
    runs.ask_apply(row.pk, actor=SYSTEM)
    assert working.work_due() == 1
    row.refresh_from_db()
    assert row.state == "applied", row.problem
    return row


def agrees(text: str) -> HistoryImport:
    """Import it, and compare plan, figures and rows with the simple count."""
    expected = counted(text)
    row = imported(text, "servicenow")
    assert row.profile is not None
    assert row.plan is not None
    assert row.profile["rows"] == expected["rows"]
    for told in (row.plan["figures"], queries.imported_figures(SYSTEM, "servicenow")):
        for name in ("incidents", "reopened", "reassigned", "by_priority", "by_month"):
            assert told[name] == expected[name], name
        assert told["time_to_resolve"]["n"] == expected["resolved"]
        assert told["time_to_resolve"]["p50_s"] == pytest.approx(expected["median_s"], abs=0.001)
        assert told["time_to_resolve"]["mean_s"] == pytest.approx(expected["mean_s"], abs=0.002)
    shown = queries.incidents(SYSTEM, imported="only")
    assert shown.count() == expected["incidents"]
    assert not queries.incidents(SYSTEM, state=["open"], imported="yes").exists()
    return row


def written(path: str) -> str:
    raw = Path(path).read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()


@pytest.mark.parametrize("path", ["", *os.environ.get("ITSM_LOG", "").split()])
def test_a_log_of_a_service_desk_is_what_a_simple_count_says(path: str) -> None:
    """A made one; ``ITSM_LOG`` may name real ones besides."""
    row = agrees(written(path) if path else service_desk(300))
    assert of_json(row.options).order == "D/M/Y"
    assert row.result is not None
    assert row.result["created"] == queries.incidents(SYSTEM, imported="only").count()
    for one in Incident.objects.filter(imported=True).order_by("pk")[:40]:
        assert queries.verify_timeline(one.pk) == []
