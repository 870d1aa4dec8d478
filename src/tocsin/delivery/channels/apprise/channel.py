"""Apprise: one-way messages to a hundred more services, by Apprise's URLs."""

import asyncio
import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import ClassVar
from urllib.parse import urlsplit

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
    result_of_status,
)

# Schemas that act on our own machine, or post anything anywhere (the webhook channel does that, guarded and signed).
CLOSED = frozenset(
    [
        "dbus",
        "qt",
        "kde",
        "glib",
        "gnome",
        "macosx",
        "windows",
        "syslog",
        "rsyslog",
        "file",
        "json",
        "jsons",
        "xml",
        "xmls",
        "form",
        "forms",
        "apprise",
        "apprises",
    ]
)


class AppriseChannel(Channel):
    """Runs Apprise, which blocks, in threads of its own."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="apprise",
        label="Apprise",
        summary="One-way messages through any of the services that Apprise knows: Pushover, Gotify, Matrix, Signal ...",
        address=Field(
            "address",
            "Apprise URL",
            "text",
            "As in Apprise's documentation, for example pover://user@token",
            required=True,
            pattern=r"[A-Za-z0-9+]+://\S+",
            placeholder="gotify://gotify.example.org/token",
        ),
        bundles=True,
        bundle_size=100,
        pace=Pace(),
        concurrency=8,
        timeout_s=20.0,
        icon="send",
    )

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Notify once; Apprise says only yes or no, the reason is read from what it logs."""
        schema = method.address.partition("://")[0].lower()
        if schema in CLOSED:
            return Rejected(f"{schema}:// is not open here; use the webhook channel for addresses of your own")
        problem = await _host_problem(method.address, context)
        if problem:
            return Rejected(problem)
        view = message.link("view")
        text = f"{message.body}\n{view}" if view else message.body
        kind = {"resolved": "success", "test": "info", "notice": "info"}.get(message.about, "failure")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.descriptor.concurrency, thread_name_prefix="apprise")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, import_module, "apprise")  # slow the first time; no service's fault
        try:
            async with asyncio.timeout(min(context.timeout_s, self.descriptor.timeout_s)):
                return await loop.run_in_executor(self._pool, _notify, method.address, message.title, text, kind)
        except TimeoutError:
            return TryLater(None, "no answer in time")

    async def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


async def _host_problem(address: str, context: Context) -> str:
    """Why the host in an Apprise URL must not be reached; in many URLs a token stands there, which is no host."""
    try:
        host = urlsplit("http://" + address.partition("://")[2]).hostname or ""
    except ValueError:
        return ""
    return await context.refuses(host) if host and context.refuses else ""


def _notify(address: str, title: str, text: str, kind: str) -> Result:
    import apprise  # here, because it is large and most installations never use it

    service = apprise.Apprise()
    if not service.add(address):
        return Rejected("Apprise does not understand this URL")
    for plugin in service:
        plugin.redirects = False  # a redirect could lead into our own network
        plugin.socket_connect_timeout, plugin.socket_read_timeout = 5.0, 8.0
    said = io.StringIO()
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        sent = service.notify(body=text, title=title, notify_type=apprise.NotifyType(kind))
        said.write(log.getvalue())
    if sent:
        return Accepted()
    reason = " ".join(said.getvalue().split())[:250] or "Apprise says only that it failed"
    status = re.search(r"error=(\d{3})", reason)
    if status:
        return result_of_status(int(status.group(1)), {}, reason)
    return TryLater(None, reason)


channel = AppriseChannel()
