"""Programs that know Alertmanager work against Tocsin as they are: amtool, Prometheus, and Alertmanager itself."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.company import Team, team
from tests.journeys.product import Product
from tests.journeys.waiting import until
from tests.journeys.watchers import Amtool, Watch

pytestmark = pytest.mark.journey


@pytest.fixture
def source(product: Product) -> Callable[[str, str], tuple[Team, dict[str, Any]]]:
    """A new source of a kind, of a team of its own."""

    def make(name: str, kind: str) -> tuple[Team, dict[str, Any]]:
        people = team(product, name)
        return people, product.tell("sources", {"service": people.service, "kind": kind, "name": name})

    return make


Make = Callable[[str, str], tuple[Team, dict[str, Any]]]


@pytest.mark.parametrize("way", ["key in the address", "key as password", "token of a person"])
def test_amtool_does_everything_it_can(way: str, source: Make, product: Product, tmp_path: Path) -> None:
    people, made = source("amtool", "alertmanager-api")
    url = f"{product.url}/in/alertmanager-api/{made['key']}" if way == "key in the address" else product.url
    sender = Amtool(tmp_path / "sender", url, made["key"])
    amtool = sender
    if way == "token of a person":
        token = product.http.headers["Authorization"].removeprefix("Bearer ")
        amtool = Amtool(tmp_path / "person", f"{product.url}/alertmanager", token)
    name, end = people.slug, (product.now() + timedelta(hours=2)).isoformat()

    sender("alert", "add", f"alertname=Disk-{name}", "team=shop", "--annotation=summary=It is full", f"--end={end}")
    until("the alert is an incident", lambda: product.incidents(people.service))
    (alert,) = amtool.json("alert", "query", f"alertname=Disk-{name}")
    assert alert["annotations"] == {"summary": "It is full"}
    assert alert["status"]["state"] == "active"
    assert f"Disk-{name}" in amtool("alert", "query", 'team=~"sho."')
    assert f"Disk-{name}" not in amtool.names("team!=shop")

    silence = amtool(
        "silence", "add", f"alertname=~Cpu-{name}.*", "-a", "ada", "-c", "it is known", "-d", "90m"
    ).strip()
    sender("alert", "add", f"alertname=Cpu-{name}-1", "team=shop", f"--end={end}")
    until("the alert is held", lambda: product.ask("alerts", service=people.service, quiet="true")["items"])
    assert f"Cpu-{name}-1" not in amtool.names(), "amtool asks for what is active alone"
    (quiet,) = amtool.json("alert", "query", "--silenced", f"alertname=Cpu-{name}-1")
    assert quiet["status"]["silencedBy"] == [silence]
    assert len(product.incidents(people.service)) == 1

    (told,) = [one for one in amtool.json("silence", "query") if one["id"] == silence]
    assert (told["createdBy"], told["comment"], told["status"]["state"]) == ("ada", "it is known", "active")
    amtool("silence", "update", silence, "-d", "3h", "-c", "it takes longer")
    (told,) = [one for one in amtool.json("silence", "query", f"alertname=Cpu-{name}.*") if one["id"] == silence]
    assert told["comment"] == "it takes longer"
    assert datetime.fromisoformat(told["endsAt"]) - product.now() > timedelta(hours=2)

    amtool("silence", "expire", silence)
    assert silence not in amtool("silence", "query", "-q")
    assert silence in amtool("silence", "query", "--expired", "-q")
    until("what is still open pages now", lambda: len(product.incidents(people.service)) == 2)

    assert people.service in amtool("config", "show")
    assert "disabled" in amtool("cluster", "show")
    assert "404" in amtool("silence", "expire", "00000000-0000-4000-8000-000000000000", fails=True)


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    """Programs to stop at the end."""
    started: list[Watch] = []
    yield started
    for watch in started:
        watch.stop()


def test_a_silence_keeps_a_real_prometheus_quiet(
    source: Make, product: Product, tmp_path: Path, watches: list[Watch]
) -> None:
    """Prometheus sends to us as to its Alertmanager; another program silences what it says, and lets it speak."""
    people, made = source("prom", "alertmanager-api")
    url = f"{product.url}/alertmanager"
    amtool = Amtool(tmp_path / "amtool", url, made["key"])
    silence = amtool("silence", "add", "alertname=CheckoutBroken", "severity=critical", "-c", "known").strip()
    watch = Watch(tmp_path / "watch", alertmanager_url=url, credentials=made["key"])
    watches.append(watch)
    watch.start()
    watch.ready()
    watch.metric.value = 1
    until("the alert is held", lambda: product.ask("alerts", service=people.service, quiet="true")["items"], within=60)
    assert product.incidents(people.service) == []
    amtool("silence", "expire", silence)
    (incident,) = until("the alert pages", lambda: product.incidents(people.service))
    watch.metric.value = 0
    until("it is over", lambda: product.state(incident["id"]) == "resolved", within=60)


def test_the_victorops_receiver_of_a_real_alertmanager(
    source: Make, product: Product, tmp_path: Path, watches: list[Watch]
) -> None:
    """The other receivers are in test_real_alert."""
    people, made = source("victorops", "victorops")
    told = {
        "api_url": made["url"].removesuffix(made["key"]), "api_key": made["key"], "routing_key": "shop",
        "send_resolved": True, "custom_fields": {"region": "eu"},
    }  # fmt: skip
    watch = Watch(tmp_path / "watch", receiver={"victorops_configs": [told]})
    watches.append(watch)
    watch.start()
    watch.ready()
    watch.metric.value = 1
    (incident,) = until("an incident", lambda: product.incidents(people.service), within=60)
    (alert,) = product.ask("alerts", incident=incident["id"])["items"]
    labels = product.ask(f"alerts/{alert['id']}")["data"]["labels"]
    assert (labels["region"], labels["routing_key"]) == ("eu", "shop")
    watch.metric.value = 0
    until("it is over", lambda: product.state(incident["id"]) == "resolved", within=60)
