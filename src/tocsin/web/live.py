"""Live pages: what changed, told to every open page of this process through one database connection.

PostgreSQL's ``NOTIFY tocsin_live`` says ``kind:id:version``; each page fetches what concerns it, and permission is
checked there. Nothing about the thing itself travels here.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator

import psycopg
from django.db import connection

log = logging.getLogger(__name__)

CHANNEL = "tocsin_live"
HEARTBEAT = 15.0  # seconds between comments that keep proxies from closing the stream
WAITING = 200  # changes that a slow page may be behind; then it is told to look at everything again
KINDS = frozenset({"incident", "alert", "page", "oncall", "pocket"})


class Hub:
    """Listens while anybody watches, and passes every change on to all of them."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[str]] = set()
        self.task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator["asyncio.Queue[str]"]:
        """A queue of messages ready to be sent, for as long as the page is open."""
        queue: asyncio.Queue[str] = asyncio.Queue(WAITING)
        loop = asyncio.get_running_loop()
        if self.loop is not loop:  # another server in the same process (tests): start afresh
            self.queues, self.task, self.loop = set(), None, loop
        self.queues.add(queue)
        if self.task is None or self.task.done():
            self.task = loop.create_task(self._listen())
        try:
            yield queue
        finally:
            self.queues.discard(queue)
            if not self.queues and self.task is not None:
                self.task.cancel()
                self.task = None

    async def _listen(self) -> None:
        again = False
        while True:
            try:
                options = connection.get_connection_params()
                for name in ("cursor_factory", "context"):
                    options.pop(name, None)
                async with await psycopg.AsyncConnection.connect(**options, autocommit=True) as listener:
                    await listener.execute(f"LISTEN {CHANNEL}")
                    if again:
                        self.tell("*", 0, 0)  # something may have been missed meanwhile
                    async for notice in listener.notifies():
                        kind, _, rest = notice.payload.partition(":")
                        key, _, version = rest.partition(":")
                        if kind in KINDS and key.isdigit() and version.isdigit():
                            self.tell(kind, int(key), int(version))
            except (psycopg.Error, OSError) as error:
                log.warning("live pages: the database is away, trying again", extra={"error": str(error)})
            again = True
            await asyncio.sleep(1)

    def tell(self, kind: str, key: int, version: int) -> None:
        """Pass a change on to every watching page."""
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
    """Server-sent events for one page."""
    async with HUB.watch() as queue:
        yield b"retry: 2000\n: welcome\n\n"
        while True:
            try:
                message = await asyncio.wait_for(queue.get(), HEARTBEAT)
            except TimeoutError:
                yield b": here\n\n"
                continue
            parts = [message]
            while not queue.empty():
                parts.append(queue.get_nowait())
            yield "".join(dict.fromkeys(parts)).encode()
