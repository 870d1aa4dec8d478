"""Files as they come: encodings, delimiters, quotes, lines that are no rows, and more rows than fit."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.platform.errors import Invalid
from tocsin.project.history import reading
from tocsin.project.history.grouping import grouped
from tocsin.project.history.reading import Bad, Form, Row

MOST = 64 * 1024 * 1024


def read(data: bytes, piece: int = 7) -> list[Row | Bad]:
    """All records, the bytes arriving in small pieces."""

    def chunks() -> list[bytes]:
        return [data[at : at + piece] for at in range(0, len(data), piece)]

    return list(reading.records(chunks, reading.form_of(chunks, MOST), MOST))


@pytest.mark.parametrize("delimiter", reading.DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_every_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    text = f"number{delimiter}Titel\r\n1{delimiter}Drucker läuft nicht\r\n2{delimiter}Größe\r\n"
    rows = read(text.encode(encoding))
    assert rows == [
        Row(1, ("number", "Titel")),
        Row(2, ("1", "Drucker läuft nicht")),
        Row(3, ("2", "Größe")),
    ]


def test_a_late_odd_letter_decides_the_encoding() -> None:
    data = b"number,title\n" + b"1,plain\n" * 20_000 + "2,caf\xe9\n".encode("cp1252")
    last = read(data, 65_536)[-1]
    assert isinstance(last, Row)
    assert last.values == ("2", "café")


def test_quoted_newlines_delimiters_and_quotes_stay_inside() -> None:
    rows = read(b'number,title\r\n1,"two\r\nlines, and a ""quote"""\r\n2,x\r\n')
    assert rows[1:] == [Row(3, ("1", 'two\r\nlines, and a "quote"')), Row(4, ("2", "x"))]


def test_odd_headers() -> None:
    rows = read(b" Number ,,category,category,category (2)\n1,2,3,4,5\n")
    first = rows[0]
    assert isinstance(first, Row)
    assert first.values == ("Number", "column 2", "category", "category (2)", "category (2) (2)")


def test_excel_says_its_delimiter() -> None:
    rows = read(b"sep=;\r\nnumber;title\r\n1;a,b,c\r\n")
    assert [row.values for row in rows if isinstance(row, Row)] == [("number", "title"), ("1", "a,b,c")]


def test_lines_that_are_no_rows_are_named_and_the_rest_is_read() -> None:
    rows = read(b"number,title\n1,a\n2\n\n3,b,c\n4,d,,\n5,e\n")
    assert rows[1:] == [
        Row(2, ("1", "a")),
        Bad(3, "has 1 fields, the header has 2"),
        Bad(5, "has 3 fields, the header has 2"),
        Row(6, ("4", "d")),
        Row(7, ("5", "e")),
    ]


def test_a_quote_that_is_not_closed_ends_somewhere() -> None:
    data = b'number,title\n1,"' + b"x,y\n" * 400_000 + b"2,b\n"
    rows = read(data, 65_536)
    assert any(isinstance(row, Bad) and "cannot be read" in row.why for row in rows)
    assert rows[-1] == Row(400_002, ("2", "b"))


def test_what_says_nothing_is_empty() -> None:
    assert read(b"number,a,b,c\n1,?,NULL, - \n")[1] == Row(2, ("1", "", "", ""))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (b"PK\x03\x04\x00\x00\x00rest of a spreadsheet", "no text"),
        (gzip.compress(b"number,title\n1,a\n" * 1000)[:-20], "broken"),
        (b"number,title\n" + b"x" * (reading.LINE_MOST + 10), "line of more than"),
        (b",".join([b"a"] * 1001) + b"\n1\n", "columns"),
    ],
)
def test_what_is_no_csv_is_said_so(data: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(data, 65_536)


def test_packed_files_are_read_and_bombs_are_not() -> None:
    assert read(gzip.compress(b"number,title\n1,a\n"))[1] == Row(2, ("1", "a"))
    bomb = gzip.compress(b"number,title\n" + b"1,a\n" * 1_000_000)
    assert len(bomb) < 20_000
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        list(reading.records(lambda: [bomb], Form("utf-8", ","), 2**20))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=20)


@given(st.lists(st.tuples(cells, cells), max_size=20))
def test_what_was_written_is_read(table: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "title"])
    writer.writerows(table)
    rows = list(reading.records(lambda: [out.getvalue().encode()], Form("utf-8", ","), MOST))
    expected = [tuple(map(reading.clean, row)) for row in table if any(map(str.strip, row))]
    assert [row.values for row in rows[1:] if isinstance(row, Row)] == expected


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text(max_size=5)), max_size=60), st.integers(100, 2_000))
def test_grouping_on_disk_is_as_in_memory(table: list[tuple[str, str]], portion: int) -> None:
    rows = [Row(line, values) for line, values in enumerate(table, start=2)]
    expected = [(name, [row for row in rows if row.values[0] == name]) for name in sorted({row[0] for row in table})]
    assert list(grouped(iter(rows), 0, portion)) == expected
