"""A small company for tests of the main road: Alice is paged for Checkout."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from django.db import connection

from tocsin.catalogue.models import Service
from tocsin.escalation.models import Policy, PolicyStep
from tocsin.intake.models import Source
from tocsin.people.models import ContactMethod, Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, secrets
from tocsin.platform.actor import Actor


@dataclass
class Company:
    team: Team
    alice: User
    bob: User
    policy: Policy
    service: Service
    source: Source

    @property
    def actor(self) -> Actor:
        return actor_of(self.alice)


def company(**grouping: Any) -> Company:
    """Alice at once, after five minutes Bob; each with a pocket."""
    now = clock.now()
    team = Team.objects.create(name="Payments", slug="payments")
    people = []
    for name, role in (("Alice", "admin"), ("Bob", "responder")):
        user = User.objects.create(email=f"{name.lower()}@example.org", name=name, role=role, created_at=now)
        Membership.objects.create(team=team, user=user)
        ContactMethod.objects.create(user=user, channel="pocket", address="pocket", verified_at=now)
        people.append(user)
    policy = Policy.objects.create(name="Payments", slug="payments", team=team)
    for position, user in enumerate(people):
        PolicyStep.objects.create(
            policy=policy, position=position, targets=[{"kind": "user", "id": user.pk}], wait_s=300
        )
    service = Service.objects.create(
        name="Checkout", slug="checkout", team=team, policy=policy, tier=1, grouping=grouping, created_at=now
    )
    key = secrets.random_key()
    source = Source.objects.create(
        name="Prometheus",
        kind="pagerduty",
        service=service,
        key_digest=secrets.digest(key),
        key_secret=secrets.encrypt(key),
        created_at=now,
    )
    return Company(team, people[0], people[1], policy, service, source)


def arrive(source: Source, *signals: dict[str, Any]) -> None:
    """Put signals into the inbox as the door does. Each may set action, dedup_key, severity, title, labels, details."""
    with connection.cursor() as cursor:
        for given in signals:
            key = given.get("dedup_key", "disk")
            data = {
                name: given[name] for name in ("labels", "details", "expires_at", "links", "priority") if name in given
            }
            cursor.execute(
                "INSERT INTO intake_inbox (source_id, bucket, action, dedup_key, severity, title, data)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    source.pk,
                    zlib.crc32(f"{source.pk}:{key}".encode()) & 63,
                    given.get("action", "trigger"),
                    key,
                    given.get("severity", "critical"),
                    given.get("title", "Disk full"),
                    json.dumps(data),
                ],
            )
