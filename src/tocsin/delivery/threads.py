"""Blocking database work of the deliverer's loop, on threads of its own."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection

T = TypeVar("T")


class Database:
    """Runs blocking database work on one thread with one connection; mends the connection after a failure."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.threads = threads

    async def __call__(self, work: Callable[..., T], *args: object, **kwargs: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self.pool, functools.partial(self._run, work, *args, **kwargs)
        )

    @staticmethod
    def _run(work: Callable[..., T], *args: object, **kwargs: object) -> T:
        try:
            return work(*args, **kwargs)
        except DatabaseError:
            connection.close()  # broken or not, the next call begins with a fresh one
            raise

    def close(self) -> None:
        """Close the connections and end the threads."""
        import threading

        barrier = threading.Barrier(self.threads)

        def leave() -> None:
            connection.close()
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(2)

        for _ in range(self.threads):
            self.pool.submit(leave)
        self.pool.shutdown(wait=True)
