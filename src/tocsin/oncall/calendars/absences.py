"""When people are away: from calendar events and from CSV files of other tools. Pure; problems are told by row.

An absence that begins or ends on a mere date begins at 00:00 of that day and lasts until its end, in the person's zone.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tocsin.oncall.calendars import zones
from tocsin.oncall.calendars.content import text_of
from tocsin.oncall.calendars.people_of import Directory, meant
from tocsin.oncall.calendars.shapes import Event
from tocsin.oncall.rules.wallclock import local_instant

MAX_ROWS = 10_000
MAX_TEXT = 1000
WORDS: Mapping[str, str] = {
    "vacation": "vacation",
    "holiday": "vacation",
    "holidays": "vacation",
    "annual leave": "vacation",
    "pto": "vacation",
    "urlaub": "vacation",
    "out of office": "away",
    "ooo": "away",
    "oof": "away",
    "away": "away",
    "abwesend": "away",
    "abwesenheit": "away",
    "sick": "sick",
    "sick leave": "sick",
    "krank": "sick",
    "krankheit": "sick",
    "krankgemeldet": "sick",
    "parental leave": "leave",
    "elternzeit": "leave",
    "leave": "leave",
}
"""Words of a summary (small letters) and the kind of absence that each means; the longest one found counts."""


class Absence(NamedTuple):
    """Somebody is away from ``start`` to ``end`` (UTC, half-open).

    ``person``: the id of somebody known, else who it is in the words of the file. ``uid``: what the absence is called
    where it comes from, the same whenever it is read again.
    """

    person: int | str
    start: datetime
    end: datetime
    kind: str
    note: str
    uid: str


class Problem(NamedTuple):
    """What could not be read: a row (1 is the first line's) and a column of a file, or the UID of an event."""

    text: str
    row: int = 0
    column: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Absences:
    """What was found, by start, and what was not."""

    absences: tuple[Absence, ...]
    problems: tuple[Problem, ...] = ()


def kind_of(text: str, words: Mapping[str, str] = WORDS) -> str:
    """The kind of the longest of ``words`` that stands in a text as a word of its own; empty for none."""
    plain = text.casefold()
    for word in sorted(words, key=lambda one: (-len(one), one)):
        if word in plain and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", plain):
            return words[word]
    return ""


def from_events(
    events: Iterable[Event],
    *,
    person: int | str | None = None,
    known: Directory | None = None,
    words: Mapping[str, str] = WORDS,
    everything: bool = False,
) -> Absences:
    """Absences among the events of a calendar: of ``person``, whose own it is, or of whom each names among ``known``.

    An event counts when its summary or categories hold one of ``words``, when Outlook has it as out of office, or with
    ``everything`` always; what holds no word is of kind ``away``. Raises ValueError without ``person`` and ``known``.
    """
    if person is None and known is None:
        raise ValueError("person (whose calendar it is) or known (the people whom its events may name)")
    beside = frozenset(part for word in words for part in word.split())
    found: list[Absence] = []
    problems: list[Problem] = []
    for event in events:
        kind = kind_of(" | ".join((event.summary, *event.categories)), words)
        if not kind and not everything and event.busy != "OOF":
            continue
        whom: Sequence[int | str] = () if person is None else (person,)
        if person is None and known is not None:
            match = meant(event, known, beside)
            whom = match.people
            problems += [Problem(f"{text!r} is nobody who is known", uid=event.uid) for text in match.unknown]
            problems += [Problem(f"{one.text!r} could be several people", uid=event.uid) for one in match.ambiguous]
            if not whom and not match.unknown and not match.ambiguous:
                problems.append(Problem(f"{event.summary[:80]!r} names nobody", uid=event.uid))
        uid = f"{event.uid}/{event.occurrence:%Y%m%dT%H%M%SZ}" if event.occurrence else event.uid
        found += [Absence(one, event.start, event.end, kind or "away", event.summary, uid) for one in whom]
    return Absences(tuple(sorted(found, key=_order)), tuple(problems))


def _order(absence: Absence) -> tuple[datetime, datetime, str, str]:
    return absence.start, absence.end, str(absence.person), absence.uid


# -- CSV ---------------------------------------------------------------------------------------------------------------

_CALLED: Mapping[str, str] = {
    "person": "email e-mail mail name person user username employee member who mitarbeiter benutzer email_address "
    "full_name user_email employee_name employee_email e-mail-adresse",
    "start": "start from begin begins since start_date start_time start_at from_date beginn von",
    "end": "end to until till ends end_date end_time end_at to_date ende bis",
    "kind": "kind type reason category absence_type leave_type art grund",
    "zone": "zone timezone time_zone tz zeitzone",
    "note": "note notes comment description summary notiz bemerkung",
    "uid": "uid id external_id",
}
_COLUMNS = {name: frozenset(called.split()) for name, called in _CALLED.items()}
_DELIMITERS = (",", ";", "\t", "|")
_ISO = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_POINTS = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})")
_SLASHES = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})")
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_RIGHT = "2026-03-30, 30.03.2026 or 2026-03-30 09:00"


