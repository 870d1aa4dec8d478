"""Uptime Kuma's webhook (JSON) into signals.

``monitor.id`` names the condition; ``heartbeat.status`` is 0 down, 1 up, 2 pending, 3 maintenance, and the last two are
nothing to report. Without heartbeat and monitor the message counts: a test, or a certificate that ends soon.
"""

import re
from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, heard, identity, report, stored, tags
from tocsin.intake.contract.signal import Action

STATUSES: dict[str, Action] = {"0": "trigger", "1": "resolve"}
QUIET = ("2", "3")


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for a monitor that is down or up."""
    facts = Facts.of(request)
    if facts.at("heartbeat") is None and facts.at("monitor") is None:
        return _message(facts)
    heartbeat, monitor = facts.needed_part("heartbeat"), facts.needed_part("monitor")
    facts.refuse_if_wrong()
    number = monitor.text("id") or heartbeat.text("monitorID")
    if not number:
        number = monitor.needed("id")
    title = monitor.needed("name")
    status = heartbeat.text("status")
    action = None if status in QUIET else heartbeat.one_of("status", STATUSES)
    facts.refuse_if_wrong()
    if action is None:
        return heard("the monitor waits or is under maintenance; nothing to report")
    address = monitor.text("url")
    host = monitor.text("hostname")
    port = monitor.text("port")
    labels = {item.text("name"): item.text("value") or "true" for item in monitor.parts("tags")} or tags(
        monitor.at("tags")
    )
    return stored(
        [
            report(
                action,
                number,
                title,
                labels=labels | monitor.labels(monitor="name", type="type"),
                details={"message": heartbeat.text("msg") or facts.text("msg"), "heartbeat": heartbeat.value},
                links=[(address, "Monitored address")],
                origin=(f"{host}:{port}" if port else host) if host else address,
                client="Uptime Kuma",
                occurred_at=heartbeat.when("time"),
            )
        ]
    )


def _message(facts: Facts) -> Parsed:
    message = facts.needed("msg")
    facts.refuse_if_wrong()
    if "testing" in message.lower():
        return heard("the test arrived")
    key = identity(re.sub("[0-9]+", "", message))  # the days that are left change
    return stored([report("trigger", key, message, severity="warning", details=facts.value, client="Uptime Kuma")])
