"""Tocsin serves TLS itself, and stands behind a reverse proxy with a path prefix: clients see one address."""

import httpx
import pytest

from tests.journeys.company import team
from tests.journeys.tls import Authority, Front, SecureProduct
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey


def test_a_client_that_trusts_the_authority_is_content_and_others_are_not(
    secure: SecureProduct, authority: Authority
) -> None:
    assert httpx.get(f"{secure.url}/healthz", verify=authority.context()).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{secure.url}/healthz", trust_env=False)
    with pytest.raises(httpx.HTTPError):
        httpx.get(secure.url.replace("https", "http") + "/healthz")


def test_the_command_line_speaks_to_it(secure: SecureProduct) -> None:
    assert "items" in secure.tocsin("incident", "list")


def _door(secure: SecureProduct, kind: str) -> tuple[str, str]:
    """Key and service of a new source."""
    people = team(secure, kind.replace("_", "-"))
    source = secure.tell("sources", {"service": people.service, "kind": kind, "name": f"{kind} over TLS"})
    assert source["url"].startswith(f"{secure.url}/"), "the address to send to is the secure one"
    return source["key"], people.service


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "alertmanager_api"])
@pytest.mark.parametrize("way", ["straight", "proxy"])
def test_the_doors_answer_over_tls(
    kind: str, way: str, secure: SecureProduct, front: Front, authority: Authority
) -> None:
    key, service = _door(secure, kind)
    event = {"summary": "Broken", "source": "web-1", "severity": "critical"}
    ask = {
        "pagerduty": ("/v2/enqueue", {"routing_key": key, "event_action": "trigger", "payload": event}, {}, 202),
        "opsgenie": ("/v2/alerts", {"message": "Broken"}, {"Authorization": f"GenieKey {key}"}, 202),
        "alertmanager_api": (
            "/api/v2/alerts", [{"labels": {"alertname": "Broken"}}], {"Authorization": f"Bearer {key}"}, 200
        ),
    }  # fmt: skip
    path, body, headers, status = ask[kind]
    base = secure.url if way == "straight" else front.url
    with httpx.Client(verify=authority.context()) as client:
        answer = client.post(base + path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    until("the signal has become an incident", lambda: secure.incidents(service))
