"""What is wrong with this installation, and how to mend it. Looks only; changes nothing."""

import shutil
import smtplib
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from time import CLOCK_REALTIME, clock_gettime, monotonic
from urllib.parse import unquote, urlsplit

from cryptography import x509
from django.db import Error as DatabaseError
from django.db import connection

from tocsin.platform import clock, nodes, plugins
from tocsin.platform.settings import Settings
from tocsin.project import health, metrics

OK, WARN, FAIL = "ok", "warn", "fail"
LEAST_SERVER = 150000  # PostgreSQL 15
LOW_DISK = 2 * 1024**3
NO_DISK = 200 * 1024**2
DRIFT_WARN_S = 1.0
DRIFT_FAIL_S = 30.0
NETWORK_S = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``state`` is ok, warn or fail; ``mend`` says what to do, empty when nothing."""

    name: str
    state: str
    text: str
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything. A check that breaks is itself a finding, never an end of the examination."""
    found: list[Finding] = []
    for check in CHECKS:
        if check in NEED_DATABASE and any(finding.name == "database" and finding.state == FAIL for finding in found):
            continue
        try:
            found += check(settings)
        except Exception as error:  # noqa: BLE001 - see above
            name = check.__name__.strip("_")
            found.append(Finding(name, FAIL, f"{type(error).__name__}: {error}", "Please report this as a defect."))
    return found


def _python(_settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("python", OK if good else FAIL, version, "" if good else "Install Python 3.11 or newer.")


def _plugins(_settings: Settings) -> Iterator[Finding]:
    broken = plugins.broken()
    for why in broken.values():
        yield Finding("plug-ins", FAIL, why, "Mend or uninstall it; nothing goes through it, the others work.")
    if not broken:
        yield Finding("plug-ins", OK, "all can be loaded")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.resolve()
    mend = f"Let the account that runs Tocsin write to {folder}, or set TOCSIN_DATA_DIR."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("data folder", FAIL, f"{folder} cannot be written: {error.strerror}", mend)
        return
    yield Finding("data folder", OK, str(folder))
    free = shutil.disk_usage(folder).free
    state = FAIL if free < NO_DISK else WARN if free < LOW_DISK else OK
    yield Finding(
        "disk space", state, f"{free / 1024**3:.1f} GiB free", "" if state == OK else f"Make room on {folder}'s disk."
    )
    waiting = metrics.spool_bytes()
    share = waiting / settings.spool_max_bytes if settings.spool_max_bytes else 0.0
    yield Finding(
        "spool",
        FAIL if share > 0.9 else WARN if waiting else OK,
        f"{waiting} bytes of {settings.spool_max_bytes}",
        "It empties by itself once the database and a web process are there." if waiting else "",
    )


def _secret_key(settings: Settings) -> Iterator[Finding]:
    key = settings.key()
    if len(key) < 32:
        yield Finding("secret key", FAIL, f"only {len(key)} characters", "Use 32 random characters or more.")
        return
    file = settings.data_dir / "secret.key"
    if not settings.secret_key and file.stat().st_mode & 0o077:
        yield Finding("secret key", WARN, f"{file} can be read by others", f"chmod 600 {file}")
        return
    yield Finding("secret key", OK, "set" if settings.secret_key else f"in {file}")


def _database(_settings: Settings) -> Iterator[Finding]:
    if problem := health.database_problem():
        mend = "Start `tocsin up`, or set DATABASE_URL to a server that runs and lets this account in."
        yield Finding("database", FAIL, problem, mend)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
        number, text = cursor.fetchone()
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        unsafe = [
            name
            for name, value in zip(("fsync", "synchronous_commit"), cursor.fetchone(), strict=True)
            if value == "off"
        ]
        cursor.execute("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")
        used, most = cursor.fetchone()
    if number < LEAST_SERVER:
        yield Finding("database", FAIL, f"PostgreSQL {text}", "PostgreSQL 15 or newer is needed.")
    else:
        yield Finding("database", OK, f"PostgreSQL {text}")
    if unsafe:
        mend = "Switch it on: without it an accepted signal can be lost in a crash."
        yield Finding("durability", FAIL, f"{' and '.join(unsafe)} is off", mend)
    else:
        yield Finding("durability", OK, "fsync and synchronous_commit are on")
    yield Finding(
        "connections",
        WARN if used > 0.8 * most else OK,
        f"{used} of {most}",
        "Raise max_connections, or run fewer processes." if used > 0.8 * most else "",
    )


def _schema(_settings: Settings) -> Iterator[Finding]:
    problem = health.schema_problem()
    yield Finding("schema", FAIL if problem else OK, problem or "current", "Run `tocsin migrate`." if problem else "")


def _clock(_settings: Settings) -> Iterator[Finding]:
    before = monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), extract(epoch FROM shift)::float FROM platform_clock")
        there, shift = cursor.fetchone()
    asked_s = monotonic() - before
    drift = max(0.0, abs((_machine_clock() - there).total_seconds()) - asked_s)
    state = FAIL if drift > DRIFT_FAIL_S else WARN if drift > DRIFT_WARN_S else OK
    mend = "Let both machines follow a time server (NTP). Tocsin uses the database's clock." if state != OK else ""
    yield Finding("clock", state, f"{drift:.1f} s between this machine and the database", mend)
    if shift:
        mend = "Meant for tests and exercises; never on a real installation."
        yield Finding("clock shift", WARN, f"the clock is moved by {shift:.0f} s", mend)


