"""Bringing the rows of one incident together when they lie anywhere in a file larger than the memory.

Rows are sorted in portions that fit, each portion goes to a temporary file, and the portions are merged.
"""

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO

import msgspec

from tocsin.project.history.reading import Row

PORTION = 32 * 1024 * 1024  # characters of values, about
_Item = tuple[str, int, tuple[str, ...]]
_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Item).decode
_order = itemgetter(0, 1)


def grouped(rows: Iterable[Row], key: int, portion: int = PORTION) -> Iterator[tuple[str, list[Row]]]:
    """Rows by the value of the column ``key``, in the order of these values; within one, in the file's order."""
    spilled: list[IO[bytes]] = []
    held: list[_Item] = []
    size = 0
    try:
        for row in rows:
            held.append((row.values[key], row.line, row.values))
            size += sum(map(len, row.values)) + 60 * len(row.values)
            if size > portion:
                spilled.append(_spill(held))
                held, size = [], 0
        held.sort(key=_order)
        merged: Iterable[_Item] = heapq.merge(*map(_read, spilled), held, key=_order) if spilled else held
        for name, items in groupby(merged, key=itemgetter(0)):
            yield name, [Row(line, values) for _, line, values in items]
    finally:
        for file in spilled:
            file.close()


def _spill(items: list[_Item]) -> IO[bytes]:
    items.sort(key=_order)
    file = tempfile.TemporaryFile(prefix="tocsin-import-")  # noqa: SIM115 - closed by the caller, when it is merged
    for item in items:
        packed = _encode(item)
        file.write(_LENGTH.pack(len(packed)))
        file.write(packed)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[_Item]:
    while head := file.read(_LENGTH.size):
        yield _decode(file.read(_LENGTH.unpack(head)[0]))
