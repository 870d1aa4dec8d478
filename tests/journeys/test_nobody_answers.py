"""Nobody answers: every step runs when it is due, and the simulator foretold each message."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.journeys.company import layer, person, team
from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey

Message = tuple[str, str, int, int]  # e-mail address (empty: nobody), channel, step and loop from 1


def _foretold(product: Product, service: str, hours: int) -> tuple[list[tuple[float, Message]], dict[str, Any]]:
    """What the simulator says, as seconds after the beginning, in order."""
    at = product.now().isoformat()
    found = product.tocsin("simulate", "--service", service, "--priority", "P1", "--at", at, "--for", f"{hours}h")
    began = datetime.fromisoformat(found["at"])
    lines = [
        (
            round((datetime.fromisoformat(line["at"]) - began).total_seconds()),
            (line["email"] or "", line["channel"], line["step"], line["loop"]),
        )
        for line in found["items"]
    ]
    return _in_order(lines), found


def _happened(product: Product, number: int, opened: datetime) -> list[tuple[float, Message]]:
    """What the engine did, in the same form. A page that reached nobody is a line without a channel."""
    lines = []
    for page in product.pages(number):
        step, loop = page["reason"]["step"], page["reason"]["loop"]
        if not page["deliveries"]:
            after = (datetime.fromisoformat(page["at"]) - opened).total_seconds()
            lines.append((after, (page["user"] or "", "", step, loop)))
        for delivery in page["deliveries"]:
            if delivery["state"] in ("delivered", "accepted"):
                after = (datetime.fromisoformat(delivery["ended_at"]) - opened).total_seconds()
                lines.append((after, (page["user"], delivery["channel"], step, loop)))
    return _in_order(lines)


def _in_order(lines: list[tuple[float, Message]]) -> list[tuple[float, Message]]:
    """By minute, then by name: what is due at one moment has no order of its own."""
    return sorted(lines, key=lambda line: (round(line[0] / 60), line[1]))


def _live_through(product: Product, service: str, foretold: list[tuple[float, Message]]) -> int:
    """Declare an incident and let time jump from one foretold message to the next; each must come. Its number."""
    declared = product.tocsin(
        "incident", "declare", "--title", "The shop is down", "--service", service, "--impact", "high",
        "--urgency", "high",
    )  # fmt: skip
    number = int(declared["id"])
    opened = datetime.fromisoformat(declared["opened_at"])
    for count, (after, _) in enumerate(foretold, 1):
        missing = opened + timedelta(seconds=after) - product.now()
        if missing > timedelta(0):
            product.pass_time(missing)
        until(
            f"message {count} of {foretold}",
            lambda count=count: len(_happened(product, number, opened)) >= count,  # type: ignore[misc]
            within=60,
        )
    happened = _happened(product, number, opened)
    assert [message for _, message in happened] == [message for _, message in foretold]
    for (really, message), (after, _) in zip(happened, foretold, strict=True):
        # a step waits from the moment at which the one before really ran: delays of a busy machine add up
        assert -1 <= really - after < 20, f"{message} came after {really:.1f} s instead of {after} s"
    return number


def test_every_step_runs_and_the_simulator_foretold_it(product: Product) -> None:
    people = team(product, "silent", wait_s=600)
    night = "nora.silent@example.org"
    person(product, night, "Nora of silent", ("email", night, 0), ("pocket", "Nora's phone", 120))
    schedule = {"name": "Nights", "slug": "silent-nights", "team": "silent", "layers": [layer("All", night)]}
    product.tell("schedules", schedule)
    policy = {
        "name": "silent policy",
        "slug": people.policy,
        "team": "silent",
        "repeats": 1,
        "steps": [
            {"targets": [f"schedule:{people.schedule}", "schedule:silent-nights"], "wait_s": 600},
            {"targets": [f"user:{people.second}"], "wait_s": 900},
        ],
        "fallback": [f"user:{people.boss}"],
    }
    product.tell(f"policies/{people.policy}", policy, "PUT")

    foretold, simulation = _foretold(product, people.service, 3)
    assert len(foretold) == 9, f"three messages and one, twice, and the fallback: {simulation}"
    assert product.incidents(people.service) == [], "the simulator writes nothing"
    number = _live_through(product, people.service, foretold)

    ended = product.ask(f"incidents/{number}/runs")["items"]
    assert [run["state"] for run in ended] == ["done"]
    before = len(product.pages(number))
    product.pass_time(timedelta(hours=3))
    product.tocsin("incident", "resolve", str(number))
    assert len(product.pages(number)) == before, "after the fallback the policy is over"


def test_nobody_on_call_pages_the_fallback_and_records_the_gap(product: Product) -> None:
    people = team(product, "gap", wait_s=600)
    schedule = {"name": "gap rota", "slug": people.schedule, "team": "gap", "layers": []}
    product.tell(f"schedules/{people.schedule}", schedule, "PUT")
    assert product.tocsin("oncall", "who", "--schedule", people.schedule)["oncall"] == []

    foretold, _ = _foretold(product, people.service, 1)
    number = _live_through(product, people.service, foretold)

    pages = product.pages(number)
    (gap,) = [page for page in pages if page["user"] is None]
    assert "nobody is on call" in gap["why"]
    assert next(page for page in pages if page["user"])["user"] == people.boss, "the fallback at once, not later"
    why = product.tocsin("why", "incident", str(number))
    assert any("nobody" in link["text"].lower() for link in why["chain"] if link["what"] == "page"), why
    product.tocsin("incident", "ack", str(number))
    product.tocsin("incident", "resolve", str(number))
