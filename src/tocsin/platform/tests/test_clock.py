from datetime import timedelta

import pytest

from tocsin.platform import clock

pytestmark = pytest.mark.django_db


def test_the_clock_goes_forward_and_can_be_shifted() -> None:
    before = clock.now()
    assert clock.now() >= before
    assert clock.shift(timedelta(hours=3)) - before >= timedelta(hours=3)
    assert clock.now().tzinfo is not None
