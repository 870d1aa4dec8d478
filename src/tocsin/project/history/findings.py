"""What is to be said about a file besides what could be taken over exactly. Pure."""

from dataclasses import dataclass, field

LINES_MOST = 20  # line numbers that are named of one finding

# code -> (how bad, what it means). approximated: imported, not as in the file; impossible: not imported
KINDS: dict[str, tuple[str, str]] = {
    "still_open": ("approximated", "still open in the file: imported as resolved at the last change"),
    "left_open": ("impossible", "still open in the file: left out, as was asked for"),
    "resolved_from_closed": ("approximated", "no moment of resolution: that of closing is taken"),
    "resolved_from_change": ("approximated", "over, but no moment of it: that of the last change is taken"),
    "resolved_before_opened": ("approximated", "resolved before it was opened: the moment of opening is taken"),
    "no_end": ("impossible", "no moment at which it ended or was last changed"),
    "no_number": ("impossible", "no number"),
    "no_opened": ("impossible", "no moment of opening that can be read"),
    "bad_moment": ("approximated", "a moment that cannot be read is left out"),
    "bad_count": ("approximated", "a count that is no number is counted from the changes instead"),
    "unknown_state": ("approximated", "a state whose meaning is not known is taken for open; map it to say otherwise"),
    "unknown_priority": ("approximated", "a priority whose meaning is not known: impact and urgency give it instead"),
    "unknown_impact": ("approximated", "an impact whose meaning is not known is taken for medium"),
    "unknown_urgency": ("approximated", "an urgency whose meaning is not known is taken for medium"),
    "no_priority": ("approximated", "no priority: impact and urgency give it"),
    "no_title": ("approximated", "no title: it is made from number, category or service"),
    "cut": ("approximated", "a text is longer than is kept and was cut"),
    "acknowledged_from_change": ("approximated", "acknowledged when the state first became one of being worked on"),
    "reopened_differs": ("approximated", "its count of reopenings is not what the changes show; the count is taken"),
    "reassigned_differs": (
        "approximated", "its count of reassignments is not what the changes show; the count is taken"
    ),
    "person_unknown": ("approximated", "nobody here, or more than one, is called like this person: kept as text"),
    "bad_row": ("impossible", "no record"),
    "zone": ("approximated", "moments in the file carry no zone"),
}  # fmt: skip


@dataclass(slots=True)
class Finding:
    """One kind of finding: how often, on which lines first, and examples of the values."""

    code: str
    count: int = 0
    lines: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


class Findings:
    """All findings of one pass over a file."""

    def __init__(self) -> None:
        self.total = 0
        self._found: dict[str, Finding] = {}

    def add(self, code: str, line: int, example: str = "") -> None:
        """Note one; ``line`` 0: it is of no line."""
        one = self._found.setdefault(code, Finding(code))
        one.count += 1
        self.total += 1
        if line and len(one.lines) < LINES_MOST:
            one.lines.append(line)
        if example and len(one.examples) < 5 and example not in one.examples:
            one.examples.append(example[:200])

    def to_json(self) -> list[dict[str, object]]:
        """Worst first, then the most frequent."""

        def order(one: Finding) -> tuple[bool, int]:
            return (KINDS[one.code][0] != "impossible", -one.count)

        return [
            {"code": one.code, "kind": KINDS[one.code][0], "text": KINDS[one.code][1], "count": one.count,
             "lines": one.lines, "examples": one.examples}
            for one in sorted(self._found.values(), key=order)
        ]  # fmt: skip
