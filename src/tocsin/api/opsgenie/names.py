"""Names that clients are given: of alerts, of what is configured, and of requests, which carry their outcome. Pure.

All are UUIDs, so that no table must remember them. They prove nothing: whoever comes with one sees only what belongs
to the source whose key was shown, or what the person may read whose token was shown.
"""

import re
from datetime import UTC, datetime
from secrets import randbits
from uuid import UUID

ACTIONS = (
    "Create", "Close", "Acknowledge", "UnAcknowledge", "Delete", "AddNote", "Snooze", "AssignOwnership",
    "UpdatePriority", "UpdateMessage", "UpdateDescription", "AddTags", "AddDetails", "Resolve", "Reopen",
)  # fmt: skip
DONE, MISSING, NO_INCIDENT, REFUSED = range(4)
# in their order a part of the names given out: only ever add at the end
KINDS = ("user", "team", "schedule", "rotation", "escalation", "contact", "rule", "step", "service", "incident")
_MADE = re.compile(r"([0-9a-f]{8})-0000-8000-9000-([0-9a-f]{12})")
_ALERT = re.compile(r"([0-9a-f]{8})-0000-8000-8([0-9a-f]{3})-([0-9a-f]{12})")


def alert_id(source_id: int, number: int) -> str:
    """The id of an alert as clients see it."""
    low = f"{number:015x}"
    return f"{source_id:08x}-0000-8000-8{low[:3]}-{low[3:]}"


def made_id(kind: str, number: int) -> str:
    """The id of something of one of ``KINDS`` as clients see it."""
    return f"{KINDS.index(kind) + 1:08x}-0000-8000-9000-{number:012x}"


def number_of(kind: str, text: str) -> int | None:
    """Our number of what an id means; None when it is no id of this kind."""
    found = _MADE.fullmatch(text.strip().lower())
    return int(found[2], 16) if found is not None and int(found[1], 16) == KINDS.index(kind) + 1 else None


def alert_number(source_id: int | None, text: str) -> int | None:
    """Our number of the alert that an id means, for this source (None: any); None when it is none that it was given."""
    found = _ALERT.fullmatch(text.strip().lower())
    if found is None or (source_id is not None and int(found[1], 16) != source_id):
        return None
    return int(found[2] + found[3], 16)


def done_request_id(now: datetime, action: str, result: int, number: int) -> str:
    """The id of a request that has been dealt with (UUID version 8): its action, its result and its alert's number."""
    told = ACTIONS.index(action) << 6 | result
    milliseconds = int(now.timestamp() * 1000)
    low = (number & ((1 << 44) - 1)) << 18 | randbits(18)
    return str(UUID(int=milliseconds << 80 | 8 << 76 | told << 64 | 2 << 62 | low))


def read_request_id(text: str) -> tuple[datetime, int, str, int, int] | None:
    """When, version (7: a signal, 8: dealt with), action, result and alert's number; None: no request of ours."""
    try:
        name = UUID(text.strip())
        at = datetime.fromtimestamp((name.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if name.version == 7:
        return at, 7, "", 0, 0
    told = name.int >> 64 & 0xFFF
    if name.version != 8 or told >> 6 >= len(ACTIONS) or told & 63 > REFUSED:
        return None
    return at, 8, ACTIONS[told >> 6], told & 63, name.int >> 18 & ((1 << 44) - 1)
