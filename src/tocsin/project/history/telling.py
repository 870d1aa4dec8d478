"""From the rows of one number to one past incident: the last row says how it is, those before are its timeline.

Pure: rows in, an incident and findings out. A file with one row for each incident is the same with one row.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import msgspec

from tocsin.incidents.past import Happened, PastIncident
from tocsin.incidents.rules import MATRIX, priority_of
from tocsin.project.history.dates import moment
from tocsin.project.history.findings import Findings
from tocsin.project.history.options import Options
from tocsin.project.history.reading import Row
from tocsin.project.history.values import meaning

OVER = ("resolved", "closed")
TEXT_MOST = 20_000
FACTS = ("state", "priority", "service", "team", "person", "reporter", "cause", "resolution", "description")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one row says."""

    line: int
    at: datetime | None
    state: str
    said: str
    priority: str
    team: str
    person: str
    who: str


class Teller:
    """Tells incidents of one file; what could not be taken over exactly goes to ``findings``."""

    def __init__(
        self,
        header: Sequence[str],
        options: Options,
        source: str,
        findings: Findings,
        matrix: Mapping[str, Mapping[str, str]] = MATRIX,
    ) -> None:
        self.options = options
        self.source = source
        self.findings = findings
        self.matrix = matrix
        self._zone = options.clock
        self._places = {name: header.index(column) for name, column in options.mapping.items() if column in header}
        self._used = sorted(set(self._places.values()))
        self._read = hashlib.sha256(_encode(options.to_json())).digest()

    @property
    def key(self) -> int:
        """The place of the column that holds the number."""
        return self._places["number"]

    def value(self, row: Row, name: str) -> str:
        """What a row says of a field; empty when it has no column."""
        place = self._places.get(name)
        return "" if place is None else row.values[place]

    def _at(self, row: Row, name: str) -> datetime | None:
        value = self.value(row, name)
        if not value:
            return None
        found = moment(value, self.options.order, self._zone)
        if found is None:
            self.findings.add("bad_moment", row.line, value)
        return found

    def _meaning(self, row: Row, name: str) -> str:
        value = self.value(row, name)
        return meaning(name, value, self.options.values) if value else ""

    def tell(self, number: str, rows: Sequence[Row]) -> PastIncident | None:
        """The incident of these rows, which have one number and are in the file's order; None: it is left out."""
        findings, line, found = self.findings, rows[-1].line, self.findings.total
        if not number or len(number) > 200:
            for row in rows:
                findings.add("no_number", row.line, number)
            return None
        seen = self._in_order([self._see(row) for row in rows])
        # what was filled last counts: a change log may leave out later what it said before
        opened = next((at for row in rows if (at := self._at(row, "opened_at"))), None)
        if opened is None:
            findings.add("no_opened", line, number)
            return None
        last = seen[-1]
        resolved, closed = self._last_at(rows, "resolved_at"), self._last_at(rows, "closed_at")
        over = last.state in OVER or ("state" not in self._places and bool(resolved or closed))
        if not over and self.options.open == "leave_out":
            findings.add("left_open", line, number)
            return None
        end = self._end(opened, resolved, closed, last, over, number)
        if end is None:
            return None
        impact, urgency, priority, reason = self._importance(rows)
        acknowledged = self._acknowledged(rows, seen, opened, end)
        reopened, reassigned = self._counts(rows, seen)
        facts = self._facts(rows)
        state = last.state if last.state in OVER else "closed" if over and closed else "resolved"
        past = PastIncident(
            number=number,
            title=self._title(number, facts, rows),
            state=state,
            priority=priority,
            impact=impact,
            urgency=urgency,
            priority_reason=reason,
            opened_at=opened,
            acknowledged_at=acknowledged,
            resolved_at=end,
            closed_at=closed if over else None,
            resolved_known=over and end in (resolved, None if "resolved_at" in self._places else closed),
            service=facts.get("service", ""),
            team=facts.get("team", ""),
            person=facts.get("person", ""),
            reopened=reopened,
            reassigned=reassigned,
            link=self._link(rows, number),
            facts=facts,
            happened=[],
            fingerprint=self._fingerprint(rows),
            lines=tuple(row.line for row in rows[:20]),
        )
        past.happened = self._happened(past, seen, over)
        past.exact = findings.total == found
        return past

    def _see(self, row: Row) -> _Seen:
        said = self.value(row, "state")
        state = self._meaning(row, "state")
        if said and not state:
            self.findings.add("unknown_state", row.line, said)
            state = "acknowledged"
        return _Seen(
            row.line, self._at(row, "updated_at"), state or "triggered", said, self._meaning(row, "priority"),
            self.value(row, "team"), self.value(row, "person"), self.value(row, "updated_by"),
        )  # fmt: skip

    @staticmethod
    def _in_order(seen: list[_Seen]) -> list[_Seen]:
        """By the moment of each change where all have one; an export may be in any order."""
        if all(one.at for one in seen):
            return sorted(seen, key=lambda one: (one.at, one.line))
        return seen

    def _last_at(self, rows: Sequence[Row], name: str) -> datetime | None:
        return next((at for row in reversed(rows) if (at := self._at(row, name))), None)

    def _end(
        self, opened: datetime, resolved: datetime | None, closed: datetime | None, last: _Seen, over: bool, number: str
    ) -> datetime | None:
        """When it was over, and what had to be assumed for it."""
        changed = last.at
        if not over:
            self.findings.add("still_open", last.line, number)
            end = changed or opened
        elif resolved:
            end = resolved
        elif closed:
            self.findings.add("resolved_from_closed", last.line, number)
            end = closed
        elif changed:
            self.findings.add("resolved_from_change", last.line, number)
            end = changed
        else:
            self.findings.add("no_end", last.line, number)
            return None
        if end < opened:
            self.findings.add("resolved_before_opened", last.line, number)
            return opened
        return end

    def _importance(self, rows: Sequence[Row]) -> tuple[str, str, str, str]:
        """Impact, urgency, priority, and why the priority differs from the matrix."""
        last = rows[-1]
        levels = {}
        for name in ("impact", "urgency"):
            value = self._last(rows, name)
            found = meaning(name, value, self.options.values) if value else ""
            if value and not found:
                self.findings.add(f"unknown_{name}", last.line, value)
            levels[name] = found or "medium"
        expected = priority_of(levels["impact"], levels["urgency"], self.matrix)
        value = self._last(rows, "priority")
        priority = meaning("priority", value, self.options.values) if value else ""
        if value and not priority:
            self.findings.add("unknown_priority", last.line, value)
        elif not value:
            self.findings.add("no_priority", last.line)
        differs = bool(priority) and priority != expected
        return levels["impact"], levels["urgency"], priority or expected, f"as in {self.source}" if differs else ""

    def _acknowledged(
        self, rows: Sequence[Row], seen: Sequence[_Seen], opened: datetime, end: datetime
    ) -> datetime | None:
        if at := self._last_at(rows, "acknowledged_at"):
            return max(at, opened)
        if len(seen) < 2:
            return None
        for one in seen:
            if one.state in OVER:
                return None
            if one.state == "acknowledged" and one.at is not None and opened <= one.at <= end:
                self.findings.add("acknowledged_from_change", one.line)
                return one.at
        return None

    def _counts(self, rows: Sequence[Row], seen: Sequence[_Seen]) -> tuple[int, int]:
        """How often it was reopened and reassigned: as its columns say, or else as the changes show."""
        states = [one.state in OVER for one in seen]
        reopened = sum(before and not after for before, after in pairwise(states))
        groups = [one.team for one in seen if one.team]
        reassigned = sum(before != after for before, after in pairwise(groups))
        return self._count(rows, "reopened", reopened), self._count(rows, "reassigned", reassigned)

    def _count(self, rows: Sequence[Row], name: str, shown: int) -> int:
        value = self._last(rows, name)
        if not value:
            return shown
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            self.findings.add("bad_count", rows[-1].line, value)
            return shown
        if len(rows) > 1 and int(value) != shown:
            self.findings.add(f"{name}_differs", rows[-1].line)
        return int(value)

    def _last(self, rows: Sequence[Row], name: str) -> str:
        """What was said of a field last."""
        return next((value for row in reversed(rows) if (value := self.value(row, name))), "")

    def _facts(self, rows: Sequence[Row]) -> dict[str, str]:
        facts = {}
        for name in FACTS:
            value = self._last(rows, name)
            if len(value) > TEXT_MOST:
                self.findings.add("cut", rows[-1].line)
            if value:
                facts[name] = value[:TEXT_MOST]
        return facts

    def _title(self, number: str, facts: Mapping[str, str], rows: Sequence[Row]) -> str:
        title = " ".join(self._last(rows, "title").split())
        if not title:
            self.findings.add("no_title", rows[-1].line)
            service = facts.get("service", "")
            column = self.options.mapping.get("service", "")
            title = f"{number}: {service if not service.isdigit() else f'{column} {service}'}" if service else number
        if len(title) > 1024:
            self.findings.add("cut", rows[-1].line)
        return title[:1024]

    def _link(self, rows: Sequence[Row], number: str) -> str:
        link = self._last(rows, "link")
        if link.startswith(("https://", "http://")) and len(link) <= 1000:
            return link
        return self.options.link.replace("{number}", number)[:1000]

    def _fingerprint(self, rows: Sequence[Row]) -> str:
        """Over how the file is read and all that is read of these rows; where in the file they lie does not count."""
        told = hashlib.sha256(self._read)
        for row in rows:
            told.update(_encode([row.values[place] for place in self._used]))
        return told.hexdigest()

    def _happened(self, past: PastIncident, seen: Sequence[_Seen], over: bool) -> list[Happened]:
        """The timeline: what the changes show, and of what they do not show the columns."""
        first = seen[0]
        data: dict[str, object] = {"how": "imported", "priority": first.priority or past.priority}
        if past.facts.get("description"):
            data["details"] = past.facts["description"]
        found = [Happened(past.opened_at, "opened", past.facts.get("reporter", ""), data)]
        states: set[str] = set()
        for before, after in zip([None, *seen], seen, strict=False):
            at = max(after.at or past.opened_at, past.opened_at)
            for kind, facts in _changes(before, after):
                if after.at is not None or kind not in ("acknowledged", "resolved", "closed", "state_changed"):
                    found.append(Happened(at, kind, after.who, facts))
                    states.add(kind)
        if past.acknowledged_at and "acknowledged" not in states:
            found.append(Happened(past.acknowledged_at, "acknowledged", past.person, {}))
        resolution = {"note": past.facts["resolution"]} if past.facts.get("resolution") else {}
        if not over:
            found.append(Happened(past.resolved_at, "resolved", "", {"note": f"still open in {self.source}"}))
        elif "resolved" not in states:
            found.append(Happened(past.resolved_at, "resolved", past.person, resolution))
        if over and past.closed_at and "closed" not in states:
            found.append(Happened(max(past.closed_at, past.resolved_at), "closed", "", {}))
        found.sort(key=lambda one: one.at)  # keeps the order of what has the same moment
        return found


def _changes(before: _Seen | None, after: _Seen) -> list[tuple[str, dict[str, object]]]:
    """What is different between two rows of a number, as entries of a timeline."""
    if before is None:
        before = _Seen(after.line, None, "triggered", after.said, after.priority, after.team, after.person, "")
        if after.state == "triggered":
            return []
    found: list[tuple[str, dict[str, object]]] = []
    if after.state != before.state:
        facts: dict[str, object] = {"from": before.said, "to": after.said}
        if before.state in OVER and after.state not in OVER:
            found.append(("reopened", facts))
        elif after.state == "triggered":
            found.append(("unacknowledged", facts))
        else:
            found.append((after.state, facts))
    elif after.said != before.said:
        found.append(("state_changed", {"from": before.said, "to": after.said}))
    if after.priority and before.priority and after.priority != before.priority:
        found.append(("priority_changed", {"from": before.priority, "to": after.priority}))
    given = [part for part, old in ((after.team, before.team), (after.person, before.person)) if part and part != old]
    if given:
        found.append(("reassigned", {"names": given}))
    return found
