"""The listener for syslog, asked by real clients, in front of the test database."""

import asyncio
import datetime as dt
import logging
import logging.handlers
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.sources import samples

from tocsin.intake import queries
from tocsin.intake.models import Inbox, Refusal, RefusalCount, Source
from tocsin.intake.tests.factories import source
from tocsin.intake.tests.test_door import eventually
from tocsin.project.syslog import listener as module
from tocsin.project.syslog.framing import Frames
from tocsin.project.syslog.listener import OVER_KEY, Listener
from tocsin.project.tests.test_mail import _end_all, database_away
from tocsin.testing.sources import cut

database = pytest.mark.django_db(transaction=True)


# --- frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"5 <1>ab6 <2>abc", [(b"<1>ab", False), (b"<2>abc", False)]),
        (b"<1>a\n<2>b\r\n\n\0<3>c\0", [(b"<1>a", False), (b"<2>b", False), (b"<3>c", False)]),
        (b"7 <1>a\nbc<2>d\n5 <3>ef", [(b"<1>a\nbc", False), (b"<2>d", False), (b"<3>ef", False)]),
        (b"2026 was bad\n9 x\n", [(b"2026 was bad", False), (b"9 x", False)]),
        (b"<1>" + b"x" * 60 + b"\n<2>b\n", [(b"<1>" + b"x" * 37, True), (b"<2>b", False)]),
        (b"60 <1>" + b"x" * 57 + b"<2>b\n", [(b"<1>" + b"x" * 37, True), (b"<2>b", False)]),
        (b"<1>a\n<2>no end", [(b"<1>a", False), (b"<2>no end", False)]),
        (b"50 <1>cut", [(b"<1>cut", True)]),
        (b"999999999 <1>" + b"x" * 100, [(b"<1>" + b"x" * 37, True)]),
        (b"", []),
        (b"12", [(b"12", False)]),
    ],
)
@given(data=st.data())
def test_frames_are_the_same_however_they_come(
    stream: bytes, frames: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    frames_ = Frames(40)
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:stop] for start, stop in zip([0, *places], [*places, len(stream)], strict=True)]
    found = [frame for piece in pieces for frame in frames_.feed(piece)]
    assert found + frames_.end() == frames


@given(st.binary(max_size=500), st.integers(1, 20))
def test_no_stream_breaks_the_frames(stream: bytes, step: int) -> None:
    frames = Frames(50)
    found = [frame for place in range(0, len(stream), step) for frame in frames.feed(stream[place : place + step])]
    assert all(0 < len(text) <= 50 for text, _ in found)
    frames.end()


# --- the listener -------------------------------------------------------------------------------------------------


@contextmanager
def listening(folder: Path, **more: Any) -> Iterator[Listener]:
    """A listener in a thread of its own."""
    wanted = {"data_dir": folder, "syslog_listen": "127.0.0.1:0"} | more
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = Listener(settings.TOCSIN.model_copy(update=wanted))

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(30)

    do(listener.start())
    try:
        yield listener
    finally:
        do(listener.stop())
        do(_end_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path) as made:
        yield made


def known(listener: Listener, *made: Source) -> None:
    """Returns when the listener has heard of these sources; those whose key is in a message it asks for by itself."""
    wanted = {one.pk for one in made}
    eventually(lambda: wanted <= {one.id for one in listener.door.sources.all()})


def over_tcp(listener: Listener, *streams: bytes) -> None:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as raw:
        for stream in streams:
            raw.sendall(stream)


def keyed(key: str, text: str = "disk full", priority: int = 11) -> bytes:
    return f'<{priority}>1 - db-3 app - - [tocsin@32473 key="{key}"] {text}'.encode()


def titles(count: int) -> list[str]:
    def there() -> list[str]:
        found = list(Inbox.objects.order_by("id").values_list("title", flat=True))
        return found if len(found) >= count else []

    return eventually(there)  # type: ignore[no-any-return]


@database
@pytest.mark.parametrize("framing", [lambda text: b"%d " % len(text) + text, lambda text: text + b"\n"])
def test_tcp(listener: Listener, framing: Callable[[bytes], bytes]) -> None:
    made, key = source("syslog")
    over_tcp(listener, b"".join(framing(keyed(key, f"disk {letter} full")) for letter in "abc"))
    assert titles(3) == [f"db-3: app: disk {letter} full" for letter in "abc"]
    row = Inbox.objects.first()
    assert row is not None
    assert (row.source_id, row.severity, row.dedup_key) == (made.pk, "error", "db-3 app disk a full")
    assert key not in str(row.data)


