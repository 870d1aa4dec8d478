"""The gateway as a process of its own, between a modem and Tocsin's own pages: out, received, answered."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.journeys.waiting import free_port, until
from tocsin.delivery.actions.providers import save_provider
from tocsin.delivery.jobs import deliver_due
from tocsin.delivery.models import Attempt, Delivery, Handover, ProviderHealth, Received
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.conftest import world as world
from tocsin.delivery.tests.phones import NUMBER, phone
from tocsin.gateway.tests.fake_asterisk import PASSWORD, USER, Asterisk, asterisk, said, speaker
from tocsin.gateway.tests.modem_emulator import Modem, deliver, report
from tocsin.incidents.models import Incident
from tocsin.platform import remember
from tocsin.platform.actor import SYSTEM
from tocsin.platform.models import Clock

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "a-secret-of-both-sides"


class Process:
    """``tocsin gateway``. ``words``: the device and how to reach it."""

    def __init__(self, folder: Path, words: list[str], slug: str, url: str, **secrets: str) -> None:
        self.port = free_port()
        self.slug = slug
        self.words = [
            sys.executable, "-m", "tocsin", "gateway", *words, "--port", str(self.port), "--data", str(folder / "data"),
            "--replies", f"{url}/callbacks/{slug}/message",
        ]  # fmt: skip
        secret = folder / "secret"
        secret.write_text(f"{SECRET}\n")
        self.environment = os.environ | {"TOCSIN_GATEWAY_SECRET_FILE": str(secret)} | secrets
        self.start()

    def start(self) -> None:
        self.child = subprocess.Popen(self.words, env=self.environment)
        until("the modem is ready", lambda: self.health().get("ready"))

    def health(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/health").json()
        except httpx.HTTPError:
            return {}
        return told

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.child.send_signal(how)
        return self.child.wait(10)


@pytest.fixture(autouse=True)
def _clock_row(transactional_db: None) -> None:
    """Tests that really commit empty all tables after them, and with them the clock's only row: put it back."""
    remember.forget_everything()
    Clock.objects.get_or_create(id=1, defaults={"shift": timedelta()})


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[Modem]:
    made = Modem(tmp_path)
    yield made
    made.unplug()


