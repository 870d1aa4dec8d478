"""``tocsin mail``: takes mail in over SMTP, for the rooms that have addresses, and passes nothing on.

``250`` after the mail means that it is committed in PostgreSQL. While that is away the answer is ``451``, and the
sending server keeps the mail and comes again (RFC 5321, 4.5.4.1); nothing is kept on this machine's disk. Addresses
that are none of ours, and all other domains, are refused at once with ``550``: this server never relays. What a mail
asks for is decided by the engines.

aiosmtpd speaks the protocol. Its releases are few, but aio-libs keeps it, and the two flaws that servers of its kind
had were mended within days (smuggling in 1.4.5, commands injected before STARTTLS in 1.4.6). It does nothing that we
do not ask for: no relaying, no authentication, no mailboxes.
"""

import asyncio
import logging
import signal
import ssl
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from tocsin.delivery.actions.mail import Mailroom
from tocsin.delivery.threads import Database
from tocsin.intake.mailroom import SourceMail
from tocsin.platform.mail import Arrived, Taker
from tocsin.platform.settings import Settings
from tocsin.project.health import start_reporting

log = structlog.get_logger("tocsin.mail")

TAKERS: tuple[Taker, ...] = (Mailroom(), SourceMail())

MOST_RECIPIENTS = 20
CONNECTIONS = 200  # at once, from everybody
CONNECTIONS_EACH = 20  # from one address; a mail relay of the house is one address
MAILS_EACH = 300  # from one address within a minute
ASKED_EACH = 1_000  # recipients of one address within a minute that the database is asked about
LOGGED_EACH = 5  # refusals of one address that are logged within a minute
MINUTE_S = 60.0
SILENCE_S = 60.0  # a connection that says nothing for so long is closed
STORE_S = 20.0  # then the database counts as away; a sender waits for minutes (RFC 5321, 4.5.3.2)
DRAIN_S = 10.0
LATER = "451 4.3.0 It cannot be kept at the moment, please come again"


class Pace:
    """How much each client may do within a minute, by the loop's clock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._seen: dict[str, deque[float]] = {}

    def allows(self, client: str, now: float) -> bool:
        """Whether a client may once more; counts it when it may."""
        if len(self._seen) > 10_000:
            self._seen = {one: moments for one, moments in self._seen.items() if moments[-1] > now - MINUTE_S}
        moments = self._seen.setdefault(client, deque())
        while moments and moments[0] <= now - MINUTE_S:
            moments.popleft()
        if len(moments) >= self.most:
            return False
        moments.append(now)
        return True


class Desk:
    """What aiosmtpd asks: whether a recipient is known, and what to do with a mail."""

    def __init__(self, domain: str, takers: Sequence[Taker], database: Database) -> None:
        self.domain = domain.lower()
        self.takers = takers
        self.database = database
        self.counts: Counter[str] = Counter()
        self.pace = Pace(MAILS_EACH)
        self.asked = Pace(ASKED_EACH)
        self.told = Pace(LOGGED_EACH)
        self.under_way: set[asyncio.Task[list[str]]] = set()

    def taker_of(self, address: str) -> tuple[str, Taker] | None:
        """The local part and who takes it; None when it is nobody's."""
        local, _, domain = address.rpartition("@")
        if domain.lower() != self.domain:
            return None
        return next(((local, taker) for taker in self.takers if taker.knows(local)), None)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """What the server can do: no AUTH, because nobody has an account here."""
        session.host_name = hostname
        return [line for line in responses if not line[4:].startswith("AUTH")]

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str | None, options: list[str]
    ) -> str:
        """A mail begins."""
        if not self.pace.allows(client_of(session), asyncio.get_running_loop().time()):
            self.counts["slowed"] += 1
            return "450 4.7.1 Too many mails within a minute, please come again"
        envelope.mail_from = address or "<>"
        envelope.mail_options.extend(options)
        return "250 2.1.0 Go on"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """One more recipient. What is refused is counted, and logged without the address, which may be a secret."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients, please send it again to the others"
        found = self.taker_of(address)
        away = ""
        if found is not None:
            local, taker = found
            if not self.asked.allows(client_of(session), asyncio.get_running_loop().time()):
                self.counts["slowed"] += 1
                return "450 4.7.1 Too many recipients within a minute, please come again"
            try:
                async with asyncio.timeout(STORE_S):
                    away = await self.database(taker.turns_away, local, client_of(session))
            except (DatabaseError, TimeoutError) as error:
                self.put_off(error)
                return LATER
        if away:
            self.counts["refused"] += 1
            return away
        if found is None:
            self.counts["refused"] += 1
            ours = address.lower().endswith(f"@{self.domain}")
            if self.told.allows(client_of(session), asyncio.get_running_loop().time()):
                log.warning("mail.refused", client=client_of(session), ours=ours)
            return "550 5.1.1 There is no such address here" if ours else "550 5.7.1 Nothing is passed on from here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Go on"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """A whole mail: 250 only when it is committed, for all of its recipients."""
        sender = envelope.mail_from.removeprefix("<>")  # mail that nobody may answer has none
        mails = []
        for address in dict.fromkeys(envelope.rcpt_tos):
            if found := self.taker_of(address):
                local, taker = found
                mails.append((taker, Arrived(local, self.domain, sender, client_of(session), envelope.content)))
        storing = asyncio.get_running_loop().create_task(self.database(keep, mails))
        self.under_way.add(storing)
        storing.add_done_callback(self.under_way.discard)
        try:
            async with asyncio.timeout(STORE_S):
                await storing
        except (DatabaseError, TimeoutError) as error:
            self.put_off(error)
            return LATER
        answers = storing.result()
        if all(answers):
            self.counts["refused"] += 1
            return answers[0]
        self.counts["taken"] += 1
        return "250 2.0.0 Kept"

    def put_off(self, error: BaseException) -> None:
        """The database is away: count it, and say so."""
        self.counts["put_off"] += 1
        log.warning("mail.waiting", error=f"{type(error).__name__}: {error}".splitlines()[0][:200])

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours: whoever sends it keeps it."""
        log.error("mail.fault", error=f"{type(error).__name__}: {error}"[:200])
        return "451 4.3.0 Something went wrong here, please come again"


