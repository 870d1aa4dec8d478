"""GET, page after page, as fast as the other side lets us: through the guard of ``platform.outbound``."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from tocsin.platform import outbound
from tocsin.platform.addresses import Network
from tocsin.platform.errors import Conflict
from tocsin.project.importing.shapes import Progress

T = TypeVar("T")
R = TypeVar("R")
MAX_ANSWER = 64 * 1024 * 1024
TIMEOUT_S = 60.0
AT_ONCE = 8
TRIES = 6
LONGEST_WAIT_S = 120.0
MOST_PAGES = 10_000


class Unread(Conflict):
    """The other side could not be read; the text says why, for people."""


class Absent(Exception):
    """The other side says that there is no such thing, or that the key may not see it."""


def host_of(url: str) -> str:
    """The host of an address, for people."""
    return urlsplit(url).netloc.rpartition("@")[2][:300]


class Fetcher:
    """Reads one API. It never goes to another host than the one it was given, whatever links an answer holds."""

    def __init__(
        self, base: str, headers: Mapping[str, str], progress: Progress, allow: Iterable[Network] | None = None
    ) -> None:
        self.base, self.progress = base, progress
        self._headers = dict(headers)
        self._client = outbound.Client(allow, max_answer=MAX_ANSWER)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._pause_until = 0.0

    async def aclose(self) -> None:
        await self._client.aclose()
        await asyncio.sleep(0)  # closed connections say goodbye in the loop's next turn, and the loop may end here

    async def get(self, path: str, query: Iterable[tuple[str, str | int]] = ()) -> dict[str, Any]:
        """The JSON object at a path. Raises Absent (404, 403, 402), Unread."""
        asked = list(query)
        url = f"{self.base}{path}{'?' + urlencode(asked) if asked else ''}"
        async with self._room:
            for attempt in range(TRIES):
                wait = min(2.0**attempt, 30.0)
                await self._wait()
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        answer = await self._client.get(url, self._headers)
                except outbound.OutboundError as error:
                    if error.lasting or attempt == TRIES - 1:
                        raise Unread(str(error)) from error
                    await asyncio.sleep(wait)
                    continue
                except TimeoutError as error:
                    if attempt == TRIES - 1:
                        raise Unread(f"{host_of(self.base)} does not answer") from error
                    continue
                if answer.status == 429 or answer.status >= 500:
                    # a limit is for all requests: all of them wait
                    self._pause(_asked_to_wait(answer.headers, wait))
                    continue
                return self._json(path, answer)
        raise Unread(f"{host_of(self.base)} refused {path} again and again (status {answer.status})")

    def _json(self, path: str, answer: outbound.Answer) -> dict[str, Any]:
        if answer.status == 401:
            raise Unread(f"{host_of(self.base)} refuses the key")
        if answer.status in (402, 403, 404):
            raise Absent(path)
        if answer.status != 200:
            raise Unread(f"{host_of(self.base)} answered {path} with the status {answer.status}")
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Unread(f"{host_of(self.base)} answered {path} with something that is no JSON") from error
        return value if isinstance(value, dict) else {"data": value}

    def _pause(self, seconds: float) -> None:
        self._pause_until = max(self._pause_until, asyncio.get_running_loop().time() + seconds)

    async def _wait(self) -> None:
        left = self._pause_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
            await self._wait()  # another answer may have asked for more

    async def some(self, path: str, name: str, query: Iterable[tuple[str, str | int]] = ()) -> list[dict[str, Any]]:
        """The list ``name`` of a path that may not be there or not be allowed: then it is empty."""
        try:
            found = (await self.get(path, query)).get(name)
        except Absent:
            return []
        if isinstance(found, dict):  # Opsgenie's heartbeats: {"data": {"heartbeats": [...]}}
            found = next((value for value in found.values() if isinstance(value, list)), [])
        return [one for one in found or [] if isinstance(one, dict)]

    async def each(self, stage: str, items: list[T], do: Callable[[T], Awaitable[R]]) -> list[R]:
        """``do`` for all items, several at once; in their order."""
        done = 0

        async def one(item: T) -> R:
            nonlocal done
            result = await do(item)
            done += 1
            self.progress(stage, done, len(items))
            return result

        self.progress(stage, 0, len(items))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
        except* Unread as errors:
            # they all ran into the same wall: the first says what it is
            raise _first(errors) from None
        return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[Unread]) -> Unread:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _asked_to_wait(headers: Mapping[str, str], default: float) -> float:
    """Seconds that an answer asks to wait: Retry-After (RFC 9110, seconds), or PagerDuty's ratelimit-reset."""
    for name in ("Retry-After", "ratelimit-reset", "X-RateLimit-Period-In-Sec"):
        text = headers.get(name, "")
        if text.strip().isdigit():
            return min(max(float(text), 0.05), LONGEST_WAIT_S)
    return default
