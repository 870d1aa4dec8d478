"""Macros of Nagios' notifications, as a form or as JSON, into signals.

Names are read in any case, with ``NAGIOS_`` or ``ICINGA_`` before them or without. Host and service description name
the condition. ``NOTIFICATIONTYPE`` PROBLEM and CUSTOM trigger, RECOVERY resolves, ACKNOWLEDGEMENT acknowledges;
flapping and downtime are nothing to report.
"""

import re
from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import FORM, Facts, Parsed, Request, form_of, heard, report, stored
from tocsin.intake.contract.signal import Action, Severity

TYPES: dict[str, Action | str] = {
    "problem": "trigger", "custom": "trigger", "recovery": "resolve", "acknowledgement": "acknowledge",
    **dict.fromkeys(
        ("flappingstart", "flappingstop", "flappingdisabled", "flappingend", "downtimestart", "downtimeend",
         "downtimecancelled", "downtimeremoved"),
        "quiet",
    ),
}  # fmt: skip
STATES: dict[str, Severity] = {
    "critical": "critical", "warning": "warning", "unknown": "error", "ok": "info", "down": "critical",
    "unreachable": "critical", "up": "info",
}  # fmt: skip
_PREFIX = re.compile("^(NAGIOS|ICINGA)_")


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for each notification."""
    plain: Mapping[str, Any] = form_of(request) if request.content_type == FORM else Facts.of(request).value
    return read(Facts({_PREFIX.sub("", name.upper()): value for name, value in plain.items()}))


def read(facts: Facts) -> Parsed:
    """The signal of a notification's macros, by their names in capitals. Raises ParseError."""
    host = facts.needed("HOSTNAME")
    service = facts.text("SERVICEDESC")
    said = facts.one_of("NOTIFICATIONTYPE", TYPES)
    state_name = "SERVICESTATE" if service else "HOSTSTATE"
    state = facts.text(state_name)
    severity: Severity = "error"
    if state:
        severity = facts.one_of(state_name, STATES) or "error"
    facts.refuse_if_wrong()
    if said not in ("trigger", "resolve", "acknowledge"):
        return heard("flapping and downtime are not reported")
    output = facts.text("SERVICEOUTPUT" if service else "HOSTOUTPUT", "OUTPUT")
    what = f"{host}/{service}" if service else host
    link = facts.text(*(("SERVICEACTIONURL", "SERVICENOTESURL") if service else ()), "HOSTACTIONURL", "HOSTNOTESURL")
    return stored(
        [
            report(
                "trigger" if said == "trigger" else "resolve" if said == "resolve" else "acknowledge",
                what,
                f"{what}: {output}" if output else f"{what} is {state or said}",
                severity=severity,
                labels=facts.labels(
                    host="HOSTNAME",
                    service="SERVICEDESC",
                    address="HOSTADDRESS",
                    hostgroup="HOSTGROUPNAME",
                    state=state_name,
                ),
                details={name.lower(): value for name, value in facts.value.items()},
                links=[(link, "Open")],
                origin=facts.text("HOSTADDRESS") or host,
                client="Nagios",
                occurred_at=facts.when("TIMET", "LONGDATETIME"),
            )
        ]
    )
