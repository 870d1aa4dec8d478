"""References to what incidents are about: services, people, teams, policies; and short forms of them for ``include[]``.

A short form has what the room's row at hand tells; the whole resource is at its own address.
"""

from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.asking import Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.people.rules import known_zone

Thing = dict[str, Any]


class Teller:
    """Writes moments as PagerDuty does, in the zone that ``time_zone`` asks for: whole seconds, ``Z`` for UTC."""

    def __init__(self, asked: Asked) -> None:
        name = asked.query.get("time_zone", "").strip()
        if name and not known_zone(name):
            raise Refused(400, ["time_zone must be the name of an IANA time zone"])
        self._zone: tzinfo = ZoneInfo(name) if name and name != "UTC" else UTC

    def __call__(self, at: datetime | None) -> str | None:
        if at is None:
            return None
        if self._zone is UTC:
            return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return at.astimezone(self._zone).isoformat(timespec="seconds")


def user(asked: Asked, number: int | None, name: str = "", *, more: Any = None) -> Thing | None:
    """A reference to a person; with their row in ``more`` a short form of them."""
    page = f"/people/{number}/"
    if number is None or more is None:
        return asked.reference("user", number, name, page=page)
    return asked.thing("user", number, more.name, page=page) | {
        "name": more.name, "email": more.email, "time_zone": more.zone,
    }  # fmt: skip


def service(asked: Asked, row: Any, *, whole: bool = False) -> Thing | None:
    """A reference to a service, or a short form of it."""
    if row is None:
        return None
    page = f"/services/{row.pk}/"
    if not whole:
        return asked.reference("service", row.pk, row.name, page=page)
    return asked.thing("service", row.pk, row.name, page=page) | {
        "name": row.name, "description": row.description, "status": "active" if row.enabled else "disabled",
        "escalation_policy": policy(asked, row.policy), "teams": teams(asked, row.team),
    }  # fmt: skip


def team(asked: Asked, row: Any, *, whole: bool = False) -> Thing | None:
    """A reference to a team, or a short form of it."""
    if row is None:
        return None
    page = f"/people/teams/{row.pk}/"
    if not whole:
        return asked.reference("team", row.pk, row.name, page=page)
    return asked.thing("team", row.pk, row.name, page=page) | {"name": row.name, "description": row.description}


def teams(asked: Asked, row: Any, *, whole: bool = False) -> list[Thing]:
    """The list of the one team that owns something; empty when none does."""
    found = team(asked, row, whole=whole)
    return [] if found is None else [found]


def policy(asked: Asked, row: Any, *, whole: bool = False) -> Thing | None:
    """A reference to an escalation policy, or a short form of it."""
    if row is None:
        return None
    page = f"/policies/{row.pk}/"
    if not whole:
        return asked.reference("escalation_policy", row.pk, row.name, page=page)
    return asked.thing("escalation_policy", row.pk, row.name, page=page) | {
        "name": row.name, "description": row.description, "num_loops": row.repeats,
    }  # fmt: skip


def incident(asked: Asked, number: int | None, title: str = "") -> Thing | None:
    """A reference to an incident."""
    summary = f"[#{number}] {title}".rstrip()
    return asked.reference("incident", number, summary, page=f"/incidents/{number}/")


def incident_number(text: str) -> int:
    """The number behind an incident's id, or the number itself. Raises Refused (2100)."""
    found = ids.read("incident", text)
    if found is not None:
        return found
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise Refused(404)
