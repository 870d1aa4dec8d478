"""Somebody who knows Opsgenie's API, and a company with one of everything that it can name."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.test import Client

from tocsin.api.opsgenie.names import made_id
from tocsin.intake import actions as intake
from tocsin.intake import queries as sources
from tocsin.people import actions as people
from tocsin.people.models import User
from tocsin.people.rules import ContactMethodSpec
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.tests.world import Company, company

JSON = dict[str, Any]


@dataclass
class Genie:
    """A client with a key: a person's API token or a source's."""

    key: str
    prefix: str = ""
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def __call__(self, method: str, path: str, body: Any = None, status: int = 0, **query: str) -> JSON:
        """The decoded answer, which must have this status (0: any) and what every answer has."""
        response = self.client.generic(
            method,
            f"{self.prefix}{path}" + (f"?{urlencode(query)}" if query else ""),
            data="" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"GenieKey {self.key}"} if self.key else {},
        )
        assert not status or response.status_code == status, (response.status_code, response.content)
        assert response.headers["content-type"].startswith("application/json"), response.content
        assert {"X-Request-ID", "X-RateLimit-State", "X-Response-Time"} <= set(response.headers)
        found: JSON = json.loads(response.content)
        assert set(found) >= {"took", "requestId"}
        return found | {"status_code": response.status_code}

    def data(self, path: str, **query: str) -> Any:
        """What a question is answered with."""
        return self("GET", path, status=200, **query)["data"]

    def problems(self, method: str, path: str, body: Any, **query: str) -> JSON:
        """What is said to be wrong with a body."""
        found: JSON = self(method, path, body, status=422, **query)["errors"]
        return found


def token_of(user: User, *scopes: str) -> str:
    """An API token that acts for this person."""
    return people.create_token(user.pk, actor=SYSTEM, scopes=scopes or ("admin",))[1]


@dataclass
class World:
    """A company, Alice with a token, and the ids of one thing of each kind."""

    company: Company
    genie: Genie
    ids: dict[str, str]
    key: str

    @property
    def alice(self) -> JSON:
        return {"type": "user", "username": self.company.alice.email}

    @property
    def bob(self) -> JSON:
        return {"type": "user", "username": self.company.bob.email}


def world() -> World:
    """The company with a schedule, an override, a heartbeat, an alert with its incident, and contacts."""
    c = company()
    for user in (c.alice, c.bob):
        people.add_contact_method(user.pk, ContactMethodSpec("email", user.email), actor=SYSTEM)
    source = intake.create_source(c.service.slug, "opsgenie", actor=SYSTEM)
    genie = Genie(token_of(c.alice))
    rotation = {
        "type": "weekly",
        "startDate": "2026-01-05T09:00:00Z",
        "participants": [{"type": "user", "username": c.bob.email}],
    }
    made = genie("POST", "/v2/schedules", {"name": "Payments rota", "rotations": [rotation]}, 201)["data"]
    schedule = f"/v2/schedules/{made['id']}"
    now = clock.now()
    cover = {
        "alias": "cover/1",
        "user": {"type": "user", "username": c.alice.email},
        "startDate": (now + timedelta(days=1)).isoformat(),
        "endDate": (now + timedelta(days=2)).isoformat(),
    }
    genie("POST", f"{schedule}/overrides", cover, 201)
    genie("POST", "/v2/heartbeats", {"name": "nightly", "interval": 5, "intervalUnit": "minutes", "enabled": True}, 201)
    genie("POST", "/v2/alerts", {"message": "Disk is full", "alias": "disk"}, 202)
    triage.absorb()
    (alert,) = genie.data("/v2/alerts")
    (incident,) = genie.data("/v1/incidents/")
    bob = made_id("user", c.bob.pk)
    note = genie("POST", f"/v1/incidents/{incident['id']}/notes", {"note": "x"}, 202)
    rule = genie.data(f"/v2/users/{bob}/notification-rules")[0]["id"]
    ids = {
        "alerts": alert["id"],
        "teams": made_id("team", c.team.pk),
        "users": bob,
        "schedules": made["id"],
        "escalations": made_id("escalation", c.policy.pk),
        "incidents": incident["id"],
        "services": made_id("service", c.service.pk),
        "name": "nightly",
        "requestId": note["requestId"],
        "memberIdentifier": quote(c.bob.email),
        "teamRoleIdentifier": "admin",
        "contactId": genie.data(f"/v2/users/{bob}/contacts")[1]["id"],
        "ruleId": rule,
        "steps": genie.data(f"/v2/users/{bob}/notification-rules/{rule}/steps")[0]["id"],
        "rotations": genie.data(schedule)["rotations"][0]["id"],
        "alias": "cover/1",
    }
    return World(c, genie, ids, sources.key_of(source))
