"""Fixtures of all unit tests."""

from collections.abc import Iterator

import pytest

from tocsin.platform import remember


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """A test that was rolled back must not be remembered by the next one."""
    remember.forget_everything()
    yield
    remember.forget_everything()
