"""What the door knows of sources: all of them by the digest of their key, kept fresh, and usable without a database.

A key that is not known is looked up at once, so that a source works the moment after it was made. All unknown keys that
wait share one query and the answer "unknown" is remembered for a second: a flood of wrong keys costs little.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from tocsin.intake.contract import SourceKind
from tocsin.intake.kinds import kind_of
from tocsin.intake.rules import TokenBucket
from tocsin.platform import secrets
from tocsin.platform.secrets import SecretUnreadable

UNKNOWN_FOR_S = 1.0
MOST_UNKNOWN = 20_000

COLUMNS = "SELECT id, kind, key_digest, config::text, limit_per_minute, enabled, name FROM intake_source"


@lru_cache(maxsize=4096)
def _opened(stored: str) -> str:
    """A secret of a configuration; kept, since all sources are looked at every few seconds. Raises SecretUnreadable."""
    return secrets.decrypt(stored)


class Known:
    """A source as the door sees it."""

    __slots__ = ("bucket", "config", "digest", "enabled", "id", "kind", "limit", "locked", "name")

    def __init__(self, row: Mapping[str, Any], at: float) -> None:
        self.id: int = row["id"]
        self.name: str = row["name"]
        self.kind: SourceKind | None = kind_of(row["kind"])
        self.digest: str = row["key_digest"]
        self.config: dict[str, Any] = (self.kind.defaults() if self.kind else {}) | msgspec.json.decode(row["config"])
        self.locked = False  # its secrets were encrypted under another key: nobody can prove anything to it
        for secret in self.kind.secrets if self.kind else ():
            if self.config.get(secret):
                try:
                    self.config[secret] = _opened(self.config[secret])
                except SecretUnreadable:
                    self.locked = True
        self.limit: int = row["limit_per_minute"]
        self.enabled: bool = row["enabled"]
        self.bucket = TokenBucket(self.limit, at)


class Unavailable(Exception):
    """Whether the key exists cannot be told just now."""


class Sources:
    """The known sources. ``lookup`` fetches rows for digests; it raises Unavailable while the database is away."""

    def __init__(self, lookup: Callable[[list[str]], Awaitable[Iterable[Mapping[str, Any]]]]) -> None:
        self._lookup = lookup
        self._known: dict[str, Known] = {}
        self._by_key: dict[str, Known] = {}
        self._unknown: dict[str, float] = {}
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self.loaded = False
        self.version = 0  # grows whenever something may have changed

    def all(self) -> list[Known]:
        """Every source that is known, in the order of their ids."""
        return sorted(self._known.values(), key=lambda known: known.id)

    def get(self, key: str) -> Known | None:
        """The source of a key, from memory."""
        return self._by_key.get(key)

    async def find(self, key: str) -> Known | None:
        """The source of a key; asks the database when it is not known. Raises Unavailable."""
        known = self._by_key.get(key)
        if known is not None:
            return known
        if not key or len(key) > 200:
            return None
        digest = sha256(key.encode("utf-8", "replace")).hexdigest()
        known = self._known.get(digest)
        if known is None:
            until = self._unknown.get(digest)
            if until is not None and until > time.monotonic():
                return None
            await self._ask(digest)
            known = self._known.get(digest)
        if known is not None:
            self._by_key[key] = known
        return known

    async def _ask(self, digest: str) -> None:
        future = self._wanted.get(digest)
        if future is None:
            future = self._wanted[digest] = asyncio.get_running_loop().create_future()
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
        await asyncio.shield(future)

    async def _look(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                rows = await self._lookup(list(wanted))
            except Unavailable as error:
                for future in wanted.values():
                    future.set_exception(error)
                    future.exception()  # seen: whoever asked may have gone
                continue
            at = time.monotonic()
            for row in rows:
                self._put(row, at)
            if len(self._unknown) > MOST_UNKNOWN:
                self._unknown.clear()
            for digest, future in wanted.items():
                if digest not in self._known:
                    self._unknown[digest] = at + UNKNOWN_FOR_S
                future.set_result(None)

    def _put(self, row: Mapping[str, Any], at: float) -> None:
        fresh = Known(row, at)
        old = self._known.get(fresh.digest)
        if old is not None and old.id == fresh.id and old.limit == fresh.limit:
            fresh.bucket = old.bucket
        self._known[fresh.digest] = fresh
        self.version += 1

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take these rows for all the sources there are."""
        before, self._known = self._known, {}
        at = time.monotonic()
        for row in rows:
            digest = row["key_digest"]
            if digest in before:
                self._known[digest] = before[digest]
            self._put(row, at)
        self._by_key = {
            key: self._known[known.digest] for key, known in self._by_key.items() if known.digest in self._known
        }
        self._unknown = {digest: until for digest, until in self._unknown.items() if digest not in self._known}
        self.loaded = True
        self.version += 1

    def __len__(self) -> int:
        return len(self._known)
