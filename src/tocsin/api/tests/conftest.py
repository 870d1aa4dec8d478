import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tocsin.people import actions
from tocsin.people.models import User
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM


class Caller:
    """Somebody with a token who calls the API with JSON."""

    def __init__(self, token: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.generic(
            method,
            f"/api/v1{path}",
            data="" if body is None else body if isinstance(body, str) else json.dumps(body),
            content_type="application/json",
            headers=self.headers | {name.replace("_", "-"): value for name, value in headers.items()},
        )


@pytest.fixture
def people(db: None) -> Named:
    return named_people()


@pytest.fixture
def call_as() -> Callable[..., Caller]:
    """A caller with a token of this person; ``scopes`` narrow it."""

    def make(user: User | None, *scopes: str) -> Caller:
        if user is None:
            return Caller("")
        _, token = actions.create_token(user.pk, actor=SYSTEM, scopes=scopes or ("admin",))
        return Caller(token)

    return make
