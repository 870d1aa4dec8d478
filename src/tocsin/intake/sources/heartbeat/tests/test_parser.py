"""A check-in is never refused."""

from datetime import UTC, datetime

import pytest

from tocsin.intake.contract import Request
from tocsin.intake.sources.heartbeat import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00", b"[" * 5000, b"null", b"x" * 100_000])
def test_any_body_is_a_check_in(body: bytes) -> None:
    (signal,) = parser.parse(Request(body, now=NOW), {}).signals
    assert signal.action == "check_in"
    assert signal.dedup_key == parser.DEDUP_KEY
