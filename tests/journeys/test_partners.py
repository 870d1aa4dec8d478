"""Two installations watch each other: one falls silent, the other opens an incident, and ends it when it is back."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.post import PostOffice
from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey

SERVICE = "the-other-tocsin"


@pytest.fixture
def other(post: PostOffice) -> Iterator[Product]:
    """A second installation, of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-partner-"))
    made = Product(folder, post.url)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def partner(of: Product, url: str = "") -> dict[str, Any]:
    """The source of the other installation."""
    of.tell("services", {"name": "The other Tocsin", "slug": SERVICE})
    config = {"after_minutes": 2} | ({"url": url} if url else {})
    made: dict[str, Any] = of.tell("sources", {"service": SERVICE, "kind": "partner", "name": "B", "config": config})
    return made


def heard(by: Product, source: dict[str, Any]) -> bool:
    return by.ask(f"sources/{source['id']}")["last_signal_at"] is not None


def test_one_falls_silent_and_comes_back(product: Product, other: Product) -> None:
    here = partner(product)
    there = partner(other, here["url"])
    product.tell(f"sources/{here['id']}", {"config": {"after_minutes": 2, "url": there["url"]}}, "PATCH")
    until("each hears the other", lambda: heard(product, here) and heard(other, there), within=90)

    (engine,) = other.sql("SELECT pid FROM platform_node WHERE kind = 'engine'")[0]
    os.kill(engine, signal.SIGSTOP)  # its engine hangs: nobody is paged there, and nobody there notices
    try:
        product.pass_time(timedelta(minutes=3))
        until("the silence is an incident", lambda: product.incidents(SERVICE), within=30)
        (incident,) = product.incidents(SERVICE)
        assert incident["title"] == "B missed its check-in"
        assert product.state(incident["id"]) == "triggered"
        until("somebody is paged", lambda: product.pages(incident["id"]), within=30)
    finally:
        os.kill(engine, signal.SIGCONT)
    # its next word is due within a minute; more at once would look to it as if its own engine had been gone
    other.pass_time(timedelta(seconds=50))
    until("it is over", lambda: product.state(incident["id"]) == "resolved", within=90)
