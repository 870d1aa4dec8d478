"""A bill as CSV and as XLSX. Pure; the same bill gives the same bytes."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from tocsin.oncall.load.pay import UNITS, Bill, Line

HEADINGS = (
    "person", "schedule", "shift start", "shift end", "what", "kind", "quantity", "unit", "rate", "amount", "currency",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_MADE = datetime(2000, 1, 1)  # noqa: DTZ001 - XLSX knows no zones; fixed, so that equal bills are equal files
Cell = str | Decimal


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: by an apostrophe before =, +, -, @ and their like.

    From OWASP's page on CSV injection; blanks before such a sign do not hide it.
    """
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def to_csv(bill: Bill, people: Mapping[int, str], schedules: Mapping[int, str], zone: str = "UTC") -> bytes:
    """Comma-separated lines (RFC 4180, UTF-8 with its mark, which Excel needs), then each person's total.

    ``zone`` (IANA) is that of the shift's times, which are written with their offset.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    for row in _rows(bill, people, schedules, zone):
        writer.writerow([f"{cell:f}" if isinstance(cell, Decimal) else guarded(cell) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def to_xlsx(bill: Bill, people: Mapping[int, str], schedules: Mapping[int, str], zone: str = "UTC") -> bytes:
    """The same rows as a workbook of one sheet; numbers are numbers, texts are never formulas or links."""
    # ships no types, and most processes never write a workbook
    import xlsxwriter  # type: ignore[import-untyped]

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": "On call", "created": _MADE})
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("On call")
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 3, 22)
    for column, heading in enumerate(HEADINGS):
        sheet.write_string(0, column, heading, bold)
    for number, row in enumerate(_rows(bill, people, schedules, zone), start=1):
        for column, cell in enumerate(row):
            if isinstance(cell, Decimal):
                sheet.write_number(number, column, float(cell))
            elif cell:
                sheet.write_string(number, column, cell)
    book.close()
    return out.getvalue()


def _rows(bill: Bill, people: Mapping[int, str], schedules: Mapping[int, str], zone: str) -> Iterator[tuple[Cell, ...]]:
    where = ZoneInfo(zone)

    def person(user: int) -> str:
        return people.get(user) or f"person {user}"

    def moment(at: datetime | None) -> str:
        return at.astimezone(UTC).astimezone(where).isoformat(timespec="minutes") if at else ""

    def schedule(line: Line) -> str:
        if line.schedule_id is None:
            return ""
        return schedules.get(line.schedule_id) or f"schedule {line.schedule_id}"

    for line in bill.lines:
        yield (
            person(line.user_id),
            schedule(line),
            moment(line.start),
            moment(line.end),
            line.what,
            line.kind or "",
            line.quantity.quantize(Decimal("0.0001")) if line.what == "standby" else line.quantity,
            UNITS[line.what],
            line.rate if line.rate is not None else "",
            line.amount,
            bill.currency,
        )
    for user, amount in sorted(bill.totals.items()):
        yield (person(user), "", "", "", "total", "", "", "", "", amount, bill.currency)
