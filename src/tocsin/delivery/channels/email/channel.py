"""E-mail over SMTP: one thread per incident, plain text beside HTML, answers and bounces when we take mail in.

No mail carries ``List-Unsubscribe`` (RFC 2369, RFC 8058). Pages are asked for by the person's own rules, and one click
in a mail program must not silence them. Notices, answers, codes and tests go to single people about their own duties
and words; there is no preference that a click could change, and a header that changes nothing would be worse than none.
How one is reached is changed where the mail's last line says.
"""

import asyncio
import contextlib
import hashlib
import smtplib
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from html import escape
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from tocsin.delivery import quoting
from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Descriptor,
    Field,
    Message,
    Method,
    Pace,
    Rejected,
    Result,
    TryLater,
)

KEEP_S = 30.0  # an idle connection is used again within this time
CONCURRENCY = 8
ASKS = "The links ask once more before they do anything, and expire after 24 hours."
MOST_ROOTS = 20  # a header line has its limits
COLOURS = {"P1": "#b91c1c", "P2": "#c2410c", "P3": "#a16207", "P4": "#1d4ed8", "P5": "#475569"}


# --- what a mail looks like ---------------------------------------------------------------------------------------


class _Lines(EmailPolicy):
    """Writes lists of Message-IDs as they are: the standard library would encode what is longer than a line, and no
    mail program would find the thread."""

    def fold(self, name: str, value: str) -> str:
        """See ``Policy.fold``."""
        if name.lower() in ("in-reply-to", "references"):
            return f"{name}: {f'{self.linesep} '.join(value.split())}{self.linesep}"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: str) -> bytes:
        """See ``Policy.fold_binary``."""
        if name.lower() in ("in-reply-to", "references"):
            return self.fold(name, value).encode("ascii", "replace")
        return super().fold_binary(name, value)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def root(incident_id: int, public_url: str, domain: str) -> str:
    """The Message-ID that all mails about an incident refer to, to whomever they go; no mail has it."""
    return f"<incident-{incident_id}.{hashlib.sha256(public_url.encode()).hexdigest()[:8]}@{domain}>"


def build(message: Message, method: Method, sender: str, public_url: str, reply_to: str = "") -> EmailMessage:
    """The mail. Every attempt at one delivery has one Message-ID, so that a mailbox may drop the second copy; all mails
    about one incident refer to one root, so that they make one thread.

    A bundle belongs to the threads of all its incidents: In-Reply-To names their roots, and References only the first,
    because a chain of several would make one thread of them (RFC 5322, 3.6.4). ``reply_to``: where answers come to us.
    """
    domain = _domain(sender)
    mail = EmailMessage(_Lines())
    mail["From"] = sender
    mail["To"] = method.address
    mail["Subject"] = message.title
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{domain}>"
    roots = [root(incident.id, public_url, domain) for incident in message.incidents[:MOST_ROOTS]]
    if message.answers:
        mail["In-Reply-To"] = message.answers
        mail["References"] = " ".join([*roots[:1], message.answers])
    elif roots:
        mail["In-Reply-To"] = " ".join(roots)
        mail["References"] = roots[0]
    if message.incident:
        mail["X-Tocsin-Incident"] = message.incident.number
    if reply_to:
        mail["Reply-To"] = reply_to
    # an answer says that it is one, so that nobody's machine answers it (RFC 3834, 5)
    mail["Auto-Submitted"] = "auto-replied" if message.answers else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Tocsin-Kind"] = message.kind
    mail["X-Tocsin-Key"] = message.key
    if message.drill:
        mail["X-Tocsin-Drill"] = "true"
    if message.loud:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail.set_content(plain(message, public_url, answerable=bool(reply_to)))
    mail.add_alternative(html(message, public_url, answerable=bool(reply_to)), subtype="html")
    return mail


def _last(message: Message, public_url: str) -> str:
    """Why somebody has this mail, and where that is changed."""
    if message.answers:
        return "Sent by Tocsin because you wrote to it."
    return f"Sent by Tocsin because you are reachable here for pages. Change that: {public_url}/settings/you/"


def _mark(message: Message) -> str:
    """The line above which an answer counts."""
    return quoting.MARKED if message.incidents else quoting.BARE


