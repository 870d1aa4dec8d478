"""What a gateway has taken over, what became of it, and what Tocsin has not been told yet: a SQLite file beside it.

What Tocsin was told is accepted is on the disk before (``synchronous = FULL``). A request that comes again under the
same id within two days is not sent again, unless it had failed. All calls are short and made from the event loop.
"""

import json
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tocsin.gateway import moment

KEPT_S = 2 * 86400.0
TELL_S = 86400.0  # news that Tocsin has not taken for so long is of no use to it any more
REPORT_S = 3 * 3600.0  # modems count messages from 0 to 255 and begin again: an older one is not meant

State = Literal["queued", "sending", "sent", "delivered", "failed", "refused"]
OPEN: tuple[State, ...] = ("queued", "sending")
TAKEN: tuple[State, ...] = ("queued", "sending", "sent", "delivered")

_TABLES = """
CREATE TABLE IF NOT EXISTS job (
  id TEXT PRIMARY KEY, ref TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, number TEXT NOT NULL, text TEXT NOT NULL,
  status TEXT NOT NULL, voice TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
  ended_at REAL);
CREATE TABLE IF NOT EXISTS part (
  ref TEXT NOT NULL, number INTEGER NOT NULL, mark INTEGER NOT NULL, at REAL NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (ref, number));
CREATE INDEX IF NOT EXISTS part_mark ON part (mark, at);
CREATE TABLE IF NOT EXISTS news (
  id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Job:
    """An SMS or a call. ``id``: Tocsin's name for it; ``ref``: ours; ``status`` and ``voice``: the targets to tell
    Tocsin what became of it, and to ask what a call says; empty for what Tocsin did not ask for."""

    id: str
    ref: str
    kind: str
    number: str
    text: str = ""
    status: str = ""
    voice: str = ""
    state: State = "queued"
    reason: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell Tocsin."""

    id: int
    target: str
    body: bytes
    at: float


_COLUMNS = "id, ref, kind, number, text, status, voice, state, reason, at"


class Taken(Exception):
    """Another gateway has the book open: two would send everything twice."""