def keep(mails: Sequence[tuple[Taker, Arrived]]) -> list[str]:
    """Commit a mail for all of its recipients, or for none. What to answer for each; empty where it is kept."""
    with transaction.atomic():
        return [taker.keep(mail) for taker, mail in mails]


def client_of(session: Any) -> str:
    """The address that a session comes from."""
    return str(session.peer[0]) if session.peer else ""


class Connection(SMTP):
    """One conversation. Counted from its first byte to its last; too many are told so and closed."""

    # mail programs and relays break the rule of 998 characters; losing their mail for it would help nobody
    line_length_limit = 256 * 1024

    def __init__(self, desk: Desk, clients: Counter[str], **more: Any) -> None:
        super().__init__(desk, **more)
        self._clients = clients
        self._client: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Also called when TLS has begun, on a connection that is counted already."""
        if self._client is None:
            peer = transport.get_extra_info("peername")
            client = str(peer[0]) if peer else ""
            if self._clients[client] >= CONNECTIONS_EACH or self._clients.total() >= CONNECTIONS:
                self._client = ""
                assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
                transport.write(b"421 4.7.0 Too many connections, please come again\r\n")
                transport.close()
                super().connection_made(transport)
                return
            self._client = client
            self._clients[client] += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The conversation is over."""
        if self._client:
            self._clients[self._client] -= 1
            if self._clients[self._client] <= 0:
                del self._clients[self._client]
            self._client = ""
        super().connection_lost(error)


class Listener:
    """The server: ``start``, ``stop``; ``port`` says where it listens."""

    def __init__(self, configured: Settings, takers: Sequence[Taker] = TAKERS) -> None:
        self.configured = configured
        self.database = Database("mail", 4)
        self.desk = Desk(configured.mail_domain, takers, self.database)
        self.clients: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tls: ssl.SSLContext | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when that cannot be, also for a certificate that cannot be read."""
        # it tells every line of every mail at the level DEBUG
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        configured = self.configured
        if configured.mail_tls_cert and configured.mail_tls_key:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(configured.mail_tls_cert, configured.mail_tls_key)
        host, port = configured.mail_address or ("127.0.0.1", 0)
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)

    def _connection(self) -> Connection:
        return Connection(
            self.desk,
            self.clients,
            data_size_limit=self.configured.mail_max_size,
            enable_SMTPUTF8=True,
            hostname=self.configured.mail_domain,
            ident="Tocsin",
            tls_context=self._tls,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            timeout=SILENCE_S,
            loop=asyncio.get_running_loop(),
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101 - after start
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take nothing new, finish what is being written, let go."""
        if self._server is not None:
            self._server.close()
        if self.desk.under_way:
            await asyncio.wait(self.desk.under_way, timeout=DRAIN_S)
        await asyncio.to_thread(self.database.close)


async def serve(configured: Settings, stop: asyncio.Event) -> None:
    """Take mail until ``stop``. Raises OSError, see ``Listener.start``."""
    listener = Listener(configured)
    await listener.start()
    reporting = start_reporting("mail", lambda: dict(listener.desk.counts))
    log.info("mail.listening", address=configured.mail_listen, domain=configured.mail_domain)
    try:
        await stop.wait()
    finally:
        await listener.stop()
        reporting.set()


def main() -> int:
    """Take mail until SIGTERM or SIGINT; returns the exit code: 1 when nothing can listen there."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(settings.TOCSIN, stop)

    try:
        asyncio.run(run())
    except (OSError, ssl.SSLError) as error:
        log.error("mail.cannot_listen", address=settings.TOCSIN.mail_listen, error=str(error)[:200])
        return 1
    return 0
