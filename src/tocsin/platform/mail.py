"""Incoming mail: what the listener hands to the rooms, and what a room that takes mail has to be able to do.

The listener (``project.mail``) knows SMTP and no purpose; a room knows its addresses and nothing of SMTP.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail for one recipient. ``local``: the recipient's part before the @; ``sender``: of the envelope, empty for
    mail that nobody may answer; ``client``: the address that handed it over; ``content``: as it came."""

    local: str
    domain: str
    sender: str
    client: str
    content: bytes


class Taker(Protocol):
    """A room that takes mail for some of the local parts. Answers are lines of SMTP, as ``550 5.1.1 Why``."""

    def knows(self, local: str) -> bool:
        """Whether this local part may be one of the room's. Asked before the mail is sent: no I/O, never raises."""

    def turns_away(self, local: str, client: str) -> str:
        """What to answer instead of taking the mail; empty: take it. May ask the database, and raise its error."""

    def keep(self, mail: Arrived) -> str:
        """Write the mail down, in the caller's transaction; what to do about it is decided afterwards. What to answer
        when it is refused for ever; empty when it is kept."""