class Book:
    """The file. ``path``: where it is; made, for its owner alone, when it is not there."""

    def __init__(self, path: Path) -> None:
        """Raises Taken, and OSError when the file cannot be made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # until it is closed, and kept by nobody who died
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            self._db.close()
            raise Taken(f"{path}: {error}. Is another gateway using this folder?") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- jobs ---

    def accept(self, job: Job) -> tuple[Job, bool]:
        """Take a job over, and whether it is to be done: not when the same was asked before and has not failed.

        The latest request says where news go; what came of one that is done already is told there again.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            old = self._one("id = ?", job.id)
            if old is None:
                kept = replace(job, state="queued", at=moment.now())
                values = [getattr(kept, name) for name in _COLUMNS.split(", ")]
                self._db.execute(f"INSERT INTO job ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - our own names
                return kept, True
            again = old.state not in TAKEN
            state: State = "queued" if again else old.state
            at = moment.now() if again else old.at
            kept = replace(old, status=job.status, voice=job.voice, state=state, at=at, reason="")
            self._db.execute(
                "UPDATE job SET status = ?, voice = ?, state = ?, at = ?, reason = '' WHERE id = ?",
                [kept.status, kept.voice, kept.state, kept.at, kept.id],
            )
            if old.state == "failed":  # what the network lost is sent anew as a whole
                self._db.execute("DELETE FROM part WHERE ref = ?", [kept.ref])
            if state == "delivered":
                self._tell_status(kept)
            return kept, again

    def waiting(self, kind: str) -> list[Job]:
        """What is still to be done, the oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM job WHERE kind = ? AND state IN ('queued', 'sending') ORDER BY at, id",  # noqa: S608 - our own names
            [kind],
        )
        return [Job(*row) for row in rows]

    def job(self, ref: str) -> Job | None:
        """One by our name for it."""
        return self._one("ref = ?", ref)

    def _one(self, where: str, value: str) -> Job | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM job WHERE {where}", [value]).fetchone()  # noqa: S608 - our own names
        return Job(*row) if row else None

    def sending(self, ref: str) -> None:
        """It is being handed to the device."""
        self._db.execute("UPDATE job SET state = 'sending' WHERE ref = ? AND state = 'queued'", [ref])

    def end(self, ref: str, state: State, reason: str = "", *, tell: bool = True) -> None:
        """What came of a job. ``tell``: whether Tocsin is to be told; not when it hears it in the answer."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(ref, state, reason, tell=tell)

    def _end(self, ref: str, state: State, reason: str, *, tell: bool) -> None:
        self._db.execute(
            "UPDATE job SET state = ?, reason = ?, ended_at = ? WHERE ref = ?", [state, reason, moment.now(), ref]
        )
        job = self.job(ref)
        if tell and job is not None and state in ("delivered", "failed"):
            self._tell_status(job)

    # --- parts of an SMS ---

    def parts_sent(self, ref: str) -> set[int]:
        """Which parts the network has already."""
        return {row[0] for row in self._db.execute("SELECT number FROM part WHERE ref = ?", [ref])}

    def part_sent(self, ref: str, number: int, mark: int) -> None:
        """The network has taken a part. ``mark``: the modem's number for it, which the status report names."""
        self._db.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, 'sent')", [ref, number, mark, moment.now()])

    def report(self, mark: int, recipient: str, state: str, reason: str) -> str | None:
        """A status report. A message has arrived when all of its parts have; one that failed is enough to fail it.

        The job's ref, or None when it is none of ours.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            rows = self._db.execute(
                "SELECT p.ref, p.number, j.number FROM part p JOIN job j ON j.ref = p.ref"
                " WHERE p.mark = ? AND p.at > ? AND p.state = 'sent' ORDER BY p.at DESC",
                [mark, moment.now() - REPORT_S],
            ).fetchall()
            found = next((row for row in rows if _same(row[2], recipient)), None)
            if found is None:
                return None
            ref = str(found[0])
            self._db.execute("UPDATE part SET state = ? WHERE ref = ? AND number = ?", [state, ref, found[1]])
            states = [row[0] for row in self._db.execute("SELECT state FROM part WHERE ref = ?", [ref])]
            job = self.job(ref)
            # a report may overtake the rest of the message, which is still being sent
            if job is not None and job.state in ("sent", "delivered"):
                self._settle(job, states, reason)
            return ref

    def all_sent(self, ref: str) -> None:
        """The network has every part; reports may have come before."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(ref, "sent", "", tell=False)
            states = [row[0] for row in self._db.execute("SELECT state FROM part WHERE ref = ?", [ref])]
            if (job := self.job(ref)) is not None:
                self._settle(job, states, "undelivered")

    def _settle(self, job: Job, states: list[str], reason: str) -> None:
        if "failed" in states:
            self._end(job.ref, "failed", reason, tell=True)
        elif states and all(state == "delivered" for state in states):
            self._end(job.ref, "delivered", "", tell=True)

    # --- news ---

    def _tell_status(self, job: Job) -> None:
        if job.status:
            self._tell(job.status, {"ref": job.ref, "state": job.state, "reason": job.reason})

    def _tell(self, target: str, body: dict[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False)
        self._db.execute("INSERT INTO news (target, body, at) VALUES (?, ?, ?)", [target, text, moment.now()])

    def tell(self, target: str, body: dict[str, Any]) -> None:
        """Note something to tell Tocsin."""
        self._tell(target, body)

    def untold(self, most: int = 100) -> list[News]:
        """What Tocsin does not know yet, the oldest first."""
        rows = self._db.execute("SELECT id, target, body, at FROM news ORDER BY id LIMIT ?", [most])
        return [News(row[0], row[1], row[2].encode(), row[3]) for row in rows]

    def told(self, id: int) -> None:
        """Tocsin knows it, or does not want to."""
        self._db.execute("DELETE FROM news WHERE id = ?", [id])

    # --- notes ---

    def note(self, name: str) -> str:
        """Something that a device has to know after a restart; empty when there is nothing."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", [name]).fetchone()
        return str(row[0]) if row else ""

    def keep_note(self, name: str, value: str) -> None:
        """Keep it; empty: no longer."""
        if value:
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", [name, value])
        else:
            self._db.execute("DELETE FROM note WHERE name = ?", [name])

    def forget(self) -> None:
        """Forget what is too old to be asked for again, or to be of use."""
        now = moment.now()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM news WHERE at < ?", [now - TELL_S])
            self._db.execute("DELETE FROM job WHERE at < ? AND state NOT IN ('queued', 'sending')", [now - KEPT_S])
            self._db.execute("DELETE FROM part WHERE ref NOT IN (SELECT ref FROM job)")


def _same(number: str, recipient: str) -> bool:
    """Whether a report is about this number: some networks write it without its country code."""
    known, told = number.lstrip("+0"), recipient.lstrip("+0")
    return bool(told) and (known.endswith(told[-7:]) if len(told) >= 7 else known.endswith(told))
