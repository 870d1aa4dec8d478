"""The spool: accepted signals on the local disk while the database is away.

One file for each process, ``<folder>/<stream>.spool``, locked (flock) for as long as the process lives; whoever gets
the lock of another file knows that its process is dead and adopts it. A file is a sequence of records: length and
CRC-32 of the payload (two 32-bit numbers, little-endian), then the payload (MessagePack): number, arrival, rows. A torn
record at the end was never answered with success, so it may be dropped.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zlib import crc32

import msgspec

from tocsin.intake.rules import Row

_HEAD = struct.Struct("<II")
LARGEST = 256 * 1024 * 1024


class Full(Exception):
    """The spool may not grow any more."""


class Record(msgspec.Struct, array_like=True, gc=False):
    """Some signals accepted together. ``number`` counts a stream's batches; ``arrived`` is the database's time."""

    number: int
    arrived: datetime
    rows: list[Row]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class Spool:
    """One spool file. Calls block: run them in a thread."""

    def __init__(self, path: Path, fd: int, limit: int) -> None:
        self.path = path
        self.stream = path.stem
        self._fd = fd
        self._limit = limit
        self.size = os.fstat(fd).st_size
        self.read_at = 0

    @classmethod
    def create(cls, folder: Path, stream: str, limit: int) -> "Spool":
        """A new, empty, locked file for this process."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{stream}.spool"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return cls(path, fd, limit)

    @classmethod
    def orphans(cls, folder: Path, limit: int) -> list["Spool"]:
        """The files of dead processes, locked for us, oldest first."""
        found = []
        for path in sorted(folder.glob("*.spool"), key=_age):
            try:
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(fd), path.stat()):
                    raise FileNotFoundError(path)
            except (BlockingIOError, FileNotFoundError):
                os.close(fd)
                continue
            found.append(cls(path, fd, limit))
        return found

    def append(self, records: list[Record]) -> None:
        """Add records and make them durable. Raises Full, or OSError; nothing is added then."""
        parts = []
        for record in records:
            payload = _encode(record)
            parts.append(_HEAD.pack(len(payload), crc32(payload)))
            parts.append(payload)
        data = b"".join(parts)
        if self.size + len(data) > self._limit:
            raise Full(f"the spool holds {self.size} bytes of at most {self._limit}")
        try:
            view = memoryview(data)
            at = self.size
            while view:
                written = os.pwrite(self._fd, view, at)
                view = view[written:]
                at += written
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size = at

    def records(self, end: int) -> Iterator[tuple[Record, int]]:
        """Records from the reading position up to ``end``, each with the position behind it; ends at a torn one."""
        at = self.read_at
        while at + _HEAD.size <= end:
            length, checksum = _HEAD.unpack(os.pread(self._fd, _HEAD.size, at))
            if length > LARGEST:
                return
            payload = os.pread(self._fd, length, at + _HEAD.size)
            if len(payload) < length or crc32(payload) != checksum:
                return
            at += _HEAD.size + length
            yield _decode(payload), at

    def take(self, rows: int) -> tuple[list[Record], int]:
        """The next records with about so many rows together, and the position behind them.

        When nothing but a torn end is left, no records and the position behind that. What is appended meanwhile by
        another thread is for the next call.
        """
        end = self.size
        found: list[Record] = []
        count, position = 0, self.read_at
        for record, behind in self.records(end):
            if found and count + len(record.rows) > rows:
                break
            found.append(record)
            count += len(record.rows)
            position = behind
        return found, position if found else end

    @property
    def empty(self) -> bool:
        """Whether everything in it was read."""
        return self.read_at >= self.size

    def reset(self) -> None:
        """Forget what was replayed."""
        os.ftruncate(self._fd, 0)
        self.size = self.read_at = 0

    def remove(self) -> None:
        """Delete the file and give up its lock."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def close(self) -> None:
        """Give up the lock and leave the file for others."""
        os.close(self._fd)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
