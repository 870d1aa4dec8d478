"""The spool file, and exactly-once replay when the outcome of a commit is unknown."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tocsin.intake.contract import Signal
from tocsin.intake.door import committer as committing
from tocsin.intake.door import database
from tocsin.intake.door.committer import Committer, Overloaded
from tocsin.intake.door.spool import Full, Record, Spool
from tocsin.intake.models import Inbox, SpoolMark
from tocsin.intake.rules import Row, row_of

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def rows(*names: str) -> list[Row]:
    return [row_of(1, Signal(action="trigger", dedup_key=name, title=name)) for name in names]


def test_records_come_back_in_order_and_a_torn_end_is_left_out(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path, "s", 100_000)
    for number in range(1, 6):
        spool.append([Record(number, AT, rows(f"k{number}"))])
    records, behind = spool.take(3)
    assert [record.number for record in records] == [1, 2, 3]
    assert records[0].rows == rows("k1")
    assert records[0].arrived == AT
    spool.read_at = behind
    assert [record.number for record in spool.take(100)[0]] == [4, 5]
    spool.read_at = spool.size
    assert spool.take(100) == ([], spool.size)
    whole = spool.size
    spool.close()
    path = tmp_path / "s.spool"
    data = path.read_bytes()
    for cut in (1, 7, 9, 30):
        path.write_bytes(data[: whole - cut])
        (orphan,) = Spool.orphans(tmp_path, 100_000)
        assert [record.number for record in orphan.take(100)[0]] == [1, 2, 3, 4]
        orphan.close()
    path.write_bytes(data[:-3] + b"xyz")
    (orphan,) = Spool.orphans(tmp_path, 100_000)
    assert [record.number for record in orphan.take(100)[0]] == [1, 2, 3, 4]
    orphan.remove()
    assert not path.exists()


def test_a_living_process_keeps_its_file(tmp_path: Path) -> None:
    spool = Spool.create(tmp_path, "mine", 1000)
    assert Spool.orphans(tmp_path, 1000) == []
    spool.close()
    assert [orphan.stream for orphan in Spool.orphans(tmp_path, 1000)] == ["mine"]


def test_a_full_spool_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool.create(tmp_path, "s", 400)
    spool.append([Record(1, AT, rows("a"))])
    with pytest.raises(Full):
        spool.append([Record(2, AT, rows("b" * 300))])
    size = spool.size

    def broken(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OSError, match="No space"):
        spool.append([Record(2, AT, rows("b"))])
    assert spool.size == size == spool.path.stat().st_size
    spool.close()


def names() -> list[str]:
    return list(Inbox.objects.order_by("id").values_list("dedup_key", flat=True))


def drive(tmp_path: Path, story: Callable[[Committer], Coroutine[Any, Any, None]], limit: int = 10**6) -> Committer:
    """Run a story with a committer."""
    committer = Committer(tmp_path, "stream", limit, lambda: AT)

    async def run() -> None:
        await committer.start()
        try:
            await story(committer)
        finally:
            await committer.stop()

    asyncio.run(run())
    return committer


async def settled(committer: Committer) -> None:
    async with asyncio.timeout(10):
        while committer.away:  # noqa: ASYNC110 - the committer tells nobody when it is back
            await asyncio.sleep(0.01)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_of_unknown_outcome_enters_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    real = Committer._commit
    trouble = [False]

    async def commit(self: Committer, batch: list[Row]) -> None:
        if not trouble[0]:
            return await real(self, batch)
        trouble[0] = False
        if when == "after":
            position = self._position
            await real(self, batch)
            self._position = position  # we never heard of it
        raise ConnectionError("lost")

    monkeypatch.setattr(Committer, "_commit", commit)

    async def story(committer: Committer) -> None:
        await committer.submit(rows("a"))
        trouble[0] = True
        await committer.submit(rows("b", "c"))
        await committer.submit(rows("d"))
        await settled(committer)
        await committer.submit(rows("e"))

    drive(tmp_path, story)
    assert names() == ["a", "b", "c", "d", "e"]
    assert not list(tmp_path.glob("*.spool"))
    assert not SpoolMark.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_arrives_late_changes_nothing(tmp_path: Path) -> None:
    """The lost statement is run by the server only after the replay."""

    async def story(committer: Committer) -> None:
        await committer.submit(rows("a"))
        stale = await database.connect("stale")
        statement = await stale.prepare(committing.INSERT)
        await committer.submit(rows("b"))
        # batch 2 was "b"; the same numbers again must insert nothing
        await statement.fetch("stream", 2, 1, *zip(*rows("b"), strict=True))
        assert statement.get_statusmsg() == "INSERT 0 0"
        await stale.close()

    drive(tmp_path, story)
    assert names() == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_without_a_spool_a_lost_batch_is_refused_and_its_number_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Committer._commit
    trouble = [False]

    async def commit(self: Committer, batch: list[Row]) -> None:
        if not trouble[0]:
            return await real(self, batch)
        trouble[0] = False
        position = self._position
        await real(self, batch)
        self._position = position
        raise ConnectionError("lost")

    monkeypatch.setattr(Committer, "_commit", commit)

    async def story(committer: Committer) -> None:
        trouble[0] = True
        with pytest.raises(Overloaded):
            await committer.submit(rows("a"))
        await settled(committer)
        await committer.submit(rows("b"))

    drive(tmp_path, story, limit=0)
    assert names() == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_what_a_dead_process_left_goes_in_first_and_once(tmp_path: Path) -> None:
    left = Spool.create(tmp_path, "dead", 10**6)
    for number in (4, 5, 6):
        left.append([Record(number, AT, rows(f"old{number}"))])
    left.close()
    SpoolMark.objects.create(spool="dead", position=4)  # batch 4 was committed before the end

    async def story(committer: Committer) -> None:
        await committer.submit(rows("new"))
        await settled(committer)

    drive(tmp_path, story)
    assert names() == ["old5", "old6", "new"]
    assert set(Inbox.objects.exclude(dedup_key="x").values_list("received_at", flat=True)) >= {AT}
    assert not list(tmp_path.glob("*.spool"))
    assert not SpoolMark.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_requests_share_commits_and_large_ones_are_copied(tmp_path: Path) -> None:
    async def story(committer: Committer) -> None:
        await asyncio.gather(*(committer.submit(rows(f"k{n}")) for n in range(500)))
        await committer.submit(rows(*(f"c{n}" for n in range(committing.COPY_FROM))))

    committer = drive(tmp_path, story)
    assert committer.committed == 500 + committing.COPY_FROM
    assert committer.commits < 20
    assert names() == [*(f"k{n}" for n in range(500)), *(f"c{n}" for n in range(committing.COPY_FROM))]


@pytest.mark.django_db(transaction=True)
def test_commits_are_durable_whatever_the_server_says(tmp_path: Path) -> None:
    async def story(committer: Committer) -> None:
        assert committer._connection is not None
        assert await committer._connection.fetchval("SHOW synchronous_commit") == "on"

    drive(tmp_path, story)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_while_replay_and_new_signals_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits fail again and again while senders go on: the file is read and written at the same time."""
    real = Committer._commit
    count = [0]

    async def commit(self: Committer, batch: list[Row]) -> None:
        count[0] += 1
        if count[0] % 5 == 0:
            raise ConnectionError("lost")
        await real(self, batch)

    monkeypatch.setattr(Committer, "_commit", commit)

    async def sender(committer: Committer, name: str) -> None:
        for number in range(60):
            await committer.submit(rows(f"{name}-{number:02}"))

    async def story(committer: Committer) -> None:
        await asyncio.gather(*(sender(committer, name) for name in "abcdefgh"))
        await settled(committer)

    drive(tmp_path, story)
    found = names()
    for name in "abcdefgh":
        assert [key for key in found if key.startswith(name)] == [f"{name}-{number:02}" for number in range(60)]
