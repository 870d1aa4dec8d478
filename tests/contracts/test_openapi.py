"""The API keeps to its own description: whatever is sent, no fault of ours, and answers as the schema says.

schemathesis makes the requests from ``openapi.json``, good and bad ones. Places in paths are filled with things that
exist half of the time. Each request is taken back, so that all meet the same world. ``OPENAPI_CASES`` says how many.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contracts.api_world import World, world
from tocsin.api import middleware
from tocsin.api.limits import Limiter
from tocsin.people import actions as people
from tocsin.platform.actor import SYSTEM

CASES = int(os.environ.get("OPENAPI_CASES", "1500"))
SEED = int(os.environ.get("OPENAPI_SEED", "20261124"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(middleware, "limiter", Limiter(10**9))
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield world()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


class Asker:
    """Sends what schemathesis makes and keeps what came of it."""

    def __init__(self, made: World) -> None:
        self.made = made
        self.token = people.create_token(made.admin, actor=SYSTEM, scopes=("admin",))[1]
        self.seen: Counter[int] = Counter()
        self.faults: dict[str, str] = {}

    def of(self, operation: Any, times: int) -> None:
        """Ask one operation so many times."""
        chance = random.Random(f"{SEED} {operation.label}")
        strict = settings(
            max_examples=times,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        @seed(SEED)
        @strict
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            for name in case.path_parameters or {}:
                if chance.random() < 0.5:
                    case.path_parameters[name] = self.made.something(case.path, name, chance)
            ours = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"}
            case.headers = {**(case.headers or {}), **ours}
            point = transaction.savepoint()
            try:
                self._check(operation.label, case)
            finally:
                transaction.set_rollback(False)
                transaction.savepoint_rollback(point)

        ask()

    def _check(self, label: str, case: Any) -> None:
        response = case.call()
        self.seen[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except BaseExceptionGroup as group:
            told = "; ".join(re.sub(r"\s+", " ", str(one))[:600] for one in group.exceptions)
            self.faults.setdefault(f"{label} {response.status_code}", told)


@pytest.mark.timeout(3600)
def test_every_answer_is_as_described(made: World) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())
    operations = [result.ok() for result in schema.get_all_operations()]
    asker = Asker(made)
    for operation in operations:
        asker.of(operation, max(1, round(CASES / len(operations))))
    assert not asker.faults, "\n\n".join(f"{label}: {text}" for label, text in sorted(asker.faults.items()))
    total = sum(asker.seen.values())
    print(f"{total} requests to {len(operations)} operations: {dict(sorted(asker.seen.items()))}")
    assert total >= CASES * 0.9
    assert asker.seen[200] > CASES / 20