class _Wrong(Exception):
    """What is wrong with a cell, and what would be right."""


def from_csv(
    body: bytes | str,
    *,
    zone: str = "UTC",
    known: Directory | None = None,
    words: Mapping[str, str] = WORDS,
    max_rows: int = MAX_ROWS,
) -> Absences:
    """Absences of a CSV file with a row of headings: a person, a start, an end, and perhaps kind, zone, note, id.

    Headings in English or German, in any order; comma, semicolon, tab or bar between the cells. Dates are ISO,
    DD.MM.YYYY, or MM/DD/YYYY where that can mean no other day; a mere date at the end is the last day of the absence.
    Times without an offset are meant in the row's zone, else in ``zone`` (IANA). With ``known``, whoever is not among
    them is a problem. Never raises: what cannot be read is a problem with its row and column.
    """
    text = text_of(body) if isinstance(body, bytes) else body.removeprefix("\ufeff")
    problems: list[Problem] = []
    rows = list(_rows(text, max_rows + 3, problems))
    top = next((place for place, (_, cells) in enumerate(rows) if cells), None)
    if top is None:
        return Absences((), (Problem("the file is empty; a row of headings and rows below it", 1),))
    headings = _headings(rows[top][1])
    if missing := [name for name in ("person", "start") if name not in headings]:
        texts = [f"no heading for {name}: one of {', '.join(_CALLED[name].split()[:5])} ..." for name in missing]
        return Absences((), tuple(Problem(line, rows[top][0]) for line in texts))
    found: list[Absence] = []
    for number, cells in rows[top + 1 :][:max_rows]:
        if cells:
            given = {name: cells[place].strip() for name, (place, _) in headings.items() if place < len(cells)}
            fresh, wrong = _absence(given, number, zone, known, words)
            found += fresh
            problems += [Problem(why, number, headings[column][1]) for column, why in wrong.items()]
    if len(rows) - top - 1 > max_rows:
        problems.append(Problem(f"more than {max_rows} rows; the rest was not read", max_rows + 2))
    return Absences(tuple(sorted(found, key=_order)), tuple(problems))


