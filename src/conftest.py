"""Fixtures of all unit tests."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tocsin.platform import remember
from tocsin.platform.models import Clock


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """A test that was rolled back must not be remembered by the next one."""
    remember.forget_everything()
    yield
    remember.forget_everything()


@pytest.fixture(autouse=True)
def _clock_row(request: pytest.FixtureRequest) -> None:
    """Tests that really commit empty all tables after them, and with them the clock's only row: put it back."""
    marker = request.node.get_closest_marker("django_db")
    commits = {"transactional_db", "live_server"} & set(request.fixturenames)
    if commits or (marker and marker.kwargs.get("transaction")):
        request.getfixturevalue("transactional_db")
        Clock.objects.get_or_create(id=1, defaults={"shift": timedelta()})
