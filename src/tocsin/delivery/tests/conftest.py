"""A small world: people with contact methods, a service, incidents with pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from tocsin.catalogue.models import Service
from tocsin.delivery import actions
from tocsin.delivery.rules import NewDelivery
from tocsin.escalation.models import Page
from tocsin.incidents.models import Incident
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock, events, secrets


@dataclass
class World:
    """Makes what the tests need, directly in the tables of the rooms that delivery reads."""

    published: list[object] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def person(self, name: str = "Ada") -> User:
        return User.objects.create(
            email=f"{name.lower()}-{next(self.numbers)}@example.org", name=name, created_at=clock.now()
        )

    def method(
        self, user: User, channel: str = "pocket", address: str = "", secret: str = "", **config: object
    ) -> ContactMethod:
        return ContactMethod.objects.create(
            user=user,
            channel=channel,
            address=address or f"address-{next(self.numbers)}",
            secret=secrets.encrypt(secret) if secret else "",
            config=config,
        )

    def incident(
        self, title: str = "Checkout is down", priority: str = "P1", state: str = "triggered", **more: object
    ) -> Incident:
        now = clock.now()
        service, _ = Service.objects.get_or_create(name="Checkout", slug="checkout", defaults={"created_at": now})
        return Incident.objects.create(
            title=title, service=service, priority=priority, state=state, opened_at=now, updated_at=now,
            resolved_at=now if state in ("resolved", "closed") else None, **more,
        )  # fmt: skip

    def page(self, incident: Incident, user: User, urgency: str = "high", **reason: object) -> Page:
        return Page.objects.create(
            incident=incident, generation=incident.generation, user=user, step=0, loop=0, urgency=urgency,
            at=clock.now(), reason=reason,
        )  # fmt: skip

    def enqueue(
        self, page: Page, methods: list[ContactMethod], delays: list[float] | None = None, **more: object
    ) -> list[int]:
        items = [
            NewDelivery(
                kind="page", key=f"page:{page.pk}:{method.pk}", channel=method.channel, address=method.address,
                page_id=page.pk, incident_id=page.incident_id, generation=page.generation, user_id=method.user_id,
                contact_method_id=method.pk, rule_position=position, delay_s=(delays or [0] * len(methods))[position],
                **more,  # type: ignore[arg-type]
            )
            for position, method in enumerate(methods)
        ]  # fmt: skip
        return actions.enqueue(items, now=clock.now())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """What is published is kept in ``world.published``; the recipe book is not asked."""
    made = World()
    monkeypatch.setattr(events, "_react", lambda: made.published.extend)
    return made
