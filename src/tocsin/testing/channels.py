"""Checks of a channel: whatever its provider does, a typed result comes back, in time.

MEET = over_http("http://{host}:{port}/hook")

@pytest.mark.parametrize("check", checks(channel, MEET), ids=str)
def test_channel(check: Check) -> None:
    check()
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_network
from typing import Any

from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Delivered,
    IncidentFacts,
    Link,
    Message,
    Method,
    Rejected,
    Result,
    TryLater,
)
from tocsin.delivery.rules import bundle
from tocsin.platform import addresses, outbound
from tocsin.testing.servers import Seen, http_server
from tocsin.testing.sources import Check

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
AT = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
FACTS = IncidentFacts(
    12,
    "Checkout is döwn <b>",
    "triggered",
    "P1",
    "high",
    "critical",
    3,
    "Checkout",
    AT,
    AT,
    "http://t.example/incidents/12/",
)
PAGE = Message(
    kind="page",
    about="page",
    key="page:1:1",
    title="P1 Checkout: Checkout is döwn <b> (INC-12)",
    body="Checkout is döwn <b>\nP1 on Checkout.",
    at=AT,
    to="Ada",
    incidents=(FACTS,),
    links=(
        Link("view", "Open", "http://t.example/incidents/12/"),
        Link("acknowledge", "Acknowledge", "http://t.example/a/AAA:1"),
        Link("resolve", "Resolve", "http://t.example/a/RRR:1"),
        Link("escalate", "Escalate", "http://t.example/a/EEE:1"),
    ),
    why="policy Shop, step 1",
    delivery_ids=(1,),
)
RESOLVED = replace(PAGE, kind="resolved", about="resolved", key="resolved:1", links=PAGE.links[:1], loud=False)
BUNDLE = bundle([PAGE, replace(PAGE, key="page:2:1", drill=True)], key="bundle:1", url="http://t.example/incidents/")
NOTICE = Message(
    kind="notice", about="notice", key="notice:1:1", title="Nobody is on call", body="In Primary.", at=AT, to="Ada",
    links=(Link("view", "Open", "http://t.example/on-call/"),), loud=False,
)  # fmt: skip
TEST = Message(kind="test", about="test", key="test:1", title="Test", body="A test.", at=AT, loud=False)
MESSAGES = {
    "page": PAGE,
    "resolved": RESOLVED,
    "notice": NOTICE,
    "bundle": BUNDLE,
    "test": TEST,
    "drill": replace(PAGE, drill=True, title="[DRILL] " + PAGE.title),
}

EXPECTED: list[tuple[str, type[Result]]] = [
    ("not-found", Rejected),
    ("unauthorised", Rejected),
    ("error", TryLater),
    ("unavailable", TryLater),
    ("too-many", TryLater),
    ("redirect", Rejected),
    ("garbage", TryLater),
    ("bad-length", TryLater),
    ("silent", TryLater),
    ("drip", TryLater),
    ("reset", TryLater),
    ("cut", TryLater),
    ("refused", TryLater),
    ("no-host", TryLater),
]

Meeting = Callable[[str], AbstractAsyncContextManager[tuple[Method, dict[str, Any], Seen]]]
"""How a channel meets a server that behaves as named: the contact method, what its context holds, what was sent."""


def over_http(address: str) -> Meeting:
    """A server for channels that speak HTTP. ``address`` of the contact method, with ``{host}`` and ``{port}``."""

    @asynccontextmanager
    async def meet(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
        if behaviour in ("refused", "no-host"):
            port = free_port()
            host = "127.0.0.1" if behaviour == "refused" else "no-such-host.invalid"
            yield Method(address.format(host=host, port=port)), {}, Seen()
            return
        async with http_server(behaviour) as seen:
            yield Method(address.format(host="127.0.0.1", port=seen.port), user_id=1, id=5), {}, seen

    return meet


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def send(
    meet: Meeting, channel: Channel, behaviour: str, message: Message = PAGE, **method: Any
) -> tuple[Result, Seen]:
    """Send once to a server that behaves as named. ``method``: other fields of the contact method."""

    async def work() -> tuple[Result, Seen]:
        async with meet(behaviour) as (address, extra, seen):
            http = outbound.Client(LOOPBACK)
            context = Context(
                http=http,
                public_url="http://t.example",
                email_from="Tocsin <tocsin@t.example>",
                timeout_s=1.5,
                refuses=addresses.refuses,
                **extra,
            )
            try:
                return await channel.send(message, replace(address, **method), context), seen
            finally:
                await channel.close()
                await http.aclose()

    return asyncio.run(work())


def checks(channel: Channel, meet: Meeting, never: Collection[str] = ()) -> list[Check]:
    """Everything that a channel has to keep. ``never``: behaviour of a server that this channel cannot meet."""
    return [
        Check("descriptor", partial(check_descriptor, channel)),
        *(Check(f"well {name}", partial(check_well, channel, meet, message)) for name, message in MESSAGES.items()),
        *(
            Check(f"badly {name}", partial(check_badly, channel, meet, name, expected))
            for name, expected in EXPECTED
            if name not in never
        ),
    ]


def check_descriptor(channel: Channel) -> None:
    """It says what a form and the deliverer need to know."""
    descriptor = channel.descriptor
    assert descriptor.label
    assert descriptor.summary.endswith((".", "..."))
    assert descriptor.timeout_s <= 30, "well inside the lease"
    assert descriptor.concurrency >= 1
    assert (descriptor.bundle_size > 1) == descriptor.bundles
    assert channel.guide().startswith("# ")
    assert descriptor.check("") == {"address": f"{descriptor.address.label} is needed"}
    assert "config.nonsense" in descriptor.check("x", config={"nonsense": 1})
    assert "address" in descriptor.check("a\r\nBcc: b@example.org")


def check_well(channel: Channel, meet: Meeting, message: Message) -> None:
    """One request, one result; a drill says that it is one."""
    result, seen = send(meet, channel, "well", message)
    assert isinstance(result, Delivered | Accepted), result
    assert isinstance(result, Delivered) == channel.descriptor.verifies
    assert len(seen.requests) == 1
    if message.drill:
        assert b"DRILL" in seen.requests[0][2].upper(), "a drill must never be taken for real"


def check_badly(channel: Channel, meet: Meeting, behaviour: str, expected: type[Result]) -> Result:
    """A server that fails so becomes the result that is right for it, with a reason, in time. Returns the result."""
    began = time.monotonic()
    result, _ = send(meet, channel, behaviour)
    assert isinstance(result, expected), result
    assert isinstance(result, TryLater | Rejected)
    assert result.reason, "people want to know why"
    assert time.monotonic() - began < 4, "in time"
    return result
