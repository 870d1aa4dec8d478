"""A real SMTP server on loopback, which keeps what it is given."""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller

from tests.journeys.waiting import free_port, until


@dataclass(frozen=True)
class Mail:
    """One mail as it arrived; ``sender``: of the envelope."""

    to: str
    subject: str
    text: str
    html: str
    sender: str = ""
    reply_to: str = ""
    message_id: str = ""
    references: str = ""

    def link(self, word: str) -> str:
        """The address behind the link with this word, out of the plain text."""
        found = re.search(rf"^{word}: (\S+)$", self.text, re.MULTILINE | re.IGNORECASE)
        assert found, f"no link “{word}” in this mail:\n{self.text}"
        return found[1]


def _text(part: Any) -> str:
    """A part's content with plain line ends."""
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


class PostOffice:
    """Takes every mail. ``url`` is what Tocsin needs to send through it."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep what was sent, once for each recipient."""
        message = cast(EmailMessage, message_from_bytes(envelope.content, policy=policy.default))
        plain, rich = message.get_body(("plain",)), message.get_body(("html",))
        for address in envelope.rcpt_tos:
            self.mails.append(
                Mail(
                    to=address.lower(),
                    subject=str(message["subject"]),
                    text=_text(plain),
                    html=_text(rich),
                    sender=(envelope.mail_from or "").removeprefix("<>"),
                    reply_to=str(message["Reply-To"] or ""),
                    message_id=str(message["Message-ID"] or ""),
                    references=str(message["References"] or ""),
                )
            )
        return "250 kept"

    def start(self) -> None:
        """Listen, in a thread."""
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        self._controller.stop()

    def to(self, address: str, word: str = "") -> list[Mail]:
        """Mails to somebody whose subject holds ``word``, oldest first."""
        return [mail for mail in list(self.mails) if mail.to == address.lower() and word in mail.subject]

    def wait(self, address: str, word: str = "", *, within: float = 45) -> Mail:
        """The first such mail, as soon as it is there."""
        return until(f"a mail to {address} about “{word}”", lambda: self.to(address, word), within=within)[0]
