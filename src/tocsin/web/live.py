"""Live pages: what changed, told to every open page of this process through one database connection.

PostgreSQL's ``NOTIFY tocsin_live`` says ``kind:id:version``; each page fetches what concerns it, and permission is
checked there. Nothing about the thing itself travels here.

Nothing is missed either: each page carries the ``position`` at which its making began, the stream begins with the
present one, and a page that finds another fetches its live parts again.
"""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import AsyncIterator

import psycopg
from django.db import connection

log = logging.getLogger(__name__)

CHANNEL = "tocsin_live"
HEARTBEAT = 15.0  # seconds between comments that keep proxies from closing the stream
WAITING = 200  # changes that a slow page may be behind; then it is told to look at everything again
KINDS = frozenset({"incident", "alert", "page", "oncall", "pocket", "import"})


class Hub:
    """Listens while anybody watches, and passes every change on to all of them."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[str]] = set()
        self.task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.always = False
        self._hearing = ""  # names one unbroken time of listening
        self._heard = 0

    @property
    def position(self) -> str:
        """Changes with what was heard so far; empty while nothing can be heard. May be read from any thread."""
        return f"{self._hearing}.{self._heard}" if self._hearing else ""

    def open(self) -> None:
        """Listen from now on, also while nobody watches. To be called in the loop that serves."""
        self.always = True
        self._begin(asyncio.get_running_loop())

    async def close(self) -> None:
        """Listen no more. Does nothing when another loop of this process has taken over meanwhile."""
        if self.loop is not asyncio.get_running_loop():
            return
        self.always = False
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.loop is not loop:  # another server in the same process (tests): start afresh
            self.queues, self.task, self.loop = set(), None, loop
        if self.task is None or self.task.done():
            self.task = loop.create_task(self._listen())

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator["asyncio.Queue[str]"]:
        """A queue of messages ready to be sent, for as long as the page is open."""
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self._begin(asyncio.get_running_loop())
        self.queues.add(queue)
        try:
            yield queue
        finally:
            self.queues.discard(queue)
            if not self.queues and not self.always and self.task is not None:
                self.task.cancel()
                self.task = None

    async def _listen(self) -> None:
        told = False
        while True:
            try:
                options = connection.get_connection_params()
                for name in ("cursor_factory", "context"):
                    options.pop(name, None)
                async with await psycopg.AsyncConnection.connect(**options, autocommit=True) as listener:
                    await listener.execute(f"LISTEN {CHANNEL}")
                    self._hearing, told = secrets.token_hex(4), False
                    self.tell("*", 0, 0)  # something may have been missed before
                    async for notice in listener.notifies():
                        kind, _, rest = notice.payload.partition(":")
                        key, _, version = rest.partition(":")
                        if kind in KINDS and key.isdigit() and version.isdigit():
                            self.tell(kind, int(key), int(version))
            except (psycopg.Error, OSError) as error:
                if not told:
                    log.warning("live pages: the database is away, trying again", extra={"error": str(error)})
                told = True
            finally:
                self._hearing = ""
            await asyncio.sleep(1)

    def tell(self, kind: str, key: int, version: int) -> None:
        """Pass a change on to every watching page."""
        self._heard += 1
        kinds = sorted(KINDS) if kind == "*" else [kind]
        for one in kinds:
            message = f"event: {one}\ndata: {json.dumps({'id': key, 'version': version})}\n\n"
            for queue in self.queues:
                if queue.full():
                    while not queue.empty():
                        queue.get_nowait()
                    for every in sorted(KINDS):
                        queue.put_nowait(f"event: {every}\ndata: {json.dumps({'id': 0, 'version': 0})}\n\n")
                else:
                    queue.put_nowait(message)


HUB = Hub()


async def stream() -> AsyncIterator[bytes]:
    """Server-sent events for one page; ``event: position`` says where it stands, first and after changes."""
    async with HUB.watch() as queue:
        yield f"retry: 2000\n{_position()}".encode()
        while True:
            try:
                message = await asyncio.wait_for(queue.get(), HEARTBEAT)
            except TimeoutError:
                yield b": here\n\n"
                continue
            parts = [message]
            while not queue.empty():
                parts.append(queue.get_nowait())
            yield ("".join(dict.fromkeys(parts)) + _position()).encode()


def _position() -> str:
    return f"event: position\ndata: {HUB.position}\n\n" if HUB.position else ": nothing can be heard yet\n\n"
