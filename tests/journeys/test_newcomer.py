"""The newcomer's road: from nothing to an answered page, with the command line and one HTTP request."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey


def test_from_nothing_to_an_answered_page(product: Product) -> None:
    ann, bob = "ann@newcomers.example", "bob@newcomers.example"
    for email, name in ((ann, "Ann"), (bob, "Bob")):
        product.tocsin("user", "create", "--email", email, "--name", name, "--zone", "Europe/Berlin")
    product.tocsin("user", "add-contact", ann, "--channel", "pocket", "--address", "Ann's phone")
    product.tocsin("user", "add-rule", ann, "--channel", "pocket", "--urgency", "high")
    product.tocsin("team", "create", "--name", "Newcomers", "--member", f"{ann}:manager", "--member", bob)
    now = product.now()
    product.tocsin(
        "schedule", "create", "--name", "Newcomers primary", "--member", ann, "--member", bob,
        "--from", (now - timedelta(days=1)).isoformat(), "--zone", "Europe/Berlin", "--team", "newcomers",
    )  # fmt: skip
    product.tocsin(
        "policy", "create", "--name", "Newcomers policy", "--team", "newcomers",
        "--step", "schedule:newcomers-primary=5m", "--step", f"user:{bob}=5m", "--fallback", f"user:{bob}",
    )  # fmt: skip
    product.tocsin(
        "service", "create", "--name", "Bakery", "--team", "newcomers", "--policy", "newcomers-policy", "--tier", "1"
    )

    who = product.tocsin("oncall", "who", "--schedule", "Newcomers primary", "--at", now.isoformat())
    assert {"at", "schedule", "oncall"} <= set(who)
    (shift,) = who["oncall"]
    assert {"email", "name", "layer", "from", "to"} <= set(shift)
    assert shift["email"] == ann
    later = (now + timedelta(days=7)).isoformat()
    (shift,) = product.tocsin("oncall", "who", "--schedule", "newcomers-primary", "--at", later)["oncall"]
    assert shift["email"] == bob

    foretold = product.tocsin(
        "simulate", "--service", "bakery", "--priority", "P1", "--at", now.isoformat(), "--for", "4h"
    )
    assert foretold["items"][0]["user"] == "Ann"
    assert foretold["items"][0]["why"]

    source = product.tocsin("source", "create", "--service", "bakery", "--kind", "pagerduty")
    assert {"id", "kind", "key", "url"} <= set(source)
    event = {
        "routing_key": source["key"],
        "event_action": "trigger",
        "dedup_key": "oven-1",
        "payload": {"summary": "The oven is cold", "source": "oven-1", "severity": "critical"},
    }
    answer = httpx.post(source["url"], json=event)
    assert answer.status_code == 202
    assert answer.json()["dedup_key"] == "oven-1"

    (incident,) = until("an incident", lambda: product.tocsin("incident", "list")["items"] and _of_bakery(product))
    number = str(incident["id"])
    assert incident["title"] == "The oven is cold"

    def on_the_phone() -> bool:
        found = product.tocsin("incident", "deliveries", number)["items"]
        return [(one["channel"], one["state"]) for one in found if one["channel"] == "pocket"] == [
            ("pocket", "delivered")
        ]

    until("the page on the pocket phone", on_the_phone)
    assert product.tocsin("incident", "ack", number)["state"] == "acknowledged"
    assert product.tocsin("incident", "resolve", number, "--note", "Lit again")["state"] == "resolved"
    kinds = [entry["kind"] for entry in product.tocsin("incident", "timeline", number)["items"]]
    assert kinds[0] == "opened"
    assert {"acknowledged", "resolved"} <= set(kinds)

    token = product.tocsin("token", "create", "--user", ann)["token"]
    me = httpx.get(f"{product.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["email"] == ann


def _of_bakery(product: Product) -> list[dict[str, object]]:
    return product.incidents("bakery")


def test_mistakes_are_told_in_a_sentence_with_the_field(product: Product) -> None:
    done = product.command("service", "create", "--name", "Nowhere", "--team", "no-such-team")
    assert done.returncode == 1
    assert "team" in done.stderr
    assert "Traceback" not in done.stderr
    done = product.command("oncall", "who", "--schedule", "no-such-schedule", "--json")
    assert done.returncode not in (0, 2)
    assert "Traceback" not in done.stderr


def test_configuration_as_code_comes_around(product: Product, tmp_path: Path) -> None:
    everything = product.command("export")
    assert everything.returncode == 0, everything.stderr
    assert yaml.safe_load(everything.stdout)
    file = tmp_path / "tocsin.yaml"
    file.write_text(everything.stdout)
    assert _plan(product, file) == [], "what was exported is what is there"

    wanted = """
people:
  - email: cora@code.example
    name: Cora
teams:
  - name: Code
    slug: code
    members: {cora@code.example: manager}
schedules:
  - name: Code primary
    slug: code-primary
    team: code
    zone: UTC
    layers:
      - {name: Weekly, unit: week, length: 1, anchor: 2026-01-05T09:00:00, members: [cora@code.example]}
policies:
  - name: Code policy
    slug: code-policy
    team: code
    steps:
      - {targets: ["schedule:code-primary"], wait_s: 300}
services:
  - {name: Compiler, slug: compiler, team: code, policy: code-policy, tier: 2}
"""
    file.write_text(wanted)
    planned = _plan(product, file)
    assert len(planned) == 5
    applied = product.command("apply", str(file), "--yes")
    assert applied.returncode == 0, applied.stderr
    assert _plan(product, file) == [], "applying twice changes nothing"
    assert product.tocsin("service", "show", "compiler")["policy"] == "code-policy"

    file.write_text(wanted.replace("tier: 2", "tier: 9"))
    refused = product.command("plan", str(file))
    assert refused.returncode == 1
    assert "tier" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def _plan(product: Product, file: Path) -> list[object]:
    changes: list[object] = product.tocsin("plan", str(file))["changes"]
    return changes
