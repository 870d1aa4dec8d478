"""Waiting for something to become true: generous deadlines, no fixed sleeps."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], *, within: float = 45, every: float = 0.1) -> T:
    """The first value of ``look`` that is true; fails after ``within`` seconds, saying what was waited for."""
    end = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {within:g} s; last seen: {found!r}")
        time.sleep(every)


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
