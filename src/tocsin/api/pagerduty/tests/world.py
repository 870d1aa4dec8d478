"""A small company, asked through PagerDuty's REST API as Alice, who administers it."""

from dataclasses import dataclass
from typing import Any

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.conftest import PagerDuty
from tocsin.delivery import queries as delivery
from tocsin.incidents import queries
from tocsin.people import actions as people
from tocsin.platform.actor import SYSTEM
from tocsin.triage import actions as triage
from tocsin.triage.tests.world import Company, arrive, company


@dataclass
class World:
    """The company and a client with Alice's key."""

    company: Company
    ask: PagerDuty

    def of(self, user: Any, *scopes: str) -> PagerDuty:
        """A client with a key of somebody else."""
        return PagerDuty(people.create_token(user.pk, actor=SYSTEM, scopes=scopes or ("admin",))[1])

    def do(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """Ask; the answer's body, after its status was compared."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code == status, (method, path, answer.status_code, answer.content[:500])
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, *, status: int = 400) -> tuple[int, list[str]]:
        """Ask for what is refused; the code and the sentences."""
        error = self.do(method, path, body, status=status)["error"]
        return error["code"], error.get("errors", [])

    def service(self) -> dict[str, str]:
        """The reference to Checkout."""
        return {"id": ids.write("service", self.company.service.pk), "type": "service_reference"}

    def user(self, user: Any) -> dict[str, str]:
        """The reference to a person."""
        return {"id": ids.write("user", user.pk), "type": "user_reference"}

    def declare(self, title: str = "Shop is down", **given: Any) -> Any:
        """Create an incident on Checkout."""
        body = {"incident": {"type": "incident", "title": title, "service": self.service(), **given}}
        return self.do("POST", "/incidents", body, status=201)["incident"]

    def put(self, incident: Any, **given: Any) -> Any:
        """Update an incident."""
        body = {"incident": {"type": "incident_reference", **given}}
        return self.do("PUT", f"/incidents/{incident['id']}", body)["incident"]

    def deliveries(self, incident: Any) -> list[Any]:
        """What was sent for an incident, or waits."""
        number = incident["incident_number"]
        return delivery.of_incidents(SYSTEM, [number])[number]

    def alert(self, *signals: dict[str, Any]) -> Any:
        """Let signals arrive; the newest incident."""
        arrive(self.company.source, *signals)
        triage.absorb()
        return self.do("GET", f"/incidents/{queries.incidents(SYSTEM)[0].pk}")["incident"]


def world() -> World:
    """Make it."""
    made = company()
    return World(made, PagerDuty(people.create_token(made.alice.pk, actor=SYSTEM, scopes=["admin"])[1]))
