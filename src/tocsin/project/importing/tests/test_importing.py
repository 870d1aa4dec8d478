"""A company taken over, again, and taken back: exactly what was there before."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.intake.models import Source
from tocsin.oncall.models import Override
from tocsin.people.models import NotificationRule, User
from tocsin.platform import secrets
from tocsin.platform.actor import SYSTEM
from tocsin.project.config.planning import export
from tocsin.project.importing import reading, work
from tocsin.project.importing.models import Link, Run
from tocsin.project.importing.reading import backup
from tocsin.project.importing.shapes import VERDICTS, Export, quiet
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import NOW, Size
from tocsin.project.importing.tests.fake import Fake, serving

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(3600 if os.environ.get("IMPORT_SIZE") == "full" else 300)]
FULL = bool(os.environ.get("IMPORT_SIZE") == "full")
SIZE = Size(3000, 1200, 30_000) if FULL else Size()


def read(fake: Fake) -> Export:
    with serving(fake):
        return asyncio.run(reading.read(fake.product, fake.url, "good-key", now=NOW, progress=quiet))


def from_folder(folder: Path) -> Export:
    return backup.of_folder(company.opsgenie_folder(folder / "OpsGenieBackups", SIZE), now=NOW)


def from_pagerduty(folder: Path) -> Export:
    return read(Fake("pagerduty", company.pagerduty(SIZE), refuse_each=17))


def from_oncall(folder: Path) -> Export:
    return read(Fake("grafana-oncall", company.grafana_oncall(SIZE)))


def from_opsgenie(folder: Path) -> Export:
    return read(Fake("opsgenie", company.opsgenie(SIZE), refuse_each=31))


def took(began: float, *words: str) -> None:
    """Write a figure where it is seen: with ``pytest -s``."""
    sys.stderr.write(f"\n{time.monotonic() - began:.1f} s {' '.join(words)}\n")


def did(run: Run, what: str = "") -> Run:
    """What is wanted of a run, done as an engine does it."""
    if what:
        work.want(run.pk, what, actor=SYSTEM, digest=run.digest if what == "apply" else "")
    began = time.monotonic()
    assert work.turn() == 1
    run = Run.objects.get(pk=run.pk)
    if FULL:
        took(began, f"{run.product} {what or 'plan'}", str(run.counts), run.failure[:500])
    return run


@pytest.mark.parametrize("source", [from_folder, from_opsgenie, from_pagerduty, from_oncall])
def test_a_company_is_taken_over_once_and_taken_back_exactly(source: Callable[[Path], Export], tmp_path: Path) -> None:
    before = export(actor=SYSTEM)
    began = time.monotonic()
    taken = source(tmp_path)
    if FULL:
        took(began, f"{taken.product} read")

    planned = did(work.start(taken, actor=SYSTEM))
    assert (planned.state, planned.failure) == ("planned", "")
    assert export(actor=SYSTEM) == before
    assert planned.counts["create"] > SIZE.people + SIZE.schedules
    assert all(planned.counts[verdict] for verdict in VERDICTS)

    applied = did(planned, "apply")
    assert (applied.state, applied.failure) == ("applied", "")
    assert applied.counts == planned.counts
    assert User.objects.count() == SIZE.people
    assert NotificationRule.objects.exists()
    after = export(actor=SYSTEM)
    assert after != before

    again = did(work.start(taken, actor=SYSTEM))
    assert (again.counts["create"], again.counts["update"]) == (0, 0)
    applied_again = did(again, "apply")
    assert applied_again.counts["create"] == applied_again.counts["update"] == 0
    assert export(actor=SYSTEM) == after

    assert did(applied_again, "rollback").state == "rolled back"
    assert export(actor=SYSTEM) == after
    gone = did(applied, "rollback")
    assert (gone.state, gone.failure) == ("rolled back", "")
    assert export(actor=SYSTEM) == before
    assert not Link.objects.exists()
    assert not Override.objects.exists()


@pytest.mark.skipif(FULL, reason="the sizes of the others are what matters")
def test_keys_of_integrations_stay_what_they_were() -> None:
    applied = did(did(work.start(from_pagerduty(Path()), actor=SYSTEM)), "apply")
    assert applied.state == "applied"
    kept = {secrets.decrypt(row.key_secret) for row in Source.objects.all()}
    assert kept == {company.key(number) for number in range(SIZE.teams * 2)}
