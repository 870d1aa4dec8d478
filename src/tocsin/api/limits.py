"""How many requests one asker may make: a fixed window a minute, counted in each process, forgotten with it.

It keeps a runaway script from starving others; it is no protection against an attack, which belongs in front of Tocsin.
"""

import threading
import time
from dataclasses import dataclass

PER_MINUTE = 3000
WINDOW_S = 60.0
MOST_ASKERS = 10_000


@dataclass(slots=True)
class Allowance:
    """What an asker may still do in this window."""

    limit: int
    remaining: int
    reset_s: int
    allowed: bool


class Limiter:
    """Counts requests by asker."""

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[float, int]] = {}

    def count(self, asker: str) -> Allowance:
        """Count one request of ``asker``."""
        moment = time.monotonic()
        with self._lock:
            started, used = self._counts.get(asker, (moment, 0))
            if moment - started >= WINDOW_S:
                started, used = moment, 0
            if len(self._counts) >= MOST_ASKERS and asker not in self._counts:
                self._counts.clear()  # forgetting errs on the side of letting people work
            self._counts[asker] = (started, used + 1)
        left = max(0, self.per_minute - used - 1)
        return Allowance(self.per_minute, left, int(WINDOW_S - (moment - started)) + 1, used < self.per_minute)


limiter = Limiter()
