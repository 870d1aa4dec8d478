"""Names that clients are given: of alerts, and of requests, which carry what became of them. Pure.

Both are UUIDs, so that no table must remember them. They prove nothing: whoever comes with one sees only what belongs
to the source whose key was shown.
"""

import re
from datetime import UTC, datetime
from secrets import randbits
from uuid import UUID

ACTIONS = (
    "Create", "Close", "Acknowledge", "UnAcknowledge", "Delete", "AddNote", "Snooze", "AssignOwnership",
    "UpdatePriority", "UpdateMessage", "UpdateDescription", "AddTags", "AddDetails",
)  # fmt: skip
DONE, MISSING, NO_INCIDENT, REFUSED = range(4)
_ALERT = re.compile(r"([0-9a-f]{8})-0000-8000-8([0-9a-f]{3})-([0-9a-f]{12})")


def alert_id(source_id: int, number: int) -> str:
    """The id of an alert as clients see it."""
    low = f"{number:015x}"
    return f"{source_id:08x}-0000-8000-8{low[:3]}-{low[3:]}"


def alert_number(source_id: int, text: str) -> int | None:
    """Our number of the alert that an id means, for this source; None when it is no id that it was given."""
    found = _ALERT.fullmatch(text.strip().lower())
    if found is None or int(found[1], 16) != source_id:
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
