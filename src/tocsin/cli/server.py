"""Commands that run on the server itself: start, migrate, look after."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.platform import settings as platform_settings

EXIT_CONFIG = 78


def register(app: typer.Typer) -> None:
    """Add the commands of the server to ``app``."""
    panel = "Server"
    app.command("up", rich_help_panel=panel)(up)
    app.command("web", rich_help_panel=panel)(web)
    app.command("engine", rich_help_panel=panel)(engine)
    app.command("mail", rich_help_panel=panel)(mail)
    app.command("syslog", rich_help_panel=panel)(syslog)
    app.command("migrate", rich_help_panel=panel)(migrate)
    app.command("prepare", hidden=True)(prepare)
    app.command("doctor", rich_help_panel=panel)(doctor)
    app.command("config", rich_help_panel=panel)(config)
    app.command("sign-in-link", rich_help_panel=panel)(sign_in_link)
    demo = typer.Typer(help="The demo company: load it, or send it a storm.", no_args_is_help=True)
    demo.command("load")(demo_load)
    demo.command("storm")(demo_storm)
    app.add_typer(demo, name="demo", rich_help_panel=panel)


def _set(**values: object) -> None:
    """Options of the command line become environment, so that children and Django see the same settings."""
    for name, value in values.items():
        if value is not None:
            os.environ["TOCSIN_" + name.upper()] = str(value)


def _settings() -> platform_settings.Settings:
    platform_settings.get.cache_clear()
    return platform_settings.get()


def _django(data: Path | None = None) -> platform_settings.Settings:
    """Django, ready for use, on the database of the environment or on the running embedded one."""
    _set(data_dir=data)
    settings = _settings()
    if not settings.database_url:
        from tocsin.project.embedded import Embedded

        os.environ["DATABASE_URL"] = Embedded(settings.data_dir).url
        settings = _settings()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")
    import django

    from tocsin.project import logs

    logs.configure(settings.log_format, settings.log_level)
    django.setup()
    return settings


Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder for database, spool and keys. [env: TOCSIN_DATA_DIR; var]"),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on. [env: TOCSIN_HOST; 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [env: TOCSIN_PORT; 8700]")]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", exists=True, dir_okay=False, help="Certificate chain (PEM) for TLS.")
]
PrivateKey = Annotated[
    Path | None, typer.Option("--tls-key", exists=True, dir_okay=False, help="Private key (PEM) of the certificate.")
]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Web processes.")]


def up(
    host: Host = None,
    port: Port = None,
    data: Data = None,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Fill an empty database with the demo company.")
    ] = None,
    tls_cert: Certificate = None,
    tls_key: PrivateKey = None,
    workers: Workers = 1,
) -> None:
    """Run everything on this machine: database, web and engine, supervised.

    Uses the embedded PostgreSQL in the data folder, or the one that DATABASE_URL names. Prints the address and a
    sign-in link that works once. SIGTERM or Ctrl-C drains and stops; a second one forces.
    """
    _set(host=host, port=port, data_dir=data, demo=demo, tls_cert=tls_cert, tls_key=tls_key)
    from tocsin.project.up import Options, become

    settings = _settings()
    settings.key()
    become(
        Options(
            data_dir=str(settings.data_dir),
            host=settings.host,
            port=settings.port,
            embedded=not settings.database_url,
            log_format=settings.log_format,
            log_level=settings.log_level,
            workers=workers,
            mail=bool(settings.mail_listen),
            syslog=bool(settings.syslog_listen or settings.syslog_tls_listen),
        )
    )


def web(
    host: Host = None,
    port: Port = None,
    data: Data = None,
    tls_cert: Certificate = None,
    tls_key: PrivateKey = None,
    workers: Workers = 1,
) -> None:
    """Run the web server alone: intake door, pages, API. Any number may run, on any number of machines.

    Waits until the database's schema is current.
    """
    _set(host=host, port=port, tls_cert=tls_cert, tls_key=tls_key)
    _wait_for_schema(data)
    import warnings

    from tocsin.project.health import start_reporting
    from tocsin.project.web import serve

    # the built files are small: reading one at once, as Django does behind ASGI, is what is wanted
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

    settings = _settings()
    reporting = start_reporting("web")
    serve(
        host=settings.host,
        port=settings.port,
        workers=workers,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
    )
    reporting.set()


def engine(data: Data = None) -> None:
    """Run one engine alone: triage, escalation, delivery, timers. Any number may run, on any number of machines.

    Waits until the database's schema is current.
    """
    _wait_for_schema(data)
    from tocsin.project.engine import main

    main()


def mail(
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to take mail in. [env: TOCSIN_MAIL_LISTEN; 127.0.0.1:8725]"),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="Domain whose mail is taken. [env: TOCSIN_MAIL_DOMAIN]", metavar="DOMAIN")
    ] = None,
    data: Data = None,
) -> None:
    """Take mail in: replies to pages, mail that came back, mail for sources. Any number may run, on many machines.

    `tocsin up` runs it too when TOCSIN_MAIL_LISTEN is set. The engines need TOCSIN_MAIL_DOMAIN as well: without it, no
    mail says where to answer. Waits until the database's schema is current.
    """
    _set(mail_domain=domain, mail_listen=listen)
    if not os.environ.get("TOCSIN_MAIL_LISTEN"):
        _set(mail_listen="127.0.0.1:8725")
    _wait_for_schema(data)
    from tocsin.project.mail import main

    raise typer.Exit(main())


def syslog(
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where to take syslog in, UDP and TCP. [env: TOCSIN_SYSLOG_LISTEN; 127.0.0.1:5514]",
        ),
    ] = None,
    tls_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to take it in over TLS. [env: TOCSIN_SYSLOG_TLS_LISTEN]"),
    ] = None,
    data: Data = None,
) -> None:
    """Take syslog in for sources of that kind, over UDP, TCP and TLS. Any number may run, on any number of machines.

    `tocsin up` runs it too when TOCSIN_SYSLOG_LISTEN or TOCSIN_SYSLOG_TLS_LISTEN is set. Waits until the database's
    schema is current; after that it works through the database's absence.
    """
    _set(syslog_listen=listen, syslog_tls_listen=tls_listen)
    if not (os.environ.get("TOCSIN_SYSLOG_LISTEN") or os.environ.get("TOCSIN_SYSLOG_TLS_LISTEN")):
        _set(syslog_listen="127.0.0.1:5514")
    _wait_for_schema(data)
    from tocsin.project.syslog import main

    raise typer.Exit(main())


def _wait_for_schema(data: Path | None) -> None:
    _django(data)
    from django.db import connection

    from tocsin.project import migrate as migrations

    try:
        migrations.wait_for_schema()
    except migrations.NotReady as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    connection.close()


def migrate(data: Data = None) -> None:
    """Bring the database's schema up to date. Safe to run from many nodes at once: one does it, the others wait."""
    _django(data)
    from tocsin.project import migrate as migrations

    try:
        done = migrations.migrate()
    except migrations.NotReady as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Applied {len(done)} migrations." if done else "The schema is current.")


