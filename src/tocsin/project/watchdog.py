"""The outward dead-man's switch: a request a minute to an outside watcher, only while nothing is overdue.

When Tocsin stops paging for whatever reason (engine gone, database stuck, a bug), the requests stop, and the watcher,
which is somebody else's, tells people. It is the one thing that Tocsin cannot do by itself.
"""

import time

import httpx
import structlog

from tocsin.project import health

log = structlog.get_logger()

EVERY_S = 60.0
PATIENCE_S = 60.0  # older than this, work that is due counts as overdue


class DeadMan:
    """Call ``look`` often; it acts once a minute. Without a URL it only watches and logs."""

    def __init__(self, url: str | None, http: httpx.Client | None = None) -> None:
        self.url = url
        self.http = http or httpx.Client(timeout=10.0)
        self._next = 0.0

    def look(self) -> int:
        """Ping the watcher if a minute has passed and nothing is overdue. Returns 1 when a ping was answered."""
        if time.monotonic() < self._next:
            return 0
        self._next = time.monotonic() + EVERY_S
        late = {name: round(seconds) for name, seconds in health.overdue().items() if seconds > PATIENCE_S}
        if late:
            log.error("watchdog.overdue", **late)
            return 0
        if not self.url:
            return 0
        try:
            return int(self.http.get(self.url).is_success)
        except httpx.HTTPError as error:
            log.warning("watchdog.unreachable", error=type(error).__name__)
            return 0
