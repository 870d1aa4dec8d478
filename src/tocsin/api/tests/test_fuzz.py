"""Whatever is sent: never a 5xx, and refusals name a field."""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tocsin.api.main import api
from tocsin.catalogue import actions as catalogue
from tocsin.catalogue.rules import ServiceSpec
from tocsin.incidents import actions as incidents
from tocsin.people.tests.named import Named
from tocsin.platform.actor import SYSTEM

pytestmark = pytest.mark.django_db
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "3"))
VALUES: list[Any] = [
    None, "", " ", "x", "x" * 3000, "\u202e\ufeff", "1", "-1", 0, 1, -1, 10**20, -(10**20), 1.5, 1e308, True, False,
    [], {}, ["x"], [None], [[]], {"a": 1}, [{}], "2026-01-01T00:00:00", "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00", "+2h", "UTC", "Mars/Olympus", "admin", "high", "P1",
    "user:alice@example.org", "schedule:x", "alice@example.org", "core", "cart", "1 == 1", "signal.severity == ",
    "FREQ=WEEKLY", "FREQ=SECONDLY;COUNT=1000000000", "heartbeat", "email", "http://[", "https://x.example/", "week",
    ["alice@example.org"], ["cart"], ["user:alice@example.org"],
]  # fmt: skip
REFS = [
    "1", "core", "cart", "alice@example.org", "INC-1", "acknowledge", "merge", "snooze", "resolve", "signal",
    "x" * 300, "ü", "-1", "0",
]  # fmt: skip


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and JSON Schema of every body."""
    schema = api.get_openapi_schema()
    known = schema["components"]["schemas"]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            yield method.upper(), path.removeprefix("/api/v1"), _followed(body, known)


def _followed(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    for part in (schema, *schema.get("anyOf", [])):
        if "$ref" in part:
            return dict(known[part["$ref"].rpartition("/")[2]]) | {"known": known}
    return schema | {"known": known}


def made(schema: dict[str, Any], chance: random.Random, depth: int = 0) -> Any:
    """Something that looks like what the schema asks for, with mistakes."""
    known = schema.get("known", {})
    if chance.random() < 0.3 or depth > 4:
        return chance.choice(VALUES)
    properties = schema.get("properties")
    if properties:
        body = {}
        for name, inner in properties.items():
            if chance.random() < 0.8:
                body[name] = made(_followed(inner, known), chance, depth + 1)
        return body
    if schema.get("type") == "array":
        inner = _followed(schema.get("items", {}), known)
        return [made(inner, chance, depth + 1) for _ in range(chance.randrange(3))]
    if schema.get("type") == "integer":
        return chance.choice([0, 1, 2, 60, 300, 3600, -1, 2**31, 2**63, "x"])
    if schema.get("type") == "string":
        return chance.choice([value for value in VALUES if isinstance(value, str)])
    return chance.choice(VALUES)


@pytest.fixture
def alice(people: Named, call_as: Callable[..., Any]) -> Any:
    catalogue.save_service(ServiceSpec("Cart", team="core"), actor=SYSTEM)
    service = catalogue.save_service(ServiceSpec("Shop", depends_on=["cart"]), actor=SYSTEM)
    incidents.declare("Down", service.pk, actor=people.actor(people.alice))
    return call_as(people.alice)


def test_no_body_is_answered_with_a_fault_of_ours(alice: Any) -> None:
    chance = random.Random(20260105)
    for method, path, schema in bodies():
        for _ in range(ROUNDS):
            filled = re.sub(r"\{[^}]+\}", lambda match: quote(chance.choice(REFS), safe=""), path)
            body = None if method == "GET" else made(schema, chance)
            response = alice(method, filled, None if body is None else json.dumps(body))
            assert response.status_code < 500, (method, filled, body, response.content)
            if response.status_code == 422:
                assert response.json()["error"]["problems"] or response.json()["error"]["message"], (
                    method,
                    filled,
                    body,
                )


def test_no_query_is_answered_with_a_fault_of_ours(alice: Any) -> None:
    chance = random.Random(20260106)
    schema = api.get_openapi_schema()
    for path, methods in schema["paths"].items():
        names = [p["name"] for p in methods.get("get", {}).get("parameters", []) if p["in"] == "query"]
        if "get" not in methods:
            continue
        for _ in range(ROUNDS):
            filled = re.sub(
                r"\{[^}]+\}", lambda match: quote(chance.choice(REFS), safe=""), path.removeprefix("/api/v1")
            )
            asked = {name: chance.choice(VALUES) for name in names if chance.random() < 0.6}
            text = "&".join(f"{name}={quote(str(value))}" for name, value in asked.items())
            response = alice("GET", f"{filled}?{text}")
            assert response.status_code < 500, (filled, asked, response.content)