@database
def test_udp(listener: Listener) -> None:
    _, key = source("syslog")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        for number in range(50):
            raw.sendto(keyed(key, f"x{number}"), ("127.0.0.1", listener.port))
    assert sorted(titles(50)) == sorted(f"db-3: app: x{number}" for number in range(50))


@database
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_pythons_own_handler(listener: Listener, kind: socket.SocketKind) -> None:
    known(listener, source("syslog", config={"default": True})[0])
    handler = logging.handlers.SysLogHandler(("127.0.0.1", listener.port), socktype=kind)
    try:
        handler.ident = "shop: "
        for text in ("payments fail\nTraceback", "orders fail"):
            handler.handle(logging.LogRecord("shop", logging.ERROR, "shop.py", 1, text, None, None))
        handler.handle(logging.LogRecord("shop", logging.INFO, "shop.py", 1, "all is well", None, None))
    finally:
        handler.close()
    # over TCP it ends messages with NUL, and a line feed inside begins another one
    wanted = ["127.0.0.1: shop: payments fail", "127.0.0.1: shop: orders fail"]
    assert titles(2)[:2] == wanted


@database
@pytest.mark.skipif(not shutil.which("logger"), reason="util-linux is not installed")
@pytest.mark.parametrize("how", [["--udp"], ["--tcp"], ["--tcp", "--octet-count"], ["--udp", "--rfc3164"]])
def test_logger_of_util_linux(listener: Listener, how: list[str]) -> None:
    made, key = source("syslog", config={"senders": "127.0.0.0/8"})
    known(listener, made)
    form = [] if "--rfc3164" in how else ["--rfc5424", "--sd-id", "tocsin@32473", "--sd-param", f'key="{key}"']
    command = ["logger", *form, *how, "-n", "127.0.0.1", "-P", str(listener.port), "-t", "shop", "-p", "local0.crit"]
    subprocess.run([*command, "payments fail"], check=True, timeout=20)
    assert titles(1)[0].endswith(": shop: payments fail")
    row = Inbox.objects.get()
    assert row.severity == "critical"
    assert row.data["labels"]["facility"] == "local0"


