"""``tocsin gateway``: the process beside a modem or an Asterisk. It needs neither a database nor Django."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.platform import settings as platform_settings
from tocsin.platform.settings import SettingsError

if TYPE_CHECKING:
    from tocsin.gateway.book import Book
    from tocsin.gateway.device import Device
    from tocsin.gateway.teller import Teller

SHORTEST_SECRET = 16

Replies = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Tocsin's address for replies, as the provider's page shows it. Nothing else is ever called.",
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder for what is not told yet, of this gateway alone. [env: TOCSIN_DATA_DIR; var]",
    ),
]
Prefix = Annotated[
    list[str] | None, typer.Option(help="Serve only numbers that begin so, such as +41; several times. [default: all]")
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", exists=True, dir_okay=False, help="Certificate chain (PEM) for TLS.")
]
PrivateKey = Annotated[
    Path | None, typer.Option("--tls-key", exists=True, dir_okay=False, help="Private key (PEM) of the certificate.")
]


def register(app: typer.Typer) -> None:
    """Add ``gateway`` to ``app``."""
    gateway = typer.Typer(
        help="SMS and calls without a company: runs beside a modem or an Asterisk.", no_args_is_help=True
    )
    gateway.command("modem")(modem)
    gateway.command("asterisk")(asterisk)
    app.add_typer(gateway, name="gateway", rich_help_panel="Server")


def secret(name: str, *, needed: bool = True) -> str:
    """A secret from the environment, or from the file that ``<name>_FILE`` names; never from the command line, which
    everybody on the machine can read. Raises SettingsError."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE: {path} cannot be read: {error.strerror}") from error
    value = os.environ.get(name, "")
    if needed and not value:
        raise SettingsError(f"{name}, or {name}_FILE, has to be set")
    return value


def _run(
    make: "Callable[[Book, Teller], Device]",
    kind: str,
    replies: str,
    host: str,
    port: int,
    data: Path | None,
    prefix: list[str] | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> None:
    """Serve one device until SIGTERM or Ctrl-C."""
    from tocsin.gateway.book import Book, Taken
    from tocsin.gateway.server import Gateway, Limits, serve
    from tocsin.gateway.teller import Teller
    from tocsin.platform.outbound import Unusable, target_of
    from tocsin.project import logs

    settings = platform_settings.get()
    shared = secret("TOCSIN_GATEWAY_SECRET")
    if len(shared) < SHORTEST_SECRET:
        raise SettingsError(f"TOCSIN_GATEWAY_SECRET has at least {SHORTEST_SECRET} characters")
    try:
        target_of(replies)
    except Unusable as error:
        raise typer.BadParameter(str(error), param_hint="--replies") from error
    if not replies.endswith("/message"):
        raise typer.BadParameter("copy it from the provider's page: it ends in /message", param_hint="--replies")
    tls: ssl.SSLContext | None = None
    if tls_cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(tls_cert, tls_key)

    logs.configure(settings.log_format, settings.log_level)

    async def work() -> None:
        book = Book((data or settings.data_dir) / f"gateway-{kind}.sqlite3")
        teller = Teller(book, replies, shared)
        gateway = Gateway(book, teller, make(book, teller), shared, Limits(tuple(prefix or ())))
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await serve(gateway, host, port, tls)

    try:
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(work())
    except Taken as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"Cannot listen on {host}:{port}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from error


def modem(
    device: Annotated[Path, typer.Option(metavar="PATH", help="The modem's serial line, such as /dev/ttyUSB0.")],
    replies: Replies,
    host: Host = "127.0.0.1",
    port: Port = 8710,
    baud: Annotated[int, typer.Option(help="Speed of the line; sticks on USB do not care.")] = 115200,
    storage: Annotated[str, typer.Option(help="Where the modem keeps what comes: SM (SIM) or ME (modem).")] = "SM",
    prefix: Prefix = None,
    data: Data = None,
    tls_cert: Certificate = None,
    tls_key: PrivateKey = None,
) -> None:
    """Send and receive SMS through a GSM modem with a SIM.

    The secret that Tocsin has too is read from TOCSIN_GATEWAY_SECRET, the SIM's PIN from TOCSIN_GATEWAY_PIN, or each
    from the file that the name with _FILE names. The SIM is for this alone: what stands on it is told and removed.
    """
    from tocsin.gateway.modem.line import BAUDS
    from tocsin.gateway.modem.modem import Modem, Setup

    if baud not in BAUDS:
        raise typer.BadParameter(f"one of {', '.join(map(str, BAUDS))}", param_hint="--baud")
    if storage not in ("SM", "ME"):
        raise typer.BadParameter("SM or ME", param_hint="--storage")
    pin = secret("TOCSIN_GATEWAY_PIN", needed=False)
    if pin and not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        raise SettingsError("TOCSIN_GATEWAY_PIN is 4 to 8 digits")
    setup = Setup(device, baud, pin, storage)

    def make(book: "Book", teller: "Teller") -> "Device":
        return Modem(setup, book, teller)

    _run(make, "modem", replies, host, port, data, prefix, tls_cert, tls_key)


def asterisk(
    ari: Annotated[str, typer.Option(metavar="URL", help="Asterisk's interface, such as http://127.0.0.1:8088/ari.")],
    user: Annotated[str, typer.Option(help="Its user, from ari.conf.")],
    endpoint: Annotated[
        str, typer.Option(help="How to dial: {number} is +41..., {digits} the same without +. PJSIP/{number}@trunk")
    ],
    replies: Replies,
    host: Host = "127.0.0.1",
    port: Port = 8711,
    application: Annotated[str, typer.Option("--app", help="Name of the Stasis application.")] = "tocsin",
    speech: Annotated[
        str, typer.Option(help="Reads a text from its input and writes a WAV to its output, or to {file}.")
    ] = "espeak-ng --stdin --stdout -s 150",
    media_url: Annotated[
        str, typer.Option(help="Where Asterisk reaches this gateway. [default: http://<host>:<port>]")
    ] = "",
    caller_id: Annotated[str, typer.Option(help="The number that is shown, if the trunk lets you choose.")] = "",
    calls: Annotated[int, typer.Option(min=1, max=100, help="Most calls at once.")] = 4,
    prefix: Prefix = None,
    data: Data = None,
    tls_cert: Certificate = None,
    tls_key: PrivateKey = None,
) -> None:
    """Make calls through an Asterisk: read incidents aloud, and listen for keys.

    The secret that Tocsin has too is read from TOCSIN_GATEWAY_SECRET, the password of Asterisk's user from
    TOCSIN_GATEWAY_ARI_PASSWORD, or each from the file that the name with _FILE names.
    """
    from tocsin.gateway.asterisk.ari import Ari
    from tocsin.gateway.asterisk.asterisk import Asterisk, Setup
    from tocsin.gateway.asterisk.speech import Speech

    if "{number}" not in endpoint and "{digits}" not in endpoint:
        raise typer.BadParameter("it has {number} or {digits} in it", param_hint="--endpoint")
    password = secret("TOCSIN_GATEWAY_ARI_PASSWORD")
    try:
        voice = Speech(speech)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--speech") from error
    scheme = "https" if tls_cert else "http"
    setup = Setup(application, endpoint, media_url or f"{scheme}://{host}:{port}", caller_id, calls)

    def make(book: "Book", teller: "Teller") -> "Device":
        return Asterisk(setup, Ari(ari, user, password), voice, book, teller)

    _run(make, "asterisk", replies, host, port, data, prefix, tls_cert, tls_key)
