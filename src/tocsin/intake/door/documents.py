"""Public documents that parsers need beside a request, such as the certificate of a signature: fetched once and kept.

Which addresses may be asked is the source's matter (``SourceKind.needs``); the guard of ``platform.outbound`` holds for
all of them.
"""

import asyncio
import time
from collections.abc import Iterable

from tocsin.platform import outbound
from tocsin.platform.addresses import Network, OutboundError

PATIENCE_S = 5.0
KEEP_S = 24 * 3600.0
FAILED_FOR_S = 30.0  # an address that did not answer is asked again after this
MOST = 64
LARGEST = 64 * 1024


class Documents:
    """The documents of one web process, by address."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self._allow = list(allow)
        self._client: outbound.Client | None = None
        self._kept: dict[str, tuple[float, bytes | OutboundError]] = {}
        self._turn = asyncio.Lock()

    async def get(self, address: str) -> bytes:
        """The document. Raises OutboundError; how it failed is remembered for FAILED_FOR_S."""
        until, found = self._kept.get(address, (0.0, b""))
        if until < time.monotonic():  # what is kept waits for nobody
            async with self._turn:
                until, found = self._kept.get(address, (0.0, b""))
                if until < time.monotonic():
                    found = await self._renew(address)
        if isinstance(found, OutboundError):
            raise found
        return found

    async def _renew(self, address: str) -> bytes | OutboundError:
        found: bytes | OutboundError
        try:
            found, keep_s = await self._fetch(address), KEEP_S
        except OutboundError as error:
            found, keep_s = error, FAILED_FOR_S
        if len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[address] = (time.monotonic() + keep_s, found)
        return found

    async def _fetch(self, address: str) -> bytes:
        if self._client is None:
            self._client = outbound.Client(self._allow, max_answer=LARGEST)
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await self._client.get(address, {})
        except TimeoutError as error:
            raise OutboundError(f"no answer within {PATIENCE_S:.0f} s") from error
        if answer.status != 200:
            raise OutboundError(f"the answer is {answer.status}")
        return answer.body

    async def aclose(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
