"""What a partner's word becomes."""

import json
from datetime import UTC, datetime

import pytest

from tocsin.intake.contract import ParseError, Request
from tocsin.intake.sources.partner import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("well", "unwell_s", "after", "action"),
    [
        (True, 0, 3, "check_in"),
        (True, 9999, 3, "check_in"),
        (False, 0, 3, None),
        (False, 179, 3, None),
        (False, 180, 3, "trigger"),
        (False, 300, 5, "trigger"),
        (False, 299, 5, None),
    ],
)
def test_unwell_counts_after_the_minutes_that_were_chosen(
    well: bool, unwell_s: int, after: int, action: str | None
) -> None:
    body = json.dumps({"tocsin": "1", "well": well, "unwell_s": unwell_s, "reasons": ["no engine"]}).encode()
    found = parser.parse(Request(body, now=NOW), {"after_minutes": after}).signals
    assert [signal.action for signal in found] == ([action] if action else [])
    assert all(signal.dedup_key == "heartbeat" for signal in found)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"tocsin": "1"}', b'{"tocsin": "1", "well": "yes"}',
             b'{"tocsin": "1", "well": false, "unwell_s": -1}']
)  # fmt: skip
def test_what_is_no_word_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        parser.parse(Request(body, now=NOW), {})