def _rows(text: str, most: int, problems: list[Problem]) -> Iterable[tuple[int, list[str]]]:
    """(number, cells) of each row; an empty one has no cells. ``sep=;``, as Excel writes it, is obeyed."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    told = re.fullmatch(r'"?sep=(.)"?', lines[first].strip(" "), re.IGNORECASE)
    if told:
        lines[first] = ""
        delimiter = told[1]
    else:
        delimiter = max(
            _DELIMITERS, key=lambda one: len(_headings(next(csv.reader([lines[first]], delimiter=one), [])))
        )
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    for number in range(1, most + 1):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(f"cannot be read ({error})", number))
            continue
        yield number, cells if any(cell.strip() for cell in cells) else []


def _headings(cells: Sequence[str]) -> dict[str, tuple[int, str]]:
    """(place, heading as written) by what the column is; an e-mail address goes before a name."""
    found: dict[str, tuple[int, str]] = {}
    for place, cell in enumerate(cells):
        plain = re.sub(r"[\s_]+", "_", cell.strip().casefold())
        for name, called in _COLUMNS.items():
            if plain in called and (name not in found or (name == "person" and "mail" in plain)):
                found[name] = (place, cell.strip())
                break
    return found


def _absence(
    given: Mapping[str, str], row: int, zone: str, known: Directory | None, words: Mapping[str, str]
) -> tuple[list[Absence], dict[str, str]]:
    """(the absence of a row, if it can be read; what is wrong by column)."""
    wrong: dict[str, str] = {}
    person: int | str = given["person"][:MAX_TEXT]
    if not person:
        wrong["person"] = "empty; an e-mail address or a name"
    elif known is not None:
        ids = known.find(str(person))
        if len(ids) == 1:
            person = ids[0]
        else:
            wrong["person"] = f"{person!r} {'could be several people' if ids else 'is nobody who is known'}"
    if given.get("zone"):
        zone = zones.iana(given["zone"])
        if not zone:
            wrong["zone"] = f"{given['zone'][:80]!r} is no zone; an IANA name such as Europe/Berlin"
    moments: dict[str, date | datetime] = {}
    for column in ("start", "end"):
        try:
            moments[column] = _moment(given.get(column, ""))
        except _Wrong as error:
            if column == "start" or given.get("end"):
                wrong[column] = str(error)
    start = moments.get("start")
    if "end" not in moments and "end" not in wrong and isinstance(start, datetime):
        wrong["end" if "end" in given else "start"] = "no end; without one, a start that is a mere date is that one day"
    if wrong or start is None:
        return [], wrong
    end = moments.get("end", start)
    begin = _instant(start, zone)
    stop = _instant(end if isinstance(end, datetime) else end + timedelta(days=1), zone)
    if stop <= begin:
        return [], {"end" if "end" in given else "start": "not after the start"}
    kind = given.get("kind", "")[:MAX_TEXT]
    digest = hashlib.sha256(f"{given['person']}|{begin.isoformat()}".encode()).hexdigest()[:32]
    uid = given.get("uid", "")[:MAX_TEXT] or f"csv-{digest}"
    note = given.get("note", "")[:MAX_TEXT] or kind
    return [Absence(person, begin, stop, kind_of(kind, words) or "away", note, uid)], {}


def _instant(at: date | datetime, zone: str) -> datetime:
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)  # noqa: DTZ001 - local time
    return local_instant(zone, at).astimezone(UTC)


def _moment(text: str) -> date | datetime:
    """A date, or a time with or without an offset. Raises _Wrong."""
    if not text:
        raise _Wrong(f"empty; {_RIGHT}")
    dated, _, clock = text.replace("T", " ", 1).partition(" ")
    day = _day(dated.rstrip(","))
    if not clock.strip():
        return day
    found = _CLOCK.fullmatch(clock.strip())
    if found is None:
        raise _Wrong(f"{text[:40]!r} is no time; {_RIGHT}")
    offset = (found[4] or "").upper().replace("Z", "+00:00")
    exact = f"{day.isoformat()}T{int(found[1]):02}:{found[2]}:{found[3] or '00'}{offset}"
    try:
        return datetime.fromisoformat(exact)
    except ValueError as error:
        raise _Wrong(f"{text[:40]!r} is no time; {_RIGHT}") from error


def _day(text: str) -> date:
    if found := _ISO.fullmatch(text):
        year, month, day = (int(part) for part in found.groups())
    elif found := _POINTS.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
    elif found := _SLASHES.fullmatch(text):
        month, day, year = (int(part) for part in found.groups())
        if month <= 12 and day <= 12 and month != day:
            raise _Wrong(f"{text!r} could be two days; {year}-{month:02}-{day:02} or {year}-{day:02}-{month:02}")
    else:
        raise _Wrong(f"{text[:40]!r} is no date; {_RIGHT}")
    try:
        if not 1970 <= year <= 9000:
            raise _Wrong(f"{text!r} is out of range; a year from 1970 to 9000")
        return date(year, month, day)
    except ValueError as error:
        raise _Wrong(f"{text!r} is no date; {_RIGHT}") from error