def prepare(data: Data = None) -> None:
    """Migrate, make sure of an administrator, the demo company and the profile; prints facts as JSON."""
    settings = _django(data)
    from tocsin.project import first_run
    from tocsin.project import migrate as migrations

    try:
        migrations.migrate()
        with migrations.alone():  # ten nodes that start together make one administrator
            if settings.demo:
                from tocsin.project import demo

                demo.load_if_empty()
            user = first_run.administrator()
    except migrations.NotReady as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    facts = {
        "url": settings.public_url,
        "email": user.email,
        "link": first_run.sign_in_link(user),
        "profile": str(first_run.write_profile(user)),
    }
    typer.echo(json.dumps(facts))


def doctor(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is wrong with this installation and how to mend it. Exit code 1 when something fails."""
    settings = _django(data)
    from tocsin.project.doctor import FAIL, examine

    findings = examine(settings)
    if as_json:
        typer.echo(json.dumps({"items": [finding.as_json() for finding in findings]}, indent=2))
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        for finding in findings:
            style = {"ok": "green", "warn": "yellow"}.get(finding.state, "bold red")
            line = Text(f"{finding.state:>4} ", style).append(f"{finding.name}: {finding.text}", "default")
            console.print(line, soft_wrap=True)
            if finding.mend:
                console.print(Text(f"     {finding.mend}", "dim"), soft_wrap=True)
    raise typer.Exit(1 if any(finding.state == FAIL for finding in findings) else 0)


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every setting with its present value and what it means. Secrets are masked."""
    from pydantic import SecretStr

    from tocsin.project.logs import mask

    settings = _settings()
    rows: list[dict[str, Any]] = []
    for name, (field, description) in zip(type(settings).model_fields, platform_settings.names().items(), strict=True):
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = "***" if value.get_secret_value() else ""
        elif isinstance(value, list):
            shown = ",".join(str(item) for item in value)
        else:
            shown = "" if value is None else mask(str(value))
        rows.append({"name": field, "value": shown, "description": description})
    if as_json:
        typer.echo(json.dumps({"items": rows}, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']}={row['value']}\n    {row['description']}")


def sign_in_link(
    email: Annotated[str, typer.Argument(help="E-mail address of the person; empty: the first administrator.")] = "",
    data: Data = None,
) -> None:
    """Print an address that signs somebody in once, within an hour. For whoever may read the data folder."""
    _django(data)
    from tocsin.people import queries
    from tocsin.platform.actor import SYSTEM
    from tocsin.project import first_run

    user = queries.user(SYSTEM, email) if email else first_run.administrator()
    typer.echo(first_run.sign_in_link(user))


def demo_load(data: Data = None) -> None:
    """Fill an installation that has no services yet with the demo company."""
    _django(data)
    from tocsin.project import demo

    if not demo.load_if_empty():
        typer.echo("This installation has services already; the demo company is for an empty one.", err=True)
        raise typer.Exit(1)


def demo_storm(
    alerts: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many different alerts.")] = 10_000,
    root: Annotated[str, typer.Option(help="Slug of the service at the bottom of it.")] = "kubernetes",
    url: Annotated[str, typer.Option(help="Address of Tocsin. [default: that of the local profile]")] = "",
    wait: Annotated[
        bool, typer.Option(help="Wait until all of them were dealt with, and say what became of them.")
    ] = True,
    data: Data = None,
) -> None:
    """Send a realistic cascade to the demo company, through the real intake door."""
    _django(data)
    import asyncio
    import time

    import httpx
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tocsin.platform import clock
    from tocsin.project import first_run
    from tocsin.project.demo import storm, watching

    watching.check(root)
    target = url or first_run.local_url()
    console = Console(stderr=True)
    before = watching.marks()
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sending = progress.add_task("sent", total=alerts)
        try:
            result = asyncio.run(
                storm.send(target, alerts, clock.now(), lambda more: progress.advance(sending, more), root)
            )
        except* httpx.HTTPError as errors:
            typer.echo(f"{target} does not answer: {errors.exceptions[0]}", err=True)
            raise typer.Exit(1) from errors
        sent_s = time.monotonic() - began
        if wait:
            deciding = progress.add_task("decided", total=result.accepted)
            for decided in watching.decided(before, result.accepted):
                progress.update(deciding, completed=decided)
    typer.echo(f"{result.accepted} alerts accepted in {sent_s:.1f} s ({result.accepted / sent_s:.0f} a second).")
    for status, count in sorted(result.refused.items()):
        typer.echo(f"{count} requests were answered with {status}.")
    if wait:
        typer.echo(watching.summary(before))
    raise typer.Exit(0 if result.accepted == alerts else 1)