@pytest.fixture
def run(live_server: Any, settings: Any, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    settings.TOCSIN = settings.TOCSIN.model_copy(update={"base_url": live_server.url})
    made: list[Process] = []

    def start(carries: str, words: list[str], **secrets: str) -> Process:
        made.append(Process(tmp_path, words, f"own-{carries}", live_server.url, **secrets))
        config = {"base_url": f"http://127.0.0.1:{made[0].port}", carries: True}
        save_provider(ProviderSpec(f"Own {carries}", "gateway", config=config, secret=SECRET), actor=SYSTEM)
        return made[0]

    yield start
    for process in made:
        process.stop(signal.SIGKILL)


@pytest.fixture
def gateway(modem: Modem, run: Callable[..., Process]) -> Process:
    return run("sms", ["modem", "--device", str(modem.device)])


def state(incident: Incident) -> str:
    return Incident.objects.values_list("state", flat=True).get(pk=incident.pk)


def test_an_sms_its_receipt_and_the_reply(world: World, modem: Modem, gateway: Process) -> None:
    ada = world.person("Ada")
    method = phone(world, ada)
    incident = world.incident("Checkout is down")
    [delivery] = world.enqueue(world.page(incident, ada), [method])
    assert deliver_due() == 1
    [sent] = modem.sent
    assert sent.number == NUMBER
    assert sent.text.startswith(f"P1 Checkout: Checkout is down (INC-{incident.pk})\nReply ACK {incident.pk},")
    assert Attempt.objects.get().detail == "through Own sms"
    assert Delivery.objects.get(pk=delivery).state == "accepted"

    modem.tell(report(sent.mark, NUMBER, 0))
    until("the receipt", lambda: Delivery.objects.get(pk=delivery).state == "delivered")
    assert Handover.objects.get().state == "delivered"

    modem.receive(deliver(NUMBER, f"ACK {incident.pk}"))
    until("acknowledged by the reply", lambda: state(incident) == "acknowledged")
    until("the answer", lambda: len(modem.sent) == 2)
    assert modem.sent[1].number == NUMBER
    assert f"INC-{incident.pk}" in modem.sent[1].text
    until("the SIM is empty", lambda: not modem.sim)
    assert Received.objects.get().user == ada
    assert not ProviderHealth.objects.filter(refused__gt=0).exists()
    assert gateway.stop() == 0, "SIGTERM is an orderly end"


def test_a_reply_that_comes_while_the_gateway_is_dead(world: World, modem: Modem, gateway: Process) -> None:
    ada = world.person("Ada")
    method = phone(world, ada)
    incident = world.incident("Checkout is down")
    world.enqueue(world.page(incident, ada), [method])
    deliver_due()
    gateway.stop(signal.SIGKILL)
    modem.receive(deliver(NUMBER, "ack"))
    gateway.start()
    until("acknowledged by the reply", lambda: state(incident) == "acknowledged")
    until("the answer", lambda: len(modem.sent) == 2)


def test_without_the_modem_the_next_contact_method_is_not_kept_waiting(
    world: World, modem: Modem, gateway: Process
) -> None:
    modem.unplug()
    until("the modem is missed", lambda: not gateway.health()["ready"])
    ada = world.person("Ada")
    method = phone(world, ada)
    [delivery] = world.enqueue(world.page(world.incident(), ada), [method])
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert row.state == "pending"
    assert "Own sms: HTTP 503" in row.reason
    assert "/modem" in row.reason or "gone" in row.reason


@pytest.mark.parametrize("moment", ["AT+CMGS=", "sent", "AT+CMGL", "AT+CMGD", "after"])
def test_killed_at_any_moment_it_loses_nothing(world: World, modem: Modem, gateway: Process, moment: str) -> None:
    ada = world.person("Ada")
    incident = world.incident("Checkout is down")
    [delivery] = world.enqueue(world.page(incident, ada), [phone(world, ada)])
    killed: list[str] = []

    def kill(text: str) -> None:
        if text.startswith(moment) and not killed:
            killed.append(text)
            gateway.child.kill()
            gateway.child.wait(10)

    modem.hook = kill
    deliver_due()
    if moment == "after":  # Tocsin has its answer, and hears nothing more from this process
        kill("after")
    else:
        modem.receive(deliver(NUMBER, "ack"))
        modem.until(lambda _: killed)
    gateway.start()
    # the deliverer tries again by itself, under the same id
    until("it is accepted", lambda: deliver_due() >= 0 and Delivery.objects.get(pk=delivery).state != "pending")
    until("sent", lambda: modem.sent)
    if moment == "after":
        modem.receive(deliver(NUMBER, "ack"))
    until("acknowledged by the reply", lambda: state(incident) == "acknowledged")
    until("the SIM is empty", lambda: not modem.sim)
    until("nothing waits", lambda: gateway.health()["queue"] == 0)
    pages = [one for one in modem.sent if one.text.startswith("P1 ")]
    # what a crash caught on its way is sent again, since nobody knows; everything else goes out once
    assert len(pages) == (2 if moment == "sent" else 1)
    assert Received.objects.count() == 1


# --- calls --------------------------------------------------------------------------------------------------------


@pytest.fixture
def switchboard() -> Iterator[Asterisk]:
    """An Asterisk in a thread of its own."""
    ready: Queue[tuple[Asterisk, asyncio.AbstractEventLoop, asyncio.Event]] = Queue()

    async def work() -> None:
        end = asyncio.Event()
        async with asterisk() as fake:
            ready.put((fake, asyncio.get_running_loop(), end))
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    fake, loop, end = ready.get(timeout=10)
    yield fake
    loop.call_soon_threadsafe(end.set)
    thread.join(10)


def called(world: World, run: Callable[..., Process], fake: Asterisk, folder: Path) -> tuple[Incident, int]:
    """A page by phone, through a gateway; the incident and the delivery."""
    words = ["asterisk", "--ari", fake.url, "--user", USER, "--endpoint", "PJSIP/{digits}@trunk"]
    run("voice", [*words, "--speech", speaker(folder)], TOCSIN_GATEWAY_ARI_PASSWORD=PASSWORD)
    ada = world.person("Ada")
    method = phone(world, ada, "voice")
    incident = world.incident("Checkout is down")
    [delivery] = world.enqueue(world.page(incident, ada), [method])
    assert deliver_due() == 1
    return incident, delivery


def test_a_call_is_answered_with_a_key(
    world: World, run: Callable[..., Process], switchboard: Asterisk, tmp_path: Path
) -> None:
    switchboard.keys = ["4"]
    incident, delivery = called(world, run, switchboard, tmp_path)
    until("acknowledged with a key", lambda: state(incident) == "acknowledged")
    until("the receipt", lambda: Delivery.objects.get(pk=delivery).state == "delivered")
    assert switchboard.originated[0]["endpoint"] == f"PJSIP/{NUMBER[1:]}@trunk"
    first, last = said(tmp_path)
    assert first.startswith(f"This is Tocsin. Incident {incident.pk}, priority 1, on Checkout. Checkout is down.")
    assert "press 4 to acknowledge" in first.lower()
    assert last.endswith("Goodbye.")


def test_a_call_that_nobody_picks_up(
    world: World, run: Callable[..., Process], switchboard: Asterisk, tmp_path: Path
) -> None:
    switchboard.behaviour = "17"
    incident, delivery = called(world, run, switchboard, tmp_path)
    until("the receipt", lambda: Delivery.objects.get(pk=delivery).state == "failed")
    assert Delivery.objects.get(pk=delivery).reason == "Own voice: the line was busy"
    assert state(incident) == "triggered"
