"""Tocsin serves TLS itself, and stands behind a reverse proxy with a path prefix: clients see one address."""

from pathlib import Path

import httpx
import pytest

from tests.journeys.company import team
from tests.journeys.product import Product
from tests.journeys.tls import Authority, Front, SecureProduct
from tests.journeys.waiting import until
from tests.journeys.watchers import Amtool

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
    # all products of the journeys send their mail to one office, so people of this one have names of their own
    people = team(secure, f"tls-{kind.replace('_', '-')}")
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


def test_links_in_answers_follow_the_address_that_the_client_used(
    secure: SecureProduct, front: Front, authority: Authority
) -> None:
    key, service = _door(secure, "opsgenie")
    with httpx.Client(verify=authority.context(), headers={"Authorization": f"GenieKey {key}"}) as client:
        for number in range(2):
            sent = {"message": f"Broken {number}", "alias": str(number)}
            assert client.post(f"{front.url}/v2/alerts", json=sent).status_code == 202
        until("two incidents", lambda: len(secure.incidents(service)) == 2)
        for base in (secure.url, front.url):
            answer = client.get(f"{base}/v2/alerts", params={"limit": 1})
            assert answer.status_code == 200, answer.text
            following = answer.json()["paging"]["next"]
            assert following.startswith(f"{base}/v2/alerts?"), following
            assert len(client.get(following).json()["data"]) == 1


def test_amtool_over_tls_and_through_the_proxy(
    secure: SecureProduct, front: Front, authority: Authority, tmp_path: Path
) -> None:
    key, service = _door(secure, "alertmanager_api")
    for name, url in (("straight", secure.url), ("proxy", f"{front.url}/alertmanager")):
        amtool = Amtool(tmp_path / name, url, key, authority.file)
        made = amtool("silence", "add", f"alertname={name}", "-c", "known").strip()
        assert amtool("silence", "query", "-q", f"alertname={name}").strip() == made
        amtool("alert", "add", f"alertname={name}")
    until("both are held", lambda: len(secure.ask("alerts", service=service, quiet="true")["items"]) == 2)
    stranger = Amtool(tmp_path / "stranger", secure.url, key)
    assert "certificate" in stranger("alert", "query", fails=True)


def test_browsers_are_told_to_stay_with_https(secure: SecureProduct, front: Front, authority: Authority) -> None:
    with httpx.Client(verify=authority.context()) as client:
        for base in (secure.url, front.url):
            answer = client.get(f"{base}/sign-in/")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == "max-age=86400"
            cookies = answer.headers.get_list("set-cookie")
            assert cookies
            assert all("; Secure" in cookie for cookie in cookies), cookies
    with httpx.Client(verify=authority.context()) as client:
        link = secure.command("sign-in-link").stdout.strip()
        page = client.get(link)
        token = client.cookies["csrftoken"]
        signed = client.post(link, data={"csrfmiddlewaretoken": token}, headers={"Referer": link})
    assert page.status_code == 200
    (session,) = [one for one in signed.headers.get_list("set-cookie") if one.startswith("sessionid=")]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(session.split("; "))


def test_forwarded_headers_of_strangers_are_not_believed(product: Product) -> None:
    """The shared product trusts no proxy: what a client says of the way it came does not show."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sly.example", "X-Forwarded-Prefix": "/sly"}
    answer = httpx.get(f"{product.url}/", headers=told)
    assert "sly" not in answer.headers.get("location", "")
    assert "strict-transport-security" not in answer.headers
