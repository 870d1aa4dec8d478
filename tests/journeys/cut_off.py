"""A machine without a network, with a mail server and a modem beside it: ``unshare --net python -m ...``.

Prints, as JSON, what became of one page to two people: each attempt's person, channel and outcome, the mail, the SMS.
"""

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from tests.journeys.company import person
from tests.journeys.post import PostOffice
from tests.journeys.product import Product
from tests.journeys.waiting import free_port, until
from tocsin.gateway.tests.modem_emulator import Modem

ADA, BEN = "ada@example.org", "ben@example.org"
NUMBER = "+41791234567"
SECRET = "a-secret-of-both-sides"
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x1 | 0x40


def loopback_up() -> None:
    """A new network namespace has a loopback that is down (netdevice(7))."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))


def cut_off() -> bool:
    """Whether nothing but this machine can be reached."""
    with socket.socket() as probe:
        probe.settimeout(2)
        try:
            probe.connect(("192.0.2.1", 443))
        except OSError as error:
            return error.errno == 101  # ENETUNREACH: there is no way out at all
    return False


def gateway(folder: Path, modem: Modem, port: int, replies: str) -> subprocess.Popen[bytes]:
    """The gateway of this modem, ready."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    words = ["modem", "--device", str(modem.device), "--port", str(port), "--data", str(folder / "gateway")]
    words += ["--replies", replies]
    environment = os.environ | {"TOCSIN_GATEWAY_SECRET_FILE": str(secret)}
    child = subprocess.Popen([sys.executable, "-m", "tocsin", "gateway", *words], env=environment, stdout=sys.stderr)

    def ready() -> bool:
        try:
            return bool(httpx.get(f"http://127.0.0.1:{port}/health").json().get("ready"))
        except httpx.HTTPError:
            return False

    until("the modem is ready", ready)
    return child


def main() -> None:
    loopback_up()
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cut-off-"))
    office = PostOffice()
    office.start()
    product = Product(folder, office.url)
    modem, port = Modem(folder), free_port()
    beside: subprocess.Popen[bytes] | None = None
    try:
        beside = gateway(folder, modem, port, f"{product.url}/callbacks/modem/message")
        product.start()
        config = {"base_url": f"http://127.0.0.1:{port}", "sms": True}
        product.tell("providers", {"name": "Modem", "kind": "gateway", "config": config, "secret": SECRET})
        told = _page(product, office, modem)
        print(json.dumps({"cut_off": cut_off(), **told}))
    except BaseException:
        print(product.lines(), file=sys.stderr)
        raise
    finally:
        product.stop()
        if beside is not None:
            beside.terminate()
            beside.wait(20)
        modem.unplug()
        office.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _page(product: Product, office: PostOffice, modem: Modem) -> dict[str, object]:
    """Two people are paged whose first way leads out of the house; then one has mail, the other a phone."""
    out = ("ntfy", "https://ntfy.sh/oncall", 0), ("webhook", "https://1.1.1.1/hook", 3600)
    person(product, ADA, "Ada", *out, ("email", ADA, 7200))
    person(product, BEN, "Ben", *out, ("sms", NUMBER, 7200))
    product.tell("teams", {"name": "Core", "slug": "core", "members": {ADA: "member", BEN: "member"}})
    steps = [{"targets": ["team:core"], "wait_s": 7200}]
    product.tell(
        "policies", {"name": "Core", "slug": "core", "team": "core", "steps": steps, "fallback": ["team:core"]}
    )
    product.tell("services", {"name": "Checkout", "slug": "checkout", "team": "core", "policy": "core", "tier": 1})
    source = product.tell("sources", {"service": "checkout", "kind": "pagerduty", "name": "p"})
    event = {
        "routing_key": source["key"],
        "event_action": "trigger",
        "dedup_key": "dark",
        "payload": {"summary": "The uplink is gone", "source": "router", "severity": "critical"},
    }
    answer = product.http.post("/v2/enqueue", json=event)
    assert answer.status_code == 202, answer.text
    (incident,) = until("the incident", lambda: product.incidents("checkout"))

    def arrived() -> bool:
        """Patience with each way passes quickly; that it is the next one's turn is not for the clock to say."""
        product.pass_time(timedelta(seconds=10))
        return bool(office.to(ADA, "uplink") and modem.sent)

    until("the mail and the SMS", arrived, within=120, every=1)
    assert product.now() - datetime.fromisoformat(incident["opened_at"]) < timedelta(seconds=3600)
    attempts = product.sql(
        "SELECT u.email, d.channel, a.outcome FROM delivery_attempt a JOIN delivery_delivery d ON d.id = a.delivery_id"
        " JOIN people_user u ON u.id = d.user_id WHERE d.id > 0 ORDER BY a.id"
    )
    mail, sms = office.to(ADA, "uplink")[0], modem.sent[0]
    return {"mail": mail.subject, "sms": [sms.number, sms.text], "number": incident["number"], "attempts": attempts}


if __name__ == "__main__":
    main()