def _processes(_settings: Settings) -> Iterator[Finding]:
    for kind, without in (("engine", "Nobody is paged"), ("web", "Nothing is accepted")):
        alive = nodes.alive(kind)
        if alive:
            yield Finding(kind, OK, f"{len(alive)} running")
        else:
            yield Finding(kind, FAIL, f"none is running. {without}.", f"Start `tocsin up` or `tocsin {kind}`.")


def _lateness(_settings: Settings) -> Iterator[Finding]:
    for name, late in health.overdue().items():
        state = FAIL if late > 10 * health.LATE.total_seconds() else WARN if late > health.LATE.total_seconds() else OK
        mend = "Look at the engine's log; start another `tocsin engine` when it cannot keep up." if state != OK else ""
        yield Finding(f"{name} on time", state, f"{late:.0f} s late" if late >= 1 else "nothing is late", mend)


def _mail(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.smtp_url.get_secret_value())
    where = f"{parts.hostname}:{parts.port or 25}"
    mend = "Set TOCSIN_SMTP_URL to a mail server that takes mail from this machine."
    try:
        kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        with kind(parts.hostname or "", parts.port or (465 if parts.scheme == "smtps" else 25), timeout=NETWORK_S) as m:
            m.ehlo()
            if parts.scheme == "smtp+starttls":
                m.starttls(context=ssl.create_default_context())
            if parts.username:
                m.login(unquote(parts.username), unquote(parts.password or ""))
    except (OSError, smtplib.SMTPException) as error:
        # not a failure: an installation may page through other channels only
        yield Finding("mail", WARN, f"{where}: {health.first_line(error)}", mend)
        return
    yield Finding("mail", OK, f"{where} answers")


def _mail_in(settings: Settings) -> Iterator[Finding]:
    if not settings.mail_domain:
        return
    alive = nodes.alive("mail")
    if not alive:
        mend = "Set TOCSIN_MAIL_LISTEN for `tocsin up`, or start `tocsin mail`."
        yield Finding("mail in", FAIL, f"no process takes mail for {settings.mail_domain}", mend)
        return
    if settings.mail_address is not None:
        host, port = settings.mail_address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        try:
            with smtplib.SMTP(host, port, timeout=NETWORK_S) as listener:
                code = listener.docmd("HELO", "localhost")[0]
        except (OSError, smtplib.SMTPException) as error:
            yield Finding("mail in", FAIL, f"{host}:{port}: {health.first_line(error)}", "See the lines of `mail`.")
            return
        if code != 250:
            yield Finding("mail in", FAIL, f"{host}:{port} answers {code}", "See the lines of `mail`.")
            return
    yield Finding("mail in", OK, f"{len(alive)} running for {settings.mail_domain}")


def _syslog_in(settings: Settings) -> Iterator[Finding]:
    if not (settings.syslog_listen or settings.syslog_tls_listen):
        return
    alive = nodes.alive("syslog")
    if not alive:
        yield Finding("syslog in", FAIL, "no process takes syslog in", "See the lines of `syslog`.")
        return
    for name, address in (("", settings.syslog_address), (" (TLS)", settings.syslog_tls_address)):
        if address is None:
            continue
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104 - compared, not bound
        try:
            socket.create_connection((host, address[1]), timeout=NETWORK_S).close()
        except OSError as error:
            said = f"{host}:{address[1]}{name}: {health.first_line(error)}"
            yield Finding("syslog in", FAIL, said, "See the lines of `syslog`.")
            return
    yield Finding("syslog in", OK, f"{len(alive)} running")


def _address(settings: Settings) -> Iterator[Finding]:
    url = settings.public_url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Finding("address", FAIL, f"{url} is not an address", "Set TOCSIN_BASE_URL, as https://host.")
    elif parts.hostname in ("127.0.0.1", "localhost", "::1"):
        mend = "Set TOCSIN_BASE_URL to the address that people use."
        yield Finding("address", WARN, f"{url}: links in messages work on this machine only", mend)
    else:
        try:
            socket.getaddrinfo(parts.hostname, parts.port or 443)
        except OSError as error:
            yield Finding("address", WARN, f"{parts.hostname}: {error.strerror}", "Check TOCSIN_BASE_URL and the DNS.")
        else:
            yield Finding("address", OK, url)


def _tls(settings: Settings) -> Iterator[Finding]:
    if not settings.tls_cert and not settings.tls_key:
        return
    mend = "Give both TOCSIN_TLS_CERT and TOCSIN_TLS_KEY: a chain and its private key, PEM, readable for Tocsin."
    if not (settings.tls_cert and settings.tls_key):
        yield Finding("tls", FAIL, "certificate and key belong together; one is missing", mend)
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
        certificate = x509.load_pem_x509_certificate(settings.tls_cert.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("tls", FAIL, health.first_line(error), mend)
        return
    left = certificate.not_valid_after_utc - _now()
    state = FAIL if left < timedelta(0) else WARN if left < timedelta(days=14) else OK
    yield Finding("tls", state, f"valid for {left.days} more days", "Renew the certificate." if state != OK else "")


def _machine_clock() -> datetime:
    """The only look at this machine's clock: to tell whether it agrees with the database's."""
    return datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC)


def _now() -> datetime:
    with suppress(DatabaseError):
        return clock.now()
    return _machine_clock()


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _plugins,
    _data_folder,
    _secret_key,
    _database,
    _schema,
    _clock,
    _processes,
    _lateness,
    _mail,
    _mail_in,
    _syslog_in,
    _address,
    _tls,
)
NEED_DATABASE = {_schema, _clock, _processes, _lateness, _mail_in, _syslog_in}
