"""The listener for mail, asked by a real SMTP client, in front of the test database."""

import asyncio
import datetime as dt
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.db import connection

from tocsin.delivery import mailboxes
from tocsin.delivery.models import IncomingMail
from tocsin.delivery.tests.mails import DOMAIN, reply, report
from tocsin.platform import clock
from tocsin.project import mail
from tocsin.project.mail import Listener, Pace

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def listening(**more: Any) -> Iterator[Listener]:
    """A listener in a thread of its own."""
    configured = settings.TOCSIN.model_copy(update={"mail_domain": DOMAIN, "mail_listen": "127.0.0.1:0"} | more)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = Listener(configured)

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(20)

    do(listener.start())
    try:
        yield listener
    finally:
        do(listener.stop())
        do(_end_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


def client(listener: Listener) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", listener.port, timeout=20)


def address(kind: str = "reply", number: int = 1) -> str:
    return f"{mailboxes.local_part(kind, [number], clock.now())}@{DOMAIN}"


def test_what_is_taken_is_committed_before_it_is_said(listener: Listener) -> None:
    with client(listener) as smtp:
        smtp.sendmail("ada@example.org", [address()], reply("ack\n.\n..\n").replace(b"\n", b"\r\n"))
        row = IncomingMail.objects.get()
        assert (row.kind, row.envelope_sender, row.client, row.outcome) == ("reply", "ada@example.org", "127.0.0.1", "")
        assert row.message_id == "<1@phone.example>"
        assert b"ack\r\n.\r\n..\r\n" in bytes(row.content or b"")
        smtp.sendmail("", [address("bounce")], report("failed", "5.1.1", "smtp; 550"))
    assert IncomingMail.objects.get(kind="bounce").envelope_sender == ""


def test_one_mail_for_several_recipients_is_kept_for_each_and_once(listener: Listener) -> None:
    with client(listener) as smtp:
        both = [address(number=1), address(number=2).upper()]
        for _ in range(2):
            smtp.sendmail("ada@example.org", both, reply("ack"))
    assert IncomingMail.objects.count() == 2


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (f"reply+{'a' * 48}@{DOMAIN}", 550),
        (f"postmaster@{DOMAIN}", 550),
        (f"reply@{DOMAIN}", 550),
        ("ada@example.org", 550),
        ("reply+x%example.org@in.example", 550),
    ],
)
def test_nothing_is_passed_on_and_what_was_made_up_is_refused(listener: Listener, wrong: str, code: int) -> None:
    with client(listener) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            smtp.sendmail("ada@example.org", [wrong], reply("ack"))
        assert next(iter(refused.value.recipients.values()))[0] == code
        # the good one among several gets through
        assert list(smtp.sendmail("ada@example.org", [wrong, address()], reply("ack"))) == [wrong]
    assert IncomingMail.objects.count() == 1
    assert listener.desk.counts["refused"] == 2


def test_what_is_too_large_is_refused_before_and_after() -> None:
    with listening(mail_max_size=100_000) as listener, client(listener) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["size"] == "100000"
        with pytest.raises(smtplib.SMTPSenderRefused) as early:
            smtp.sendmail("ada@example.org", [address()], reply("a" * 70 + "\n") * 2000)
        assert early.value.smtp_code == 552
        smtp.docmd("MAIL FROM:<ada@example.org>")
        smtp.docmd(f"RCPT TO:<{address()}>")
        assert smtp.data(("a" * 70 + "\r\n") * 2000)[0] == 552
        smtp.sendmail("ada@example.org", [address()], reply("small enough"))
    assert IncomingMail.objects.count() == 1


