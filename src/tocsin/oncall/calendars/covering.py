"""What the events of a calendar come to as overrides: who is on call instead, and who beside them. Pure.

Of people whose events overlap all are on call: whoever begins first stands there instead of the layers, who joins
stands beside, and goes on alone when the others end. So no piece that is ``instead`` takes anybody else of the same
calendar off call, given that it is applied before those that are ``beside``.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from tocsin.oncall.calendars.shapes import Event

MAX_UID = 280


class Piece(NamedTuple):
    """A stretch of one event and one person; ``event``: what the event is called, the same at every reading."""

    event: str
    user_id: int
    start: datetime
    end: datetime
    kind: Literal["instead", "beside"]
    summary: str


def name_of(event: Event) -> str:
    """What an occurrence is called: its UID and when it would begin by its rule, ``MAX_UID`` characters at most."""
    return short_name(f"{event.uid}/{event.occurrence:%Y%m%dT%H%M%SZ}" if event.occurrence else event.uid)


def short_name(uid: str) -> str:
    """A UID as it is, or its digest when it is empty or longer than ``MAX_UID``."""
    uid = uid.replace("\x00", "")
    return uid if 0 < len(uid) <= MAX_UID else hashlib.sha256(uid.encode(errors="replace")).hexdigest()


def pieces(found: Iterable[tuple[Event, Sequence[int]]]) -> list[Piece]:
    """Events, each with the people it means, as pieces that do not overlap for one person; by start."""
    made: list[Piece] = []
    until: datetime | None = None
    own: dict[int, datetime] = {}
    for event, people in sorted(found, key=lambda one: (one[0].start, one[0].end, one[0].uid)):
        for user in people:
            start = max(event.start, own.get(user, event.start))
            if start >= event.end:
                continue
            own[user] = event.end
            # all events before this one began before it, so that what they cover from here on is one stretch
            alone = start if until is None else max(start, until)
            name, summary = name_of(event), event.summary.replace("\x00", "")
            if start < alone:
                made.append(Piece(name, user, start, min(alone, event.end), "beside", summary))
            if alone < event.end:
                made.append(Piece(name, user, alone, event.end, "instead", summary))
            until = event.end if until is None else max(until, event.end)
    return made
