"""A calendar from an address that somebody typed in: through the guarded client, bounded in size and time."""

import asyncio

from tocsin.platform.outbound import Client, OutboundError, target_of

MAX_BYTES = 2_000_000
TIMEOUT_S = 20.0
MAX_URL = 2000
RIGHT = "an address that begins with https://, http:// or webcal://"


class Unread(Exception):
    """It could not be read; the text says why."""


def address_of(url: str) -> str:
    """The address with ``webcal``, which calendars write for http over TLS, as ``https``. Raises Unread."""
    url = url.strip()
    if url[:9].lower() == "webcal://":
        url = f"https://{url[9:]}"
    try:
        if len(url) > MAX_URL:
            raise Unread(f"{RIGHT}, {MAX_URL} characters at most")
        target_of(url)
    except (OutboundError, ValueError) as error:
        raise Unread(RIGHT) from error
    return url


def host_of(url: str) -> str:
    """What may be shown of an address that is a secret: its host."""
    return target_of(url).url.host or ""


def fetch(url: str) -> bytes:
    """The body of what stands at an address, one byte longer than ``MAX_BYTES`` at most. Raises Unread.

    Not for a thread in which an event loop runs.
    """
    return asyncio.run(_fetch(url))


async def _fetch(url: str) -> bytes:
    client = Client(max_answer=MAX_BYTES + 1)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await client.get(url, {"Accept": "text/calendar, */*;q=0.1"})
    except TimeoutError as error:
        raise Unread(f"no answer within {TIMEOUT_S:g} seconds") from error
    except OutboundError as error:
        raise Unread(str(error)[:400]) from error
    finally:
        await client.aclose()
    if 300 <= answer.status < 400:
        raise Unread(f"answered {answer.status}: it has moved; give the address that it has now")
    if answer.status != 200:
        raise Unread(f"answered {answer.status} instead of a calendar")
    return answer.body
