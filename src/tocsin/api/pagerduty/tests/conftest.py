import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tocsin.people import actions
from tocsin.people.models import User
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM


class PagerDuty:
    """A client of PagerDuty's REST API with a key."""

    def __init__(self, key: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Token token={key}"} if key else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Ask; the path is below ``/pd``."""
        return self.client.generic(
            method,
            f"/pd{path}",
            data="" if body is None else body if isinstance(body, str) else json.dumps(body),
            content_type="application/json",
            headers=self.headers | headers,
        )


@pytest.fixture
def people(db: None) -> Named:
    return named_people()


@pytest.fixture
def key_of() -> Callable[..., str]:
    """A key of this person; ``scopes`` narrow it."""

    def make(user: User, *scopes: str) -> str:
        return actions.create_token(user.pk, actor=SYSTEM, scopes=scopes or ("admin",))[1]

    return make


@pytest.fixture
def ask_as(key_of: Callable[..., str]) -> Callable[..., PagerDuty]:
    """A client with a key of this person; None: without a key."""

    def make(user: User | None, *scopes: str) -> PagerDuty:
        return PagerDuty("" if user is None else key_of(user, *scopes))

    return make
