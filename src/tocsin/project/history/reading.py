"""Reading a CSV file of unknown make as a stream: encoding, delimiter, header, rows, and the rows that are none."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tocsin.platform.errors import Invalid

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
DELIMITERS = (",", ";", "\t", "|")
LINE_MOST = 4 * 1024 * 1024  # characters; more without a line's end is no CSV
FIELD_MOST = 1024 * 1024  # characters; where a quote is not closed, this ends the search for its end
COLUMNS_MOST = 1000
SAMPLE = 64 * 1024
# what exports write where nothing is known
NOTHING = frozenset({"", "?", "-", "--", "n/a", "null", "none", "(empty)", "(blank)", "\\n"})

Chunks = Callable[[], Iterable[bytes]]  # the file from its beginning, as often as it is asked for


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written: a Python name of its encoding, its delimiter, and whether its first line says so."""

    encoding: str
    delimiter: str
    said: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One record; ``line`` is the number of the file's line on which it ends, the header's being 1 as a rule."""

    line: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no record, and why."""

    line: int
    why: str


class _Stream(io.RawIOBase):
    """Chunks of bytes as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")  # cut without copying

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer with what is there; 0 at the end."""
        view = memoryview(buffer)  # type: ignore[arg-type]  # io gives a writable buffer
        while not self._rest:
            part = next(self._chunks, None)
            if part is None:
                return 0
            self._rest = memoryview(part)
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def unpacked(chunks: Chunks, most: int) -> io.BufferedReader:
    """The bytes of the file, out of gzip where it is packed.

    Reading more than ``most`` bytes raises Invalid: a small file may unpack to any size.
    """
    plain = io.BufferedReader(_Stream(chunks()), SAMPLE)
    packed = plain.peek(2)[:2] == b"\x1f\x8b"
    source: io.BufferedIOBase = gzip.GzipFile(fileobj=plain) if packed else plain
    return io.BufferedReader(_Stream(_counted(source, most)), SAMPLE)


def _counted(source: io.BufferedIOBase, most: int) -> Iterator[bytes]:
    seen = 0
    try:
        while part := source.read(SAMPLE):
            seen += len(part)
            if seen > most:
                raise Invalid(f"The file is larger than {most // 2**20:,} MiB.", {"file": "split it by date"})
            yield part
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Invalid(f"The file is packed with gzip, and broken: {error}.", {"file": "a whole file"}) from error


def form_of(chunks: Chunks, most: int) -> Form:
    """How the file is written. Reads all of it: whether it is UTF-8 shows at its last odd character.

    Raises Invalid when it is empty, or no text.
    """
    start = b"".join(_first(unpacked(chunks, most)))
    if not start.strip():
        raise Invalid("The file is empty.", {"file": "a CSV file with a header"})
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif start.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif len(start) > 3 and start[1:200:2].count(0) > len(start[:200]) // 3:
        encoding = "utf-16-le"
    elif start[:200].count(0):
        raise Invalid("The file is no text.", {"file": "a CSV file; of a spreadsheet, save it as CSV first"})
    else:
        encoding = "utf-8" if _is_utf8(unpacked(chunks, most)) else "cp1252"
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        return Form(encoding, first.strip()[4], True)
    return Form(encoding, _delimiter(text if rest else first))


def _first(source: io.BufferedIOBase) -> Iterator[bytes]:
    left = SAMPLE
    while left > 0 and (part := source.read(left)):
        left -= len(part)
        yield part


def _is_utf8(source: io.BufferedIOBase) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while part := source.read(SAMPLE):
            decoder.decode(part)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(text: str) -> str:
    """The delimiter with which most records have as many fields as the header, and the most of them."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row][:200]
        except csv.Error:
            return (0.0, 0)
        if len(rows) > 2:
            rows.pop()  # it may be cut
        width = len(rows[0]) if rows else 0
        if width < 2:
            return (0.0, 0)
        return (round(sum(len(row) == width for row in rows) / len(rows), 1), width)

    return max(DELIMITERS, key=score)


def header(names: Iterable[str]) -> list[str]:
    """Names of columns, each once: what has none is called by its place, what comes twice is numbered."""
    found: list[str] = []
    for place, raw in enumerate(names, start=1):
        name = " ".join(raw.replace("\ufeff", "").replace("\x00", "").split())[:120] or f"column {place}"
        wanted, number = name, 2
        while wanted in found:
            wanted, number = f"{name} ({number})", number + 1
        found.append(wanted)
    return found


def records(chunks: Chunks, form: Form, most: int) -> Iterator[Row | Bad]:
    """The header as a Row, then every record, and what is none. Empty lines are passed over.

    Raises Invalid when there is no header, or a line that does not end.
    """
    reader = csv.reader(_lines(unpacked(chunks, most), form), delimiter=form.delimiter)
    before = csv.field_size_limit(FIELD_MOST)
    width = 0
    begin = 0
    try:
        while True:
            begin = reader.line_num + 1
            try:
                raw = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                span = f"lines {begin} to {reader.line_num}" if reader.line_num > begin else f"line {begin}"
                yield Bad(begin, f"{span} cannot be read: {error}")
                continue
            if not any(map(str.strip, raw)) or (form.said and not width and reader.line_num == 1):
                continue
            if not width:
                width = len(raw)
                if width > COLUMNS_MOST:
                    raise Invalid(f"The header has {width:,} columns.", {"file": f"at most {COLUMNS_MOST:,}"})
                yield Row(reader.line_num, tuple(header(raw)))
                continue
            if len(raw) > width and not any(raw[width:]):
                del raw[width:]
            if len(raw) != width:
                yield Bad(reader.line_num, f"has {len(raw)} fields, the header has {width}")
                continue
            yield Row(reader.line_num, tuple(clean(value) for value in raw))
    finally:
        csv.field_size_limit(before)
    if not width:
        raise Invalid("The file has no header.", {"file": "a CSV file whose first line names the columns"})


def clean(value: str) -> str:
    """A value without what surrounds it; empty where the export says that nothing is known."""
    value = value.replace("\x00", "").strip()
    return "" if value.lower() in NOTHING else value


def _lines(source: io.BufferedReader, form: Form) -> Iterator[str]:
    text = io.TextIOWrapper(source, encoding=form.encoding, errors="replace", newline="")
    while line := text.readline(LINE_MOST):
        if len(line) == LINE_MOST and not line.endswith(("\n", "\r")):
            raise Invalid(
                f"The file has a line of more than {LINE_MOST:,} characters.", {"file": "a CSV file with lines"}
            )
        yield line