def test_long_lines_and_recipients_without_end(listener: Listener) -> None:
    with client(listener) as smtp:
        smtp.sendmail("ada@example.org", [address()], b"Subject: x\r\n\r\nack " + b"x" * 5000 + b"\r\n")
        many = [address(number=number) for number in range(mail.MOST_RECIPIENTS + 3)]
        refused = smtp.sendmail("ada@example.org", many, reply("ack"))
        assert {code for code, _ in refused.values()} == {452}
        assert len(refused) == 3


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody gets into the test database, and everybody but this test is thrown out."""
    own = connection.get_connection_params()
    name = own["dbname"]
    wanted = {key: own[key] for key in ("host", "port", "user", "password") if own.get(key)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        mine = cursor.fetchone()[0]
    with psycopg.connect(dbname="postgres", autocommit=True, **wanted) as other:
        other.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        try:
            ask = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
            other.execute(ask, [name, mine])
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')


@pytest.mark.parametrize("warm", [True, False])
def test_while_the_database_is_away_the_sender_keeps_the_mail(listener: Listener, warm: bool) -> None:
    where = address()
    with client(listener) as smtp:
        if warm:
            smtp.sendmail("ada@example.org", [address(number=2)], reply("before"))
        with database_away():
            for _ in range(5):  # more often than there are threads
                with pytest.raises(smtplib.SMTPDataError) as away:
                    smtp.sendmail("ada@example.org", [where], reply("ack"))
                assert away.value.smtp_code == 451
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                smtp.sendmail("ada@example.org", [f"reply+{'a' * 48}@{DOMAIN}"], reply("ack"))
        smtp.sendmail("ada@example.org", [where], reply("ack"))
    assert IncomingMail.objects.filter(key__isnull=False).count() == 1 + warm
    assert listener.desk.counts["put_off"] == 5


def test_a_mail_that_is_only_half_sent_is_not_kept(listener: Listener) -> None:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as raw:
        stream = raw.makefile("rwb")
        stream.readline()
        for line in ("EHLO x", "MAIL FROM:<a@b.c>", f"RCPT TO:<{address()}>", "DATA"):
            stream.write(f"{line}\r\n".encode())
            stream.flush()
            while stream.readline()[3:4] == b"-":
                pass
        # a lone line feed before the dot ends nothing (RFC 5321, 4.1.1.4)
        stream.write(b"Subject: x\r\n\r\nack\n.\nMAIL FROM:<evil@example.org>\r\n")
        stream.flush()
    with client(listener) as smtp:
        smtp.noop()
    assert IncomingMail.objects.count() == 0


def test_too_many_connections_of_one_client_are_closed(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "CONNECTIONS_EACH", 2)
    with client(listener), client(listener):
        with pytest.raises(smtplib.SMTPConnectError) as many:
            client(listener)
        assert many.value.smtp_code == 421
    for _ in range(5):  # those that have gone are not counted
        with client(listener) as smtp:
            assert smtp.noop()[0] == 250


def test_a_client_that_sends_without_end_is_slowed_down(listener: Listener) -> None:
    listener.desk.pace = Pace(2)
    with client(listener) as smtp:
        for _ in range(2):
            smtp.sendmail("ada@example.org", [address()], reply("ack"))
        with pytest.raises(smtplib.SMTPSenderRefused) as slowed:
            smtp.sendmail("ada@example.org", [address()], reply("ack"))
        assert slowed.value.smtp_code == 450


def test_pace() -> None:
    pace = Pace(2)
    assert [pace.allows("a", 0.0), pace.allows("a", 1.0), pace.allows("a", 2.0), pace.allows("b", 2.0)] == [
        True, True, False, True,
    ]  # fmt: skip
    assert pace.allows("a", 60.5)
    assert not pace.allows("a", 60.6)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


def test_starttls_with_a_certificate_of_its_own(certificate: tuple[Path, Path]) -> None:
    chain, key = certificate
    with listening(mail_tls_cert=chain, mail_tls_key=key) as listener:
        with client(listener) as smtp:
            smtp._host = DOMAIN  # type: ignore[attr-defined]  # what the certificate is checked against
            smtp.starttls(context=ssl.create_default_context(cafile=str(chain)))
            smtp.sendmail("ada@example.org", [address()], reply("ack"))
            assert not smtp.has_extn("auth"), "nobody has an account"
        assert IncomingMail.objects.count() == 1
        for _ in range(3):
            with client(listener) as smtp:
                smtp.noop()
        assert listener.clients.total() <= 1  # counted once, although TLS begins the connection anew


def test_without_a_certificate_there_is_no_starttls(listener: Listener) -> None:
    with client(listener) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        assert not smtp.has_extn("auth")
