"""A machine that is cut off from the network, with a mail server beside it. ``unshare --net python -m ...``.

Prints, as JSON, what became of one page: each attempt's channel and outcome, and who got a mail.
"""

import fcntl
import json
import shutil
import socket
import struct
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from tests.journeys.company import person
from tests.journeys.post import Mail, PostOffice
from tests.journeys.product import Product
from tests.journeys.waiting import until

ADA = "ada@example.org"
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


def main() -> None:
    loopback_up()
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cut-off-"))
    office = PostOffice()
    office.start()
    product = Product(folder, office.url)
    try:
        product.start()
        print(json.dumps({"cut_off": cut_off(), **_page(product, office)}))
    except BaseException:
        print(product.lines(), file=sys.stderr)
        raise
    finally:
        product.stop()
        office.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _page(product: Product, office: PostOffice) -> dict[str, object]:
    """Somebody whose first ways lead out of the house is paged; the last one is mail."""
    ways = (("ntfy", "https://ntfy.sh/oncall", 0), ("webhook", "https://1.1.1.1/hook", 3600), ("email", ADA, 7200))
    person(product, ADA, "Ada", *ways)
    product.tell("teams", {"name": "Core", "slug": "core", "members": {ADA: "member"}})
    steps = [{"targets": [f"user:{ADA}"], "wait_s": 7200}]
    product.tell(
        "policies", {"name": "Core", "slug": "core", "team": "core", "steps": steps, "fallback": [f"user:{ADA}"]}
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

    def arrived() -> list[Mail]:
        """Patience with each way passes quickly; that it is the next one's turn is not for the clock to say."""
        product.pass_time(timedelta(seconds=10))
        return office.to(ADA, "uplink")

    mail = until("the mail", arrived, within=120, every=1)[0]
    assert product.now() - datetime.fromisoformat(incident["opened_at"]) < timedelta(seconds=3600)
    attempts = product.sql(
        "SELECT d.channel, a.outcome FROM delivery_attempt a JOIN delivery_delivery d ON d.id = a.delivery_id"
        " ORDER BY a.id"
    )
    return {"mail": mail.subject, "number": incident["number"], "attempts": attempts}


if __name__ == "__main__":
    main()
