"""A sender killed at any point of a send loses no page, and sends one twice at most, marked as such.

For every kind of channel that needs nobody else's service, and for SMS and calls through a provider whose API a server
of ours speaks: a process sends, is killed at the point, its lease runs out, and another one goes on. What the other
side has received in the end is counted.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pydantic import SecretStr

from tests.contracts.channel_servers import TWILIO, Seen, http_server, smtp_server
from tests.contracts.push_service import Browser
from tests.invariants.send_once import KILLED, POINTS
from tocsin.delivery import actions
from tocsin.delivery.actions import push_key
from tocsin.delivery.jobs import deliver_due
from tocsin.delivery.models import Attempt, Delivery, Handover, PocketMessage
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.conftest import world as world
from tocsin.delivery.tests.phones import NUMBER, twilio
from tocsin.platform import clock
from tocsin.platform.models import Clock

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
CHANNELS = ("webhook", "ntfy", "email", "apprise", "pocket", "webpush", "unifiedpush", "sms", "voice")
PHONE = ("sms", "voice")
# at these points the other side has the message although nobody wrote that down
TWICE = {"during call", "after call", "before commit"}


class Sink:
    """A web server and a mail server in a thread, which count what they are sent."""

    def __init__(self) -> None:
        self.web, self.mail, self.provider = Seen(), Seen(), Seen()
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            self.web = await stack.enter_async_context(http_server("well"))
            self.mail = await stack.enter_async_context(smtp_server(lambda command: None))
            self.provider = await stack.enter_async_context(http_server("well", TWILIO))
            self._ready.set()
            await asyncio.to_thread(self._over.wait)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)

    def address(self, channel: str) -> str:
        """Where a contact method of this channel sends to."""
        base = f"127.0.0.1:{self.web.port}"
        return {
            "webhook": f"http://{base}/hook",
            "ntfy": f"http://{base}/topic",
            "apprise": f"gotify://{base}/token",
            "webpush": f"http://{base}/wp",
            "unifiedpush": f"http://{base}/up",
            "email": "ada@example.org",
            "sms": NUMBER,
            "voice": NUMBER,
        }.get(channel, "ada")

    def count(self, channel: str) -> int:
        if channel == "pocket":
            return PocketMessage.objects.count()
        if channel in PHONE:
            return len(self.provider.requests)
        return len(self.mail.requests if channel == "email" else self.web.requests)


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def send(point: str, sink: Sink, channel: str, arrived: Path) -> int:
    """A sender in a process of its own; its exit code. ``arrived`` is made when the other side has the message."""
    environment = os.environ | {"TOCSIN_SMTP_URL": f"smtp://127.0.0.1:{sink.mail.port}", "ARRIVED": str(arrived)}
    command = [sys.executable, "-m", "tests.invariants.send_once", str(connection.settings_dict["NAME"]), point]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if channel != "pocket" and not arrived.exists() and sink.count(channel):
                arrived.touch()
            time.sleep(0.005)
        process.kill()
    return process.returncode


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_sender_killed_at_any_point_loses_nothing(
    world: World, sink: Sink, channel: str, point: str, settings: Any, tmp_path: Path
) -> None:
    Clock.objects.get_or_create(id=1, defaults={"shift": timedelta()})  # emptied with all other tables
    user = world.person()
    secret, config, urgency = "", {}, "high"
    if channel == "webpush":  # a loud page would ring again meanwhile, as it should
        secret, config, urgency = Browser().secret, {"key": push_key()}, "low"
    elif channel == "unifiedpush":
        urgency = "low"
    elif channel in PHONE:
        twilio(config={"base_url": f"http://127.0.0.1:{sink.provider.port}"})
    method = world.method(user, channel, sink.address(channel), secret, **config)
    [key] = world.enqueue(world.page(world.incident(), user, urgency), [method])
    assert send(point, sink, channel, tmp_path / "arrived") == KILLED
    time.sleep(0.05)
    arrived = sink.count(channel)
    # the pocket phone keeps its message in the database, in one transaction with nothing else
    assert arrived == (1 if point in TWICE | {"after commit"} else 0)
    row = Delivery.objects.get(pk=key)
    assert row.state == {"before claim": "pending", "after commit": row.state}.get(point, "sending")
    clock.shift(timedelta(seconds=actions.LEASE_S + 1))
    smtp = SecretStr(f"smtp://127.0.0.1:{sink.mail.port}")
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"smtp_url": smtp})
    deliver_due()
    row.refresh_from_db()
    assert row.state in ("accepted", "delivered")
    outcomes = list(Attempt.objects.filter(delivery=key).order_by("number").values_list("number", "outcome"))
    expected = 2 if point in TWICE else 1
    assert sink.count(channel) == (1 if channel == "pocket" else expected)
    if point in ("before claim", "after commit"):
        assert [number for number, _ in outcomes] == [1]
    else:
        assert outcomes[0] == (1, "unknown")  # nobody knows whether it was sent: marked as such
        assert len(outcomes) == 2
    if channel in PHONE:
        # written before the provider is asked, so that its receipt finds what it is about whenever it comes
        handovers = list(Handover.objects.order_by("pk").values_list("state", "deliveries"))
        assert [deliveries for _, deliveries in handovers] == [[key]] * sink.count(channel)
        assert handovers[-1][0] == "accepted"
        if point == "during call":
            assert handovers[0][0] in ("begun", "accepted")