def plain(message: Message, public_url: str, *, answerable: bool = False) -> str:
    """The plain text. ``answerable``: answers come to us; then the mail begins with the mark above which they count."""
    lines = [_mark(message), ""] if answerable else []
    lines += [message.body, ""]
    lines += [f"{link.text}: {link.url}" for link in message.links]
    if len(message.links) > 1:
        lines.append(f"\n{ASKS}")
    lines += ["", "-- ", _last(message, public_url)]
    return "\n".join(lines) + "\n"


def html(message: Message, public_url: str, *, answerable: bool = False) -> str:
    """The HTML: inline styles, no images, no scripts; text in the reader's own colour, so that it is readable in the
    dark. ``answerable``: see ``plain``."""
    worst = min((incident.priority for incident in message.incidents), default="")
    colour = "#15803d" if message.about == "resolved" else COLOURS.get(worst, "#475569")
    buttons = "".join(
        f'<a href="{escape(link.url)}" style="display:inline-block;margin:0 8px 8px 0;padding:10px 16px;'
        "border-radius:6px;text-decoration:none;font-weight:600;"
        + (
            f"background:{colour};color:#ffffff"
            if link.verb == "acknowledge"
            else f"border:1px solid {colour};color:inherit"
        )
        + f'">{escape(link.text)}</a>'
        for link in sorted(message.links, key=lambda link: link.verb != "acknowledge")
    )
    paragraphs = "".join(f'<p style="margin:0 0 8px">{escape(line)}</p>' for line in message.body.split("\n") if line)
    drill = (
        '<p style="margin:0 0 12px;padding:8px;background:#fef08a;color:#422006;font-weight:700">This is a drill.</p>'
        if message.drill
        else ""
    )
    told = escape(_mark(message).strip("- "))
    mark = f'<p style="font-size:12px;margin:0 0 12px;opacity:.75">{told}</p>' if answerable else ""
    asks = f"{ASKS} " if len(message.links) > 1 else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark"></head>'
        f'<body style="margin:0;padding:16px;font:16px/1.5 system-ui,sans-serif">{mark}'
        f'<div style="max-width:600px;border-left:4px solid {colour};padding:4px 16px">'
        f'{drill}<h1 style="font-size:20px;margin:0 0 12px">{escape(message.title)}</h1>{paragraphs}'
        f'<p style="margin:16px 0">{buttons}</p>'
        f'<p style="font-size:13px;opacity:.75">{asks}{escape(_last(message, public_url))}</p></div></body></html>'
    )


# --- talking to the server ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, from the setting ``smtp_url``."""

    host: str
    port: int
    user: str
    password: str
    tls: str  # always (smtps), demanded (smtp+starttls), offered (smtp)

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Raises ValueError for anything else than smtp://, smtps:// and smtp+starttls://."""
        parts = urlsplit(url)
        tls = {"smtp": "offered", "smtps": "always", "smtp+starttls": "demanded"}.get(parts.scheme)
        if tls is None or not parts.hostname:
            raise ValueError(
                "TOCSIN_SMTP_URL must look like smtp://host:25, smtps://host:465 or smtp+starttls://host:587"
            )
        port = parts.port or {"offered": 25, "always": 465, "demanded": 587}[tls]
        return cls(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""), tls)


