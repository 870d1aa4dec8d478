"""A real rule of a real Prometheus fires; the person on call answers from the mail; it ends when the rule does."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.company import Team, team
from tests.journeys.post import PostOffice
from tests.journeys.product import Product
from tests.journeys.waiting import until
from tests.journeys.watchers import Watch

pytestmark = pytest.mark.journey

WAYS = {"webhook": "alertmanager", "pagerduty": "pagerduty", "straight": "alertmanager-api", "opsgenie": "opsgenie"}


@pytest.fixture(scope="module")
def roads(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Team, Watch]]]:
    """The ways in, each with a team, a Prometheus and what is between; all are started at once."""
    folder = tmp_path_factory.mktemp("watch")
    made = {}
    try:
        for way, kind in WAYS.items():
            people = team(product, way)
            source = product.tell("sources", {"service": people.service, "kind": kind, "name": f"{way} of Prometheus"})
            made[way] = (people, _watch(folder / way, way, source["url"], source["key"]))
            made[way][1].start()
        for _, watch in made.values():
            watch.ready()
        yield made
    finally:
        for _, watch in made.values():
            watch.stop()


def _watch(folder: Path, way: str, url: str, key: str) -> Watch:
    if way == "straight":
        return Watch(folder, alertmanager_url=url)
    if way == "webhook":
        return Watch(folder, receiver={"webhook_configs": [{"url": url, "send_resolved": True}]})
    if way == "opsgenie":
        base = url.removesuffix("v2/alerts")
        told = {"api_key": key, "api_url": base, "priority": "P1", "send_resolved": True}
        return Watch(folder, receiver={"opsgenie_configs": [told]})
    return Watch(folder, receiver={"pagerduty_configs": [{"routing_key": key, "url": url, "send_resolved": True}]})


@pytest.mark.parametrize("way", WAYS)
def test_from_a_rule_that_fires_to_an_acknowledged_page_and_back(
    way: str, roads: dict[str, tuple[Team, Watch]], product: Product, post: PostOffice, browser: Browser
) -> None:
    people, watch = roads[way]

    watch.metric.value = 1
    try:
        mail = post.wait(people.oncall, within=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{watch.lines()}") from error
    assert "Checkout" in mail.subject
    (incident,) = product.incidents(people.service)
    number = incident["id"]
    assert incident["state"] == "triggered"
    assert incident["number"] in mail.subject + mail.text
    assert not post.to(people.second), "only the first step has been due"

    _follow_the_link(browser, product, mail.link("Acknowledge"), number)
    shown = product.tocsin("incident", "show", str(number))
    assert shown["state"] == "acknowledged"
    assert shown["acknowledged_by"] == people.oncall

    product.pass_time(timedelta(hours=1))
    _the_engine_is_through(product)
    assert [page["user"] for page in product.pages(number)] == [people.oncall], "nobody is paged after the answer"
    assert not post.to(people.second)
    assert not post.to(people.boss)

    watch.metric.value = 0
    try:
        until("the incident is resolved", lambda: product.state(number) == "resolved", within=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{watch.lines()}") from error
    post.wait(people.oncall, "Resolved")
    assert len(post.to(people.oncall)) == 2, "one page, one word that it is over"

    _the_reasons_are_complete(product, number)


def _follow_the_link(browser: Browser, product: Product, link: str, number: int) -> None:
    """Open the link of the mail without being signed in: looking at it does nothing, the button does."""
    assert link.startswith(f"{product.url}/a/")
    with browser.new_context() as context:
        page = context.new_page()
        elsewhere: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url) if product.url not in request.url else None)
        page.goto(link)
        assert product.state(number) == "triggered", "opening the link, as mail scanners do, answers nothing"
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("status")).to_contain_text("acknowledged")
        assert not elsewhere, "pages need nothing from anywhere else"
    assert product.state(number) == "acknowledged"


def _the_engine_is_through(product: Product) -> None:
    """Wait until nothing is due: what was going to happen has happened."""

    def idle() -> bool:
        ((runs, deliveries, signals),) = product.sql(
            "SELECT (SELECT count(*) FROM escalation_run WHERE state = 'active' AND due_at <= tocsin_now()),"
            " (SELECT count(*) FROM delivery_delivery WHERE state IN ('pending', 'sending')"
            "   AND next_at <= tocsin_now()), (SELECT count(*) FROM intake_inbox)"
        )
        return (runs, deliveries, signals) == (0, 0, 0)

    until("the engine has done what is due", idle)


def _the_reasons_are_complete(product: Product, number: int) -> None:
    """From the signal, from the page and from the incident: every hop is there, in order, with words."""
    (alert,) = product.ask("alerts", incident=number)["items"]
    signal = product.ask(f"alerts/{alert['id']}")["first_signal_id"]
    (page,) = product.pages(number)
    hops = ["signal", "decision", "alert", "incident", "page", "delivery", "attempt", "answer"]
    chains = {
        ("signal", str(signal)): hops,
        ("incident", str(number)): hops,
        ("page", str(page["id"])): hops[3:],
    }
    for (kind, ref), wanted in chains.items():
        why = product.tocsin("why", kind, ref)
        assert why["summary"]
        found = [link["what"] for link in why["chain"]]
        assert list(dict.fromkeys(found)) == wanted, f"why {kind} {ref}: {why}"
        assert all(link["text"] and link["at"] for link in why["chain"]), why
