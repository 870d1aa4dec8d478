"""What a device is to the gateway around it: something that sends SMS, or makes calls."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tocsin.gateway.book import Job


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be done. ``kind``: ``number`` (this number or text will never work, whoever is asked),
    ``account`` (the device, the SIM or the trunk cannot be used as it is; another may) or ``later``."""

    kind: Literal["number", "account", "later"]
    detail: str
    after_s: float | None = None


class Device(Protocol):
    """A modem, or an Asterisk."""

    kind: str  # what it carries: sms or voice
    name: str  # what it is, for people

    def problem(self) -> Problem | None:
        """Why nothing can be carried now; None when it can."""

    def health(self) -> dict[str, Any]:
        """How it does, for ``/health``; no numbers of people."""

    def recording(self, token: str) -> bytes | None:
        """What a call says just now, by the name that only its Asterisk was told."""

    async def begin(self, job: Job, wait_s: float) -> Problem | None:
        """Carry a job that is in the book. Waits at most ``wait_s`` for what comes of it.

        A problem is the whole answer: Tocsin hears it and asks somebody else. None: it is under way, and Tocsin is told
        through the book what becomes of it.
        """

    async def run(self) -> None:
        """Be at work until cancelled; never returns for what a device or a network does."""