RSYSLOG = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@database
@pytest.mark.skipif(not RSYSLOG, reason="rsyslog is not installed")
def test_rsyslog_with_the_configuration_of_the_guide(listener: Listener, tmp_path: Path) -> None:
    made, key = source("syslog")
    guide = queries.guide_of(made)
    block = next(part for part in guide.split("```") if "omfwd" in part)
    assert key in block
    block = block.replace("tocsin.example.org", "127.0.0.1").replace('"5514"', f'"{listener.port}"')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{tmp_path}")\nmodule(load="imptcp")\n'
        f'input(type="imptcp" port="{port}" address="127.0.0.1")\n{block}'
    )
    command = [str(RSYSLOG), "-n", "-f", str(config), "-i", str(tmp_path / "pid")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as rsyslog:
        try:

            def handed_over() -> bool:
                assert rsyslog.poll() is None, rsyslog.stderr and rsyslog.stderr.read()
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                    raw.sendall(
                        b"<12>May  4 09:00:00 db-3 app: not bad enough\n<11>May  4 09:00:01 db-3 app[7]: disk full\n"
                    )
                    return True
                return False

            eventually(handed_over)
            assert titles(1) == ["db-3: app: disk full"]
        finally:
            rsyslog.terminate()
    row = Inbox.objects.get()
    assert (row.source_id, row.data["details"]["process"]) == (made.pk, "7")
    assert row.occurred_at is not None


@database
def test_whose_a_message_is(listener: Listener) -> None:
    wide, _ = source("syslog", name="wide", config={"senders": "127.0.0.0/8"})
    narrow, _ = source("syslog", name="narrow", config={"senders": "10.0.0.1, 127.0.0.1"})
    rest, key = source("syslog", name="rest", config={"default": True})
    known(listener, wide, narrow, rest)
    over_tcp(listener, b"<11>app: by address\n", keyed(key, "by key") + b"\n")
    titles(2)
    assert list(Inbox.objects.order_by("id").values_list("source_id", flat=True)) == [narrow.pk, rest.pk]
    assert wide.pk != narrow.pk


@database
def test_what_belongs_to_nobody_is_written_down(listener: Listener) -> None:
    _, other = source("generic")
    over_tcp(listener, b"<11>app: nobody's\n", keyed("a" * 32) + b"\n", keyed(other) + b"\n")
    eventually(lambda: sum(RefusalCount.objects.filter(reason="unrouted").values_list("count", flat=True)) == 3)
    assert not Inbox.objects.exists()
    assert set(Refusal.objects.values_list("path", "status", "remote")) == {("syslog", 0, "127.0.0.1")}
    kept = " ".join(str(one) for one in Refusal.objects.values_list("errors", "excerpt"))
    assert "none takes the rest" in kept
    assert other not in kept


@database
def test_above_the_limit_messages_are_counted_and_somebody_is_told(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, key = source("syslog", limit_per_minute=5)
    over_tcp(listener, b"".join(keyed(key, f"{chr(97 + number)} fails") + b"\n" for number in range(20)))
    rows = eventually(lambda: (found := list(Inbox.objects.order_by("id"))) and len(found) >= 6 and found)
    assert [row.dedup_key for row in rows] == [f"db-3 app {chr(97 + n)} fails" for n in range(5)] + [OVER_KEY]
    assert "over its limit of 5" in rows[-1].title
    eventually(lambda: RefusalCount.objects.filter(reason="limited", source=made, count=15).exists())
    assert listener.desk.counts["limited"] == 15


@database
def test_the_limit_is_told_of_each_minute_until_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OVER_EVERY_S", 0.3)
    with listening(tmp_path) as listener:
        _, key = source("syslog", limit_per_minute=1)
        over_tcp(listener, (keyed(key) + b"\n") * 5)
        eventually(lambda: Inbox.objects.filter(dedup_key=OVER_KEY, action="resolve").exists())
        told = Inbox.objects.filter(dedup_key=OVER_KEY, action="trigger").order_by("id")
        assert [row.data["details"]["dropped"] for row in told] == [1, 4]


@database
def test_a_long_message_is_cut_and_says_so(tmp_path: Path) -> None:
    with listening(tmp_path, syslog_max_size=2048) as listener:
        known(listener, source("syslog", config={"default": True})[0])
        over_tcp(listener, b"<11>app: " + b"x" * 100_000 + b"\n<11>app: next\n")
        assert titles(2)[1] == "127.0.0.1: app: next"
        row = Inbox.objects.order_by("id")[0]
        assert any("it was cut" in remark for remark in row.data["remarks"])


@database
def test_while_the_database_is_away_messages_are_spooled_and_come_in_order(listener: Listener) -> None:
    _, key = source("syslog")
    over_tcp(listener, keyed(key, "before") + b"\n")
    titles(1)
    with database_away():
        over_tcp(listener, *(keyed(key, f"during {letter}") + b"\n" for letter in "abc"))
        eventually(lambda: listener.door.committer.spooled == 3)
    assert titles(4) == ["db-3: app: before", *(f"db-3: app: during {letter}" for letter in "abc")]


@database
def test_when_nothing_can_be_kept_no_more_is_read(tmp_path: Path) -> None:
    """Without a spool the sender has to wait, and nothing of what it sent is lost."""
    with listening(tmp_path, spool_max_bytes=0) as listener:
        _, key = source("syslog")
        over_tcp(listener, keyed(key, "before") + b"\n")
        titles(1)
        one = keyed(key, "x" * 900) + b"\n"
        with database_away(), socket.create_connection(("127.0.0.1", listener.port), timeout=20) as raw:
            raw.setblocking(False)
            sent, quiet = 0, time.monotonic()
            while time.monotonic() - quiet < 1.5:  # until nothing was taken for a while
                try:
                    sent += raw.send(one[sent % len(one) :])
                    quiet = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.02)
            assert sent < 60_000_000, "the sender has to wait"
            read = listener.desk.counts["messages"]
        whole = sent // len(one)
        assert read < whole, "the rest waits in the network"
        eventually(lambda: Inbox.objects.count() >= whole + 1, 60)


@database
def test_what_was_read_is_stored_before_it_stops(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        _, key = source("syslog")
        raw = socket.create_connection(("127.0.0.1", listener.port), timeout=20)
        raw.sendall((keyed(key) + b"\n") * 500 + keyed(key, "the last, without an end"))
        eventually(lambda: listener.desk.counts["messages"] > 0)
    assert Inbox.objects.count() == listener.desk.counts["signals"] >= 1
    raw.close()


@database
def test_a_thousand_torn_streams_never_break_the_listener(listener: Listener) -> None:
    known(listener, source("syslog", config={"default": True, "opens": "debug"}, limit_per_minute=1_000_000)[0])
    chance = random.Random("syslog listener")
    whole = [sample.body for sample in samples() if sample.kind.kind == "syslog"]
    raw = socket.create_connection(("127.0.0.1", listener.port), timeout=20)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(1000):
        body = chance.choice(whole)
        for _ in range(chance.randrange(1, 4)):
            body = cut(body, chance)
        if number % 4 == 0:
            udp.sendto(body[:60_000], ("127.0.0.1", listener.port))
        else:
            raw.sendall(body if number % 2 else b"%d " % len(body) + body)
            raw.sendall(b"\n")
    udp.close()
    raw.close()
    over_tcp(listener, b"<11>app: still here\n")
    eventually(lambda: Inbox.objects.filter(title="127.0.0.1: app: still here").exists(), 30)
    # what another connection sent may still be under way
    eventually(lambda: listener.desk.counts["messages"] > 600, 60)
    eventually(lambda: listener.desk.counts["signals"] == Inbox.objects.count() > 100)


@database
def test_too_many_connections_are_closed(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_EACH", 1)
    _, key = source("syslog")
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as first:
        first.sendall(keyed(key, "one") + b"\n")
        titles(1)
        second = socket.create_connection(("127.0.0.1", listener.port), timeout=20)
        with second, suppress(ConnectionError):  # reset, or ended
            assert second.recv(10) == b""
    eventually(lambda: not listener.clients)
    over_tcp(listener, keyed(key, "two") + b"\n")
    titles(2)


# --- TLS ----------------------------------------------------------------------------------------------------------


def _made(folder: Path, name: str, authority: tuple[Any, Any] | None) -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = authority or (None, key)
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    made = builder.sign(signing, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = _made(folder, "authority", None)
    for name in ("localhost", "web-1.example"):
        _made(folder, name, authority)
    _made(folder, "stranger", None)
    return folder


def _context(folder: Path, name: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if name:
        context.load_cert_chain(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    return context


def _over_tls(listener: Listener, context: ssl.SSLContext, stream: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", listener.tls_port), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        secure.sendall(stream)
        secure.settimeout(5)
        secure.unwrap()


@database
def test_tls_with_and_without_certificates_of_clients(tmp_path: Path, certificates: Path) -> None:
    tls = {
        "syslog_listen": "",
        "syslog_tls_listen": "127.0.0.1:0",
        "syslog_tls_cert": certificates / "localhost.pem",
        "syslog_tls_key": certificates / "localhost.key",
    }
    made, _ = source("syslog", name="web", config={"certificates": "WEB-1.example"})
    rest, key = source("syslog", name="rest", config={"default": True})
    message = b"<11>1 - h app - - - by certificate"
    counted = b"%d " % len(message) + message
    with listening(tmp_path / "open", **tls) as listener:
        assert listener.port == 0
        _over_tls(listener, _context(certificates), counted)
        titles(1)
    with listening(tmp_path / "closed", syslog_tls_ca=certificates / "authority.pem", **tls) as listener:
        _over_tls(listener, _context(certificates, "web-1.example"), counted)
        titles(2)
        for name in ("", "stranger"):
            with pytest.raises(OSError, match=r"alert|closed|reset|EOF|violation|Broken pipe"):
                _over_tls(listener, _context(certificates, name), keyed(key) + b"\n")
    assert list(Inbox.objects.order_by("id").values_list("source_id", flat=True)) == [rest.pk, made.pk]


@database
def test_where_nothing_can_listen_is_an_error(tmp_path: Path, listener: Listener) -> None:
    taken = {"syslog_listen": f"127.0.0.1:{listener.port}"}
    no_file = {"syslog_tls_listen": "127.0.0.1:0", "syslog_tls_cert": tmp_path / "a", "syslog_tls_key": tmp_path / "b"}
    for wrong, said in ((taken, "address already in use"), (no_file, r"\[Errno 2\]")):
        with pytest.raises(OSError, match=said), listening(tmp_path / "other", **wrong):
            pass
