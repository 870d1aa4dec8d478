"""Group commit: all signals that wait go into the inbox by one statement and one commit, then all answers leave.

Self-clocking: while one commit is under way the next batch collects, so that a lone request waits for nobody and a
thousand share one fsync.

**Exactly once into the inbox.** Each process has a *stream* with a row in ``intake_spool_mark``. Batch n moves the
stream's position from n-1 to n in the statement that inserts the rows (compare-and-set): the rows go in if and only if
the position moved. When a connection is lost in the middle of a commit, nobody knows whether batch n is in. So it goes
to the spool with its number; later the position tells whether to skip it. Should the lost statement still be running
somewhere (or be run late), it and the replay both want to move the position away from n-1: only one can, the other
inserts nothing and reads the position again.

**Database away.** Batches are appended to the spool and answered after fsync. While the spool holds anything, new
batches go behind it, so that the order of arrival is kept. A replayed signal keeps its arrival: the database's clock,
carried on by the steady clock of this machine. When the spool is full, Overloaded is raised: the sender gets a 503.

**A row that PostgreSQL refuses** (class 22, 54) must not hold up the others: each row is then tried alone, and the
refused one goes in without its details. Any other error of the database counts as "away".
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import structlog

from tocsin.intake.door.database import UNREACHABLE, connect
from tocsin.intake.door.spool import Full, Record, Spool
from tocsin.intake.rules import Row, plainest

log = structlog.get_logger(__name__)

MOST_ROWS = 5_000
MOST_WAITING = 200_000
COPY_FROM = 800
COMMIT_TIMEOUT_S = 5.0
ADOPT_EVERY_S = 20.0

_COLUMNS = "source_id, bucket, action, dedup_key, severity, title, data, occurred_at, received_at"
_MARK = """
WITH mark AS (UPDATE intake_spool_mark SET position = $2 WHERE spool = $1 AND position = $3 RETURNING 1)
"""
_NOTICE = "(SELECT tocsin_now() AS at, pg_notify('tocsin_wake', 'triage') FROM mark OFFSET 0) AS moment"
INSERT = f"""{_MARK}
INSERT INTO intake_inbox ({_COLUMNS})
SELECT item.*, moment.at
FROM {_NOTICE},
     unnest($4::int4[], $5::int2[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[],
            $11::timestamptz[]) item
"""  # noqa: S608 - constants only
REPLAY = f"""{_MARK}
INSERT INTO intake_inbox ({_COLUMNS})
SELECT item.*
FROM {_NOTICE},
     unnest($4::int4[], $5::int2[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::timestamptz[],
            $12::timestamptz[]) item
"""  # noqa: S608 - constants only
MOVE = """
UPDATE intake_spool_mark SET position = $2 WHERE spool = $1 AND position = $3
RETURNING tocsin_now(), pg_notify('tocsin_wake', 'triage')
"""
ONE = f"INSERT INTO intake_inbox ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, tocsin_now()))"  # noqa: S608


class Overloaded(Exception):
    """Nothing more can be taken just now; ``retry_after`` in seconds."""

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _Outrun(Exception):
    """The stream's position was not where this batch expected it."""


class Committer:
    """Takes rows, returns futures that are done when the rows are durable."""

    def __init__(self, folder: Path, stream: str, spool_limit: int, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._limit = spool_limit
        self._now = now
        self.stream = stream
        self._spool: Spool | None = None
        self._orphans: list[Spool] = []
        self._waiting: deque[tuple[Sequence[Row], asyncio.Future[None]]] = deque()
        self._rows_waiting = 0
        self._work = asyncio.Event()
        self._replay_work = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._insert: Any = None
        self._position = 0
        self._direct = False  # the database is there and the spool is empty
        self._writing = asyncio.Lock()  # the spool file has one writer, and may be emptied only between writes
        self._turn = asyncio.Lock()  # the connection has one user
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self.committed = self.commits = self.spooled = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the spool, adopt what dead processes left, connect if possible, and begin."""
        if self._limit > 0:
            try:
                self._spool = await asyncio.to_thread(Spool.create, self._folder, self.stream, self._limit)
            except OSError as error:
                log.error("no spool: signals will be refused while the database is away", error=str(error))
        await self._adopt()
        try:
            await self._connect()
            self._direct = not self._orphans
        except UNREACHABLE as error:
            log.warning("database away at start; signals go to the spool", error=str(error))
        self._replay_work.set()
        self._tasks = [asyncio.create_task(self._commit_forever()), asyncio.create_task(self._replay_forever())]

    async def stop(self) -> None:
        """Store everything that waits, then let go."""
        self._closing = True
        self._work.set()
        if self._tasks:
            await self._tasks[0]
            self._tasks[1].cancel()
            await asyncio.gather(self._tasks[1], return_exceptions=True)
        spool = self._spool
        if spool is not None:
            if spool.empty:
                spool.remove()
                await self._forget(spool)
            else:
                spool.close()
        for orphan in self._orphans:
            orphan.close()
        await self._disconnect()

    @property
    def away(self) -> bool:
        """Whether signals go to the spool just now."""
        return not self._direct

    @property
    def spool_bytes(self) -> int:
        """What the spool of this process holds, bytes."""
        return self._spool.size - self._spool.read_at if self._spool else 0

    # -- taking --------------------------------------------------------------------------------------------------

    def submit(self, rows: Sequence[Row]) -> "asyncio.Future[None]":
        """Queue the rows of one request. Raises Overloaded; the future may raise it too."""
        if self._rows_waiting > MOST_WAITING or self._closing:
            raise Overloaded("too many signals are waiting to be stored", 1)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, future))
        self._rows_waiting += len(rows)
        self._work.set()
        return future

    def _next(self) -> tuple[list[Row], list["asyncio.Future[None]"]]:
        rows: list[Row] = []
        futures = []
        waiting = self._waiting
        while waiting and (not rows or len(rows) + len(waiting[0][0]) <= MOST_ROWS):
            some, future = waiting.popleft()
            rows.extend(some)
            futures.append(future)
        self._rows_waiting -= len(rows)
        return rows, futures

    async def _commit_forever(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._work.clear()
                await self._work.wait()
                continue
            rows, futures = self._next()
            try:
                await self._store(rows)
            except Overloaded as overloaded:
                for future in futures:
                    if not future.done():
                        future.set_exception(overloaded)
            except Exception as error:
                log.exception("signals could not be stored")
                for future in futures:
                    if not future.done():
                        future.set_exception(Overloaded(str(error)))
            else:
                for future in futures:
                    if not future.done():
                        future.set_result(None)

    async def _store(self, rows: list[Row]) -> None:
        while True:
            if self._direct:
                async with self._turn:
                    if await self._committed(rows):
                        return
            async with self._writing:
                if not self._direct:
                    await self._to_spool(rows)
                    return

    async def _committed(self, rows: list[Row]) -> bool:
        """Whether the rows are in the database; when not (or not known) the door is in spool mode afterwards."""
        try:
            await self._commit(rows)
        except _Outrun:
            log.error("the stream's position moved without us", stream=self.stream)
        except UNREACHABLE as error:
            log.warning("database away; signals go to the spool", error=f"{type(error).__name__}: {error}")
        except Exception:
            log.exception("a commit failed; signals go to the spool")
        else:
            return True
        self._direct = False
        await self._disconnect()
        return False

    async def _to_spool(self, rows: list[Row]) -> None:
        # a number is never used for other rows again, even when this batch cannot be kept: an earlier attempt to
        # commit it may still succeed, and would make the replay skip whatever else carried its number
        self._position += 1
        self._replay_work.set()
        if self._spool is None:
            raise Overloaded("the database is away and there is no spool")
        record = Record(self._position, self._now(), rows)
        try:
            await asyncio.to_thread(self._spool.append, [record])
        except (Full, OSError) as error:
            log.error("the spool takes no more", error=str(error))
            raise Overloaded("the database is away and the spool is full", 10) from error
        self.spooled += len(rows)

    # -- into the database ---------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        connection = await connect("intake", statement_timeout="20000")
        try:
            self._insert = await connection.prepare(INSERT)
            await self._open_stream(connection, self.stream)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    @staticmethod
    async def _open_stream(connection: "asyncpg.Connection[asyncpg.Record]", stream: str, position: int = 0) -> int:
        """The stream's position; the stream begins at ``position`` when it has no row yet."""
        await connection.execute(
            "INSERT INTO intake_spool_mark (spool, position) VALUES ($1, $2) ON CONFLICT DO NOTHING", stream, position
        )
        found = await connection.fetchval("SELECT position FROM intake_spool_mark WHERE spool = $1", stream)
        return int(found)

    async def _disconnect(self) -> None:
        connection, self._connection, self._insert = self._connection, None, None
        if connection is not None:
            connection.terminate()

    async def _commit(self, rows: list[Row]) -> None:
        """Batch position+1 into the inbox, durably. Raises one of UNREACHABLE with the outcome unknown."""
        if self._connection is None:
            raise ConnectionError("not connected")
        position = self._position
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                if len(rows) >= COPY_FROM:
                    await self._copy(self._connection, rows)
                else:
                    await self._insert.fetch(self.stream, position + 1, position, *zip(*rows, strict=True))
                    if self._insert.get_statusmsg() != f"INSERT 0 {len(rows)}":
                        raise _Outrun
        except Exception as error:
            if not _refused(error):
                raise
            await self._one_by_one(self.stream, position, position + 1, rows, None)
        self._position = position + 1
        self.commits += 1
        self.committed += len(rows)

    async def _copy(self, connection: "asyncpg.Connection[asyncpg.Record]", rows: list[Row]) -> None:
        """The same for many rows: four round trips instead of one, but cheaper for each row."""
        position = self._position
        async with connection.transaction():
            moment = await connection.fetchval(MOVE, self.stream, position + 1, position)
            if moment is None:
                raise _Outrun
            await connection.copy_records_to_table(
                "intake_inbox", columns=_COLUMNS.split(", "), records=[(*row, moment) for row in rows]
            )

    async def _one_by_one(
        self, stream: str, before: int, after: int, rows: Sequence[Row], arrivals: Sequence[datetime] | None
    ) -> None:
        """Each row alone, in one transaction; what the database refuses goes in without its details."""
        connection = self._connection
        if connection is None:
            raise ConnectionError("not connected")
        async with connection.transaction():
            moved = await connection.execute(
                "UPDATE intake_spool_mark SET position = $2 WHERE spool = $1 AND position = $3", stream, after, before
            )
            if moved != "UPDATE 1":
                raise _Outrun
            one = await connection.prepare(ONE)
            for index, row in enumerate(rows):
                arrived = arrivals[index] if arrivals else None
                try:
                    async with connection.transaction():
                        await one.fetch(*row, arrived)
                except Exception as error:
                    if not _refused(error):
                        raise
                    log.warning("a signal went in without its details", error=str(error))
                    await one.fetch(*plainest(row), arrived)
            await connection.execute("SELECT pg_notify('tocsin_wake', 'triage')")

    # -- replay --------------------------------------------------------------------------------------------------

    async def _replay_forever(self) -> None:
        pause = 0.05
        while True:
            try:
                async with asyncio.timeout(None if self.away else ADOPT_EVERY_S):
                    await self._replay_work.wait()
            except TimeoutError:
                await self._adopt()
                if not self._orphans:
                    continue
                async with self._turn:
                    self._direct = False
            self._replay_work.clear()
            if self._direct:
                continue
            try:
                await self._replay()
                pause = 0.05
            except _Outrun:
                self._replay_work.set()
            except UNREACHABLE:
                await self._disconnect_if_idle()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
                self._replay_work.set()
            except Exception:
                log.exception("the spool could not be replayed")
                await asyncio.sleep(1)
                self._replay_work.set()

    async def _disconnect_if_idle(self) -> None:
        if not self._direct:
            await self._disconnect()

    async def _replay(self) -> None:
        """Everything that was spooled into the inbox, other processes' leavings first; then commit directly again."""
        if self._connection is None or self._connection.is_closed():
            await self._connect()
        while self._orphans:
            orphan = self._orphans[0]
            await self._replay_spool(orphan)
            self._orphans.pop(0)
            await asyncio.to_thread(orphan.remove)  # before its mark: without a mark the file would be replayed again
            await self._forget(orphan)
        spool = self._spool
        while True:
            if spool is not None:
                await self._replay_spool(spool)
            async with self._writing:
                if spool is not None:
                    if not spool.empty:
                        continue
                    if spool.size:
                        await asyncio.to_thread(spool.reset)
                # numbers of batches that could not be kept were skipped: go on from where the database is
                self._position = await self._open_stream(self._connection, self.stream)
                self._direct = True
                log.info("the database is back; the spool is replayed", signals=self.spooled)
                return

    async def _replay_spool(self, spool: Spool) -> None:
        connection = self._connection
        if connection is None:
            raise ConnectionError("not connected")
        first, behind = await asyncio.to_thread(spool.take, 1)
        if not first:
            self._skip_torn(spool, behind)
            return
        statement = await connection.prepare(REPLAY)
        position = await self._open_stream(connection, spool.stream, first[0].number - 1)
        while True:
            records, behind = await asyncio.to_thread(spool.take, MOST_ROWS)
            if not records:
                self._skip_torn(spool, behind)
                return
            fresh = [record for record in records if record.number > position]
            if fresh:
                rows = [row for record in fresh for row in record.rows]
                arrivals = [record.arrived for record in fresh for _ in record.rows]
                last = fresh[-1].number
                try:
                    async with asyncio.timeout(COMMIT_TIMEOUT_S * 4):
                        await statement.fetch(spool.stream, last, position, *zip(*rows, strict=True), arrivals)
                    if rows and statement.get_statusmsg() != f"INSERT 0 {len(rows)}":
                        raise _Outrun
                except Exception as error:
                    if not _refused(error):
                        raise
                    await self._one_by_one(spool.stream, position, last, rows, arrivals)
                position = last
                self.committed += len(rows)
            spool.read_at = behind

    @staticmethod
    def _skip_torn(spool: Spool, behind: int) -> None:
        if behind > spool.read_at:
            log.error("the end of a spool file is torn", file=str(spool.path), bytes=behind - spool.read_at)
            spool.read_at = behind

    async def _adopt(self) -> None:
        if self._limit <= 0:
            return
        try:
            found = await asyncio.to_thread(Spool.orphans, self._folder, self._limit)
        except OSError as error:
            log.warning("the spool's folder cannot be read", error=str(error))
            return
        for orphan in found:
            if orphan.empty:
                orphan.remove()
            else:
                log.info("adopting the spool of a dead process", file=orphan.path.name, bytes=orphan.size)
                self._orphans.append(orphan)
        if self._orphans:
            self._replay_work.set()

    async def _forget(self, spool: Spool) -> None:
        """Delete the mark of a stream that has ended."""
        connection = self._connection
        if connection is not None and not connection.is_closed():
            try:
                await connection.execute("DELETE FROM intake_spool_mark WHERE spool = $1", spool.stream)
            except UNREACHABLE as error:
                log.debug("the mark of a stream stays behind", stream=spool.stream, error=str(error))


def _refused(error: Exception) -> bool:
    """Whether the values are objected to (by the database, or already by the driver), and not the asking."""
    if isinstance(error, asyncpg.PostgresError):
        return str(getattr(error, "sqlstate", "") or "")[:2] in ("22", "54", "21")
    return isinstance(error, ValueError | TypeError | OverflowError) and not isinstance(error, asyncpg.InterfaceError)


class Clock:
    """The database's clock between two looks at it, carried on by this machine's steady clock."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._mark = 0.0

    def set(self, moment: datetime, mark: float) -> None:
        """The database said ``moment`` when the steady clock showed ``mark``."""
        self._at, self._mark = moment, mark

    @property
    def known(self) -> bool:
        """Whether the database was ever asked."""
        return self._at is not None

    @property
    def reading(self) -> tuple[datetime, float]:
        """What was last set. Raises RuntimeError before the database was first reached."""
        if self._at is None:
            raise RuntimeError("the database's clock is not known yet")
        return self._at, self._mark

    def now(self) -> datetime:
        """The present moment. Raises RuntimeError before the database was first reached."""
        if self._at is None:
            raise RuntimeError("the database's clock is not known yet")
        return self._at + timedelta(seconds=time.monotonic() - self._mark)
