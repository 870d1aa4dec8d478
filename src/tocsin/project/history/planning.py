"""Looking at a file and foretelling what it would become. Nothing is written here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tocsin.incidents.past import PastIncident
from tocsin.incidents.rules import MATRIX
from tocsin.platform.errors import Invalid
from tocsin.project.history import columns, dates, reading
from tocsin.project.history.figures import Figures
from tocsin.project.history.findings import Findings
from tocsin.project.history.grouping import grouped
from tocsin.project.history.options import Options
from tocsin.project.history.reading import Bad, Chunks, Form, Row
from tocsin.project.history.telling import Teller

EVERY = 2_000  # rows between two words about how far it is
FIRST = 10
BAD_MOST = 50

Progress = Callable[[int, int], None]  # what is done, of how much


@dataclass(frozen=True, slots=True)
class File:
    """A file to be read: its pieces as often as they are asked for, and how many bytes it may unpack to."""

    chunks: Chunks
    most: int


def silent(done: int, total: int) -> None:
    """Progress that nobody waits for."""


def profile(file: File, progress: Progress = silent) -> dict[str, Any]:
    """What is in the file: form, columns with samples, rows that are none, the guessed meaning, and what to ask.

    Reads the whole file: a column's order of day and month may show in its last row. Raises Invalid.
    """
    form = reading.form_of(file.chunks, file.most)
    found = reading.records(file.chunks, form, file.most)
    first = next(found)
    if isinstance(first, Bad):
        raise Invalid(f"The header cannot be read: {first.why}.", {"file": "a CSV file with a header"})
    seen = [columns.Column(name) for name in first.values]
    rows = bad_count = 0
    bad: list[dict[str, Any]] = []
    for row in found:
        if isinstance(row, Bad):
            bad_count += 1
            if len(bad) < BAD_MOST:
                bad.append({"line": row.line, "why": row.why})
            continue
        rows += 1
        for column, value in zip(seen, row.values, strict=True):
            column.see(value)
        if not rows % EVERY:
            progress(rows, 0)
    mapping = columns.guess(seen)
    moments = [one.moments for one in seen if one.is_moment and one.name in mapping.values()]
    order = dates.order_of(moments or [one.moments for one in seen if one.is_moment])
    return {
        "form": {"encoding": form.encoding, "delimiter": form.delimiter, "said": form.said},
        "rows": rows,
        "bad": bad,
        "bad_count": bad_count,
        "columns": [one.to_json() for one in seen],
        "mapping": mapping,
        "order": order,
        "bare": sum(one.bare for one in moments),
        "order_evidence": {
            "day_first": sum(one.day_first for one in moments),
            "month_first": sum(one.month_first for one in moments),
            "either": sum(one.either for one in moments),
        },
    }


def questions(profiled: Mapping[str, Any], options: Options) -> dict[str, str]:
    """What has to be said before anything can be planned, by field; empty when nothing is missing."""
    asked = {f"mapping.{name}": "name the column" for name in columns.missing(options.mapping)}
    if not options.order:
        evidence = profiled["order_evidence"]
        if evidence["day_first"] and evidence["month_first"]:
            why = (
                f"{evidence['day_first']} dates have a day above 12 first, {evidence['month_first']} have it second: "
                "say which is right; the others are left out"
            )
        else:
            why = "no date in the file has a day above 12: say D/M/Y or M/D/Y"
        asked["order"] = why
    if not options.zone and profiled.get("bare", 1):
        asked["zone"] = "say in which zone the clock stood that wrote these moments"
    return asked


def stream(file: File, profiled: Mapping[str, Any]) -> tuple[tuple[str, ...], Iterator[Row | Bad]]:
    """The header and the rows of a file that was looked at."""
    said = profiled["form"]
    form = Form(said["encoding"], said["delimiter"], said["said"])
    found = reading.records(file.chunks, form, file.most)
    first = next(found)
    if isinstance(first, Bad):
        raise Invalid(f"The header cannot be read: {first.why}.", {"file": "a CSV file with a header"})
    return first.values, found


def told(
    file: File,
    profiled: Mapping[str, Any],
    options: Options,
    source: str,
    findings: Findings,
    *,
    matrix: Mapping[str, Mapping[str, str]] = MATRIX,
    progress: Progress = silent,
) -> Iterator[PastIncident]:
    """Every incident of the file, by number. Raises Invalid when something has to be said first."""
    if asked := questions(profiled, options):
        raise Invalid("Something has to be said first.", asked)
    header, rows = stream(file, profiled)
    teller = Teller(header, options, source, findings, matrix)
    total = int(profiled["rows"])

    def good() -> Iterator[Row]:
        for row in rows:
            if isinstance(row, Bad):
                findings.add("bad_row", row.line, row.why)
            else:
                yield row

    done = reported = 0
    for number, together in grouped(good(), teller.key):
        done += len(together)
        if done - reported >= EVERY:
            progress(done, total)
            reported = done
        past = teller.tell(number, together)
        if past is not None:
            yield past
    progress(total, total)


def preview(past: PastIncident) -> dict[str, Any]:
    """An incident as it would be, for people."""
    return {
        "number": past.number,
        "title": past.title,
        "state": past.state,
        "priority": past.priority,
        "impact": past.impact,
        "urgency": past.urgency,
        "service": past.service,
        "team": past.team,
        "person": past.person,
        "opened_at": past.opened_at.isoformat(),
        "acknowledged_at": past.acknowledged_at.isoformat() if past.acknowledged_at else None,
        "resolved_at": past.resolved_at.isoformat(),
        "closed_at": past.closed_at.isoformat() if past.closed_at else None,
        "reopened": past.reopened,
        "reassigned": past.reassigned,
        "link": past.link,
        "entries": len(past.happened) + 1,
        "lines": list(past.lines),
    }


def plan(
    incidents: Iterator[PastIncident], options: Options, findings: Findings, each: Callable[[PastIncident], None]
) -> dict[str, Any]:
    """The figures, the first ten and the findings of these incidents, and of how many nothing had to be assumed.

    ``each`` sees every one of them.
    """
    figures = Figures(options.clock)
    first: list[dict[str, Any]] = []
    exact = 0
    for past in incidents:
        figures.see(past)
        each(past)
        exact += past.exact
        if len(first) < FIRST:
            first.append(preview(past))
    return {"figures": figures.to_json(), "exact": exact, "first": first, "findings": findings.to_json()}