class Connections:
    """Connections to mail servers, kept for a while; used by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Server, list[tuple[float, smtplib.SMTP]]] = {}

    @contextlib.contextmanager
    def use(self, server: Server, timeout_s: float) -> Iterator[smtplib.SMTP]:
        """A connection that works, kept afterwards unless it broke."""
        connection = self._kept(server) or self._new(server, timeout_s)
        try:
            yield connection
        except smtplib.SMTPRecipientsRefused:
            self._keep(server, connection)  # the server is well, it only did not want this one
            raise
        except BaseException:
            connection.close()
            raise
        self._keep(server, connection)

    def _keep(self, server: Server, connection: smtplib.SMTP) -> None:
        with self._lock:
            self._idle.setdefault(server, []).append((time.monotonic(), connection))

    def _kept(self, server: Server) -> smtplib.SMTP | None:
        while True:
            with self._lock:
                waiting = self._idle.get(server)
                if not waiting:
                    return None
                since, connection = waiting.pop()
            if time.monotonic() - since < KEEP_S:
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    if connection.rset()[0] == 250:
                        return connection
            connection.close()

    @staticmethod
    def _new(server: Server, timeout_s: float) -> smtplib.SMTP:
        context = ssl.create_default_context()
        connection: smtplib.SMTP
        if server.tls == "always":
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=timeout_s, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=timeout_s)
        try:
            connection.ehlo()
            if server.tls == "demanded":
                connection.starttls(context=context)
                connection.ehlo()
            elif server.tls == "offered" and connection.has_extn("starttls"):
                # opportunistic (RFC 7435): better encrypted to nobody in particular than readable by everybody
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                connection.starttls(context=context)
                connection.ehlo()
            if server.user:
                connection.login(server.user, server.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Say goodbye to all."""
        with self._lock:
            every = [connection for waiting in self._idle.values() for _, connection in waiting]
            self._idle.clear()
        for connection in every:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()
            connection.close()


def result_of_reply(code: int, text: bytes | str) -> Result:
    """What a refusal means (RFC 5321, 4.2.1): 4yz later, 5yz never."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    reason = f"SMTP {code}: {' '.join(said.split())}"[:300]
    return Rejected(reason) if 500 <= code < 600 else TryLater(None, reason)


class Email(Channel):
    """Sends mail in threads, because smtplib blocks, over connections that are kept."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="email",
        label="E-mail",
        summary="A mail with links to acknowledge, resolve and escalate.",
        address=Field(
            "address", "E-mail address", "email", required=True, max_length=254, placeholder="ada@example.org"
        ),
        actions=True,
        bundles=True,
        bundle_size=100,
        pace=Pace(),
        concurrency=CONCURRENCY,
        timeout_s=20.0,
        icon="mail",
    )

    def __init__(self) -> None:
        self._connections = Connections()
        self._pool: ThreadPoolExecutor | None = None

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Hand the mail to the server."""
        try:
            server = Server.parse(context.smtp_url)
            reply_to = context.mailbox("reply", message) if context.mailbox and method.user_id else ""
            back = context.mailbox("bounce", message) if context.mailbox else ""
            mail = build(message, method, context.email_from, context.public_url, reply_to)
        except ValueError as error:
            return Rejected(str(error)[:300])
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="email")
        limit = min(context.timeout_s, self.descriptor.timeout_s)
        own = parseaddr(context.email_from)[1]
        # an answer names no sender, so that nothing can come back of it (RFC 3834, 3.3); all else says where to
        senders = ["", own] if message.answers else [back, own] if back else [own]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit):
                return await loop.run_in_executor(self._pool, self._send, server, mail, senders, method.address, limit)
        except TimeoutError:
            return TryLater(None, f"the mail server did not answer within {limit:.0f} s")

    def _send(self, server: Server, mail: EmailMessage, senders: list[str], address: str, timeout_s: float) -> Result:
        """Hand it over with the first sender of the envelope that the server lets pass.

        Servers that take mail from accounts often let only their own sender pass, and say so with any code at any point
        of the conversation. A page must not fail for that: then nothing comes back of it, as without our own domain.
        """
        refused: Result = Rejected("there is no sender")
        for sender in senders:
            try:
                with self._connections.use(server, timeout_s) as connection:
                    connection.send_message(mail, from_addr=sender, to_addrs=[address])
            except smtplib.SMTPRecipientsRefused as error:
                refused = result_of_reply(*next(iter(error.recipients.values())))
            except smtplib.SMTPResponseException as error:
                refused = result_of_reply(error.smtp_code, error.smtp_error)
            except smtplib.SMTPNotSupportedError as error:
                return Rejected(f"the mail server cannot do what is asked of it: {error}"[:300])
            except (smtplib.SMTPException, OSError, ValueError) as error:
                return TryLater(None, f"{type(error).__name__}: {error}"[:300])
            else:
                first = sender == senders[0]
                return Accepted(mail["Message-ID"], "" if first else "the server refused our return address")
            if isinstance(refused, TryLater):
                return refused
        return refused

    async def close(self) -> None:
        """End the threads and the connections."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        await asyncio.to_thread(self._connections.close)


channel = Email()
